"""Documents by the rules of `http-rule.md`, part 2 section C; every document here is valid OpenAPI 3.1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from openapi_case import (
    KITCHEN_INI,
    answer,
    body,
    echo_methods,
    kitchen,
    names,
    one,
    only,
    parameter,
    rpc,
    written,
)
from openapi_spec_validator import validate
from openapi_types import KITCHEN
from small_snapshots import BACKEND, BINDING, ECHO, HEAD, LISTENER, PLUGIN, SERVICE, WEB, WHOLE, build

from twistedgw.cli import main
from twistedgw.openapi.document import Info, document, document_of
from twistedgw.openapi.text import to_json, to_yaml

REF = "#/components/schemas/"


# -- the whole


def test_the_kitchen_is_the_same_every_time(tmp_path: Path) -> None:
    snapshot = build(tmp_path, KITCHEN_INI, KITCHEN)
    first, second = document(snapshot, "s", "release"), document(snapshot, "s", "release")
    assert to_json(first) == to_json(second)
    assert json.loads(to_json(first)) == yaml.safe_load(to_yaml(first)) == first


def test_head(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    assert found["openapi"] == "3.1.0"
    assert found["info"] == {"title": "s", "description": "Service `s` in environment `release`.", "version": "v1"}
    text = echo_methods(rpc("Do", 'get: "/a"'), "message M {}").replace("echo.v1", "echo")
    assert written(tmp_path, ECHO.replace("echo.v1", "echo"), text)["info"]["version"] == "unversioned"


def test_any_routes(tmp_path: Path) -> None:
    """Also of no configuration: what the admin API is described with."""
    routes = [each for each in build(tmp_path, KITCHEN_INI, KITCHEN).routes if each.origin.environment == "release"]
    found = document_of(routes, Info("Admin", "About.", "2"), prefix="/admin")
    validate(found)
    assert found["info"] == {"title": "Admin", "description": "About.", "version": "2"}
    assert found["servers"] == [{"url": "/"}]
    assert all(path.startswith("/admin/") for path in found["paths"])
    assert "security" not in found
    validate(document_of([], Info("Nothing")))


def test_bearer_token(tmp_path: Path) -> None:
    found = document_of(build(tmp_path, ECHO).routes, Info("Admin", bearer=True))
    validate(found)
    assert found["security"] == [{"bearer": []}]
    assert found["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}


def test_unknown_names(tmp_path: Path) -> None:
    snapshot = build(tmp_path, ECHO)
    with pytest.raises(KeyError):
        document(snapshot, "x", "release")
    with pytest.raises(KeyError):
        document(snapshot, "s", "x")


# -- servers, paths


@pytest.mark.parametrize(
    ("options", "environment", "urls"),
    [
        ("", "release", ["/"]),
        ("", "test", ["/test"]),
        (
            "hosts = a.example, b.example",
            "release",
            ["https://a.example", "https://b.example", "http://a.example", "http://b.example"],
        ),
        ("hosts = a.example\nprotocols = https", "test", ["https://a.example/test"]),
        ("hosts = *.a.example\nprotocols = http", "release", ["http://{subdomain}.a.example"]),
    ],
)
def test_servers(tmp_path: Path, options: str, environment: str, urls: list[str]) -> None:
    ini = ECHO.replace("[service:s]\n", f"[service:s]\n{options}\n")
    found = written(tmp_path, ini, environment=environment)
    assert [server["url"] for server in found["servers"]] == urls
    assert [("variables" in server) for server in found["servers"]] == ["{" in url for url in urls]


def test_servers_of_the_caller(tmp_path: Path) -> None:
    found = written(tmp_path, environment="test", servers=["https://x.example/", ""])
    assert found["servers"] == [{"url": "https://x.example/test"}, {"url": "/test"}]


def test_the_root_of_an_environment_has_no_slash(tmp_path: Path) -> None:
    ini = ECHO.replace("environment = release", "environment = test")
    found = written(
        tmp_path, ini, echo_methods(rpc("Do", 'get: "/"') + rpc("B", 'get: "/b"'), "message M {}"), environment="test"
    )
    assert found["servers"] == [{"url": "/"}]
    assert list(found["paths"]) == ["/test", "/test/b"]


def test_a_variable_of_several_segments(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    operation = found["paths"]["/v1/menus/{menu}/dishes/{dish}"]["get"]
    assert names(operation, "path") == ["menu", "dish"]
    assert parameter(operation, "menu") == {
        "name": "menu",
        "in": "path",
        "required": True,
        "description": "`name` is `menus/{menu}/dishes/{dish}`.",
        "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
    }


PATHS = [
    ("/a/{a}/{b}", "/a/{a}/{b}", ["a", "b"]),
    ("/b/{n.x}:verb", "/b/{n_x}:verb", ["n_x"]),
    ("/v1/{a=*/*}", "/v1/{a}/{a_2}", ["a", "a_2"]),
    ("/d/{a=shelves/*}/{b=shelves/*}", "/d/shelves/{shelf}/shelves/{shelf_2}", ["shelf", "shelf_2"]),
    ("/e/{a=companies/*}/x/*", "/e/companies/{company}/x/{x}", ["company", "x"]),
    ("/v2/*/f/{a}", "/v2/{segment}/f/{a}", ["segment", "a"]),
    ("/g/{a=files/**}", "/g/files/{a}", ["a"]),
    ("/h/{a=fixed}", "/h/fixed", []),
    ("/%C3%BC%20%7Bx%7D/{a}", "/%C3%BC%20%7Bx%7D/{a}", ["a"]),
]


def test_paths(tmp_path: Path) -> None:
    messages = "message M { string a = 1; string b = 2; N n = 3; } message N { string x = 1; }"
    methods = "".join(rpc(f"Do{number}", f'get: "{template}"') for number, (template, _, _) in enumerate(PATHS))
    found = written(tmp_path, ECHO, echo_methods(methods, messages))["paths"]
    assert {path: names(item["get"], "path") for path, item in found.items()} == dict(each[1:] for each in PATHS)


def test_paths_that_differ_in_names_only_are_one(tmp_path: Path) -> None:
    methods = rpc("A", 'get: "/v1/{a}"') + rpc("B", 'delete: "/v1/{b}"')
    found = written(tmp_path, ECHO, echo_methods(methods, "message M { string a = 1; int32 b = 2; }"))
    assert {path: list(item) for path, item in found["paths"].items()} == {"/v1/{a}": ["get", "delete"]}
    assert parameter(found["paths"]["/v1/{a}"]["delete"], "a")["schema"]["type"] == "integer"


def test_a_rest_beside_a_single_segment_is_longer(tmp_path: Path) -> None:
    methods = rpc("A", 'get: "/v1/{a}"') + rpc("B", 'get: "/v1/{b=**}"')
    found = written(tmp_path, ECHO, echo_methods(methods, "message M { string a = 1; string b = 2; }"))
    assert list(found["paths"]) == ["/v1/{a}", "/v1/{b}/{b_2}"]


@pytest.mark.parametrize("single", ['get: "/v1/{a}"', 'custom: { kind: "*" path: "/v1/{a}" }'])
@pytest.mark.parametrize("rest", ['get: "/v1/{b=**}"', 'custom: { kind: "*" path: "/v1/{b=**}" }'])
def test_a_rest_yields_whatever_the_methods_are(tmp_path: Path, single: str, rest: str) -> None:
    """Also to a path that stands behind it, and at any method."""
    methods = rpc("Rest", rest) + rpc("Single", single)
    found = written(tmp_path, ECHO, echo_methods(methods, "message M { string a = 1; string b = 2; }"))["paths"]
    assert [found[path]["get"]["operationId"] for path in ("/v1/{a}", "/v1/{b}/{b_2}")] == ["Echo_Single", "Echo_Rest"]


def test_names_that_no_path_takes(tmp_path: Path) -> None:
    found = one(tmp_path, 'get: "/{a}"', 'message M { string a = 1 [json_name = "{x}/"]; }')
    assert list(found["paths"]) == ["/{a}"]


def test_any_method_yields_to_one(tmp_path: Path) -> None:
    methods = rpc("Any", 'custom: { kind: "*" path: "/v1/{a}" }') + "rpc Get(M) returns (M);"
    ini = ECHO + "[api:s/get]\nmethod = GET\npath = /v1/{b}\nrpc = echo.v1.Echo/Get\nbackend = b\n"
    found = written(tmp_path, ini, echo_methods(methods, "message M { string a = 1; string b = 2; }"))
    (item,) = found["paths"].values()
    assert {method: operation["operationId"] for method, operation in item.items()} == {
        "get": "Echo_Get",
        "put": "Echo_Any_2",
        "post": "Echo_Any",
        "delete": "Echo_Any_4",
        "patch": "Echo_Any_3",
    }


def test_the_path_of_every_rpc(tmp_path: Path) -> None:
    """Where an RPC has no other, or where it is asked for."""
    assert [path for path in kitchen(tmp_path)["paths"] if path.startswith("/kitchen")] == ["/kitchen.v1.Kitchen/Bare"]
    found = kitchen(tmp_path, every_path=True)
    assert len([path for path in found["paths"] if path.startswith("/kitchen")]) == 18


# -- operations


def test_comments_of_a_method(tmp_path: Path) -> None:
    """The first paragraph is the summary; nothing inside and nothing for linters is told."""
    operation = kitchen(tmp_path)["paths"]["/v1/menus/{menu}/dishes/{dish}"]["get"]
    assert (operation["summary"], operation["description"]) == ("Gets a dish", "The dish is warm.")


def test_tags_and_ids(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    assert found["tags"] == [{"name": "Kitchen", "description": "Cooks.\n\nEverything in here is made to order."}]
    operations = [operation for item in found["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert {"Kitchen_ListDishes", "Kitchen_ListDishes_2"} <= set(ids)
    assert {tag for operation in operations for tag in operation["tags"]} == {"Kitchen"}
    assert operations[0]["x-grpcgw-rpc"] == "kitchen.v1.Kitchen/GetDish"


def test_deprecated(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    assert found["paths"]["/v1/dishes/{dish_title}"]["patch"]["deprecated"] is True
    assert "deprecated" not in found["paths"]["/v1/dishes"]["post"]
    assert found["components"]["schemas"]["kitchen.v1.Dish"]["properties"]["old"]["deprecated"] is True


def test_two_services_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "other.proto").write_text(
        'syntax = "proto3";\npackage other.v2;\nimport "google/api/annotations.proto";\nmessage M { int32 x = 1; }\n'
        'service Echo { rpc Do(M) returns (M) { option (google.api.http) = { get: "/other" }; } }\n'
    )
    ini = ECHO.replace("echo.proto\n", "echo.proto, other.proto\n") + WHOLE.replace("s/all", "s/more").replace(
        "echo.v1", "other.v2"
    )
    found = written(tmp_path, ini, echo_methods(rpc("Do", 'get: "/echo"'), "message M { string y = 1; }"))
    assert [tag["name"] for tag in found["tags"]] == ["echo.v1.Echo", "other.v2.Echo"]
    assert [each["get"]["operationId"] for each in found["paths"].values()] == ["echo_v1_Echo_Do", "other_v2_Echo_Do"]
    assert {"echo.v1.M", "other.v2.M"} <= found["components"]["schemas"].keys()
    assert found["info"]["version"] == "v1, v2"


def test_errors(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    responses = found["paths"]["/v1/dishes"]["get"]["responses"]
    assert list(responses) == ["200", "400", "404", "429", "500", "503", "504", "default"]
    assert responses["default"] == {"$ref": "#/components/responses/Error"}
    assert {"413", "415"} <= found["paths"]["/v1/dishes"]["post"]["responses"].keys()
    errors = found["components"]["responses"]
    assert {each["content"]["application/json"]["schema"]["$ref"] for each in errors.values()} == {f"{REF}Error"}
    assert list(found["components"]["schemas"]["Error"]["properties"]) == ["code", "message", "details"]


def test_errors_of_aip_193(tmp_path: Path) -> None:
    found = kitchen(tmp_path, "error_format = google\n")
    assert found["components"]["responses"]["GoogleNotFound"]["content"]["application/json"]["schema"] == {
        "$ref": f"{REF}GoogleError"
    }
    error = found["components"]["schemas"]["GoogleError"]["properties"]["error"]
    assert error["required"] == ["code", "message", "status", "details"]
    assert "Error" not in found["components"]["schemas"]


# -- what is not a call


def test_http_backend(tmp_path: Path) -> None:
    ini = (
        LISTENER
        + SERVICE
        + WEB
        + "[api:s/a]\nmethod = *\npath = /a/{x=**}\nbackend = web\n[api:s/b]\nmethod = PROPFIND\npath = /b\nbackend = web\n"
    )
    found = written(tmp_path, ini)
    assert {path: list(item) for path, item in found["paths"].items()} == {
        "/a/{x}": ["get", "put", "post", "delete", "patch"]
    }
    operation = found["paths"]["/a/{x}"]["post"]
    assert operation["tags"] == ["HTTP backends"]
    assert operation["requestBody"]["content"] == {"*/*": {}}
    assert "127.0.0.1" not in json.dumps(found)


def test_unbound(tmp_path: Path) -> None:
    found = written(tmp_path, HEAD + "[api:s/x]\nmethod = GET\npath = /x\nrpc = echo.v1.Echo/Say\nbackend = b\n")
    assert found["paths"] == {}
    assert found["x-grpcgw-unbound"] == [{"api": "x", "method": "GET", "path": "/x", "rpc": "echo.v1.Echo/Say"}]
    assert "PLUGIN_NOT_BOUND" in found["info"]["description"]


def test_offline(tmp_path: Path) -> None:
    found = written(tmp_path, ECHO + "[environment:s/test]\npublished = no\n", environment="test")
    assert found["paths"] == {}
    assert "not published" in found["info"]["description"]


# -- several plugins


def test_types_of_two_plugins(tmp_path: Path) -> None:
    """Types that are the same are one component; a type that is not, and all that refer to it, have names of their own."""
    shared = "message Same { string a = 1; } message Uses { Other other = 1; } message Other { %s x = 1; }"
    text = echo_methods(rpc("Do", 'get: "/a"', "Same", "Uses"), shared % "string")
    more = echo_methods(
        rpc("Do", 'get: "/b"', "Same", "Uses") + rpc("Re", 'get: "/c"', "Same", "Same"), shared % "int32"
    )
    (tmp_path / "more.proto").write_text(more)
    ini = (
        LISTENER
        + SERVICE
        + BACKEND
        + PLUGIN
        + WHOLE
        + BINDING.replace("apis = *", "apis = all")
        + PLUGIN.replace(":p]", ":q]").replace("echo.proto", "more.proto")
        + "[api:s/b]\nmethod = GET\npath = /b\nrpc = echo.v1.Echo/Do\nbackend = b\n"
        + "[api:s/c]\nmethod = GET\npath = /c\nrpc = echo.v1.Echo/Re\nbackend = b\n"
        + BINDING.replace(":r]", ":q]").replace("plugin = p", "plugin = q").replace("apis = *", "apis = b, c")
    )
    found = written(tmp_path, ini, text)
    schemas = found["components"]["schemas"]
    assert sorted(schemas) == [
        "Error",
        "echo.v1.Other",
        "echo.v1.Other-q",
        "echo.v1.Same",
        "echo.v1.Uses",
        "echo.v1.Uses-q",
    ]
    assert answer(found["paths"]["/a"]["get"]) == {"$ref": f"{REF}echo.v1.Uses"}
    assert answer(found["paths"]["/b"]["get"]) == {"$ref": f"{REF}echo.v1.Uses-q"}
    assert schemas["echo.v1.Uses-q"]["properties"]["other"] == {"$ref": f"{REF}echo.v1.Other-q"}
    assert answer(found["paths"]["/c"]["get"]) == {"$ref": f"{REF}echo.v1.Same"}


def test_a_message_named_as_a_component_of_ours(tmp_path: Path) -> None:
    text = echo_methods(rpc("Do", 'get: "/a"', "Error", "Error"), "message Error { string a = 1; }").replace(
        "package echo.v1;", ""
    )
    found = written(tmp_path, ECHO.replace("echo.v1.", ""), text)
    assert answer(only(found)) == {"$ref": f"{REF}Error-p"}
    assert "code" in found["components"]["schemas"]["Error"]["properties"]


# -- bodies


def test_body_less_what_the_path_binds(tmp_path: Path) -> None:
    found = body(kitchen(tmp_path)["paths"]["/v1/dishes/{title}:rename"]["post"])
    assert list(found["properties"]) == ["to", "quietly", "reason"]
    messages = "message M { string a = 1; N n = 2; } message N { string x = 1; string y = 2; }"
    found = body(only(one(tmp_path, 'post: "/{n.x}" body: "n"', messages)))
    assert list(found["properties"]) == ["y"]


def test_body_less_siblings_of_what_the_path_binds(tmp_path: Path) -> None:
    messages = "message M { oneof o { string a = 1; string b = 2; } string c = 3; }"
    operation = only(one(tmp_path, 'post: "/{a}" body: "*"', messages))
    assert list(body(operation)["properties"]) == ["c"]
    assert names(only(one(tmp_path, 'get: "/{a}"', messages))) == ["c"]


def test_body_of_a_field(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    operation = found["paths"]["/v1/tags"]["put"]
    assert body(operation) == answer(operation) == {"type": "array", "items": {"type": "string"}}
    assert list(operation["requestBody"]["content"]) == ["application/json"]
    assert "tags" not in names(operation)
    assert "menu" in names(operation)


def test_media_types_of_a_body(tmp_path: Path) -> None:
    post = kitchen(tmp_path)["paths"]["/v1/scalars"]["post"]
    assert list(post["requestBody"]["content"]) == [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/protobuf",
    ]
    assert post["requestBody"]["required"] is True
    assert list(post["responses"]["200"]["content"]) == ["application/json", "application/protobuf"]
    form = post["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["someBytes"] == {
        "type": "string",
        "contentMediaType": "application/octet-stream",
    }
    assert form["encoding"]["byString"] == {"style": "deepObject", "explode": True}
    assert body(post, "application/x-www-form-urlencoded")["properties"]["someBytes"]["contentEncoding"] == "base64"


@pytest.mark.parametrize(
    ("rule", "messages"),
    [('post: "/go" body: "*"', "message M {}"), ('post: "/{a}:go" body: "*"', "message M { string a = 1; }")],
)
def test_a_body_of_nothing_may_be_left_out(tmp_path: Path, rule: str, messages: str) -> None:
    assert "required" not in only(one(tmp_path, rule, messages))["requestBody"]


def test_members_of_a_oneof_in_a_form(tmp_path: Path) -> None:
    choice = kitchen(tmp_path)["paths"]["/v1/choices"]["post"]
    first, second = body(choice, "application/x-www-form-urlencoded")["allOf"]
    assert first["oneOf"][0] == {"required": ["meat"]}
    assert first["oneOf"][1] == {"anyOf": [{"required": ["stew.title"]}, {"required": ["stew.least"]}]}
    assert second["oneOf"][:2] == [{"required": ["fries"]}, {"required": ["salad"]}]


def test_patch(tmp_path: Path) -> None:
    """The mask is filled by the gateway; what a resource requires is not required of a change to it."""
    messages = """
    message M { Dish dish = 1; google.protobuf.FieldMask update_mask = 2; bool dry = 3; }
    message Dish { string id = 1; string title = 2 [(google.api.field_behavior) = REQUIRED]; }
    """
    operation = only(one(tmp_path, 'patch: "/{dish.id}" body: "dish"', messages))
    assert names(operation) == ["dry"]
    assert "`updateMask` is filled" in operation["description"]
    assert list(body(operation)["properties"]) == ["title"]
    assert "required" not in body(operation)
    assert body(only(one(tmp_path, 'post: "/{dish.id}" body: "dish"', messages)))["required"] == ["title"]


def test_http_bodies(tmp_path: Path) -> None:
    found = kitchen(tmp_path)
    assert found["paths"]["/v1/upload"]["post"]["requestBody"]["content"] == {"*/*": {}}
    assert found["paths"]["/v1/download/{name}"]["get"]["responses"]["200"]["content"] == {"*/*": {}}


def test_response_body(tmp_path: Path) -> None:
    nested = answer(kitchen(tmp_path)["paths"]["/v1/nests"]["post"])
    assert nested == {"anyOf": [{"$ref": f"{REF}kitchen.v1.Nest"}, {"type": "null"}]}


# -- streams


def test_stream_of_answers(tmp_path: Path) -> None:
    operation = kitchen(tmp_path)["paths"]["/v1/watch/{name}"]["get"]
    dish = {"$ref": f"{REF}kitchen.v1.Dish"}
    assert list(operation["responses"]["200"]["content"]) == [
        "application/x-ndjson",
        "text/event-stream",
        "application/json-seq",
        "application/json",
    ]
    assert answer(operation) == {"type": "array", "items": dish}
    line, error = answer(operation, "application/x-ndjson")["items"]["anyOf"]
    assert line == dish
    assert error["properties"] == {"error": {"$ref": f"{REF}Error"}}
    data = answer(operation, "text/event-stream")["items"]["properties"]["data"]
    assert data["contentSchema"] == {"anyOf": [dish, {"$ref": f"{REF}Error"}]}
    assert "stream of messages" in operation["description"]


def test_stream_of_envelopes(tmp_path: Path) -> None:
    found = kitchen(tmp_path, "stream_envelope = result\nerror_format = google\n")
    operation = found["paths"]["/v1/watch/{name}"]["get"]
    line, error = answer(operation, "application/x-ndjson")["items"]["anyOf"]
    assert line == {
        "type": "object",
        "properties": {"result": {"$ref": f"{REF}kitchen.v1.Dish"}},
        "required": ["result"],
    }
    assert error == {"$ref": f"{REF}GoogleError"}
    assert answer(operation)["items"] == line


def test_stream_of_requests(tmp_path: Path) -> None:
    operation = kitchen(tmp_path)["paths"]["/v1/collect"]["post"]
    stream = {"type": "array", "items": {"$ref": f"{REF}kitchen.v1.Dish"}}
    assert list(operation["requestBody"]["content"]) == [
        "application/x-ndjson",
        "application/json-seq",
        "application/json",
    ]
    assert body(operation) == body(operation, "application/x-ndjson") == stream
    assert list(operation["responses"]["200"]["content"]) == ["application/json", "application/protobuf"]


def test_stream_of_lists(tmp_path: Path) -> None:
    """Where one message's body is an array, an array is no stream."""
    operation = only(one(tmp_path, 'post: "/a" body: "l"', "message M { repeated string l = 1; }", given="stream M"))
    assert list(operation["requestBody"]["content"]) == ["application/x-ndjson", "application/json-seq"]


def test_stream_of_octets(tmp_path: Path) -> None:
    operation = only(one(tmp_path, 'get: "/a"', "message M { string a = 1; }", taken="stream google.api.HttpBody"))
    assert operation["responses"]["200"]["content"] == {"*/*": {}}
    assert "Accept" not in operation["description"]


# -- as text


@pytest.mark.parametrize(
    "value",
    [
        "1e3",
        "1.0",
        "0x1F",
        "0o17",
        "12:30",
        "2001-01-01",
        "yes",
        "no",
        "null",
        "~",
        "",
        " a ",
        "# a",
        "a: b",
        "- a",
        "é\u2028",
        "a\nb\n",
        "*x",
        "{x}",
    ],
)
def test_texts_in_yaml_stay_texts(value: str) -> None:
    assert yaml.safe_load(to_yaml({"a": value})) == {"a": value}


def test_numbers_are_quoted_for_readers_of_either_version() -> None:
    """YAML 1.2 reads 1e3 and 0o17 as numbers, 1.1 does not."""
    assert to_yaml({"a": "1e3", "b": "0o17", "c": "3.1.0"}) == 'a: "1e3"\nb: "0o17"\nc: "3.1.0"\n'


def test_block_style(tmp_path: Path) -> None:
    text = to_yaml(kitchen(tmp_path))
    assert "&id" not in text
    assert "{}" in text
    assert "\n  - name: Kitchen\n" in text


# -- the command


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> str:
    build(tmp_path, ECHO)
    return str(tmp_path / "g.ini")


def test_command(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "-c", config]) == 0
    found = json.loads(capsys.readouterr().out)
    validate(found)
    assert main(["openapi", "-c", config, "--service", "s", "--environment", "release", "--format", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == found


def test_command_with_options(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "-c", config, "--every-path", "--server", "https://a.example", "--server", "http://b"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [server["url"] for server in found["servers"]] == ["https://a.example", "http://b"]
    assert "/echo.v1.Echo/Say" in found["paths"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--service", "x"], "there is no service 'x'; there are s"),
        (["--environment", "x"], "service s has no environment 'x'; it has prepub, release, test"),
        (["--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_wrong_command(config: str, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["openapi", "-c", config, *arguments])
    assert caught.value.code == 2
    assert why in capsys.readouterr().err


def test_command_of_several_services(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, ECHO + "[service:t]\nhosts = t.example\n")
    with pytest.raises(SystemExit):
        main(["openapi", "-c", str(tmp_path / "g.ini")])
    assert "--service is needed: there are s, t" in capsys.readouterr().err


def test_command_of_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "--service", "bookstore", "--environment", "test"]) == 0
    found = json.loads(capsys.readouterr().out)
    validate(found)
    assert list(found["paths"]) == ["/v1/newest"]


def test_reasons_are_those_of_the_mapping_page(tmp_path: Path) -> None:
    """Each stands in http-mapping.md, with the status that the document has it under."""
    page = (Path(__file__).parent.parent / "docs" / "http-mapping.md").read_text("utf-8")
    statuses = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d{3})", page, re.MULTILINE))
    found = kitchen(tmp_path)
    responses = found["paths"]["/v1/dishes"]["post"]["responses"] | {"405": {"$ref": "/MethodNotAllowed"}}
    told = 0
    for status, response in responses.items():
        name = response.get("$ref", "").rpartition("/")[2]
        text = found["components"]["responses"][name]["description"] if name else ""
        for reason in re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", text):
            assert statuses[reason] == status
            told += 1
    assert told > 15
