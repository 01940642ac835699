"""The store's folder: one writer, versions of files, and what is swept away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twistedgw.registry.store import Store, StoreError
from twistedgw.registry.store_text import Stored


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "state")
    store.acquire()
    assert store.read() == {}
    store.sweep({})
    assert os.listdir(tmp_path) == []
    store.commit(store.text([Stored("service:x", {})]))
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o777 == 0o700
    assert store.file.stat().st_mode & 0o777 == 0o600
    store.release()


def test_one_writer(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    first.acquire()
    first.acquire()
    with pytest.raises(StoreError, match=rf"in use by another gateway \(process {os.getpid()}\)"):
        second.acquire()
    with pytest.raises(StoreError, match="in use"):
        second.commit("")
    first.release()
    second.commit(second.text([Stored("service:x", {})]))
    second.release()


def test_a_writer_that_dies_is_none(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib; from twistedgw.registry.store import Store;"
        "Store(pathlib.Path(sys.argv[1])).acquire(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 9
    store = Store(tmp_path)
    store.acquire()
    store.release()


def test_commit_and_put_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.commit(store.text([Stored("service:x", {})])) is None
    first = store.file.read_bytes()
    assert store.commit(store.text([Stored("service:y", {})])) == first
    assert list(store.read()) == ["service:y"]
    store.put_back(first)
    assert list(store.read()) == ["service:x"]
    store.put_back(None)
    assert store.read() == {}
    store.release()


def test_versions(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (1, 2, 3):
        made = store.add_version("plugin", "p", {"a.proto": b"%d" % number, "x/b.proto": b""}, {"comment": "c"})
        assert made.name == f"00000{number}"
    assert store.versions("plugin", "p") == [1, 2, 3]
    folder = store.folder_of("plugin", "p", 2)
    assert store.files(folder, 100) == {"a.proto": b"2", "x/b.proto": b""}
    store.describe(folder, {"services": ["s"]})
    assert store.about(folder) == {"comment": "c", "services": ["s"]}
    (folder / "version.json").write_text("nonsense")
    assert store.about(folder) == {}
    with pytest.raises(StoreError, match="more than 0 bytes"):
        store.files(folder, 0)
    store.drop_version("plugin", "p", 3)
    store.drop_version("plugin", "p", 3)
    assert store.versions("plugin", "p") == [1, 2]
    store.release()


def test_sweep(tmp_path: Path) -> None:
    """What never served goes, what is too old goes, what was never whole goes; the rest stays."""
    store = Store(tmp_path)
    for _ in range(25):
        store.add_version("plugin", "p", {"a.proto": b""}, {})
    for _ in range(3):
        store.add_version("backend", "b", {"ca.pem": b""}, {})
    store.add_version("plugin", "gone", {"a.proto": b""}, {})
    (tmp_path / "plugins" / "p" / ".new-000026").mkdir()
    (tmp_path / ".new-objects.ini").write_text("half")
    (tmp_path / "own.ini").write_text("[service:mine]\n")
    (tmp_path / "plugins" / "notes.txt").write_text("mine")
    store.sweep({("plugin", "p"): 23, ("backend", "b"): 3})
    assert store.versions("plugin", "p") == list(range(4, 24))
    assert store.versions("backend", "b") == [3]
    assert sorted(os.listdir(tmp_path)) == [".lock", "backends", "own.ini", "plugins"]
    assert sorted(os.listdir(tmp_path / "plugins")) == ["notes.txt", "p"]
    store.release()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Removing a version removes a link in it, not what it leads to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    store = Store(tmp_path / "state")
    folder = store.add_version("plugin", "p", {"a.proto": b""}, {})
    (folder / "link").symlink_to(outside)
    store.drop_version("plugin", "p", 1)
    assert (outside / "precious").exists()
    assert not folder.exists()
    store.release()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "state")
    assert "cannot be written" in store.obstacle()
    for act in (lambda: store.commit(""), lambda: store.add_version("plugin", "p", {}, {})):
        with pytest.raises(StoreError, match="cannot be made"):
            act()
    assert Store(tmp_path / "new").obstacle() == ""


def test_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full leaves what was there, and nothing half."""
    store = Store(tmp_path)
    store.commit(store.text([Stored("service:x", {})]))
    before = tree(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="no space left"):
        store.commit(store.text([Stored("service:y", {})]))
    with pytest.raises(StoreError, match="no space left"):
        store.add_version("plugin", "p", {"a.proto": b"x"}, {})
    monkeypatch.undo()
    assert tree(tmp_path) == before
    assert list(store.read()) == ["service:x"]
    store.release()


def test_a_folder_that_is_missing_has_one_writer_too(tmp_path: Path) -> None:
    """Both gateways begin before anything was ever written."""
    first, second = Store(tmp_path / "var"), Store(tmp_path / "var")
    first.begin()
    with pytest.raises(StoreError, match="in use by another gateway"):
        second.begin()
    first.release()
    second.begin()
    second.release()


def test_a_folder_that_cannot_be_made_stops_no_start(tmp_path: Path) -> None:
    """A gateway installed read-only serves, and says so when something is to be written."""
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "var")
    store.begin()
    with pytest.raises(StoreError, match="cannot be made"):
        store.prepare()
