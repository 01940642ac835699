"""What a running gateway offers to its admin side: the same whether it is one process or a parent with workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from twistedgw.assembly import Assembly
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.reload import Outcome, Reloaded
    from twistedgw.web.listeners import Listeners

__all__ = ["BackendState", "Companion", "Gateway", "WorkerState"]


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend as one serving process sees it.

    Attributes:
        backend: its name.
        worker: the number of the worker, from 1; 0 where one process does everything.
        state: ``idle``, ``connecting``, ``ready``, ``transient_failure`` or ``shutdown``.
        in_flight: calls on their way to it.
        max_in_flight: this process's share of the limit; None for no limit.
    """

    backend: str
    worker: int
    state: str
    in_flight: int
    max_in_flight: int | None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One serving process.

    Attributes:
        number: from 1; 0 where one process does everything.
        pid: None while it is being (re)started.
        generation: the one that it serves; 0 where it serves none yet.
        started: when it began to serve, in seconds since 1970; None where it does not.
        restarts: how often it was lost and replaced.
        in_flight: requests on their way.
        connections: open connections of clients.
    """

    number: int
    pid: int | None
    generation: int
    started: float | None
    restarts: int
    in_flight: int
    connections: int


class Gateway(Protocol):
    """A running gateway. Reactor thread only.

    Attributes:
        assembly: reads a configuration off to the side: for checks, and for `explain` of what is not served yet.
            Its `load` blocks: only in a thread.
        started: when it was started, in seconds since 1970.
    """

    assembly: Assembly
    started: float

    @property
    def listeners(self) -> Listeners:
        """The ports; those of a gateway that stops are closed."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """The generation that serves now. Where there are workers, the one that all of them have taken."""
        ...

    @property
    def ready(self) -> bool:
        """Whether requests are answered: it has started, is not stopping, and at least one worker serves."""
        ...

    @property
    def history(self) -> Sequence[Reloaded]:
        """The last reloads, accepted and refused, the oldest first (at most 100)."""
        ...

    def reload(self, by: str = "") -> Deferred[Outcome]:
        """Ask for a reload; requests that come while one runs share the next.

        The Deferred never fails. A reload that is refused has an outcome that says so, with all reasons.

        Args:
            by: who asks, for the history: ``SIGHUP``, ``admin``.
        """
        ...

    def in_flight(self) -> Deferred[int]:
        """Count the requests on their way, over all workers."""
        ...

    def backends(self) -> Deferred[list[BackendState]]:
        """Tell the state of each backend in each serving process."""
        ...

    def workers(self) -> Deferred[list[WorkerState]]:
        """Tell the state of each serving process: one entry, with number 0, where there are no workers."""
        ...

    def metrics(self) -> Deferred[bytes]:
        """Give all metrics of all processes, as Prometheus text (`twistedgw.metrics_text.CONTENT_TYPE`)."""
        ...


class Companion(Protocol):
    """What runs beside a gateway in its (parent) process: the admin endpoint.

    The service calls the four in this order; `bind` before twistd gives up its privileges and forks, `start` after
    the gateway has begun to serve, `stop` before it stops listening, `close` when its last request has ended.
    """

    def bind(self, gateway: Gateway) -> None:
        """Bind ports, taking no request yet.

        Raises:
            ConfigError: a port cannot be bound; twistd exits with 1.
        """
        ...

    def start(self) -> None:
        """Begin to work: threads, channels and connections are allowed from now on."""
        ...

    def stop(self) -> Deferred[None]:
        """Change nothing any more; the gateway goes on with its own stop when this has fired. Must not fail."""
        ...

    def close(self) -> Deferred[None]:
        """Stop answering. Must not fail."""
        ...
