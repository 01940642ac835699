"""Many plugins are compiled by one child process, and none of them notices the others."""

import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from twistedgw.config.model import Place
from twistedgw.errors import ConfigError
from twistedgw.schema import bundle, protoc_runs
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.compile import Compiler, Task
from twistedgw.schema.files import gather
from twistedgw.schema.protos import ProtoSource, load_all
from twistedgw.schema.schema import Schema
from twistedgw.schema.source import Origin
from twistedgw.schema.standard import standard_files, standard_set

PROTOC = f'exec {sys.executable} -m grpc_tools.protoc "$@"\n'


def sources(folder: Path, texts: dict[str, str], cache: SchemaCache) -> list[ProtoSource]:
    """Make one source for each text, in a folder of its own."""
    found = []
    for number, (name, text) in enumerate(texts.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        origin = Origin(Place("gw.ini", f"plugin:p{number}", 1), folder)
        found.append(ProtoSource([path], cache=cache, origin=origin))
    return found


def said(outcome: Schema | ConfigError) -> list[str]:
    return [str(problem) for problem in outcome.problems]


def script(folder: Path, text: str) -> Compiler:
    path = folder / "fake.sh"
    path.write_text(text)
    return Compiler(command=["/bin/sh", str(path)])


def test_one_child_compiles_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_files()
    started = []
    start = protoc_runs.subprocess.Popen
    monkeypatch.setattr(protoc_runs.subprocess, "Popen", lambda *a, **o: started.append(a) or start(*a, **o))
    cache = SchemaCache()
    texts = {f"{number}/a.proto": f'syntax = "proto3"; message M {{ int32 x{number} = 1; }}' for number in range(60)}
    outcomes = load_all(sources(tmp_path, texts, cache))
    assert [[field.name for field in outcome.message("M").fields] for outcome in outcomes] == [
        [f"x{number}"] for number in range(60)
    ]
    assert (len(started), cache.compiler.runs) == (1, 1)
    again = sources(tmp_path, texts, cache)
    assert [id(each) for each in load_all(again)] == [id(each) for each in outcomes]
    assert len(started) == 1
    assert load_all([]) == []


def test_a_plugin_does_not_see_the_files_of_another(tmp_path: Path) -> None:
    """Neither while both are compiled, nor what was left in the folder by the one before."""
    texts = {}
    for number in range(10):
        texts[f"with{number}/a.proto"] = 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }'
        texts[f"without{number}/a.proto"] = f'syntax = "proto3"; message A{number} {{ B b = 1; }}'
        (tmp_path / f"with{number}").mkdir()
        (tmp_path / f"with{number}/b.proto").write_text('syntax = "proto3"; message B {}')
    outcomes = load_all(sources(tmp_path, texts, SchemaCache()))
    assert all(outcome.message("B") for outcome in outcomes[::2])
    assert [said(outcome) for outcome in outcomes[1::2]] == [
        [f'without{number}/a.proto:1:{33}: "B" is not defined.'] for number in range(10)
    ]


def test_a_name_may_be_a_folder_for_one_and_a_file_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protoc_runs, "_at_once", lambda: 1)
    cache = SchemaCache()
    for first, second in (("x.proto/a.proto", "x.proto"), ("x.proto", "x.proto/a.proto")):
        made = []
        for number, name in enumerate((first, second)):
            folder = tmp_path / f"{len(first)}{number}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f'syntax = "proto3"; message M{number}of{len(first)} {{}}')
            made.append(ProtoSource([folder / name], [folder], cache=cache))
        assert [list(outcome.own_files) for outcome in load_all(made)] == [[first], [second]]


def test_one_content_is_compiled_once(tmp_path: Path) -> None:
    cache = SchemaCache(script(tmp_path, f"echo run >> {tmp_path}/runs; exit 1"))
    [one] = sources(tmp_path, {"a.proto": 'syntax = "proto3";'}, cache)
    first, second, third = load_all([one, one, one])
    assert said(first) == said(second) == said(third) != []
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_file_that_hurts_the_compiler_takes_no_other_with_it(tmp_path: Path) -> None:
    compiler = script(
        tmp_path,
        "grep -q Crash *.proto && kill -SEGV $$\n"
        "grep -q Loud *.proto && exec yes 'a.proto:1:2: bad' >&2\n"
        "grep -q Kills *.proto && kill -9 -$$\n" + PROTOC,
    )
    names = ["One", "Crash", "Two", "Loud", "Kills", "Three"]
    texts = {f"{name}/a.proto": f'syntax = "proto3"; message {name} {{}}' for name in names}
    cache = SchemaCache(compiler)
    outcomes = dict(zip(names, load_all(sources(tmp_path, texts, cache)), strict=True))
    assert [name for name in names if isinstance(outcomes[name], Schema)] == ["One", "Two", "Three"]
    assert said(outcomes["Crash"]) == [
        (
            "Crash/a.proto: the .proto compiler was ended by SIGSEGV"
            " (one of the files is too complicated, or memory ran out)"
        )
    ]
    assert "Loud/a.proto: more errors than can be shown" in said(outcomes["Loud"])
    assert "SIGKILL" in said(outcomes["Kills"])[0]
    assert cache.compiler.runs == 1


def test_when_the_child_itself_dies_another_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protoc_runs, "_at_once", lambda: 1)
    names = ["One", "Parricide", "Two"]
    texts = {f"{name}/a.proto": f'syntax = "proto3"; message {name} {{}}' for name in names}
    cache = SchemaCache(script(tmp_path, "grep -q Parricide *.proto && kill -9 $PPID\n" + PROTOC))
    one, parricide, two = load_all(sources(tmp_path, texts, cache))
    assert one.message("One") is not None
    assert two.message("Two") is not None
    assert said(parricide) == [
        (
            "Parricide/a.proto: the .proto compiler was ended by SIGKILL"
            " (one of the files is too complicated, or memory ran out)"
        )
    ]
    assert cache.compiler.runs == 2


def test_a_compilation_that_is_given_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(protoc_runs.tempfile, "tempdir", str(folder))
    children = []
    start = protoc_runs.subprocess.Popen

    def counted(*arguments: object, **options: object) -> object:
        children.append(start(*arguments, **options))
        return children[-1]

    monkeypatch.setattr(protoc_runs.subprocess, "Popen", counted)
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    gathered = gather([tmp_path / "a.proto"], [])
    task = Task(gathered.files, gathered.roots)
    outcomes = script(tmp_path, PROTOC).compile_all((number, task) for number in range(50))
    number, compiled = next(outcomes)
    assert number in range(8)
    assert compiled.file_set is not None
    outcomes.close()
    assert [child.returncode for child in children] == [0]
    assert list(folder.iterdir()) == []


def test_what_the_bundle_has_compiled_is_what_protoc_makes_of_its_text(tmp_path: Path) -> None:
    """So plugins get it ready-made."""
    imported = [name for name in bundle.names() if name not in bundle.ALIASES.values()]
    lines = ['syntax = "proto3";', *(f'import "{name}";' for name in imported)]
    lines.append("service S { rpc Do(M) returns (M) { option (google.api.http) = { get: '/x' }; } } message M {}")
    (tmp_path / "a.proto").write_text("\n".join(lines))
    gathered = gather([tmp_path / "a.proto"], [])
    given = frozenset(file.name for file in gathered.files.values() if not file.own)
    assert len(given) >= len(imported) > 30
    compiler = Compiler()
    from_text = compiler.compile_all([(0, Task(gathered.files, gathered.roots))])
    ready_made = compiler.compile_all([(0, Task(gathered.files, gathered.roots, given, standard_set(given)))])
    [(_, one)], [(_, other)] = from_text, ready_made
    assert without_source_of(one.file_set, given) == without_source_of(other.file_set, given)


def without_source_of(file_set: FileDescriptorSet | None, names: frozenset[str]) -> dict[str, bytes]:
    assert file_set is not None
    for file in file_set.file:
        if file.name in names:
            file.ClearField("source_code_info")
    return {file.name: file.SerializeToString(deterministic=True) for file in file_set.file}
