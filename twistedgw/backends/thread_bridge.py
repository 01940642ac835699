"""The bridge for every reactor: blocking stubs in a thread pool of its own."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twistedgw.backends.bridge import CommonBridge
from twistedgw.backends.call import Result
from twistedgw.backends.channel import blocking_state, open_blocking
from twistedgw.backends.failures import CallError, ConnectError, call_error, cancelled, deadline_exceeded, too_many
from twistedgw.backends.flight import Flight, Traffic
from twistedgw.backends.metadata import sendable
from twistedgw.backends.places import Places
from twistedgw.backends.stubs import parse, path, serialize
from twistedgw.backends.upstream import Line, StubLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import grpc
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from twistedgw.backends.call import Call, StreamCall
    from twistedgw.backends.channel import Dial
    from twistedgw.backends.credentials import Tls

__all__ = ["ThreadBridge"]


class ThreadBridge(CommonBridge):
    """Makes each call in a thread, which it has to itself until the call has really ended.

    There is no queue: with every thread taken a call is refused at once, rather than left to wait while its deadline
    runs.

    Attributes:
        workers: the places in the pool.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        threads: int,
        max_in_flight: int,
        max_response_message: int,
        pool: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a bridge; its threads are started by `start`.

        Args:
            reactor: an `IReactorFromThreads`.
            threads: unary calls at a time, and as many streams.
            max_in_flight: calls at a time, over all bridges' calls of the gateway.
            max_response_message: bytes.
            pool: stands in for a `ThreadPool` of `threads` threads.
            clock: seconds; must not go backwards.
        """
        super().__init__(
            reactor,
            streams=threads,
            max_in_flight=max_in_flight,
            max_response_message=max_response_message,
            clock=clock,
        )
        self.workers = Places(threads)
        self._pool = pool or ThreadPool(threads, threads, "twistedgw-backends")

    def start(self) -> None:
        """Start all threads: no call does."""
        self._pool.start()
        super().start()

    async def stop(self) -> None:
        """Close the channels, which frees the threads; then stop these."""
        was_running = self._running
        await super().stop()
        if was_running:
            self._pool.stop()

    def _line(self, dial: Dial, tls: Tls | None) -> Line:
        return _BlockingLine(open_blocking(dial, tls))

    def _refusal(self, call: Call | StreamCall) -> CallError | None:
        refusal = super()._refusal(call)
        if refusal is None and self.workers.full:
            return too_many("all threads for calls to backends are busy")
        return refusal

    def _flight(self, call: Call) -> Flight:
        held = (self.places, self.workers, call.upstream)
        return _ThreadFlight(call, held, self._traffic, partial(deferToThreadPool, self._reactor, self._pool))


class _BlockingLine(StubLine):
    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__()
        self._channel = channel

    def _make_stub(self, full_name: str) -> Any:
        return self._channel.unary_unary(path(full_name)).future

    def _make_stream_stub(self, full_name: str) -> Any:
        return self._channel.stream_stream(path(full_name))

    def connectivity(self, *, connect: bool = False) -> str:
        return blocking_state(self._channel, connect=connect)

    def close(self) -> None:
        self._channel.close()


class _ThreadFlight(Flight):
    """A call in a worker thread, which waits for a gRPC future: unlike a blocking stub that can be cancelled."""

    __slots__ = ("_aborted", "_data", "_defer", "_lines", "_metadata", "_rpc")

    def __init__(
        self, call: Call, held: Sequence[Places], traffic: Traffic, defer: Callable[..., Deferred[Result | CallError]]
    ) -> None:
        super().__init__(call, held, traffic)
        self._aborted = False
        self._defer = defer
        self._rpc: Any = None

    def depart(self) -> None:
        try:
            self._data = serialize(self.call.request)
            self._metadata = sendable(self.call.metadata)
            self._lines = self.call.upstream.lines()
        except Exception as problem:  # noqa: BLE001  # whatever it is, the caller gets a CallError
            self._landed(call_error(problem))
        else:
            self._defer(self._fly).addErrback(_folded).addCallback(self._landed)

    def _cut(self) -> None:
        # The worker looks at _aborted after it has set _rpc: one of the two sees what the other did.
        self._aborted = True
        if self._rpc is not None:
            self._rpc.cancel()

    def _landed(self, result: Result | CallError) -> None:
        self._leave()
        if isinstance(result, CallError):
            self._fail(result)
        else:
            self._succeed(result)

    def _fly(self) -> Result | CallError:
        """Make the call. Runs in a worker."""
        *others, last = self._lines
        try:
            for line in others:
                with suppress(ConnectError):
                    return self._try(line)
            return self._try(last)
        except CallError as error:
            return error

    def _try(self, line: StubLine) -> Result:
        timeout = self._time_left()
        if timeout == 0:
            raise deadline_exceeded()
        if self._aborted:
            raise cancelled()
        call = self.call
        try:
            stub = line.stub(call.method.full_name)
            rpc = self._rpc = stub(self._data, timeout=timeout, metadata=self._metadata)
            if self._aborted:
                rpc.cancel()
            data = rpc.result()
        except Exception as problem:  # noqa: BLE001  # as in depart
            raise call_error(problem) from None
        return Result(
            parse(call.method, data), tuple(rpc.initial_metadata() or ()), tuple(rpc.trailing_metadata() or ())
        )


def _folded(failure: Failure) -> CallError:
    assert failure.value is not None
    return call_error(failure.value)
