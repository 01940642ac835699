"""Counting requests, adding up processes, and the text that Prometheus reads."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from twistedgw.gateway import BackendState, WorkerState
from twistedgw.metrics import BOUNDS, Metrics, Tally, merge
from twistedgw.metrics_text import Whole, render
from twistedgw.registry.route import Origin


@dataclass(eq=False)
class Route:
    origin: Origin
    kind: str = "api"


SAY = Origin("echo", "release", "say")


def whole(tally: Tally, **parts) -> Whole:
    values = {"generation": 3, "started": 1_700_000_000.0, "ready": True, "workers": (), "backends": (), **parts}
    return Whole(tally=tally, **values)


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """Give what a Prometheus server would read: by name and sorted values of labels."""
    return {
        (sample.name, tuple(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_api_status_and_code():
    metrics, route = Metrics(), Route(SAY)
    for status, code in ((200, 0), (201, 0), (404, 5), (200, None)):
        metrics.observe(route, status, code, 0.2)
    metrics.observe(None, 404, 5, 0.2)
    assert metrics.tally.requests == {
        ("echo", "release", "say", "api", "2xx", "OK"): [2],
        ("echo", "release", "say", "api", "4xx", "NOT_FOUND"): [1],
        ("echo", "release", "say", "api", "2xx", "-"): [1],
        ("", "", "", "none", "4xx", "NOT_FOUND"): [1],
    }
    assert metrics.tally.total == 5


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, 12), (10.1, 13)])
def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed(seconds, bucket):
    metrics = Metrics()
    metrics.observe(Route(SAY), 200, 0, seconds, 7, 11)
    received, sent, total, *counts = metrics.tally.apis["echo", "release", "say"]
    assert (received, sent, total) == (7, 11, seconds)
    assert len(counts) == len(BOUNDS) + 1
    assert [index for index, count in enumerate(counts) if count] == [bucket]


def test_one_api_may_have_many_routes():
    metrics = Metrics()
    metrics.observe(Route(SAY), 200, 0, 0.1)
    metrics.observe(Route(SAY, "default"), 200, 0, 0.1)
    metrics.observe(Route(SAY), 200, 0, 0.1)
    assert sorted(metrics.tally.requests.values()) == [[1], [2]]
    assert sum(metrics.tally.apis["echo", "release", "say"][3:]) == 3


def test_counts_of_processes_are_added_up():
    one, two = Metrics(), Metrics()
    other = Route(Origin("echo", "test", "say"))
    for metrics, times in ((one, 2), (two, 3)):
        for _ in range(times):
            metrics.observe(Route(SAY), 200, 0, 0.25, 1, 10)
    two.observe(other, 500, 13, 20.0)
    one.stream_opened()
    two.stream_opened()
    two.stream_closed()
    total = Tally()
    merge(total, one.tally)
    merge(total, two.tally)
    assert total.requests["echo", "release", "say", "api", "2xx", "OK"] == [5]
    assert total.requests["echo", "test", "say", "api", "5xx", "INTERNAL"] == [1]
    assert total.apis["echo", "release", "say"][:3] == [5, 50, 1.25]
    assert (total.streams, total.opened) == (1, 2)
    assert one.tally.total == 2, "the parts stay as they are"
    merge(total, one.tally)
    assert one.tally.total == 2


def test_old_routes_are_let_go_and_counts_stay():
    metrics, route = Metrics(), Route(SAY)
    metrics.observe(route, 200, 0, 0.1)
    gone = weakref.ref(route)
    del route
    metrics.renew({("echo", "release", "say")})
    gc.collect()
    assert gone() is None
    metrics.observe(Route(SAY), 200, 0, 0.1)
    assert metrics.tally.total == 2


def test_apis_that_are_gone_are_forgotten():
    metrics = Metrics()
    metrics.observe(Route(SAY), 200, 0, 0.1)
    metrics.observe(None, 404, 5, 0.1)
    metrics.renew(set())
    assert list(metrics.tally.requests) == [("", "", "", "none", "4xx", "NOT_FOUND")]
    assert list(metrics.tally.apis) == [("", "", "")]


def test_prometheus_reads_the_text():
    metrics = Metrics()
    nasty = Route(Origin('a"b\\c', "release", "x\ny"))
    for seconds in (0.002, 0.3, 99.0):
        metrics.observe(Route(SAY), 200, 0, seconds, 5, 6)
    metrics.observe(nasty, 503, 14, 0.1)
    text = render(
        whole(
            metrics.tally,
            workers=[WorkerState(1, 7, 3, 1.0, 2, 4, 5), WorkerState(2, None, 0, None, 1, 0, 0)],
            backends=[
                BackendState("shop", 1, "ready", 2, 10),
                BackendState("shop", 2, "ready", 1, 10),
                BackendState("pay", 1, "transient_failure", 0, None),
            ],
            answered={1: 3},
            reloads={"accepted": 8, "refused": 1},
        )
    )
    found = samples(text)
    api = ("api=say", "environment=release", "service=echo")
    ok = ("api=say", "code=OK", "environment=release", "kind=api", "service=echo", "status=2xx")
    assert found["twistedgw_requests_total", ok] == 3
    assert found["twistedgw_request_body_bytes_total", api] == 15
    assert found["twistedgw_response_body_bytes_total", api] == 18
    assert found["twistedgw_request_duration_seconds_count", api] == 3
    assert found["twistedgw_request_duration_seconds_sum", api] == pytest.approx(99.302)
    buckets = {
        labels[2]: value
        for (name, labels), value in found.items()
        if name.endswith("_bucket") and labels[0] == "api=say"
    }
    assert buckets["le=0.001"] == 0
    assert buckets["le=0.0025"] == 1
    assert buckets["le=0.5"] == 2
    assert buckets["le=10.0"] == 2
    assert buckets["le=+Inf"] == 3
    assert any('service=a"b\\c' in labels and "api=x\ny" in labels for _, labels in found), "labels are escaped"
    assert found["twistedgw_requests_in_flight", ()] == 4
    assert found["twistedgw_connections_open", ()] == 5
    assert found["twistedgw_workers", ()] == 1
    assert found["twistedgw_workers_wanted", ()] == 2
    assert found["twistedgw_worker_restarts_total", ("worker=2",)] == 1
    assert found["twistedgw_worker_generation", ("worker=1",)] == 3
    assert found["twistedgw_worker_requests_total", ("worker=1",)] == 3
    assert found["twistedgw_backend_channels", ("backend=shop", "state=ready")] == 2
    assert found["twistedgw_backend_channels", ("backend=pay", "state=transient_failure")] == 1
    assert found["twistedgw_backend_calls_in_flight", ("backend=shop",)] == 3
    assert found["twistedgw_reloads_total", ("outcome=refused",)] == 1
    assert found["twistedgw_generation", ()] == 3
    assert found["twistedgw_ready", ()] == 1


def test_a_gateway_that_did_nothing_yet_has_metrics():
    found = samples(render(whole(Tally(), ready=False)))
    assert found["twistedgw_ready", ()] == 0
    assert found["twistedgw_reloads_total", ("outcome=accepted",)] == 0
