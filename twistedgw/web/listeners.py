"""Listening ports: bound from endpoint descriptions, added and removed by a reload, their TLS replaced in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, ILoggingContext, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from twistedgw.errors import ConfigError, Problem
from twistedgw.web.tls import CurrentTLS, tls_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IAddress, IProtocol
    from twisted.internet.ssl import CertificateOptions

    from twistedgw.config.model import Listener
    from twistedgw.web.site import GatewaySite

__all__ = ["Binding", "Listeners", "Listening", "Opening", "check_listeners"]


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener with its certificate read.

    Attributes:
        tls: None for plain HTTP.
    """

    listener: Listener
    tls: CertificateOptions | None


def check_listeners(
    listeners: Mapping[str, Listener],
    reactor: Any,
    protocols: Callable[[bool], list[bytes]],
    read: Callable[[Path], bytes] = Path.read_bytes,
) -> dict[str, Listening]:
    """Read all that listeners need, without binding anything. Any thread.

    Args:
        listeners: by name.
        reactor: for the endpoints' parsers; None where another process has parsed the descriptions.
        protocols: what ALPN offers, for whether HTTP/2 is wanted.
        read: gives the content of a file, or raises OSError.

    Returns:
        what listens, by endpoint description.

    Raises:
        ConfigError: every endpoint description that is malformed or given twice, every certificate that is unusable.
    """
    problems: list[Problem] = []
    found: dict[str, Listening] = {}
    for listener in listeners.values():
        other = found.get(listener.endpoint)
        if other is not None:
            place = other.listener.place
            problems.append(
                listener.place.problem(
                    "endpoint", f"[{place.section}] ({place.file}:{place.line}) listens there already"
                )
            )
            continue
        try:
            if reactor is not None:
                serverFromString(reactor, listener.endpoint)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            problems.append(
                listener.place.problem(
                    "endpoint",
                    f"{listener.endpoint!r} is no endpoint description: {error}",
                    "for example tcp:8080:interface=127.0.0.1",
                )
            )
        try:
            options = tls_options(listener, protocols(listener.http2), read) if listener.tls else None
            found[listener.endpoint] = Listening(listener, options)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


@implementer(IProtocolFactory, ILoggingContext)
class _Entrance:
    """The factory of one port; what it builds follows the configuration of the moment."""

    noisy = False

    def __init__(self, site: GatewaySite, listening: Listening) -> None:
        self.site = site
        self._tls: CurrentTLS | None = None
        self._secure: TLSMemoryBIOFactory | None = None
        self.update(listening)

    def logPrefix(self) -> str:
        return self._name

    def update(self, listening: Listening) -> None:
        self._name = f"listener {listening.listener.name}"
        self.site.http2 = listening.listener.http2
        if listening.tls is None:
            self._tls = None
        elif self._tls is None:
            self._tls = CurrentTLS(listening.tls)
            self._secure = TLSMemoryBIOFactory(self._tls, False, self.site)
            self._secure.noisy = False
        else:
            self._tls.options = listening.tls

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        if self._tls is None or self._secure is None:
            return self.site.buildProtocol(addr)
        protocol: IProtocol = self._secure.buildProtocol(addr)
        return protocol

    def doStart(self) -> None:
        self.site.doStart()

    def doStop(self) -> None:
        self.site.doStop()


class Opening(Protocol):
    """How ports are opened."""

    def open(self, endpoint: str, factory: Any) -> Deferred[Any]:
        """Open the port of an endpoint description; fails with any exception where that is not possible."""
        ...

    def admit(self, port: Any) -> None:
        """Let a port accept connections, if it does not yet. Cannot fail."""
        ...


class Binding:
    """Opens ports by binding them, as one process does that needs nobody else."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def open(self, endpoint: str, factory: Any) -> Deferred[Any]:
        """Bind and listen."""
        port: Deferred[Any] = serverFromString(self._reactor, endpoint).listen(factory)
        return port

    def admit(self, port: Any) -> None:
        """Do nothing: it accepts since it was bound."""


class Listeners:
    """The ports that are open. Reactor thread only."""

    _log = Logger(namespace="twistedgw.web")

    def __init__(self, site: Callable[[], GatewaySite], opening: Opening) -> None:
        """Make it with nothing open.

        Args:
            site: makes the site of a new port.
            opening: opens ports.
        """
        self._site = site
        self._opening = opening
        self._open: dict[str, tuple[IListeningPort, _Entrance]] = {}
        self._leaving: list[GatewaySite] = []

    @property
    def ports(self) -> dict[str, IListeningPort]:
        """Open ports by endpoint description."""
        return {endpoint: port for endpoint, (port, _) in self._open.items()}

    @property
    def sites(self) -> list[GatewaySite]:
        """Every site that may have connections."""
        return [*self._leaving, *(entrance.site for _, entrance in self._open.values())]

    def bind(self, wanted: Mapping[str, Listening]) -> Deferred[dict[str, tuple[IListeningPort, _Entrance]]]:
        """Open the ports that are new in `wanted`; none stays open if one cannot be.

        Returns:
            what `commit` takes. It fails with `ConfigError` for the ports that could not be bound; where binding is
            synchronous, as it is for TCP and UNIX sockets, it has fired already.
        """
        fresh = {endpoint: each for endpoint, each in wanted.items() if endpoint not in self._open}
        entrances = {endpoint: _Entrance(self._site(), each) for endpoint, each in fresh.items()}
        attempts = [self._opening.open(endpoint, entrance) for endpoint, entrance in entrances.items()]
        return DeferredList(attempts, consumeErrors=True).addCallback(self._bound, entrances, fresh)

    def _bound(
        self, results: list[Any], entrances: dict[str, _Entrance], fresh: Mapping[str, Listening]
    ) -> dict[str, tuple[IListeningPort, _Entrance]]:
        bound: dict[str, tuple[IListeningPort, _Entrance]] = {}
        problems: list[Problem] = []
        for (success, result), (endpoint, entrance) in zip(results, entrances.items(), strict=True):
            if success:
                bound[endpoint] = (result, entrance)
            else:
                problems.append(_cannot(fresh[endpoint].listener, result.value))
        if problems:
            self.discard(bound)
            raise ConfigError(problems)
        return bound

    @staticmethod
    def discard(bound: Mapping[str, tuple[IListeningPort, _Entrance]]) -> None:
        """Close what `bind` gave and `commit` will not take."""
        for port, _ in bound.values():
            port.stopListening()

    def commit(self, wanted: Mapping[str, Listening], bound: Mapping[str, tuple[IListeningPort, _Entrance]]) -> None:
        """Take over the new ports, renew TLS of those that stay, close those that are not wanted any more.

        Connections of a closed port are served to the end of their current request. Cannot fail.
        """
        for endpoint in [endpoint for endpoint in self._open if endpoint not in wanted]:
            port, entrance = self._open.pop(endpoint)
            port.stopListening()
            self._leave(entrance.site)
        for endpoint, (_, entrance) in self._open.items():
            entrance.update(wanted[endpoint])
        self._open.update(bound)
        for port, _ in bound.values():
            self._opening.admit(port)

    def _leave(self, site: GatewaySite) -> None:
        self._leaving.append(site)
        site.drain().addBoth(lambda _: self._leaving.remove(site))

    def close(self) -> Deferred[Any]:
        """Close every port; connections stay. Fires when the ports are closed."""
        closing = [port.stopListening() for port, _ in self._open.values()]
        return DeferredList([each for each in closing if isinstance(each, Deferred)], consumeErrors=True)


def _cannot(listener: Listener, error: Exception) -> Problem:
    reason = error.socketError if isinstance(error, CannotListenError) else error
    text = getattr(reason, "strerror", None) or str(reason)
    return listener.place.problem("endpoint", f"cannot listen on {listener.endpoint}: {text}")
