"""A compilation is made of the plugin's own files and the bundle, and of no other file on the machine."""

import os
from pathlib import Path

import pytest

from twistedgw.config.model import Place
from twistedgw.schema import bundle
from twistedgw.schema import files as files_module
from twistedgw.schema.files import MAX_FILE_SIZE, Gathered, gather
from twistedgw.schema.source import Origin


def write(folder: Path, name: str, text: str | bytes = 'syntax = "proto3";') -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def collect(folder: Path, *listed: str, import_path: tuple[str, ...] = ()) -> Gathered:
    origin = Origin(Place("gw.ini", "plugin:p", 1, {"proto": 2, "import_path": 3}), folder)
    return gather(
        [folder / name for name in listed],
        [folder / name for name in import_path],
        show=origin.show,
        report=origin.problem,
    )


def problems(gathered: Gathered) -> list[str]:
    return [str(problem) for problem in gathered.problems]


def test_imports_are_followed_through_own_and_bundled_files(tmp_path: Path) -> None:
    write(tmp_path, "a.proto", 'import "sub/b.proto";')
    write(tmp_path, "sub/b.proto", 'import "google/api/annotations.proto";')
    write(tmp_path, "unused.proto")
    found = collect(tmp_path, "a.proto")
    assert problems(found) == []
    assert found.roots == ("a.proto",)
    assert [file.name for file in found.files.values() if file.own] == ["a.proto", "sub/b.proto"]
    assert {file.name for file in found.files.values() if not file.own} == {
        "google/api/annotations.proto",
        "google/api/http.proto",
        "google/protobuf/descriptor.proto",
    }


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "an absolute path cannot be imported"),
        ("../x.proto", "'..' cannot be imported"),
        ("sub/../../x.proto", "'..' cannot be imported"),
        ("./x.proto", "the name is empty, or has an empty or '.' part"),
        ("sub//x.proto", "the name is empty, or has an empty or '.' part"),
        ("", "the name is empty, or has an empty or '.' part"),
        ("sub\\\\x.proto", "the name has a backslash; folders are separated by '/'"),
        ("x\\0.proto", "the name has control characters"),
        ("missing.proto", "no such file in 'protos'"),
        ("google/ads/missing.proto", "no such file in 'protos'"),
        ("x" * 5000 + ".proto", "no such file in 'protos'"),
        ("secret.txt", "not a .proto file"),
        ("folder.proto", "a folder, not a file"),
        ("fifo.proto", "not a regular file"),
        ("out.proto", "a symbolic link that leads out of the import folder"),
        ("outdir/x.proto", "a symbolic link that leads out of the import folder"),
        ("dangling.proto", "no such file"),
    ],
)
def test_an_import_of_anything_else_is_refused_where_it_stands(tmp_path: Path, name: str, why: str) -> None:
    secret = write(tmp_path, "x.proto")
    protos = tmp_path / "protos"
    write(protos, "secret.txt")
    (protos / "folder.proto").mkdir()
    os.mkfifo(protos / "fifo.proto")
    (protos / "out.proto").symlink_to(secret)
    (protos / "outdir").symlink_to(tmp_path)
    (protos / "dangling.proto").symlink_to(protos / "nothing.proto")
    write(protos, "a.proto", f'syntax = "proto3";\n  import "{name}";')
    found = collect(tmp_path, "protos/a.proto")
    [problem] = found.problems
    assert (problem.file, problem.line, problem.column) == ("protos/a.proto", 2, 3)
    assert problem.message.endswith(f": {why}")
    assert problem.hint == "only the plugin's own .proto files and the bundled google/* can be imported"
    assert list(found.files) == ["a.proto"]


def test_links_inside_of_the_folder_are_followed(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: each file links to one below a link that is swapped on update."""
    write(tmp_path, "..2024/a.proto", 'import "b.proto";')
    write(tmp_path, "..2024/b.proto")
    (tmp_path / "..data").symlink_to("..2024")
    for name in ("a.proto", "b.proto"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    found = collect(tmp_path, "a.proto")
    assert problems(found) == []
    assert list(found.files) == ["a.proto", "b.proto"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.proto", "no such file"),
        ("folder", "a folder, not a file"),
        ("fifo", "not a regular file"),
        ("link.proto", "a symbolic link that leads out of its folder (name the file that it leads to)"),
        ("loop.proto", "too many levels of symbolic links"),
    ],
)
def test_a_listed_file_that_cannot_be_read_is_blamed_on_the_option(tmp_path: Path, name: str, why: str) -> None:
    write(tmp_path, "elsewhere/x.proto")
    protos = tmp_path / "protos"
    (protos / "folder").mkdir(parents=True)
    os.mkfifo(protos / "fifo")
    (protos / "link.proto").symlink_to(tmp_path / "elsewhere/x.proto")
    (protos / "loop.proto").symlink_to("loop.proto")
    found = collect(tmp_path, f"protos/{name}")
    assert problems(found) == [f"gw.ini:2: [plugin:p] proto: 'protos/{name}': {why}"]
    assert found.files == {}


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.proto")
    really_open = os.open

    def refuse(name: str, *arguments: int, **options: int) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", name)
        return really_open(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert problems(collect(tmp_path, "a.proto")) == ["gw.ini:2: [plugin:p] proto: 'a.proto': permission denied"]


def test_import_path_folders_are_tried_in_order(tmp_path: Path) -> None:
    write(tmp_path, "one/x.proto", "// one")
    write(tmp_path, "two/x.proto", "// two")
    write(tmp_path, "two/a.proto", 'import "x.proto";')
    found = collect(tmp_path, "two/a.proto", import_path=("one", "two"))
    assert problems(found) == []
    assert found.files["x.proto"].data == b"// one"
    assert found.files["x.proto"].shown == "one/x.proto"


def test_faults_of_import_path(tmp_path: Path) -> None:
    write(tmp_path, "other/a.proto")
    write(tmp_path, "file")
    assert problems(collect(tmp_path, "other/a.proto", import_path=("nowhere", "file"))) == [
        "gw.ini:3: [plugin:p] import_path: 'nowhere': no such folder",
        "gw.ini:3: [plugin:p] import_path: 'file' is not a folder",
        (
            "gw.ini:2: [plugin:p] proto: 'other/a.proto': in none of the import_path folders"
            " (name the folder that its imports start from)"
        ),
    ]


def test_a_listed_file_has_the_name_that_others_import_it_by(tmp_path: Path) -> None:
    write(tmp_path, "a.proto", 'import "sub/b.proto";')
    write(tmp_path, "sub/b.proto")
    found = collect(tmp_path, "sub/b.proto", "a.proto", "sub/../a.proto")
    assert problems(found) == []
    assert found.roots == ("sub/b.proto", "a.proto")


def test_one_file_under_two_names_is_told_of(tmp_path: Path) -> None:
    write(tmp_path, "a.proto", 'import "sub/b.proto";\nimport "b.proto";')
    write(tmp_path, "sub/b.proto")
    found = collect(tmp_path, "a.proto", import_path=("", "sub"))
    [problem] = found.problems
    assert (problem.line, problem.message) == (
        2,
        'cannot import "b.proto": the same file is also imported as "sub/b.proto"; a file can have only one name',
    )


def test_a_listed_file_that_another_folder_hides_is_told_of(tmp_path: Path) -> None:
    write(tmp_path, "one/x.proto", "// one")
    write(tmp_path, "two/x.proto", "// two")
    assert problems(collect(tmp_path, "two/x.proto", import_path=("one", "two"))) == [
        (
            "gw.ini:2: [plugin:p] proto: 'two/x.proto': another file of the same name comes first in import_path"
            " (put its own folder first in import_path)"
        )
    ]


def test_the_bundle_wins_over_vendored_copies_unless_they_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "google/api/http.proto", "// vendored")
    write(tmp_path, "google/protobuf/any.proto", "// vendored")
    write(tmp_path, "google/ads/own.proto", "// own")
    write(
        tmp_path,
        "a.proto",
        'import "google/api/http.proto"; import "google/protobuf/any.proto"; import "google/ads/own.proto";',
    )
    found = collect(tmp_path, "a.proto")
    assert problems(found) == []
    assert found.files["google/api/http.proto"].data == bundle.read("google/api/http.proto")
    assert found.files["google/protobuf/any.proto"].data == bundle.read("google/protobuf/any.proto")
    assert found.files["google/ads/own.proto"].data == b"// own"

    listed = collect(tmp_path, "a.proto", "google/api/http.proto", "google/protobuf/any.proto", import_path=("",))
    assert problems(listed) == []
    assert listed.files["google/api/http.proto"].data == b"// vendored"
    assert listed.files["google/protobuf/any.proto"].data == bundle.read("google/protobuf/any.proto")
    alone = collect(tmp_path, "google/protobuf/any.proto", import_path=("",))
    assert alone.files["google/protobuf/any.proto"].data == bundle.read("google/protobuf/any.proto")
    assert set(listed.roots) == {"a.proto", "google/api/http.proto", "google/protobuf/any.proto"}


def test_exactly_so_many_bytes_are_accepted_and_one_more_is_refused(tmp_path: Path) -> None:
    assert MAX_FILE_SIZE == 1_048_576
    write(tmp_path, "fits.proto", b"/" * MAX_FILE_SIZE)
    write(tmp_path, "large.proto", b"/" * (MAX_FILE_SIZE + 1))
    write(tmp_path, "a.proto", 'import "large.proto";')
    found = collect(tmp_path, "fits.proto", "a.proto")
    assert problems(found) == [
        (
            "large.proto: the file has 1,048,577 bytes, more than the 1,048,576 that are allowed"
            " (a .proto file is at most 1 MiB)"
        )
    ]
    assert "fits.proto" in found.files
    assert found.broken == {"large.proto"}
    assert len(collect(tmp_path, "large.proto", "a.proto").problems) == 1


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    write(tmp_path, "a.proto", b'syntax = "proto3";\n// gr\xfc\xdfe\n')
    write(tmp_path, "b.proto", b"\xef\xbb\xbf// with a mark")
    assert problems(collect(tmp_path, "a.proto", "b.proto")) == ["a.proto:2:6: byte 0xfc is not UTF-8"]


def test_a_circle_of_imports_ends(tmp_path: Path) -> None:
    write(tmp_path, "a.proto", 'import "b.proto";')
    write(tmp_path, "b.proto", 'import "a.proto"; import "b.proto";')
    assert list(collect(tmp_path, "a.proto").files) == ["a.proto", "b.proto"]


def test_number_and_total_of_files_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.proto", 'import "b.proto";')
    write(tmp_path, "b.proto", 'import "c.proto";')
    write(tmp_path, "c.proto")
    monkeypatch.setattr(files_module, "MAX_FILES", 2)
    found = collect(tmp_path, "a.proto")
    assert problems(found) == ["gw.ini:2: [plugin:p] proto: more than 2 files, with all that they import"]
    assert found.files == {}
    monkeypatch.setattr(files_module, "MAX_FILES", 3)
    assert problems(collect(tmp_path, "a.proto")) == []
    monkeypatch.setattr(files_module, "MAX_TOTAL_SIZE", 40)
    assert problems(collect(tmp_path, "a.proto")) == [
        "gw.ini:2: [plugin:p] proto: more than 40 bytes of .proto files, with all that they import"
    ]


def test_what_the_bundle_holds() -> None:
    names = set(bundle.names())
    assert names >= {
        "google/api/annotations.proto",
        "google/api/httpbody.proto",
        "google/cloud/extended_operations.proto",
        "google/logging/type/http_request.proto",
        "google/longrunning/operations.proto",
        "google/protobuf/descriptor.proto",
        "google/protobuf/compiler/plugin.proto",
        "google/rpc/error_details.proto",
        "google/type/date.proto",
    }
    assert all(name.startswith("google/") for name in names)
    assert bundle.read("google/../../setup.py") is None
