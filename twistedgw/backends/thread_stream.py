"""Streams of the thread bridge."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from twistedgw.backends.failures import CallError, ConnectError, call_error, cancelled, deadline_exceeded
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stream_flight import StreamFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from twistedgw.backends.call import Metadata, Receiver, StreamCall
    from twistedgw.backends.flight import Traffic
    from twistedgw.backends.places import Places
    from twistedgw.backends.upstream import Line

__all__ = ["ThreadStream"]


class ThreadStream(StreamFlight):
    """A stream whose messages are read in a thread, which it has to itself until the call has really ended.

    What it sends is taken by a thread that gRPC has for this.
    """

    __slots__ = ("_aborted", "_lines", "_metadata", "_room", "_rpc", "_run", "_wanted")

    def __init__(
        self,
        call: StreamCall,
        receiver: Receiver,
        held: Sequence[Places],
        traffic: Traffic,
        reactor: Any,
        run: Callable[..., Deferred[Any]],
    ) -> None:
        """Take the places of a stream.

        Args:
            call, receiver, held, traffic: as for `StreamFlight`.
            reactor: an `IReactorFromThreads` and `IReactorTime`.
            run: runs a function in a worker.
        """
        super().__init__(call, receiver, held, traffic, reactor)
        self._run = run
        self._aborted = False
        self._rpc: Any = None
        self._room = threading.Condition()
        self._wanted = True

    def depart(self) -> None:
        """Start the call."""
        try:
            self._metadata = sendable(self.call.metadata)
            self._lines = self.call.upstream.lines()
        except Exception as problem:  # noqa: BLE001  # whatever it is, the receiver gets a CallError
            self._reactor.callLater(0, self._end_came, call_error(problem), ())
        else:
            self._run(self._fly).addErrback(_folded).addCallback(self._landed)

    def _cut(self) -> None:
        # The worker looks at _aborted after it has set _rpc: one of the two sees what the other did.
        self._aborted = True
        self._wake()
        if self._rpc is not None:
            self._rpc.cancel()

    def _fetch(self) -> None:
        with self._room:
            self._wanted = True
            self._room.notify_all()

    def _flush(self) -> None:
        self._wake()

    def _wake(self, *_: Any) -> None:
        with self._room:
            self._room.notify_all()

    def _landed(self, end: tuple[CallError | None, Metadata]) -> None:
        self._rpc = None
        self._end_came(*end)

    # In the worker.

    def _fly(self) -> tuple[CallError | None, Metadata]:
        """Make the call."""
        *others, last = self._lines
        for line in others:
            end = self._try(line)
            if not isinstance(end[0], ConnectError):
                return end
        return self._try(last)

    def _try(self, line: Line) -> tuple[CallError | None, Metadata]:
        timeout = self._time_left()
        if timeout == 0:
            return deadline_exceeded(), ()
        if self._aborted:
            return cancelled(), ()
        requests = _Requests(self)
        try:
            rpc = self._rpc = line.stream_stub(self.call.method.full_name)(
                requests, timeout=timeout, metadata=self._metadata
            )
            if self._aborted:
                rpc.cancel()
            rpc.add_callback(self._wake)
            return None, self._read(rpc)
        except Exception as problem:  # noqa: BLE001  # as in depart
            error = call_error(problem)
            return error, error.trailing_metadata
        finally:
            requests.stop()

    def _read(self, rpc: Any) -> Metadata:
        """Read to the end; give the trailers."""
        headers = tuple(rpc.initial_metadata() or ())
        if headers or rpc.is_active():
            self._reactor.callFromThread(self._headers_came, headers)
        while self._wait_for_room(rpc):
            data = next(rpc, None)
            if data is None:
                break
            self._reactor.callFromThread(self._message_came, data)
        return tuple(rpc.trailing_metadata() or ())

    def _wait_for_room(self, rpc: Any) -> bool:
        """Wait until a message is wanted, or the call is over."""
        with self._room:
            while not (self._wanted or self._aborted or not rpc.is_active()):
                self._room.wait()
            self._wanted = False
        return True

    # In a thread of gRPC's.

    def _next_request(self, requests: _Requests) -> bytes | None:
        with self._room:
            while not self._outgoing:
                if requests.stopped or self._half_closed or self._aborted:
                    return None
                self._room.wait()
            return self._outgoing[0]


class _Requests:
    """The requests of one attempt, for the thread in which gRPC takes them.

    A message is taken off the list when gRPC asks for the next one: until then it may have to be sent to another line.
    """

    def __init__(self, stream: ThreadStream) -> None:
        self.stopped = False
        self._stream = stream
        self._given: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        stream = self._stream
        with stream._room:
            if self._given is not None and not self.stopped:
                stream._outgoing.popleft()
                stream._reactor.callFromThread(stream._sent_came, len(self._given))
            self._given = None if self.stopped else stream._next_request(self)
        if self._given is None:
            raise StopIteration
        return self._given

    def stop(self) -> None:
        with self._stream._room:
            self.stopped = True
            self._stream._room.notify_all()


def _folded(failure: Failure) -> tuple[CallError, Metadata]:
    assert failure.value is not None
    return call_error(failure.value), ()
