"""The base of all tests of a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge_servers import DeadPort, Gate, RawServer, Server, backend
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from twistedgw.backends.bridges import make_bridge
from twistedgw.backends.failures import CallError

if TYPE_CHECKING:
    from twistedgw.config.model import Bridge
    from twistedgw.status import Code

THREADS = 8


class BridgeCase(TestCase):
    """Starts servers and bridges, and checks at the end that nothing of them is left."""

    kind: Bridge
    timeout = 30

    def bridge(self, kind: Bridge, **changes: Any) -> Any:
        options = {"threads": THREADS, "max_in_flight": 100, "max_response_message": 100_000, "reactor": reactor}
        bridge = make_bridge(kind, **(options | changes))
        bridge.start()
        self.addCleanup(self._stopped, bridge)
        return bridge

    def server(self, *args: Any, **options: Any) -> Server:
        server = Server(*args, **options)
        self.addCleanup(server.stop)
        return server

    def gate(self) -> Gate:
        gate = Gate()
        self.addCleanup(gate.open)
        return gate

    def raw(self, behave: Any) -> RawServer:
        server = RawServer(behave)
        self.addCleanup(server.stop)
        return server

    def dead(self) -> DeadPort:
        dead = DeadPort()
        self.addCleanup(dead.stop)
        return dead

    def up(self, answer: Any = None, **changes: Any) -> tuple[Any, Any]:
        """Give a bridge and an upstream to a server of ours that answers so."""
        bridge = self.bridge(self.kind, **changes)
        server = self.server(answer) if answer else self.server()
        return bridge, bridge.upstream(backend(server.target))

    async def error(self, deferred: Deferred[Any]) -> CallError:
        try:
            await deferred
        except CallError as error:
            return error
        raise AssertionError("the call was answered")

    def check(self, error: CallError, code: Code, reason: str, message: str) -> None:
        self.assertEqual((code, reason, message), (error.code, error.reason, error.message))

    def _stopped(self, bridge: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop(bridge))

    async def _stop(self, bridge: Any) -> None:
        await bridge.stop()
        self.assertEqual(0, bridge.places.in_flight)

    async def idle(self, bridge: Any, upstream: Any) -> None:
        """Wait until nothing is under way."""
        await bridge._traffic.cleared()
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))
