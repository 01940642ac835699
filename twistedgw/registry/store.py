"""The store: what is created through the admin API, as INI and `.proto` files in ``state_dir``.

One file, `FILE`, has all sections and is replaced in one step: that is the moment at which a change counts. Files that
sections name (``.proto`` files, certificates) stand in numbered folders, ``KIND/NAME/NUMBER``, that are written before
and never changed; those that no section needs are swept away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from twistedgw.errors import Problem
from twistedgw.registry.store_files import (
    NEW,
    make_folder,
    read_file,
    remove_file,
    remove_tree,
    replace_file,
    write_tree,
)
from twistedgw.registry.store_text import Stored, parse_sections, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["FILE", "FILES", "FOLDERS", "KEPT_VERSIONS", "Store", "StoreError"]

FILE = "objects.ini"
"""The file's name in ``state_dir``."""

FILES = "files"
"""The folder of a version in which its files stand."""

FOLDERS = {"plugin": "plugins", "backend": "backends"}
"""The folders of the kinds of sections that have files of their own."""

KEPT_VERSIONS = 20
"""How many versions of a plugin's description are kept."""

MAX_SIZE = 8 << 20
"""Bytes of `FILE`; half of what an INI file may have."""

_LOCK = ".lock"
_ABOUT = "version.json"
_MAX_ABOUT = 64 << 10
_DIGITS = 6


class StoreError(Exception):
    """The store cannot be used; the text says why, and can be shown to whoever has the admin token.

    Attributes:
        problems: of a file that cannot be read.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Store:
    """The store of one ``state_dir``. One thread at a time, but for `read` and `obstacle`; everything blocks.

    Nothing is made before the first write: a folder that is not there is an empty store.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; touches nothing."""
        self.folder = folder
        self.file = folder / FILE
        self._lock: int | None = None
        self._acquiring = threading.Lock()
        self._read: tuple[object, dict[str, Stored]] = (None, {})
        self._checked: tuple[str, dict[str, Stored]] = ("", {})

    # -- one writer

    def acquire(self) -> None:
        """Become the one that writes here, if the folder exists. Idempotent.

        Raises:
            StoreError: another gateway is that, or the folder cannot be written.
        """
        with self._acquiring:
            if self._lock is None and self.folder.is_dir():
                self._lock = self._locked(self.folder / _LOCK)

    def begin(self) -> None:
        """Be the one writer from the start on; where the folder can be neither found nor made, there is none to be.

        Raises:
            StoreError: as `acquire`.
        """
        with contextlib.suppress(OSError):
            make_folder(self.folder)
        self.acquire()

    def _locked(self, path: Path) -> int:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(f"state_dir {self.folder} cannot be written: {_reason(error)}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            whose = f" (process {owner})" if owner.isdigit() else ""
            raise StoreError(f"state_dir {self.folder} is in use by another gateway{whose}") from None
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        return lock

    def release(self) -> None:
        """Let another gateway write here. Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def prepare(self) -> None:
        """Make sure that there is a folder to write to, and that it is ours.

        Raises:
            StoreError: there is not.
        """
        if self._lock is None:
            try:
                make_folder(self.folder)
            except OSError as error:
                raise StoreError(f"state_dir {self.folder} cannot be made: {_reason(error)}") from None
            self.acquire()

    def obstacle(self) -> str:
        """Tell why nothing can be written here; nothing where it can. Any thread."""
        try:
            self.acquire()
        except StoreError as error:
            return str(error)
        above = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            return f"state_dir {self.folder} cannot be written"
        return ""

    # -- sections

    def read(self) -> Mapping[str, Stored]:
        """Give all sections by name, as they are on disk now. Any thread.

        Raises:
            StoreError: the file cannot be read, or is no INI file any more.
        """
        known, sections = self._read
        try:
            status = os.stat(self.file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {_reason(error)}") from None
        signature = _signature(status)
        if signature != known:
            sections = self._parse()
            self._read = (signature, sections)
        return sections

    def _parse(self) -> dict[str, Stored]:
        try:
            data = read_file(self.file, MAX_SIZE * 2) or b""
            sections, errors = parse_sections(data.decode("utf-8"))
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {_reason(error)}") from None
        except UnicodeDecodeError:
            raise StoreError(f"{self.file} is not UTF-8 text") from None
        if errors:
            shown = str(self.file)
            problems = [
                Problem(shown, each.line, section=each.section, option=each.option, message=each.message)
                for each in errors
            ]
            raise StoreError(f"{self.file} was changed by hand, and is malformed", problems)
        return sections

    def text(self, sections: Iterable[Stored]) -> str:
        """Give what the file would be, having made sure that it is read back as it is meant.

        Raises:
            StoreError: it is too large.
            ValueError: a section would be read back as something else; whoever made it should have seen to that.
        """
        wanted = {section.name: section for section in sections}
        text = render(wanted.values())
        if len(text.encode("utf-8")) > MAX_SIZE:
            raise StoreError(f"the store would have more than {MAX_SIZE:,} bytes")
        found, errors = parse_sections(text)
        for name, section in wanted.items():
            if name not in found or found[name].options != section.options:
                raise ValueError(f"[{name}] would be read back as something else")
        if errors or len(found) != len(wanted):
            raise ValueError("the sections would be read back as something else")
        self._checked = (text, found)
        return text

    def commit(self, text: str) -> bytes | None:
        """Replace the file; on disk when this returns.

        Returns:
            what it was, for `put_back`.

        Raises:
            StoreError: it cannot be written; the old one is as it was.
        """
        self.prepare()
        try:
            before = read_file(self.file, MAX_SIZE * 2)
            replace_file(self.file, text.encode("utf-8"))
            if self._checked[0] == text:  # so that nobody needs to parse it again
                self._read = (_signature(os.stat(self.file)), self._checked[1])
        except OSError as error:
            raise StoreError(f"{self.file} cannot be written: {_reason(error)}") from None
        return before

    def put_back(self, before: bytes | None) -> None:
        """Undo a `commit`.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            if before is None:
                remove_file(self.file)
            else:
                replace_file(self.file, before)
        except OSError as error:
            raise StoreError(f"{self.file} cannot be put back: {_reason(error)}") from None

    # -- files

    def folder_of(self, kind: str, name: str, number: int) -> Path:
        """Give the folder of a version."""
        return self.folder / FOLDERS[kind] / name / f"{number:0{_DIGITS}d}"

    def versions(self, kind: str, name: str) -> list[int]:
        """Give the numbers of the versions that are there, ascending."""
        try:
            names = os.listdir(self.folder / FOLDERS[kind] / name)
        except OSError:
            return []
        return sorted(int(each) for each in names if len(each) >= _DIGITS and each.isascii() and each.isdigit())

    def add_version(self, kind: str, name: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> Path:
        """Write the files of a new version; on disk when this returns, and of no effect until a section names them.

        Args:
            kind: of section: one of `FOLDERS`.
            name: of section, checked.
            files: by relative path, checked.
            about: plain values, for `about`.

        Returns:
            its folder, whose name is its number.

        Raises:
            StoreError: it cannot be written.
        """
        self.prepare()
        number = max(self.versions(kind, name), default=0) + 1
        return self.write_version(self.folder_of(kind, name, number), files, about)

    def write_version(self, folder: Path, files: Mapping[str, bytes], about: Mapping[str, Any]) -> Path:
        """Write the files of a version into a folder of any place; otherwise as `add_version`."""
        text = json.dumps(about, ensure_ascii=False, indent=1).encode("utf-8")
        try:
            make_folder(folder.parent)
            write_tree(folder, {_ABOUT: text, **{f"{FILES}/{path}": data for path, data in files.items()}})
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {_reason(error)}") from None
        return folder

    @staticmethod
    def describe(folder: Path, about: Mapping[str, Any]) -> None:
        """Add to what is known of a version.

        Raises:
            StoreError: it cannot be written.
        """
        text = json.dumps({**Store.about(folder), **about}, ensure_ascii=False, indent=1)
        try:
            replace_file(folder / _ABOUT, text.encode("utf-8"))
        except OSError as error:
            raise StoreError(f"{folder / _ABOUT} cannot be written: {_reason(error)}") from None

    @staticmethod
    def about(folder: Path) -> dict[str, Any]:
        """Give what is known of a version; nothing where that is lost."""
        try:
            found = json.loads(read_file(folder / _ABOUT, _MAX_ABOUT) or b"{}")
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @staticmethod
    def files(folder: Path, limit: int) -> dict[str, bytes]:
        """Give the files of a version by relative path, sorted.

        Args:
            limit: bytes of one file.

        Raises:
            StoreError: they cannot be read.
        """
        top = folder / FILES
        found: dict[str, bytes] = {}
        try:
            for above, _, names in os.walk(top):
                for each in names:
                    path = top / above / each
                    found[path.relative_to(top).as_posix()] = read_file(path, limit) or b""
        except OSError as error:
            raise StoreError(f"{top} cannot be read: {_reason(error)}") from None
        return dict(sorted(found.items()))

    def drop_version(self, kind: str, name: str, number: int) -> None:
        """Remove a version that no section names; what cannot be removed is left to a later sweep."""
        folder = self.folder_of(kind, name, number)
        with contextlib.suppress(OSError):
            remove_tree(folder)
            os.rmdir(folder.parent)

    def sweep(self, current: Mapping[tuple[str, str], int]) -> None:
        """Remove versions that are too old, those that were never committed, and files that were never whole.

        Args:
            current: the number of the version that serves, by kind and name of each section that has files.
        """
        if self._lock is None:
            return
        for kind, folder in FOLDERS.items():
            for name in _names(self.folder / folder):
                number = current.get((kind, name), 0)
                for each in _unneeded(self.versions(kind, name), number, KEPT_VERSIONS if kind == "plugin" else 1):
                    self.drop_version(kind, name, each)
                self._sweep_new(self.folder / folder / name)
                if not number:
                    with contextlib.suppress(OSError):
                        os.rmdir(self.folder / folder / name)
        self._sweep_new(self.folder)

    def _sweep_new(self, folder: Path) -> None:
        for name in _names(folder):
            if name.startswith(NEW):
                with contextlib.suppress(OSError):
                    remove_tree(folder / name)


def _signature(status: os.stat_result) -> object:
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _unneeded(versions: list[int], current: int, kept: int) -> list[int]:
    """Give the versions to be removed: all after the current one, since they never served, and the oldest."""
    served = [number for number in versions if number <= current]
    return [number for number in versions if number > current] + served[:-kept]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()
