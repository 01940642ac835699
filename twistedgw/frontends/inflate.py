"""A request's Content-Encoding undone as the body comes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from twistedgw.errors import InvalidArgument
from twistedgw.frontends.negotiation import check_members, is_gzip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Decoder", "make_decoder"]

_SLICE = 64 * 1024
"""Bytes that are decoded at a time: what a small text swells to is not held at once."""


class Decoder(Protocol):
    """Gives the octets of a body as they were before they were encoded."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take a part; give what it decodes to, in pieces, each when it is asked for.

        Raises:
            InvalidArgument: it is not what it says.
        """
        ...

    def end(self) -> None:
        """Learn that the body is complete.

        Raises:
            InvalidArgument: it ends early.
        """
        ...


def make_decoder(encoding: str | None) -> Decoder:
    """Make what undoes a Content-Encoding.

    Args:
        encoding: the field's value.

    Raises:
        GatewayError: 415 for any but gzip.
    """
    return _Gunzip() if is_gzip(encoding) else _Plain()


class _Plain:
    def feed(self, data: bytes) -> Iterable[bytes]:
        return (data,)

    def end(self) -> None:
        pass


class _Gunzip:
    """Of one or several members (RFC 1952 section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._members = 1
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._begun = True
        full = False
        while data or full:
            if self._member.eof:
                self._member, self._members = zlib.decompressobj(31), self._members + 1
                check_members(self._members)
            try:
                piece = self._member.decompress(data, _SLICE)
            except zlib.error:
                raise InvalidArgument("", "expected gzip data", reason="INVALID_BODY") from None
            full = len(piece) == _SLICE and not self._member.eof
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def end(self) -> None:
        if self._begun and not self._member.eof:
            raise InvalidArgument("", "the gzip data ends early", reason="INVALID_BODY")
