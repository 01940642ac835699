"""One reload at a time, none lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

__all__ = ["Outcome", "Reloader"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reload ended.

    Attributes:
        accepted: whether the new generation serves.
        generation: the one that serves now.
        message: what changed, or every reason why nothing did.
        seconds: how long it took.
    """

    accepted: bool
    generation: int
    message: str
    seconds: float


class Reloader:
    """Runs reloads one after the other. Reactor thread only.

    Requests that come while one runs are answered together by one more, which begins after it: whoever asks gets the
    outcome of a reload that has read everything written before the asking.
    """

    def __init__(self, run: Callable[[], Deferred[Outcome]]) -> None:
        """Make one.

        Args:
            run: does one reload. Its Deferred must not fail.
        """
        self._run = run
        self._running = False
        self._stopped = False
        self._waiting: list[Deferred[Outcome]] = []

    def request(self) -> Deferred[Outcome]:
        """Ask for a reload; gives its outcome."""
        waiting: Deferred[Outcome] = Deferred()
        self._waiting.append(waiting)
        self._next()
        return waiting

    def stop(self) -> None:
        """Start no more reloads."""
        self._stopped = True

    def _next(self) -> None:
        if self._running or self._stopped or not self._waiting:
            return
        self._running = True
        answered, self._waiting = self._waiting, []

        def done(outcome: Outcome | Failure) -> None:
            self._running = False
            for waiting in answered:
                waiting.callback(outcome)
            self._next()

        self._run().addBoth(done)
