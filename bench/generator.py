"""Runs the load generator (`bench/load`) and gives what it measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.build import BIN
from bench.places import OTHER_CORES
from bench.processes import pin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.workloads import Workload


class LoadError(Exception):
    """The load generator cannot do its work: nothing listens, or a connection is refused."""


@dataclass(frozen=True)
class Load:
    """How much is asked for.

    Attributes:
        connections: kept alive, one request at a time each.
        duration: seconds that are measured.
        warmup: seconds before them.
        rate: requests per second, evenly spread; 0 for as many as come.
        idle: further connections that rest.
        minimum: requests that are waited for, beyond the duration if need be.
    """

    connections: int = 32
    duration: float = 2.0
    warmup: float = 0.5
    rate: float = 0.0
    idle: int = 0
    minimum: int = 0


def command(workload: Workload, port: int, folder: Path) -> list[str]:
    """Write the request, and give the part of the command line that says what to send and what to expect."""
    request = folder / f"{workload.name}-{port}.http"
    request.write_bytes(workload.raw(port))
    found = [str(BIN / "load"), "-address", f"127.0.0.1:{port}", "-request", str(request)]
    found += ["-status", str(workload.status)]
    return [*found, "-tls"] if workload.secure else found


def measure(workload: Workload, port: int, folder: Path, pids: Sequence[int], load: Load) -> dict[str, Any]:
    """Put load on a gateway; gives the generator's JSON object (see `result` in `load/main.go`).

    Raises:
        LoadError: the generator failed.
    """
    arguments = [
        *command(workload, port, folder),
        *("-connections", str(load.connections), "-idle", str(load.idle), "-rate", str(load.rate)),
        *(
            "-minimum",
            str(load.minimum),
            "-warmup",
            f"{load.warmup}s",
            "-duration",
            f"{load.duration}s",
            "-pids",
            ",".join(map(str, pids)),
        ),
    ]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=pin(OTHER_CORES),
    )
    if done.returncode:
        raise LoadError(f"the load generator failed on {workload.name}:\n{done.stderr}")
    return json.loads(done.stdout)
