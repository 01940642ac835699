"""Listening sockets that one process binds and others accept from.

All workers accept from one socket. `SO_REUSEPORT` would spread connections a little more evenly, but each worker would
have a queue of its own then, and the connections in the queue of a worker that dies are lost.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from twisted.internet import unix
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.tcp import Port
from twisted.protocols.haproxy import proxyEndpoint
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["Adopting", "Holding"]

_WRAPPER = "haproxy:"


class Holding:
    """Binds ports and holds them for others: none accepts here (`twistedgw.web.listeners.Opening`)."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def open(self, endpoint: str, factory: Any) -> Deferred[Any]:
        """Bind and listen, without accepting; fails for an endpoint whose socket cannot be shared."""
        opening: Deferred[Any] = serverFromString(self._reactor, endpoint).listen(factory)
        return opening.addCallback(self._hold, endpoint, factory)

    def _hold(self, port: Any, endpoint: str, factory: Any) -> Any:
        shared = isinstance(port, Port) and (port.factory is factory or endpoint.startswith(_WRAPPER))
        if not shared:
            port.stopListening()
            raise ValueError("workers cannot share it; use tcp:, unix: or systemd:, or set workers = 1")
        port.stopReading()
        return port

    def admit(self, port: Any) -> None:
        """Do nothing: the workers accept."""


class Adopting:
    """Opens ports over sockets that another process listens on (`twistedgw.web.listeners.Opening`)."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._taken: dict[str, tuple[int, bool]] = {}

    def take(self, endpoint: str, descriptor: int, *, unix_socket: bool) -> None:
        """Take the descriptor of a listening socket, for a later `open`."""
        before = self._taken.pop(endpoint, None)
        if before is not None:
            os.close(before[0])
        self._taken[endpoint] = (descriptor, unix_socket)

    def forget(self) -> None:
        """Close what was taken and not opened."""
        for descriptor, _ in self._taken.values():
            os.close(descriptor)
        self._taken.clear()

    def open(self, endpoint: str, factory: Any) -> Deferred[Any]:
        """Adopt the socket that was taken for this endpoint, without accepting yet."""
        if endpoint not in self._taken:
            return fail(LookupError(f"the parent has sent no socket for {endpoint}"))
        descriptor, unix_socket = self._taken.pop(endpoint)
        adopting: Any = _Adopted(self._reactor, descriptor, unix_socket)
        if endpoint.startswith(_WRAPPER):
            adopting = proxyEndpoint(adopting)
        opened: Deferred[Any] = adopting.listen(factory)

        def close(result: Any) -> Any:
            os.close(descriptor)  # the port has a duplicate
            return result

        return opened.addBoth(close)

    def admit(self, port: Any) -> None:
        """Begin to accept."""
        port.startReading()


@implementer(IStreamServerEndpoint)
class _Adopted:
    def __init__(self, reactor: Any, descriptor: int, unix_socket: bool) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._unix = unix_socket

    def listen(self, factory: Any) -> Deferred[Any]:
        """Listen without accepting (`IStreamServerEndpoint`)."""
        try:
            port = self._port(factory)
        except Exception:  # noqa: BLE001 - whatever it is, the parent is told
            return fail()
        port.stopReading()
        port.doRead = lambda: _accept_one(port)
        return succeed(port)

    def _port(self, factory: Any) -> Any:
        os.set_blocking(self._descriptor, False)
        if self._unix:
            port = _SharedUnixPort(self._descriptor, factory, self._reactor)
            port.startListening()
            return port
        with socket.socket(fileno=os.dup(self._descriptor)) as shared:
            family = shared.family
        return self._reactor.adoptStreamPort(self._descriptor, family, factory)


def _accept_one(port: Any) -> None:
    """Accept one connection, where Twisted would take all that wait before any other worker has woken up."""
    port.numberAccepts = 1
    type(port).doRead(port)


class _SharedUnixPort(unix.Port):
    """A UNIX socket whose file belongs to another process: its mode stays, and closing does not remove it."""

    _shouldShutdown = False  # a shutdown would close it for all

    def __init__(self, descriptor: int, factory: Any, reactor: Any) -> None:
        self._shared = socket.socket(fileno=os.dup(descriptor))
        super().__init__(os.fsencode(self._shared.getsockname() or "\0"), factory, reactor=reactor)

    def startListening(self) -> None:
        """Listen (`IListeningPort`)."""
        assert self.factory is not None
        self.factory.doStart()
        self.connected = True
        self.socket = self._shared
        self.fileno = self.socket.fileno  # type: ignore[method-assign]  # as Twisted does
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Close our descriptor of it."""
        Port.connectionLost(self, reason)
