"""Streams of ``grpc.aio``, made with as few of its layers as it lets one leave out.

As for unary calls (`twistedgw.backends.aio_unary`) the object below its multi-callables is used where it has the shape
that is known here. That saves more than time: by the public way a request that cannot be written ends the call with
gRPC's "internal error", and what has really happened is lost.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import grpc.aio

from twistedgw.backends.aio_unary import UNKNOWN, Ended, run
from twistedgw.backends.drive import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["AioRpc", "direct_stream", "public_stream"]

_NEEDED = (
    "initiate_stream_stream",
    "receive_serialized_message",
    "send_serialized_message",
    "send_receive_close",
    "initial_metadata",
    "status",
    "cancel",
    "done",
    "add_done_callback",
)


class AioRpc(Protocol):
    """A stream on its way: streaming both ways, whatever the RPC's kind. Its coroutines are for `drive`."""

    def begin(self, sent: Callable[[], None]) -> Coroutine[Any, Any, None]:
        """Begin; over when the initial metadata are there, or the call has ended.

        Args:
            sent: called when requests may be written.
        """
        ...

    def initial_metadata(self) -> tuple[Any, ...]:
        """Give the initial metadata, once `begin` is over."""
        ...

    def read(self) -> Coroutine[Any, Any, bytes | None]:
        """Read a message; anything that is not bytes, or is raised, means that there is none any more."""
        ...

    def write(self, data: bytes) -> Coroutine[Any, Any, None]:
        """Write a request; over when it has gone out."""
        ...

    def close(self) -> Coroutine[Any, Any, None]:
        """Say that no more requests will come."""
        ...

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called as soon as the status is known."""
        ...

    def status_known(self) -> bool:
        """Tell whether the status is known."""
        ...

    def status(self) -> Coroutine[Any, Any, Any]:
        """Wait until the status is known."""
        ...

    def ended(self) -> Ended:
        """Tell how it ended, once the status is known."""
        ...

    def cancel(self) -> None:
        """Give it up."""
        ...


def direct_stream(channel: grpc.aio.Channel, path: str) -> Any:
    """Make the maker of an RPC's streams below `grpc.aio`'s own; None where this grpcio is not known to have that.

    Args:
        path: ``/package.Service/Method``.
    """
    core: Any = getattr(channel, "_channel", None)
    name = path.encode("ascii")
    for rest in ((None, None, 0), (None, None)):  # credentials, wait_for_ready, and from 1.76 on a registered handle
        try:
            trial = core.call(b"/", time.time() + 1, *rest)
        except (AttributeError, TypeError):
            continue
        if not all(hasattr(trial, needed) for needed in _NEEDED):
            return None

        def make(timeout: float | None, metadata: tuple[Any, ...], rest: tuple[Any, ...] = rest) -> _Direct:
            return _Direct(core.call(name, None if timeout is None else time.time() + timeout, *rest), metadata)

        return make
    return None


class _Direct:
    __slots__ = ("_call", "_metadata", "close", "read", "status", "status_known", "watch", "write")

    def __init__(self, call: Any, metadata: tuple[Any, ...]) -> None:
        self._call = call
        self._metadata = metadata
        self.read = call.receive_serialized_message
        self.write = call.send_serialized_message
        self.close = call.send_receive_close
        self.watch = call.add_done_callback
        self.status_known = call.done
        self.status = call.status

    def begin(self, sent: Callable[[], None]) -> Any:
        return self._call.initiate_stream_stream(self._metadata, sent)

    def initial_metadata(self) -> tuple[Any, ...]:
        return run(self._call.initial_metadata()) or ()

    def ended(self) -> Ended:
        status = run(self._call.status())
        return status.code(), status.details() or "", self.initial_metadata(), status.trailing_metadata() or ()

    def cancel(self) -> None:
        self._call.cancel("Locally cancelled by application!")


def public_stream(channel: grpc.aio.Channel, path: str) -> Any:
    """Make the maker of an RPC's streams by grpcio's public interface.

    Args:
        path: ``/package.Service/Method``.
    """
    made = channel.stream_stream(path)

    def make(timeout: float | None, metadata: tuple[Any, ...]) -> _Public:
        return _Public(made(timeout=timeout, metadata=metadata))

    return make


class _Public:
    __slots__ = ("_call", "cancel", "close", "read", "status", "status_known", "write")

    def __init__(self, call: Any) -> None:
        self._call = call
        self.read = call.read
        self.write = call.write
        self.close = call.done_writing
        self.status_known = call.done
        self.status = call.details
        self.cancel = call.cancel

    async def begin(self, sent: Callable[[], None]) -> None:
        # Not at once: before the loop runs it cannot be waited for.
        self._call._loop.call_soon(drive, self._call.wait_for_connection(), partial(_call, sent))
        await self._call.initial_metadata()

    def initial_metadata(self) -> tuple[Any, ...]:
        return tuple(run(self._call.initial_metadata()))

    def watch(self, ended: Callable[[], None]) -> None:
        self._call.add_done_callback(partial(_call, ended))

    def ended(self) -> Ended:
        call = self._call
        try:
            code = run(call.code()).value[0]
        except KeyError:  # which is how grpc.aio takes a status code that it does not know
            code = UNKNOWN
        return code, run(call.details()) or "", self.initial_metadata(), tuple(run(call.trailing_metadata()))


def _call(function: Callable[[], None], *_: Any) -> None:
    function()
