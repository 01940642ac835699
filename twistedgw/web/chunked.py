"""Bodies that come in chunks (RFC 9112 section 7.1), read strictly. No I/O here.

llhttp is not asked: it takes chunk extensions of any length, and does not tell where a message ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twistedgw.web import refusals
from twistedgw.web.head import FIELD_LINE

__all__ = ["ChunkedBody"]

_EXTENSION = rb"(?:;[\t -~\x80-\xff]{0,256})?"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})" + _EXTENSION + rb"\r\n")
_SIZE_LINE_BEGUN = re.compile(rb"(?:[0-9A-Fa-f]{1,15}" + _EXTENSION + rb"\r?)?")
_TRAILER = re.compile(FIELD_LINE)
_TRAILER_BEGUN = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+(?::[\t -~\x80-\xff]*\r?)?)?|\r")

_Step = Callable[["ChunkedBody", bytes, int, list[bytes]], int]
"""Reads at a position, and gives the position after it; negative where more bytes are needed."""


class ChunkedBody:
    """Takes chunks apart; trailer fields are checked and dropped.

    Attributes:
        complete: whether the last chunk and its trailer fields have been read.
    """

    __slots__ = (
        "_max_trailer_fields",
        "_max_trailer_size",
        "_remaining",
        "_step",
        "_trailer_fields",
        "_trailer_size",
        "complete",
    )

    def __init__(self, max_trailer_size: int, max_trailer_fields: int) -> None:
        self.complete = False
        self._remaining = 0
        self._step: _Step = ChunkedBody._size
        self._max_trailer_size = max_trailer_size
        self._max_trailer_fields = max_trailer_fields
        self._trailer_size = 0
        self._trailer_fields = 0

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Read what can be read.

        Args:
            data: what was not consumed the last time, and what came since.

        Returns:
            a part of the body, and how many bytes of `data` were consumed.

        Raises:
            GatewayError: a chunk is malformed (400), or the trailer fields are too many or too large (431).
        """
        pieces: list[bytes] = []
        position = 0
        while not self.complete:
            after = self._step(self, data, position, pieces)
            if after < 0:
                break
            position = after
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), position

    def _size(self, data: bytes, position: int, pieces: list[bytes]) -> int:  # noqa: ARG002
        match = _SIZE_LINE.match(data, position)
        if match is None:
            if _SIZE_LINE_BEGUN.fullmatch(data, position) is None:
                raise refusals.malformed("the size of a chunk is malformed")
            return -1
        self._remaining = int(match[1], 16)
        self._step = ChunkedBody._data if self._remaining else ChunkedBody._trailer
        return match.end()

    def _data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        if position == len(data):
            return -1
        piece = data[position : position + self._remaining]
        pieces.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._step = ChunkedBody._end_of_data
        return position + len(piece)

    def _end_of_data(self, data: bytes, position: int, pieces: list[bytes]) -> int:  # noqa: ARG002
        end = data[position : position + 2]
        if end == b"\r\n":
            self._step = ChunkedBody._size
            return position + 2
        if not b"\r\n".startswith(end):
            raise refusals.malformed("a chunk is longer than its size")
        return -1

    def _trailer(self, data: bytes, position: int, pieces: list[bytes]) -> int:  # noqa: ARG002
        if data.startswith(b"\r\n", position):
            self.complete = True
            return position + 2
        match = _TRAILER.match(data, position)
        size = len(data) - position if match is None else match.end() - position
        if self._trailer_size + size > self._max_trailer_size:
            raise refusals.too_large_head(self._max_trailer_size)
        if match is None:
            if _TRAILER_BEGUN.fullmatch(data, position) is None:
                raise refusals.malformed("a trailer field is malformed")
            return -1
        self._trailer_size += size
        self._trailer_fields += 1
        if self._trailer_fields > self._max_trailer_fields:
            raise refusals.too_many_fields(self._max_trailer_fields)
        return match.end()
