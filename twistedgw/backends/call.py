"""What a bridge takes and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message
    from twisted.internet.defer import Deferred

    from twistedgw.backends.places import Places
    from twistedgw.config.model import Backend

__all__ = ["Bridge", "Call", "Metadata", "Result", "Upstream"]

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


class Bridge(Protocol):
    """The one seam between the reactor and gRPC. Reactor thread only, but for `upstream`.

    Attributes:
        places: those of the whole gateway; its `max_in_flight` may be set anew on a reload.
        max_response_message: bytes; what is set here holds for upstreams made from then on.
    """

    places: Places
    max_response_message: int

    def upstream(self, backend: Backend) -> Any:
        """Make an `Upstream` for a gRPC backend, opening nothing yet. Any thread.

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

    async def stop(self) -> None:
        """Close every channel that is still open, then stop the threads. Every Deferred has fired by its end."""
        ...
