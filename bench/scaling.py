"""How start, reload, memory and the cost of a request grow: routes, plugins, idle connections."""

from __future__ import annotations

import gc
import resource
import signal
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import generator, router, sizes
from bench.generator import Load, LoadError, measure
from bench.measure import say
from bench.peers import ours
from bench.places import GATEWAY_CORES, OTHER_CORES
from bench.processes import StartError, pin, running
from bench.workloads import all_workloads
from bench.world import Surroundings, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.peers.peer import World
    from bench.processes import Process

ROUTES = (10, 100, 1_000, 10_000)
PLUGINS = (1, 10, 100, 1_000)
IDLE = (1, 10, 100, 1_000, 10_000)
SECURE_IDLE = (1, 1_000)
RELOADED = r"reloaded: generation|reload refused[^\n]*\n.*"
REQUESTS = Load(connections=32, duration=2.0, warmup=0.5)
ONE_MORE = """
[api:bench/one-more]
method = GET
path = /one-more/{shelf}
rpc = bench.v1.Bench/Find
backend = bench
"""


class RefusedError(Exception):
    """A reload was refused; the text is the gateway's report."""


def reload(process: Process) -> float:
    """Send SIGHUP; gives the seconds until the new generation serves.

    Raises:
        RefusedError: it does not.
    """
    begin = time.monotonic()
    process.popen.send_signal(signal.SIGHUP)
    found = process.wait_for(RELOADED)[0]
    if found.startswith("reload refused"):
        raise RefusedError(found)
    return time.monotonic() - begin


def run() -> dict[str, Any]:
    """Measure all curves; gives lists of rows by name."""
    allow_connections()
    found: dict[str, Any] = {}
    with surroundings() as around:
        matches = match_costs()
        for name, (title, counts, make) in _CURVES.items():
            say(f"start, reload and memory with {counts[0]:,} to {counts[-1]:,} {title} …")
            found[name] = _curve(title, counts, partial(_grown, around, make))
        for row in found["routes"]:
            row["match_us"] = matches[row["routes"]]
        say("memory with 1 to 10,000 idle connections …")
        found["idle"] = _curve("connections", IDLE, partial(_idle, around, "echo"))
        found["idle_tls"] = _curve("connections", SECURE_IDLE, partial(_idle, around, "tls"))
    return found


_CURVES = {
    "routes": ("routes", ROUTES, sizes.routes),
    "apis": ("routes", ROUTES, sizes.apis),
    "plugins": ("plugins", PLUGINS, sizes.plugins),
}


def _curve(title: str, counts: tuple[int, ...], point: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """Measure every point of a curve; where one fails, the curve has the others."""
    rows = []
    for count in counts:
        try:
            rows.append({title: count, **point(count)})
        except (StartError, RefusedError, LoadError) as problem:
            say(f"{count:,} {title}: {problem}")
    return rows


def match_costs() -> dict[int, float]:
    """Give the mean microseconds of a match, by number of routes (see `bench.router`)."""
    gc.disable()
    routers = {count: router.built(count)[0] for count in ROUTES}
    rows = [router.costs(routers, method, path) for method, path in router.REQUESTS.values()]
    gc.enable()
    return dict(zip(ROUTES, (sum(column) / len(rows) for column in zip(*rows, strict=True)), strict=True))


def _grown(around: Surroundings, make: Callable[[Path, int], str], count: int) -> dict[str, Any]:
    """Start a gateway with a configuration of some size; gives what that costs."""
    world = around.world(f"scale-{count}")
    path = ours.configuration(world, make(world.folder, count))
    begin = time.monotonic()
    with running(ours.command(None, path), world.folder, GATEWAY_CORES) as process:
        port, _ = ours.ready(process)
        started = time.monotonic() - begin
        found = measure(all_workloads()["echo"], port, world.folder, process.pids(), REQUESTS)
        resident = process.resident()
        return {
            "start_s": started,
            **_reloads(world, path, process),
            "request_us": found["cpu_us"],
            "resident": resident,
            "resident_after_reloads": process.resident(),
        }


def _reloads(world: World, path: Path, process: Process) -> dict[str, float]:
    unchanged = reload(process)
    path.write_text(path.read_text() + ONE_MORE)
    changed = reload(process)
    sizes.touch_protos(world.folder, "changed")
    return {"unchanged_s": unchanged, "reload_s": changed, "all_protos_s": reload(process)}


def allow_connections() -> None:
    """Raise the limit of open files as far as that goes without being root."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < max(IDLE) + 100:
        say(f"only {hard:,} files may be open: 10,000 idle connections need more (ulimit -n)")


def _idle(around: Surroundings, name: str, count: int) -> dict[str, Any]:
    """Open connections that rest; gives what each adds to the resident memory."""
    workload = all_workloads()[name]
    world = around.world(f"idle-{count}")
    with ours.start(world) as gateway:
        process, port = gateway.serving(secure=workload.secure)
        measure(workload, port, world.folder, process.pids(), Load(32, 1.0, 0.2))
        before = process.resident()
        command = [*generator.command(workload, port, world.folder), "-idle", str(count), "-hold"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin(OTHER_CORES)
        ) as load:
            assert load.stdout is not None
            opened = load.stdout.readline()
            after = process.resident()
            out, _ = load.communicate()
    if opened.split() != ["open", str(count)] or out.split() != ["lost", "0"]:
        raise LoadError(f"the load generator said {opened.strip() or 'nothing'!r}, {out.strip() or 'nothing'!r}")
    return {"resident": after, "bytes_each": (after - before) / count}
