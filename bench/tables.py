"""The results as Markdown. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.summary import Figure, Summary
from bench.verdicts import all_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RATIOS = ("envoy", "grpc-gateway")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a Markdown table; all columns but the first are to the right."""
    lines = [f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def page(results: dict[str, Any], titles: dict[str, str], workloads: dict[str, str]) -> str:
    """Give the whole page.

    Args:
        results: as `bench.results` keeps them.
        titles: of the peers, by name.
        workloads: their titles, by name.
    """
    summary = Summary(results.get("samples", []))
    parts = [*_head(results), *_verdicts(summary, results)]
    if summary.samples:
        parts += ratios(summary, titles, workloads)
        parts += _all_figures(summary, titles, workloads)
    parts += _notes(results, titles) if "samples" in results else []
    parts += scaling(results.get("scaling", {}))
    parts += soak(results.get("soak", {}))
    return "\n".join(parts)


def _head(results: dict[str, Any]) -> list[str]:
    machine, versions = results["machine"], results["versions"]
    load = ", ".join(map(str, machine["load_average"]))
    about = (
        machine["when"],
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}",
        f"gateway on core {machine['gateway_cores']}, backend and load generator on {machine['other_cores']}",
        f"load average at the start {load}",
    )
    return [
        "# Benchmarks",
        "",
        "Written by `python -m bench`; bench/README.md says what is measured and how.",
        "",
        " · ".join(about),
        "",
        " · ".join(f"{name} {version}" for name, version in versions.items()),
        "",
    ]


def _verdicts(summary: Summary, results: dict[str, Any]) -> list[str]:
    found = all_verdicts(summary, results)
    met, missed = (sum(each.met is wanted for each in found) for wanted in (True, False))
    lines = [f"- {each}" for each in found]
    return [f"## Bars: {met} met, {missed} not met, {len(found) - met - missed} not measured", "", *lines, ""]


def _cell(found: Figure | None, form: Callable[[float], str]) -> str:
    if found is None:
        return ""
    return form(found.value) + (f" ±{found.spread / 2:.0%}" if found.count > 1 else "")


def number(value: float) -> str:
    """Give a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def milliseconds(microseconds: float) -> str:
    """Give a time in milliseconds."""
    value = microseconds / 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def ratios(summary: Summary, titles: dict[str, str], workloads: dict[str, str]) -> list[str]:
    """CPU per request of every gateway, and how many times that of Envoy and of grpc-gateway."""
    peers = summary.peers()
    rows = []
    for workload in summary.workloads():
        row = [workloads.get(workload, workload)]
        for peer in peers:
            text = _cell(summary.of(peer, workload, "cpu_us"), number)
            ratios = [summary.ratio(peer, other, workload, "cpu_us") for other in RATIOS]
            if text and any(ratios):
                text += f" ({' / '.join('–' if each is None else f'{each:.2f}' for each in ratios)})"
            row.append(text)
        rows.append(row)
    return [
        "## CPU per request, µs (ratio to Envoy / to grpc-gateway)",
        "",
        "Medians over the rounds at 32 connections, ± half of the spread.",
        "",
        *table(["", *(titles[peer] for peer in peers)], rows),
    ]


def _all_figures(summary: Summary, titles: dict[str, str], workloads: dict[str, str]) -> list[str]:
    parts = ["## All figures", ""]
    for workload in summary.workloads():
        rows = []
        for mode in ("saturation", "half", "idle"):
            for connections in summary.connections(workload, mode):
                for peer in summary.peers():
                    row = _figures(summary, peer, workload, mode, connections)
                    rows += [[titles[peer], f"{connections}{_MODES[mode]}", *row]] if row else []
        head = [
            "",
            "connections",
            "CPU µs",
            "core busy",
            "requests/s",
            "× Envoy",
            "× grpc-gateway",
            "p50 ms",
            "p99 ms",
            "RSS MB",
        ]
        parts += [f"### {workloads.get(workload, workload)}", "", *table(head, rows)]
    return parts


_MODES = {"saturation": "", "half": ", at half the rate", "idle": " + 1,000 idle"}


def _figures(summary: Summary, peer: str, workload: str, mode: str, connections: int) -> list[str]:
    def get(what: str, form: Callable[[float], str]) -> str:
        return _cell(summary.of(peer, workload, what, mode=mode, connections=connections), form)

    if not get("rate", number):
        return []
    ratios = (summary.ratio(peer, other, workload, "rate", mode=mode, connections=connections) for other in RATIOS)
    return [
        get("cpu_us", number),
        get("busy", "{:.0%}".format),
        get("rate", number),
        *("" if each is None else f"{each:.2f}" for each in ratios),
        get("p50", milliseconds),
        get("p99", milliseconds),
        get("resident", lambda value: number(value / 1e6)),
    ]


def _notes(results: dict[str, Any], titles: dict[str, str]) -> list[str]:
    lines = [f"- {titles[name]}: left out: {_short(reason)}" for name, reason in results.get("missing", {}).items()]
    for name, problems in results.get("left_out", {}).items():
        lines += [f"- {titles[name]}, {what}: {_short(problem)}" for what, problem in problems.items()]
    failed: dict[str, int] = {}
    for sample in results.get("samples", []):
        for text, count in sample["errors"].items():
            key = f"{titles[sample['peer']]}, {sample['workload']}: {text}"
            failed[key] = failed.get(key, 0) + count
    lines += [f"- failed: {text}: {count}" for text, count in failed.items()]
    return ["## Left out and failed", "", *(lines or ["Nothing."]), ""]


def _short(reason: str) -> str:
    """Give the first and the last line: what was tried, and what was wrong."""
    lines = reason.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


def scaling(found: dict[str, Any]) -> list[str]:
    """Give the tables of the curves."""
    parts = []
    for name, title in _CURVES.items():
        rows = found.get(name, [])
        if rows:
            head = list(rows[0])
            body = [[_value(row[key]) for key in head] for row in rows]
            parts += [f"## {title}", "", *table([_HEADS.get(key, key) for key in head], body)]
    return parts


_CURVES = {
    "routes": "Routes (google.api.http rules in .proto files)",
    "apis": "Routes (one [api] section each)",
    "plugins": "Plugins, each with a .proto and a service of its own",
    "idle": "Idle connections",
    "idle_tls": "Idle connections, TLS",
}
_HEADS = {
    "start_s": "start s",
    "reload_s": "reload, one API more, s",
    "unchanged_s": "reload, nothing changed, s",
    "all_protos_s": "reload, every .proto changed, s",
    "resident": "RSS MB",
    "resident_after_reloads": "RSS MB after those reloads",
    "match_us": "match µs",
    "request_us": "CPU µs per request",
    "bytes_each": "bytes each",
}


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int) and value > 1_000_000:
        return f"{value / 1e6:.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def soak(found: dict[str, Any]) -> list[str]:
    """Give the table of memory over time."""
    parts = []
    for name, part in found.items():
        rows = [[f"{count:,}", f"{size / 1e6:.1f}"] for count, size in part["resident"]]
        parts += [f"## Memory over {part['count']:,} {name}", "", *table([name, "RSS MB"], rows)]
    return parts
