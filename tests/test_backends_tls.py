"""TLS to backends: always verified, and what does not fit is refused with a clean message, over both bridges."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import grpc
import trustme
from bridge_case import BridgeCase
from bridge_servers import backend, say, write_pem

from twistedgw.backends.channel import open_channel
from twistedgw.config.model import Bridge, Protocol
from twistedgw.status import Code

REFUSED = "no secure connection to the backend could be made"
UNREACHABLE = "the backend cannot be reached"

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()
SERVER = AUTHORITY.issue_cert("127.0.0.1", "books.internal")
CLIENT = AUTHORITY.issue_cert("gateway@books.internal")
FOREIGN_CLIENT = STRANGER.issue_cert("gateway@books.internal")


def server_credentials(*, mutual: bool = False) -> grpc.ServerCredentials:
    chain = b"".join(blob.bytes() for blob in SERVER.cert_chain_pems)
    roots = AUTHORITY.cert_pem.bytes() if mutual else None
    return grpc.ssl_server_credentials([(SERVER.private_key_pem.bytes(), chain)], roots, mutual)


class TlsCase(BridgeCase):
    """The suite. `kind` says over which bridge."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.ca = write_pem(self.folder, "ca.pem", AUTHORITY.cert_pem)

    def client(self, certificate: Any) -> dict[str, Path]:
        return {
            "certificate": write_pem(self.folder, "client.pem", *certificate.cert_chain_pems),
            "private_key": write_pem(self.folder, "client.key", certificate.private_key_pem),
        }

    def secure(self, *, mutual: bool = False) -> Any:
        return self.server(credentials=server_credentials(mutual=mutual))


class Tls:
    async def answered(self, server: Any, **changes: Any) -> None:
        """Check that a call is answered."""
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(server.target, protocol=Protocol.GRPCS, **({"ca": self.ca} | changes)))
        self.assertEqual("hello", (await bridge.unary(say(upstream))).message.text)

    async def refused(self, server: Any, message: str = REFUSED, **changes: Any) -> None:
        """Check that no connection is made, nothing sent, and nothing said about it that is internal."""
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(server.target, protocol=Protocol.GRPCS, **({"ca": self.ca} | changes)))
        error = await self.error(bridge.unary(say(upstream)))
        self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", message)
        self.assertEqual((0, False), (server.calls, error.from_backend))

    async def test_own_authority(self) -> None:
        await self.answered(self.secure())

    async def test_server_name(self) -> None:
        await self.answered(self.secure(), server_name="books.internal")

    async def test_several_targets(self) -> None:
        """With and without a server_name, each target's certificate is looked at for the right name."""
        server, bridge = self.secure(), self.bridge(self.kind)
        for name in (None, "books.internal"):
            several = backend(self.dead().target, server.target, protocol=Protocol.GRPCS, ca=self.ca, server_name=name)
            upstream = bridge.upstream(several)
            for _ in range(5):
                await bridge.unary(say(upstream))

    async def test_wrong_name(self) -> None:
        await self.refused(self.secure(), server_name="other.internal")

    async def test_wrong_authority(self) -> None:
        await self.refused(self.secure(), ca=write_pem(self.folder, "stranger.pem", STRANGER.cert_pem))

    async def test_system_authorities(self) -> None:
        """Without `ca` the system's roots count, and ours is none of them."""
        await self.refused(self.secure(), ca=None)

    async def test_no_tls_at_the_server(self) -> None:
        await self.refused(self.server())

    async def test_tls_at_the_server_only(self) -> None:
        server, bridge = self.secure(), self.bridge(self.kind)
        error = await self.error(bridge.unary(say(bridge.upstream(backend(server.target)))))
        self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", UNREACHABLE)

    async def test_mutual(self) -> None:
        await self.answered(self.secure(mutual=True), **self.client(CLIENT))

    async def test_mutual_without_a_certificate(self) -> None:
        await self.refused(self.secure(mutual=True), UNREACHABLE)

    async def test_mutual_with_a_foreign_certificate(self) -> None:
        await self.refused(self.secure(mutual=True), UNREACHABLE, **self.client(FOREIGN_CLIENT))

    async def test_renewed_files(self) -> None:
        """A renewed certificate makes another identity; the same files do not."""
        bridge = self.bridge(self.kind)
        made = [backend("127.0.0.1:1", protocol=Protocol.GRPCS, ca=self.ca, **self.client(CLIENT)) for _ in range(2)]
        before, same = (bridge.upstream(each).identity for each in made)
        self.assertEqual(before, same)
        self.client(AUTHORITY.issue_cert("gateway@books.internal"))
        self.assertNotEqual(before, bridge.upstream(made[0]).identity)
        self.assertNotIn("PRIVATE KEY", repr(before))


class AsyncioTlsTests(Tls, TlsCase):
    kind = Bridge.ASYNCIO


class ThreadTlsTests(Tls, TlsCase):
    kind = Bridge.THREAD


class OpenChannelTests(TlsCase):
    def test_mutual(self) -> None:
        """A blocking channel has the same credentials."""
        made = backend(self.secure(mutual=True).target, protocol=Protocol.GRPCS, ca=self.ca, **self.client(CLIENT))
        with open_channel(made) as channel:
            self.assertEqual(b"", channel.unary_unary("/test.v1.Echo/Say")(b"", timeout=20))
