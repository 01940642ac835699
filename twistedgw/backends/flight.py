"""Calls on their way, as far as both bridges have them in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from twistedgw.backends.failures import cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twistedgw.backends.call import Call, Result, StreamCall
    from twistedgw.backends.failures import CallError
    from twistedgw.backends.places import Places

__all__ = ["Flight", "Journey", "Traffic"]


class Traffic:
    """All calls of a bridge that are under way, those included that were given up and have not really ended."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._flights: set[Journey] = set()
        self._waiting: list[Deferred[None]] = []

    def enter(self, flight: Journey) -> None:
        """Say that a call is under way."""
        self._flights.add(flight)

    def leave(self, flight: Journey) -> None:
        """Say that nothing of a call is under way any more."""
        self._flights.discard(flight)
        if not self._flights:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)

    def to(self, upstream: Any) -> list[Journey]:
        """Give the calls to an upstream."""
        return [flight for flight in self._flights if flight.call.upstream is upstream]

    def cleared(self) -> Deferred[None]:
        """Give a Deferred that fires when no call is under way."""
        deferred: Deferred[None] = Deferred()
        if self._flights:
            self._waiting.append(deferred)
        else:
            deferred.callback(None)
        return deferred


class Journey(ABC):
    """A call that was admitted, unary or a stream: it holds its places until `_give_back`.

    Attributes:
        call: what is to be done.
    """

    __slots__ = ("_deadline", "_held", "_traffic", "call")

    call: Call | StreamCall

    def __init__(self, call: Call | StreamCall, held: Sequence[Places], traffic: Traffic) -> None:
        self.call = call
        self._deadline = None if call.timeout is None else traffic.clock() + call.timeout
        self._traffic = traffic
        self._held = held
        for places in held:
            places.in_flight += 1
        traffic.enter(self)

    @abstractmethod
    def depart(self) -> None:
        """Start the call. Nothing is raised."""

    @abstractmethod
    def abort(self, error: CallError) -> None:
        """End the call now, with this error. Nothing happens where it has ended."""

    @abstractmethod
    def _cut(self) -> None:
        """Stop what is under way, promptly."""

    def _give_back(self) -> None:
        """Give back the places. Idempotent."""
        for places in self._held:
            places.in_flight -= 1
        self._held = ()

    def _leave(self) -> None:
        """Say that nothing of the call is under way any more."""
        self._give_back()
        self._traffic.leave(self)

    def _time_left(self) -> float | None:
        """Give the seconds until the deadline, at least 0; None where there is none. Any thread."""
        return None if self._deadline is None else max(0.0, self._deadline - self._traffic.clock())


class Flight(Journey):
    """A unary call that was admitted: it fires `outcome` exactly once.

    Attributes:
        outcome: fires with a `Result` or fails with a `CallError`; cancelling it cancels the call.
    """

    __slots__ = ("outcome",)

    call: Call

    def __init__(self, call: Call, held: Sequence[Places], traffic: Traffic) -> None:
        super().__init__(call, held, traffic)
        self.outcome: Deferred[Result] = Deferred(lambda _: self.abort(cancelled()))

    def abort(self, error: CallError) -> None:
        """End the call now, with this error. Nothing happens where it has ended."""
        if not self.outcome.called:
            self._cut()
            self._fail(error)

    def _succeed(self, result: Result) -> None:
        if not self.outcome.called:
            self.outcome.callback(result)

    def _fail(self, error: CallError) -> None:
        if not self.outcome.called:
            self.outcome.errback(error)
