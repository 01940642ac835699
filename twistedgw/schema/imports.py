"""Which files a `.proto` imports, found before any compiler sees it.

Only enough of the language is read to tell an import statement from a comment, a string, an option's value or a field
that happens to be called ``import``. Whatever this misses, the compiler refuses: it is given no other files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cursor", "Import", "imports"]

TAB_WIDTH = 8

_TOKEN = re.compile(
    rb"""
      (?P<comment> //[^\n]* | /\*(?:.*?\*/|.*) )
    | (?P<string>  "[^"\\\n]*(?:\\.[^"\\\n]*)*"? | '[^'\\\n]*(?:\\.[^'\\\n]*)*'? )
    | (?P<word>    \w+ )
    | (?P<symbol>  \S )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MODIFIERS = (b"public", b"weak", b"option")


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement.

    Attributes:
        name: what is imported, without quotes and escapes.
        line: of the word ``import``, 1-based.
        column: 1-based, counted as protoc does: by bytes, a tab reaching to the next multiple of eight.
    """

    name: str
    line: int
    column: int


class Cursor:
    """Turns ascending byte offsets of one text into lines and columns, in one pass over the text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0
        self._line = 1
        self._column = 0

    def at(self, offset: int) -> tuple[int, int]:
        """Give line and column, both 1-based; `offset` must not be less than in the call before."""
        passed = self._data[self._offset : offset]
        self._offset = offset
        newlines = passed.count(b"\n")
        if newlines:
            self._line += newlines
            self._column = 0
            passed = passed[passed.rfind(b"\n") + 1 :]
        *before_tabs, rest = passed.split(b"\t")
        for part in before_tabs:
            self._column = (self._column + len(part)) // TAB_WIDTH * TAB_WIDTH + TAB_WIDTH
        self._column += len(rest)
        return self._line, self._column + 1


def imports(data: bytes) -> Iterator[Import]:
    """Find the import statements of a `.proto` text, in order; never raises, and takes linear time."""
    last = data.rfind(b"import")
    if last < 0:
        return
    cursor = Cursor(data)
    depth = 0
    statement: list[tuple[bytes, int, bool]] = []  # the tokens of a statement that may still be an import
    fresh = True  # at the start of a top-level statement
    for match in _TOKEN.finditer(data, 3 if data.startswith(b"\xef\xbb\xbf") else 0):
        if match.start() > last and not statement:
            return  # there is no further one, and most of a file comes after its imports
        kind, token = match.lastgroup, match.group()
        if kind == "comment":
            continue
        if token == b"{":
            depth += 1
            statement = []
        elif token == b"}":
            depth = max(depth - 1, 0)
            fresh = depth == 0
        elif depth == 0 and token == b";":
            yield from _read(statement, cursor)
            statement = []
            fresh = True
        elif depth == 0 and fresh:
            fresh = False
            statement = [(token, match.start(), False)] if token == b"import" else []
        elif statement:
            statement.append((token, match.start(), kind == "string"))


def _read(statement: list[tuple[bytes, int, bool]], cursor: Cursor) -> Iterator[Import]:
    if not statement:
        return
    (_, offset, _), *rest = statement
    if rest and rest[0][0] in _MODIFIERS:
        rest = rest[1:]
    if rest and all(is_string for _, _, is_string in rest):
        yield Import("".join(_unquote(token) for token, _, _ in rest), *cursor.at(offset))


def _unquote(token: bytes) -> str:
    closed = len(token) > 1 and token[-1:] == token[:1]
    text = token[1 : -1 if closed else None].decode("utf-8", "replace")
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    octal, hexadecimal, other = match.groups()
    if octal:
        return chr(int(octal, 8))
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    return _ESCAPED.get(other, other)
