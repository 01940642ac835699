"""What a bridge takes and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message
    from twisted.internet.defer import Deferred

    from twistedgw.backends.failures import CallError
    from twistedgw.backends.places import Places
    from twistedgw.config.model import Backend

__all__ = ["Bridge", "Call", "Metadata", "Receiver", "Result", "Stream", "StreamCall", "Upstream"]

Metadata = Sequence[tuple[str, "str | bytes"]]
"""gRPC metadata: lower-case keys; keys that end in ``-bin`` have bytes, all others str."""


class Upstream(Protocol):
    """A backend as a bridge sees it: one warm channel, its stubs and its places.

    Made by `Bridge.upstream`, on any thread; the channel is opened on the reactor thread at its first call. It may be
    shared by several generations.

    Attributes:
        identity: equal for two configurations between which nothing about the channel has changed (the contents of
            certificate files included, `max_in_flight` and names of sections not).
        in_flight: calls that hold a place now.
        max_in_flight: None for no limit of its own; may be set anew on a reload.
    """

    identity: object
    in_flight: int
    max_in_flight: int | None

    def state(self) -> str:
        """Give the channel's connectivity: ``idle``, ``connecting``, ``ready``, ``transient_failure``, ``shutdown``."""
        ...

    def close(self) -> None:
        """Close the channel; calls on their way end with UNAVAILABLE. Idempotent. Reactor thread only."""
        ...


@dataclass(slots=True)
class Call:
    """One unary gRPC call that is to be made.

    Attributes:
        upstream: where it goes.
        method: the RPC; its input and output types belong to the pool of the plugin that is bound.
        request: a message of the RPC's input type.
        timeout: seconds that are left, counted from now; None for no deadline.
        metadata: sent with the call.
    """

    upstream: Any
    method: MethodDescriptor
    request: Message
    timeout: float | None
    metadata: Metadata = ()


@dataclass(slots=True)
class Result:
    """A call that ended with OK.

    Attributes:
        message: of the RPC's output type.
        initial_metadata: the server's headers.
        trailing_metadata: the server's trailers.
    """

    message: Message
    initial_metadata: Metadata
    trailing_metadata: Metadata


@dataclass(slots=True)
class StreamCall:
    """One gRPC call that is to be made as a stream: whichever of the two sides streams, or both.

    Attributes:
        upstream: where it goes.
        method: the RPC; its types belong to the pool of the plugin that is bound.
        timeout: seconds that are left, counted from now; None for no deadline.
        metadata: sent with the call.
    """

    upstream: Any
    method: MethodDescriptor
    timeout: float | None
    metadata: Metadata = ()


class Receiver(Protocol):
    """Takes what comes back of a stream. Called on the reactor thread, in this order: headers, messages, the end."""

    def headers(self, metadata: Metadata) -> None:
        """Take the backend's initial metadata: at most once, before every message.

        Not called for a backend that answers with an error alone. So that such can be told from a backend that has sent
        no metadata of its own, these come 10 ms late unless a message comes first.
        """
        ...

    def message(self, message: Message) -> None:
        """Take one message of the RPC's output type. Never called while the stream is paused.

        For an RPC whose answer does not stream it is called only if the call ends with OK, directly before `ended`.
        """
        ...

    def ready(self) -> None:
        """Learn that more requests may be sent, after `Stream.send` has given False."""
        ...

    def ended(self, error: CallError | None, trailing: Metadata) -> None:
        """Learn that the call is over: once, and nothing is called after it.

        Args:
            error: None for OK.
            trailing: the backend's trailers, as far as they came.
        """
        ...


class Stream(Protocol):
    """A stream on its way. Reactor thread only; after its end every method does nothing."""

    def send(self, message: Message) -> bool:
        """Send one message of the RPC's input type.

        Returns:
            whether more may be sent at once; where not, `Receiver.ready` tells when (what is sent before that is kept).
        """
        ...

    def half_close(self) -> None:
        """Say that no more messages will be sent."""
        ...

    def pause(self) -> None:
        """Let the backend wait: no message is delivered until `resume`.

        What was read before that is held here: one message, or small ones of together no more than 32 KiB. The end of
        the call is told while it is paused only where nothing is held.
        """
        ...

    def resume(self) -> None:
        """Go on delivering messages."""
        ...

    def cancel(self) -> None:
        """Give the call up. `Receiver.ended` is called, with CANCELLED, before this returns."""
        ...


class Bridge(Protocol):
    """The one seam between the reactor and gRPC. Reactor thread only, but for `upstream`.

    Attributes:
        places: those of the whole gateway; its `max_in_flight` may be set anew on a reload.
        max_response_message: bytes; what is set here holds for upstreams made from then on.
    """

    places: Places
    max_response_message: int

    def upstream(self, backend: Backend, read: Callable[[Path], bytes] = ...) -> Any:
        """Make an `Upstream` for a gRPC backend, opening nothing yet. Any thread.

        Args:
            backend: its configuration.
            read: gives the content of a file, or raises OSError; `Path.read_bytes` where nothing is given.

        Raises:
            ConfigError: a certificate file cannot be read or used.
        """
        ...

    def start(self) -> None:
        """Start what calls need (threads). After twistd has forked."""
        ...

    def unary(self, call: Call) -> Deferred[Result]:
        """Make a unary call.

        Cancelling the Deferred cancels the call. It fires with a `Result` or fails with a `CallError`
        (`twistedgw.backends.failures`), never with anything else.
        """
        ...

    def stream(self, call: StreamCall, receiver: Receiver) -> Stream:
        """Begin a stream. For an RPC with one request, that is sent by `Stream.send` and `Stream.half_close` too.

        A call that cannot be made (no place, a closed channel, metadata that cannot be sent) is told by
        `Receiver.ended`, never by an exception, and not before this has returned. A place is held until the call has
        really ended.
        """
        ...

    async def stop(self) -> None:
        """Close every channel that is still open, then stop the threads. Every Deferred has fired by its end."""
        ...
