"""Services, environments, APIs, backends and bindings through the admin API."""

from __future__ import annotations

from typing import ClassVar

import trustme
from admin_site import SHOP, AdminCase, files

MORE = """
    [environment:echo/test]
    published = no
    [service:fixed]
    [api:fixed/own]
    method = GET
    path = /fixed
    backend = other
    [backend:other]
    protocol = http
    target = http://127.0.0.1:9
"""


class ServiceTests(AdminCase):
    async def test_life(self) -> None:
        service = await self.ok("POST", "/v1/services?service_id=a", {"description": "An A", "protocols": ["https"]})
        assert service["protocols"] == ["https"]
        assert [each["environment"] for each in service["environments"]] == ["release", "prepub", "test"]
        changed = await self.ok("PATCH", "/v1/services/a", {"hosts": ["a.example", "*.b.example"]})
        assert (changed["description"], changed["hosts"]) == ("An A", ["a.example", "*.b.example"])
        assert changed["createTime"] == service["createTime"]
        assert changed["updateTime"] > service["updateTime"]
        changed = await self.ok("PATCH", "/v1/services/a", {"hosts": [], "description": ""})
        assert "hosts" not in changed
        assert "description" not in changed
        names = [each["name"] for each in (await self.ok("GET", "/v1/services"))["services"]]
        assert names == ["services/a", "services/echo"]
        assert await self.ok("DELETE", "/v1/services/a") == {}
        assert (await self.api("GET", "/v1/services/a")).status == 404

    async def test_many_hosts_stand_on_lines_of_their_own(self) -> None:
        hosts = [f"host-{number}.example.com" for number in range(40)]
        service = await self.ok("POST", "/v1/services?service_id=a", {"hosts": hosts})
        assert service["hosts"] == hosts
        assert max(map(len, self.site.store.splitlines())) < 130

    async def test_delete_what_is_in_use(self) -> None:
        await self.make_shop()
        await self.bind_shop("get")
        await self.ok("PATCH", "/v1/services/shop/environments/test", {"published": False})
        refusal = await self.refused("DELETE", "/v1/services/shop", status=400, reason="IN_USE")
        assert refusal.users == [
            "bindings/shop.shop.release",
            "services/shop/apis/get",
            "services/shop/apis/put",
            "services/shop/environments/test",
        ]
        await self.ok("DELETE", "/v1/services/shop?force=true")
        assert "[api:shop/" not in self.site.store
        assert "[environment:shop/" not in self.site.store
        assert "bindings" not in await self.ok("GET", "/v1/bindings")

    async def test_by_force_only_what_is_ours(self) -> None:
        """What the operator's files declare keeps even a forced deletion from being done."""
        await self.ok("POST", "/v1/backends?backend_id=b", {"protocol": "grpc", "targets": ["x:1"]})
        self.site.rewrite(more="[api:echo/third]\nrpc = echo.v1.Echo/Say\nmethod = GET\npath = /third\nbackend = b\n")
        assert (await self.ok("POST", "/v1:reload"))["accepted"]
        refusal = await self.refused("DELETE", "/v1/backends/b?force=true", status=400, reason="IN_USE")
        assert refusal.users == ["services/echo/apis/third"]
        assert "read-only" in refusal.detail("PreconditionFailure")["violations"][0]["description"]


class EnvironmentTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {"more": MORE}

    async def test_publish_and_take_offline(self) -> None:
        """An environment that exists without a section gets one, and takes effect at once."""
        await self.bind_echo()
        gateway = self.site.gateway
        assert (await gateway.get("/v1/say/x")).status == 200
        release = await self.ok("GET", "/v1/services/echo/environments/release")
        assert (release["published"], release["prefix"], release["origin"]) == (True, "/", {"implied": True})
        body = {"published": False, "etag": release["etag"]}
        release = await self.ok("PATCH", "/v1/services/echo/environments/release", body)
        assert (release["published"], release["origin"].get("implied")) == (False, None)
        assert (await gateway.get("/v1/say/x")).reason == "ROUTE_NOT_FOUND"
        await self.refused("PATCH", release["name"].join(("/v1/", "")), body, status=409, reason="ETAG_MISMATCH")
        await self.ok("PATCH", "/v1/services/echo/environments/release", {"published": True, "prefix": "/now"})
        assert (await gateway.get("/now/v1/say/x")).status == 200
        await self.ok("DELETE", "/v1/services/echo/environments/release")
        assert (await gateway.get("/v1/say/x")).status == 200
        answer = await self.api("DELETE", "/v1/services/echo/environments/release")
        assert (answer.status, answer.reason) == (400, "INVALID_FIELD")

    async def test_named(self) -> None:
        made = await self.ok("POST", "/v1/services/echo/environments?environment_id=canary", {"prefix": "/c"})
        assert made["name"] == "services/echo/environments/canary"
        assert sorted(made["unboundApis"]) == ["all", "own"]
        body = {"prefix": "/c"}
        await self.refused(
            "POST",
            "/v1/services/echo/environments?environment_id=other",
            body,
            status=400,
            reason="CONFIGURATION_REFUSED",
        )
        source = files(echo=(self.folder / "echo.proto").read_text())
        await self.ok("POST", "/v1/plugins?plugin_id=echo", {"type": "backend-grpc", "source": source})
        bind = {"service": "echo", "environment": "canary", "apis": ["*"]}
        await self.ok("POST", "/v1/plugins/echo:bind", bind)
        refusal = await self.refused("DELETE", "/v1/services/echo/environments/canary", status=400, reason="IN_USE")
        assert refusal.users == ["bindings/echo.echo.canary"]
        await self.ok("DELETE", "/v1/services/echo/environments/canary?force=true")
        names = [each["name"] for each in (await self.ok("GET", "/v1/services/-/environments"))["environments"]]
        assert "services/echo/environments/canary" not in names
        assert "services/fixed/environments/prepub" in names

    async def test_refusals(self) -> None:
        target = "/v1/services/echo/environments"
        for query, body, status in (
            ("release", {}, 409),
            ("test", {}, 409),
            ("x%2Fy", {}, 400),
            ("x", {"prefix": "no-slash"}, 400),
            ("x", {"backend": "nothing"}, 400),
            ("x", {"backend": "other"}, 400),
        ):
            answer = await self.api("POST", f"{target}?environment_id={query}", body)
            assert answer.status == status, (query, body, answer.body)
        await self.refused("PATCH", f"{target}/test", {"published": True}, status=400, reason="READ_ONLY")
        assert (await self.api("POST", "/v1/services/none/environments?environment_id=x", {})).status == 404


class ApiTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {"more": MORE}

    async def test_life(self) -> None:
        """An API added to an operator's service is served at once, and gone when it is deleted."""
        await self.bind_echo()
        body = {
            "method": "POST",
            "path": "/mine/{text}",
            "rpc": "echo.v1.Echo/Say",
            "backend": "echo",
            "timeout": "2.5s",
        }
        api = await self.ok("POST", "/v1/services/echo/apis?api_id=mine", body)
        assert (api["body"], api["timeout"]) == ("*", "2.500s")
        assert [each["plugin"] for each in api["plugins"]] == ["echo"]
        gateway = self.site.gateway
        assert (await gateway.post("/mine/x", b"{}")).json == {"text": "x"}
        api = await self.ok("PATCH", "/v1/services/echo/apis/mine", {"body": "", "method": "GET"})
        assert (api["body"], api["method"]) == ("", "GET")
        assert "body =" in self.site.store
        assert (await gateway.get("/mine/y")).json == {"text": "y"}
        api = await self.ok("PATCH", "/v1/services/echo/apis/mine?update_mask=timeout,body", {})
        assert "timeout" not in api
        rows = (await self.ok("GET", "/v1/routes?filter=mine&environment=release"))["routes"]
        assert [(row["method"], row["path"], row["kind"], row["plugin"]) for row in rows] == [
            ("GET", "/mine/{text}", "api", "echo")
        ]
        await self.ok("DELETE", "/v1/services/echo/apis/mine")
        assert (await gateway.get("/mine/y")).status == 404

    async def test_whole_service_and_http(self) -> None:
        await self.make_shop()
        body = {"rpc": "shop.v1.Shop/*", "backend": "shop", "except": ["PutItem"]}
        api = await self.ok("POST", "/v1/services/shop/apis?api_id=all", body)
        assert (api["rpc"], api["except"]) == ("shop.v1.Shop/*", ["PutItem"])
        assert "body" not in api
        body = {"method": "*", "path": "/site/**", "backend": "other"}
        api = await self.ok("POST", "/v1/services/shop/apis?api_id=site", body)
        assert api["method"] == "*"
        names = [each["name"] for each in (await self.ok("GET", "/v1/services/-/apis"))["apis"]]
        assert names == sorted(names)
        assert "services/fixed/apis/own" in names
        found = await self.ok("GET", "/v1/services/-/apis?filter=site")
        assert [each["name"] for each in found["apis"]] == ["services/shop/apis/site"]

    async def test_every_error_has_its_field(self) -> None:
        await self.make_shop()
        good = {"method": "GET", "path": "/x", "rpc": "shop.v1.Shop/GetItem", "backend": "shop"}
        for change, field in (
            ({"backend": "nothing"}, "api.backend"),
            ({"rpc": "nonsense"}, "api.rpc"),
            ({"method": "HEAD"}, "api.method"),
            ({"path": "no"}, "api.path"),
            ({"path": "/{"}, "api.path"),
            ({"body": "a b"}, "api.body"),
            ({"timeout": "-1s"}, "api.timeout"),
            ({"timeout": "99999999s"}, "api.timeout"),
            ({"except": ["x"]}, "api.except"),
            ({"method": "get"}, "api.method"),
            ({"path": "/x ; y"}, "api.path"),
            ({"path": "/${HOME}"}, "api.path"),
            ({"rpc": "a.B/C\nbackend = x"}, "api.rpc"),
        ):
            answer = await self.api("POST", "/v1/services/shop/apis?api_id=x", {**good, **change})
            assert answer.status == 400, (change, answer.body)
            details = {each["@type"].rpartition(".")[2]: each for each in answer.json["details"]}
            fields = [each["field"] for each in details["BadRequest"]["fieldViolations"]]
            assert field in fields, (change, answer.body)
        del good["method"]
        refusal = await self.refused(
            "POST", "/v1/services/shop/apis?api_id=x", good, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert refusal.fields == {"api": "is missing"}
        assert refusal.problems[0]["option"] == "method"

    async def test_collision_is_refused(self) -> None:
        await self.make_shop()
        await self.bind_shop("*")
        body = {"method": "GET", "path": "/get/{other}", "rpc": "shop.v1.Shop/GetItem", "backend": "shop"}
        body["path"] = "/get/{id}"
        refusal = await self.refused(
            "POST", "/v1/services/shop/apis?api_id=again", body, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert "is the same as" in refusal.message

    async def test_delete_takes_it_out_of_bindings(self) -> None:
        await self.make_shop()
        await self.bind_shop("get", "put")
        refusal = await self.refused("DELETE", "/v1/services/shop/apis/get", status=400, reason="IN_USE")
        assert refusal.users == ["bindings/shop.shop.release"]
        await self.ok("DELETE", "/v1/services/shop/apis/get?force=true")
        assert (await self.ok("GET", "/v1/bindings/shop.shop.release"))["apis"] == ["put"]
        await self.ok("DELETE", "/v1/services/shop/apis/put?force=true")
        assert (await self.api("GET", "/v1/bindings/shop.shop.release")).status == 404


class BackendTests(AdminCase):
    async def test_life(self) -> None:
        body = {"protocol": "grpc", "targets": ["a:1", "b:2"], "maxInFlight": 7, "loadBalancing": "pick_first"}
        backend = await self.ok("POST", "/v1/backends?backend_id=b", body)
        assert {key: backend[key] for key in body} == body
        assert backend["state"] == "idle"
        backend = await self.ok("PATCH", "/v1/backends/b", {"targets": ["c:3"], "maxInFlight": 0})
        assert backend["targets"] == ["c:3"]
        assert "maxInFlight" not in backend
        echo = await self.ok("GET", "/v1/backends/echo")
        assert echo["usedBy"] == ["services/echo/apis/all", "services/echo/apis/own"]
        await self.ok("DELETE", "/v1/backends/b")

    async def test_in_use(self) -> None:
        await self.make_shop()
        await self.bind_shop("*")
        refusal = await self.refused("DELETE", "/v1/backends/shop", status=400, reason="IN_USE")
        assert refusal.users == ["services/shop/apis/get", "services/shop/apis/put"]
        await self.ok("DELETE", "/v1/backends/shop?force=true")
        assert (await self.ok("GET", "/v1/services/shop"))["environments"][0].get("routeCount") is None
        assert (await self.ok("GET", "/v1/bindings/shop.shop.release"))["apis"] == ["*"]

    async def test_certificates(self) -> None:
        """PEM texts become files of the store; a key is never shown; each is kept while the others change."""
        authority = trustme.CA()
        leaf = authority.issue_cert("client.example")
        ca, key = authority.cert_pem.bytes().decode(), leaf.private_key_pem.bytes().decode()
        chain = "".join(part.bytes().decode() for part in leaf.cert_chain_pems)
        body = {"protocol": "grpcs", "targets": ["a:1"], "ca": ca, "certificate": chain, "privateKey": key}
        backend = await self.ok("POST", "/v1/backends?backend_id=b", body)
        assert (backend["ca"], backend["certificate"]) == (ca, chain)
        assert "privateKey" not in backend
        assert key.splitlines()[1] not in self.site.store
        file = self.folder / "var" / "backends" / "b" / "000001" / "files" / "private_key.pem"
        assert file.read_text() == key
        assert file.stat().st_mode & 0o077 == 0
        other = trustme.CA().cert_pem.bytes().decode()
        backend = await self.ok("PATCH", "/v1/backends/b", {"ca": other})
        assert (backend["ca"], backend["certificate"]) == (other, chain)
        assert not file.exists()
        backend = await self.ok("PATCH", "/v1/backends/b?update_mask=ca", {})
        assert "ca" not in backend
        assert backend["certificate"] == chain
        before = self.site.store
        refusal = await self.refused(
            "PATCH", "/v1/backends/b", {"ca": "no PEM"}, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert "backend.ca" in refusal.fields
        assert str(self.folder) not in str(refusal.status), refusal.status
        refusal = await self.refused(
            "PATCH", "/v1/backends/b?update_mask=privateKey", {}, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert "backend.certificate" in refusal.fields
        assert self.site.store == before
        await self.ok("DELETE", "/v1/backends/b")
        assert not (self.folder / "var" / "backends" / "b").exists()


class BindingTests(AdminCase):
    async def test_life(self) -> None:
        await self.make_shop()
        body = {"plugin": "shop", "service": "shop", "environment": "test", "apis": ["get"]}
        binding = await self.ok("POST", "/v1/bindings", body)
        assert binding["name"] == "bindings/shop.shop.test"
        again = await self.ok("POST", "/v1/bindings?binding_id=mine", {**body, "environment": "prepub", "apis": []})
        assert again["apis"] == ["*"]
        changed = await self.ok("PATCH", "/v1/bindings/mine", {"apis": ["put", "get"]})
        assert changed["apis"] == ["put", "get"]
        listed = (await self.ok("GET", "/v1/bindings?filter=prepub"))["bindings"]
        assert [each["name"] for each in listed] == ["bindings/mine"]
        await self.ok("DELETE", "/v1/bindings/mine")
        for change, field in (
            ({"plugin": "x"}, "binding.plugin"),
            ({"service": "x"}, "binding.service"),
            ({"environment": "x"}, "binding.environment"),
            ({"apis": ["x"]}, "binding.apis"),
            ({"apis": ["get,put"]}, "binding.apis[0]"),
        ):
            answer = await self.api("POST", "/v1/bindings?binding_id=other", {**body, **change})
            assert answer.status == 400, answer.body
            assert field in str(answer.body), (field, answer.body)

    async def test_second_plugin_of_a_type(self) -> None:
        await self.make_shop()
        await self.bind_shop("get")
        await self.ok("POST", "/v1/plugins?plugin_id=two", {"type": "backend-grpc", "source": files(shop=SHOP)})
        body = {"plugin": "two", "service": "shop", "environment": "release", "apis": ["get"]}
        refusal = await self.refused("POST", "/v1/bindings", body, status=400, reason="CONFIGURATION_REFUSED")
        assert "has two plugins of type" in refusal.message
