"""Types and parameters in documents: each field as the codec and the binder have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_case import answer, body, echo_methods, kitchen, names, one, only, parameter, rpc, written
from small_snapshots import ECHO, build

from twistedgw.openapi.document import document

REF = "#/components/schemas/"
INT32 = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
UINT32 = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**32 - 1}
INT64 = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
UINT64 = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}
BYTES = {"type": "string", "format": "byte", "contentEncoding": "base64"}
TIME = {"type": "string", "format": "date-time"}


@pytest.fixture(name="schemas", scope="module")
def _schemas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return kitchen(tmp_path_factory.mktemp("kitchen"))["components"]["schemas"]


def component(found: Any, name: str = "M") -> Any:
    return found["components"]["schemas"][f"echo.v1.{name}"]


def fields(folder: Path, text: str, options: str = "", more: str = "") -> Any:
    """Give the properties of a message with these fields."""
    found = one(folder, 'post: "/a" body: "*"', f"message M {{ {text} }} {more}", options=options)
    return component(found)["properties"]


# -- scalars


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("aBool", {"type": "boolean"}),
        ("anInt32", INT32),
        ("aSint32", INT32),
        ("aSfixed32", INT32),
        ("aUint32", UINT32),
        ("aFixed32", UINT32),
        ("anInt64", INT64),
        ("aSint64", INT64),
        ("aSfixed64", INT64),
        ("aUint64", UINT64),
        ("aFixed64", UINT64),
        ("aDouble", {"type": "number", "format": "double"}),
        ("aString", {"type": "string"}),
        ("someBytes", BYTES),
        ("manyBytes", {"type": "array", "items": BYTES}),
        (
            "byBool",
            {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "propertyNames": {"enum": ["true", "false"]},
            },
        ),
        ("byString", {"type": "object", "additionalProperties": BYTES}),
    ],
)
def test_scalars(schemas: Any, name: str, schema: Any) -> None:
    assert schemas["kitchen.v1.Scalars_"]["properties"][name] == schema


def test_float(schemas: Any) -> None:
    found = schemas["kitchen.v1.Scalars_"]["properties"]["aFloat"]
    assert (found["type"], found["format"]) == ("number", "float")
    assert 3.4e38 < found["maximum"] == -found["minimum"] < 3.5e38


def test_keys_of_maps(tmp_path: Path) -> None:
    found = fields(tmp_path, "map<int32, bool> a = 1; map<sfixed64, bool> b = 2; map<uint64, bool> c = 3;")
    signed, unsigned = {"pattern": "^(0|-?[1-9][0-9]*)$"}, {"pattern": "^(0|[1-9][0-9]*)$"}
    assert [each["propertyNames"] for each in found.values()] == [signed, signed, unsigned]


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("at", TIME),
        ("struct", {"type": "object", "additionalProperties": True}),
        ("value", {}),
        ("list", {"type": "array", "items": {}}),
        ("empty", {"$ref": f"{REF}google.protobuf.Empty"}),
        ("int64", INT64),
        ("string", {"type": "string"}),
        ("bool", {"type": "boolean"}),
        ("bytes", BYTES),
        ("null", {"type": "null"}),
        ("values", {"type": "array", "items": {}}),
        ("structs", {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": True}}),
        ("times", {"type": "array", "items": TIME}),
    ],
)
def test_well_known_types(schemas: Any, name: str, schema: Any) -> None:
    assert schemas["kitchen.v1.Known_"]["properties"][name] == schema


def test_well_known_types_that_are_texts(schemas: Any) -> None:
    found = schemas["kitchen.v1.Known_"]["properties"]
    assert found["took"]["pattern"] == r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"
    assert found["mask"]["format"] == "field-mask"
    assert found["any"]["properties"]["@type"]["type"] == "string"
    assert found["any"]["additionalProperties"] is True


# -- enums


def test_enum(schemas: Any) -> None:
    assert schemas["kitchen.v1.Heat"] == {
        "type": "string",
        "description": "How warm it is.\n\n- `HEAT_UNSPECIFIED`: Nobody knows.\n- `COLD`\n- `HOT`: Burns. (deprecated)\n- `BURNING`",
        "enum": ["HEAT_UNSPECIFIED", "COLD", "HOT", "BURNING"],
    }


def test_enums_as_numbers(tmp_path: Path) -> None:
    found = kitchen(tmp_path, "enums_as_numbers = yes\n")["components"]["schemas"]["kitchen.v1.Heat"]
    assert (found["type"], found["enum"]) == ("integer", [0, 1, 2])
    assert "- `1`: `COLD`" in found["description"]


def test_names_of_enum_values_that_mean_nothing_more_are_told_once(tmp_path: Path) -> None:
    found = one(tmp_path, 'get: "/a"', "message M { E e = 1; } enum E { A = 0; B = 1; }")
    assert component(found, "E") == {"type": "string", "enum": ["A", "B"]}


# -- fields


def test_names_of_the_proto(tmp_path: Path) -> None:
    found = kitchen(tmp_path, "preserve_proto_field_names = yes\n")
    assert "an_int64" in found["components"]["schemas"]["kitchen.v1.Scalars_"]["properties"]
    assert "page_size" in names(found["paths"]["/v1/dishes"]["get"])
    assert "/v1/files/{page_token}" in found["paths"]


def test_json_name(tmp_path: Path) -> None:
    assert list(fields(tmp_path, 'string a_b = 1 [json_name = "x-y"];')) == ["x-y"]


def test_comments(schemas: Any) -> None:
    dish = schemas["kitchen.v1.Dish"]
    assert dish["description"] == "What is on the plate."
    assert dish["properties"]["title"]["description"] == "How it is called."
    assert dish["properties"]["grams"]["description"] == "without the plate"
    assert schemas["kitchen.v1.Dish.Size"]["description"] == "Small or large."


def test_field_behavior(schemas: Any) -> None:
    dish = schemas["kitchen.v1.Dish"]
    found = dish["properties"]
    assert dish["required"] == ["title"]
    assert found["title"]["minLength"] == 1
    assert found["etag"] == {"type": "string", "readOnly": True}
    assert found["secret"] == {"type": "string", "writeOnly": True}
    assert found["origin"]["description"] == "Cannot be changed once it is set."
    assert found["id"] == {"type": "string", "format": "uuid"}


REQUIRED = [
    ("string", {"minLength": 1}),
    ("bytes", {"minLength": 1}),
    ("repeated string", {"minItems": 1}),
    ("map<string, string>", {"minProperties": 1}),
    ("int32", {"not": {"const": 0}}),
    ("int64", {"not": {"const": "0"}}),
    ("E", {"not": {"const": "NONE"}}),
    ("optional int32", {}),
    ("N", {}),
]


def test_required_is_more_than_the_default(tmp_path: Path) -> None:
    """AIP-203; what is at its default is not on the wire, and so is not printed."""
    rule = "[(google.api.field_behavior) = REQUIRED]"
    plain = " ".join(f"{kind} f{number} = {number};" for number, (kind, _) in enumerate(REQUIRED, 1))
    asked = plain.replace(";", f" {rule};")
    messages = f"message N {{}} enum E {{ NONE = 0; ONE = 1; }} message M {{ {plain} }} message O {{ {asked} }}"
    found = one(tmp_path, 'get: "/a"', messages, taken="O", given="N")
    usual = component(one(tmp_path, 'get: "/a"', messages, taken="M", given="N"))
    told = component(found, "O")
    assert "required" not in usual
    assert told["required"] == list(usual["properties"])
    for (_, more), (name, schema) in zip(REQUIRED, usual["properties"].items(), strict=True):
        assert told["properties"][name] == schema | more


def test_required_bool_cannot_be(tmp_path: Path) -> None:
    found = one(tmp_path, 'get: "/a"', "message M { bool a = 1 [(google.api.field_behavior) = REQUIRED]; }")
    assert "required" not in component(found)


def test_oneofs(schemas: Any) -> None:
    found = schemas["kitchen.v1.Choice"]
    alone = [{"required": ["meat"]}, {"required": ["stew"]}]
    assert found["allOf"][0]["oneOf"] == [*alone, {"not": {"anyOf": alone}}]
    assert len(found["allOf"]) == 2
    assert found["properties"]["drink"] == {"type": "string"}
    assert found["properties"]["meat"]["description"] == "At most one member of `main` is set."


def test_optional_is_no_oneof(tmp_path: Path) -> None:
    found = component(one(tmp_path, 'get: "/a"', "message M { optional int32 a = 1; optional int32 b = 2; }"))
    assert found == {"type": "object", "properties": {"a": INT32, "b": INT32}}


@pytest.mark.parametrize(("options", "closed"), [("", True), ("unknown_fields = ignore\n", False)])
def test_what_clients_send_has_no_other_keys(tmp_path: Path, options: str, closed: bool) -> None:
    found = one(
        tmp_path,
        'post: "/a" body: "*"',
        "message M { N n = 1; } message N { string a = 1; } message O { string b = 1; }",
        taken="O",
        options=options,
    )
    assert [component(found, name).get("additionalProperties") is False for name in "MNO"] == [closed, closed, False]


# -- parameters


def test_query(tmp_path: Path) -> None:
    operation = kitchen(tmp_path)["paths"]["/v1/dishes"]["get"]
    assert names(operation) == [
        "menu",
        "pageSize",
        "pageToken",
        "tags",
        "heat",
        "filter.title",
        "filter.least",
        "scores",
    ]
    assert parameter(operation, "tags")["schema"] == {"type": "array", "items": {"type": "string"}}
    assert parameter(operation, "heat")["schema"] == {"type": "array", "items": {"$ref": f"{REF}kitchen.v1.Heat"}}
    assert parameter(operation, "scores") == {
        "name": "scores",
        "in": "query",
        "style": "deepObject",
        "explode": True,
        "schema": {"type": "object", "additionalProperties": INT32},
    }


def test_query_of_well_known_types(tmp_path: Path) -> None:
    operation = kitchen(tmp_path)["paths"]["/v1/query"]["get"]
    assert parameter(operation, "at")["schema"] == TIME
    assert parameter(operation, "struct")["content"] == {
        "application/json": {"schema": {"type": "object", "additionalProperties": True}}
    }
    assert parameter(operation, "uint64")["schema"] == UINT64
    assert parameter(operation, "byName")["style"] == "deepObject"


def test_query_without_what_has_no_text(tmp_path: Path) -> None:
    messages = """
    message N { string x = 1; }
    message M {
      repeated N list = 1; map<string, N> map = 2; google.protobuf.Any any = 3; google.protobuf.Empty empty = 4;
      google.protobuf.NullValue null = 5; string out = 6 [(google.api.field_behavior) = OUTPUT_ONLY]; string a = 7;
      repeated google.protobuf.Value values = 8;
    }"""
    operation = only(one(tmp_path, 'get: "/a"', messages))
    assert names(operation) == ["a", "values"]
    items = parameter(operation, "values")["schema"]["items"]
    assert items == {"type": "string", "contentMediaType": "application/json", "contentSchema": {}}


def test_query_required(tmp_path: Path) -> None:
    rule = "[(google.api.field_behavior) = REQUIRED]"
    messages = f"message N {{ string x = 1 {rule}; }} message M {{ N n = 1 {rule}; N o = 2; string s = 3; }}"
    operation = only(one(tmp_path, 'get: "/a"', messages))
    assert [each["name"] for each in operation["parameters"] if each.get("required")] == ["n.x"]


def test_query_deprecated_and_described(tmp_path: Path) -> None:
    messages = "message M {\n // About a.\n string a = 1 [deprecated = true]; }"
    found = parameter(only(one(tmp_path, 'get: "/a"', messages)), "a")
    assert found == {
        "name": "a",
        "in": "query",
        "description": "About a.",
        "deprecated": True,
        "schema": {"type": "string"},
    }


def test_query_without_an_end(tmp_path: Path) -> None:
    """A message within itself, and within another one that is within it, is gone into once."""
    messages = "message M { M m = 1; N n = 2; string a = 3; } message N { M m = 1; N n = 2; string b = 3; }"
    assert names(only(one(tmp_path, 'get: "/a"', messages))) == ["n.b", "a"]


def test_query_of_very_many_fields(tmp_path: Path) -> None:
    levels = "".join(
        f"message L{n} {{ " + " ".join(f"L{n + 1} f{k} = {k};" for k in range(1, 9)) + " }" for n in range(8)
    )
    messages = f"message M {{ L0 l = 1; }} {levels} message L8 {{ string end = 1; }}"
    assert names(only(one(tmp_path, 'get: "/a"', messages))) == []
    assert (
        len(
            names(
                only(
                    one(
                        tmp_path,
                        'get: "/a"',
                        f"message M {{ {' '.join(f'string f{k} = {k};' for k in range(1, 500))} }}",
                    )
                )
            )
        )
        == 200
    )


# -- what protos there are


WEIRD = """
syntax = "proto2";
package echo.v1;
import "google/api/annotations.proto";
message M {
  required string must = 1;
  optional int32 with = 2 [default = 7];
  optional int64 big = 3 [default = -5];
  optional bytes raw = 4 [default = "hi"];
  optional double inf = 5 [default = inf];
  optional float half = 8 [default = 0.5];
  optional E e = 6 [default = TWO];
  optional group Grp = 7 { optional string inner = 1; repeated group Deep = 2 { optional M m = 3; } }
  extensions 100 to 200;
  enum E { ONE = 1; TWO = 2; }
}
extend M { optional string extra = 100; repeated M more = 101; }
message _ { optional M a = 1; optional string __b__ = 2; optional string b = 3; }
service Echo { rpc Do(M) returns (_) { option (google.api.http) = { post: "/a" body: "*" }; } }
"""


def test_proto2(tmp_path: Path) -> None:
    found = written(tmp_path, ECHO, WEIRD)
    message = component(found)
    properties = message["properties"]
    assert message["required"] == ["must"]
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    assert defaults == {"with": 7, "big": "-5", "raw": "aGk=", "half": 0.5, "e": "TWO"}
    assert properties["grp"] == {"$ref": f"{REF}echo.v1.M.Grp"}
    assert properties["[echo.v1.extra]"] == {"type": "string"}
    assert properties["[echo.v1.more]"] == {"type": "array", "items": {"$ref": f"{REF}echo.v1.M"}}
    assert component(found, "M.E")["enum"] == ["ONE", "TWO"]
    assert component(found, "_")["properties"].keys() == {"a", "B", "b"}


def test_editions(tmp_path: Path) -> None:
    text = """
    edition = "2023";
    package echo.v1;
    import "google/api/annotations.proto";
    message M {
      string must = 1 [features.field_presence = LEGACY_REQUIRED];
      string free = 2 [features.field_presence = IMPLICIT];
      M inner = 3 [features.message_encoding = DELIMITED];
      string kept = 4 [default = "k"];
    }
    service Echo { rpc Do(M) returns (M) { option (google.api.http) = { post: "/a" body: "*" }; } }
    """
    message = component(written(tmp_path, ECHO, text))
    assert message["required"] == ["must"]
    assert message["properties"]["kept"] == {"type": "string", "default": "k"}
    assert message["properties"]["inner"] == {"$ref": f"{REF}echo.v1.M"}


def test_types_of_one_short_name(tmp_path: Path) -> None:
    messages = "message M { message N { message M { string a = 1; } M m = 1; } N n = 1; N.M o = 2; }"
    found = one(tmp_path, 'get: "/a"', messages)
    assert {name for name in found["components"]["schemas"] if name != "Error"} == {
        "echo.v1.M",
        "echo.v1.M.N",
        "echo.v1.M.N.M",
    }


def test_types_nested_very_deep(tmp_path: Path) -> None:
    """Types are gone through without recursion (which the validator is not)."""
    chain = "".join(f"message L{n} {{ L{n + 1} next = 1; }}" for n in range(1500))
    text = echo_methods(
        rpc("Do", 'get: "/a"'), f"message M {{ L0 l = 1; }} {chain} message L1500 {{ string end = 1; }}"
    )
    found = document(build(tmp_path, ECHO, text), "s", "release")
    assert component(found, "L1500")["properties"] == {"end": {"type": "string"}}


def test_options_of_others_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "protoc-gen-openapiv2").mkdir()
    (tmp_path / "protoc-gen-openapiv2" / "annotations.proto").write_text(
        'syntax = "proto3";\npackage grpc.gateway.protoc_gen_openapiv2.options;\nimport "google/protobuf/descriptor.proto";\n'
        "message Operation { string summary = 1; }\n"
        "extend google.protobuf.MethodOptions { Operation openapiv2_operation = 1042; }\n"
    )
    text = echo_methods(
        'rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" };'
        ' option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_operation) = { summary: "no" }; }',
        "message M {}",
    ).replace('import "google/api/httpbody.proto";', 'import "protoc-gen-openapiv2/annotations.proto";')
    assert "summary" not in only(written(tmp_path, ECHO, text))


def test_an_annotation_of_another_shape_is_none(tmp_path: Path) -> None:
    text = """
    syntax = "proto3";
    package google.api;
    import "google/protobuf/descriptor.proto";
    import "google/api/annotations.proto";
    extend google.protobuf.FieldOptions { string field_behavior = 1052; }
    message M { string a = 1 [(google.api.field_behavior) = "REQUIRED"]; }
    service Echo { rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" }; } }
    """
    found = written(tmp_path, ECHO.replace("echo.v1", "google.api"), text)
    assert "required" not in found["components"]["schemas"]["google.api.M"]


def test_http_body_deeper_is_a_message(tmp_path: Path) -> None:
    found = one(tmp_path, 'post: "/a" body: "*"', "message M { google.api.HttpBody file = 1; }")
    assert body(only(found)) == answer(only(found)) == {"$ref": f"{REF}echo.v1.M"}
    assert found["components"]["schemas"]["google.api.HttpBody"]["properties"]["data"] == BYTES


def test_bodies_of_types_with_a_form_of_their_own(tmp_path: Path) -> None:
    operation = only(
        one(tmp_path, 'post: "/a" body: "*"', "", given="google.protobuf.Struct", taken="google.protobuf.Timestamp")
    )
    assert body(operation) == {"type": "object", "additionalProperties": True}
    assert answer(operation) == TIME
    assert list(operation["requestBody"]["content"]) == ["application/json", "application/protobuf"]
