"""What has been compiled is not compiled again, and what nobody uses is let go."""

import gc
import importlib.metadata
import weakref
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from twistedgw.errors import ConfigError
from twistedgw.schema import protoc_runs
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.schema import Schema
from twistedgw.schema.standard import standard_files


class Children:
    """Counts the child processes that are really started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        start = protoc_runs.subprocess.Popen

        def counted(*arguments: object, **options: object) -> object:
            self.count += 1
            return start(*arguments, **options)

        monkeypatch.setattr(protoc_runs.subprocess, "Popen", counted)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    standard_files()  # compiled once in a process, whoever asks first
    return Children(monkeypatch)


def source(folder: Path, cache: SchemaCache) -> ProtoSource:
    return ProtoSource([folder / "a.proto"], cache=cache)


def test_a_reload_that_changes_nothing_starts_no_child_and_gives_the_same_schema(
    tmp_path: Path, children: Children
) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; import "b.proto"; message A { B b = 1; }')
    (tmp_path / "b.proto").write_text('syntax = "proto3"; message B {}')
    cache = SchemaCache()
    first = source(tmp_path, cache).load()
    assert (children.count, cache.compiler.runs) == (1, 1)
    assert source(tmp_path, cache).load() is first
    assert (children.count, cache.compiler.runs) == (1, 1)

    (tmp_path / "b.proto").write_text('syntax = "proto3"; message B { int32 x = 1; }')
    second = source(tmp_path, cache).load()
    assert (children.count, cache.compiler.runs) == (2, 2)
    assert second.digest != first.digest

    (tmp_path / "b.proto").write_text('syntax = "proto3"; message B {}')
    assert source(tmp_path, cache).load() is first
    assert children.count == 2


def test_another_compiler_compiles_anew(tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    cache = SchemaCache()
    first = source(tmp_path, cache).load()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9")
    assert source(tmp_path, cache).load() is first  # the outcome is the same
    assert children.count == 2


def test_errors_are_not_kept(tmp_path: Path, children: Children) -> None:
    (tmp_path / "a.proto").write_text("oops")
    cache = SchemaCache()
    for _ in range(2):
        with pytest.raises(ConfigError):
            source(tmp_path, cache).load()
    assert children.count == 2


def _set(number: int) -> FileDescriptorSet:
    file = FileDescriptorProto(name="a", syntax="proto3")
    file.message_type.add(name=f"M{number}")
    return FileDescriptorSet(file=[file])


def test_equal_content_shares_one_schema() -> None:
    cache = SchemaCache()
    own = frozenset({"a"})
    schema = cache.share(_set(1), own)
    assert cache.share(_set(1), own) is schema
    assert cache.share(_set(2), own) is not schema


def test_it_holds_on_to_a_few_and_to_all_that_are_in_use() -> None:
    cache = SchemaCache(keep=2)
    own = frozenset({"a"})
    used = cache.share(_set(0), own)
    dropped = weakref.ref(cache.share(_set(1), own))
    recent = weakref.ref(cache.share(_set(2), own))
    cache.share(_set(3), own)
    gc.collect()
    assert dropped() is None
    assert recent() is not None
    assert cache.get(used.digest) is used
    assert cache.get("nothing") is None


def test_the_first_of_two_equals_is_kept() -> None:
    cache = SchemaCache()
    first, second = (Schema(_set(1), frozenset()) for _ in range(2))
    assert cache.put("key", first) is first
    assert cache.put("key", second) is first
