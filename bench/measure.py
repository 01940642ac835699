"""Measures the gateways: rounds in which each is started once, so that a slow minute of the machine hits all alike."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.check import FAILED, check_all
from bench.generator import Load, LoadError, measure
from bench.peers.peer import MissingError
from bench.places import GATEWAY_CORES
from bench.processes import StartError
from bench.world import PEERS, Surroundings, surroundings

if TYPE_CHECKING:
    from bench.peers.peer import Peer, Running
    from bench.plan import Plan
    from bench.workloads import Workload

Sample = dict[str, Any]
"""One measurement: peer, workload, mode (``saturation``, ``half``, ``idle``), connections, round, and the generator's
figures: rate (1/s), cpu_us (of the gateway, per request), latency_us, errors; resident (bytes, afterwards); busy: the
share of its core that the gateway used (where that is far from 1, something else was the bottleneck)."""

OVERLOAD_ERRORS = 0.001


@dataclass
class Measured:
    """What a run found.

    Attributes:
        samples: every measurement.
        missing: peers that could not run, and why.
        left_out: by peer, the workloads that were not measured, and why.
        sizes: by peer and workload, bytes of an answer's body.
    """

    samples: list[Sample] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)


def say(text: str) -> None:
    """Tell how far it is, on standard error."""
    print(text, file=sys.stderr, flush=True)


def run(plan: Plan, workloads: dict[str, Workload]) -> Measured:
    """Measure everything of a plan; where that is interrupted (Ctrl-C), gives what was found until then."""
    found = Measured()
    chosen = [workloads[each] for each in plan.workloads]
    with contextlib.suppress(KeyboardInterrupt), surroundings() as around:
        for number in range(1, plan.rounds + 1):
            for name in plan.peers:
                if name not in found.missing:
                    _Turn(plan, found, PEERS[name], number).play(around, chosen)
    return found


class _Turn:
    """One gateway in one round."""

    def __init__(self, plan: Plan, found: Measured, peer: Peer, number: int) -> None:
        self._plan = plan
        self._found = found
        self._peer = peer
        self._round = number

    def play(self, around: Surroundings, workloads: list[Workload]) -> None:
        begin = time.monotonic()
        try:
            with self._peer.start(around.world(self._peer.name)) as running:
                started = time.monotonic() - begin
                sizes, problems = check_all(running, workloads)
                self._note(sizes, problems)
                for workload in workloads:
                    if workload.name in sizes:
                        self._measure(around, running, workload)
        except MissingError as reason:
            self._found.missing[self._peer.name] = str(reason)
            say(f"{self._peer.title}: left out: {reason}")
            return
        except (StartError, LoadError) as reason:
            # Perhaps it was ended from outside: the next round tries again.
            self._note({}, {f"round {self._round}": f"{FAILED}: {reason}"})
            return
        say(
            f"round {self._round}/{self._plan.rounds}: {self._peer.title}: started in {started:.1f} s,"
            f" {len(sizes)} workloads in {time.monotonic() - begin:.0f} s"
        )

    def _note(self, sizes: dict[str, int], problems: dict[str, str]) -> None:
        if self._round == 1 or not sizes:
            for name, problem in problems.items():
                say(f"{self._peer.title}, {name}: {problem}")
        self._found.sizes.setdefault(self._peer.name, {}).update(sizes)
        self._found.left_out.setdefault(self._peer.name, {}).update(problems)

    def _measure(self, around: Surroundings, running: Running, workload: Workload) -> None:
        rates = {}
        for connections in self._connections(workload):
            sample = self._sample(around, running, workload, "saturation", self._load(connections))
            rates[connections] = sample["rate"]
        rate = rates.get(self._plan.main) or max(rates.values())
        connections = min(self._plan.main, max(rates))
        if workload.name in self._plan.half and rate:
            load = self._load(connections, rate=rate / 2)
            self._sample(around, running, workload, "half", load)
        if workload.name in self._plan.idle:
            load = self._load(connections, idle=self._plan.idle_connections)
            self._sample(around, running, workload, "idle", load)

    def _connections(self, workload: Workload) -> list[int]:
        most = self._plan.stream_connections if workload.streams else max(self._plan.connections)
        return sorted({min(each, most) for each in self._plan.connections})

    def _load(self, connections: int, *, rate: float = 0.0, idle: int = 0) -> Load:
        plan = self._plan
        return Load(connections, plan.duration, plan.warmup, rate, idle, minimum=0 if rate else 2 * connections)

    def _sample(self, around: Surroundings, running: Running, workload: Workload, mode: str, load: Load) -> Sample:
        process, port = running.serving(secure=workload.secure)
        found = measure(workload, port, around.folder, process.pids(), load)
        if process.popen.poll() is not None:
            raise StartError(f"it ended during {workload.name} (status {process.popen.returncode})")
        failed = sum(found["errors"].values())
        if failed > OVERLOAD_ERRORS * max(found["requests"], 1):
            say(f"{self._peer.title}, {workload.name}, {mode}: {failed} failed: {found['errors']}")
        sample = {
            "peer": self._peer.name,
            "workload": workload.name,
            "mode": mode,
            "round": self._round,
            "asked_rate": load.rate,
            "resident": process.resident(),
            "busy": found["cpu_us"] * found["rate"] / 1e6 / len(GATEWAY_CORES),
            **found,
        }
        self._found.samples.append(sample)
        return sample
