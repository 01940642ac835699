"""Several targets: every one that lives is used, and one that is dead fails no call."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from bridge_case import BridgeCase
from bridge_servers import DeadPort, Server, backend, framed, headers, in_turn, message, say, trailers

from twistedgw import __version__
from twistedgw.backends.channel import open_channel, recipe
from twistedgw.backends.flight import Traffic
from twistedgw.backends.upstream import LineUpstream, StubLine
from twistedgw.config.model import Bridge, Protocol
from twistedgw.status import Code


class Targets:
    """The suite. `kind` says over which bridge."""

    async def spread(self, upstream: Any, bridge: Any, servers: list[Server], calls: int = 30) -> list[int]:
        """Make calls, one after the other, all of which must be answered; say how many each server got."""
        for server in servers:
            server.calls = 0
        for _ in range(calls):
            await bridge.unary(say(upstream))
        self.assertEqual(calls, sum(server.calls for server in servers))
        return [server.calls for server in servers]

    async def until_all(self, upstream: Any, bridge: Any, servers: list[Server]) -> None:
        """Make calls until every server has had one: connections come up one by one."""
        for server in servers:
            server.calls = 0
        while not all(server.calls for server in servers):
            await bridge.unary(say(upstream))

    async def test_addresses_in_turn(self) -> None:
        """A list of addresses, one of them dead: the others share the calls evenly."""
        bridge = self.bridge(self.kind)
        servers = [self.server(), self.server()]
        upstream = bridge.upstream(backend(self.dead().target, *[server.target for server in servers]))
        self.assertEqual(1, len(upstream.identity.dials))
        await self.until_all(upstream, bridge, servers)
        self.assertEqual([15, 15], await self.spread(upstream, bridge, servers))

    async def test_first_address(self) -> None:
        """With pick_first all calls go to one of those that live."""
        bridge = self.bridge(self.kind)
        servers = [self.server(), self.server()]
        targets = [self.dead().target, *[server.target for server in servers]]
        upstream = bridge.upstream(backend(*targets, load_balancing="pick_first"))
        self.assertIn(30, await self.spread(upstream, bridge, servers))

    async def test_names_in_turn(self) -> None:
        """The same for names, for which gRPC has no list."""
        bridge = self.bridge(self.kind)
        servers = [self.server(), self.server()]
        names = [f"localhost:{port}" for port in (self.dead().port, *[server.port for server in servers])]
        upstream = bridge.upstream(backend(*names))
        self.assertEqual(3, len(upstream.identity.dials))
        await self.until_all(upstream, bridge, servers)
        for share in await self.spread(upstream, bridge, servers):
            self.assertGreaterEqual(share, 8)
        self.assertEqual("ready", upstream.state())

    async def test_first_healthy_name(self) -> None:
        """With pick_first the first name that lives has all calls, and the next when it dies."""
        bridge = self.bridge(self.kind)
        first, second = Server(), self.server()
        names = [f"localhost:{port}" for port in (self.dead().port, first.port, second.port)]
        upstream = bridge.upstream(backend(*names, load_balancing="pick_first"))
        self.assertEqual([30, 0], await self.spread(upstream, bridge, [first, second]))
        first.stop()
        while second.calls == 0:
            try:
                await bridge.unary(say(upstream))
            except Exception as error:
                # The call that was under way when the connection went: it may have been carried out.
                self.assertEqual("BACKEND_UNAVAILABLE", error.reason)
        self.assertEqual([0, 30], await self.spread(upstream, bridge, [first, second]))

    async def test_all_dead(self) -> None:
        """Where nobody lives that is said once, cleanly."""
        bridge = self.bridge(self.kind)
        for balancing in ("round_robin", "pick_first"):
            names = [f"localhost:{self.dead().port}", f"localhost:{self.dead().port}"]
            upstream = bridge.upstream(backend(*names, load_balancing=balancing))
            error = await self.error(bridge.unary(say(upstream)))
            self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")
            await self.idle(bridge, upstream)

    async def test_errors_of_a_backend_are_not_tried_again(self) -> None:
        """Only a call that was never sent goes to the next target."""

        def refuse(request: Any, context: Any) -> Any:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

        bridge = self.bridge(self.kind)
        servers = [self.server(refuse), self.server(refuse)]
        upstream = bridge.upstream(backend(*[f"localhost:{server.port}" for server in servers]))
        error = await self.error(bridge.unary(say(upstream)))
        self.check(error, Code.UNAVAILABLE, "", "not now")
        self.assertEqual(1, sum(server.calls for server in servers))

    async def test_user_agent_and_authority(self) -> None:
        """A backend sees who calls, and the name that it is called by."""
        bridge = self.bridge(self.kind)
        server = self.raw(in_turn(headers(), message(framed(b"")), trailers(("grpc-status", "0"))))
        await bridge.unary(say(bridge.upstream(backend(server.target))))
        await bridge.unary(say(bridge.upstream(backend(server.target, server_name="books.internal"))))
        await bridge.unary(say(bridge.upstream(backend(server.target, self.dead().target))))
        called = [request[":authority"] for request in server.seen]
        self.assertEqual([server.target, "books.internal", server.target], called)
        for request in server.seen:
            self.assertEqual("/test.v1.Echo/Say", request[":path"])
            self.assertTrue(request["user-agent"].startswith(f"twistedgw/{__version__} "), request)


class AsyncioTargetTests(Targets, BridgeCase):
    kind = Bridge.ASYNCIO


class ThreadTargetTests(Targets, BridgeCase):
    kind = Bridge.THREAD


class FakeLine(StubLine):
    """A line in a state that a test has chosen."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__()
        self.name, self.state, self.woken = name, state, False

    def _make_stub(self, full_name: str) -> Any:
        raise NotImplementedError

    _make_stream_stub = _make_stub

    def connectivity(self, *, connect: bool = False) -> str:
        self.woken |= connect
        return self.state

    def close(self) -> None: ...


def order(balancing: str, *states: str, turns: int = 1) -> tuple[str, str, str]:
    """Say in which order lines are tried, which of them are woken, and the state of the whole."""
    lines = [FakeLine(name, state) for name, state in zip("abc", states, strict=True)]
    made = recipe(backend("a:1", "b:2", "c:3", load_balancing=balancing), 1000)
    upstream = LineUpstream(made, None, lambda _: lines, Traffic(lambda: 0.0))
    tried = " ".join("".join(line.name for line in upstream.lines()) for _ in range(turns))
    return tried, "".join(line.name for line in lines if line.woken), upstream.state()


READY, BUSY, IDLE, DEAD = "ready", "connecting", "idle", "transient_failure"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((READY, READY, READY), ("abc", "a", READY)),
        ((IDLE, IDLE, IDLE), ("abc", "abc", IDLE)),
        ((DEAD, READY, READY), ("bac", "ab", READY)),
        ((BUSY, IDLE, READY), ("cab", "abc", READY)),
        ((DEAD, BUSY, DEAD), ("bac", "abc", BUSY)),
        ((DEAD, DEAD, DEAD), ("abc", "abc", DEAD)),
    ],
)
def test_first_healthy(states: tuple[str, ...], expected: tuple[str, str, str]) -> None:
    """The first that is ready comes first; those before it are woken, those after it left alone."""
    assert order("pick_first", *states) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((READY, READY, READY), ("bca cab abc", "abc", READY)),
        ((READY, DEAD, READY), ("cab cab acb", "abc", READY)),
        ((IDLE, DEAD, READY), ("cab cab cab", "abc", READY)),
        ((DEAD, DEAD, DEAD), ("bca cab abc", "abc", DEAD)),
    ],
)
def test_in_turn(states: tuple[str, ...], expected: tuple[str, str, str]) -> None:
    """Those that are ready come first, each in its turn; all are woken."""
    assert order("round_robin", *states, turns=3) == expected


def test_names_for_tls() -> None:
    """The server's name is the one verified as well as the one sent."""
    options = dict(recipe(backend("a:1", protocol=Protocol.GRPCS, server_name="books"), 1000).dials[0].options)
    assert options["grpc.ssl_target_name_override"] == options["grpc.default_authority"] == "books"


@pytest.mark.parametrize(
    ("targets", "changes", "expected"),
    [
        (["books:443"], {}, ["books:443"]),
        (["dns:///books:443"], {}, ["dns:///books:443"]),
        (["10.0.0.1:1", "10.0.0.2:2"], {}, ["ipv4:10.0.0.1:1,10.0.0.2:2"]),
        (["ipv4:10.0.0.1:1", "dns:///10.0.0.2:2"], {}, ["ipv4:10.0.0.1:1,10.0.0.2:2"]),
        (["[::1]:1", "ipv6:[fe80::1]:2"], {}, ["ipv6:[::1]:1,[fe80::1]:2"]),
        (["[::1]:1", "10.0.0.2:2"], {}, ["[::1]:1", "10.0.0.2:2"]),
        (["[fe80::1%eth0]:1", "[fe80::2%eth0]:1"], {}, ["[fe80::1%eth0]:1", "[fe80::2%eth0]:1"]),
        (["10.0.0.1", "10.0.0.2"], {}, ["10.0.0.1", "10.0.0.2"]),
        (["a:1", "b:2"], {}, ["a:1", "b:2"]),
        (["unix:/a", "unix:/b"], {}, ["unix:/a", "unix:/b"]),
        (["10.0.0.1:1", "10.0.0.2:2"], {"protocol": Protocol.GRPCS}, ["10.0.0.1:1", "10.0.0.2:2"]),
        (
            ["10.0.0.1:1", "10.0.0.2:2"],
            {"protocol": Protocol.GRPCS, "server_name": "books"},
            ["ipv4:10.0.0.1:1,10.0.0.2:2"],
        ),
    ],
)
def test_channels(targets: list[str], changes: dict[str, Any], expected: list[str]) -> None:
    """One channel where gRPC has a name for all targets, one for each where it has none."""
    assert [dial.target for dial in recipe(backend(*targets, **changes), 1000).dials] == expected


def test_identity() -> None:
    """What makes the channel makes the identity; what does not, does not."""
    same = recipe(backend("a:1", "b:2"), 1000)
    assert recipe(backend("a:1", "b:2", name="other", max_in_flight=7), 1000) == same
    assert hash(recipe(backend("a:1", "b:2", name="other", max_in_flight=7), 1000)) == hash(same)
    others = [
        recipe(backend("a:1"), 1000),
        recipe(backend("b:2", "a:1"), 1000),
        recipe(backend("a:1", "b:2"), 1001),
        recipe(backend("a:1", "b:2", load_balancing="pick_first"), 1000),
        recipe(backend("a:1", "b:2", server_name="c"), 1000),
        recipe(backend("a:1", "b:2", protocol=Protocol.GRPCS), 1000),
    ]
    assert same not in others
    assert len(set(others)) == len(others)


def test_open_channel() -> None:
    """A blocking channel, as server reflection needs it, reaches the backend by the same recipe."""
    server, dead = Server(), DeadPort()
    try:
        with open_channel(backend(dead.target, server.target)) as channel:
            assert channel.unary_unary("/test.v1.Echo/Say")(b"", timeout=20) == b""
    finally:
        server.stop()
        dead.stop()
