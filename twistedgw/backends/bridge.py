"""What both bridges have in common: admission, the upstreams that are open, and the order of stopping."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from twisted.internet.defer import fail
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twistedgw.backends.channel import recipe
from twistedgw.backends.failures import backend_gone, deadline_exceeded, stopping, too_many
from twistedgw.backends.flight import Flight, Traffic
from twistedgw.backends.places import Places
from twistedgw.backends.stream_flight import RefusedStream
from twistedgw.backends.thread_stream import ThreadStream
from twistedgw.backends.upstream import Line, LineUpstream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.defer import Deferred

    from twistedgw.backends.call import Call, Receiver, Result, Stream, StreamCall
    from twistedgw.backends.channel import Dial
    from twistedgw.backends.credentials import Tls
    from twistedgw.backends.failures import CallError
    from twistedgw.backends.stream_flight import StreamFlight
    from twistedgw.config.model import Backend

__all__ = ["CommonBridge"]


class CommonBridge(ABC):
    """A `Bridge` but for the way in which it makes a call.

    Attributes:
        places: those of the whole gateway; its `max_in_flight` may be set anew on a reload.
        max_response_message: bytes; what is set here holds for upstreams made from then on.
        stream_workers: the places of streams that have a thread each.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        streams: int,
        max_in_flight: int,
        max_response_message: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self.stream_workers = Places(streams)
        # Its threads are started by the streams that need one, and kept.
        self._stream_pool = ThreadPool(0, streams, "twistedgw-streams")
        self.places = Places(max_in_flight)
        self.max_response_message = max_response_message
        self._traffic = Traffic(clock)
        self._running = False
        self._open: WeakSet[LineUpstream] = WeakSet()

    def upstream(self, backend: Backend, read: Callable[[Path], bytes] = Path.read_bytes) -> LineUpstream:
        """Make an `Upstream` for a gRPC backend, opening nothing yet. Any thread.

        Args:
            backend: its configuration.
            read: gives the content of a file, or raises OSError.

        Raises:
            ConfigError: a certificate file cannot be read or used.
        """
        made = recipe(backend, self.max_response_message, read)
        return LineUpstream(made, backend.max_in_flight, self._open_lines, self._traffic)

    def start(self) -> None:
        """Take calls from now on. After twistd has forked."""
        self._stream_pool.start()
        self._running = True

    def unary(self, call: Call) -> Deferred[Result]:
        """Make a unary call, or refuse it at once. Reactor thread only.

        Cancelling the Deferred cancels the call. It fires with a `Result` or fails with a `CallError`.
        """
        refusal = self._refusal(call)
        if refusal is not None:
            return fail(refusal)
        flight = self._flight(call)
        flight.depart()
        return flight.outcome

    def stream(self, call: StreamCall, receiver: Receiver) -> Stream:
        """Begin a stream. Reactor thread only.

        A call that cannot be made is told by `Receiver.ended`, not before this has returned.
        """
        refusal = CommonBridge._refusal(self, call)
        stream = self._stream(call, receiver) if refusal is None else self._refused(call, receiver, refusal)
        stream.depart()
        return stream

    async def stop(self) -> None:
        """Refuse calls, close every channel, wait until nothing is under way. Every Deferred has fired by its end."""
        was_running, self._running = self._running, False
        for upstream in tuple(self._open):
            upstream.shut(stopping())
        await self._traffic.cleared()
        if was_running:
            self._stream_pool.stop()

    @abstractmethod
    def _line(self, dial: Dial, tls: Tls | None) -> Line:
        """Open a channel."""

    @abstractmethod
    def _flight(self, call: Call) -> Flight:
        """Make the flight of a call that was admitted, taking its places."""

    def _stream(self, call: StreamCall, receiver: Receiver) -> StreamFlight:
        """Make the flight of a stream that was admitted, taking its places."""
        if self.stream_workers.full:
            return self._refused(call, receiver, too_many("all threads for streams are busy"))
        held = (self.places, self.stream_workers, call.upstream)
        run = partial(deferToThreadPool, self._reactor, self._stream_pool)
        return ThreadStream(call, receiver, held, self._traffic, self._reactor, run)

    def _refused(self, call: StreamCall, receiver: Receiver, error: CallError) -> StreamFlight:
        return RefusedStream(call, receiver, error, self._traffic, self._reactor)

    def _open_lines(self, upstream: LineUpstream) -> Sequence[Line]:
        self._open.add(upstream)
        return [self._line(dial, upstream.identity.tls) for dial in upstream.identity.dials]

    def _refusal(self, call: Call | StreamCall) -> CallError | None:
        """Give the error of a call that cannot be made now; None where it can."""
        if not self._running:
            return stopping()
        upstream = call.upstream
        if upstream.closed:
            return backend_gone()
        if self.places.full:
            return too_many("the gateway has too many calls in flight")
        if upstream.full:
            return too_many("the backend has too many calls in flight")
        if call.timeout is not None and call.timeout <= 0:
            return deadline_exceeded()
        return None
