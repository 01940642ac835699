"""From measurements to figures: medians over the rounds, their spread, and ratios between gateways. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAIN = 32
"""Connections of the figures that are compared."""


@dataclass(frozen=True)
class Figure:
    """A median over the rounds.

    Attributes:
        value: the median.
        spread: the greatest less the smallest, over the median; 0 for one round.
        count: rounds.
    """

    value: float
    spread: float
    count: int


def figure(values: Iterable[float]) -> Figure | None:
    """Give the figure of some values; None for none."""
    found = sorted(values)
    if not found:
        return None
    middle = statistics.median(found)
    return Figure(middle, (found[-1] - found[0]) / middle if middle else 0.0, len(found))


class Summary:
    """Asks the samples of a run (see `bench.measure.Sample`)."""

    def __init__(self, samples: Iterable[dict[str, Any]]) -> None:
        self.samples = [each for each in samples if each["requests"]]

    def peers(self) -> list[str]:
        """Give those with figures, in the order of the run."""
        return list(dict.fromkeys(each["peer"] for each in self.samples))

    def workloads(self) -> list[str]:
        """Give those with figures, in the order of the run."""
        return list(dict.fromkeys(each["workload"] for each in self.samples))

    def connections(self, workload: str, mode: str = "saturation") -> list[int]:
        """Give the numbers of connections that a workload was measured with."""
        found = {each["connections"] for each in self._of(None, workload, mode)}
        return sorted(found)

    def main(self, workload: str) -> int:
        """Give the number of connections that is compared: 32, or the nearest below that there is."""
        found = self.connections(workload)
        return max((each for each in found if each <= MAIN), default=found[0] if found else MAIN)

    def of(
        self, peer: str, workload: str, what: str, *, mode: str = "saturation", connections: int | None = None
    ) -> Figure | None:
        """Give a figure.

        Args:
            peer: its name.
            workload: its name.
            what: ``cpu_us``, ``rate``, ``resident``, or a key of ``latency_us``.
            mode: ``saturation``, ``half`` or ``idle``.
            connections: `main` where None.
        """
        number = self.main(workload) if connections is None else connections
        chosen = [each for each in self._of(peer, workload, mode) if each["connections"] == number]
        return figure(each[what] if what in each else each["latency_us"][what] for each in chosen)

    def ratio(self, peer: str, other: str, workload: str, what: str, **options: Any) -> float | None:
        """Give a peer's figure over another's; None where one is missing."""
        mine, theirs = (self.of(name, workload, what, **options) for name in (peer, other))
        return mine.value / theirs.value if mine and theirs and theirs.value else None

    def _of(self, peer: str | None, workload: str, mode: str) -> list[dict[str, Any]]:
        return [
            each
            for each in self.samples
            if each["workload"] == workload and each["mode"] == mode and peer in (None, each["peer"])
        ]
