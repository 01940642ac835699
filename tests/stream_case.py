"""The base of all tests of streams, and the three ways in which a bridge makes them."""

from __future__ import annotations

from typing import Any

from bridge_case import BridgeCase
from bridge_servers import backend
from stream_servers import FlowServer, Taker, flow
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twistedgw.config.model import Bridge


class StreamCase(BridgeCase):
    """Opens streams."""

    def flows(self, answer: Any = None, **changes: Any) -> tuple[Any, Any, FlowServer]:
        """Give a bridge, an upstream, and the server behind it."""
        bridge = self.bridge(self.kind, **changes)
        server = FlowServer(answer) if answer else FlowServer()
        self.addCleanup(server.stop)
        return bridge, bridge.upstream(backend(server.target)), server

    def begin(self, bridge: Any, upstream: Any, method: Any, *requests: Any, **options: Any) -> tuple[Any, Taker]:
        """Open a stream that sends these and no more."""
        taker = Taker()
        stream = bridge.stream(flow(upstream, method, **options), taker)
        for request in requests:
            stream.send(request)
        if requests:
            stream.half_close()
        return stream, taker

    async def settled(self, figure: Any) -> Any:
        """Wait until a figure is not zero and has not changed for a while; give it."""
        before, same = None, 0
        while same < 20:
            await self.later(0.01)
            now = figure()
            same = same + 1 if now == before and now else 0
            before = now
        return before

    def later(self, seconds: float = 0) -> Deferred[None]:
        return deferLater(reactor, seconds)


class Shared:
    """The asyncio bridge, whose streams share a thread."""

    kind = Bridge.ASYNCIO


class Fallback:
    """The asyncio bridge where grpcio has another shape than is known."""

    kind = Bridge.ASYNCIO

    def bridge(self, kind: Any, **changes: Any) -> Any:
        bridge = super().bridge(kind, **changes)  # type: ignore[misc]
        bridge._shared = False
        return bridge


class Threads:
    """The thread bridge."""

    kind = Bridge.THREAD
