"""One reload at a time, none lost."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from twistedgw.errors import Problem

__all__ = ["Outcome", "Reloaded", "Reloader"]

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reload ended.

    Attributes:
        accepted: whether the new generation serves.
        generation: the one that serves now.
        message: what changed, or every reason why nothing did.
        seconds: how long it took.
        problems: those of the configuration, where it was refused for them.
    """

    accepted: bool
    generation: int
    message: str
    seconds: float
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """One reload of the past.

    Attributes:
        at: when it ended, in seconds since 1970.
        by: everybody who asked for it, sorted.
        outcome: how it ended.
    """

    at: float
    by: tuple[str, ...]
    outcome: Outcome


class Reloader:
    """Runs reloads one after the other. Reactor thread only.

    Requests that come while one runs are answered together by one more, which begins after it: whoever asks gets the
    outcome of a reload that has read everything written before the asking.

    Attributes:
        history: the last reloads, the oldest first.
    """

    def __init__(self, run: Callable[[], Deferred[Outcome]]) -> None:
        """Make one.

        Args:
            run: does one reload. Its Deferred must not fail.
        """
        self._run = run
        self._running = False
        self._stopped = False
        self._waiting: list[tuple[str, Deferred[Outcome]]] = []
        self.history: deque[Reloaded] = deque(maxlen=_REMEMBERED)

    def request(self, by: str = "") -> Deferred[Outcome]:
        """Ask for a reload; gives its outcome.

        Args:
            by: who asks, for the history.
        """
        waiting: Deferred[Outcome] = Deferred()
        self._waiting.append((by, waiting))
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
            if isinstance(outcome, Outcome):
                self.history.append(Reloaded(time.time(), tuple(sorted({by for by, _ in answered if by})), outcome))
            for _, waiting in answered:
                waiting.callback(outcome)
            self._next()

        self._run().addBoth(done)
