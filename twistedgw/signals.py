"""SIGHUP, from the first moment of start-up on.

The handler does next to nothing: a signal may interrupt any line of Python. What comes before there is somebody to act
on it is remembered.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Hangup"]


class Hangup:
    """Turns SIGHUP into a call. Main thread only."""

    def __init__(self) -> None:
        self._act: Callable[[], None] | None = None
        self._pending = False
        self._before: Any = None
        self._armed = False

    def arm(self) -> None:
        """Take the signal over; until then it kills the process. Idempotent."""
        if not self._armed:
            self._armed = True
            self._before = signal.signal(signal.SIGHUP, self._received)

    def connect(self, act: Callable[[], None]) -> None:
        """Say what a signal does; one that came earlier does it now.

        Args:
            act: safe to call from a signal handler, as ``reactor.callFromThread`` is.
        """
        self.arm()
        self._act = act
        if self._pending:
            self._pending = False
            act()

    def disarm(self) -> None:
        """Give the signal back to whoever had it."""
        if self._armed:
            self._armed = False
            self._act = None
            signal.signal(signal.SIGHUP, self._before)

    def _received(self, _number: int, _frame: Any) -> None:
        if self._act is None:
            self._pending = True
        else:
            self._act()
