"""The bridge for Twisted's asyncio reactor: calls that end in the reactor's own event loop, and no thread for each.

Unary calls are made by ``grpc.aio``, streams by an `EventChannel` where grpcio has what that needs.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from twistedgw.backends.bridge import CommonBridge
from twistedgw.backends.call import Result
from twistedgw.backends.channel import blocking_state, open_aio, open_blocking
from twistedgw.backends.event_channel import EventChannel, supported
from twistedgw.backends.event_stream import EventStream
from twistedgw.backends.failures import CallError, ConnectError, call_error, status_error
from twistedgw.backends.flight import Flight
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stubs import parse, path, serialize
from twistedgw.backends.upstream import StubLine

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    import grpc.aio
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    from twistedgw.backends.call import Call, Receiver, StreamCall
    from twistedgw.backends.channel import Dial
    from twistedgw.backends.credentials import Tls
    from twistedgw.backends.stream_flight import StreamFlight
    from twistedgw.backends.upstream import Line

__all__ = ["AsyncioBridge"]

_Pairs = tuple[tuple[str, "str | bytes"], ...]


class AsyncioBridge(CommonBridge):
    """Makes calls on the event loop of Twisted's asyncio reactor, be it uvloop's."""

    def __init__(
        self,
        reactor: AsyncioSelectorReactor,
        *,
        threads: int = 0,
        max_in_flight: int,
        max_response_message: int,
        shared: bool | None = None,
    ) -> None:
        """Make a bridge.

        Args:
            reactor: the one that will run.
            threads: streams at a time where each needs a thread.
            max_in_flight: calls at a time.
            max_response_message: bytes.
            shared: whether all streams of a channel share a thread (`EventChannel`); None for where they can.
        """
        super().__init__(
            reactor, streams=threads, max_in_flight=max_in_flight, max_response_message=max_response_message
        )
        self._shared = shared

    def start(self) -> None:
        """Take calls from now on, even before the reactor runs. After twistd has forked."""
        # Where no loop runs yet grpc.aio takes the one that is set, and Twisted does not set one that it was given.
        asyncio.set_event_loop(self._reactor._asyncioEventloop)  # noqa: SLF001
        super().start()

    def _line(self, dial: Dial, tls: Tls | None) -> Line:
        return _AioLine(open_aio(dial, tls), partial(open_blocking, dial, tls), self._reactor)

    def _flight(self, call: Call) -> Flight:
        return _AioFlight(call, (self.places, call.upstream), self._traffic)

    def _stream(self, call: StreamCall, receiver: Receiver) -> StreamFlight:
        if self._shared is None:
            self._shared = supported()
        if not self._shared:
            return super()._stream(call, receiver)
        return EventStream(call, receiver, (self.places, call.upstream), self._traffic, self._reactor)


class _AioLine(StubLine):
    """A channel of ``grpc.aio`` for unary calls, and from the first stream on a blocking one for streams.

    Unary calls would go by an `EventChannel` too, and below the layers of ``grpc.aio``; both were measured, and take as
    much as this at 32 connections and more: the task of a call lets all calls of one turn of the loop go out together.
    """

    def __init__(self, channel: grpc.aio.Channel, open_second: Callable[[], grpc.Channel], reactor: Any) -> None:
        super().__init__()
        self._channel = channel
        self._open_second = open_second
        self._reactor = reactor
        self._second: grpc.Channel | None = None
        self._events: EventChannel | None = None

    @property
    def events(self) -> EventChannel:
        """The channel for streams, as a shared thread serves it; opened when it is first asked for."""
        if self._events is None:
            wake = self._reactor._asyncioEventloop.call_soon_threadsafe  # noqa: SLF001
            self._events = EventChannel(self._for_streams(), wake)
        return self._events

    def _for_streams(self) -> grpc.Channel:
        if self._second is None:
            self._second = self._open_second()
        return self._second

    def _make_stub(self, full_name: str) -> Any:
        return self._channel.unary_unary(path(full_name))

    def _make_stream_stub(self, full_name: str) -> Any:
        return self._for_streams().stream_stream(path(full_name))

    def connectivity(self, *, connect: bool = False) -> str:
        state: str = self._channel.get_state(try_to_connect=connect).name.lower()
        return blocking_state(self._second) if state == "idle" and self._second is not None else state

    def close(self) -> None:
        # Without a grace period this waits for nothing.
        _run(self._channel.close(None))
        if self._events is not None:
            self._events.close()
        elif self._second is not None:
            self._second.close()


class _AioFlight(Flight):
    """A call of ``grpc.aio``.

    Such a call has a task of its own already, so none is made to await it: the steps of its ``__await__`` are taken by
    hand, each when the future that the last one gave is done.
    """

    __slots__ = ("_data", "_lines", "_metadata", "_rpc", "_steps")

    _rpc: Any
    _steps: Generator[Any, None, bytes | None]

    def depart(self) -> None:
        try:
            self._data = serialize(self.call.request)
            self._metadata = sendable(self.call.metadata)
            self._lines = iter(self.call.upstream.lines())
        except Exception as problem:  # noqa: BLE001  # whatever it is, the caller gets a CallError
            self._end(call_error(problem))
        else:
            self._try(next(self._lines))

    def _cut(self) -> None:
        self._rpc.cancel()
        self._give_back()

    def _try(self, line: StubLine) -> None:
        try:
            stub = line.stub(self.call.method.full_name)
            self._rpc = stub(self._data, timeout=self._time_left(), metadata=self._metadata)
            self._steps = self._rpc.__await__()
        except Exception as problem:  # noqa: BLE001  # as in depart
            self._end(call_error(problem))
        else:
            self._step()

    def _step(self, _done: asyncio.Future[Any] | None = None) -> None:
        try:
            waiting_for = self._steps.send(None)
        except StopIteration as end:
            arrival = self._answer(end.value)
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001  # as in depart
            arrival = self._failure(problem)
        else:
            waiting_for.add_done_callback(self._step)
            return
        # Not in the except clauses: what runs from here would keep their exceptions, and these the call.
        self._arrived(arrival)

    def _answer(self, data: bytes | None) -> Result | CallError:
        try:
            return Result(parse(self.call.method, data), *self._received())
        except Exception as problem:  # noqa: BLE001  # as in depart
            return call_error(problem)

    def _failure(self, problem: BaseException) -> CallError:
        if isinstance(problem, KeyError):  # which is how grpc.aio takes a status code that it does not know
            return status_error(-1, _run(self._rpc.details()), *self._received())
        return call_error(problem)

    def _arrived(self, arrival: Result | CallError) -> None:
        if isinstance(arrival, Result):
            self._leave()
            self._succeed(arrival)
            return
        if isinstance(arrival, ConnectError) and not self.outcome.called:
            line = next(self._lines, None)
            if line is not None:
                self._try(line)
                return
        self._end(arrival)

    def _end(self, error: CallError) -> None:
        self._leave()
        self._fail(error)

    def _received(self) -> tuple[_Pairs, _Pairs]:
        return tuple(_run(self._rpc.initial_metadata())), tuple(_run(self._rpc.trailing_metadata()))


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("grpc.aio waits where it has no reason to")
