"""The arithmetic of the benchmark: medians, ratios, bars, tables, layers. No peers run here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

# Appended: what is installed comes first, and bench/ is never installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))
pytest.importorskip("bench.summary", reason="bench/ is not beside tests/")

from bench import layers, results, sizes, soak, tables
from bench.summary import Summary, figure
from bench.verdicts import all_verdicts, of_scaling
from bench.workloads import WrongAnswerError, all_workloads


def sample(peer, workload, cpu, number=1, **more):
    return {
        "peer": peer,
        "workload": workload,
        "mode": "saturation",
        "round": number,
        "connections": 32,
        "requests": 100,
        "rate": 1e6 / cpu,
        "cpu_us": cpu,
        "busy": 1.0,
        "resident": 50_000_000,
        "errors": {},
        "latency_us": {"p50": 1000.0, "p99": 2000.0},
        **more,
    }


def test_figure_is_the_median_and_its_spread():
    assert figure([10.0, 30.0, 20.0]).value == 20.0
    assert figure([10.0, 30.0, 20.0]).spread == 1.0
    assert figure([5.0]).spread == 0.0
    assert figure([]) is None


def test_ratio_compares_medians_at_32_connections():
    rounds = [sample("twistedgw", "echo", cpu, n) for n, cpu in enumerate((100, 120, 900))]
    rounds += [sample("envoy", "echo", cpu, n) for n, cpu in enumerate((50, 60, 70))]
    rounds += [sample("twistedgw", "echo", 5, connections=256)]
    summary = Summary(rounds)
    assert summary.main("echo") == 32
    assert summary.ratio("twistedgw", "envoy", "echo", "cpu_us") == 2.0
    assert summary.ratio("twistedgw", "fastapi", "echo", "cpu_us") is None
    assert summary.of("twistedgw", "echo", "cpu_us", connections=256).value == 5


def test_main_connections_are_the_nearest_below_32():
    rounds = [sample("envoy", "echo", 50, connections=each) for each in (1, 8, 256)]
    assert Summary(rounds).main("echo") == 8


def test_a_sample_without_answers_is_no_figure():
    summary = Summary([sample("envoy", "echo", 50, requests=0)])
    assert summary.peers() == []


def test_bars():
    rounds = [sample("twistedgw", "echo", 60), sample("grpc-gateway", "echo", 50), sample("envoy", "echo", 30)]
    rounds += [sample("fastapi", "echo", 300)]
    lines = {str(each) for each in all_verdicts(Summary(rounds), {})}
    assert "echo: CPU per request: 1.20 × grpc-gateway (bar 1.25 × grpc-gateway): met" in lines
    assert "echo: CPU per request: 2.00 × envoy (bar 1.50 × envoy): NOT MET" in lines
    assert "echo: CPU per request: 5.0 × (bar 4.0 × cheaper than fastapi): met" in lines
    assert "list: CPU per request: no figure (bar 1.00 × grpc-gateway): not measured" in lines


def test_bars_of_curves():
    rows = [{"routes": count, "match_us": us, "reload_s": s, "all_protos_s": s} for count, us, s in
            ((10, 3.0, 0.1), (10_000, 7.0, 2.0))]  # fmt: skip
    met = {
        each.what: each.met for each in of_scaling({"routes": rows, "idle": [{"connections": 9, "bytes_each": 1.0}]})
    }
    assert met == {
        "match among 10,000 routes": False,
        "reload of 10,000 routes, one API more": True,
        "reload of 10,000 routes, every .proto changed": True,
        "each of 9 idle connections": True,
    }


def test_growth_counts_from_a_tenth_of_the_way():
    assert soak.growth([(0, 50), (5, 90), (50, 100), (250, 101), (500, 104)]) == pytest.approx(0.04)


def test_page_and_files(tmp_path, monkeypatch):
    machine = {
        "when": "2026-11-23T00:00:00+00:00",
        "processor": "P",
        "cores": 2,
        "memory_gib": 1,
        "system": "S",
        "gateway_cores": [0],
        "other_cores": [1],
        "load_average": [0.1, 0.2, 0.3],
    }
    about = {"machine": machine, "versions": {"Python": "3"}}
    # As where matplotlib is not installed: all but the plot is written.
    monkeypatch.setitem(sys.modules, "bench.plot", None)
    rounds = [sample("twistedgw", "echo", 60, n) for n in (1, 2, 3)] + [sample("envoy", "echo", 30, 1)]
    rounds[0]["errors"] = {"status 503": 2}
    run = {
        "samples": rounds,
        "missing": {"grpc-gateway": "no go"},
        "left_out": {"twistedgw": {"stream": "left out: 501"}},
    }
    results.update(tmp_path, about, run)
    results.update(tmp_path, about, {"soak": {"reloads": {"count": 500, "growth": 0.01, "resident": [(500, 10**8)]}}})
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["samples"] == rounds
    page = tables.page(found, results.titles(), {"echo": "small echo"})
    for text in (
        "| small echo | 60.0 ±0% (2.00 / –) | 30.0 (1.00 / –) |",
        "memory over 500 reloads: +1.0% (bar +5.0%): met",
        "grpc-gateway: left out: no go",
        "twistedgw, stream: left out: 501",
        "failed: twistedgw, echo: status 503: 2",
    ):
        assert text in page
    assert results.wrong(tmp_path) == []
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert results.publish(tmp_path) == 0
    assert "](bench.png)" in (tmp_path / "docs" / "benchmarks.md").read_text()


def test_nothing_is_published_without_results(tmp_path):
    assert results.publish(tmp_path / "none") == 1


def test_layers():
    spy = """\
thread (7): MainThread;run (twistedgw/web/resource.py:1);_info (twistedgw/web/access_log.py:3);sub (re.py:9) 1
thread (7): MainThread;run (loop.c:1);call (twistedgw/backends/flight.py:1);send (libc.so.6) 2
thread (7): MainThread;run (twistedgw/web/channel.py:1);gc_collect_main (libpython3.11.so.1.0) 1
thread (8): poll;wait (grpc/_cython/cygrpc.so);epoll_wait (libc.so.6) 96
"""
    threads = {7: ("python", 80.0), 8: ("python", 10.0), 9: ("event_engine", 10.0)}
    stacks = layers.weigh(layers.read(spy), threads)
    rows = {row.name: row for row in layers.table(stacks)}
    assert {name: (row.time, row.system) for name, row in rows.items()} == {
        "access log": (20.0, 0.0),
        "bridge": (40.0, 40.0),
        "garbage collection": (20.0, 0.0),
        "gRPC core and Cython": (10.0, 10.0),
        "gRPC's own threads": (10.0, 0.0),
    }
    assert rows["bridge"].share == pytest.approx(0.4)
    functions = [row.name for row in layers.table(stacks, "function")]
    assert functions[0] == "call (twistedgw/backends/flight.py)"


@pytest.fixture(scope="module")
def workloads():
    return all_workloads()


def test_answers_are_compared_by_value(workloads):
    echo = workloads["echo"]
    text = b'{"count": 42.0, "text": "Hello, world! How are you today?"}'
    echo.verify(200, text)
    for status, body in ((200, text.replace(b"42", b"43")), (200, b"{}"), (200, b"<"), (500, text)):
        with pytest.raises(WrongAnswerError):
            echo.verify(status, body)
    workloads["bytes"].verify(200, workloads["bytes"].answer)


def test_streams_are_compared_wrapped_or_not(workloads):
    from google.protobuf import json_format

    stream = workloads["stream"]
    lines = [json_format.MessageToDict(each) for each in stream.answer]
    stream.verify(200, "\n".join(json.dumps(each) for each in lines).encode())
    stream.verify(200, "\n".join(json.dumps({"result": each}) for each in lines).encode())
    with pytest.raises(WrongAnswerError, match="999 messages"):
        stream.verify(200, "\n".join(json.dumps(each) for each in lines[1:]).encode())


def test_requests_are_whole(workloads):
    for workload in workloads.values():
        head, _, body = workload.raw(80).partition(b"\r\n\r\n")
        assert head.startswith(f"{workload.method} {workload.target} HTTP/1.1\r\nHost: 127.0.0.1:80".encode())
        assert (b"Content-Length: %d" % len(body) in head) == bool(body)


@pytest.mark.parametrize(
    ("make", "count", "routes"), [(sizes.routes, 230, 230), (sizes.apis, 3, 3), (sizes.plugins, 3, 60)]
)
def test_configurations_of_a_size_are_valid(tmp_path, capsys, make, count, routes):
    from twistedgw.cli import main

    more = make(tmp_path, count)
    messages = 'syntax = "proto3"; package bench.v1; message M { string shelf = 1; } '
    (tmp_path / "b.proto").write_text(messages + "service Bench { rpc Find(M) returns (M); }")
    (tmp_path / "gateway.ini").write_text(BASE + more)
    assert main(["routes", "-c", str(tmp_path / "gateway.ini")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == routes + 1


BASE = """
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:bench]
[environment:bench/prepub]
published = no
[environment:bench/test]
published = no
[backend:bench]
protocol = grpc
target = 127.0.0.1:1
[api:bench/find]
method = GET
path = /find
rpc = bench.v1.Bench/Find
backend = bench
[plugin:bench]
type = backend-grpc
proto = b.proto
[binding:bench]
plugin = bench
service = bench
environment = release
"""
