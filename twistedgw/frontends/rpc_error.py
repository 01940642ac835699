"""What an RPC protocol says of an error: a gRPC status with its details."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import DOMAIN
from twistedgw.frontends.metadata import response_fields
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from twistedgw.backends.failures import CallError
    from twistedgw.frontends.exchange import Fields

__all__ = ["RpcError", "rpc_error", "unsupported_encoding", "unsupported_type"]


_PLAIN = frozenset(
    (
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "INVALID_ENVELOPE",
        "INVALID_MESSAGE_COUNT",
        "METHOD_NOT_ALLOWED",
        "METHOD_NOT_SUPPORTED",
        "REQUEST_TOO_LARGE",
        "ROUTE_NOT_FOUND",
        "UNSUPPORTED_ENCODING",
        "UNSUPPORTED_MEDIA_TYPE",
    )
)
"""Reasons that stand for what any RPC server says without details; Connect's conformance tests insist on that."""


@dataclass(slots=True)
class RpcError:
    """An error, ready to be written.

    Attributes:
        code: the gRPC code.
        message: one sentence for the client.
        details: ``google.protobuf.Any``, of ``google.rpc.Status.details``.
        http_status: where the request failed at HTTP (404, 405, 415) and not at a call; None for all others.
        fields: header fields that the answer carries.
        initial, trailing: the backend's metadata, as fields.
    """

    code: Code
    message: str
    details: Sequence[Any] = ()
    http_status: int | None = None
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    initial: Fields = ()
    trailing: Fields = ()

    def status(self) -> bytes:
        """Give the bytes of a ``google.rpc.Status``; none where there are no details."""
        if not self.details:
            return b""
        status = status_pb2.Status(code=int(self.code), message=_text(self.message), details=self.details)
        return bytes(status.SerializeToString())


def rpc_error(error: GatewayError | CallError) -> RpcError:
    """Give what is to be said of an error."""
    if isinstance(error, GatewayError):
        return _own(error)
    details = _backend_details(error) if error.from_backend else _details(error.reason or error.code.name, {}, ())
    made = RpcError(error.code, error.message, details)
    made.initial = response_fields(error.initial_metadata)
    made.trailing = response_fields(error.trailing_metadata)
    if error.retry_after is not None:
        made.fields.append((b"retry-after", b"%d" % error.retry_after))
    return made


def _own(error: GatewayError) -> RpcError:
    code, status = error.code, None
    # A client that reads no more than the HTTP status infers these codes of it (Connect, "HTTP to Error Code").
    if error.reason == "ROUTE_NOT_FOUND":
        code, status = Code.UNIMPLEMENTED, 404
    elif error.http_status in (405, 415):
        code, status = Code.UNKNOWN, error.http_status
    made = RpcError(code, error.message, _details(error.reason, error.metadata, error.violations), status)
    made.fields = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error.headers
    ]
    return made


def _details(reason: str, metadata: dict[str, str], violations: Sequence[tuple[str, str]]) -> list[Any]:
    if reason in _PLAIN:
        return []
    details = [_packed(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata))]
    if violations:
        violation = error_details_pb2.BadRequest.FieldViolation
        listed = [violation(field=_text(name), description=_text(text)) for name, text in violations]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=listed)))
    return details


def _packed(message: Message) -> Any:
    status = status_pb2.Status()
    detail: Any = status.details.add()
    detail.Pack(message)
    return detail


def _text(text: str) -> str:
    """Make sure that protobuf takes a text (lone surrogates it does not)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _backend_details(error: CallError) -> Sequence[Any]:
    if not error.details:
        return ()
    try:
        return list(status_pb2.Status.FromString(error.details).details)
    except DecodeError:
        return ()


def unsupported_encoding(encoding: str, field: str) -> GatewayError:
    """Give the error of a compression that is not known.

    Args:
        encoding: as the client named it.
        field: the header field in which the answer lists what is supported.
    """
    return GatewayError(
        Code.UNIMPLEMENTED,
        f"compression {encoding[:40]!r} is not supported: gzip and identity are",
        reason="UNSUPPORTED_ENCODING",
        headers=((field, "gzip, identity"),),
    )


def unsupported_type(content_type: str, rpc: str, supported: Sequence[str]) -> GatewayError:
    """Give the error of a media type that an RPC cannot be called with: 415."""
    return GatewayError(
        Code.INVALID_ARGUMENT,
        f"{rpc} cannot be called with {content_type[:80]!r}: use {' or '.join(supported)}",
        reason="UNSUPPORTED_MEDIA_TYPE",
        http_status_=415,
        headers=(("Accept-Post", ", ".join(supported)),),
    )
