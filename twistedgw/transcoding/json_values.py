"""JSON values out of a text that comes in pieces: one after the other, or within one array.

Each octet is looked at once (a line that turns out to be no value by itself, twice). No more than one value is held.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.status import Code
from twistedgw.transcoding.jsontext import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JsonValues"]

_SPACE = re.compile(rb"[ \t\r\n]*")
_TOKEN = re.compile(rb'"[^"\\]*"|["{}\[\]]')
"""Within a value: a string without escapes that is all there, or what has to be looked at."""
_SCALAR = re.compile(rb'[^ \t\r\n,:"{}\[\]]*')

# What is expected outside of values. Plain numbers: see web/channel.py.
_BEGINNING = 0
_SEQUENCE = 1
_FIRST = 2
_NEXT = 3
_COMMA = 4
_CLOSED = 5
_EXPECTED = {
    _BEGINNING: "a JSON value",
    _SEQUENCE: "a JSON value",
    _FIRST: "a JSON value or ']'",
    _NEXT: "a JSON value",
    _COMMA: "',' or ']'",
    _CLOSED: "nothing after the array",
}

# What value has begun.
_NONE = 0
_NESTED = 1
_STRING = 2
_NUMBER = 3
"""Or true, false or null: whatever no quote and no bracket begins."""


class JsonValues:
    """Finds where values begin and end; whether they are JSON otherwise is for who reads them to find out.

    Attributes:
        count: how many values are complete, so the index of the one that comes.
    """

    def __init__(self, limit: int, *, array: bool) -> None:
        """Begin with a text.

        Args:
            limit: bytes that one value may have, and the blanks before it.
            array: whether an array at the beginning holds the values; otherwise it is one.
        """
        self.count = 0
        self._limit = limit
        self._state = _BEGINNING if array else _SEQUENCE
        self._kind = _NONE
        self._depth = 0
        self._quoted = self._escaped = False
        self._partial = bytearray()
        self._blank = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take a part of the text; give the values that it completes, each when it is asked for.

        Raises:
            InvalidArgument: something else stands between the values, or a value nests more than 100 deep.
            GatewayError: a value is over the limit (413).
        """
        position = 0
        while position < len(data):
            if self._kind == _NONE:
                start, position = position, _end(_SPACE, data, position)
                self._blank += position - start
                if self._blank > self._limit:
                    raise self._too_large()
                if position == len(data):
                    return
                line = self._line(data, position)
                if line is not None:
                    position += len(line)
                    yield self._complete(line)
                    continue
                start = position
                position = self._begin(data, position)
            else:
                start = position
            if self._kind != _NONE:
                end = self._scan(data, position)
                if end < 0:
                    self._keep(data[start:])
                    return
                position = end
                yield self._complete(data[start:end])

    def end(self) -> Iterator[bytes]:
        """Learn that the text is complete; give a number that nothing came after.

        Raises:
            InvalidArgument: it ends within a value or the array.
        """
        if self._kind == _NUMBER:
            yield self._complete(b"")
        if self._kind != _NONE:
            raise self._error("the body ends before this value does")
        if self._state in (_FIRST, _NEXT, _COMMA):
            raise self._error(f"the body ends where {_EXPECTED[self._state]} is expected")

    # -- between values

    def _line(self, data: bytes, position: int) -> bytes | None:
        """Give a line where it is one value, as in NDJSON: parsing it is quicker than looking for its end."""
        if self._state != _SEQUENCE and (self._state != _BEGINNING or data[position] != _BRACE):
            return None
        end = data.find(b"\n", position)
        if end < 0 or end - position > self._limit:
            return None
        line = data[position:end]
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        return line

    def _begin(self, data: bytes, position: int) -> int:
        """Read what stands between values, or begin a value; give where to go on."""
        first, state = data[position : position + 1], self._state
        if state == _BEGINNING and first == b"[":
            self._state = _FIRST
            return position + 1
        if state == _COMMA and first == b",":
            self._state = _NEXT
            return position + 1
        if state in (_COMMA, _FIRST) and first == b"]":
            self._state = _CLOSED
            return position + 1
        if state in (_COMMA, _CLOSED) or first in b",:]}":
            got = "" if state == _CLOSED else f", got {first.decode('latin-1')!r}"
            raise self._error(f"expected {_EXPECTED[state]}{got}")
        if first == b'"':
            self._kind = _STRING
            return position + 1
        self._kind = _NUMBER
        if first in b"{[":
            self._kind, self._depth = _NESTED, 0
        return position

    # -- within a value

    def _scan(self, data: bytes, position: int) -> int:
        """Give where the value that has begun ends; -1 where it does not end here."""
        if self._kind == _NUMBER:
            end = _end(_SCALAR, data, position)
            return end if end < len(data) else -1
        if self._kind == _STRING:
            return self._string_end(data, position)
        if self._quoted:
            position = self._string_end(data, position)
            if position < 0:
                return -1
            self._quoted = False
        return self._nested_end(data, position)

    def _nested_end(self, data: bytes, position: int) -> int:
        search = _TOKEN.search
        while (found := search(data, position)) is not None:
            position = found.end()
            token = found[0]
            if token in (b"{", b"["):
                self._depth += 1
                if self._depth > MAX_DEPTH:
                    raise self._error(f"nested more than {MAX_DEPTH} levels deep")
            elif token in (b"}", b"]"):
                self._depth -= 1
                if not self._depth:
                    return position
            elif token == b'"':
                position = self._string_end(data, position)
                if position < 0:
                    self._quoted = True
                    return -1
        return -1

    def _string_end(self, data: bytes, position: int) -> int:
        """Give where the string ends in whose middle `position` is; -1 where it does not end here."""
        if self._escaped:
            self._escaped = False
            position += 1
        while True:
            quote = data.find(b'"', position)
            text = data[position:quote] if quote >= 0 else data[position:]
            escaped = (len(text) - len(text.rstrip(b"\\"))) % 2 == 1
            if quote < 0:
                self._escaped = escaped
                return -1
            position = quote + 1
            if not escaped:
                return position

    def _keep(self, part: bytes) -> None:
        self._partial += part
        if len(self._partial) > self._limit:
            raise self._too_large()

    def _complete(self, part: bytes) -> bytes:
        if self._partial:
            self._partial += part
            part = bytes(self._partial)
            self._partial = bytearray()
        if len(part) > self._limit:
            raise self._too_large()
        self._kind = _NONE
        self._blank = 0
        self._state = _SEQUENCE if self._state in (_BEGINNING, _SEQUENCE) else _COMMA
        self.count += 1
        return part

    # -- errors

    def _error(self, description: str) -> InvalidArgument:
        return InvalidArgument(f"[{self.count}]", description, reason="INVALID_JSON")

    def _too_large(self) -> GatewayError:
        return GatewayError(
            Code.RESOURCE_EXHAUSTED,
            f"item {self.count} of the body has more than {self._limit} bytes",
            reason="REQUEST_TOO_LARGE",
            http_status_=413,
        )


_BRACE = b"{"[0]


def _end(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Give where a pattern that may match nothing stops matching."""
    found = pattern.match(data, position)
    assert found is not None
    return found.end()
