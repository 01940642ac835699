"""The plot of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from bench.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path

mpl.use("Agg")

from matplotlib import pyplot as plt

COLOURS = {
    "twistedgw": "#1f6feb",
    "twistedgw-log": "#4c8dff",
    "twistedgw-asyncio": "#6ea8fe",
    "twistedgw-thread": "#b6d4fe",
    "envoy": "#7d4e9e",
    "grpc-gateway": "#2a9d8f",
    "fastapi": "#e09f3e",
}


def write(path: Path, results: dict[str, Any], titles: dict[str, str], workloads: dict[str, str]) -> None:
    """Draw the CPU per request of every workload, relative to grpc-gateway where it ran, and otherwise to the first."""
    summary = Summary(results["samples"])
    peers, names = summary.peers(), summary.workloads()
    columns = 3
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(12, 2.3 * rows + 0.9), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, summary, peers, name, titles)
        axis.set_title(workloads.get(name, name), fontsize=10, loc="left")
    for axis in list(axes.flat)[len(names) :]:
        axis.set_visible(False)
    machine = results["machine"]
    title = "CPU per request of the gateway's own processes, µs (less is better)"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    foot = f"{machine['processor']}, one core each, 32 connections, medians of the rounds and their range"
    foot += f" · {machine['when'][:10]}"
    figure.text(0.01, 0.005, foot, fontsize=8, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 0.99))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis: Any, summary: Summary, peers: list[str], workload: str, titles: dict[str, str]) -> None:
    found = {peer: summary.of(peer, workload, "cpu_us") for peer in peers}
    shown = [peer for peer in peers if found[peer] is not None]
    values = [found[peer].value for peer in shown]
    errors = [found[peer].value * found[peer].spread / 2 for peer in shown]
    axis.barh(
        range(len(shown)),
        values,
        xerr=errors,
        color=[COLOURS.get(peer, "#999999") for peer in shown],
        error_kw={"lw": 0.8, "ecolor": "#444444"},
    )
    for index, value in enumerate(values):
        axis.text(value, index, f" {value:,.0f}", va="center", fontsize=8)
    axis.set_yticks(range(len(shown)), [titles[peer] for peer in shown], fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.set_xticks([])
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
