"""A backend as both bridges see it: its channels, in the order in which a call should try them, and its places."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from twistedgw.backends.failures import backend_gone
from twistedgw.backends.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twistedgw.backends.channel import Recipe
    from twistedgw.backends.failures import CallError
    from twistedgw.backends.flight import Traffic

__all__ = ["Line", "LineUpstream", "StubLine"]

_PREFERENCE = {"ready": 0, "connecting": 1, "idle": 1, "transient_failure": 2, "shutdown": 3}


class Line(ABC):
    """An open channel."""

    @abstractmethod
    def connectivity(self, *, connect: bool = False) -> str:
        """Give the channel's state; with `connect`, wake it where it is idle."""

    @abstractmethod
    def close(self) -> None:
        """Close the channel. Reactor thread only."""


class StubLine(Line):
    """An open channel with its stubs."""

    def __init__(self) -> None:
        self._stubs: dict[str, Any] = {}
        self._stream_stubs: dict[str, Any] = {}

    def stub(self, full_name: str) -> Any:
        """Give the callable of a unary RPC, from bytes to bytes. Any thread."""
        found = self._stubs.get(full_name)
        if found is None:
            found = self._stubs[full_name] = self._make_stub(full_name)
        return found

    def stream_stub(self, full_name: str) -> Any:
        """Give the callable of an RPC as a stream both ways, from bytes to bytes. Any thread."""
        found = self._stream_stubs.get(full_name)
        if found is None:
            found = self._stream_stubs[full_name] = self._make_stream_stub(full_name)
        return found

    @abstractmethod
    def _make_stub(self, full_name: str) -> Any:
        """Make the callable of a unary RPC."""

    @abstractmethod
    def _make_stream_stub(self, full_name: str) -> Any:
        """Make the callable of an RPC as a stream both ways."""


class LineUpstream(Places):
    """An `Upstream` over one line, or several where gRPC has no single name for all targets.

    Attributes:
        identity: the recipe of its channels.
        closed: no call is taken any more.
    """

    def __init__(
        self,
        recipe: Recipe,
        max_in_flight: int | None,
        open_lines: Callable[[LineUpstream], Sequence[Line]],
        traffic: Traffic,
    ) -> None:
        super().__init__(max_in_flight)
        self.identity = recipe
        self.closed = False
        self._open_lines = open_lines
        self._traffic = traffic
        self._lines: tuple[Line, ...] = ()
        self._turn = 0

    def state(self) -> str:
        """Give the connectivity of the best of its channels: ``idle`` before the first call."""
        if self.closed:
            return "shutdown"
        states = [line.connectivity() for line in self._lines]
        return min(states, key=_PREFERENCE.__getitem__, default="idle")

    def lines(self) -> Sequence[Line]:
        """Give the lines in the order in which a call should try them, opening them first. Reactor thread only."""
        if not self._lines:
            self._lines = tuple(self._open_lines(self))
        if len(self._lines) == 1:
            return self._lines
        return self._in_turn() if self.identity.round_robin else self._first_healthy()

    def close(self) -> None:
        """Close the channels; calls on their way end with UNAVAILABLE. Idempotent. Reactor thread only."""
        self.shut(backend_gone())

    def shut(self, error: CallError) -> None:
        """Close the channels, and end the calls on their way with this error."""
        if self.closed:
            return
        self.closed = True
        for flight in self._traffic.to(self):
            flight.abort(error)
        for line in self._lines:
            line.close()
        self._lines = ()

    def _in_turn(self) -> Sequence[Line]:
        self._turn = turn = (self._turn + 1) % len(self._lines)
        lines = self._lines[turn:] + self._lines[:turn]
        return sorted(lines, key=lambda line: _PREFERENCE[line.connectivity(connect=True)])

    def _first_healthy(self) -> Sequence[Line]:
        """Give the first ready line first, waking those before it."""
        for index, line in enumerate(self._lines):
            if line.connectivity(connect=True) == "ready":
                return (line, *self._lines[:index], *self._lines[index + 1 :])
        return sorted(self._lines, key=lambda line: _PREFERENCE[line.connectivity()])
