"""Counts of what a gateway does, cheap enough for every request, and the sum of those of several processes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twistedgw.status import code_name

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["BOUNDS", "Api", "Metrics", "Requests", "Series", "Tally", "merge"]

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the histogram's buckets, in seconds."""

Api = tuple[str, str, str]
"""Service, environment and API; three empty texts where a request matched none."""

Requests = tuple[str, str, str, str, str, str]
"""Service, environment, API, kind of route, class of the HTTP status (``2xx``), name of the gRPC code or ``-``."""

Series = list[float]
"""Bytes of request bodies, bytes of answers' bodies, sum of the seconds, then the number of requests in each bucket:
one for each of `BOUNDS`, and one for all above."""

_BUCKETS = 3


@dataclass(slots=True)
class Tally:
    """What was counted: plain values, to be sent from process to process and added up.

    Attributes:
        requests: how many were answered; lists of one number.
        apis: what they cost, by API.
        streams: streams that are open.
        opened: streams that were ever opened.
    """

    requests: dict[Requests, list[int]] = field(default_factory=dict)
    apis: dict[Api, Series] = field(default_factory=dict)
    streams: int = 0
    opened: int = 0

    @property
    def total(self) -> int:
        """How many requests were answered."""
        return sum(count[0] for count in self.requests.values())

    def forget(self, apis: Collection[Api]) -> None:
        """Drop what was counted for APIs that are not among these."""
        for key in [key for key in self.requests if key[:3] not in apis and key[0]]:
            del self.requests[key]
        for api in [api for api in self.apis if api not in apis and api[0]]:
            del self.apis[api]


class Metrics:
    """Counts requests as they are answered. Reactor thread only: there are no locks.

    Attributes:
        tally: the counts so far.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        # Keyed by the route itself, which costs less than its labels; `renew` lets go of old ones.
        self._fast: dict[tuple[object, int, int | None], tuple[list[int], Series]] = {}

    def observe(
        self,
        route: object,
        status: int,
        code: int | None,
        seconds: float,
        received: int = 0,
        sent: int = 0,
    ) -> None:
        """Count a request that was answered. Less than a microsecond.

        Args:
            route: where it went (`twistedgw.registry.route.Route`); None where nothing matched.
            status: the HTTP status.
            code: the gRPC code; None for a proxied request.
            seconds: from the head's arrival to the answer's end.
            received: bytes of the request's body.
            sent: bytes of the answer's body.
        """
        found = self._fast.get((route, status, code))
        if found is None:
            found = self._series(route, status, code)
        count, series = found
        count[0] += 1
        series[0] += received
        series[1] += sent
        series[2] += seconds
        series[bisect_left(BOUNDS, seconds) + _BUCKETS] += 1

    def stream_opened(self) -> None:
        """Count a stream that begins."""
        self.tally.streams += 1
        self.tally.opened += 1

    def stream_closed(self) -> None:
        """Count a stream that has ended."""
        self.tally.streams -= 1

    def renew(self, apis: Collection[Api]) -> None:
        """Let go of the routes of generations that are gone, and of the counts of APIs that do not exist any more.

        Args:
            apis: those that exist.
        """
        self._fast.clear()
        self.tally.forget(apis)

    def _series(self, route: object, status: int, code: int | None) -> tuple[list[int], Series]:
        origin = getattr(route, "origin", None)
        api = (origin.service, origin.environment, origin.api) if origin is not None else ("", "", "")
        kind = getattr(route, "kind", "none")
        key = (*api, kind, f"{status // 100}xx", "-" if code is None else code_name(code))
        count = self.tally.requests.setdefault(key, [0])
        series = self.tally.apis.setdefault(api, [0.0] * (_BUCKETS + len(BOUNDS) + 1))
        found = self._fast[(route, status, code)] = (count, series)
        return found


def merge(into: Tally, other: Tally) -> None:
    """Add the counts of another process."""
    for requests, (count,) in other.requests.items():
        into.requests.setdefault(requests, [0])[0] += count
    for api, series in other.apis.items():
        sums = into.apis.setdefault(api, [0.0] * len(series))
        for index, value in enumerate(series):
            sums[index] += value
    into.streams += other.streams
    into.opened += other.opened
