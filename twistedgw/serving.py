"""What serves in one process, one generation after another: the whole gateway, or one worker of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks

from twistedgw.frontends.failure import error_reply
from twistedgw.garbage import collect_codecs
from twistedgw.gateway import BackendState
from twistedgw.metrics import Metrics
from twistedgw.registry.registry import Registry
from twistedgw.web.limits import Limits
from twistedgw.web.listeners import Binding, Listeners
from twistedgw.web.resource import GatewayResource
from twistedgw.web.site import GatewaySite

if TYPE_CHECKING:
    from collections.abc import Generator

    from twistedgw.assembly import Assembled
    from twistedgw.backends.call import Bridge
    from twistedgw.config.model import Gateway
    from twistedgw.errors import GatewayError
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.web.listeners import Opening

__all__ = ["Serving", "share"]


def share(limit: int, number: int, count: int) -> int:
    """Give one process's share of a limit that holds for all: at least 1, and the whole if they can be added up to it.

    Args:
        limit: of all processes together.
        number: this one's, from 1; 0 where it is alone.
        count: how many there are.
    """
    if count <= 1:
        return limit
    whole, rest = divmod(limit, count)
    return max(1, whole + (1 if number <= rest else 0))


class Serving:
    """Listens, answers, swaps generations and drains. Reactor thread only."""

    def __init__(
        self, bridge: Bridge, reactor: Any, *, opening: Opening | None = None, number: int = 0, count: int = 1
    ) -> None:
        """Make it; opens nothing.

        Args:
            bridge: what calls go over.
            reactor: the one that runs.
            opening: opens ports; by binding them where None.
            number: of this process, from 1; 0 where it is alone.
            count: how many processes share the limits.
        """
        self.bridge = bridge
        self.number = number
        self._count = count
        self._reactor = reactor
        self._expiries: dict[int, Any] = {}
        self._sweeping: Any = None
        self._stopped = False
        self._limited: Gateway | None = None
        self._allowed: Limits
        self.metrics = Metrics()
        self.registry = Registry(self._retired)
        self.listeners = Listeners(self._site, opening or Binding(reactor))
        self._resource = GatewayResource(self.registry, bridge, self.metrics)

    # -- generations

    def publish(self, fresh: Assembled, bound: Any) -> None:
        """Serve a generation from now on. Cannot fail.

        Args:
            fresh: the generation.
            bound: what `Listeners.bind` gave for it.
        """
        new = fresh.snapshot
        for name, backend in new.config.backends.items():
            limit = backend.max_in_flight
            new.upstreams[name].max_in_flight = None if limit is None else self._share(limit)
        self.bridge.places.max_in_flight = self._share(new.config.gateway.max_in_flight)
        old = self.registry.live[-1] if self.registry.live else None
        waiting = self.registry.swap(new)
        self.listeners.commit(fresh.listening, bound)
        if waiting is not None:
            timeout = new.config.gateway.drain_timeout
            self._expiries[id(old)] = self._reactor.callLater(timeout, self.registry.drop, waiting)

    def _share(self, limit: int) -> int:
        return share(limit, self.number, self._count)

    def _retired(self, snapshot: Snapshot) -> None:
        """Close the upstreams that no living generation has."""
        expiry = self._expiries.pop(id(snapshot), None)
        if expiry is not None and expiry.active():
            expiry.cancel()
        live = self.registry.live
        kept = {id(upstream) for each in live for upstream in each.upstreams.values()}
        for upstream in snapshot.upstreams.values():
            if id(upstream) not in kept:
                upstream.close()
        known = {id(codec) for each in live for codec in each.codecs.values()}
        if any(id(codec) not in known for codec in snapshot.codecs.values()):
            self._sweep_soon()
        self.metrics.renew(
            {(service.name, environment, api) for each in live for service in each.config.services.values()
             for environment in service.environments for api in service.apis}
        )  # fmt: skip

    def _sweep_soon(self) -> None:
        """Free what a retired generation has held, once no frame on the stack knows it any more."""
        if self._sweeping is None and not self._stopped:
            self._sweeping = self._reactor.callLater(0, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        collect_codecs()

    def _site(self) -> GatewaySite:
        return GatewaySite(self._resource, self._limits, _early_error, reactor=self._reactor)

    def _limits(self) -> Limits:
        gateway = self.registry.snapshot.config.gateway
        if self._limited is not gateway:
            self._limited, self._allowed = gateway, _limits_of(gateway)
        return self._allowed

    # -- looking

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        return sum(site.connections for site in self.listeners.sites)

    def backends(self) -> list[BackendState]:
        """Tell the state of each backend of the current generation."""
        return [
            BackendState(name, self.number, upstream.state(), upstream.in_flight, upstream.max_in_flight)
            for name, upstream in self.registry.snapshot.upstreams.items()
        ]

    # -- stop

    @inlineCallbacks
    def drain(self, timeout: float) -> Generator[Deferred[Any], Any, int]:
        """Wait until every connection has ended by itself, at most `timeout` seconds; then cut the rest off.

        Returns:
            how many requests were cut off.
        """
        sites = self.listeners.sites
        idle: Deferred[Any] = DeferredList([site.drain() for site in sites], consumeErrors=True)
        cut = 0

        def cut_off() -> None:
            nonlocal cut
            cut = self.registry.in_flight
            for site in sites:
                site.abort()

        waiting = self._reactor.callLater(timeout, cut_off)
        yield idle
        if waiting.active():
            waiting.cancel()
        return cut

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Close channels and stop threads, once it is drained."""
        yield Deferred.fromCoroutine(self.bridge.stop())
        self._stopped = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self.registry.close()


def _early_error(error: GatewayError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    reply = error_reply(error, None)
    return reply.status, reply.fields, reply.body


def _limits_of(gateway: Gateway) -> Limits:
    return Limits(
        max_request_body=gateway.max_request_body,
        max_header_size=gateway.max_header_size,
        max_headers=gateway.max_headers,
        header_timeout=gateway.header_timeout,
        body_timeout=gateway.body_timeout,
        idle_timeout=gateway.idle_timeout,
    )
