"""Percent-decoding of request paths, in one pass and without leniency."""

from __future__ import annotations

from itertools import product

__all__ = ["MalformedPath", "decode", "decode_all_but_slash", "octets"]

_DIGITS = b"0123456789ABCDEFabcdef"
_OCTETS = {bytes(pair): bytes([int(bytes(pair), 16)]) for pair in product(_DIGITS, repeat=2)}
_OCTETS_BUT_SLASH = _OCTETS | {b"2F": b"%2F", b"2f": b"%2f"}


class MalformedPath(ValueError):  # noqa: N818
    """A request path that cannot be read.

    Attributes:
        description: what is wrong with it, fit for the client.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


def decode(raw: bytes) -> str:
    """Decode every escape of `raw`, which may hold any octets besides.

    Raises:
        MalformedPath: where an escape is malformed, or the octets are not valid UTF-8 in the end.
    """
    return _text(octets(raw))


def octets(raw: bytes) -> bytes:
    """Decode every escape of `raw`, whose octets need not be text.

    Raises:
        MalformedPath: where an escape is malformed.
    """
    return _unescaped(raw, _OCTETS) if b"%" in raw else raw


def decode_all_but_slash(raw: bytes) -> str:
    """Decode like `decode`, but leave ``%2F`` and ``%2f`` as they are.

    This is for multi-segment variables, where a decoded slash would read as a separator.
    """
    return _text(_unescaped(raw, _OCTETS_BUT_SLASH) if b"%" in raw else raw)


def _unescaped(raw: bytes, known: dict[bytes, bytes]) -> bytes:
    first, *others = raw.split(b"%")
    parts = [first]
    for part in others:
        octet = known.get(part[:2])
        if octet is None:
            found = ascii("%" + part[:2].decode("latin-1"))
            raise MalformedPath(f"a '%' must be followed by two hexadecimal digits, found {found}")
        parts += (octet, part[2:])
    return b"".join(parts)


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise MalformedPath("the path is not valid UTF-8 once decoded") from None
