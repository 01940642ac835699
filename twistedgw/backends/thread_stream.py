"""Streams by grpcio's public interface: a thread for each."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from twistedgw.backends.failures import CallError, ConnectError, call_error, cancelled, deadline_exceeded
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stream_flight import OVERHEAD, READ_AHEAD, StreamFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from twistedgw.backends.call import Metadata, Receiver, StreamCall
    from twistedgw.backends.flight import Traffic
    from twistedgw.backends.places import Places
    from twistedgw.backends.upstream import StubLine

__all__ = ["ThreadStream"]

_End = tuple["CallError | None", "Metadata"]


class ThreadStream(StreamFlight):
    """A stream whose messages are read in a worker thread, which it has to itself until the call has really ended.

    What it sends is taken in a second thread, which gRPC starts for every call whose requests are an iterator; it ends
    when all are taken (for an RPC with one request: at once), or with the call.
    """

    __slots__ = ("_aborted", "_came", "_lines", "_metadata", "_room", "_rpc", "_run", "_waiting", "_woken")

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
            call: what is to be done.
            receiver: takes what comes back.
            held: places that the stream takes.
            traffic: hears when it is really over.
            reactor: an `IReactorFromThreads` and `IReactorTime`.
            run: runs a function in a worker.
        """
        super().__init__(call, receiver, held, traffic, reactor)
        self._run = run
        self._aborted = False
        self._rpc: Any = None
        self._room = threading.Condition()
        self._waiting = False
        self._came: deque[bytes] = deque()
        self._woken = False

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
        # The worker sets _waiting before it looks for room: here too one of the two sees what the other did.
        if self._waiting:
            self._wake()

    def _flush(self) -> None:
        self._wake()

    def _wake(self) -> None:
        with self._room:
            self._room.notify_all()

    def _take(self) -> None:
        self._woken = False
        while self._came:
            self._message_came(self._came.popleft())

    def _landed(self, end: _End) -> None:
        self._rpc = None
        self._end_came(*end)

    # In the worker.

    def _fly(self) -> _End:
        *others, last = self._lines
        for line in others:
            end = self._try(line)
            if not isinstance(end[0], ConnectError):
                return end
        return self._try(last)

    def _try(self, line: StubLine) -> _End:
        timeout = self._time_left()
        if timeout == 0:
            return deadline_exceeded(), ()
        if self._aborted:
            return cancelled(), ()
        requests = _Requests(self)
        try:
            stub = line.stream_stub(self.call.method.full_name)
            rpc = self._rpc = stub(requests, timeout=timeout, metadata=self._metadata)
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
        told = headers or rpc.is_active()
        if told:
            self._reactor.callFromThread(self._headers_came, headers)
        reads = 0
        while True:
            self._wait_for_room(rpc, reads)
            data = next(rpc, None)
            if data is None:
                if not told:
                    self._reactor.callFromThread(self._headers_came, headers)
                return tuple(rpc.trailing_metadata() or ())
            reads += 1
            self._took += len(data) + OVERHEAD
            self._came.append(data)
            if not self._woken:
                self._woken = True
                self._reactor.callFromThread(self._take)

    def _wait_for_room(self, rpc: Any, reads: int) -> None:
        """Wait until a message may be read, or the call is over."""
        if self._has_room(reads):
            return
        with self._room:
            self._waiting = True
            while not (self._has_room(reads) or self._aborted) and rpc.is_active():
                self._room.wait()
            self._waiting = False

    def _has_room(self, reads: int) -> bool:
        if self._single:  # whose message is kept until the end is known; a second one is an error
            return reads < 2
        return not self._paused and self._took - self._given < READ_AHEAD

    # In gRPC's thread.

    def next_request(self, requests: _Requests) -> bytes | None:
        """Wait for the first request that is not sent yet; None for the end of all. Any thread."""
        with self._room:
            while not (requests.stopped or self._aborted):
                if self._outgoing:
                    return self._outgoing[0]
                if self._half_closed:
                    break
                self._room.wait()
        return None

    def request_taken(self, data: bytes) -> None:
        """Take the first request off the list. Any thread."""
        self._outgoing.popleft()
        self._reactor.callFromThread(self._sent_came, len(data))

    def stop_requests(self, requests: _Requests) -> None:
        """Let `next_request` wait no more. Any thread."""
        with self._room:
            requests.stopped = True
            self._room.notify_all()


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
        if self._given is not None and not self.stopped:
            self._stream.request_taken(self._given)
        self._given = self._stream.next_request(self)
        if self._given is None:
            raise StopIteration
        return self._given

    def stop(self) -> None:
        self._stream.stop_requests(self)


def _folded(failure: Failure) -> _End:
    assert failure.value is not None
    return call_error(failure.value), ()
