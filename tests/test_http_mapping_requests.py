"""Rules of docs/http-mapping.md that no other test shows on the wire: a real client, gateway and gRPC server."""

from __future__ import annotations

import json

import grpc
from google.protobuf import message_factory
from test_gateway_requests import Base

FORM = {"content-type": "application/x-www-form-urlencoded"}
BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}


class QueryTests(Base):
    async def test_system_parameters(self) -> None:
        """Enums as numbers and protobuf as the clients of Google ask for them; the others change nothing."""
        gateway = self.start()
        for name in ("$alt", "%24alt", "alt"):
            answer = await gateway.get(f"/v1/say/x?mood=GLAD&{name}=json;enum-encoding=int")
            self.assertEqual(answer.json, {"text": "x", "mood": 1})
        answer = await gateway.get("/v1/say/x?$alt=proto")
        self.assertEqual((answer.header("content-type"), answer.body), ("application/x-protobuf", b"\x0a\x01x"))
        answer = await gateway.get("/v1/say/x?$.xgafv=2&key=k&prettyPrint=false&quotaUser=u&fields=big")
        self.assertEqual(answer.body, b'{"text":"x"}')
        answer = await gateway.post("/v1/say?$alt=json;enum-encoding=int", b'{"mood": "SAD"}')
        self.assertEqual(answer.json, {"mood": 2})

    async def test_names_that_are_no_parameters(self) -> None:
        """What the path or the body sets is unknown to the query."""
        gateway = self.start()
        for method, path, name in (
            ("GET", "/v1/say/x?text=y", "text"),
            ("POST", "/v1/say?big=1", "big"),
            ("POST", "/v1/inner/x?inner.count=1", "inner.count"),
            ("GET", "/v1/deep/a/1?inner.text=b", "inner.text"),
        ):
            answer = await gateway.request(method, path, b"{}" if method == "POST" else None)
            self.assertEqual((answer.status, answer.reason), (400, "INVALID_QUERY"), path)
            (violation,) = answer.json["details"][1]["fieldViolations"]
            self.assertEqual(violation["field"], name)
        self.assertEqual(self.backend.calls, [])

    async def test_unknown_names_ignored(self) -> None:
        """`unknown_query = ignore` and `unknown_fields = ignore`; the path's value stays all the same."""
        gateway = self.start(plugin="unknown_query = ignore\n    unknown_fields = ignore")
        self.assertEqual((await gateway.get("/v1/say/x?nope=1&text=y")).json, {"text": "x"})
        self.assertEqual((await gateway.post("/v1/say?text=y", b'{"nope": 1, "big": 2}')).json, {"big": "2"})
        self.assertEqual((await gateway.get("/v1/say/x?big=x")).status, 400)


class BodyTests(Base):
    async def test_empty_body(self) -> None:
        """An empty body is an empty message; an unset field of presence is null as the whole answer."""
        gateway = self.start()
        for headers in ({}, {"content-type": "application/json"}, {"content-type": "text/xml"}):
            answer = await gateway.post("/v1/say", b"", headers=headers)
            self.assertEqual((answer.status, answer.json), (200, {}))
        self.assertEqual((await gateway.post("/v1/inner/x", b"")).body, b"null")
        self.assertEqual((await gateway.post("/v1/inner/x", b"null")).body, b"null")
        self.assertEqual((await gateway.post("/v1/inner/x", b"{}")).body, b"{}")
        self.assertEqual((await gateway.post("/v1/list", b"")).body, b"[]")

    async def test_media_types(self) -> None:
        """JSON by its names and by none; the charset can only be UTF-8."""
        gateway = self.start()
        for name in ("application/json", "application/json; charset=UTF-8", "application/problem+json"):
            answer = await gateway.post("/v1/say", b'{"text": "x"}', headers={"content-type": name})
            self.assertEqual((answer.status, answer.json), (200, {"text": "x"}), name)
        for name in ("application/json; charset=latin-1", "text/plain", "application/octet-stream"):
            answer = await gateway.post("/v1/say", b'{"text": "x"}', headers={"content-type": name})
            self.assertEqual((answer.status, answer.reason), (415, "UNSUPPORTED_MEDIA_TYPE"), name)

    async def test_forms(self) -> None:
        """Fields as in a query; JSON where `curl -d` sent it; a file fills a bytes field."""
        gateway = self.start()
        answer = await gateway.post("/v1/say", b"text=a+b&inner.count=3&labels[k]=v&list=1&list=2", headers=FORM)
        self.assertEqual(answer.json, {"text": "a b", "inner": {"count": 3}, "labels": {"k": "v"}, "list": ["1", "2"]})
        answer = await gateway.post("/v1/say", b'{"text": "x"}', headers=FORM)
        self.assertEqual(answer.json, {"text": "x"})
        parts = (
            b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nx\r\n'
            b'--b\r\nContent-Disposition: form-data; name="data"; filename="f"\r\n\r\n\x00\xff\r\n--b--\r\n'
        )
        answer = await gateway.post("/v1/say", parts, headers=BOUNDARY)
        self.assertEqual(answer.json, {"text": "x", "data": "AP8="})
        answer = await gateway.post("/v1/say", b"nope=1", headers=FORM)
        self.assertEqual((answer.status, answer.reason), (400, "INVALID_BODY"))

    async def test_http_body(self) -> None:
        """Whatever the content type, nothing is read; without one the answer is octets."""
        gateway = self.start()
        for name in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
            answer = await gateway.post("/v1/raw", b"{no json", headers={"content-type": name})
            self.assertEqual((answer.status, answer.body, answer.header("content-type")), (200, b"{no json", name))
        answer = await gateway.post("/v1/raw", b"x")
        self.assertEqual(answer.header("content-type"), "application/octet-stream")

    async def test_patch(self) -> None:
        """The path's value wins over the body; the client's own mask is kept."""
        gateway = self.start()
        await gateway.request("PATCH", "/v1/words/t?updateMask=big,inner.count", b'{"text": "other", "big": 5}')
        message = self.last()[1]
        self.assertEqual((message.words.text, message.words.big), ("t", 5))
        self.assertEqual(list(message.update_mask.paths), ["big", "inner.count"])


class AnswerTests(Base):
    async def test_print_options(self) -> None:
        """The plugin's options for JSON hold for answers."""
        gateway = self.start(
            plugin="always_print_fields = yes\n    preserve_proto_field_names = yes\n    enums_as_numbers = yes"
        )
        answer = await gateway.request("PATCH", "/v1/words/t", b'{"mood": "sad"}')
        self.assertEqual(answer.status, 400)
        answer = await gateway.request("PATCH", "/v1/words/t", b'{"mood": "SAD"}')
        self.assertEqual(answer.json["update_mask"], "mood")
        self.assertEqual((answer.json["words"]["mood"], answer.json["words"]["big"]), (2, "0"))

    async def test_case_insensitive_enums(self) -> None:
        gateway = self.start(plugin="case_insensitive_enums = yes")
        self.assertEqual((await gateway.get("/v1/say/x?mood=sad")).json, {"text": "x", "mood": "SAD"})
        self.assertEqual((await gateway.post("/v1/say", b'{"mood": "glad"}')).json, {"mood": "GLAD"})

    async def test_answer_that_has_no_json(self) -> None:
        """A message that ProtoJSON cannot show is the backend's fault: 500, and protobuf can be had all the same."""

        def say(request, context):
            request.at.seconds = 1 << 60
            return request

        gateway = self.start(Say=say)
        answer = await gateway.get("/v1/say/x")
        self.assertEqual((answer.status, answer.reason), (500, "UNWRITABLE_MESSAGE"))
        answer = await gateway.get("/v1/say/x", headers={"accept": "application/protobuf"})
        message = message_factory.GetMessageClass(type(self.last()[1]).DESCRIPTOR).FromString(answer.body)
        self.assertEqual((answer.status, message.at.seconds), (200, 1 << 60))

    async def test_protobuf_where_the_answer_is_no_message(self) -> None:
        """A list has no protobuf form: JSON."""
        gateway = self.start()
        answer = await gateway.post("/v1/list", b'["a"]', headers={"accept": "application/x-protobuf"})
        self.assertEqual((answer.header("content-type"), answer.json), ("application/json", ["a"]))

    async def test_both_error_formats(self) -> None:
        """The same error in both forms; without a route it is always google.rpc.Status."""
        gateway = self.start()
        plain = (await gateway.get("/v1/say/x?nope=1")).json
        self.assertEqual((set(plain), plain["code"]), ({"code", "message", "details"}, 3))
        await gateway.stop()
        gateway = self.start(plugin="error_format = google")
        answer = await gateway.get("/v1/say/x?nope=1")
        self.assertEqual((answer.status, answer.header("content-type")), (400, "application/json"))
        self.assertEqual(
            answer.json,
            {
                "error": {
                    "code": 400,
                    "message": plain["message"],
                    "status": "INVALID_ARGUMENT",
                    "details": plain["details"],
                }
            },
        )
        self.assertEqual((await gateway.get("/nothing")).json["code"], 5)

    async def test_trailers_of_an_error(self) -> None:
        """A backend's metadata comes with its error too."""

        def say(request, context):
            context.send_initial_metadata((("x-first", "1"),))
            context.set_trailing_metadata((("x-last", "2"),))
            context.abort(grpc.StatusCode.ABORTED, "told")

        gateway = self.start(Say=say)
        answer = await gateway.get("/v1/say/x")
        self.assertEqual((answer.status, answer.json["message"]), (409, "told"))
        self.assertEqual((answer.header("x-first"), answer.header("x-last")), ("1", None))


class ForwardedTests(Base):
    async def test_untrusted(self) -> None:
        """What a client says of itself is replaced."""
        gateway = self.start()
        headers = {"x-forwarded-for": "6.6.6.6", "x-forwarded-host": "evil", "x-forwarded-proto": "https"}
        await gateway.get("/v1/say/x", headers=headers)
        metadata = self.last()[2]
        self.assertEqual(metadata["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(metadata["x-forwarded-host"], f"127.0.0.1:{gateway.port}")
        self.assertEqual(metadata["x-forwarded-proto"], "http")

    async def test_trusted(self) -> None:
        """What a trusted proxy says is believed, and goes on."""
        gateway = self.start(gateway="trusted_proxies = 127.0.0.0/8")
        headers = {
            "x-forwarded-for": "6.6.6.6, 5.5.5.5",
            "x-forwarded-host": "shop.example",
            "x-forwarded-proto": "https",
        }
        await gateway.get("/v1/say/x", headers=headers)
        metadata = self.last()[2]
        self.assertEqual(metadata["x-forwarded-for"], "6.6.6.6, 5.5.5.5, 127.0.0.1")
        self.assertEqual(metadata["x-forwarded-host"], "shop.example")
        self.assertEqual(metadata["x-forwarded-proto"], "https")

    async def test_fields_that_end_at_the_connection(self) -> None:
        """Connection names fields that go no further."""
        gateway = self.start()
        await gateway.get("/v1/say/x", headers={"connection": "x-private", "x-private": "1", "x-public": "2"})
        metadata = self.last()[2]
        self.assertEqual((metadata.get("x-private"), metadata.get("x-public")), (None, "2"))


class RoutingTests(Base):
    async def test_paths_are_exact(self) -> None:
        """A trailing slash, the case of letters and empty segments matter; escapes of the same octets do not."""
        gateway = self.start()
        for path in ("/v1/say/x/", "/V1/say/x", "/v1//say/x", "/v1/say/", "//v1/say/x"):
            self.assertEqual((await gateway.get(path)).status, 404, path)
        answer = await gateway.get("/v%31/s%61y/x")
        self.assertEqual((answer.status, answer.json), (200, {"text": "x"}))

    async def test_a_verb_only_where_a_template_has_it(self) -> None:
        gateway = self.start()
        self.assertEqual((await gateway.get("/v1/say/x:shout")).json, {"text": "x:shout"})
        self.assertEqual((await gateway.post("/v1/say/x:shout", b"{}")).json, {"text": "x"})
        self.assertEqual((await gateway.post("/v1/say/x:other", b"{}")).status, 405)

    async def test_malformed_escapes(self) -> None:
        """400, in the path as in the query."""
        gateway = self.start()
        for path, reason in (
            ("/v1/say/%zz", "INVALID_PATH"),
            ("/v1/say/%ff", "INVALID_PATH"),
            ("/v1/say/x?big=%", "INVALID_QUERY"),
            ("/v1/say/x?labels[k]=%ff", "INVALID_QUERY"),
        ):
            answer = await gateway.get(path)
            self.assertEqual((answer.status, answer.reason), (400, reason), path)
            self.assertEqual(json.loads(answer.body)["code"], 3)
