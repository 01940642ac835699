"""Metrics as text for Prometheus, by the project's own client library."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from twistedgw import __version__
from twistedgw.metrics import BOUNDS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from twistedgw.gateway import BackendState, WorkerState

__all__ = ["CONTENT_TYPE", "Whole", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_API = ("service", "environment", "api")
_REQUEST = (*_API, "kind", "status", "code")


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is known of a gateway at one moment, over all of its processes.

    Attributes:
        tally: the sum of what all have counted, those that are gone included.
        answered: requests that each living worker has answered, by its number.
        reloads: how many were accepted and refused.
        started: seconds since 1970.
    """

    generation: int
    started: float
    ready: bool
    tally: Tally
    workers: Sequence[WorkerState]
    backends: Sequence[BackendState]
    answered: Mapping[int, int] = field(default_factory=dict)
    reloads: Mapping[str, int] = field(default_factory=dict)


def render(whole: Whole) -> bytes:
    """Give the Prometheus text exposition (`CONTENT_TYPE`)."""
    return generate_latest(_Collector(whole))  # whatever has `collect` will do


class _Collector(Collector):
    def __init__(self, whole: Whole) -> None:
        self._whole = whole

    def collect(self) -> Iterator[Metric]:
        """Give every family (`prometheus_client.registry.Collector`)."""
        yield from self._requests()
        yield from self._now()
        yield from self._generations()
        yield from self._workers()
        yield from self._backends()

    def _requests(self) -> Iterator[Metric]:
        tally = self._whole.tally
        answered = CounterMetricFamily("twistedgw_requests", "Requests that were answered.", labels=_REQUEST)
        for labels, (count,) in sorted(tally.requests.items()):
            answered.add_metric(labels, count)
        received = CounterMetricFamily("twistedgw_request_body_bytes", "Bytes of request bodies.", labels=_API)
        sent = CounterMetricFamily("twistedgw_response_body_bytes", "Bytes of the bodies of answers.", labels=_API)
        durations = HistogramMetricFamily(
            "twistedgw_request_duration_seconds", "From the head's arrival to the answer's end.", labels=_API
        )
        bounds = [*(repr(bound) for bound in BOUNDS), "+Inf"]
        for api, (bytes_in, bytes_out, seconds, *counts) in sorted(tally.apis.items()):
            received.add_metric(api, bytes_in)
            sent.add_metric(api, bytes_out)
            durations.add_metric(api, list(zip(bounds, accumulate(counts), strict=True)), seconds)
        yield from (answered, received, sent, durations)
        yield CounterMetricFamily("twistedgw_streams", "Streams that were opened.", value=tally.opened)
        yield GaugeMetricFamily("twistedgw_streams_open", "Streams that are open.", value=tally.streams)

    def _now(self) -> Iterator[Metric]:
        workers = self._whole.workers
        yield GaugeMetricFamily(
            "twistedgw_requests_in_flight",
            "Requests on their way.",
            value=sum(worker.in_flight for worker in workers),
        )
        yield GaugeMetricFamily(
            "twistedgw_connections_open",
            "Open connections of clients.",
            value=sum(worker.connections for worker in workers),
        )

    def _generations(self) -> Iterator[Metric]:
        whole = self._whole
        build = GaugeMetricFamily("twistedgw_build_info", "The version that runs.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        yield GaugeMetricFamily("twistedgw_start_time_seconds", "When it was started.", value=whole.started)
        yield GaugeMetricFamily("twistedgw_ready", "Whether requests are answered.", value=whole.ready)
        yield GaugeMetricFamily("twistedgw_generation", "The generation that serves.", value=whole.generation)
        reloads = CounterMetricFamily("twistedgw_reloads", "Reloads by their outcome.", labels=("outcome",))
        for outcome in ("accepted", "refused"):
            reloads.add_metric((outcome,), whole.reloads.get(outcome, 0))
        yield reloads

    def _workers(self) -> Iterator[Metric]:
        whole = self._whole
        alive = sum(worker.started is not None for worker in whole.workers)
        yield GaugeMetricFamily("twistedgw_workers", "Processes that serve.", value=alive)
        yield GaugeMetricFamily("twistedgw_workers_wanted", "Processes that should serve.", value=len(whole.workers))
        restarts = CounterMetricFamily("twistedgw_worker_restarts", "Workers that were replaced.", labels=("worker",))
        generations = GaugeMetricFamily(
            "twistedgw_worker_generation", "The generation that a worker serves; 0 for none.", labels=("worker",)
        )
        answered = CounterMetricFamily(
            "twistedgw_worker_requests", "Requests that a worker has answered since it began.", labels=("worker",)
        )
        for worker in whole.workers:
            number = (str(worker.number),)
            restarts.add_metric(number, worker.restarts)
            generations.add_metric(number, worker.generation)
            answered.add_metric(number, whole.answered.get(worker.number, 0))
        yield from (restarts, generations, answered)

    def _backends(self) -> Iterator[Metric]:
        states = Counter((backend.backend, backend.state) for backend in self._whole.backends)
        channels = GaugeMetricFamily(
            "twistedgw_backend_channels", "Processes by the state of their channel.", labels=("backend", "state")
        )
        for labels, count in sorted(states.items()):
            channels.add_metric(labels, count)
        calls = GaugeMetricFamily("twistedgw_backend_calls_in_flight", "Calls on their way.", labels=("backend",))
        in_flight: Counter[str] = Counter()
        for backend in self._whole.backends:
            in_flight[backend.backend] += backend.in_flight
        for name, count in sorted(in_flight.items()):
            calls.add_metric((name,), count)
        yield from (channels, calls)
