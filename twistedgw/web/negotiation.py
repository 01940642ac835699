"""Which protocol a connection speaks, as TLS has negotiated it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHandshakeListener, IProtocol, ISSLTransport
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport
    from twisted.python.failure import Failure

    from twistedgw.web.site import GatewaySite

__all__ = ["Negotiation"]


@implementer(IProtocol, IHandshakeListener)
class Negotiation:
    """Stands for a connection until its handshake is done, then for the channel that was agreed on.

    Attributes:
        deadline: when the handshake must be done; seconds of the reactor.
    """

    def __init__(self, site: GatewaySite) -> None:
        self.site = site
        self.transport: Any = None
        self.deadline = self.stalled = inf
        self._channel: Any = None

    def makeConnection(self, transport: ITransport) -> None:
        """Begin with a connection (`IProtocol`)."""
        self.transport = transport
        if not ISSLTransport.providedBy(transport):
            self._become(self.site.channel())
            return
        self.deadline = self.site.seconds() + self.site.limits().header_timeout
        self.site.opened(self)

    def connectionMade(self) -> None:
        """Do nothing more (`IProtocol`)."""

    def handshakeCompleted(self) -> None:
        """Choose the channel (`IHandshakeListener`)."""
        if self._channel is not None:
            return
        channel = self.site.channel()
        if self.transport.negotiatedProtocol == b"h2":
            from twistedgw.web.http2 import H2Channel  # an extra

            channel = H2Channel(self.site)
        self._become(channel)
        self.site.closed(self)

    def _become(self, channel: Any) -> None:
        self._channel = channel
        self.dataReceived = channel.dataReceived  # type: ignore[method-assign]
        channel.makeConnection(self.transport)
        if IHandshakeListener.providedBy(channel):
            channel.handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client (`IProtocol`)."""
        self.handshakeCompleted()
        self._channel.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        """Learn that the connection is gone (`IProtocol`)."""
        channel, self._channel = self._channel, None
        if channel is None:
            self.site.closed(self)
        else:
            channel.connectionLost(reason)

    # -- what the site asks, before there is a channel

    def expire(self, now: float) -> None:  # noqa: ARG002
        """Give up a handshake."""
        self.abort()

    def drain(self) -> None:
        """Give up a handshake."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()
