"""Places: how many calls may be on their way at a time."""

from __future__ import annotations

__all__ = ["Places"]


class Places:
    """So many places, taken before a call starts and given back when it is over. Reactor thread only.

    Attributes:
        in_flight: places that are taken.
        max_in_flight: all there are; None for no limit. May be set anew at any time: calls that hold a place keep it.
    """

    def __init__(self, max_in_flight: int | None) -> None:
        self.in_flight = 0
        self.max_in_flight = max_in_flight

    @property
    def full(self) -> bool:
        """Whether one more call has to be refused."""
        return self.max_in_flight is not None and self.in_flight >= self.max_in_flight
