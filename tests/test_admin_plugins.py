"""Plugins through the admin API: create, show, change, bind, delete; versions and what they break."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import grpc
from admin_site import OPERATORS_PLUGIN, SHOP, AdminCase, echo_schema, files
from grpc_reflection.v1alpha import reflection

from twistedgw.registry import store


class WalkTests(AdminCase):
    """The walk of the document that this product starts from."""

    async def test_bound_at_once(self) -> None:
        """A call that fails with PLUGIN_NOT_BOUND answers as soon as the plugin is bound, and fails when it is unbound."""
        gateway = self.site.gateway
        assert (await gateway.post("/echo.v1.Echo/Say", b"{}")).reason == "PLUGIN_NOT_BOUND"
        source = files(echo=(self.folder / "echo.proto").read_text())
        created = await self.ok("POST", "/v1/plugins?plugin_id=mine", {"type": "backend-grpc", "source": source})
        assert created["services"] == ["echo.v1.Echo"]
        assert (await gateway.get("/v1/say/hello")).reason == "PLUGIN_NOT_BOUND"
        bind = {"service": "echo", "environment": "release", "apis": ["all"]}
        answer = await self.ok("POST", "/v1/plugins/mine:bind", bind)
        assert answer["plugin"]["boundApiCount"] == 1
        assert answer["bindings"][0]["apis"] == ["all"]
        assert (await gateway.get("/v1/say/hello")).json == {"text": "hello"}
        await self.ok("POST", "/v1/plugins/mine:unbind", bind)
        assert (await gateway.get("/v1/say/hello")).reason == "PLUGIN_NOT_BOUND"
        await self.ok("DELETE", "/v1/plugins/mine")
        assert (await self.ok("GET", "/v1/plugins")) == {}
        assert "[plugin" not in self.site.store
        assert not (self.folder / "var" / "plugins" / "mine").exists()


class CreateTests(AdminCase):
    async def test_answer_lists_what_is_in_it(self) -> None:
        plugin = await self.ok(
            "POST",
            "/v1/plugins?plugin_id=shop",
            {"type": "backend-grpc", "options": {"unknown_fields": "ignore"}, "source": files(shop=SHOP)},
        )
        assert plugin["name"] == "plugins/shop"
        assert plugin["version"] == 1
        assert plugin["methodCount"] == 2
        assert plugin["options"] == {"unknown_fields": "ignore"}
        assert plugin["source"]["files"][0]["content"] == SHOP
        assert "readOnly" not in plugin["origin"]
        (service,) = plugin["schema"]["services"]
        assert (service["fullName"], service["comment"], service["line"]) == ("shop.v1.Shop", "Sells things.", 5)
        get, put = service["methods"]
        assert get["rules"] == [{"method": "GET", "path": "/v1/items/{id}"}]
        assert get["comment"] == "Gets one."
        assert (get["file"], get["line"]) == ("shop.proto", 7)
        assert "rules" not in put
        messages = {each["fullName"]: each for each in plugin["schema"]["messages"]}
        price = messages["shop.v1.Item"]["fields"][1]
        assert (price["name"], price["kind"], price["number"], price["comment"]) == ("price", "int64", 2, "In cents.")
        assert [value["name"] for value in plugin["schema"]["enums"][0]["values"]] == ["KIND_UNSPECIFIED", "BOOK"]

    async def test_problems_have_places(self) -> None:
        """Every problem of every file is told, with file, line and column, and the field that it is about."""
        source = files(
            a='syntax = "proto3";\nmessage A { strin x = 1; }', b='syntax = "proto3";\nimport "nowhere.proto";'
        )
        for target in ("/v1/plugins?plugin_id=p", "/v1/plugins?plugin_id=p&validate_only=true"):
            refusal = await self.refused(
                "POST",
                target,
                {"type": "backend-grpc", "source": source},
                status=400,
                reason="DESCRIPTION_INVALID",
            )
            places = [(each["file"], each["line"], each["column"], each["field"]) for each in refusal.problems]
            assert places == [("b.proto", 2, 1, "plugin.source.files[1]"), ("a.proto", 2, 13, "plugin.source.files[0]")]
            assert "a.proto:2:13" in refusal.fields["plugin.source.files[0]"]
            assert str(self.folder) not in str(refusal.status)
        assert (await self.ok("GET", "/v1/plugins")) == {}
        assert not (self.folder / "var" / "plugins").exists() or not list((self.folder / "var" / "plugins").iterdir())

    async def test_the_limit_is_exact(self) -> None:
        text = 'syntax = "proto3";\n//'
        full = text + "x" * (1_048_576 - len(text))
        body = {"type": "backend-grpc", "source": files(a=full)}
        await self.ok("POST", "/v1/plugins?plugin_id=full&validate_only=true", body)
        body["source"] = files(a=full + "x")
        refusal = await self.refused("POST", "/v1/plugins?plugin_id=p", body, status=400, reason="FILE_TOO_LARGE")
        assert refusal.problems[0]["file"] == "a.proto"
        assert "1,048,577" in refusal.problems[0]["message"]

    async def test_refusals(self) -> None:
        good = {"type": "backend-grpc", "source": files(a='syntax = "proto3";')}
        for target, body, reason, field in (
            ("/v1/plugins", good, "INVALID_FIELD", "plugin_id"),
            ("/v1/plugins?plugin_id=..", good, "INVALID_FIELD", "plugin_id"),
            ("/v1/plugins?plugin_id=a%2Fb", good, "INVALID_FIELD", "plugin_id"),
            ("/v1/plugins?plugin_id=" + "x" * 129, good, "INVALID_FIELD", "plugin_id"),
            ("/v1/plugins?plugin_id=a", {**good, "name": "plugins/b"}, "INVALID_FIELD", "plugin_id"),
            ("/v1/plugins?plugin_id=a", {**good, "name": "b"}, "INVALID_FIELD", "name"),
            ("/v1/plugins?plugin_id=a", {**good, "type": "nothing"}, "INVALID_FIELD", "plugin.type"),
            ("/v1/plugins?plugin_id=a", {"type": "backend-grpc"}, "INVALID_FIELD", "plugin.source"),
            ("/v1/plugins?plugin_id=a", {**good, "options": {"x": "y"}}, "INVALID_FIELD", "plugin.options.x"),
            (
                "/v1/plugins?plugin_id=a",
                {**good, "options": {"proto": "/etc/passwd"}},
                "INVALID_FIELD",
                "plugin.options.proto",
            ),
            (
                "/v1/plugins?plugin_id=a",
                {**good, "options": {"error_format": "no\n[gateway]"}},
                "CONFIGURATION_REFUSED",
                "plugin.options.error_format",
            ),
            (
                "/v1/plugins?plugin_id=a",
                {**good, "options": {"error_format": "odd"}},
                "CONFIGURATION_REFUSED",
                "plugin.options.error_format",
            ),
        ):
            refusal = await self.refused("POST", target, body, status=400, reason=reason)
            assert field in refusal.fields, (target, body, refusal.status)
        for path in (
            "../a.proto",
            "/a.proto",
            "a/../b.proto",
            "a.txt",
            "a\\b.proto",
            "a,b.proto",
            "a\n.proto",
            "a//b.proto",
        ):
            body = {"type": "backend-grpc", "source": {"files": [{"path": path, "content": ""}]}}
            refusal = await self.refused("POST", "/v1/plugins?plugin_id=a", body, status=400, reason="INVALID_PATH")
            assert "plugin.source.files[0].path" in refusal.fields
        assert self.site.store == ""

    async def test_exists_already(self) -> None:
        await self.make_shop()
        body = {"type": "backend-grpc", "source": files(a=SHOP)}
        await self.refused("POST", "/v1/plugins?plugin_id=shop", body, status=409, reason="ALREADY_EXISTS")

    async def test_validate_only_writes_nothing(self) -> None:
        body = {"type": "backend-grpc", "source": files(shop=SHOP)}
        answer = await self.ok("POST", "/v1/plugins?plugin_id=shop&validate_only=true", body)
        assert answer["services"] == ["shop.v1.Shop"]
        assert answer["version"] == 1
        assert answer["source"]["files"][0]["path"] == "shop.proto"
        assert answer["schema"]["services"][0]["file"] == "shop.proto"
        made = [path.suffix for path in (self.folder / "var").rglob("*")]
        assert not {".ini", ".proto"} & set(made), made
        assert (await self.api("GET", "/v1/plugins/shop")).status == 404

    async def test_reflection(self) -> None:
        """A plugin that asks the backend for its descriptors: where that has none to give, this is told."""
        body = {"type": "backend-grpc", "source": {"reflection": "nobody"}}
        refusal = await self.refused(
            "POST", "/v1/plugins?plugin_id=r", body, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert "plugin.source.reflection" in refusal.fields
        server = grpc.server(ThreadPoolExecutor(2))
        reflection.enable_server_reflection(["echo.v1.Echo"], server, pool=echo_schema().pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        await self.ok("POST", "/v1/backends?backend_id=told", {"protocol": "grpc", "targets": [f"127.0.0.1:{port}"]})
        body = {"type": "backend-grpc", "source": {"reflection": "told"}}
        plugin = await self.ok("POST", "/v1/plugins?plugin_id=r", body)
        assert plugin["services"] == ["echo.v1.Echo"]
        assert plugin["source"] == {"reflection": "told", "kind": "reflection"}
        refusal = await self.refused("DELETE", "/v1/backends/told", status=400, reason="IN_USE")
        assert refusal.users == ["plugins/r"]

    async def test_cors(self) -> None:
        """A type without a source has options only."""
        body = {"type": "cors", "options": {"allow_origins": "https://a.example, https://b.example", "max_age": "5m"}}
        plugin = await self.ok("POST", "/v1/plugins?plugin_id=open", body)
        assert plugin["options"] == body["options"]
        assert "source" not in plugin
        plugin = await self.ok("PATCH", "/v1/plugins/open?update_mask=options.maxAge", {"options": {"max_age": "1m"}})
        assert plugin["options"] == {"allow_origins": "https://a.example, https://b.example", "max_age": "1m"}
        types = {each["name"]: each for each in (await self.ok("GET", "/v1/pluginTypes"))["types"]}
        assert "hasSource" not in types["cors"]
        assert types["backend-grpc"]["hasSource"]


class ReadTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {"more": OPERATORS_PLUGIN}

    async def test_operators_plugin_is_read_only(self) -> None:
        plugin = await self.ok("GET", "/v1/plugins/operators?view=FULL")
        assert plugin["origin"]["readOnly"]
        assert plugin["origin"]["file"].endswith("grpcgw.ini")
        assert plugin["options"] == {"unknown_query": "ignore"}
        assert "package echo.v1;" in plugin["source"]["files"][0]["content"]
        assert plugin["boundApis"] == [
            {"service": "echo", "environment": "test", "api": "own", "binding": "bindings/operators", "readOnly": True}
        ]
        line = plugin["origin"]["line"]
        assert self.site.gateway.path.read_text().splitlines()[line - 1] == "[plugin:operators]"
        for method, target, body in (
            ("PATCH", "/v1/plugins/operators", {"options": {}}),
            ("DELETE", "/v1/plugins/operators?force=true", None),
            ("DELETE", "/v1/bindings/operators", None),
            ("PATCH", "/v1/services/echo", {"description": "x"}),
            ("PATCH", "/v1/backends/echo", {"targets": ["x:1"]}),
            ("PATCH", "/v1/services/echo/apis/own", {"path": "/x/{text}"}),
            ("POST", "/v1/plugins/operators:unbind", {"service": "echo", "environment": "test", "apis": ["own"]}),
        ):
            refusal = await self.refused(method, target, body, status=400, reason="READ_ONLY")
            assert "grpcgw.ini:" in refusal.message

    async def test_list(self) -> None:
        await self.make_shop()
        for number in range(3):
            body = {"type": "cors", "options": {"allow_origins": "*"}}
            await self.ok("POST", f"/v1/plugins?plugin_id=c{number}", body)
        everything = await self.ok("GET", "/v1/plugins")
        names = [each["name"] for each in everything["plugins"]]
        assert names == ["plugins/c0", "plugins/c1", "plugins/c2", "plugins/operators", "plugins/shop"]
        found, token = [], ""
        while True:
            answer = await self.ok("GET", f"/v1/plugins?page_size=2&page_token={token}")
            found += [each["name"] for each in answer["plugins"]]
            token = answer.get("nextPageToken", "")
            assert answer["totalSize"] == 5
            if not token:
                break
        assert found == names
        for words, expected in (("SHOP v1", ["plugins/shop"]), ("cors", names[:3]), ("nothing", [])):
            answer = await self.ok("GET", f"/v1/plugins?filter={words.replace(' ', '%20')}")
            assert [each["name"] for each in answer.get("plugins", [])] == expected
        for query in ("page_size=-1", "page_token=nonsense", "page_token=****", "filter=" + "x" * 1001):
            assert (await self.api("GET", f"/v1/plugins?{query}")).reason == "INVALID_FIELD"
        token = (await self.ok("GET", "/v1/plugins?page_size=1"))["nextPageToken"]
        assert (await self.api("GET", f"/v1/plugins?filter=x&page_token={token}")).reason == "INVALID_FIELD"

    async def test_methods_have_examples(self) -> None:
        await self.make_shop()
        method = await self.ok("GET", "/v1/plugins/shop/methods/shop.v1.Shop.PutItem")
        assert method["example"] == {"id": "", "price": "0", "kind": "BOOK", "tags": [""]}
        methods = await self.ok("GET", "/v1/plugins/shop/methods?filter=getitem&view=FULL")
        assert [each["rpc"] for each in methods["methods"]] == ["shop.v1.Shop/GetItem"]
        assert methods["methods"][0]["example"] == {"id": ""}
        assert (await self.api("GET", "/v1/plugins/shop/methods/shop.v1.Shop.Nothing")).status == 404
        schema = await self.ok("GET", "/v1/plugins/operators/schema?include_imports=true")
        names = {each["fullName"] for each in schema["messages"]}
        assert {"echo.v1.Words", "google.protobuf.Timestamp", "google.api.HttpBody"} <= names

    async def test_bindable(self) -> None:
        await self.make_shop()
        rows = (await self.ok("GET", "/v1/plugins/shop/bindableApis?service=echo&environment=test"))["apis"]
        by_api = {each["api"]: each for each in rows}
        assert by_api["own"]["otherPlugin"] == "operators"
        assert by_api["own"]["readOnly"]
        assert "otherPlugin" not in by_api["all"]
        assert by_api["all"]["obstacle"] == "the plugin has no service echo.v1.Echo"
        rows = (await self.ok("GET", "/v1/plugins/operators/bindableApis?environment=test&filter=own"))["apis"]
        assert [(each["service"], each["api"], each["bound"]) for each in rows] == [("echo", "own", True)]


class UpdateTests(AdminCase):
    async def test_options(self) -> None:
        await self.make_shop()
        plugin = await self.ok("PATCH", "/v1/plugins/shop", {"options": {"unknown_fields": "ignore"}})
        assert plugin["options"] == {"unknown_fields": "ignore"}
        assert plugin["version"] == 1
        target = "/v1/plugins/shop?update_mask=options.enumsAsNumbers"
        plugin = await self.ok("PATCH", target, {"options": {"enums_as_numbers": "yes"}})
        assert plugin["options"] == {"unknown_fields": "ignore", "enums_as_numbers": "yes"}
        plugin = await self.ok("PATCH", "/v1/plugins/shop?update_mask=options.unknownFields", {})
        assert plugin["options"] == {"enums_as_numbers": "yes"}
        assert (await self.api("PATCH", "/v1/plugins/shop?update_mask=nothing", {})).reason == "INVALID_FIELD"
        assert (await self.api("PATCH", "/v1/plugins/shop", {"type": "cors"})).reason == "INVALID_FIELD"

    async def test_what_was_read_can_be_written_back(self) -> None:
        await self.make_shop()
        before = await self.ok("GET", "/v1/plugins/shop?view=FULL")
        after = await self.ok("PATCH", "/v1/plugins/shop", {key: before[key] for key in before if key != "source"})
        assert after["etag"] == before["etag"]
        assert after["updateTime"] == before["updateTime"]

    async def test_etag(self) -> None:
        await self.make_shop()
        old = (await self.ok("GET", "/v1/plugins/shop"))["etag"]
        new = (await self.ok("PATCH", "/v1/plugins/shop", {"etag": old, "options": {"enums_as_numbers": "yes"}}))[
            "etag"
        ]
        assert new != old
        body = {"etag": old, "options": {"enums_as_numbers": "no"}}
        await self.refused("PATCH", "/v1/plugins/shop", body, status=409, reason="ETAG_MISMATCH")
        await self.refused("DELETE", f"/v1/plugins/shop?etag={old}", status=409, reason="ETAG_MISMATCH")
        await self.ok("DELETE", f"/v1/plugins/shop?etag={new}")

    async def test_breaking_change_is_reported_first(self) -> None:
        """While it is bound, what breaks clients is refused with a report, unless it is forced."""
        await self.make_shop()
        changed = SHOP.replace("string id = 1; }", "string key = 2; }").replace(
            "  rpc PutItem(Item) returns (Item);\n", ""
        )
        body = {"source": files(shop=changed)}
        report = (await self.ok("PATCH", "/v1/plugins/shop?validate_only=true", body))["report"]
        kinds = {each["kind"] for each in report["changes"] if each.get("breaking")}
        assert kinds >= {"METHOD_REMOVED", "FIELD_REMOVED"}
        assert "brokenApis" not in report
        await self.bind_shop("get")
        report = (
            await self.ok("PATCH", "/v1/plugins/shop?validate_only=true", {"source": files(shop=SHOP + "\n// x")})
        ).get("report")
        assert report in (None, {})
        refusal = await self.refused("PATCH", "/v1/plugins/shop", body, status=400, reason="INCOMPATIBLE")
        assert refusal.detail("CompatibilityReport")["breaking"]
        await self.bind_shop("put")
        refusal = await self.refused("PATCH", "/v1/plugins/shop", body, status=400, reason="INCOMPATIBLE")
        assert refusal.users == ["services/shop/apis/put"]
        # Forced, it is still refused where an API could not be served at all; the report says which.
        refusal = await self.refused(
            "PATCH", "/v1/plugins/shop?force=true", body, status=400, reason="CONFIGURATION_REFUSED"
        )
        assert refusal.detail("CompatibilityReport")["brokenApis"][0]["api"] == "put"
        assert (await self.ok("GET", "/v1/plugins/shop"))["version"] == 1
        await self.ok("POST", "/v1/plugins/shop:unbind", {"service": "shop", "environment": "release", "apis": ["put"]})
        body = {"source": files(shop=SHOP.replace("int64 price", "string price"))}
        await self.refused("PATCH", "/v1/plugins/shop", body, status=400, reason="INCOMPATIBLE")
        plugin = await self.ok("PATCH", "/v1/plugins/shop?force=true&comment=why%20not", body)
        assert plugin["version"] == 2
        assert plugin["report"]["changes"][0]["kind"] == "FIELD_TYPE_CHANGED"

    async def test_broken_file_changes_nothing(self) -> None:
        await self.make_shop()
        before = self.site.store
        body = {"source": files(shop=SHOP.replace("int64", "int46"))}
        refusal = await self.refused("PATCH", "/v1/plugins/shop", body, status=400, reason="DESCRIPTION_INVALID")
        assert [(each["file"], each["line"]) for each in refusal.problems] == [("shop.proto", 17)]
        assert self.site.store == before
        assert [path.name for path in (self.folder / "var" / "plugins" / "shop").iterdir()] == ["000001"]


class VersionTests(AdminCase):
    async def test_kept_listed_restored(self) -> None:
        await self.make_shop()
        await self.bind_shop("get")
        second = SHOP.replace("  repeated string tags = 4;\n", "  repeated string tags = 4;\n  bool new = 5;\n")
        await self.ok("PATCH", "/v1/plugins/shop?comment=second", {"source": files(shop=second)})
        versions = (await self.ok("GET", "/v1/plugins/shop/versions"))["versions"]
        assert [(each["number"], each.get("current", False), each.get("comment", "")) for each in versions] == [
            (2, True, "second"),
            (1, False, ""),
        ]
        assert versions[0]["services"] == ["shop.v1.Shop"]
        assert versions[0]["actor"] == "127.0.0.1"
        first = await self.ok("GET", "/v1/plugins/shop/versions/1")
        assert first["source"]["files"][0]["content"] == SHOP
        target = "/v1/plugins/shop/versions/1:restore"
        await self.refused("POST", target, {}, status=400, reason="INCOMPATIBLE")
        plugin = await self.ok("POST", target, {"force": True})
        assert plugin["version"] == 3
        assert plugin["source"]["files"][0]["content"] == SHOP
        assert (await self.ok("GET", "/v1/plugins/shop/versions"))["versions"][0]["restoredFrom"] == 1
        for bad in ("9", "x", "-1"):
            assert (await self.api("GET", f"/v1/plugins/shop/versions/{bad}")).status == 404
            assert (await self.api("POST", f"/v1/plugins/shop/versions/{bad}:restore", {})).status == 404

    async def test_only_so_many_are_kept(self) -> None:
        assert store.KEPT_VERSIONS == 20
        self.patch(store, "KEPT_VERSIONS", 3)
        await self.ok(
            "POST", "/v1/plugins?plugin_id=p", {"type": "backend-grpc", "source": files(p='syntax = "proto3";')}
        )
        for number in range(5):
            text = f'syntax = "proto3"; package p{number};'
            await self.ok("PATCH", "/v1/plugins/p", {"source": files(p=text)})
        versions = await self.ok("GET", "/v1/plugins/p/versions?page_size=100")
        assert [each["number"] for each in versions["versions"]] == [6, 5, 4]
        assert len(list((self.folder / "var" / "plugins" / "p").iterdir())) == 3


class BindTests(AdminCase):
    async def test_many_at_once(self) -> None:
        await self.make_shop()
        answer = await self.bind_shop("get", "put")
        assert [each["apis"] for each in answer["bindings"]] == [["get", "put"]]
        assert await self.bind_shop("put") == {"plugin": answer["plugin"]}
        answer = await self.bind_shop("*")
        assert [each["apis"] for each in answer["bindings"]] == [["*"]]
        unbind = {"service": "shop", "environment": "release", "apis": ["get"]}
        answer = await self.ok("POST", "/v1/plugins/shop:unbind", unbind)
        assert [each["apis"] for each in answer["bindings"]] == [["put"]]
        refusal = await self.refused("POST", "/v1/plugins/shop:unbind", unbind, status=400, reason="NOT_BOUND")
        assert refusal.fields == {"apis": "get is not bound"}
        answer = await self.ok("POST", "/v1/plugins/shop:unbind", {**unbind, "apis": ["*"]})
        assert "bindings" not in answer
        assert "[binding" not in self.site.store

    async def test_all_or_none(self) -> None:
        await self.make_shop()
        body = {"service": "shop", "environment": "release", "apis": ["get", "nothing"]}
        assert (await self.api("POST", "/v1/plugins/shop:bind", body)).status == 404
        assert (await self.api("POST", "/v1/plugins/shop:bind", {**body, "apis": []})).reason == "INVALID_FIELD"
        assert (await self.api("POST", "/v1/plugins/shop:bind", {**body, "environment": "x"})).status == 404
        assert (await self.api("POST", "/v1/plugins/shop:bind", {**body, "service": "x"})).status == 404
        assert (await self.api("POST", "/v1/plugins/x:bind", {**body, "apis": ["get"]})).status == 404
        assert "bindings" not in await self.ok("GET", "/v1/bindings")

    async def test_validate_only(self) -> None:
        await self.make_shop()
        body = {"service": "shop", "environment": "release", "apis": ["get"], "validateOnly": True}
        answer = await self.ok("POST", "/v1/plugins/shop:bind", body)
        assert answer["plugin"]["boundApiCount"] == 1
        assert "bindings" not in await self.ok("GET", "/v1/bindings")

    async def test_what_does_not_fit(self) -> None:
        """A method that the plugin does not have is found when it is bound, not at the first request."""
        await self.make_shop()
        api = {"method": "GET", "path": "/no/{id}", "rpc": "shop.v1.Shop/Nothing", "backend": "shop"}
        await self.ok("POST", "/v1/services/shop/apis?api_id=no", api)
        body = {"service": "shop", "environment": "release", "apis": ["no"]}
        refusal = await self.refused("POST", "/v1/plugins/shop:bind", body, status=400, reason="CONFIGURATION_REFUSED")
        assert "Nothing" in refusal.message

    async def test_another_plugin_is_replaced_only_if_asked(self) -> None:
        await self.make_shop()
        await self.bind_shop("*")
        body = {"type": "backend-grpc", "source": files(shop=SHOP)}
        await self.ok("POST", "/v1/plugins?plugin_id=other", body)
        bind = {"service": "shop", "environment": "release", "apis": ["get"]}
        refusal = await self.refused("POST", "/v1/plugins/other:bind", bind, status=400, reason="ALREADY_BOUND")
        assert refusal.users == ["bindings/shop.shop.release"]
        await self.ok("POST", "/v1/plugins/other:bind", {**bind, "replace": True})
        bindings = (await self.ok("GET", "/v1/bindings"))["bindings"]
        assert [(each["plugin"], each["apis"]) for each in bindings] == [("other", ["get"]), ("shop", ["put"])]

    async def test_delete_is_refused_while_bound(self) -> None:
        await self.make_shop()
        await self.bind_shop("get")
        refusal = await self.refused("DELETE", "/v1/plugins/shop", status=400, reason="IN_USE")
        assert refusal.users == ["bindings/shop.shop.release"]
        await self.ok("DELETE", "/v1/plugins/shop?force=true&validate_only=true")
        await self.refused("DELETE", "/v1/plugins/shop", status=400, reason="IN_USE")
        await self.ok("DELETE", "/v1/plugins/shop?force=true")
        assert "bindings" not in await self.ok("GET", "/v1/bindings")
