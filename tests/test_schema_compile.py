"""`.proto` files are compiled in a child process that can hurt nobody, and every error has its place."""

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from twistedgw.config.model import Place
from twistedgw.errors import ConfigError
from twistedgw.schema import compile as compile_module
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.compile import Compiler
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.schema import Schema
from twistedgw.schema.source import Origin


def load(folder: Path, *names: str, compiler: Compiler | None = None, import_path: Sequence[str] = ()) -> Schema:
    origin = Origin(Place("gw.ini", "plugin:p", 1, {"proto": 2}), folder)
    cache = SchemaCache(compiler)
    paths = [folder / name for name in import_path]
    return ProtoSource([folder / name for name in names], paths, cache=cache, origin=origin).load()


def report(folder: Path, *names: str, compiler: Compiler | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, *names, compiler=compiler)
    return [str(problem) for problem in caught.value.problems]


def test_errors_have_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.proto").write_text('syntax = "proto3";\nmessage B {\n\tBar bar = 1;\n  int32 x = 1;\n}\n')
    (tmp_path / "a.proto").write_text('syntax = "proto3";\nimport "sub/b.proto";\nmessage A { Foo foo = 1; }\n')
    found = report(tmp_path, "a.proto")
    assert 'sub/b.proto:3:9: "Bar" is not defined.' in found
    assert [line for line in found if line.startswith('sub/b.proto:4:13: Field number 1 has already been used in "B"')]
    assert 'a.proto:2:1: Import "sub/b.proto" was not found or had errors.' in found
    assert 'a.proto:3:13: "Foo" is not defined.' in found
    assert not [line for line in found if tempfile.gettempdir() in line]


def test_all_syntax_errors_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";\nmessage A { int32 x = ; }\nfoo;\n')
    (tmp_path / "b.proto").write_text('syntax = "proto3";\n\n  enum E { A = x; }\n')
    assert report(tmp_path, "a.proto", "b.proto", "c.proto") == [
        "gw.ini:2: [plugin:p] proto: 'c.proto': no such file",
        "a.proto:2:23: Expected field number.",
        'a.proto:3:1: Expected top-level statement (e.g. "message").',
        "b.proto:3:16: Expected integer.",
    ]


def test_what_follows_from_a_broken_import_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text(
        'syntax = "proto3";\nimport "gone.proto";\nimport "large.proto";\nmessage A { Gone g = 1; int32 x = 1; }\n'
    )
    (tmp_path / "large.proto").write_bytes(b"/" * 1_048_577)
    first, second, third = report(tmp_path, "a.proto")
    assert [first, third] == [
        (
            "a.proto:2:1: cannot import \"gone.proto\": no such file in '.'"
            " (only the plugin's own .proto files and the bundled google/* can be imported)"
        ),
        (
            "large.proto: the file has 1,048,577 bytes, more than the 1,048,576 that are allowed"
            " (a .proto file is at most 1 MiB)"
        ),
    ]
    assert second.startswith('a.proto:4:35: Field number 1 has already been used in "A" by field "g".')


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('import "google/rpc/code.proto"; message M {}')
    assert load(tmp_path, "a.proto").message("M") is not None
    (tmp_path / "a.proto").write_text('import "google/rpc/code.proto"; message M {} foo')
    assert [line.partition(" ")[0] for line in report(tmp_path, "a.proto")] == ["a.proto:1:46:"]


def test_a_circle_of_imports_is_an_error(tmp_path: Path) -> None:
    for name, other in ("ab", "ba"):
        (tmp_path / f"{name}.proto").write_text(f'syntax = "proto3";\nimport "{other}.proto";\n')
    assert "a.proto:2:1: File recursively imports itself: a.proto -> b.proto -> a.proto" in report(tmp_path, "a.proto")


def test_names_that_look_like_options_are_names(tmp_path: Path) -> None:
    names = ["-I.proto", "@args.proto", "--plugin=x.proto", "a b.proto", "ü:1:2: .proto"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f'syntax = "proto3"; message M{number} {{}}')
    assert load(tmp_path, *names).own_files == set(names)
    (tmp_path / names[4]).write_text("\n foo")
    assert report(tmp_path, names[4]) == [f'{names[4]}:2:2: Expected top-level statement (e.g. "message").']


def test_a_file_of_exactly_1_048_576_bytes_is_compiled(tmp_path: Path) -> None:
    text = 'syntax = "proto3"; message Last {} //'
    (tmp_path / "a.proto").write_text(text + "x" * (1_048_576 - len(text)))
    assert load(tmp_path, "a.proto").message("Last") is not None
    (tmp_path / "a.proto").write_text(text + "x" * (1_048_577 - len(text)))
    assert "1,048,577 bytes" in report(tmp_path, "a.proto")[0]


def test_an_empty_file_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text("")
    assert dict(load(tmp_path, "a.proto").services) == {}
    assert report(tmp_path) == ["gw.ini:2: [plugin:p] proto: names no file"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{" * 100_000, "Expected top-level statement"),
        (b'syntax = "proto3"; ' + b"message M {" * 90_000, "Reached maximum recursion limit for nested messages."),
        (b'syntax = "proto3"; message M { int32 x = ' + b"9" * 1_000_000 + b"; }", "Integer out of range."),
        (b'syntax = "proto3"; option (x) = ' + b"{ a: " * 200_000 + b";", "Unexpected end of stream"),
        (b'syntax = "proto3"; message ' + b"M" * 1_000_000 + b" { X x = 1; }", '"X" is not defined.'),
        (b'syntax = "proto3"; message \0 {}', "Invalid control characters encountered in text."),
        (bytes(range(32, 127)) * 11_000, "Expected top-level statement"),
        (b'edition = "99999999999999";', "edition"),
        (b'syntax = "proto4";', "Unrecognized syntax"),
        (b'import "' + b"a" * 1_000_000 + b'";', "no such file"),
        (b'import "x.proto";' * 61_000, "no such file"),
        (b'syntax = "proto3";\n' + b"x;\n" * 340_000, "more errors than can be shown"),
    ],
)
def test_hostile_files_are_refused_and_nothing_else_happens(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "a.proto").write_bytes(text)
    found = report(tmp_path, "a.proto")
    assert any(said in line for line in found)
    assert all(line.startswith("a.proto") for line in found)


def test_a_very_large_valid_file_is_taken(tmp_path: Path) -> None:
    messages = "".join(f"message M{n:05} {{ M{n:05} x = 1; }}" for n in range(20_000))
    (tmp_path / "a.proto").write_text(f'syntax = "proto3";{messages}')
    assert load(tmp_path, "a.proto").message("M19999") is not None


def script(folder: Path, text: str) -> list[str]:
    path = folder / "fake.sh"
    path.write_text(text)
    return ["/bin/sh", str(path)]


def test_a_compiler_that_hangs_is_killed_with_all_its_children(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    # Both processes hold the FIFO open for as long as they live.
    command = script(tmp_path, f"exec 3>{fifo}; echo started >&3; sleep 1000 & wait")
    assert report(tmp_path, "a.proto", compiler=Compiler(command=command, time_limit=1.5)) == [
        (
            "a.proto: the .proto compiler did not finish within 1.5 seconds and was stopped"
            " (one of the files is too complicated)"
        )
    ]
    with open(reading, "rb", buffering=0) as alive:
        gone = select.poll()
        gone.register(alive, 0)  # only the end of the last writer is reported
        assert gone.poll(20_000), "a process of the compiler is still there"
        assert alive.read() == b"started\n"


def test_a_compiler_that_closes_its_output_and_hangs_is_killed_too(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    command = script(tmp_path, "exec 2>&-; exec sleep 1000")
    [line] = report(tmp_path, "a.proto", compiler=Compiler(command=command, time_limit=0.2))
    assert "did not finish within 0.2 seconds" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kill -SEGV $$", "was ended by SIGSEGV (one of the files is too complicated, or memory ran out)"),
        ("exit 0", "gave no result (exit code 0)"),
        ("echo oops >&2; exit 3", "gave no result (exit code 3): oops (is grpcio-tools whole?)"),
        ("echo garbage > ../result.binpb", "gave no result (exit code 0)"),
        ("echo 'a.proto:1:2: warning: x' >&2; exit 1", "gave no result (exit code 1)"),
        ("yes 'a.proto:1:2: bad' >&2", "a.proto:1:2: bad"),
    ],
)
def test_a_compiler_that_fails(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    assert said in "\n".join(report(tmp_path, "a.proto", compiler=Compiler(command=script(tmp_path, text))))


def test_a_compiler_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    assert report(tmp_path, "a.proto", compiler=Compiler(command=[str(tmp_path / "nothing")])) == [
        "a.proto: the .proto compiler cannot be run: No such file or directory (is there a writable temporary folder?)"
    ]


def test_without_grpcio_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    monkeypatch.setattr(compile_module.importlib.util, "find_spec", lambda name: None)
    assert report(tmp_path, "a.proto") == [
        "a.proto: the protoc of grpcio-tools cannot be started (is grpcio-tools installed for this Python?)"
    ]


def test_the_child_has_its_limits_and_sees_only_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; import "google/rpc/code.proto";')
    (tmp_path / "other.proto").write_text("")
    command = script(tmp_path, f"find . -type f > {tmp_path}/seen; env > {tmp_path}/env; exit 1")
    report(tmp_path, "a.proto", compiler=Compiler(command=command))
    assert sorted((tmp_path / "seen").read_text().split()) == ["./a.proto", "./root0.proto"]
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "LD_LIBRARY_PATH", "TMPDIR", "LC_ALL", "PWD", "SHLVL", "OLDPWD", "_"}


def test_the_memory_limit_holds(tmp_path: Path) -> None:
    messages = "".join(f"message M{n:05} {{ M{n:05} x = 1; }}" for n in range(20_000))
    (tmp_path / "a.proto").write_text(f'syntax = "proto3";{messages}')
    [line] = report(tmp_path, "a.proto", compiler=Compiler(memory_limit=1024**2))
    assert line.startswith("a.proto: the .proto compiler ")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    (tmp_path / "a.proto").write_text('syntax = "proto3";')
    load(tmp_path, "a.proto")
    report(tmp_path, "a.proto", compiler=Compiler(command=["/bin/false"]))
    assert list(folder.iterdir()) == []


DAEMON = """
import os, signal, sys
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
if sys.argv[3] == "closed":
    os.closerange(0, 3)
else:
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
signal.signal(signal.SIGCHLD, getattr(signal, sys.argv[4]))
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource
try:
    result = str(list(ProtoSource([Path(sys.argv[2], "a.proto")], cache=SchemaCache()).load().services))
except BaseException as error:
    result = repr(error)
with open(sys.argv[2] + "/done", "w") as done:
    done.write(result)
"""


@pytest.mark.parametrize("streams", ["null", "closed"])
@pytest.mark.parametrize("children", ["SIG_DFL", "SIG_IGN"])
def test_it_works_in_a_daemon(tmp_path: Path, streams: str, children: str) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; service S {}')
    os.mkfifo(tmp_path / "done")
    root = str(Path(__file__).parent.parent)
    subprocess.run([sys.executable, "-c", DAEMON, root, str(tmp_path), streams, children], check=True)
    assert (tmp_path / "done").read_text() == "['S']"


class ReactorTests(TestCase):
    """Twisted reaps its own children while a worker compiles, and neither takes the other's."""

    def test_compiling_in_a_worker_while_the_reactor_runs_children(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        for number in range(4):
            (folder / f"{number}.proto").write_text(f'syntax = "proto3"; service S{number} {{}}')
        compiling = [deferToThread(load, folder, f"{number}.proto") for number in range(4)]
        children = [getProcessOutputAndValue("/bin/sh", ["-c", f"exit {n}"], reactor=reactor) for n in range(4)]

        def check(results):
            *schemas, a, b, c, d = results
            self.assertEqual([list(schema.services) for schema in schemas], [["S0"], ["S1"], ["S2"], ["S3"]])
            self.assertEqual([code for _, _, code in (a, b, c, d)], [0, 1, 2, 3])

        return gatherResults([*compiling, *children]).addCallback(check)
