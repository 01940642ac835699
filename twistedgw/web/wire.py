"""How an answer looks on an HTTP/1.1 connection. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING

from twisted.web.http import RESPONSES

if TYPE_CHECKING:
    from twisted.web.http_headers import Headers

__all__ = [
    "BODILESS",
    "Fields",
    "clean_fields",
    "date_now",
    "field_lines",
    "head_lines",
    "opening",
    "ordinary_head",
    "split_framing",
]

Fields = Sequence[tuple[bytes, bytes]]

BODILESS = frozenset((204, 304))
"""The statuses whose answers have no body."""

_FRAMING = frozenset((b"connection", b"content-length", b"date", b"transfer-encoding"))
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = bytes.maketrans(b"\r\n\0", b"   ")


class _Openings:
    """Status lines with the Date of the current second."""

    def __init__(self) -> None:
        self.second = -1
        self.date = b""
        self.lines: dict[int, bytes] = {}


_openings = _Openings()


def date_now() -> bytes:
    """Give the value of a Date field."""
    if int(time()) != _openings.second:
        _refresh()
    return _openings.date


def _refresh() -> None:
    now = _openings.second = int(time())
    _openings.date = formatdate(now, usegmt=True).encode("ascii")
    _openings.lines = {}


def opening(status: int) -> bytes:
    """Give the status line and the Date field of an answer that is made now."""
    if int(time()) != _openings.second:
        _refresh()
    line = _openings.lines.get(status)
    if line is None:
        line = _openings.lines[status] = b"%bDate: %b\r\n" % (status_line(status), _openings.date)
    return line


def status_line(status: int) -> bytes:
    """Give a status line; the version is always that of the gateway (RFC 9110 section 2.5)."""
    return b"HTTP/1.1 %d %b\r\n" % (status, RESPONSES.get(status, b"Unknown"))


def split_framing(fields: Iterable[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
    """Part the fields about framing, which the channel writes itself, from all others.

    Returns:
        the others, and those of framing by lower-case name.
    """
    others: list[tuple[bytes, bytes]] = []
    framing: dict[bytes, bytes] = {}
    for field in fields:
        name = field[0].lower()
        if name in _FRAMING:
            framing[name] = field[1]
        else:
            others.append(field)
    return others, framing


def head_lines(status: int, fields: Fields) -> tuple[bytes, dict[bytes, bytes]]:
    """Write the beginning of an answer that is made now: status line, Date, and all fields but those about framing.

    Returns:
        the lines, and the fields about framing by lower-case name; a Date that was given is among the lines.

    Raises:
        ValueError: the name of a field is malformed.
    """
    lines = opening(status)
    framing: dict[bytes, bytes] = {}
    count = 2
    for name, value in fields:
        lower = name.lower()
        if lower in _FRAMING:
            framing[lower] = value
        else:
            lines += b"%b: %b\r\n" % (name, value)
            count += 1
    if framing or lines.count(b"\n") != count or lines.count(b"\r") != count or b"\0" in lines:
        others, framing = split_framing(clean_fields(fields))
        others.append((b"Date", framing.get(b"date") or date_now()))
        lines = status_line(status) + field_lines(others)
    return lines, framing


def ordinary_head(code: bytes, reason: bytes, headers: Headers) -> tuple[bytes, dict[bytes, bytes]]:
    """Write the beginning of an answer that a resource made by `setHeader`.

    Returns:
        the lines, and the fields about framing, which are among the lines but for Connection.

    Raises:
        ValueError: the name of a field is malformed.
    """
    others, framing = split_framing([(name, value) for name, values in headers.getAllRawHeaders() for value in values])
    others.append((b"Date", framing.get(b"date") or date_now()))
    others += [(name, framing[name]) for name in (b"content-length", b"transfer-encoding") if name in framing]
    return b"HTTP/1.1 %b %b\r\n" % (code, reason) + field_lines(others), framing


def field_lines(fields: Fields) -> bytes:
    """Write fields; CR, LF and NUL in a value become blanks.

    Raises:
        ValueError: a name is malformed.
    """
    block = b"".join([b"%b: %b\r\n" % field for field in fields])
    count = len(fields)
    if block.count(b"\n") != count or block.count(b"\r") != count or b"\0" in block:
        block = b"".join([b"%b: %b\r\n" % field for field in clean_fields(fields)])
    return block


def clean_fields(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Put blanks where a value has CR, LF or NUL.

    Raises:
        ValueError: a name is malformed.
    """
    clean: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a field")
        clean.append((name, value.translate(_FORBIDDEN)))
    return clean
