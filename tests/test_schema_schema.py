"""A schema is one plugin's own world: its pool, its rules, its places."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from twistedgw.errors import ConfigError
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.schema import Schema
from twistedgw.schema.source import Origin
from twistedgw.transcoding.rule import HttpRule


def _has_edition_2024() -> bool:
    file = FileDescriptorProto(name="probe", syntax="editions", edition=1001)  # type: ignore[arg-type]
    try:
        descriptor_pool.DescriptorPool().AddSerializedFile(file.SerializeToString())
    except TypeError:
        return False
    return True


needs_edition_2024 = pytest.mark.skipif(not _has_edition_2024(), reason="this protobuf is older than edition 2024")


def load(folder: Path, **texts: str) -> Schema:
    for name, text in texts.items():
        (folder / f"{name}.proto").write_text(text)
    first = next(iter(texts))
    return ProtoSource([folder / f"{first}.proto"], cache=SchemaCache(), origin=Origin(None, folder)).load()


SHOP = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
message Item {
  string name = 1;
  oneof price { int32 cents = 2; }
  enum Kind { NONE = 0; }
  message Part {}
}
service Shop {
  rpc Get(Item) returns (Item) {
    option (google.api.http) = {
      get: "/v1/{name=items/*}"
      response_body: "name"
      additional_bindings { post: "/v1/items:get" body: "*" }
      additional_bindings { custom { kind: "head" path: "/v1/items" } }
      additional_bindings { custom { kind: "*" path: "/v1/any" } }
    };
  }
  rpc Put(Item) returns (Item) { option (google.api.http) = { put: "/v1/items" body: "name" }; }
  rpc Plain(Item) returns (Item);
}
"""


def test_what_is_in_it(tmp_path: Path) -> None:
    schema = load(tmp_path, shop=SHOP)
    assert list(schema.services) == ["shop.v1.Shop"]
    assert schema.own_files == {"shop.proto"}
    assert schema.files["shop.proto"].package == "shop.v1"
    method = schema.method("shop.v1.Shop", "Get")
    assert method is schema.services["shop.v1.Shop"].methods_by_name["Get"]
    assert schema.method("shop.v1.Shop", "None") is None
    assert schema.method("shop.v1.None", "Get") is None
    assert schema.message("shop.v1.Item").fields_by_name["cents"].number == 2
    assert schema.message("shop.v1.None") is None
    assert schema.pool is not descriptor_pool.Default()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("shop.v1.Item")


def test_rules_are_flattened_in_their_order(tmp_path: Path) -> None:
    schema = load(tmp_path, shop=SHOP)
    methods = schema.services["shop.v1.Shop"].methods_by_name
    assert schema.rules(methods["Get"]) == (
        HttpRule("GET", "/v1/{name=items/*}", "", "name"),
        HttpRule("POST", "/v1/items:get", "*", ""),
        HttpRule("HEAD", "/v1/items"),
        HttpRule("*", "/v1/any"),
    )
    assert schema.rules(methods["Put"]) == (HttpRule("PUT", "/v1/items", "name"),)
    assert schema.rules(methods["Plain"]) == ()
    assert schema.problems == ()


def test_rules_that_cannot_be_used_are_told_of_with_their_place(tmp_path: Path) -> None:
    schema = load(
        tmp_path,
        a="""syntax = "proto3";
import "google/api/annotations.proto";
message M {}
service S {
  rpc Nested(M) returns (M) { option (google.api.http) = {
    get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } } }; }
  rpc Nothing(M) returns (M) { option (google.api.http) = { body: "*" }; }
  rpc Empty(M) returns (M) { option (google.api.http) = { get: "" additional_bindings { get: "/ok" } }; }
  rpc Custom(M) returns (M) { option (google.api.http) = { custom { path: "/x" } }; }
}""",
    )
    rules = {method.name: schema.rules(method) for method in schema.services["S"].methods}
    assert rules == {
        "Nested": (HttpRule("GET", "/a"), HttpRule("GET", "/b")),
        "Nothing": (),
        "Empty": (HttpRule("GET", "/ok"),),
        "Custom": (),
    }
    assert [str(problem) for problem in schema.problems] == [
        (
            "a.proto:5:3: additional binding 1 of the google.api.http rule of S.Nested has additional bindings"
            " of its own; only one level of them is allowed"
        ),
        (
            "a.proto:7:3: the google.api.http rule of S.Nothing has no method and path"
            " (get, put, post, delete, patch or custom)"
        ),
        "a.proto:8:3: the google.api.http rule of S.Empty has an empty path for GET",
        "a.proto:9:3: the google.api.http rule of S.Custom is a custom pattern without a kind",
    ]


def test_without_annotations_there_are_no_rules(tmp_path: Path) -> None:
    schema = load(
        tmp_path, a='syntax = "proto3"; message M {} service S { rpc Do(M) returns (M) { option deprecated = true; } }'
    )
    [method] = schema.services["S"].methods
    assert schema.rules(method) == ()


@pytest.fixture
def clean_process(request: pytest.FixtureRequest) -> None:
    """Run the test in a process of its own where another test has put google.api.http into the default pool.

    protobuf then reads every FileDescriptorSet by that extension, and refuses one that gives its number another type.
    """
    try:
        descriptor_pool.Default().FindExtensionByName("google.api.http")
    except KeyError:
        return
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", request.node.nodeid]
    done = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    pytest.skip("passed in a process of its own")


@pytest.mark.usefixtures("clean_process")
@pytest.mark.parametrize(
    "extension",
    ["string http = 72295728;", "repeated Rule http = 72295728;", "Rule http = 72295728;"],
)
def test_another_google_api_http_is_not_taken_for_the_annotation(tmp_path: Path, extension: str) -> None:
    value = '"/x"' if "string" in extension else '{ get: "/x" }'
    schema = load(
        tmp_path,
        a=f"""syntax = "proto2"; package google.api; import "google/protobuf/descriptor.proto";
        message Rule {{ optional string get = 2; }}
        extend google.protobuf.MethodOptions {{ {"" if "repeated" in extension else "optional"} {extension} }}
        message M {{}} service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {value}; }} }}""",
    )
    [method] = schema.services["google.api.S"].methods
    assert schema.rules(method) == ()
    assert schema.problems == ()


@pytest.mark.usefixtures("clean_process")
def test_a_plugin_s_own_http_rule_is_read_as_the_real_one(tmp_path: Path) -> None:
    schema = load(
        tmp_path,
        a="""syntax = "proto2"; package google.api; import "google/protobuf/descriptor.proto";
        message HttpRule { optional bytes get = 2; optional bytes put = 3; optional int32 body = 7; }
        extend google.protobuf.MethodOptions { optional HttpRule http = 72295728; }
        message M {} service S {
          rpc Good(M) returns (M) { option (google.api.http) = { get: "/x" }; }
          rpc Bad(M) returns (M) { option (google.api.http) = { get: "\\xff" }; }
        }""",
    )
    service = schema.services["google.api.S"].methods_by_name
    assert schema.rules(service["Good"]) == (HttpRule("GET", "/x"),)
    assert schema.rules(service["Bad"]) == ()
    [problem] = schema.problems
    assert problem.message == "the google.api.http rule of google.api.S.Bad cannot be read"


def test_places(tmp_path: Path) -> None:
    schema = load(tmp_path, shop=SHOP)
    assert {
        name: schema.place(f"shop.v1.{name}")
        for name in (
            "Item",
            "Item.name",
            "Item.cents",
            "Item.price",
            "Item.Kind",
            "Item.NONE",
            "Item.Part",
            "Shop",
            "Shop.Get",
        )
    } == {
        "Item": ("shop.proto", 4, 1),
        "Item.name": ("shop.proto", 5, 3),
        "Item.cents": ("shop.proto", 6, 17),
        "Item.price": ("shop.proto", 6, 3),
        "Item.Kind": ("shop.proto", 7, 3),
        "Item.NONE": ("shop.proto", 7, 15),
        "Item.Part": ("shop.proto", 8, 3),
        "Shop": ("shop.proto", 10, 1),
        "Shop.Get": ("shop.proto", 11, 3),
    }
    assert schema.place("shop.v1.None") is None
    assert schema.place("") is None
    assert schema.place("google.api.HttpRule") is None


def test_imported_own_files_are_own_too(tmp_path: Path) -> None:
    schema = load(
        tmp_path,
        a='syntax = "proto3"; import "b.proto"; import "google/longrunning/operations.proto"; service A {}',
        b='syntax = "proto3"; service B {} message M {}',
    )
    assert set(schema.services) == {"A", "B"}
    assert schema.own_files == {"a.proto", "b.proto"}
    assert schema.place("M") == ("b.proto", 1, 33)
    assert schema.method("google.longrunning.Operations", "GetOperation") is not None


@pytest.mark.parametrize(
    "name",
    [
        "google.rpc.Status",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.api.HttpBody",
        "google.protobuf.Any",
    ],
)
def test_error_details_are_there_although_nothing_imports_them(tmp_path: Path, name: str) -> None:
    schema = load(tmp_path, a='syntax = "proto3"; message M {}')
    descriptor = schema.message(name)
    assert message_factory.GetMessageClass(descriptor)().DESCRIPTOR is descriptor


def test_a_plugin_that_defines_such_a_name_itself_keeps_its_own(tmp_path: Path) -> None:
    schema = load(tmp_path, a='syntax = "proto3"; package google.rpc; message Status { int32 mine = 1; }')
    assert list(schema.message("google.rpc.Status").fields_by_name) == ["mine"]
    assert schema.message("google.rpc.ErrorInfo") is not None


def test_two_plugins_may_define_one_name_differently(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = load(tmp_path / "one", a='syntax = "proto3"; message M { int32 x = 1; }')
    two = load(tmp_path / "two", a='syntax = "proto3"; message M { string y = 1; repeated int32 x = 2; }')
    first = message_factory.GetMessageClass(one.message("M"))(x=5)
    second = message_factory.GetMessageClass(two.message("M"))(y="s", x=[1, 2])
    assert first.SerializeToString() == b"\x08\x05"
    assert second.SerializeToString() == b"\x0a\x01s\x12\x02\x01\x02"
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("syntax", "field"),
    [
        ('syntax = "proto2";', "required int32 x = 1 [default = 3];"),
        ('syntax = "proto2";', "optional group G = 1 { optional int32 y = 1; }"),
        ('syntax = "proto3";', "optional int32 x = 1;"),
        ('edition = "2023";', "int32 x = 1 [features.field_presence = LEGACY_REQUIRED];"),
        pytest.param(
            'edition = "2024";', "int32 x = 1 [features.field_presence = IMPLICIT];", marks=needs_edition_2024
        ),
    ],
)
def test_every_syntax(tmp_path: Path, syntax: str, field: str) -> None:
    schema = load(tmp_path, a=f"{syntax} message M {{ {field} }}")
    message = message_factory.GetMessageClass(schema.message("M"))
    assert message.FromString(message().SerializePartialToString()) == message()


@needs_edition_2024
def test_rules_come_through_edition_2024_s_option_imports(tmp_path: Path) -> None:
    schema = load(
        tmp_path,
        a="""edition = "2024"; import option "google/api/annotations.proto"; message M {}
        service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/x" }; } }""",
    )
    [method] = schema.services["S"].methods
    assert schema.rules(method) == (HttpRule("GET", "/x"),)


def _file(name: str, *dependencies: str, messages: tuple[str, ...] = ()) -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, dependency=dependencies, syntax="proto3")
    for message in messages:
        file.message_type.add(name=message)
    return file


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([_file("a", "b")], 'a: "a" imports "b", which is missing'),
        ([_file("a", "b"), _file("b", "a")], 'b: "b" imports itself by way of "a"'),
        ([_file("a", "a")], 'a: "a" imports itself by way of "a"'),
        ([_file("a"), _file("a", messages=("M",))], 'a: there are two different files named "a"'),
        (
            [_file("a", messages=("M",)), _file("b", "a", messages=("M",))],
            "b: \"b\" contradicts itself or another file: duplicate symbol 'M'",
        ),
    ],
)
def test_a_set_that_does_not_fit_together_is_refused(files: list[FileDescriptorProto], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Schema(FileDescriptorSet(file=files), frozenset({"a", "b"}))
    assert str(caught.value) == said


def test_files_may_come_in_any_order_twice_and_very_deep() -> None:
    count = 3000
    files = [_file(f"f{i}", f"f{i + 1}") for i in range(count)] + [_file(f"f{count}", messages=("M",))]
    schema = Schema(FileDescriptorSet(file=[*files, *reversed(files)]), frozenset({"f0"}))
    assert schema.message("M") is not None
    assert "f0" in schema.files


def test_an_edition_that_the_runtime_does_not_know_is_told_of() -> None:
    file = FileDescriptorProto(name="a", syntax="editions", edition=99999)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        Schema(FileDescriptorSet(file=[file]), frozenset({"a"}))
    [problem] = caught.value.problems
    assert (problem.file, problem.hint) == ("a", "this edition needs a newer protobuf")


def test_equal_content_has_an_equal_digest() -> None:
    one = FileDescriptorSet(file=[_file("a", messages=("M",)), _file("b", "a")])
    other = FileDescriptorSet(file=reversed(one.file))
    own = frozenset({"a"})
    assert Schema(one, own).digest == Schema(other, own).digest
    assert Schema(one, own).digest != Schema(one, frozenset({"a", "b"})).digest
    assert Schema(one, own).digest != Schema(one, own, {"a": "protos/a"}).digest
