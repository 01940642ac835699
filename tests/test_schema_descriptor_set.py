"""A binary FileDescriptorSet is a source like any other."""

import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from twistedgw.config.model import Place
from twistedgw.errors import ConfigError
from twistedgw.schema import descriptor_set
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.compile import Compiler
from twistedgw.schema.descriptor_set import DescriptorSetSource
from twistedgw.schema.files import gather
from twistedgw.schema.schema import Schema
from twistedgw.schema.source import Origin
from twistedgw.transcoding.rule import HttpRule

HINT = " (make it with: protoc --include_imports --include_source_info --descriptor_set_out=FILE)"


def compiled(folder: Path, name: str, text: str) -> FileDescriptorSet:
    (folder / name).write_text(text)
    gathered = gather([folder / name], [])
    file_set = Compiler().compile(gathered.files, gathered.roots).file_set
    assert file_set is not None
    return file_set


def load(path: Path, content: FileDescriptorSet | bytes | None = None) -> Schema:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    origin = Origin(Place("gw.ini", "plugin:p", 1, {"descriptor_set": 4}), path.parent)
    return DescriptorSetSource(path, cache=SchemaCache(), origin=origin).load()


def report(path: Path, content: FileDescriptorSet | bytes | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, content)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def annotated(tmp_path: Path) -> FileDescriptorSet:
    return compiled(
        tmp_path,
        "a.proto",
        """syntax = "proto3"; import "google/api/annotations.proto"; message M {}
service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/x" }; } }""",
    )


def test_whole(tmp_path: Path, annotated: FileDescriptorSet) -> None:
    schema = load(tmp_path / "a.binpb", annotated)
    assert list(schema.services) == ["S"]
    assert schema.own_files == {"a.proto"}
    assert schema.rules(schema.services["S"].methods[0]) == (HttpRule("GET", "/x"),)
    assert schema.place("S.Do") == ("a.proto", 2, 13)
    assert schema.place("google.api.HttpRule") is None


def test_bundled_imports_that_it_lacks_are_filled_in(tmp_path: Path, annotated: FileDescriptorSet) -> None:
    bare = FileDescriptorSet(file=[file for file in annotated.file if file.name == "a.proto"])
    schema = load(tmp_path / "a.binpb", bare)
    assert schema.rules(schema.services["S"].methods[0]) == (HttpRule("GET", "/x"),)


def test_a_bundled_file_that_nothing_imports_is_what_the_set_is_about(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; import "google/longrunning/operations.proto";')
    gathered = gather([tmp_path / "a.proto"], [])
    result = Compiler().compile(gathered.files, ["google/longrunning/operations.proto"]).file_set
    assert result is not None
    assert list(load(tmp_path / "a.binpb", result).services) == ["google.longrunning.Operations"]


def test_missing_imports(tmp_path: Path) -> None:
    file_set = FileDescriptorSet(
        file=[FileDescriptorProto(name="a.proto", dependency=["b.proto", "google/type/date.proto", "c.proto"])]
    )
    assert report(tmp_path / "a.binpb", file_set) == [
        f'a.binpb: "a.proto" imports "b.proto", which is missing{HINT}',
        f'a.binpb: "a.proto" imports "c.proto", which is missing{HINT}',
    ]


def test_definitions_that_contradict_each_other(tmp_path: Path) -> None:
    file = FileDescriptorProto(name="a.proto")
    file.message_type.add(name="M").field.add(name="x", number=0, type=5, label=1)
    [line] = report(tmp_path / "a.binpb", FileDescriptorSet(file=[file]))
    assert line.startswith('a.binpb: "a.proto" contradicts itself or another file: ')


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xff\xff", b"syntax = 'proto3';", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a" * 100_000, b"\x0b" * 10_000],
)
def test_other_bytes(tmp_path: Path, content: bytes) -> None:
    assert report(tmp_path / "a.binpb", content) == [f"a.binpb: is not a binary FileDescriptorSet{HINT}"]


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "gw.ini:4: [plugin:p] descriptor_set:"
    assert report(tmp_path / "none") == [f"{where} 'none': no such file"]
    (tmp_path / "folder").mkdir()
    assert report(tmp_path / "folder") == [f"{where} 'folder': a folder, not a file"]
    assert descriptor_set.MAX_SET_SIZE == 67_108_864
    monkeypatch.setattr(descriptor_set, "MAX_SET_SIZE", 3)
    assert report(tmp_path / "large", b"1234") == [f"{where} 'large': has 4 bytes, more than the 3 that are allowed"]


def test_very_deep_messages_are_refused_or_taken_but_do_no_harm(tmp_path: Path) -> None:
    data = b""
    for _ in range(sys.getrecursionlimit() * 2):
        data = b"\x1a" + _varint(len(data) + 3) + b"\x0a\x01N" + data
    file = b"\x0a\x01a" + b"\x22" + _varint(len(data)) + data
    assert report(tmp_path / "a.binpb", b"\x0a" + _varint(len(file)) + file) == [
        f"a.binpb: is not a binary FileDescriptorSet{HINT}"
    ]


def _varint(number: int) -> bytes:
    result = b""
    while number > 127:
        result += bytes([number & 127 | 128])
        number >>= 7
    return result + bytes([number])
