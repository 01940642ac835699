"""Start, reload, drain and stop, in this process."""

from __future__ import annotations

import shutil
import socket
import ssl
import tempfile
import threading
from pathlib import Path

import trustme
from gateway import Gateway
from grpc_backend import ECHO_PROTO, echo_backend
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twistedgw.errors import ConfigError

INI = """
    [gateway]
    bridge = {bridge}
    drain_timeout = {drain}
    {gateway}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    {listeners}
    [service:echo]
    [backend:echo]
    protocol = grpc
    target = {target}
    [api:echo/say]
    method = GET
    path = {path}
    rpc = echo.v1.Echo/Say
    backend = echo
    [plugin:echo]
    type = backend-grpc
    proto = echo.proto
    {plugin}
    [binding:release]
    plugin = echo
    service = echo
    environment = release
"""


class Base(TestCase):
    timeout = 120
    bridge = "asyncio"

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def ini(self, **parts: str) -> str:
        values = {"gateway": "", "listeners": "", "path": "/say/{text}", "plugin": "", "drain": "30s", **parts}
        return INI.format(bridge=self.bridge, target=self.backend.target, **values)

    def start(self, *, methods=None, **parts: str) -> Gateway:
        self.backend = echo_backend(self.folder, **(methods or {}))
        self.addCleanup(self.backend.stop)
        gateway = Gateway(self.folder, self.ini(**parts)).start()
        self.addCleanup(gateway.stop)
        return gateway


class ReloadTests(Base):
    async def test_change(self) -> None:
        """A reload serves what the files say now, and tells what changed; the channel stays."""
        gateway = self.start()
        upstream = gateway.service.registry.snapshot.upstreams["echo"]
        gateway.write(self.ini(path="/new/{text}"))
        outcome = await gateway.reload()
        self.assertTrue(outcome.accepted)
        self.assertEqual((outcome.generation, outcome.message), (2, "API echo/say changed"))
        self.assertEqual((await gateway.get("/say/x")).status, 404)
        self.assertEqual((await gateway.get("/new/x")).status, 200)
        self.assertIs(gateway.service.registry.snapshot.upstreams["echo"], upstream)

    async def test_refused(self) -> None:
        """A wrong configuration changes nothing, and every problem is told."""
        gateway = self.start()
        gateway.write(self.ini(path="/new/{nope}", gateway="tmeout = 1s"))
        outcome = await gateway.reload()
        self.assertFalse(outcome.accepted)
        self.assertIn("tmeout", outcome.message)
        gateway.write(self.ini(path="/new/{nope}"))
        outcome = await gateway.reload()
        self.assertIn("[api:echo/say] path: ", outcome.message)
        self.assertIn("nope", outcome.message)
        (self.folder / "echo.proto").write_text('syntax = "proto3";\nmessage {')
        outcome = await gateway.reload()
        self.assertIn("echo.proto:2:9: ", outcome.message)
        self.assertEqual((await gateway.get("/say/x")).status, 200)
        self.assertEqual(gateway.service.registry.snapshot.generation, 1)

    async def test_nothing_changed_compiles_nothing(self) -> None:
        """Reloads that change nothing start no compiler."""
        gateway = self.start()
        compiler = gateway.service.assembly.cache.compiler
        runs = compiler.runs
        for _ in range(3):
            self.assertEqual((await gateway.reload()).message, "nothing changed")
        self.assertEqual(compiler.runs, runs)

    async def test_coalesced(self) -> None:
        """Many requests at once are answered by few reloads, each by one that began after it."""
        gateway = self.start()
        outcomes = await gatherResults([gateway.service.reloader.request() for _ in range(20)])
        self.assertEqual(outcomes[0].generation, 2)
        self.assertEqual({outcome.generation for outcome in outcomes[1:]}, {3})

    async def test_old_generation_serves_to_the_end(self) -> None:
        """A request keeps the generation that it began with, backend included."""
        seen, held = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def say(request, context):
            seen.set()
            held.wait(30)
            return request

        gateway = self.start(methods={"Say": say})
        first = Deferred.fromCoroutine(gateway.get("/say/x"))
        await threads.deferToThread(seen.wait, 30)
        other = echo_backend(self.folder)
        self.addCleanup(other.stop)
        gateway.write(self.ini().replace(self.backend.target, other.target))
        self.assertEqual((await gateway.reload()).message, "backend echo changed")
        old = gateway.service.registry.live[0]
        self.assertEqual(old.generation, 1)
        self.assertEqual((await gateway.get("/say/y")).status, 200)
        self.assertEqual(len(other.calls), 1)
        held.set()
        self.assertEqual((await first).status, 200)
        self.assertEqual([live.generation for live in gateway.service.registry.live], [2])
        self.assertEqual(old.upstreams["echo"].state(), "shutdown")

    async def test_drain_timeout_of_an_old_generation(self) -> None:
        """An old generation that does not end is cut off when its time is over."""
        seen, held = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def say(request, context):
            seen.set()
            held.wait(30)
            return request

        gateway = self.start(methods={"Say": say}, drain="50ms")
        first = Deferred.fromCoroutine(gateway.get("/say/x"))
        await threads.deferToThread(seen.wait, 30)
        other = echo_backend(self.folder)
        self.addCleanup(other.stop)
        gateway.write(self.ini(drain="50ms").replace(self.backend.target, other.target))
        await gateway.reload()
        self.assertEqual((await first).status, 503)

    async def test_listeners(self) -> None:
        """Listeners come and go; one that cannot be bound refuses the whole reload."""
        gateway = self.start()
        two = "[listener:two]\n    endpoint = tcp:0:interface=127.0.0.1:backlog=7"
        gateway.write(self.ini(listeners=two))
        self.assertEqual((await gateway.reload()).message, "listener two added")
        first, second = gateway.ports()
        self.assertEqual((await gateway.get("/say/x", port=second)).status, 200)
        taken = f"[listener:three]\n    endpoint = tcp:{first}:interface=127.0.0.1"
        gateway.write(self.ini(listeners=two + "\n    " + taken))
        outcome = await gateway.reload()
        self.assertFalse(outcome.accepted)
        self.assertIn(f"[listener:three] endpoint: cannot listen on tcp:{first}:interface=127.0.0.1: ", outcome.message)
        gateway.write(self.ini())
        await gateway.reload()
        self.assertEqual(gateway.ports(), [first])
        await deferLater(reactor, 0)  # a port is closed in the turn after
        with self.assertRaises(ConnectionRefusedError):
            await threads.deferToThread(lambda: socket.create_connection(("127.0.0.1", second)).close())

    async def test_limits_apply(self) -> None:
        """Limits apply with the reload, to connections that are open too."""
        gateway = self.start()
        self.assertEqual((await gateway.get("/say/" + "x" * 300)).status, 200)
        gateway.write(self.ini(gateway="max_header_size = 256"))
        self.assertTrue((await gateway.reload()).accepted)
        self.assertEqual((await gateway.get("/say/" + "x" * 300)).status, 414)

    async def test_no_answer_mixes_generations(self) -> None:
        """While two configurations alternate, every answer is wholly of one of them, and none fails."""

        def say(request, context):
            request.list.append(dict(context.invocation_metadata())["x-request-id"])
            return request

        printed = "preserve_proto_field_names = yes\n    always_print_fields = yes"
        gateway = self.start(methods={"Say": say}, plugin=printed)
        one = self.ini(plugin=printed)
        two = self.ini(path="/say/{inner.text}")
        proto_one, proto_two = ECHO_PROTO, ECHO_PROTO.replace("double ratio = 9", "double ratio_number = 9")
        seen = set()
        going = True

        async def client() -> None:
            while going:
                answer = await gateway.get("/say/x")
                self.assertEqual(answer.status, 200, answer.body)
                body = answer.json
                if "text" in body and body["text"] == "x":
                    self.assertIn("ratio", body)
                    seen.add(1)
                else:
                    self.assertEqual(body["inner"], {"text": "x"})
                    self.assertNotIn("ratioNumber", body)
                    seen.add(2)

        clients = [Deferred.fromCoroutine(client()) for _ in range(4)]
        for turn in range(200):
            (self.folder / "echo.proto").write_text(proto_one if turn % 2 else proto_two)
            gateway.write(one if turn % 2 else two)
            self.assertTrue((await gateway.reload()).accepted)
        going = False
        await gatherResults(clients)
        self.assertEqual(seen, {1, 2})
        self.assertEqual(len(self.backend.connections), 1)

    async def test_unbound_by_reload(self) -> None:
        """A binding takes effect with the reload, and so does its removal."""
        gateway = self.start()
        gateway.write(self.ini().split("[binding:release]")[0])
        self.assertEqual((await gateway.reload()).message, "binding release removed")
        self.assertEqual((await gateway.get("/say/x")).reason, "PLUGIN_NOT_BOUND")
        gateway.write(self.ini())
        await gateway.reload()
        self.assertEqual((await gateway.get("/say/x")).status, 200)


class ThreadReloadTests(ReloadTests):
    bridge = "thread"


class StopTests(Base):
    async def test_drain(self) -> None:
        """A stop refuses new connections, and answers what is on its way."""
        seen, held = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def say(request, context):
            seen.set()
            held.wait(30)
            return request

        gateway = self.start(methods={"Say": say})
        port = gateway.port
        first = Deferred.fromCoroutine(gateway.get("/say/x"))
        await threads.deferToThread(seen.wait, 30)
        stopped = gateway.service.stopService()
        await deferLater(reactor, 0)  # a port is closed in the turn after
        with self.assertRaises(ConnectionRefusedError):
            await threads.deferToThread(lambda: socket.create_connection(("127.0.0.1", port)).close())
        held.set()
        answer = await first
        self.assertEqual(answer.status, 200)
        await stopped

    async def test_cut_off(self) -> None:
        """What does not end within drain_timeout is cut off."""
        seen, held = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def say(request, context):
            seen.set()
            held.wait(30)
            return request

        gateway = self.start(methods={"Say": say}, drain="50ms")
        first = Deferred.fromCoroutine(gateway.get("/say/x"))
        await threads.deferToThread(seen.wait, 30)
        await gateway.service.stopService()
        failed = await first.addCallbacks(lambda answer: answer.status == 503, lambda failure: True)
        self.assertTrue(failed)


class ThreadStopTests(StopTests):
    bridge = "thread"


class StartTests(Base):
    def test_port_is_taken(self) -> None:
        """A port that cannot be bound ends the start, with the listener's place."""
        self.backend = echo_backend(self.folder)
        self.addCleanup(self.backend.stop)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listeners = f"[listener:two]\n    endpoint = tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            gateway = Gateway(self.folder, self.ini(listeners=listeners))
            with self.assertRaises(ConfigError) as caught:
                gateway.service.privilegedStartService()
        self.assertIn("[listener:two] endpoint: cannot listen on tcp:", str(caught.exception))
        gateway.hangup.disarm()

    def test_wrong_listeners(self) -> None:
        """Endpoint descriptions and certificates are checked with everything else."""
        self.backend = echo_backend(self.folder)
        self.addCleanup(self.backend.stop)
        (self.folder / "bad.pem").write_text("no certificate")
        listeners = (
            "[listener:two]\n    endpoint = nonsense:1\n"
            "    [listener:three]\n    endpoint = tcp:0:interface=127.0.0.1\n"
            "    [listener:four]\n    endpoint = tcp:0:interface=::1\n    protocol = https\n"
            "    certificate = bad.pem\n    private_key = bad.pem"
        )
        with self.assertRaises(ConfigError) as caught:
            Gateway(self.folder, self.ini(listeners=listeners, path="/{nope}"))
        report = str(caught.exception)
        self.assertIn("[listener:two] endpoint: 'nonsense:1' is no endpoint description", report)
        self.assertIn("[listener:three] endpoint: [listener:http] (", report)
        self.assertIn("[listener:four] certificate: ", report)
        self.assertIn("[listener:four] private_key: ", report)
        self.assertIn("[api:echo/say] path: ", report)


class TlsTests(Base):
    def setUp(self) -> None:
        super().setUp()
        self.authority = trustme.CA()
        self.renew()

    def renew(self, name: str = "localhost") -> None:
        issued = self.authority.issue_cert(name)
        (self.folder / "server.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(self.folder / "server.key"))

    def listeners(self, more: str = "") -> str:
        return (
            "[listener:https]\n    endpoint = tcp:0:interface=127.0.0.1:backlog=9\n    protocol = https\n"
            f"    certificate = server.pem\n    private_key = server.key\n    {more}"
        )

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def connect(self, port: int, context: ssl.SSLContext | None = None, name: str = "localhost") -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), 30)
        return (context or self.context()).wrap_socket(plain, server_hostname=name)

    async def test_https(self) -> None:
        """HTTPS, told to the backend; TLS 1.2 at the least."""
        gateway = self.start(listeners=self.listeners())
        secure = gateway.ports()[1]

        def client() -> bytes:
            with self.connect(secure) as connection:
                connection.sendall(b"GET /say/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: connection.recv(65536), b""))

        self.assertIn(b" 200 ", await threads.deferToThread(client))
        self.assertEqual(self.backend.calls[-1][2]["x-forwarded-proto"], "https")
        old = self.context()
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises(ssl.SSLError):
            await threads.deferToThread(self.connect, secure, old)

    async def test_renewal(self) -> None:
        """A reload renews the certificate for new connections and leaves open ones alone."""
        gateway = self.start(listeners=self.listeners())
        secure = gateway.ports()[1]

        def ask(connection: ssl.SSLSocket) -> bytes:
            connection.sendall(b"GET /say/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            data = b""
            while not data.endswith(b"}"):
                data += connection.recv(65536)
            return data

        kept = await threads.deferToThread(self.connect, secure)
        self.addCleanup(kept.close)
        before = kept.getpeercert()["serialNumber"]
        self.renew()
        self.assertTrue((await gateway.reload()).accepted)
        fresh = await threads.deferToThread(self.connect, secure)
        self.addCleanup(fresh.close)
        self.assertNotEqual(fresh.getpeercert()["serialNumber"], before)
        for connection in (kept, fresh):
            self.assertIn(b" 200 ", await threads.deferToThread(ask, connection))

    async def test_client_certificates(self) -> None:
        """With client_ca a client needs a certificate of that CA."""
        clients = trustme.CA()
        clients.cert_pem.write_to_path(str(self.folder / "clients.pem"))
        gateway = self.start(listeners=self.listeners("client_ca = clients.pem"))
        secure = gateway.ports()[1]

        def client(context: ssl.SSLContext) -> bytes:
            with self.connect(secure, context) as connection:
                connection.sendall(b"GET /say/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: connection.recv(65536), b""))

        known = self.context()
        clients.issue_cert("client.example").configure_cert(known)
        self.assertIn(b" 200 ", await threads.deferToThread(client, known))
        stranger = self.context()
        trustme.CA().issue_cert("client.example").configure_cert(stranger)
        for context in (self.context(), stranger):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                await threads.deferToThread(client, context)

    async def test_alpn(self) -> None:
        """HTTP/2 is offered by ALPN, and not where http2 = no."""
        off = self.listeners("http2 = no").replace("backlog=9", "backlog=8").replace(":https]", ":off]")
        gateway = self.start(listeners=self.listeners("http2 = yes") + "\n    " + off)
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        chosen = []
        for port in gateway.ports()[1:]:
            connection = await threads.deferToThread(self.connect, port, context)
            chosen.append(connection.selected_alpn_protocol())
            connection.close()
        self.assertEqual(chosen, ["h2", "http/1.1"])
