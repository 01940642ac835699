"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass, replace

STREAM_CONNECTIONS = 32
"""More streams of 1,000 messages at a time say nothing new, and take minutes with the slowest peer."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long.

    Attributes:
        peers: by name.
        workloads: by name.
        rounds: each starts every gateway once, in turn.
        connections: at a time; one measurement for each number.
        duration: seconds of one measurement.
        warmup: seconds before it.
        half: workloads that are measured at half of their saturation rate too.
        idle: workloads that are measured with idle connections beside them too.
        idle_connections: how many.
        stream_connections: at most.
    """

    peers: tuple[str, ...]
    workloads: tuple[str, ...]
    rounds: int = 3
    connections: tuple[int, ...] = (1, 32, 256)
    duration: float = 2.0
    warmup: float = 0.5
    half: tuple[str, ...] = ()
    idle: tuple[str, ...] = ("echo",)
    idle_connections: int = 1_000
    stream_connections: int = STREAM_CONNECTIONS

    @property
    def main(self) -> int:
        """The number of connections whose figures are compared."""
        return 32 if 32 in self.connections else self.connections[-1]


def whole(peers: tuple[str, ...], workloads: tuple[str, ...]) -> Plan:
    """Give the plan of a whole run: about an hour with all peers."""
    return Plan(peers, workloads, half=workloads)


def quick(peers: tuple[str, ...], workloads: tuple[str, ...]) -> Plan:
    """Give one that takes less than three minutes with the four gateways of it."""
    return replace(
        whole(peers, workloads),
        connections=(32,),
        duration=0.5,
        warmup=0.2,
        half=tuple(name for name in ("echo",) if name in workloads),
        idle=(),
        stream_connections=8,
    )
