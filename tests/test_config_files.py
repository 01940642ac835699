"""Which files are read, in which order, and what is told about those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_case import MINIMAL, WHOLE, Folder

from twistedgw.config import tree
from twistedgw.config.load import load
from twistedgw.errors import ConfigError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def names(config, folder: Folder) -> list[str]:
    return [str(path.relative_to(folder.path)) for path in config.files]


def including(*patterns: str) -> str:
    return f"[gateway]\ninclude = {', '.join(patterns)}\n" + MINIMAL


def test_patterns_are_read_in_their_order_and_sorted_within(folder):
    for name in ("b.d/2.ini", "b.d/10.ini", "b.d/note.txt", "b.d/.hidden.ini", "a.ini"):
        folder.write(name, f"[service:{Path(name).stem.strip('.')}]\n")
    config = folder.load(including("b.d/*.ini", "a.ini"))
    assert names(config, folder) == ["gw.ini", "b.d/10.ini", "b.d/2.ini", "a.ini"]
    assert list(config.services) == ["10", "2", "a"]


def test_a_list_of_patterns_may_stand_on_several_lines(folder):
    folder.write("a.ini")
    folder.write("b.ini")
    text = "[gateway]\ninclude =\n  a.ini  ; first\n  b.ini\n" + MINIMAL
    assert names(folder.load(text), folder) == ["gw.ini", "a.ini", "b.ini"]


def test_patterns_start_from_the_file_and_not_from_the_working_folder(folder, monkeypatch, tmp_path_factory):
    folder.write("sub/x.ini", "[service:x]\n")
    main = folder.write("gw[1].ini", including("sub/*.ini"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert list(load(main, {}).services) == ["x"]


def test_an_absolute_pattern_is_taken_as_it_is(folder):
    folder.write("sub/x.ini", "[service:x]\n")
    assert list(folder.load(including(f"{folder.path}/sub/*.ini")).services) == ["x"]


def test_every_file_is_read_once_by_whatever_name(folder):
    folder.write("a.ini", "[service:a]\n")
    (folder.path / "link.ini").symlink_to("a.ini")
    config = folder.load(including("*.ini", "./a.ini", "gw.ini", f"../{folder.path.name}/a.ini"))
    assert names(config, folder) == ["gw.ini", "a.ini"]


def test_a_pattern_may_match_nothing_but_a_file_must_be_there(folder):
    assert names(folder.load(including("conf.d/*.ini", "[ab].ini", "c?.ini")), folder) == ["gw.ini"]
    assert folder.problems(including("conf.d/*.ini", "nope.ini", "sub/no.ini")) == [
        f"gw.ini:2: [gateway] include: '{name}' does not exist (a path is relative to the file that names it)"
        for name in ("nope.ini", "sub/no.ini")
    ]


def test_a_pattern_may_come_from_the_environment(folder):
    folder.write("prod/x.ini", "[service:x]\n")
    text = including("${STAGE}/*.ini")
    assert list(folder.load(text, STAGE="prod").services) == ["x"]
    assert list(folder.load(text, STAGE="test").services) == []


def test_paths_are_relative_to_the_file_that_names_them(folder):
    folder.write("sub/protos/x.proto")
    folder.write("sub/p.ini", "[plugin:q]\ntype = backend-grpc\nproto = protos/x.proto\n")
    config = folder.load(including("sub/*.ini"))
    assert config.plugins["q"].proto == (folder.path / "sub/protos/x.proto",)
    assert config.plugins["q"].import_path == (folder.path / "sub/protos",)
    assert config.gateway.state_dir == folder.path / "var"


def test_the_state_folder_is_read_last(folder):
    folder.write("z.ini", "[service:z]\n")
    for name in ("b.ini", "a.ini", "x.proto", ".tmp.ini", "sub/c.ini"):
        folder.write(f"var/{name}", f"[service:{Path(name).stem}]\n")
    config = folder.load(including("z.ini"))
    assert names(config, folder) == ["gw.ini", "z.ini", "var/a.ini", "var/b.ini"]


def test_the_state_folder_may_be_elsewhere_or_missing_and_is_not_made(folder):
    folder.write("state/a.ini", "[service:a]\n")
    config = folder.load("[gateway]\nstate_dir = state  ; comment\n" + MINIMAL)
    assert list(config.services) == ["a"]
    assert config.gateway.state_dir == folder.path / "state"
    folder.load(MINIMAL)
    assert not (folder.path / "var").exists()


def test_a_state_folder_that_is_a_file_is_told(folder):
    folder.write("var")
    assert folder.problems(MINIMAL) == ["gw.ini: [gateway] state_dir: 'var' cannot be read: not a directory"]
    text = "[gateway]\nstate_dir = ${VAR}\n" + MINIMAL
    assert folder.problems(text, VAR="var") == [
        "gw.ini:2: [gateway] state_dir: '${VAR}' cannot be read: not a directory"
    ]


def test_a_state_folder_that_is_not_known_is_not_read(folder):
    folder.write("var/a.ini", "junk")
    assert folder.problems("[gateway]\nstate_dir =\n" + MINIMAL) == [
        "gw.ini:2: [gateway] state_dir: has no value (leave it out for var)"
    ]


def test_a_certificate_that_is_no_file_is_told(folder):
    os.mkfifo(folder.path / "fifo")
    (line,) = folder.problems(WHOLE + "[backend:x]\nprotocol = grpcs\ntarget = a:1\nca = fifo\n")
    assert line.endswith("[backend:x] ca: 'fifo' is not a regular file")


def test_one_name_in_two_files_is_told_with_both_places(folder):
    folder.write("a.ini", "[service:s]\n")
    folder.write("var/b.ini", "\n[service:s]\n[listener:http]\nendpoint = tcp:1\n")
    assert folder.problems(including("a.ini")) == [
        "var/b.ini:2: [service:s]: is declared twice: first in a.ini:1",
        "var/b.ini:3: [listener:http]: is declared twice: first in gw.ini:4",
    ]


def test_gateway_stands_in_the_main_file_only(folder):
    folder.write("var/a.ini", "[gateway]\nthreads = 1\n")
    assert folder.problems(including()) == ["var/a.ini:1: [gateway]: is declared twice: first in gw.ini:1"]
    assert folder.problems(MINIMAL) == [
        "var/a.ini:1: [gateway]: may stand in the main file only, which is gw.ini",
    ]


def test_problems_of_all_files_are_told_in_the_order_of_reading(folder):
    folder.write("z.ini", "[service:s]\nhosts = *\n[backend:b]\nprotocol = x\ntarget = a:1\n")
    folder.write("a.ini", "junk\n")
    lines = folder.problems(including("z.ini", "a.ini") + "[service:s]\nprotocols = x\n")
    assert [line.partition(": ")[0] for line in lines] == [
        "gw.ini:7",
        "z.ini:1",
        "z.ini:2",
        "z.ini:4",
        "a.ini:1",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[gateway]\nx = \xff\n", "gw.ini:2: is not UTF-8 text"),
        (b"\xff\xfe[\x00", "gw.ini:1: is not UTF-8 text"),
        (b"{\n}\n" * 600, "gw.ini: is no INI file: more than 1000 lines are not OPTION = VALUE"),
    ],
)
def test_a_file_that_is_no_ini_text_is_told(folder, data, problem):
    assert folder.problems(data) == [problem]


def test_a_byte_order_mark_and_other_ends_of_lines_are_taken(folder):
    assert folder.load(b"\xef\xbb\xbf[listener:x]\r\nendpoint = tcp:0\r\n").listeners["x"].endpoint == "tcp:0"


def test_a_huge_file_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(tree, "MAX_FILE", 1 << 20)
    folder.load(MINIMAL + ";" * 100 + "\n" * ((1 << 20) - 100 - len(MINIMAL)))
    text = MINIMAL + ";" * 100 + "\n" * ((1 << 20) - 99 - len(MINIMAL))
    assert folder.problems(text) == ["gw.ini: is larger than 1 MiB"]


def test_a_missing_file_is_told_as_it_was_named(folder):
    with pytest.raises(ConfigError, match=r"^etc/gw\.ini: cannot be read: no such file or directory$"):
        load(Path("etc/gw.ini"), {})


def test_a_file_elsewhere_is_told_as_it_was_named(folder, monkeypatch, tmp_path_factory):
    main = folder.write("gw.ini", "[gateway]\nthreads = x\n" + MINIMAL)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for path in (main, Path(os.path.relpath(main))):
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert [problem.file for problem in caught.value.problems] == [str(path)]


def test_a_working_folder_that_is_gone_does_no_harm(folder, monkeypatch, tmp_path_factory):
    main = folder.write("gw.ini", MINIMAL)
    gone = tmp_path_factory.mktemp("gone")
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load(main, {}).files == (main,)
    with pytest.raises(ConfigError, match="no such file"):
        load(Path("gw.ini"), {})


def test_a_folder_is_told(folder):
    (folder.path / "sub").mkdir()
    with pytest.raises(ConfigError, match=r"^sub: is a folder, not a file \(write FOLDER/\*\.ini to include"):
        load(Path("sub"), {})
    (line,) = folder.problems(including("sub"))
    assert line.startswith("sub: is a folder, not a file")


def test_what_would_block_or_never_end_is_not_opened(folder):
    os.mkfifo(folder.path / "fifo")
    assert folder.problems(including("fifo", "/dev/zero")) == [
        "fifo: is not a regular file",
        "/dev/zero: is not a regular file",
    ]


def test_a_link_to_nowhere_and_a_link_to_itself_are_told(folder):
    (folder.path / "a.ini").symlink_to("nowhere")
    (folder.path / "b.ini").symlink_to("b.ini")
    lines = folder.problems(including("[ab].ini"))
    assert lines == [
        "a.ini: cannot be read: no such file or directory",
        "b.ini: cannot be read: too many levels of symbolic links",
    ]


def test_a_file_that_may_not_be_read_is_told(folder, monkeypatch):
    folder.write("a.ini")
    opened = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == "a.ini":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert folder.problems(including("a.ini")) == ["a.ini: cannot be read: permission denied"]


def test_a_certificate_that_may_not_be_read_is_told(folder, monkeypatch):
    folder.write("a.pem")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (line,) = folder.problems(WHOLE + "[backend:x]\nprotocol = grpcs\ntarget = a:1\nca = a.pem\n")
    assert line.endswith("[backend:x] ca: 'a.pem' cannot be read: permission denied")


def test_a_path_that_no_system_takes_is_told(folder):
    (line,) = folder.problems(WHOLE + f"[backend:x]\nprotocol = grpcs\ntarget = a:1\nca = {'a' * 300}\n")
    assert line.endswith("cannot be read: file name too long")


def test_while_a_file_cannot_be_read_nothing_is_told_about_missing_names(folder):
    folder.write("a.ini", b"\xff")
    text = "[gateway]\ninclude = a.ini\n[api:s/x]\nrpc = a.B/*\nbackend = b\ntimeout = 5\n"
    assert folder.problems(text) == [
        "gw.ini:6: [api:s/x] timeout: '5' is not a duration (write 5s)",
        "a.ini:1: is not UTF-8 text",
    ]
