"""All files of a configuration: the main one, those that it includes, and those of the state folder."""

from __future__ import annotations

import glob
import os
import stat
from types import MappingProxyType
from typing import TYPE_CHECKING

from twistedgw.config.header import identify
from twistedgw.config.ini import MAX_MALFORMED, IniError, NotIniError, RawSection, parse
from twistedgw.config.model import Place
from twistedgw.config.option import Context, RefusedError
from twistedgw.config.options import KINDS
from twistedgw.config.paths import shown_path
from twistedgw.config.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twistedgw.config.report import Report

__all__ = ["MAX_FILE", "Tree"]

MAX_FILE = 16 << 20
"""Bytes of one INI file."""


class Tree:
    """The sections of all files, in the order in which they were read.

    Attributes:
        sections: of known kinds; duplicates included, and ``[gateway]``, which may be an implied one.
        gateway: the ``[gateway]`` section of the main file, converted.
        files: every INI file that was read, absolute.
    """

    def __init__(
        self, main: Path, environ: Mapping[str, str], report: Report, texts: Mapping[Path, str] = MappingProxyType({})
    ) -> None:
        """Read all files.

        Args:
            main: the path of the main file, absolute.
            environ: what ``${NAME}`` stands for.
            report: takes every problem.
            texts: what is read in place of files, whether these exist or not, by their paths.
        """
        self._report = report
        self._texts = texts
        self._seen: set[str] = set()
        self.sections: list[Section] = []
        self.files: list[Path] = []
        self._read(main)
        self.gateway = self._gateway(main)
        self.gateway.convert(Context(main.parent), environ)
        for path in self._included(main.parent):
            self._read(path)
        for path in self._state():
            self._read(path)

    def _gateway(self, main: Path) -> Section:
        kind = KINDS["gateway"]
        for section in self.sections:
            if section.kind is kind:
                return section
        return Section(kind, (), Place(shown_path(main), "gateway", 0), main.parent, self._report)

    def _included(self, folder: Path) -> list[Path]:
        paths: list[Path] = []
        for pattern in self.gateway.values.get("include", ()):
            found = sorted(glob.glob(pattern, root_dir=folder))
            if not found and not glob.has_magic(pattern):
                refused = RefusedError("does not exist", "a path is relative to the file that names it", pattern)
                self.gateway.refuse("include", refused)
            paths += (folder / name for name in found)
        return paths

    def _state(self) -> list[Path]:
        folder: Path | None = self.gateway.values.get("state_dir")
        if folder is None:
            return []
        names = {path.name for path in self._texts if path.parent == folder}
        try:
            if folder.exists():
                names |= {name for name in os.listdir(folder) if name.endswith(".ini") and not name.startswith(".")}
        except OSError as error:
            self._report.unread = True
            self.gateway.refuse("state_dir", RefusedError(f"cannot be read: {_reason(error)}"))
            return []
        return [folder / name for name in sorted(names)]

    def _read(self, path: Path) -> None:
        identity = os.path.realpath(path)
        if identity in self._seen:
            return
        self._seen.add(identity)
        file = shown_path(path)
        self._report.begin(file)
        try:
            raw_sections, problems = _read_sections(path, self._texts.get(path))
        except _UnreadableError as error:
            self._report.unread = True
            self._report.add(file, error.line, str(error), hint=error.hint)
            return
        self.files.append(path)
        for problem in problems:
            self._report.add(
                file, problem.line, problem.message, section=problem.section, option=problem.option, hint=problem.hint
            )
        for raw in raw_sections:
            self._add(raw, file, path.parent)

    def _add(self, raw: RawSection, file: str, folder: Path) -> None:
        try:
            kind, names = identify(raw.name)
        except RefusedError as refused:
            self._report.add(file, raw.line, refused.reason, section=raw.name, hint=refused.hint)
        else:
            self.sections.append(Section.of(kind, names, raw, file, folder, self._report))


class _UnreadableError(Exception):
    """A file that is no INI text at all."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.hint = hint


def _read_sections(path: Path, text: str | None) -> tuple[list[RawSection], list[IniError]]:
    try:
        return parse(_read_text(path) if text is None else text)
    except NotIniError:
        raise _UnreadableError(f"is no INI file: more than {MAX_MALFORMED} lines are not OPTION = VALUE") from None


def _read_text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _UnreadableError("is a folder, not a file", hint="write FOLDER/*.ini to include what is in it")
        if not stat.S_ISREG(mode):
            raise _UnreadableError("is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {_reason(error)}") from None
    if len(data) > MAX_FILE:
        raise _UnreadableError(f"is larger than {MAX_FILE >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError("is not UTF-8 text", line=line) from None


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()
