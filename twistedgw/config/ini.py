"""One INI file's text into sections and options that know their lines.

`configparser` does the parsing. It tells no lines, stops at the first duplicate and merges sections of one name, so it
is fed names that are line numbers: each section and each option is then one of its own, and what the names really are
is kept here.
"""

from __future__ import annotations

import bisect
import configparser
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "IniError", "NotIniError", "RawSection", "parse"]

MAX_LINE = 8192
"""Characters."""

MAX_GAP = 256
"""Blanks in a row inside of a line. The time that `configparser` takes grows with the square of their number."""

MAX_MALFORMED = 1000
"""Lines. The time that `configparser` takes grows with the square of their number."""

_HEADER = re.compile(r"\[([^\[\]]+)\]$")
_GAP = re.compile(rf"\S\s{{{MAX_GAP + 1},}}\S")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Entry:
    """An option as it is written.

    Attributes:
        text: the value, comments removed; lines that continue it are joined by newlines.
        line: of the option's name, 1-based.
    """

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class RawSection:
    """A section as it is written.

    Attributes:
        name: without brackets.
        line: of the header, 1-based.
        entries: by option name in lower case; of an option that is written twice, the first.
    """

    name: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IniError:
    """A line that cannot be taken.

    Attributes:
        section: that the line stands in; empty for none.
        option: empty where the line is no option.
    """

    line: int
    section: str
    option: str
    message: str
    hint: str = ""


class NotIniError(Exception):
    """A text with so many lines that no INI file has that it must be something else."""


def parse(text: str) -> tuple[list[RawSection], list[IniError]]:
    """Read the text of an INI file.

    Returns:
        The sections in their order, those of one name apart, and everything that is wrong with the lines.

    Raises:
        NotIniError: at more than `MAX_MALFORMED` lines that are neither section nor option.
    """
    parser = _Parser()
    parser.read_text(text)
    return parser.take()


class _Parser(configparser.RawConfigParser):
    """Reads one text; `found` and `errors` hold what came of it."""

    def __init__(self) -> None:
        super().__init__(strict=False, default_section="", inline_comment_prefixes=("#", ";"))
        self.found: list[RawSection] = []
        self.errors: list[IniError] = []
        self._line = 0
        self._malformed_lines = 0
        self._headers: dict[str, str] = {}
        self._header_lines: list[int] = []
        self._options: dict[str, str] = {}
        headers: Any = _Headers(self)
        self.SECTCRE = headers

    @property
    def converters(self) -> Any:
        """None, since nobody asks for them: with them each section would be a circle of references."""
        return {}

    def read_text(self, text: str) -> None:
        malformed: list[int] = []
        try:
            self.read_file(self._lines(text))
        except configparser.ParsingError as error:
            malformed = [number - 1 for number, _ in error.errors]  # without the line that `_lines` puts before
        for key in self.sections():
            self._collect(key)
        for line in malformed:
            self._malformed(line)
        self.errors.sort(key=lambda error: error.line)

    def take(self) -> tuple[list[RawSection], list[IniError]]:
        """Give what was read. A parser is a circle of references, so it is left empty."""
        found, errors = self.found, self.errors
        vars(self).clear()
        return found, errors

    def section_at(self, header: str) -> str:
        """Take note of a header on the current line and give the name to file its options under."""
        key = str(self._line)
        self._header_lines.append(self._line)
        match = _HEADER.match(header)
        self._headers[key] = match[1].strip() if match else ""
        if self._line and not self._headers[key]:
            self._error(self._line, f"{_short(header)} is not a section header", "write [KIND] or [KIND:NAME]")
        return key

    def check_option(self, text: str) -> None:
        """Count the current line where it is none that an option can begin with."""
        if text.startswith(("=", ":")) or not ("=" in text or ":" in text):
            self._malformed_lines += 1
            if self._malformed_lines > MAX_MALFORMED:
                raise NotIniError

    def optionxform(self, optionstr: str) -> str:
        key = str(self._line)
        self._options[key] = optionstr.lower()
        return key

    def _lines(self, text: str) -> Iterator[str]:
        """Give the lines one by one, after a header that takes in what stands before the first section."""
        yield "[]"
        for self._line, line in enumerate(io.StringIO(text, newline=None), start=1):
            yield self._checked(line)

    def _checked(self, line: str) -> str:
        if len(line) > MAX_LINE:
            hint = "a list may stand on several lines"
            self._error(self._line, f"the line is longer than {MAX_LINE} characters", hint)
            return "\n"
        if _GAP.search(line):
            self._error(self._line, f"the line has more than {MAX_GAP} blanks in a row")
            return "\n"
        control = _CONTROL.search(line)
        if control:
            self._error(self._line, f"the line holds the control character U+{ord(control[0]):04X}")
        return _CONTROL.sub("\ufffd", line) if control else line

    def _collect(self, key: str) -> None:
        """File the options of one section; those of a malformed header are passed over, as it has told enough."""
        options = [(int(line), self._options[line], value) for line, value in self.items(key)]
        if key == "0":
            for line, name, _ in options:
                if name:
                    self._error(line, "stands before the first section", option=name)
        elif self._headers[key]:
            self.found.append(self._section(RawSection(self._headers[key], int(key)), options))

    def _section(self, section: RawSection, options: list[tuple[int, str, str]]) -> RawSection:
        for line, name, text in options:
            first = section.entries.setdefault(name, Entry(text, line)) if name else None
            if first and first.line != line:
                self._error(line, f"is written twice: first on line {first.line}", section=section.name, option=name)
        return section

    def _malformed(self, line: int) -> None:
        before = bisect.bisect(self._header_lines, line) - 1
        section = self._headers[str(self._header_lines[before])]
        self._error(line, "the line is not OPTION = VALUE", _MALFORMED_HINT, section=section)

    def _error(self, line: int, message: str, hint: str = "", *, section: str = "", option: str = "") -> None:
        self.errors.append(IniError(line, section, option, message, hint))


_MALFORMED_HINT = "a line that continues a value starts with whitespace"


class _Headers:
    """Stands where `configparser` has its pattern for section headers, so as to see the lines that continue nothing."""

    def __init__(self, parser: _Parser) -> None:
        self._parser = parser

    def match(self, text: str) -> re.Match[str] | None:
        if not text.startswith("["):
            self._parser.check_option(text)
            return None
        return re.match("(?P<header>.*)", self._parser.section_at(text))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
