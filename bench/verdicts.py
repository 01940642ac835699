"""The bars that the project has set itself, and whether they are met. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.summary import Summary

SMALL = ("echo", "get", "error")
LARGE = ("order", "list", "post-order")
CPU_BARS = (
    (SMALL, "grpc-gateway", 1.25),
    (SMALL, "envoy", 1.5),
    (LARGE, "grpc-gateway", 1.0),
    (LARGE, "envoy", 1.25),
    (("stream",), "grpc-gateway", 1.5),
)
BY_HAND = 4.0
P99_BAR = 2.0
MATCH_BAR, RELOAD_BAR, IDLE_BAR, FLAT_BAR = 2.0, 3.0, 10 * 1024, 0.05
OURS = "twistedgw"


@dataclass(frozen=True)
class Verdict:
    """One bar.

    Attributes:
        what: the figure, in words.
        bar: in words.
        met: None where there is no figure.
        value: the figure, in words.
    """

    what: str
    bar: str
    met: bool | None
    value: str = "no figure"

    def __str__(self) -> str:
        ending = {True: "met", False: "NOT MET", None: "not measured"}[self.met]
        return f"{self.what}: {self.value} (bar {self.bar}): {ending}"


def _at_most(what: str, value: float | None, bar: float, form: str) -> Verdict:
    if value is None:
        return Verdict(what, form.format(bar), None)
    return Verdict(what, form.format(bar), value <= bar, form.format(value))


def of_run(summary: Summary) -> list[Verdict]:
    """Judge the CPU per request, and the p99 at half the saturation rate."""
    found = []
    for workloads, other, bar in CPU_BARS:
        for workload in workloads:
            ratio = summary.ratio(OURS, other, workload, "cpu_us")
            found.append(_at_most(f"{workload}: CPU per request", ratio, bar, f"{{:.2f}} × {other}"))
    for workload in summary.workloads():
        ratio = summary.ratio("fastapi", OURS, workload, "cpu_us")
        bar = f"{BY_HAND:.1f} × cheaper than fastapi"
        met = None if ratio is None else ratio >= BY_HAND
        value = "no figure" if ratio is None else f"{ratio:.1f} ×"
        found.append(Verdict(f"{workload}: CPU per request", bar, met, value))
    for workload in summary.workloads():
        ratio = summary.ratio(OURS, "envoy", workload, "p99", mode="half")
        found.append(_at_most(f"{workload}: p99 at half the saturation rate", ratio, P99_BAR, "{:.2f} × envoy"))
    return found


def of_scaling(scaling: dict[str, Any]) -> list[Verdict]:
    """Judge the curves of `bench.scaling`."""
    routes, idle = scaling.get("routes", []), scaling.get("idle", [])
    found = []
    if routes:
        first, last = routes[0], routes[-1]
        ratio = last["match_us"] / first["match_us"]
        found.append(_at_most(f"match among {last['routes']:,} routes", ratio, MATCH_BAR, "{:.2f} × that among 10"))
        for name, change in (("reload_s", "one API more"), ("all_protos_s", "every .proto changed")):
            what = f"reload of {last['routes']:,} routes, {change}"
            found.append(_at_most(what, last[name], RELOAD_BAR, "{:.2f} s"))
    if scaling.get("apis"):
        last = scaling["apis"][-1]
        what = f"reload of {last['routes']:,} [api] sections, one API more"
        found.append(_at_most(what, last["reload_s"], RELOAD_BAR, "{:.2f} s"))
    if idle:
        last = idle[-1]
        what = f"each of {last['connections']:,} idle connections"
        found.append(_at_most(what, last["bytes_each"], IDLE_BAR, "{:,.0f} bytes"))
    return found


def of_soak(soak: dict[str, Any]) -> list[Verdict]:
    """Judge the memory of `bench.soak`."""
    names = {"reloads": "memory over {:,} reloads", "requests": "memory over {:,} requests"}
    return [
        _at_most(text.format(soak[name]["count"]), soak[name]["growth"], FLAT_BAR, "{:+.1%}")
        for name, text in names.items()
        if name in soak
    ]


def all_verdicts(summary: Summary, results: dict[str, Any]) -> list[Verdict]:
    """Judge everything that was measured."""
    return [
        *(of_run(summary) if summary.samples else []),
        *of_scaling(results.get("scaling", {})),
        *of_soak(results.get("soak", {})),
    ]
