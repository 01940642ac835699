"""Whether memory stays flat: over 500 reloads that change everything, and over 1,000,000 requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.check import ask, check
from bench.generator import Load, measure
from bench.measure import say
from bench.peers import ours
from bench.places import PROTO
from bench.scaling import reload
from bench.workloads import all_workloads
from bench.world import Surroundings, surroundings

if TYPE_CHECKING:
    from bench.peers.peer import Running

RELOADS = 500
REQUESTS = 1_000_000
SHARE = 0.1
"""Growth is counted from here: pools and caches are full then."""
MIX = ("echo", "get", "order", "post-order", "bytes", "error")
TURN = Load(connections=32, duration=2.0, warmup=0.1)


def growth(resident: list[tuple[int, int]]) -> float:
    """Give how much memory grew, as a share, from a tenth of the way to the end.

    Args:
        resident: (count, bytes), in order.
    """
    last, size = resident[-1]
    first = next(each for count, each in resident if count >= last * SHARE)
    return size / first - 1


def run(reloads: int = RELOADS, requests: int = REQUESTS) -> dict[str, Any]:
    """Run both; gives for each the count, the growth, and the resident bytes on the way."""
    with surroundings() as around:
        return {"reloads": _reloads(around, reloads), "requests": _requests(around, requests)}


def _result(resident: list[tuple[int, int]]) -> dict[str, Any]:
    return {"count": resident[-1][0], "growth": growth(resident), "resident": resident}


def _reloads(around: Surroundings, count: int) -> dict[str, Any]:
    """Reload with a new .proto each time: new pools, new compiled codecs, and requests that use them."""
    world = around.world("reloads")
    proto = world.folder / PROTO.name
    proto.write_text(PROTO.read_text())
    with ours.start(world, proto=proto) as running:
        resident = [(0, running.process.resident())]
        for number in range(1, count + 1):
            proto.write_text(f"{PROTO.read_text()}message Generation{number} {{ string name = 1; }}\n")
            reload(running.process)
            for name in MIX:
                check(running, all_workloads()[name])
            if number % max(1, count // 20) == 0:
                resident.append((number, running.process.resident()))
                say(f"{number} reloads: {resident[-1][1] / 1e6:.1f} MB")
        return _result(resident)


def _requests(around: Surroundings, count: int) -> dict[str, Any]:
    with ours.start(around.world("requests")) as running:
        resident = [(0, running.process.resident())]
        done = 0
        while done < count:
            # Only whole turns of the mixture are compared: each kind of request has buffers of its own.
            done += sum(_turn(around, running, name) for name in MIX)
            resident.append((done, running.process.resident()))
            say(f"{done:,} requests: {resident[-1][1] / 1e6:.1f} MB")
        return _result(resident)


def _turn(around: Surroundings, running: Running, name: str) -> int:
    workload = all_workloads()[name]
    process, port = running.serving(secure=False)
    status, _ = ask(running, workload)
    assert status == workload.status
    return int(measure(workload, port, around.folder, process.pids(), TURN)["requests"])
