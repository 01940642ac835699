"""APIs with HTTP and HTTPS backends: proxied, streaming both ways."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from gateway import Gateway
from twisted.internet import threads
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

INI = """
    [gateway]
    max_request_body = 3MiB
    request_timeout = 20s
    {gateway}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:web]
    [backend:web]
    protocol = {protocol}
    target = {protocol}://{host}:{port}/base
    {backend}
    [api:web/all]
    method = *
    path = /files/**
    backend = web
    {api}
"""


class Web:
    """A server that keeps what came, and answers what a test says."""

    def __init__(self, answer=None, context=None) -> None:
        self.seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def run(self) -> None:
                web.seen.append(
                    (self.command, self.path, [(k.lower(), v) for k, v in self.headers.items()], self.body())
                )
                (answer or Handler.echo)(self)

            def body(self) -> bytes:
                if self.headers.get("transfer-encoding") == "chunked":
                    parts = []
                    while size := int(self.rfile.readline(), 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("content-length", 0)))

            def echo(self) -> None:
                body = web.seen[-1][3]
                self.send_response(201, "Made")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Two", "1")
                self.send_header("X-Two", "2")
                self.send_header("Set-Cookie", "a=b")
                self.send_header("Keep-Alive", "timeout=5")
                self.send_header("Proxy-Authenticate", "gone")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PROPFIND = do_HEAD = run

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Base(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, web: Web | None, *, port: int = 0, protocol="http", host="127.0.0.1", **parts: str) -> Gateway:
        if web is not None:
            self.addCleanup(threads.deferToThread, web.stop)
        values = {"gateway": "", "backend": "", "api": "", **parts}
        ini = INI.format(protocol=protocol, host=host, port=web.port if web else port, **values)
        gateway = Gateway(self.folder, ini).start()
        self.addCleanup(gateway.stop)
        return gateway


class ProxyTests(Base):
    async def test_request_and_answer(self) -> None:
        """Method, path behind the base, query, fields and body go on; status, fields and body come back."""
        web = Web()
        gateway = self.start(web)
        headers = {
            "x-mine": "1",
            "cookie": "c=d",
            "connection": "x-drop",
            "x-drop": "2",
            "te": "trailers",
            "x-forwarded-for": "6.6.6.6",
        }
        answer = await gateway.post("/files/a%2Fb/c?x=%20&y", b"body", headers=headers)
        self.assertEqual((answer.status, answer.body), (201, b"body"))
        self.assertEqual(answer.headers.getRawHeaders("x-two"), ["1", "2"])
        self.assertEqual(answer.header("set-cookie"), "a=b")
        self.assertIsNone(answer.header("keep-alive"))
        self.assertIsNone(answer.header("proxy-authenticate"))
        method, path, fields, body = web.seen[0]
        self.assertEqual((method, path, body), ("POST", "/base/files/a%2Fb/c?x=%20&y", b"body"))
        sent = dict(fields)
        self.assertEqual(sent["host"], f"127.0.0.1:{web.port}")
        self.assertEqual(sent["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(sent["x-forwarded-host"], f"127.0.0.1:{gateway.port}")
        self.assertEqual((sent["x-mine"], sent["cookie"]), ("1", "c=d"))
        for name in ("x-drop", "te"):
            self.assertNotIn(name, sent)

    async def test_environment_prefix_is_taken_off(self) -> None:
        web = Web()
        gateway = self.start(web)
        await gateway.get("/test/files/a")
        self.assertEqual(web.seen[0][1], "/base/files/a")

    async def test_any_method(self) -> None:
        """`method = *` is any method; a HEAD has no body."""
        web = Web()
        gateway = self.start(web)
        self.assertEqual((await gateway.request("PROPFIND", "/files/a", b"x")).body, b"x")
        self.assertEqual((await gateway.request("HEAD", "/files/a")).status, 201)
        self.assertEqual([seen[0] for seen in web.seen], ["PROPFIND", "HEAD"])

    async def test_no_cookies_are_kept(self) -> None:
        """A cookie that the backend sets for one client is never sent for another."""
        web = Web()
        gateway = self.start(web)
        await gateway.get("/files/a")
        plain = await threads.deferToThread(
            exchange, gateway.port, b"GET /files/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        self.assertIn(b"201", plain)
        self.assertNotIn("cookie", dict(web.seen[1][2]))

    async def test_encoding_passes(self) -> None:
        """A compressed answer passes as it is, and the client's Accept-Encoding is the backend's to read."""

        def answer(handler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Encoding", "gzip")
            handler.send_header("Content-Length", "4")
            handler.end_headers()
            handler.wfile.write(b"\x1f\x8bxx")

        web = Web(answer)
        gateway = self.start(web)
        raw = await threads.deferToThread(
            exchange,
            gateway.port,
            b"GET /files/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n",
        )
        self.assertIn(b"content-encoding: gzip", raw.lower())
        self.assertTrue(raw.endswith(b"\r\n\r\n\x1f\x8bxx"))
        self.assertEqual([v for k, v in web.seen[0][2] if k == "accept-encoding"], ["br"])

    async def test_redirects_pass(self) -> None:
        def answer(handler) -> None:
            handler.send_response(302)
            handler.send_header("Location", "/elsewhere")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        gateway = self.start(Web(answer))
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.header("location")), (302, "/elsewhere"))

    async def test_streams_both_ways(self) -> None:
        """The backend has the first part of a body before the client sends the second, and so the client the answer's."""
        got_first = threading.Event()

        def answer(handler) -> None:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"5\r\nfirst\r\n")
            handler.wfile.flush()
            go_on.wait(30)
            handler.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

        go_on = threading.Event()
        web = Web(answer)
        read = web.server.RequestHandlerClass.body

        def body(handler) -> bytes:
            size = int(handler.rfile.readline(), 16)
            first = handler.rfile.read(size)
            handler.rfile.readline()
            got_first.set()
            return first + read(handler)

        web.server.RequestHandlerClass.body = body
        gateway = self.start(web)

        def client() -> bytes:
            with socket.create_connection(("127.0.0.1", gateway.port), 30) as connection:
                connection.sendall(
                    b"POST /files/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                )
                connection.sendall(b"3\r\none\r\n")
                assert got_first.wait(30)
                connection.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
                data = b""
                while b"first" not in data:
                    data += connection.recv(4096)
                assert b"second" not in data
                go_on.set()
                while part := connection.recv(4096):
                    data += part
                return data

        data = await threads.deferToThread(client)
        self.assertTrue(data.endswith(b"6\r\nsecond\r\n0\r\n\r\n"), data)
        self.assertEqual(web.seen[0][3], b"onetwo")

    async def test_large_bodies(self) -> None:
        """A body at the limit passes; one over it is refused, by its length or as it comes."""
        web = Web()
        gateway = self.start(web)
        body = b"x" * 3 * 1048576
        self.assertEqual((await gateway.post("/files/a", body)).body, body)
        answer = await gateway.post("/files/a", body + b"x")
        self.assertEqual((answer.status, answer.reason), (413, "REQUEST_TOO_LARGE"))

    async def test_dot_segments(self) -> None:
        """A path that the backend would resolve to another one is refused."""
        web = Web()
        gateway = self.start(web)
        for path in (b"/files/../admin", b"/files/%2e%2E/admin", b"/files/..%2fadmin", b"/files/..%5cadmin"):
            raw = await threads.deferToThread(
                exchange, gateway.port, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            self.assertTrue(raw.startswith(b"HTTP/1.1 400 "), raw)
        self.assertEqual(web.seen, [])

    async def test_dead_backend(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        gateway = self.start(None, port=port)
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.reason), (503, "BACKEND_UNAVAILABLE"))
        self.assertNotIn("127.0.0.1", answer.body.decode())

    async def test_broken_backend(self) -> None:
        """What is no HTTP is a 502; an answer that is cut is cut for the client too."""

        def garbage(handler) -> None:
            handler.wfile.write(b"what?\r\n\r\n")
            handler.close_connection = True

        gateway = self.start(Web(garbage))
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.reason), (502, "BACKEND_ERROR"))

    async def test_cut_answer(self) -> None:
        def cut(handler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "10")
            handler.end_headers()
            handler.wfile.write(b"12345")
            handler.close_connection = True

        gateway = self.start(Web(cut))
        with self.assertRaises(ConnectionResetError):
            await threads.deferToThread(exchange, gateway.port, b"GET /files/a HTTP/1.1\r\nHost: a\r\n\r\n")

    async def test_timeout(self) -> None:
        held = threading.Event()
        self.addCleanup(held.set)
        gateway = self.start(Web(lambda handler: held.wait(30)), api="timeout = 100ms")
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.reason), (504, "DEADLINE_EXCEEDED"))

    async def test_too_many_in_flight(self) -> None:
        seen, held = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def slow(handler) -> None:
            seen.set()
            held.wait(30)
            handler.echo()

        gateway = self.start(Web(slow), backend="max_in_flight = 1")
        first = Deferred.fromCoroutine(gateway.get("/files/a"))
        await threads.deferToThread(seen.wait, 30)
        answer = await gateway.get("/files/b")
        self.assertEqual((answer.status, answer.reason, answer.header("retry-after")), (503, "TOO_MANY_IN_FLIGHT", "1"))
        held.set()
        self.assertEqual((await first).status, 201)
        self.assertEqual((await gateway.get("/files/c")).status, 201)

    async def test_disconnect(self) -> None:
        """A client that leaves closes the connection to the backend."""
        seen, left = threading.Event(), threading.Event()

        def wait_for_end(handler) -> None:
            seen.set()
            try:
                ended = handler.connection.recv(1) == b""
            except ConnectionResetError:
                ended = True
            if ended:
                left.set()
            handler.close_connection = True

        gateway = self.start(Web(wait_for_end))

        def client() -> None:
            with socket.create_connection(("127.0.0.1", gateway.port), 30) as connection:
                connection.sendall(b"GET /files/a HTTP/1.1\r\nHost: a\r\n\r\n")
                assert seen.wait(30)

        await threads.deferToThread(client)
        self.assertTrue(await threads.deferToThread(left.wait, 30))


class TlsProxyTests(Base):
    def certificates(self, name: str) -> tuple[trustme.CA, object]:
        import ssl

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        return authority, context

    async def test_verified(self) -> None:
        """An HTTPS backend's certificate is verified, for the name in its URL."""
        _, context = self.certificates("localhost")
        gateway = self.start(Web(context=context), protocol="https", host="localhost", backend="ca = ca.pem")
        self.assertEqual((await gateway.post("/files/a", b"x")).body, b"x")

    async def test_wrong_name(self) -> None:
        _, context = self.certificates("other.example")
        web = Web(context=context)
        gateway = self.start(web, protocol="https", host="localhost", backend="ca = ca.pem")
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.reason), (503, "BACKEND_UNAVAILABLE"))
        self.assertEqual(web.seen, [])

    async def test_server_name(self) -> None:
        """`server_name` is the name that is verified."""
        _, context = self.certificates("other.example")
        backend = "ca = ca.pem\n    server_name = other.example"
        gateway = self.start(Web(context=context), protocol="https", host="localhost", backend=backend)
        self.assertEqual((await gateway.get("/files/a")).status, 201)

    async def test_unknown_authority(self) -> None:
        _, context = self.certificates("localhost")
        trustme.CA().cert_pem.write_to_path(str(self.folder / "ca.pem"))
        gateway = self.start(Web(context=context), protocol="https", host="localhost", backend="ca = ca.pem")
        answer = await gateway.get("/files/a")
        self.assertEqual((answer.status, answer.reason), (503, "BACKEND_UNAVAILABLE"))

    async def test_client_certificate(self) -> None:
        """Mutual TLS: our certificate is shown where the backend demands one."""
        import ssl

        authority, context = self.certificates("localhost")
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        own = authority.issue_cert("gateway.example")
        own.cert_chain_pems[0].write_to_path(str(self.folder / "own.pem"))
        own.private_key_pem.write_to_path(str(self.folder / "own.key"))
        backend = "ca = ca.pem\n    certificate = own.pem\n    private_key = own.key"
        gateway = self.start(Web(context=context), protocol="https", host="localhost", backend=backend)
        self.assertEqual((await gateway.get("/files/a")).status, 201)


def exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
