"""The running gateway through the admin API: status, reload, check, explain, try, routes, documentation, audit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import trustme
from admin_site import OPERATORS_PLUGIN, AdminCase, files
from openapi_spec_validator import validate

from twistedgw import __version__


class StatusTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {"more": OPERATORS_PLUGIN}

    async def test_status(self) -> None:
        status = await self.ok("GET", "/v1/status")
        assert (status["version"], status["state"], status["generation"]) == (__version__, "serving", "1")
        assert (status["pluginCount"], status["bindingCount"], status["serviceCount"]) == (1, 1, 1)
        assert status["listeners"] == [
            {
                "name": "http",
                "endpoint": "tcp:0:interface=127.0.0.1",
                "url": f"http://127.0.0.1:{self.site.gateway.port}",
            }
        ]
        assert [each["pid"] for each in status["workers"]] == [os.getpid()]
        assert status["since"] == status["startTime"]
        assert any("every request to it is an error" in each["message"] for each in status["warnings"])
        gateway = self.site.gateway
        assert (await gateway.request("PUT", "/test/own/x", b"{}")).status == 200
        assert (await gateway.request("PUT", "/own/x", b"{}")).status == 500
        status = await self.ok("GET", "/v1/status")
        assert status["responses"] == {"2xx": "1", "5xx": "1"}
        assert status["errors"] == [
            {"service": "echo", "environment": "release", "api": "own", "code": "INTERNAL", "count": "1"}
        ]

    async def test_reload_and_check(self) -> None:
        site = self.site
        site.rewrite(more=OPERATORS_PLUGIN + "\n[service:more]\n")
        check = await self.ok("POST", "/v1:check", {})
        assert (check["ok"], check["changes"]) == (True, "service more added")
        assert (await self.api("GET", "/v1/services/more")).status == 404
        result = await self.ok("POST", "/v1:reload")
        assert (result["accepted"], result["generation"], result["cause"]) == (True, "2", "admin")
        assert (await self.api("GET", "/v1/services/more")).status == 200
        site.rewrite(more="[service:more]\nnonsense = 1\n[api:x/y]\n")
        check = await self.ok("POST", "/v1:check", {})
        assert "ok" not in check
        assert {each["section"] for each in check["problems"]} == {"service:more", "api:x/y"}
        result = await self.ok("POST", "/v1:reload")
        assert "accepted" not in result
        assert result["generation"] == "2"
        assert result["problems"] == check["problems"]
        status = await self.ok("GET", "/v1/status")
        assert [each.get("accepted", False) for each in status["reloads"]] == [False, True]
        assert status["since"] > status["startTime"]
        # Nothing can be changed while the operator's own files are wrong, and it is told why.
        refusal = await self.refused(
            "POST", "/v1/services?service_id=z", {}, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert refusal.status["code"] == 9
        assert [each["message"] for each in refusal.problems] == [each["message"] for each in check["problems"]]
        assert self.site.store == ""

    async def test_explain(self) -> None:
        answer = await self.ok("POST", "/v1:explain", {"method": "PUT", "url": "/test/own/hello", "body": "{}"})
        explanation = answer["explanation"]
        assert explanation["sent"]
        assert explanation["outgoing"]["message"] == {"text": "hello"}
        assert "plugin     operators" in answer["text"]
        answer = await self.ok("POST", "/v1:explain", {"method": "GET", "url": "http://x.example/test/own/hello"})
        assert not answer["explanation"]["sent"]
        for body in ({"method": "GET", "url": "ftp://x"}, {"method": "G T", "url": "/"}, {"method": "GET", "url": ""}):
            assert (await self.api("POST", "/v1:explain", body)).reason == "INVALID_FIELD"
        body = {"method": "GET", "url": "/", "headers": [{"name": "a\nb", "value": "x"}]}
        assert (await self.api("POST", "/v1:explain", body)).status == 400

    async def test_routes(self) -> None:
        await self.make_shop()
        await self.bind_shop("*")
        everything = await self.ok("GET", "/v1/routes?page_size=1000")
        assert everything["totalSize"] == len(everything["routes"])
        shop = (await self.ok("GET", "/v1/routes?plugin=shop"))["routes"]
        assert [(row["method"], row["path"], row["hosts"], row["kind"]) for row in shop] == [
            ("GET", "/get/{id}", ["shop.example"], "api"),
            ("PUT", "/put/{id}", ["shop.example"], "api"),
        ]
        assert shop[1]["methodName"] == "plugins/shop/methods/shop.v1.Shop.PutItem"
        assert shop[1]["rule"].endswith(":28") or ":" in shop[1]["rule"]
        unbound = (await self.ok("GET", "/v1/routes?service=shop&environment=test"))["routes"]
        assert {row["kind"] for row in unbound} == {"unbound"}
        found = (await self.ok("GET", "/v1/routes?filter=put%20SHOP.example%20release"))["routes"]
        assert [row["api"] for row in found] == ["put"]

    async def test_openapi(self) -> None:
        await self.make_shop()
        await self.bind_shop("*")
        document = await self.ok("GET", "/v1/openapi?service=shop")
        assert set(document["paths"]) == {"/get/{id}", "/put/{id}"}
        validate(document)
        answer = await self.api("GET", "/v1/openapi?service=shop&format=yaml")
        assert answer.header("content-type") == "application/yaml"
        assert answer.body.startswith(b"openapi:")
        own = await self.ok("GET", "/v1/openapi")
        validate(own)
        assert "/v1/plugins/{plugin}" in own["paths"] or any(path.startswith("/v1/plugins") for path in own["paths"])
        assert (await self.api("GET", "/v1/openapi?service=nothing")).status == 404
        assert (await self.api("GET", "/v1/openapi?service=shop&environment=nothing")).status == 404
        assert (await self.api("GET", "/v1/openapi?format=xml")).reason == "INVALID_FIELD"


class AuditTests(AdminCase):
    async def test_a_refusal_is_in_it(self) -> None:
        """What was refused before anything was written, too; what was only asked about is not."""
        await self.ok("POST", "/v1/services?service_id=a", {"hosts": ["a.example"]})
        await self.api("POST", "/v1/services?service_id=a&validate_only=true", {"hosts": ["b.example"]})
        assert (await self.api("POST", "/v1/services?service_id=a", {"hosts": ["b.example"]})).status == 409
        entries = (await self.ok("GET", "/v1/audit"))["entries"]
        assert [(each["method"], each["result"]) for each in entries] == [
            ("CreateService", "ALREADY_EXISTS"),
            ("CreateService", "ok"),
        ]

    async def test_trail(self) -> None:
        actor = {"X-Actor": "eve; DROP", "X-Request-Id": "req-1"}
        await self.ok("POST", "/v1/services?service_id=a", {"hosts": ["a.example"]}, headers=actor)
        await self.ok("PATCH", "/v1/services/a", {"hosts": ["b.example"]})
        await self.ok("PATCH", "/v1/services/a", {"hosts": ["b.example"]})
        await self.ok("PATCH", "/v1/services/a?validate_only=true", {"hosts": ["c.example"]})
        await self.ok("DELETE", "/v1/services/a")
        await self.ok("POST", "/v1:reload")
        entries = (await self.ok("GET", "/v1/audit"))["entries"]
        assert [each["method"] for each in entries] == ["Reload", "DeleteService", "UpdateService", "CreateService"]
        created = entries[3]
        assert (created["actor"], created["requestId"]) == ("127.0.0.1 (eve; DROP)", "req-1")
        assert (created["resource"], created["result"], created["generation"]) == ("services/a", "ok", "2")
        assert created["changes"] == ["[service:a] added", "[service:a] hosts: - -> a.example"]
        assert entries[2]["changes"] == ["[service:a] hosts: a.example -> b.example"]
        found = (await self.ok("GET", "/v1/audit?filter=eve"))["entries"]
        assert [each["method"] for each in found] == ["CreateService"]
        first = await self.ok("GET", "/v1/audit?page_size=3")
        rest = await self.ok("GET", f"/v1/audit?page_size=3&page_token={first['nextPageToken']}")
        assert first["entries"] + rest["entries"] == entries
        lines = (self.folder / "var" / "audit.log").read_text().splitlines()
        assert [json.loads(line)["method"] for line in lines] == [each["method"] for each in reversed(entries)]

    async def test_bounded(self) -> None:
        """A long trail is cut into a few files; the newest is what is kept."""
        from twistedgw.admin import audit

        self.patch(audit, "_LARGEST", 2000)
        for number in range(40):
            await self.ok("POST", f"/v1/services?service_id=s{number}", {})
        files_ = sorted(path.name for path in (self.folder / "var").glob("audit.log*"))
        assert files_ == ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"]
        total = sum(path.stat().st_size for path in (self.folder / "var").glob("audit.log*"))
        assert total < 4 * 2500
        entries = (await self.ok("GET", "/v1/audit?page_size=1000"))["entries"]
        assert entries[0]["resource"] == "services/s39"
        (self.folder / "var" / "audit.log").write_text("half a li")
        assert (await self.ok("GET", "/v1/audit?page_size=1000"))["entries"][0]["resource"] != "services/s39"


def events(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.body.splitlines()]


class TryTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {
        "more": "[listener:https]\nendpoint = tcp:0:interface=localhost\nprotocol = https\ncertificate = c.pem\nprivate_key = k.pem\n[service:secret]\nprotocols = https\nhosts = secret.example\n"
    }

    def setUp(self) -> None:
        leaf = trustme.CA().issue_cert("secret.example")
        self.leaf = leaf
        super().setUp()

    def methods(self) -> dict[str, Any]:
        folder = Path(self.folder)
        self.leaf.private_key_pem.write_to_path(folder / "k.pem")
        self.leaf.cert_chain_pems[0].write_to_path(folder / "c.pem")
        return {}

    async def run_try(self, **fields: Any) -> list[dict[str, Any]]:
        answer = await self.api("POST", "/v1:try", fields, headers={"Accept": "application/x-ndjson"})
        assert answer.status == 200, answer.body
        return events(answer)

    async def test_a_call(self) -> None:
        await self.bind_echo()
        body = json.dumps({"text": "hällo"}, ensure_ascii=False)
        head, piece, end = await self.run_try(method="POST", path="/v1/say", body=body, service="echo")
        assert head["head"]["status"] == 200
        names = {each["name"].lower(): each["value"] for each in head["head"]["headers"]}
        assert names["content-type"] == "application/json"
        assert head["head"]["url"] == "http://localhost/v1/say"
        assert json.loads(piece["body"]["text"]) == {"text": "hällo"}
        assert int(end["end"]["sizeBytes"]) == len(piece["body"]["text"].encode())
        assert "error" not in end["end"]
        assert end["elapsed"].endswith("s")
        head, piece, end = await self.run_try(method="GET", path="/nothing")
        assert head["head"]["status"] == 404
        assert json.loads(piece["body"]["text"])["code"] == 5

    async def test_over_tls(self) -> None:
        """A service that is published over HTTPS only is asked over HTTPS, by its own name."""
        head, *_ = await self.run_try(method="GET", path="/x", service="secret")
        assert (head["head"]["status"], head["head"]["url"]) == (404, "https://secret.example/x")

    async def test_refusals(self) -> None:
        for fields, field in (
            ({"method": "G T", "path": "/"}, "method"),
            ({"method": "CONNECT", "path": "/"}, "method"),
            ({"method": "GET", "path": "nothing"}, "path"),
            ({"method": "GET", "path": "/ HTTP/1.1\r\nX: y"}, "path"),
            ({"method": "GET", "path": "/", "service": "none"}, "service"),
            ({"method": "GET", "path": "/", "timeout": "0s"}, "timeout"),
            ({"method": "GET", "path": "/", "timeout": "601s"}, "timeout"),
            ({"method": "GET", "path": "/", "headers": [{"name": "a b", "value": ""}]}, "headers[0].name"),
            ({"method": "GET", "path": "/", "headers": [{"name": "Content-Length", "value": "5"}]}, "headers[0].name"),
            ({"method": "GET", "path": "/", "headers": [{"name": "a", "value": "x\r\ny: z"}]}, "headers[0].value"),
            ({"method": "POST", "path": "/", "body": "a", "bodyBytes": "YQ=="}, "body_bytes"),
        ):
            answer = await self.api("POST", "/v1:try", fields)
            assert (answer.status, answer.reason) == (400, "INVALID_FIELD"), fields
            assert field in str(answer.body), (fields, answer.body)


class StreamTryTests(AdminCase):
    def methods(self) -> dict[str, Any]:
        def watch(request: Any, context: Any) -> Any:
            for number in range(3):
                yield type(request)(text=f"{request.text}{number}")
            context.set_trailing_metadata((("x-after", "all"),))

        return {"Watch": watch}

    async def test_a_stream(self) -> None:
        await self.bind_echo()
        body = {
            "method": "GET",
            "path": "/v1/watch?text=a",
            "headers": [{"name": "Accept", "value": "application/x-ndjson"}],
        }
        answer = await self.api("POST", "/v1:try", body, headers={"Accept": "application/x-ndjson"})
        found = events(answer)
        assert found[0]["head"]["status"] == 200
        text = "".join(each["body"]["text"] for each in found if "body" in each)
        assert [json.loads(line)["text"] for line in text.splitlines()] == ["a0", "a1", "a2"]
        assert {"name": "x-after", "value": "all"} in found[-1]["end"].get("trailers", [])


class OddTests(AdminCase):
    async def test_unknown_paths_and_fields(self) -> None:
        for method, path, status in (
            ("GET", "/v1/nothing", 404),
            ("GET", "/v1/plugins/x/y/z", 404),
            ("PUT", "/v1/plugins", 405),
            ("POST", "/v1/plugins?nothing=1", 400),
            ("GET", "/v1/plugins/%FF", 400),
            ("GET", "/v1/plugins?page_size=x", 400),
        ):
            assert (await self.api(method, path, {} if method == "POST" else None)).status == status, path
        answer = await self.api("POST", "/v1/services", {"nothing": 1})
        assert answer.status == 400
        assert "nothing" in answer.json["message"]

    async def test_a_store_that_was_broken_by_hand(self) -> None:
        """What serves goes on; every method says what is wrong with the file."""
        await self.ok("POST", "/v1/services?service_id=a", {})
        (self.folder / "var" / "objects.ini").write_text("[service:a]\nbroken\n")
        refusal = await self.refused("GET", "/v1/services", status=400, reason="STORE_UNUSABLE")
        assert refusal.problems[0]["line"] == 2
        await self.refused("POST", "/v1/services?service_id=b", {}, status=400, reason="STORE_UNUSABLE")
        assert (await self.api("GET", "/v1/pluginTypes")).status == 200

    async def test_a_store_that_was_changed_by_hand(self) -> None:
        """What an operator writes there while the gateway stands still is taken over, and kept by later changes."""
        await self.ok("POST", "/v1/services?service_id=a", {})
        file = self.folder / "var" / "objects.ini"
        file.write_text(file.read_text() + "\n[service:b]\ndescription = by hand\n")
        await self.ok("POST", "/v1:reload")
        await self.ok("PATCH", "/v1/services/a", {"description": "by API"})
        services = {each["name"]: each for each in (await self.ok("GET", "/v1/services"))["services"]}
        assert services["services/b"]["description"] == "by hand"
        assert "readOnly" not in services["services/b"]["origin"]
        assert "createTime" not in services["services/b"]

    async def test_a_reload_that_is_refused_puts_everything_back(self) -> None:
        """What passes the check and cannot be served after all is not acknowledged, and not kept."""
        from twisted.internet.defer import succeed

        from twistedgw.reload import Outcome

        await self.make_shop()
        before = self.site.store
        service = self.site.gateway.service
        self.patch(service, "reload", lambda by="": succeed(Outcome(False, 1, "port taken", 0.0)))
        refusal = await self.refused(
            "PATCH", "/v1/plugins/shop", {"source": files(a='syntax = "proto3";')}, status=400, reason="RELOAD_REFUSED"
        )
        assert "port taken" in refusal.message
        assert self.site.store == before
        assert [path.name for path in (self.folder / "var" / "plugins" / "shop").iterdir()] == ["000001"]
        entry = (await self.ok("GET", "/v1/audit"))["entries"][0]
        assert (entry["method"], entry["result"]) == ("UpdatePlugin", "FAILED_PRECONDITION")


class ManualTests(AdminCase):
    async def test_its_own_description_needs_no_token(self) -> None:
        gateway, port = self.site.gateway, self.site.port
        own = (await gateway.get("/openapi.json", port=port)).json
        assert own == await self.ok("GET", "/v1/openapi")
        assert own["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        assert (await gateway.get("/openapi.yaml", port=port)).body.startswith(b"openapi:")
        page = await gateway.get("/docs", port=port)
        if page.status == 200:
            assert b"openapi.json" in page.body
            assert "'unsafe-inline'" in (page.header("content-security-policy") or "")
            assert (await gateway.get("/docs/start.js", port=port)).status == 200
        for path in ("/docs/", "/docs/../x.js", "/docs/nothing.js", "/openapi"):
            assert (await gateway.get(path, port=port)).status == 404
