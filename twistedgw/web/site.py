"""The factory of connections: which protocol they speak, how long they may take, and how they are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.web.http import H2_ENABLED

from twistedgw.web.channel import Channel
from twistedgw.web.gathering import Gathering
from twistedgw.web.negotiation import Negotiation
from twistedgw.web.plain import PlainChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol
    from twisted.web.resource import IResource

    from twistedgw.errors import GatewayError
    from twistedgw.web.limits import Limits
    from twistedgw.web.request import BodySink, Request

__all__ = ["GatewaySite", "Page", "acceptable_protocols"]

Page = tuple[int, list[tuple[bytes, bytes]], bytes]
"""A whole answer: status, fields, body."""

_SWEEP_SECONDS = 1.0


class Connection(Protocol):
    """What a site asks of a connection."""

    @property
    def deadline(self) -> float:
        """When to lose patience with what the client sends; seconds of the reactor."""
        ...

    @property
    def stalled(self) -> float:
        """When to lose patience with a client that does not read."""
        ...

    def expire(self, now: float) -> None:
        """Act on a deadline that may have passed."""
        ...

    def drain(self) -> None:
        """Close as soon as nothing is lost by it."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


def acceptable_protocols(http2: bool) -> list[bytes]:
    """Give what ALPN offers, best first.

    Args:
        http2: whether HTTP/2 is wanted; it is offered where the ``h2`` package is installed.
    """
    return [b"h2", b"http/1.1"] if http2 and H2_ENABLED else [b"http/1.1"]


class GatewaySite(ServerFactory):
    """Serves one resource, over plain TCP or behind `TLSMemoryBIOFactory`. Reactor thread only.

    It is no `IProtocolNegotiationFactory`: with that, older Twisted would set ALPN anew on the context of each
    connection, which newer pyOpenSSL forbids. Whoever makes the context asks `acceptable_protocols`.

    Attributes:
        resource: answers every request (`isLeaf`). Where it has a method ``begin(request)``, that is called once the
            head is complete, and gives a `BodySink` that takes the body as it arrives, or None: then the body is
            collected within its limit, and ``render`` is called.
        http2: whether HTTP/2 is offered to new TLS connections.
        llhttp: whether new connections get our own channel; Twisted's otherwise.
        now: the reactor's time at the last look at the connections; cheaper than asking for it.
        draining: no connection takes another request.
        gathering: lets streams write together.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        limits: Callable[[], Limits],
        error: Callable[[GatewayError], Page],
        *,
        http2: bool = False,
        llhttp: bool = True,
        reactor: Any,
    ) -> None:
        """Make a site.

        Args:
            resource: see the class.
            limits: asked for each request, so that a reload counts at once.
            error: makes the answer to a request that fails before a resource sees it.
            http2: see the class.
            llhttp: see the class.
            reactor: tells the time.
        """
        self.resource = resource
        self.begin: Callable[[Request], BodySink | None] | None = getattr(resource, "begin", None)
        self.limits = limits
        self.error = error
        self.http2 = http2
        self.llhttp = llhttp
        self.reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self.now = reactor.seconds()
        self.draining = False
        self.gathering = Gathering(reactor)
        self._open: set[Connection] = set()
        self._drained: list[Deferred[None]] = []
        self._sweep_call: IDelayedCall | None = None

    # -- IProtocolFactory

    def buildProtocol(self, addr: IAddress | None) -> IProtocol:  # type: ignore[override]  # noqa: ARG002
        """Make the protocol of a new connection (`IProtocolFactory`)."""
        if self.http2 and H2_ENABLED:
            return Negotiation(self)
        protocol: IProtocol = self.channel()
        return protocol

    def channel(self) -> Any:
        """Make an HTTP/1 channel."""
        return Channel(self) if self.llhttp else PlainChannel(self)

    @property
    def acceptable_protocols(self) -> list[bytes]:
        """What ALPN offers, best first."""
        return acceptable_protocols(self.http2)

    # -- connections

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def opened(self, connection: Connection) -> None:
        """Learn of a new connection."""
        self._open.add(connection)
        if self.draining:
            connection.drain()
        if self._sweep_call is None:
            self.now = self.seconds()
            self._plan_sweep()

    def closed(self, connection: Connection) -> None:
        """Learn that a connection is gone."""
        self._open.discard(connection)
        if self._open:
            return
        if self._sweep_call is not None:
            self._sweep_call.cancel()
            self._sweep_call = None
        waiting, self._drained = self._drained, []
        for each in waiting:
            each.callback(None)

    def _plan_sweep(self) -> None:
        limits = self.limits()
        shortest = min(limits.header_timeout, limits.body_timeout, limits.idle_timeout)
        self._sweep_call = self.reactor.callLater(min(_SWEEP_SECONDS, shortest / 4), self._sweep)

    def _sweep(self) -> None:
        """Look at the deadlines of all connections: cheaper than a timer for each of them."""
        self._plan_sweep()
        now = self.now = self.seconds()
        for connection in [each for each in self._open if each.deadline <= now or each.stalled <= now]:
            connection.expire(now)

    def drain(self) -> Deferred[None]:
        """Close every connection as soon as nothing is lost by it: idle ones now, others after their answers.

        Returns:
            fires when none is left.
        """
        self.draining = True
        drained: Deferred[None] = Deferred()
        if not self._open:
            drained.callback(None)
            return drained
        self._drained.append(drained)
        for connection in tuple(self._open):
            connection.drain()
        return drained

    def abort(self) -> None:
        """Cut every connection that is left."""
        for connection in tuple(self._open):
            connection.abort()
