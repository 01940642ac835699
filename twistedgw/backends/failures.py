"""The one error that comes out of a bridge, and the one function that makes it of all that can go wrong."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import grpc
import grpc.aio
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedgw.backends.core_status import LocalStatus, local_status
from twistedgw.status import Code

__all__ = [
    "CallError",
    "ConnectError",
    "backend_gone",
    "call_error",
    "cancelled",
    "deadline_exceeded",
    "status_error",
    "stopping",
    "too_many",
    "unreadable",
]

DETAILS = "grpc-status-details-bin"
RETRY_AFTER = 1
"""Seconds after which a refused client may try again."""

log = Logger()

_Metadata = tuple[tuple[str, "str | bytes"], ...]
_UNKNOWN_CODE = re.compile(r'Server sent unknown code \S+ and details "(.*)"\Z', re.DOTALL)


class CallError(Exception):
    """A gRPC call that did not end with OK.

    Attributes:
        code: a gRPC code; `Code.UNKNOWN` for a number outside of the table.
        message: the backend's own ``grpc-message``, or a sentence of ours for what happened on this side. Safe to
            show to a client: gRPC's own connection errors (addresses, sockets) are replaced.
        details: the bytes of ``grpc-status-details-bin`` (a ``google.rpc.Status``); empty where there are none.
        initial_metadata, trailing_metadata: as far as they came.
        from_backend: whether the backend itself ended the call with this status.
        retry_after: seconds for ``Retry-After``; None where it does not apply.
        reason: ``ErrorInfo.reason`` for errors of this side (``BACKEND_UNAVAILABLE``, ``TOO_MANY_IN_FLIGHT``,
            ``DEADLINE_EXCEEDED``, ``CANCELLED``, ``RESPONSE_TOO_LARGE``, …); empty for the backend's own.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        details: bytes = b"",
        initial_metadata: _Metadata = (),
        trailing_metadata: _Metadata = (),
        from_backend: bool = False,
        retry_after: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.details = details
        self.initial_metadata = initial_metadata
        self.trailing_metadata = trailing_metadata
        self.from_backend = from_backend
        self.retry_after = retry_after
        self.reason = reason


class ConnectError(CallError):
    """No connection could be made: nothing was sent, so another target may be tried."""


def call_error(problem: BaseException) -> CallError:
    """Fold whatever a call ended with into a `CallError`. Any thread.

    gRPC's own wording for a failure of this side goes to the log, at debug, and no further.
    """
    if isinstance(problem, CallError):
        return problem
    if isinstance(problem, grpc.RpcError) and hasattr(problem, "code"):
        return _of_rpc(problem)
    if isinstance(problem, grpc.FutureCancelledError | asyncio.CancelledError | CancelledError):
        return cancelled()
    if isinstance(problem, ValueError | grpc.aio.UsageError) and "closed" in str(problem).lower():
        return backend_gone()
    log.failure("a call to a backend failed in a way that nobody has thought of", Failure(problem))
    return CallError(Code.INTERNAL, "the call to the backend failed", reason="BACKEND_CALL_FAILED")


def status_error(code: int, text: str, initial: _Metadata, trailing: _Metadata) -> CallError:
    """Make the error of a status other than OK, whoever made that."""
    details = b"".join(value for key, value in trailing if key == DETAILS and isinstance(value, bytes))
    try:
        known = Code(code)
    except ValueError:
        known = Code.UNKNOWN
    local = local_status(known, text)
    # Before its trailers the core cannot have details: a status with these is the backend's, whatever its wording.
    if local is None or (details and local.reason != "BACKEND_PROTOCOL_ERROR"):
        return CallError(
            known,
            text,
            details=details,
            initial_metadata=initial,
            trailing_metadata=trailing,
            from_backend=True,
        )
    log.debug("call failed: {code} {text!r}", code=known.name, text=text)
    return _of_local(local, initial, trailing)


def cancelled() -> CallError:
    """Make the error of a call that its caller gave up."""
    return CallError(Code.CANCELLED, "the call was cancelled", reason="CANCELLED")


def deadline_exceeded() -> CallError:
    """Make the error of a call whose deadline passed before it was made."""
    return CallError(
        Code.DEADLINE_EXCEEDED, "the deadline passed before the backend was called", reason="DEADLINE_EXCEEDED"
    )


def too_many(message: str) -> CallError:
    """Make the error of a call for which there is no place."""
    return CallError(Code.UNAVAILABLE, message, retry_after=RETRY_AFTER, reason="TOO_MANY_IN_FLIGHT")


def stopping() -> CallError:
    """Make the error of a call that meets a bridge which is not running."""
    return CallError(Code.UNAVAILABLE, "the gateway is stopping", reason="GATEWAY_STOPPING")


def backend_gone() -> CallError:
    """Make the error of a call to a backend whose channel is closed."""
    return CallError(Code.UNAVAILABLE, "the backend was taken out of service", reason="BACKEND_UNAVAILABLE")


def unreadable(message: str) -> CallError:
    """Make the error of an answer that is no message of the RPC's output type."""
    return CallError(Code.INTERNAL, message, reason="BACKEND_PROTOCOL_ERROR")


def _of_rpc(error: Any) -> CallError:
    text = error.details() or ""
    unknown = _UNKNOWN_CODE.match(text)
    if unknown:
        text = unknown[1]
    return status_error(
        error.code().value[0], text, tuple(error.initial_metadata() or ()), tuple(error.trailing_metadata() or ())
    )


def _of_local(local: LocalStatus, initial: _Metadata, trailing: _Metadata) -> CallError:
    kind = CallError if local.connected else ConnectError
    return kind(local.code, local.message, initial_metadata=initial, trailing_metadata=trailing, reason=local.reason)
