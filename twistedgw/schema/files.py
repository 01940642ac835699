"""Which files a compilation of `.proto` files is made of, and nothing else on this machine.

A plugin's own files are those listed in ``proto`` and whatever ``.proto`` files they import below the ``import_path``
folders. Besides these there is only the bundle (`twistedgw.schema.bundle`). An import name is looked up so:

1. ``google/protobuf/*`` in the bundle, always;
2. a file that is listed in ``proto``;
3. ``google/*`` in the bundle, so that a vendored copy below an import folder cannot disagree with the gateway's own
   (who needs another version of such a file lists it in ``proto``);
4. the import folders, in order.

Symbolic links are followed only as long as they stay inside of the import folders.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from twistedgw.errors import Problem
from twistedgw.schema import bundle
from twistedgw.schema.imports import Cursor, Import, imports
from twistedgw.schema.reading import TooLargeError, UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HINT = "only the plugin's own .proto files and the bundled google/* can be imported"

__all__ = ["MAX_FILES", "MAX_FILE_SIZE", "MAX_TOTAL_SIZE", "Gathered", "ProtoFile", "gather"]

MAX_FILE_SIZE = 1_048_576
"""The most bytes that one `.proto` file may have."""

MAX_FILES = 1_000
"""The most files of its own that one plugin may have, imports counted."""

MAX_TOTAL_SIZE = 64 * 1_048_576
"""The most bytes that all of a plugin's own files may have together."""


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """A file that the compiler may see.

    Attributes:
        name: what it is imported as.
        shown: its path as the operator would write it; for a bundled file its name.
        data: its bytes.
        own: whether it is the plugin's, not the bundle's.
    """

    name: str
    shown: str
    data: bytes
    own: bool


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that a compilation is made of, and what is wrong with it already.

    Attributes:
        files: by import name; the plugin's own ones first, in the order in which they were met.
        roots: the import names of the files listed in ``proto``.
        problems: of files that are missing or unusable, and of imports that name no usable file.
        broken: the import names that `problems` speak of, so that nobody complains about them again.
    """

    files: Mapping[str, ProtoFile]
    roots: tuple[str, ...]
    problems: tuple[Problem, ...]
    broken: frozenset[str]


def gather(
    listed: Sequence[Path],
    import_path: Sequence[Path],
    *,
    show: Callable[[Path], str] = str,
    report: Callable[[str, str, str], Problem] | None = None,
) -> Gathered:
    """Read the listed files and all that they import.

    Args:
        listed: the plugin's ``proto`` option, absolute paths.
        import_path: the folders that imports are looked up in; where empty, those of the listed files.
        show: turns a path into what the operator would write.
        report: makes the problem about an INI option from its name, a message and a hint.
    """
    gathering = _Gathering(listed, import_path, show, report or _unplaced)
    try:
        gathering.run()
    except _LimitError as limit:
        gathering.problems.append(gathering.report("proto", str(limit), ""))
        return Gathered({}, (), tuple(gathering.problems), frozenset())
    return gathering.result()


def _unplaced(option: str, message: str, hint: str) -> Problem:
    return Problem(file="", line=0, option=option, message=message, hint=hint)


class _LimitError(Exception):
    """So much that there is no point in reading on."""


@dataclass(slots=True)
class _Own:
    real: str
    shown: str
    data: bytes
    candidates: tuple[str, ...] = ()  # possible import names of a listed file
    name: str = ""  # empty until somebody imports it, or to the end

    @property
    def listed(self) -> bool:
        return bool(self.candidates)


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    real: str

    def holds(self, real: str) -> bool:
        return real.startswith(self.real.rstrip(os.sep) + os.sep)


@dataclass(slots=True)
class _Gathering:
    listed: Sequence[Path]
    import_path: Sequence[Path]
    show: Callable[[Path], str]
    report: Callable[[str, str, str], Problem]
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    own: dict[str, _Own] = field(default_factory=dict)  # by real path
    bundled: dict[str, ProtoFile] = field(default_factory=dict)  # by import name
    folders: list[_Folder] = field(default_factory=list)
    bundled_roots: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)  # real paths whose file has a problem of its own
    faults: dict[str, str] = field(default_factory=dict)  # by import name: why it cannot be imported
    queue: deque[_Own | ProtoFile] = field(default_factory=deque)
    total: int = 0

    def run(self) -> None:
        self._find_folders()
        for path in self.listed:
            self._add_listed(path)
        while self.queue:
            importer = self.queue.popleft()
            bundled = isinstance(importer, ProtoFile)
            for statement in bundle.imports_of(importer.name) if bundled else imports(importer.data):
                self._follow(statement, importer.shown)
        for own in self.own.values():
            if not own.name:
                self._name(own)

    def result(self) -> Gathered:
        files = {own.name: ProtoFile(own.name, own.shown, own.data, True) for own in self.own.values() if own.name}
        roots = [own.name for own in self.own.values() if own.name and own.listed]
        return Gathered(
            files={**files, **self.bundled},
            roots=tuple(dict.fromkeys([*roots, *self.bundled_roots])),
            problems=tuple(self.problems),
            broken=frozenset(self.broken),
        )

    def _find_folders(self) -> None:
        for path in self.import_path or dict.fromkeys(path.parent for path in self.listed):
            if os.path.isdir(path):
                self.folders.append(_Folder(path, os.path.realpath(path)))
            elif self.import_path:
                message = f"'{self.show(path)}' is not a folder" if os.path.exists(path) else ""
                message = message or f"'{self.show(path)}': no such folder"
                self.problems.append(self.report("import_path", message, ""))

    def _add_listed(self, path: Path) -> None:
        real = os.path.realpath(path)
        if real in self.own or real in self.bad:
            return
        shown = self.show(path)
        entry = os.path.join(os.path.realpath(path.parent), path.name)
        names = tuple(Path(os.path.relpath(entry, f.real)).as_posix() for f in self.folders if f.holds(entry))
        fault, hint = self._fault_of_listed(real, names)
        if not fault and self._add_fixed(names):
            return
        data = None
        if not fault:
            try:
                data = self._read(real, shown)
            except UnreadableError as error:
                fault = str(error)
        if fault:
            self.bad.add(real)
            self.broken.update(names)
            self.problems.append(self.report("proto", f"'{shown}': {fault}", hint))
        elif data is not None:
            self._add(_Own(real, shown, data, names))

    def _add_fixed(self, names: Sequence[str]) -> bool:
        """Take the bundle's file in place of a listed one that the runtime knows better."""
        for name in names:
            if name.startswith(bundle.FIXED) and (data := bundle.read(name)) is not None:
                self.bundled_roots.append(name)
                self._add_bundled(name, data)
                return True
        return False

    def _fault_of_listed(self, real: str, names: Sequence[str]) -> tuple[str, str]:
        if not os.path.lexists(real):
            return "no such file", ""
        if not names:
            return "in none of the import_path folders", "name the folder that its imports start from"
        if not self._confined(real):
            return "a symbolic link that leads out of its folder", "name the file that it leads to"
        return _fault_of_name(names[0]), ""

    def _confined(self, real: str) -> bool:
        return any(folder.holds(real) for folder in self.folders)

    def _add(self, own: _Own) -> None:
        self.own[own.real] = own
        self.queue.append(own)

    def _add_bundled(self, name: str, data: bytes) -> None:
        if name not in self.bundled:
            self.bundled[name] = ProtoFile(name, name, data, False)
            self.queue.append(self.bundled[name])

    def _follow(self, statement: Import, importer: str) -> None:
        name = statement.name
        if name not in self.faults:
            self.faults[name] = self._resolve(name)
        if fault := self.faults[name]:
            self.broken.add(name)
            message = f'cannot import "{name}": {fault}'
            self.problems.append(Problem(importer, statement.line, statement.column, message=message, hint=_HINT))

    def _resolve(self, name: str) -> str:
        """Make sure that the file is there, or say why it is not."""
        if fault := _fault_of_name(name):
            return fault
        bundled = bundle.read(name)
        found = self._locate(name)
        known = self.own.get(found.real) if found else None
        if bundled is not None and not (known and known.listed):
            self._add_bundled(name, bundled)
            return ""
        if known:
            return self._same_name(known, name)
        if not found:
            return f"no such file in {self._shown_folders()}"
        return self._import_own(name, found)

    def _import_own(self, name: str, found: _Own) -> str:
        if not self._confined(found.real):
            return "a symbolic link that leads out of the import folder"
        if not name.endswith(".proto"):
            return "not a .proto file"
        if found.real in self.bad:
            self.broken.add(name)
            return ""
        try:
            data = self._read(found.real, found.shown)
        except UnreadableError as error:
            return str(error)
        if data is None:
            self.broken.add(name)
        else:
            self._add(_Own(found.real, found.shown, data, name=name))
        return ""

    def _locate(self, name: str) -> _Own | None:
        for folder in self.folders:
            path = os.path.join(folder.real, name)
            if os.path.lexists(path):
                return _Own(os.path.realpath(path), self.show(folder.path / name), b"")
        return None

    def _same_name(self, known: _Own, name: str) -> str:
        if not known.name:
            known.name = name
        if known.name == name:
            return ""
        return f'the same file is also imported as "{known.name}"; a file can have only one name'

    def _name(self, own: _Own) -> None:
        for name in own.candidates:
            found = self._locate(name)
            if found and found.real == own.real:
                own.name = name
                return
        hint = "put its own folder first in import_path"
        message = f"'{own.shown}': another file of the same name comes first in import_path"
        self.problems.append(self.report("proto", message, hint))

    def _read(self, real: str, shown: str) -> bytes | None:
        """Read an own file; None where it has a problem of its own, which is then recorded."""
        try:
            data = read(real, MAX_FILE_SIZE)
        except TooLargeError as error:
            message = f"the file {error}"
            self.problems.append(Problem(shown, 0, message=message, hint="a .proto file is at most 1 MiB"))
            self.bad.add(real)
            return None
        self.total += len(data)
        if len(self.own) >= MAX_FILES:
            raise _LimitError(f"more than {MAX_FILES:,} files, with all that they import")
        if self.total > MAX_TOTAL_SIZE:
            raise _LimitError(f"more than {MAX_TOTAL_SIZE:,} bytes of .proto files, with all that they import")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line, column = Cursor(data).at(error.start)
            message = f"byte 0x{data[error.start]:02x} is not UTF-8"
            self.problems.append(Problem(shown, line, column, message=message))
            self.bad.add(real)
            return None
        return data

    def _shown_folders(self) -> str:
        return ", ".join(f"'{self.show(folder.path)}'" for folder in self.folders) or "any folder"


def _fault_of_name(name: str) -> str:
    if not name.isprintable():
        return "the name has control characters"
    if name.startswith("/"):
        return "an absolute path cannot be imported"
    if "\\" in name:
        return "the name has a backslash; folders are separated by '/'"
    parts = name.split("/")
    if ".." in parts:
        return "'..' cannot be imported"
    if "" in parts or "." in parts:
        return "the name is empty, or has an empty or '.' part"
    return ""
