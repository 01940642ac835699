"""What several streams write within a few milliseconds, written at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GATHER_BYTES", "GATHER_SECONDS", "Gathering"]

GATHER_SECONDS = 0.002
GATHER_BYTES = 16 * 1024


class Gathering:
    """Calls back soon, with one timer for all. Reactor thread only.

    A system call costs more than all else that is done here for a message. So a message that comes after some silence
    is written as it comes, and those right behind it wait together, for no more than 2 ms and 16 KiB.
    """

    __slots__ = ("_flushes", "_reactor")

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._flushes: list[Callable[[], None]] = []

    def add(self, flush: Callable[[], None]) -> None:
        """Call `flush` within `GATHER_SECONDS`."""
        if not self._flushes:
            self._reactor.callLater(GATHER_SECONDS, self._flush)
        self._flushes.append(flush)

    def _flush(self) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            flush()
