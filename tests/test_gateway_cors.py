"""CORS through a whole gateway: what a browser would be told, by every sort of answer."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gateway import Gateway
from grpc_backend import echo_backend
from test_gateway_proxy import Web
from twisted.trial.unittest import TestCase

PAGE = "https://app.example"
EVIL = "https://evil.example"
INI = """
    [gateway]
    max_request_body = 1000
    {gateway}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:echo]
    [backend:echo]
    protocol = grpc
    target = {target}
    [backend:web]
    protocol = http
    target = http://127.0.0.1:{web}
    [api:echo/all]
    rpc = echo.v1.Echo/*
    backend = echo
    [api:echo/bare]
    method = PUT
    path = /bare
    rpc = echo.v1.Echo/Say
    backend = echo
    [api:echo/web]
    method = *
    path = /files/**
    backend = web
    [plugin:echo]
    type = backend-grpc
    proto = echo.proto
    [binding:echo]
    plugin = echo
    service = echo
    environment = release
    [plugin:pages]
    type = cors
    allow_origins = https://app.example
    {cors}
    [binding:pages]
    plugin = pages
    service = echo
    environment = release
    apis = all, web
    [binding:pages-without-types]
    plugin = pages
    service = echo
    environment = test
    apis = all
"""
FIELDS = ("access-control-allow-origin", "access-control-expose-headers", "vary")


class CorsTests(TestCase):
    timeout = 60

    def start(self, *, gateway="", cors="", web=None, **methods):
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.backend = echo_backend(folder, **methods)
        self.addCleanup(self.backend.stop)
        self.web = Web(web)
        self.addCleanup(self.web.stop)
        ini = INI.format(target=self.backend.target, web=self.web.port, gateway=gateway, cors=cors)
        self.gateway = Gateway(folder, ini).start()
        self.addCleanup(self.gateway.stop)
        return self.gateway

    async def ask(self, method, target, origin=PAGE, **headers):
        fields = {"Origin": origin, "Access-Control-Request-Method": method, **headers}
        return await self.gateway.request("OPTIONS", target, headers=fields)

    def check_open(self, answer):
        """The answer may be read by a page of the origin that is allowed."""
        self.assertEqual(answer.header("access-control-allow-origin"), PAGE)
        self.assertIn("grpc-status-details-bin", answer.header("access-control-expose-headers"))
        self.assertIn("Origin", answer.header("vary"))

    def check_bare(self, answer):
        self.assertEqual([answer.header(name) for name in FIELDS], [None] * 3)

    async def test_preflight(self):
        self.start()
        answer = await self.ask("POST", "/v1/say", **{"Access-Control-Request-Headers": "content-type,x-a"})
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.header("access-control-allow-origin"), PAGE)
        self.assertEqual(answer.header("access-control-allow-methods"), "POST")
        self.assertEqual(answer.header("access-control-allow-headers"), "content-type,x-a")
        self.assertEqual(answer.header("access-control-max-age"), "600")
        self.assertIn("Access-Control-Request-Method", answer.header("vary"))
        self.assertIsNotNone(answer.header("x-request-id"))
        self.assertEqual(self.backend.calls, [])

    async def test_preflight_of_an_http_backend_does_not_reach_it(self):
        self.start()
        answer = await self.ask("PUT", "/files/a")
        self.assertEqual((answer.status, answer.header("access-control-allow-methods")), (204, "PUT"))
        self.assertEqual(self.web.seen, [])

    async def test_an_options_that_is_no_preflight_reaches_it(self):
        self.start()
        answer = await self.gateway.request("OPTIONS", "/files/a", headers={"Origin": PAGE})
        self.assertEqual(answer.status, 501)  # that server's own word
        self.assertIn(b"Unsupported method", answer.body)
        self.check_open(answer)

    async def test_preflight_from_elsewhere(self):
        self.start()
        answer = await self.ask("POST", "/v1/say", EVIL)
        self.assertEqual((answer.status, answer.reason), (403, "ORIGIN_NOT_ALLOWED"))
        self.assertIsNone(answer.header("access-control-allow-origin"))

    async def test_preflight_where_no_plugin_is_bound(self):
        self.start()
        answer = await self.ask("PUT", "/bare")
        self.assertEqual((answer.status, answer.header("allow")), (405, "PUT"))
        self.check_bare(answer)
        self.assertEqual((await self.ask("GET", "/nowhere")).status, 404)

    async def test_options_without_a_question_is_as_ever(self):
        self.start()
        answer = await self.gateway.request("OPTIONS", "/v1/say", headers={"Origin": PAGE})
        self.assertEqual((answer.status, answer.header("allow")), (405, "POST"))
        self.check_open(answer)

    async def test_answers_may_be_read(self):
        self.start()
        for answer in (
            await self.gateway.get("/v1/say/hi", headers={"Origin": PAGE}),
            await self.gateway.post("/v1/say", b'{"text": "hi"}', headers={"Origin": PAGE}),
            await self.gateway.get("/files/a", headers={"Origin": PAGE}),
        ):
            self.assertLess(answer.status, 300)
            self.check_open(answer)

    async def test_answers_to_others_say_only_that_they_vary(self):
        self.start()
        for headers in ({}, {"Origin": EVIL}):
            answer = await self.gateway.get("/v1/say/hi", headers=headers)
            self.assertEqual(answer.status, 200)
            self.assertEqual([answer.header(name) for name in FIELDS], [None, None, "Origin"])

    async def test_answers_of_apis_that_no_plugin_is_bound_to(self):
        self.start()
        answer = await self.gateway.request("PUT", "/bare", b"{}", headers={"Origin": PAGE})
        self.assertEqual(answer.status, 200)
        self.check_bare(answer)

    async def test_compressed_answers_vary_by_both(self):
        self.start()
        headers = {"Origin": PAGE, "Accept-Encoding": "gzip"}
        answer = await self.gateway.request("POST", "/v1/say", b'{"list": ["%s"]}' % (b"x" * 900), headers=headers)
        self.assertEqual(answer.status, 200)
        self.check_open(answer)

    async def test_errors_may_be_read(self):
        def refuse(request, context):
            import grpc

            context.abort(grpc.StatusCode.NOT_FOUND, "none such")

        self.start(Say=refuse)
        found = {
            "backend": await self.gateway.get("/v1/say/hi", headers={"Origin": PAGE}),
            "body": await self.gateway.post("/v1/say", b"{", headers={"Origin": PAGE}),
            "query": await self.gateway.get("/v1/say/hi?nope=1", headers={"Origin": PAGE}),
            "large": await self.gateway.post("/v1/say", b" " * 2000, headers={"Origin": PAGE}),
            "method": await self.gateway.request("DELETE", "/v1/say", headers={"Origin": PAGE}),
            "unbound": await self.gateway.get("/test/v1/say/hi", headers={"Origin": PAGE}),
        }
        self.assertEqual(
            {name: answer.status for name, answer in found.items()},
            {"backend": 404, "body": 400, "query": 400, "large": 413, "method": 405, "unbound": 500},
        )
        for answer in found.values():
            self.check_open(answer)
        self.check_bare(await self.gateway.get("/nowhere", headers={"Origin": PAGE}))

    async def test_streams_may_be_read(self):
        def watch(request, context):
            yield request

        self.start(Watch=watch)
        for accept in ("application/x-ndjson", "text/event-stream", "application/json"):
            answer = await self.gateway.get("/v1/watch?text=a", headers={"Origin": PAGE, "Accept": accept})
            self.assertEqual(answer.status, 200)
            self.assertIn(b'"a"', answer.body)
            self.check_open(answer)

    async def test_what_an_http_backend_says_is_replaced(self):
        def answer(handler):
            handler.send_response(200)
            for name, value in (("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true")):
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.start(web=answer)
        found = await self.gateway.get("/files/a", headers={"Origin": PAGE})
        self.check_open(found)
        self.assertIsNone(found.header("access-control-allow-credentials"))
        self.assertIsNone((await self.gateway.get("/files/a")).header("access-control-allow-origin"))

    async def test_what_a_grpc_backend_says_is_replaced(self):
        def say(request, context):
            context.send_initial_metadata((("access-control-allow-origin", "*"), ("x-a", "1")))
            return request

        self.start(Say=say, cors="expose_headers = X-A\n    allow_credentials = yes")
        found = await self.gateway.get("/v1/say/hi", headers={"Origin": PAGE})
        self.check_open(found)
        self.assertEqual(found.header("x-a"), "1")
        self.assertIn("x-a", found.header("access-control-expose-headers"))
        self.assertEqual(found.header("access-control-allow-credentials"), "true")

    async def test_a_reload_changes_it_at_once(self):
        gateway = self.start()
        gateway.write(gateway.path.read_text().replace("https://app.example", "https://*.example"))
        outcome = await gateway.reload()
        self.assertIn("plugin pages changed", outcome.message)
        self.assertEqual((await self.ask("POST", "/v1/say", EVIL)).status, 204)
