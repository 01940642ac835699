"""The request path, from a real HTTP client through a real gateway to a real gRPC server, over both bridges."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tempfile
import threading
from pathlib import Path

import grpc
from gateway import Gateway
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_backend import echo_backend
from grpc_status import rpc_status
from twisted.internet import threads
from twisted.trial.unittest import TestCase

INI = """
    [gateway]
    bridge = {bridge}
    {gateway}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:echo]
    [backend:echo]
    protocol = grpc
    target = {target}
    [api:echo/all]
    rpc = echo.v1.Echo/*
    backend = echo
    {api}
    [api:echo/own]
    method = PUT
    path = /own/{{text}}
    rpc = echo.v1.Echo/Say
    backend = echo
    response_body = inner
    [plugin:echo]
    type = backend-grpc
    proto = echo.proto
    {plugin}
    [binding:release]
    plugin = echo
    service = echo
    environment = release
    apis = *
    [binding:test]
    plugin = echo
    service = echo
    environment = test
    apis = own
"""


class Base(TestCase):
    bridge = "asyncio"
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *, gateway: str = "", api: str = "", plugin: str = "", **methods: object) -> Gateway:
        self.backend = echo_backend(self.folder, **methods)
        self.addCleanup(self.backend.stop)
        ini = INI.format(bridge=self.bridge, target=self.backend.target, gateway=gateway, api=api, plugin=plugin)
        found = Gateway(self.folder, ini).start()
        self.addCleanup(found.stop)
        return found

    def last(self):
        return self.backend.calls[-1]


class RequestTests(Base):
    async def test_path_variable_and_query(self) -> None:
        """A path variable and query parameters, scalars, nested, repeated and maps, arrive in one message."""
        gateway = self.start()
        answer = await gateway.get(
            "/v1/say/h%C3%A9llo%2Fyou?big=9007199254740993&inner.count=3&list=a&list=b+c&labels[k]=v"
        )
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(
            answer.json,
            {
                "text": "héllo/you",
                "big": "9007199254740993",
                "inner": {"count": 3},
                "list": ["a", "b c"],
                "labels": {"k": "v"},
            },
        )

    async def test_body(self) -> None:
        """A JSON body is the message; canonical JSON comes back."""
        gateway = self.start()
        body = {"text": "x", "mood": "GLAD", "data": "AAE=", "at": "2026-01-02T03:04:05Z", "ratio": "NaN"}
        answer = await gateway.post("/v1/say", json.dumps(body).encode())
        self.assertEqual(answer.json, body)

    async def test_body_field_and_response_body(self) -> None:
        """With `body: "inner"` the body is that field, and `response_body` picks what comes back."""
        gateway = self.start()
        answer = await gateway.post("/v1/inner/t?big=1", b'{"text": "i", "count": 2}')
        self.assertEqual(answer.json, {"text": "i", "count": 2})
        self.assertEqual((self.last()[1].text, self.last()[1].big), ("t", 1))
        self.assertEqual((await gateway.post("/v1/list", b'["a", "b"]')).json, ["a", "b"])

    async def test_templates(self) -> None:
        """Nested variables, multi-segment variables and verbs."""
        gateway = self.start()
        self.assertEqual((await gateway.get("/v1/deep/a/7")).json, {"inner": {"text": "a", "count": 7}})
        answer = await gateway.get("/v1/names/shelves/1/books/a/b%2Fc%20d")
        self.assertEqual(answer.json, {"text": "shelves/1/books/a/b%2Fc d"})
        answer = await gateway.post("/v1/say/loud:shout", b'{"text": "ignored"}')
        self.assertEqual(answer.json, {"text": "loud"})

    async def test_default_path(self) -> None:
        """Every RPC of a whole service is at POST /package.Service/Method too, with or without a rule."""
        gateway = self.start()
        for rpc in ("Plain", "Say"):
            answer = await gateway.post(f"/echo.v1.Echo/{rpc}", b'{"text": "x"}')
            self.assertEqual((answer.status, answer.json, self.last()[0]), (200, {"text": "x"}, rpc))

    async def test_own_api(self) -> None:
        """An API's own mapping: PUT has body * by default, and its path variable wins over the body."""
        gateway = self.start()
        answer = await gateway.request("PUT", "/own/path", b'{"text": "body", "inner": {"text": "i"}}')
        self.assertEqual(answer.json, {"text": "i"})
        self.assertEqual(self.last()[1].text, "path")

    async def test_environment_prefix(self) -> None:
        """The same API at the prefix of another environment; others of the service have no plugin there."""
        gateway = self.start()
        answer = await gateway.request("PUT", "/test/own/x", b'{"inner": {"count": 1}}')
        self.assertEqual(answer.json, {"count": 1})

    async def test_patch_mask(self) -> None:
        """PATCH with a body field fills the empty mask from the body's keys."""
        gateway = self.start()
        await gateway.request("PATCH", "/v1/words/t", b'{"big": "5", "inner": {"count": 1}, "labels": {}}')
        self.assertEqual(list(self.last()[1].update_mask.paths), ["big", "inner.count", "labels"])

    async def test_http_body(self) -> None:
        """google.api.HttpBody takes any bytes and gives any bytes."""
        gateway = self.start()
        answer = await gateway.post("/v1/raw", b"\x00\xff", headers={"content-type": "image/png"})
        self.assertEqual((answer.body, answer.header("content-type")), (b"\x00\xff", "image/png"))

    async def test_protobuf(self) -> None:
        """Protobuf bodies both ways, by Content-Type and Accept."""
        gateway = self.start()
        message = b"\x0a\x01x"
        headers = {"content-type": "application/x-protobuf", "accept": "application/x-protobuf"}
        answer = await gateway.post("/v1/say", message, headers=headers)
        self.assertEqual((answer.body, answer.header("content-type")), (message, "application/x-protobuf"))

    async def test_gzip(self) -> None:
        """A gzip body is taken; a large answer is compressed for who accepts that."""
        gateway = self.start()
        body = gzip.compress(json.dumps({"text": "x" * 5000}).encode())
        headers = {"content-encoding": "gzip", "accept-encoding": "gzip"}
        answer = await gateway.post("/v1/say", body, headers=headers)  # treq decodes
        self.assertEqual(answer.json["text"], "x" * 5000)
        self.assertEqual(answer.header("vary"), "Accept, Accept-Encoding")

    async def test_metadata(self) -> None:
        """The metadata that passes, under which name, and what never does; the answer's metadata as fields."""

        def say(request, context):
            context.send_initial_metadata((("x-answer", "1"), ("x-answer-bin", b"\x00\x01")))
            return request

        gateway = self.start(Say=say)
        headers = {
            "authorization": "Bearer t",
            "x-custom": "1",
            "grpc-metadata-plain": "2",
            "x-data-bin": "AAE",
            "cookie": "secret",
            "accept-language": "de",
            "x-forwarded-for": "6.6.6.6",
            "grpc-metadata-x-forwarded-for": "6.6.6.6",
            "grpc-metadata-grpc-timeout": "1n",
            "x-request-id": "id-1",
        }
        answer = await gateway.get("/v1/say/x", headers=headers)
        metadata = self.last()[2]
        expected = {
            "authorization": "Bearer t",
            "x-custom": "1",
            "plain": "2",
            "x-data-bin": b"\x00\x01",
            "accept-language": "de",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-host": f"127.0.0.1:{gateway.port}",
            "x-request-id": "id-1",
        }
        self.assertEqual({key: value for key, value in metadata.items() if key != "user-agent"}, expected)
        self.assertEqual(answer.header("x-answer"), "1")
        self.assertEqual(answer.header("x-answer-bin"), "AAE")
        self.assertEqual(answer.header("x-request-id"), "id-1")

    async def test_request_id_is_made(self) -> None:
        """A request without an id gets one, which the backend and the client see."""
        gateway = self.start()
        answer = await gateway.get("/v1/say/x")
        self.assertRegex(answer.header("x-request-id"), r"\A[0-9a-f]{32}\Z")
        self.assertEqual(self.last()[2]["x-request-id"], answer.header("x-request-id"))

    async def test_trailers(self) -> None:
        """Trailing metadata becomes HTTP trailers for a client that takes them."""

        def say(request, context):
            context.set_trailing_metadata((("x-last", "z"),))
            return request

        gateway = self.start(Say=say)
        raw = await threads.deferToThread(
            raw_exchange,
            gateway.port,
            b"GET /v1/say/x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n",
        )
        self.assertIn(b"0\r\nx-last: z\r\n\r\n", raw.lower())
        raw = await threads.deferToThread(
            raw_exchange, gateway.port, b"GET /v1/say/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        self.assertNotIn(b"x-last", raw.lower())


class ThreadRequestTests(RequestTests):
    bridge = "thread"


class RefusalTests(Base):
    async def test_not_found(self) -> None:
        """A path that nothing serves."""
        gateway = self.start()
        answer = await gateway.get("/nothing")
        self.assertEqual((answer.status, answer.json["code"], answer.reason), (404, 5, "ROUTE_NOT_FOUND"))
        self.assertEqual(answer.json["message"], "no API is served at /nothing")

    async def test_method_not_allowed(self) -> None:
        """A path under another of the five methods: 405, with those that it has."""
        gateway = self.start()
        answer = await gateway.request("DELETE", "/v1/say")
        self.assertEqual((answer.status, answer.header("allow"), answer.reason), (405, "POST", "METHOD_NOT_ALLOWED"))

    async def test_method_not_supported(self) -> None:
        """Only POST, GET, PUT, PATCH and DELETE are answered."""
        gateway = self.start()
        for method in ("OPTIONS", "TRACE", "PROPFIND"):
            answer = await gateway.request(method, "/v1/say/x")
            self.assertEqual(
                (answer.status, answer.header("allow"), answer.reason), (405, "GET", "METHOD_NOT_SUPPORTED")
            )
        answer = await gateway.request("HEAD", "/v1/say/x")
        self.assertEqual((answer.status, answer.header("allow")), (405, "GET"))

    async def test_plugin_not_bound(self) -> None:
        """An API without a plugin in an environment answers nothing but that."""
        gateway = self.start()
        requests = [
            ("GET", "/test/v1/say/x"),
            ("POST", "/test/echo.v1.Echo/Say"),
            ("POST", "/test/echo.v1.Echo/Unheard"),
            ("PUT", "/prepub/own/x"),
        ]
        for method, path in requests:
            answer = await gateway.request(method, path)
            self.assertEqual((answer.status, answer.reason), (500, "PLUGIN_NOT_BOUND"), path)
        self.assertEqual(
            answer.json["message"], "no backend-grpc plugin is bound to API echo/own in environment prepub"
        )
        self.assertEqual(self.backend.calls, [])

    async def test_bad_input(self) -> None:
        """Each says where, and what was expected."""
        gateway = self.start()
        table = [
            ("GET", "/v1/say/x?nope=1", None, "query parameter 'nope': "),
            ("GET", "/v1/say/x?big=x", None, "query parameter 'big': "),
            ("GET", "/v1/say/x?big=1&big=2", None, "query parameter 'big': "),
            ("GET", "/v1/deep/a/x", None, "path variable 'inner.count': "),
            ("GET", "/v1/say/%ff", None, "the path is malformed"),
            ("POST", "/v1/say", b"{", "body: "),
            ("POST", "/v1/say", b'{"nope": 1}', "body field 'nope': "),
            ("POST", "/v1/say", b'{"inner": {"count": 1.5}}', "body field 'inner.count': "),
            ("POST", "/v1/say", b'{"text": "a", "text": "b"}', "body"),
        ]
        for method, path, body, start in table:
            answer = await gateway.request(method, path, body)
            self.assertEqual((answer.status, answer.json["code"]), (400, 3), path)
            self.assertTrue(answer.json["message"].startswith(start), (path, answer.json["message"]))
        answer = await gateway.get("/v1/say/x", headers={"x-data-bin": "!"})
        self.assertEqual((answer.status, answer.json["message"]), (400, "header 'x-data-bin': expected base64"))
        self.assertEqual(self.backend.calls, [])

    async def test_body_where_none_is(self) -> None:
        """A rule without a body takes none."""
        gateway = self.start()
        answer = await gateway.request("GET", "/v1/say/x", b"{}")
        self.assertEqual(answer.status, 400)

    async def test_media_type(self) -> None:
        """Other media types are refused."""
        gateway = self.start()
        answer = await gateway.post("/v1/say", b"<a/>", headers={"content-type": "text/xml"})
        self.assertEqual((answer.status, answer.reason), (415, "UNSUPPORTED_MEDIA_TYPE"))
        answer = await gateway.post("/v1/say", b"{}", headers={"content-encoding": "br"})
        self.assertEqual((answer.status, answer.header("accept-encoding")), (415, "gzip"))

    async def test_too_large(self) -> None:
        """The body's limit counts decoded bytes."""
        gateway = self.start(gateway="max_request_body = 1000")
        self.assertEqual((await gateway.post("/v1/say", b'{"text": "%s"}' % (b"x" * 988))).status, 200)
        answer = await gateway.post("/v1/say", b'{"text": "%s"}' % (b"x" * 989))
        self.assertEqual((answer.status, answer.reason), (413, "REQUEST_TOO_LARGE"))
        body = gzip.compress(b'{"text": "%s"}' % (b"x" * 989))
        answer = await gateway.post("/v1/say", body, headers={"content-encoding": "gzip"})
        self.assertEqual((answer.status, answer.reason), (413, "REQUEST_TOO_LARGE"))

    async def test_grpc_timeout_is_malformed(self) -> None:
        gateway = self.start()
        for text in ("1", "s", "1s", "123456789S", "-1S", "1.5S", ""):
            answer = await gateway.get("/v1/say/x", headers={"grpc-timeout": text})
            self.assertEqual((answer.status, answer.reason), (400, "INVALID_TIMEOUT"), text)

    async def test_error_format_google(self) -> None:
        """`error_format = google` is AIP-193's body."""
        gateway = self.start(plugin="error_format = google")
        error = (await gateway.get("/v1/say/x?nope=1")).json["error"]
        self.assertEqual((error["code"], error["status"]), (400, "INVALID_ARGUMENT"))


class BackendErrorTests(Base):
    async def test_status_and_details(self) -> None:
        """A backend's status, with the details of known types printed and those of unknown types kept."""

        def say(_request, context):
            status = status_pb2.Status(code=5, message="no such thing: ü")
            known = any_pb2.Any()
            known.Pack(error_details_pb2.ErrorInfo(reason="R", domain="d"))
            unknown = any_pb2.Any(type_url="type.googleapis.com/far.Away", value=b"\x08\x01")
            status.details.extend([known, unknown])
            context.abort_with_status(rpc_status.to_status(status))

        gateway = self.start(Say=say)
        answer = await gateway.get("/v1/say/x")
        self.assertEqual(answer.status, 404)
        self.assertEqual(
            answer.json,
            {
                "code": 5,
                "message": "no such thing: ü",
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "d"},
                    {"@type": "type.googleapis.com/far.Away", "value": base64.b64encode(b"\x08\x01").decode()},
                ],
            },
        )

    async def test_every_code(self) -> None:
        """Each gRPC code has the HTTP status of google/rpc/code.proto."""
        table = {1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501}
        table |= {13: 500, 14: 503, 15: 500, 16: 401}
        codes = {code.value[0]: code for code in grpc.StatusCode}
        gateway = self.start(Say=lambda request, context: context.abort(codes[int(request.text)], "told"))
        for number, status in table.items():
            answer = await gateway.get(f"/v1/say/{number}")
            self.assertEqual((answer.status, answer.json["code"], answer.json["message"]), (status, number, "told"))

    async def test_deadline(self) -> None:
        """The API's timeout ends a call: 504; a client's shorter one holds, a longer one does not."""
        held = threading.Event()
        self.addCleanup(held.set)
        left = []

        def say(request, context):
            left.append(context.time_remaining())
            held.wait(30)
            return request

        gateway = self.start(gateway="request_timeout = 300ms", Say=say)
        for header in (None, "100H", "50m"):
            answer = await gateway.get("/v1/say/x", headers={"grpc-timeout": header} if header else {})
            self.assertEqual((answer.status, answer.reason), (504, "DEADLINE_EXCEEDED"))
        self.assertLess(max(left), 0.31)
        self.assertLess(left[2], 0.06)

    async def test_disconnect_cancels(self) -> None:
        """A client that leaves cancels the call."""
        seen, cancelled, done = threading.Event(), threading.Event(), threading.Event()
        self.addCleanup(done.set)

        def say(request, context):
            context.add_callback(cancelled.set)
            seen.set()
            done.wait(30)
            return request

        gateway = self.start(Say=say)
        request = gateway.get("/v1/say/x")
        from twisted.internet.defer import Deferred

        asking = Deferred.fromCoroutine(request)
        self.assertTrue(await threads.deferToThread(seen.wait, 30))
        asking.addErrback(lambda failure: None)
        asking.cancel()
        self.assertTrue(await threads.deferToThread(cancelled.wait, 30))
        await asking

    async def test_dead_backend(self) -> None:
        """A backend that is not there: 503, and nothing internal in the answer."""
        gateway = self.start()
        self.backend.stop()
        answer = await gateway.get("/v1/say/x")
        self.assertEqual((answer.status, answer.reason), (503, "BACKEND_UNAVAILABLE"))
        self.assertNotIn("127.0.0.1", answer.body.decode())

    async def test_too_many_in_flight(self) -> None:
        """Calls over the limit are refused at once, with Retry-After."""
        seen, done = threading.Event(), threading.Event()
        self.addCleanup(done.set)

        def say(request, context):
            seen.set()
            done.wait(30)
            return request

        gateway = self.start(gateway="max_in_flight = 1", Say=say)
        from twisted.internet.defer import Deferred

        first = Deferred.fromCoroutine(gateway.get("/v1/say/x"))
        self.assertTrue(await threads.deferToThread(seen.wait, 30))
        answer = await gateway.get("/v1/say/y")
        self.assertEqual((answer.status, answer.reason), (503, "TOO_MANY_IN_FLIGHT"))
        self.assertEqual(answer.header("retry-after"), "1")
        done.set()
        self.assertEqual((await first).status, 200)


class ThreadBackendErrorTests(BackendErrorTests):
    bridge = "thread"


def raw_exchange(port: int, request: bytes) -> bytes:
    import socket

    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
