"""Where a request's time goes: ``python -m bench.profile WORKLOAD``.

Puts load on one of our gateways and samples it with py-spy (``pip install py-spy``), native frames included where that
works. py-spy attaches to a running process, for which it needs root, or kernel.yama.ptrace_scope = 0. Samples become
microseconds by each thread's share of the processor time, and by what a request costs while nobody samples.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bench import build, layers
from bench.check import check
from bench.generator import Load, measure
from bench.places import OTHER_CORES, RESULTS
from bench.processes import thread_seconds
from bench.workloads import all_workloads
from bench.world import PEERS, surroundings

if TYPE_CHECKING:
    from bench.peers.peer import Running
    from bench.workloads import Workload

SETTLE = 1.0
"""Seconds of load before samples are taken."""
_CORES = ",".join(map(str, sorted(OTHER_CORES)))


def _spy() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "py-spy"
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    return found


def sample(running: Running, workload: Workload, folder: Path, options: argparse.Namespace) -> list[tuple[str, float]]:
    """Sample a gateway under load; gives stacks and the microseconds that a request spends in each."""
    process, port = running.serving(secure=workload.secure)
    cpu = measure(workload, port, folder, process.pids(), Load(options.connections, 2, SETTLE))["cpu_us"]
    load = Load(options.connections, options.seconds + 2, SETTLE)
    out = folder / "stacks.txt"
    command = [_spy(), "record", "--pid", str(process.popen.pid), "--threads", "--format", "raw", "--output", str(out)]
    command += ["--duration", str(round(options.seconds)), "--rate", str(options.rate)]
    command += [] if options.no_native else ["--native"]
    before = thread_seconds(process.pids())
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(measure, workload, port, folder, process.pids(), load)
        time.sleep(SETTLE + 0.5)
        done = subprocess.run(["taskset", "-c", _CORES, *command], capture_output=True, text=True, check=False)
        loading.result()
    if done.returncode or not out.exists():
        raise SystemExit(f"py-spy failed (does it need root?):\n{done.stderr}")
    after = thread_seconds(process.pids())
    used = {thread: (name, seconds - before.get(thread, ("", 0.0))[1]) for thread, (name, seconds) in after.items()}
    scale = cpu / (sum(seconds for _, seconds in used.values()) or 1)
    threads = {thread: (name, seconds * scale) for thread, (name, seconds) in used.items()}
    return layers.weigh(layers.read(out.read_text()), threads)


def report(stacks: list[tuple[str, float]], title: str, top: int) -> str:
    """Give the tables as Markdown."""
    lines = [f"## {title}: {sum(time for _, time in stacks):,.0f} µs a request", ""]
    for by, head, most in (("layer", "layer", None), ("function", "innermost Python function", top)):
        lines += [f"| {head} | µs | share | of it in system calls, µs |", "|---|---:|---:|---:|"]
        lines += [
            f"| {row.name} | {row.time:,.1f} | {row.share:.1%} | {row.system:,.1f} |"
            for row in layers.table(stacks, by)[:most]
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    ours = [name for name in PEERS if name.startswith("twistedgw")]
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    names = [*all_workloads(), "all"]
    parser.add_argument("workload", choices=names, metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--peer", choices=ours, default=ours[0], help="which of our gateways (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of samples (default %(default)s)")
    parser.add_argument("--connections", type=int, default=32, help="default %(default)s")
    parser.add_argument("--rate", type=int, default=500, help="samples a second (default %(default)s)")
    parser.add_argument("--top", type=int, default=40, help="how many functions are listed (default %(default)s)")
    parser.add_argument("--no-native", action="store_true", help="Python frames only: C time belongs to its caller")
    options = parser.parse_args()
    build.basics()
    chosen = names[:-1] if options.workload == "all" else [options.workload]
    RESULTS.mkdir(exist_ok=True)
    with surroundings() as around, PEERS[options.peer].start(around.world("profile")) as running:
        for name in chosen:
            workload = all_workloads()[name]
            check(running, workload)
            with tempfile.TemporaryDirectory() as folder:
                stacks = sample(running, workload, Path(folder), options)
            page = report(stacks, f"{PEERS[options.peer].title}, {workload.title}", options.top)
            (RESULTS / f"profile-{name}.md").write_text(page)
            print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
