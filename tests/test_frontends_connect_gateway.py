"""Connect and gRPC-Web through a whole gateway, to a real gRPC server."""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from gateway import Gateway
from rpc_backend import Talk, ini
from rpc_wire import connect_parts, frame, from_text, grpc_web_parts
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

HERE = "/talk.v1.Talk/"
STREAM = "application/connect+json"
WEB = "application/grpc-web+proto"
END = {"x-trailer": ["t"], "x-raw-bin": ["AAECAw"]}
DETAIL = {"type": "google.rpc.RetryInfo", "value": "CgIIHg", "debug": {"retryDelay": "30s"}}


class Parts(Protocol):
    """Takes an answer's body; `wait` tells of the first `size` bytes, `over` of its end."""

    def __init__(self, size: int) -> None:
        self.data = b""
        self.size = size
        self.wait: Deferred[bytes] = Deferred()
        self.over: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.size and not self.wait.called:
            self.wait.callback(self.data)

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(None)
        if not self.wait.called:
            self.wait.errback(reason)


class RpcCase(TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.backend = Talk(self.folder)
        self.addCleanup(self.backend.stop)

    def start(self, gateway: str = "", **parts: str) -> Gateway:
        started = Gateway(self.folder, ini(self.backend, gateway, **parts)).start()
        self.addCleanup(started.stop)
        return started

    async def call(self, gateway: Gateway, rpc: str, body: bytes, content_type: str, **headers: str) -> Any:
        fields = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await gateway.post(rpc if rpc.startswith("/") else HERE + rpc, body, headers=fields)


class ConnectTests(RpcCase):
    async def unary(self, gateway: Gateway, rpc: str, body: Any, **headers: str) -> Any:
        headers = {"Connect-Protocol-Version": "1", **headers}
        return await self.call(gateway, rpc, json.dumps(body).encode(), "application/json", **headers)

    async def stream(self, gateway: Gateway, rpc: str, *messages: Any, **headers: str) -> Any:
        body = b"".join(frame(json.dumps(message).encode()) for message in messages)
        answer = await self.call(gateway, rpc, body, STREAM, **headers)
        assert (answer.status, answer.header("content-type")) == (200, STREAM)
        found, end = connect_parts(answer.body)
        return [json.loads(message) for message in found], end, answer

    async def test_unary(self) -> None:
        gateway = self.start()
        answer = await self.unary(gateway, "Tell", {"text": "x", "big": "7"}, Acme_Id="me")
        assert (answer.status, answer.json) == (200, {"text": "x", "big": "7"})
        assert answer.header("x-seen") == "me"
        assert answer.header("trailer-x-trailer") == "t"
        assert answer.header("trailer-x-raw-bin") == "AAECAw"
        assert answer.header("x-request-id")

    async def test_unary_in_protobuf(self) -> None:
        gateway = self.start()
        message = self.backend.words(text="x" * 5000).SerializeToString()
        packed = gzip.compress(message)
        answer = await self.call(gateway, "Tell", packed, "application/proto", Content_Encoding="gzip")
        assert (answer.status, answer.header("content-type")) == (200, "application/proto")
        assert answer.body == message  # treq has unpacked it

    async def test_a_failure(self) -> None:
        gateway = self.start()
        answer = await self.unary(gateway, "Tell", {"text": "fail"}, Acme_Id="me")
        assert (answer.status, answer.header("x-seen"), answer.header("trailer-x-trailer")) == (400, "me", "t")
        assert answer.json == {"code": "failed_precondition", "message": "it f\u00e4iled", "details": [DETAIL]}

    async def test_get(self) -> None:
        gateway = self.start()
        answer = await gateway.get(HERE + "Ask?connect=v1&encoding=json&message=%7B%22text%22%3A%22x%22%7D")
        assert (answer.status, answer.json) == (200, {"text": "x"})
        answer = await gateway.get("/test" + HERE + "Ask?connect=v1&encoding=proto&base64=1&message=CgF4")
        assert (answer.status, answer.body) == (200, b"\x0a\x01x")
        answer = await gateway.get(HERE + "Tell?connect=v1&encoding=proto&message=")
        assert (answer.status, answer.header("allow"), answer.json["code"]) == (405, "POST", "unknown")

    async def test_a_plain_json_post_stays_rest_and_gives_the_same(self) -> None:
        gateway = self.start()
        answer = await self.call(gateway, "Tell", b'{"text": "x"}', "application/json")
        assert (answer.status, answer.json, answer.header("trailer-x-trailer")) == (200, {"text": "x"}, None)
        answer = await self.call(gateway, "Tell", b'{"text": "fail"}', "application/json")
        assert (answer.status, answer.json["code"]) == (400, 9)

    async def test_server_stream(self) -> None:
        gateway = self.start()
        found, end, answer = await self.stream(gateway, "Hear", {"text": "m", "big": 3}, Acme_Id="me")
        assert found == [{"text": "m0"}, {"text": "m1"}, {"text": "m2"}]
        assert end == {"metadata": END}
        assert answer.header("x-seen") == "me"

    async def test_an_error_in_a_stream(self) -> None:
        gateway = self.start()
        found, end, _ = await self.stream(gateway, "Hear", {"text": "fail", "big": 2})
        assert [message["text"] for message in found] == ["fail0", "fail1"]
        error = {"code": "failed_precondition", "message": "it f\u00e4iled", "details": [DETAIL]}
        assert end == {"error": error, "metadata": {"x-trailer": ["t"]}}

    async def test_client_stream_and_bidi(self) -> None:
        gateway = self.start()
        found, _, _ = await self.stream(gateway, "Send", {"text": "a"}, {"text": "b"}, {})
        assert found == [{"text": "a b ", "big": "3"}]
        found, _, _ = await self.stream(gateway, "Chat", {"text": "a"}, {"text": "b"})
        assert found == [{"text": "a"}, {"text": "b"}]
        assert (await self.stream(gateway, "Chat"))[:2] == ([], {"metadata": END})

    async def test_a_bad_message_in_the_middle_ends_the_call(self) -> None:
        gateway = self.start()
        _, end, _ = await self.stream(gateway, "Send", {"text": "a"}, {"big": "x"}, {"text": "c"})
        assert end["error"]["code"] == "invalid_argument"
        assert "'[1].big'" in end["error"]["message"]

    async def test_too_large(self) -> None:
        gateway = self.start(gateway="max_request_body = 100")
        answer = await self.unary(gateway, "Tell", {"text": "x" * 100})
        assert (answer.status, answer.json["code"]) == (429, "resource_exhausted")
        _, end, _ = await self.stream(gateway, "Send", {"text": "x" * 50}, {"text": "x" * 50}, {"text": "x" * 100})
        assert end["error"]["code"] == "resource_exhausted"
        assert "message [2] of the request has more than 100 bytes" in end["error"]["message"]

    async def test_a_timeout(self) -> None:
        gateway = self.start()
        found, end, _ = await self.stream(gateway, "Hear", {"text": "m"}, Connect_Timeout_Ms="300")
        assert found == [{"text": "m0"}]
        assert end["error"]["code"] == "deadline_exceeded"

    async def hear(self, gateway: Gateway) -> Parts:
        """Begin a stream that does not end; its first message is there."""
        first = frame(json.dumps({"text": "m0"}, separators=(",", ":")).encode())
        response = await gateway.client.post(
            f"http://127.0.0.1:{gateway.port}{HERE}Hear",
            data=frame(b'{"text":"m"}'),
            headers={"Content-Type": STREAM},
            unbuffered=True,
        )
        parts = Parts(len(first))
        response.original.deliverBody(parts)
        assert await parts.wait == first
        return parts

    async def test_a_client_that_leaves_cancels_the_call(self) -> None:
        parts = await self.hear(self.start())
        parts.transport.stopProducing()  # type: ignore[union-attr]
        assert await deferToThread(self.backend.cancelled.wait, 30)

    async def test_a_backend_that_dies_in_a_stream(self) -> None:
        parts = await self.hear(self.start())
        await deferToThread(self.backend.stop)
        await parts.over
        (_, end) = connect_parts(parts.data)
        assert end["error"]["code"] == "unavailable"

    async def test_a_reload_in_a_stream(self) -> None:
        gateway = self.start()
        parts = await self.hear(gateway)
        await gateway.reload()
        assert (await self.unary(gateway, "Tell", {"text": "x"})).json == {"text": "x"}
        assert not parts.over.called
        parts.transport.stopProducing()  # type: ignore[union-attr]
        assert await deferToThread(self.backend.cancelled.wait, 30)

    async def test_no_plugin_and_no_route(self) -> None:
        gateway = self.start(more="[environment:talk/prepub]\npublished = yes")
        answer = await self.unary(gateway, "/prepub" + HERE + "Tell", {})
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert "no backend-grpc plugin is bound to API talk/all in environment prepub" in answer.json["message"]
        answer = await self.unary(gateway, "Nothing", {})
        assert (answer.status, answer.json["code"]) == (404, "unimplemented")
        answer = await self.call(gateway, "Nothing", b"x" * 100_000, STREAM)
        assert (answer.status, answer.json["code"]) == (404, "unimplemented")

    async def test_a_preflight_of_a_get(self) -> None:
        cors = "[plugin:c]\ntype = cors\nallow_origins = http://a.example\n"
        gateway = self.start(more=cors + "[binding:c]\nplugin = c\nservice = talk\nenvironment = release\napis = *\n")
        asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}
        allowed = {}
        for rpc in ("Ask", "Tell"):
            answer = await gateway.request("OPTIONS", HERE + rpc, headers=asked)
            allowed[rpc] = answer.header("access-control-allow-methods")
        assert allowed == {"Ask": "GET, POST", "Tell": "POST"}

    async def test_a_backend_that_is_gone(self) -> None:
        gateway = self.start()
        await deferToThread(self.backend.stop)
        answer = await self.unary(gateway, "Tell", {})
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert answer.json["details"][0]["debug"]["reason"] == "BACKEND_UNAVAILABLE"


class GrpcWebTests(RpcCase):
    def words(self, **fields: Any) -> bytes:
        message: bytes = self.backend.words(**fields).SerializeToString()
        return message

    async def test_unary(self) -> None:
        gateway = self.start()
        answer = await self.call(gateway, "Tell", frame(self.words(text="x")), WEB, Acme_Id="me", X_Grpc_Web="1")
        assert (answer.status, answer.header("content-type"), answer.header("x-seen")) == (200, WEB, "me")
        assert grpc_web_parts(answer.body) == (
            [self.words(text="x")],
            {"grpc-status": "0", "x-trailer": "t", "x-raw-bin": "AAECAw"},
        )

    async def test_text(self) -> None:
        gateway = self.start()
        body = base64.b64encode(frame(self.words(text="m", big=3)))
        for rpc, expected in (
            ("Tell", [self.words(text="m", big=3)]),
            ("Hear", [self.words(text=f"m{i}") for i in range(3)]),
        ):
            answer = await self.call(
                gateway, rpc, body, "application/grpc-web-text", Accept="application/grpc-web-text"
            )
            assert answer.header("content-type") == "application/grpc-web-text"
            found, trailers = grpc_web_parts(from_text(answer.body))
            assert (found, trailers["grpc-status"]) == (expected, "0")

    async def test_a_failure(self) -> None:
        gateway = self.start()
        answer = await self.call(gateway, "Tell", frame(self.words(text="fail")), WEB, Acme_Id="me")
        assert (answer.status, answer.header("x-seen")) == (200, "me")
        found, trailers = grpc_web_parts(answer.body)
        assert (found, trailers["grpc-status"], trailers["grpc-message"]) == ([], "9", "it f%C3%A4iled")
        answer = await self.call(gateway, "Hear", frame(self.words(text="fail", big=1)), WEB)
        found, trailers = grpc_web_parts(answer.body)
        assert (found, trailers["grpc-status"]) == ([self.words(text="fail0")], "9")

    async def test_errors_of_the_gateway(self) -> None:
        gateway = self.start(gateway="max_request_body = 100")
        for rpc, body, status in (
            ("Nothing", frame(b""), "12"),
            ("Tell", frame(self.words(text="x" * 100)), "8"),
            ("Hear", frame(self.words(text="x" * 100)), "8"),
            ("Tell", b"", "12"),
            ("Tell", frame(b"\xff"), "3"),
        ):
            answer = await self.call(gateway, rpc, body, WEB)
            assert (answer.status, answer.header("grpc-status"), answer.body) == (200, status, b""), rpc

    async def test_a_message_of_just_the_limit(self) -> None:
        gateway = self.start(gateway="max_request_body = 100")
        message = self.words(text="x" * 98)
        assert len(message) == 100
        for content_type, body in (
            (WEB, frame(message)),
            ("application/grpc-web-text", base64.b64encode(frame(message))),
        ):
            answer = await self.call(gateway, "Tell", body, content_type)
            data = answer.body if content_type == WEB else from_text(answer.body)
            assert grpc_web_parts(data)[0] == [message]

    async def test_the_deadline_goes_on(self) -> None:
        gateway = self.start()
        answer = await self.call(gateway, "Hear", frame(self.words(text="m")), WEB, Grpc_Timeout="300m")
        found, trailers = grpc_web_parts(answer.body)
        assert (found, trailers["grpc-status"]) == ([self.words(text="m0")], "4")
