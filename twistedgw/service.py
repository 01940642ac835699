"""The gateway as a twistd service: the order in which it starts, reloads, drains and stops."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from twistedgw import __version__
from twistedgw.config.options import RESTART
from twistedgw.errors import ConfigError, Problem
from twistedgw.gateway import WorkerState
from twistedgw.metrics import Tally
from twistedgw.metrics_text import Whole, render
from twistedgw.registry.changes import changes
from twistedgw.reload import Outcome, Reloader
from twistedgw.serving import Serving
from twistedgw.workers.crew import Crew
from twistedgw.workers.sockets import Holding

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from twistedgw.assembly import Assembled, Assembly
    from twistedgw.gateway import BackendState, Companion
    from twistedgw.metrics import Tally
    from twistedgw.registry.registry import Registry
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.reload import Reloaded
    from twistedgw.signals import Hangup
    from twistedgw.web.listeners import Listeners

__all__ = ["GatewayService"]


class GatewayService(Service):
    """Serves one configuration, and every later state of it; a `twistedgw.gateway.Gateway`. Reactor thread only.

    With several workers it binds the ports and reads the configuration, and lets the workers do the rest. It is
    otherwise the same: also then it holds the current snapshot, though no request ever comes to it.

    A `MultiService` stops its children all at once and cannot say "drain, then close, then stop", so this is one
    service with its order written down.

    Attributes:
        assembly: reads the configuration.
        started: when it was started, in seconds since 1970.
        reloader: does one reload at a time.
    """

    name = "grpcgw"
    _log = Logger(namespace="twistedgw.service")

    def __init__(
        self,
        assembly: Assembly,
        first: Assembled,
        reactor: Any,
        hangup: Hangup,
        *,
        backend: Callable[[Snapshot], Callable[[], None]] | None = None,
        companions: Sequence[Companion] = (),
    ) -> None:
        """Make it; opens nothing, starts nothing.

        Args:
            assembly: reads the configuration again.
            first: the generation to start with.
            reactor: the one that will run.
            hangup: SIGHUP, armed already.
            backend: starts a backend in this process (the demo's server), and gives what stops it.
            companions: what runs beside the gateway: started after it serves, stopped first.
        """
        self.assembly = assembly
        self.started = time.time()
        self.reloader = Reloader(self._reload)
        self._first = first
        self._reactor = reactor
        self._hangup = hangup
        self._backend = backend
        self._stop_backend: Callable[[], None] = lambda: None
        self._companions = companions
        self._pool = ThreadPool(0, 1, "twistedgw-reload")
        self._reloads = {"accepted": 0, "refused": 0}
        workers = first.snapshot.config.gateway.workers
        self._crew = Crew(workers, reactor) if workers > 1 else None
        self._serving = Serving(assembly.bridge, reactor, opening=Holding(reactor) if self._crew else None)

    # -- start

    def privilegedStartService(self) -> None:
        """Bind the ports, before twistd gives up its privileges.

        Raises:
            ConfigError: a port cannot be bound; twistd exits with 1.
        """
        self._hangup.arm()
        bound: list[Any] = []
        self.listeners.bind(self._first.listening).addBoth(bound.append)
        if not bound:
            raise RuntimeError("an endpoint does not listen at once")
        if isinstance(bound[0], Failure):
            bound[0].raiseException()
        self._serving.publish(self._first, bound[0])
        for companion in self._companions:
            companion.bind(self)

    def startService(self) -> None:
        """Start threads and channels (twistd has forked by now), and listen to SIGHUP."""
        super().startService()
        self._pool.start()
        if self._backend is not None:
            self._stop_backend = self._backend(self.snapshot)
        if self._crew is None:
            self.assembly.bridge.start()
            self._begun()
        else:
            # Only a reactor that runs learns of the end of a process.
            self._reactor.callWhenRunning(self._hire, self._crew)
        self._hangup.connect(lambda: self._reactor.callFromThread(self.reload, "SIGHUP"))
        for companion in self._companions:
            companion.start()

    def _hire(self, crew: Crew) -> None:
        self._log.info("starting {count} workers", count=self.snapshot.config.gateway.workers)
        snapshot = self.snapshot
        # Nobody has been able to ask for a reload yet: what serves here is what was read first.
        complete = crew.start(snapshot.generation, self._first.material().pack(), self.listeners.ports)
        complete.addCallback(lambda _: self._begun())

    def _begun(self) -> None:
        snapshot = self.snapshot
        workers = f", {snapshot.config.gateway.workers} workers" if self._crew is not None else ""
        self._log.info(
            "twistedgw {version} serves {routes} routes on {endpoints} (generation {generation}, {bridge}{workers})",
            version=__version__,
            routes=len(snapshot.routes),
            endpoints=", ".join(self._urls()),
            generation=snapshot.generation,
            bridge=type(self.assembly.bridge).__name__,
            workers=workers,
        )

    def _urls(self) -> list[str]:
        return [f"{endpoint} ({_address(port.getHost())})" for endpoint, port in self.listeners.ports.items()]

    # -- what it is now

    @property
    def listeners(self) -> Listeners:
        """The ports."""
        return self._serving.listeners

    @property
    def registry(self) -> Registry:
        """The generations."""
        return self._serving.registry

    @property
    def snapshot(self) -> Snapshot:
        """The generation that serves."""
        return self.registry.snapshot

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        return bool(self.running) and (self._crew is None or bool(self._crew.members))

    @property
    def history(self) -> Sequence[Reloaded]:
        """The last reloads, the oldest first."""
        return tuple(self.reloader.history)

    def reload(self, by: str = "") -> Deferred[Outcome]:
        """Ask for a reload; gives its outcome, and never fails."""
        return self.reloader.request(by)

    @inlineCallbacks
    def in_flight(self) -> Generator[Deferred[Any], Any, int]:
        """Count the requests on their way, over all workers."""
        workers = yield self.workers()
        return sum(worker.in_flight for worker in workers)

    @inlineCallbacks
    def backends(self) -> Generator[Deferred[Any], Any, list[BackendState]]:
        """Tell the state of each backend in each serving process."""
        if self._crew is None:
            return self._serving.backends()
        yield self._crew.look()
        return self._crew.backends()

    @inlineCallbacks
    def workers(self) -> Generator[Deferred[Any], Any, list[WorkerState]]:
        """Tell the state of each serving process."""
        if self._crew is None:
            return [self._alone()]
        yield self._crew.look()
        return self._crew.states()

    def _alone(self) -> WorkerState:
        serving = self._serving
        in_flight, connections = serving.registry.in_flight, serving.connections
        return WorkerState(0, os.getpid(), self.snapshot.generation, self.started, 0, in_flight, connections)

    @inlineCallbacks
    def metrics(self) -> Generator[Deferred[Any], Any, bytes]:
        """Give all metrics of all processes, as Prometheus text."""
        crew, serving = self._crew, self._serving
        if crew is None:
            tally: Tally = serving.metrics.tally
            states, backends, answered = [self._alone()], serving.backends(), {0: tally.total}
        else:
            yield crew.look()
            tally = crew.tally()
            states, backends, answered = crew.states(), crew.backends(), crew.answered()
        generation = self.snapshot.generation
        return render(
            Whole(generation, self.started, self.ready, tally, states, backends, answered, dict(self._reloads))
        )

    # -- reload

    @inlineCallbacks
    def _reload(self) -> Generator[Deferred[Any], Any, Outcome]:
        started = time.monotonic()
        old = self.registry.snapshot
        bound: dict[str, Any] = {}
        try:
            fresh, data = yield deferToThreadPool(self._reactor, self._pool, self._load, old)
            bound = yield self.listeners.bind(fresh.listening)
            if self._crew is not None:
                yield self._crew.prepare(fresh.snapshot.generation, data, self._ports(fresh, bound))
            self._check_running()
        except ConfigError as error:
            self.listeners.discard(bound)
            return self._refused(old, error, started)
        except Exception:  # noqa: BLE001 - whatever happens, the old generation goes on
            self.listeners.discard(bound)
            self._log.failure("bug while reloading; generation {generation} goes on", generation=old.generation)
            return self._outcome(False, old.generation, "internal error, see the log", started)
        if self._crew is not None:
            yield self._crew.commit()  # before our own ports are closed: a shutdown would be felt by all
        return self._accept(old, fresh, bound, started)

    def _check_running(self) -> None:
        if not self.running:
            raise ConfigError([Problem("", 0, message="the gateway is stopping")])

    def _load(self, old: Snapshot) -> tuple[Assembled, bytes]:
        fresh = self.assembly.load(old)
        return fresh, fresh.material().pack() if self._crew is not None else b""

    def _ports(self, fresh: Assembled, bound: dict[str, Any]) -> dict[str, Any]:
        ports = {**self.listeners.ports, **{endpoint: port for endpoint, (port, _) in bound.items()}}
        return {endpoint: ports[endpoint] for endpoint in fresh.listening}

    def _outcome(self, accepted: bool, generation: int, message: str, started: float) -> Outcome:
        self._reloads["accepted" if accepted else "refused"] += 1
        return Outcome(accepted, generation, message, time.monotonic() - started)

    def _refused(self, old: Snapshot, error: ConfigError, started: float) -> Outcome:
        message = error.report()
        self._log.error(
            "reload refused, generation {generation} goes on; {count} problems:\n{report}",
            generation=old.generation,
            count=len(error.problems),
            report=message,
        )
        return replace(self._outcome(False, old.generation, message, started), problems=error.problems)

    def _accept(self, old: Snapshot, fresh: Assembled, bound: Any, started: float) -> Outcome:
        new = fresh.snapshot
        self._serving.publish(fresh, bound)
        outcome = self._outcome(True, new.generation, changes(old, new), started)
        self._log.info(
            "reloaded: generation {generation} with {routes} routes in {seconds:.2f} s: {changes}",
            generation=new.generation,
            routes=len(new.routes),
            seconds=outcome.seconds,
            changes=outcome.message,
        )
        self._warn_of_restart("gateway", old.config.gateway, new.config.gateway)
        self._warn_of_restart("admin", old.config.admin, new.config.admin)
        return outcome

    def _warn_of_restart(self, section: str, old: Any, new: Any) -> None:
        names = [name for name in RESTART[section] if getattr(old, name, None) != getattr(new, name, None)]
        if names:
            self._log.warn(
                "[{section}] {names} changed: only a restart applies that", section=section, names=", ".join(names)
            )

    # -- stop

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Stop listening, drain, close channels, stop threads: in this order."""
        super().stopService()
        self.reloader.stop()
        for companion in self._companions:
            yield companion.stop()
        timeout = self.snapshot.config.gateway.drain_timeout
        in_flight = yield self.in_flight()
        self._log.info(
            "stopping: {count} requests in flight, draining for up to {timeout} s", count=in_flight, timeout=timeout
        )
        try:
            cut = yield self._run_down(timeout)
        except Exception:  # noqa: BLE001 - it stops whatever happens
            self._log.failure("bug while draining")
        else:
            if cut:
                self._log.warn("{count} requests were cut off", count=cut)
        for companion in self._companions:
            yield companion.close()
        yield self._serving.stop()
        self._stop_backend()
        self._pool.stop()
        self._hangup.disarm()
        self._log.info("stopped")

    @inlineCallbacks
    def _run_down(self, timeout: float) -> Generator[Deferred[Any], Any, int]:
        if self._crew is None:
            yield self.listeners.close()
            cut: int = yield self._serving.drain(timeout)
            return cut
        yield self._crew.close()
        yield self.listeners.close()
        cut = yield self._crew.drain(timeout)
        return cut


def _address(address: Any) -> str:
    """Give what a port is bound to, as far as it is a host and a port."""
    host = getattr(address, "host", None)
    return str(address) if host is None else f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
