"""Keeps the results of the parts of the benchmark in one JSON file, and writes the pages made from it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from bench import tables
from bench.check import FAILED, WRONG
from bench.measure import say
from bench.places import ROOT
from bench.summary import Summary
from bench.verdicts import all_verdicts
from bench.workloads import all_workloads
from bench.world import PEERS

if TYPE_CHECKING:
    from pathlib import Path

FILE = "results.json"
PAGE = "benchmarks.md"
PLOT = "bench.png"


def read(folder: Path) -> dict[str, Any]:
    """Give what the last runs found."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def update(folder: Path, about: dict[str, Any], part: dict[str, Any]) -> None:
    """Put a part in place of what stood there; a new run of the gateways replaces all of the old run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps({**read(folder), **about, **part}, indent=1) + "\n")


def wrong(folder: Path) -> list[str]:
    """Give what was wrong in the last run: answers, and gateways that did not start or did not last."""
    left_out = read(folder).get("left_out", {})
    return [text for found in left_out.values() for text in found.values() if text.startswith((WRONG, FAILED))]


def titles() -> dict[str, str]:
    return {name: peer.title for name, peer in PEERS.items()}


def write_pages(folder: Path) -> None:
    """Write the Markdown page and the plot beside the JSON."""
    found = read(folder)
    workloads = {name: each.title for name, each in all_workloads().items()}
    (folder / PAGE).write_text(tables.page(found, titles(), workloads))
    if not found.get("samples"):
        return
    try:
        from bench import plot
    except ModuleNotFoundError as missing:
        say(f"no plot: {missing.name} is not installed: pip install matplotlib")
        return
    plot.write(folder / PLOT, found, titles(), workloads)


def conclusion(folder: Path) -> str:
    """Give the main table and the verdicts, for the terminal."""
    found = read(folder)
    summary = Summary(found.get("samples", []))
    workloads = {name: name for name in all_workloads()}
    lines = tables.ratios(summary, titles(), workloads) if summary.samples else []
    verdicts = all_verdicts(summary, found)
    judged = [str(each) for each in verdicts if each.met is not None]
    lines += [*tables.scaling(found.get("scaling", {})), *tables.soak(found.get("soak", {})), *judged]
    lines += [f"({len(verdicts) - len(judged)} bars without figures)"] if len(judged) < len(verdicts) else []
    return "\n".join([*lines, "", f"{folder / FILE}, {PAGE}, {PLOT}"])


def publish(folder: Path) -> int:
    """Write docs/benchmarks.md and docs/bench.png from the results."""
    if not read(folder):
        say(f"there are no results in {folder}")
        return 1
    write_pages(folder)
    docs = ROOT / "docs"
    text = (folder / PAGE).read_text().replace("# Benchmarks\n", f"# Benchmarks\n\n![CPU per request]({PLOT})\n", 1)
    (docs / PAGE).write_text(text)
    if (folder / PLOT).exists():
        shutil.copyfile(folder / PLOT, docs / PLOT)
    return 0
