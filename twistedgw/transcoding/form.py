"""Forms as bodies: urlencoded and multipart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from twistedgw.transcoding.parameters import Origin, Parameters
from twistedgw.transcoding.query import pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

__all__ = ["FORM", "MAX_PARTS", "Form"]

FORM = Origin("body", "INVALID_BODY")

MAX_PARTS = 1000
"""How many parts a multipart form may have."""

_MAX_PART_HEADER = 2048
_MAX_PART_HEADERS = 8
_MAX_BOUNDARY = 70


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    data: bytes
    is_file: bool


class Form:
    """Fills messages of one type from forms.

    A field is named as in a query. A part of a multipart form that has a file name fills a bytes field with its octets;
    any other part is text.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def fill(self, message: Message, data: bytes) -> list[str]:
        """Put an urlencoded form into `message`.

        Returns:
            The canonical names of the fields it set.

        Raises:
            InvalidArgument: anything that is wrong with it.
        """
        seen: set[str] = set()
        put = self._parameters.put
        return _known(put(message, name, text, seen, plus=True) for name, text in pairs(data, FORM))

    def fill_multipart(self, message: Message, data: bytes, boundary: str) -> list[str]:
        """Put a multipart form into `message`; otherwise as `fill`."""
        seen: set[str] = set()
        return _known(self._put_part(message, part, seen) for part in _parts(data, boundary))

    def _put_part(self, message: Message, part: _Part, seen: set[str]) -> str | None:
        if part.is_file:
            return self._parameters.put_bytes(message, part.name, part.data, seen)
        try:
            text = part.data.decode()
        except UnicodeDecodeError:
            raise FORM.error(part.name, "not UTF-8 (bytes are sent as a file, or in base64)") from None
        return self._parameters.put(message, part.name, text, seen)


def _known(paths: Iterable[str | None]) -> list[str]:
    return [path for path in paths if path is not None]


def _parts(data: bytes, boundary: str) -> list[_Part]:
    if not 0 < len(boundary) <= _MAX_BOUNDARY or not boundary.isascii():
        raise FORM.error("", "a multipart form needs a boundary of 1 to 70 ASCII characters in its Content-Type")
    try:
        parser = PushMultipartParser(
            boundary,
            max_header_size=_MAX_PART_HEADER,
            max_header_count=_MAX_PART_HEADERS,
            max_segment_count=MAX_PARTS,
        )
        parts = list(_read_parts(parser, data))
        parser.close()
    except ParserLimitReached:
        raise FORM.error(
            "", f"a multipart form has at most {MAX_PARTS} parts, with {_MAX_PART_HEADERS} short header fields each"
        ) from None
    except MultipartError:
        raise FORM.error("", "a malformed multipart form") from None
    return parts


def _read_parts(parser: PushMultipartParser, data: bytes) -> Iterator[_Part]:
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    for event in parser.parse(data):
        if isinstance(event, MultipartSegment):
            segment, chunks = event, []
        elif event is not None:
            chunks.append(bytes(event))
        elif segment is not None:
            yield _Part(segment.name or "", b"".join(chunks), segment.filename is not None)
