"""The gateway as a twistd service: the order in which it starts, reloads, drains and stops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from twistedgw import __version__
from twistedgw.config.options import RESTART
from twistedgw.errors import ConfigError
from twistedgw.frontends.failure import error_reply
from twistedgw.registry.changes import changes
from twistedgw.registry.registry import Registry
from twistedgw.reload import Outcome, Reloader
from twistedgw.web.limits import Limits
from twistedgw.web.listeners import Listeners
from twistedgw.web.resource import GatewayResource
from twistedgw.web.site import GatewaySite

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from twistedgw.assembly import Assembled, Assembly
    from twistedgw.errors import GatewayError
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.signals import Hangup

__all__ = ["GatewayService"]


class GatewayService(Service):
    """Serves one configuration, and every later state of it. Reactor thread only.

    A `MultiService` stops its children all at once and cannot say "drain, then close, then stop", so this is one
    service with its order written down.
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
        companions: Callable[[Snapshot], Callable[[], None]] | None = None,
    ) -> None:
        """Make it; opens nothing, starts nothing.

        Args:
            assembly: reads the configuration again.
            first: the generation to start with.
            hangup: SIGHUP, armed already.
            companions: starts what runs beside the gateway (the demo's server), and gives what stops it.
        """
        self._assembly = assembly
        self._first = first
        self._reactor = reactor
        self._hangup = hangup
        self._companions = companions
        self._stop_companions: Callable[[], None] = lambda: None
        self._expiries: dict[int, Any] = {}
        self._pool = ThreadPool(0, 1, "twistedgw-reload")
        self.registry = Registry(self._retired)
        self.reloader = Reloader(self._reload)
        self.listeners = Listeners(self._site, reactor)
        self._resource = GatewayResource(self.registry, assembly.bridge)

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
        self.registry.swap(self._first.snapshot)
        self.listeners.commit(self._first.listening, bound[0])

    def startService(self) -> None:
        """Start threads and channels (twistd has forked by now), and listen to SIGHUP."""
        super().startService()
        snapshot = self._first.snapshot
        self._pool.start()
        self._assembly.bridge.start()
        if self._companions is not None:
            self._stop_companions = self._companions(snapshot)
        self._hangup.connect(lambda: self._reactor.callFromThread(self.reloader.request))
        self._log.info(
            "twistedgw {version} serves {routes} routes on {endpoints} (generation {generation}, {bridge})",
            version=__version__,
            routes=len(snapshot.routes),
            endpoints=", ".join(self._urls()),
            generation=snapshot.generation,
            bridge=type(self._assembly.bridge).__name__,
        )
        if snapshot.config.admin is not None:
            self._log.warn("[admin] is read, but this version has no admin API: nothing listens there")
        if snapshot.config.gateway.workers != 1:
            self._log.warn("workers is read, but this version always runs one process")

    def _urls(self) -> list[str]:
        return [f"{endpoint} ({_address(port.getHost())})" for endpoint, port in self.listeners.ports.items()]

    def _site(self) -> GatewaySite:
        return GatewaySite(self._resource, self._limits, _early_error, reactor=self._reactor)

    def _limits(self) -> Limits:
        gateway = self.registry.snapshot.config.gateway
        return Limits(
            max_request_body=gateway.max_request_body,
            max_header_size=gateway.max_header_size,
            max_headers=gateway.max_headers,
            header_timeout=gateway.header_timeout,
            body_timeout=gateway.body_timeout,
            idle_timeout=gateway.idle_timeout,
        )

    # -- reload

    @inlineCallbacks
    def _reload(self) -> Generator[Deferred[Any], Any, Outcome]:
        started = time.monotonic()
        old = self.registry.snapshot
        try:
            fresh: Assembled = yield deferToThreadPool(self._reactor, self._pool, self._assembly.load, old)
            bound = yield self.listeners.bind(fresh.listening)
        except ConfigError as error:
            return self._refused(old, error, started)
        except Exception:  # noqa: BLE001 - whatever happens, the old generation goes on
            self._log.failure("bug while reloading; generation {generation} goes on", generation=old.generation)
            return Outcome(False, old.generation, "internal error, see the log", time.monotonic() - started)
        return self._accept(old, fresh, bound, started)

    def _refused(self, old: Snapshot, error: ConfigError, started: float) -> Outcome:
        message = error.report()
        self._log.error(
            "reload refused, generation {generation} goes on; {count} problems:\n{report}",
            generation=old.generation,
            count=len(error.problems),
            report=message,
        )
        return Outcome(False, old.generation, message, time.monotonic() - started)

    def _accept(self, old: Snapshot, fresh: Assembled, bound: Any, started: float) -> Outcome:
        new = fresh.snapshot
        for name, backend in new.config.backends.items():
            new.upstreams[name].max_in_flight = backend.max_in_flight
        self._assembly.bridge.places.max_in_flight = new.config.gateway.max_in_flight
        waiting = self.registry.swap(new)
        self.listeners.commit(fresh.listening, bound)
        if waiting is not None:
            timeout = new.config.gateway.drain_timeout
            self._expiries[id(old)] = self._reactor.callLater(timeout, self.registry.drop, waiting)
        message, seconds = changes(old, new), time.monotonic() - started
        self._log.info(
            "reloaded: generation {generation} with {routes} routes in {seconds:.2f} s: {changes}",
            generation=new.generation,
            routes=len(new.routes),
            seconds=seconds,
            changes=message,
        )
        self._warn_of_restart("gateway", old.config.gateway, new.config.gateway)
        self._warn_of_restart("admin", old.config.admin, new.config.admin)
        return Outcome(True, new.generation, message, seconds)

    def _warn_of_restart(self, section: str, old: Any, new: Any) -> None:
        names = [name for name in RESTART[section] if getattr(old, name, None) != getattr(new, name, None)]
        if names:
            self._log.warn(
                "[{section}] {names} changed: only a restart applies that", section=section, names=", ".join(names)
            )

    def _retired(self, snapshot: Snapshot) -> None:
        """Close the upstreams that no living generation has."""
        expiry = self._expiries.pop(id(snapshot), None)
        if expiry is not None and expiry.active():
            expiry.cancel()
        kept = {id(upstream) for live in self.registry.live for upstream in live.upstreams.values()}
        for upstream in snapshot.upstreams.values():
            if id(upstream) not in kept:
                upstream.close()

    # -- stop

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Stop listening, drain, close channels, stop threads: in this order."""
        super().stopService()
        self.reloader.stop()
        timeout = self.registry.snapshot.config.gateway.drain_timeout
        self._log.info(
            "stopping: {count} requests in flight, draining for up to {timeout} s",
            count=self.registry.in_flight,
            timeout=timeout,
        )
        yield self.listeners.close()
        drained = yield self._drain(timeout)
        if not drained:
            self._log.warn("{count} requests were cut off", count=self.registry.in_flight)
        yield Deferred.fromCoroutine(self._assembly.bridge.stop())
        self.registry.close()
        self._stop_companions()
        self._pool.stop()
        self._hangup.disarm()
        self._log.info("stopped")

    @inlineCallbacks
    def _drain(self, timeout: float) -> Generator[Deferred[Any], Any, bool]:
        """Wait until every connection has ended by itself, at most `timeout` seconds; then cut the rest off."""
        sites = self.listeners.sites
        idle: Deferred[Any] = DeferredList([site.drain() for site in sites], consumeErrors=True)

        def cut_off() -> None:
            for site in sites:
                site.abort()

        waiting = self._reactor.callLater(timeout, cut_off)
        yield idle
        drained = bool(waiting.active())
        if drained:
            waiting.cancel()
        return drained


def _address(address: Any) -> str:
    """Give what a port is bound to, as far as it is a host and a port."""
    host = getattr(address, "host", None)
    return str(address) if host is None else f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def _early_error(error: GatewayError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    reply = error_reply(error, None)
    return reply.status, reply.fields, reply.body
