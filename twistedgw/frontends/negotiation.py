"""Content negotiation: media types by Accept, gzip both ways."""

from __future__ import annotations

import zlib
from functools import lru_cache

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.status import Code

__all__ = [
    "MAX_MEMBERS",
    "PROTOBUF_TYPES",
    "accepts_gzip",
    "body_too_large",
    "check_members",
    "check_size",
    "decode_body",
    "gzip",
    "is_gzip",
    "parse_accept",
    "wants_protobuf",
]

PROTOBUF_TYPES = ("application/protobuf", "application/x-protobuf")
_GZIP_FROM = 1024
"""Bytes; shorter answers are not worth it."""
_SLICE = 64 * 1024
"""Bytes of a gzip body that are decoded at a time, since zlib copies what follows each member."""
MAX_MEMBERS = 1000
"""How many members a gzip body may have; an empty one takes 20 bytes to send and much more time to decode."""


def parse_accept(text: str) -> dict[str, float]:
    """Read an Accept or Accept-Encoding field into qualities by lower-case range (RFC 9110 section 12.4.2)."""
    ranges: dict[str, float] = {}
    for item in text.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            ranges[name.lower()] = next((_quality(each) for each in parameters if each[:2].lower() == "q="), 1.0)
    return ranges


def _quality(parameter: str) -> float:
    try:
        return min(max(float(parameter[2:]), 0.0), 1.0)
    except ValueError:
        return 0.0


@lru_cache(256)
def wants_protobuf(accept: str | None) -> str | None:
    """Give the protobuf media type that a client prefers to JSON by name; None where it does not."""
    if not accept or "protobuf" not in accept.lower():
        return None
    ranges = parse_accept(accept)
    quality, name = max((ranges.get(name, 0.0), name) for name in PROTOBUF_TYPES)
    return name if quality > 0 and quality >= ranges.get("application/json", 0.0) else None


@lru_cache(256)
def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether a client takes gzip."""
    if not accept_encoding:
        return False
    ranges = parse_accept(accept_encoding)
    return ranges.get("gzip", ranges.get("x-gzip", ranges.get("*", 0.0))) > 0


def gzip(body: bytes) -> bytes | None:
    """Compress an answer; None where that is not worth it."""
    if len(body) < _GZIP_FROM:
        return None
    compressor = zlib.compressobj(4, zlib.DEFLATED, 31)
    packed = compressor.compress(body) + compressor.flush()
    return packed if len(packed) < len(body) else None


def body_too_large(limit: int) -> GatewayError:
    """Give the error of a body over the limit: 413."""
    return GatewayError(
        Code.RESOURCE_EXHAUSTED,
        f"the body has more than {limit} bytes",
        reason="REQUEST_TOO_LARGE",
        http_status_=413,
    )


def check_size(size: int, limit: int) -> None:
    """Make sure that a request's body is not too large, as it came.

    Raises:
        GatewayError: 413.
    """
    if size > limit:
        raise body_too_large(limit)


def is_gzip(encoding: str | None) -> bool:
    """Tell whether a Content-Encoding is gzip; otherwise it is none.

    Raises:
        GatewayError: 415 for any other.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return False
    if name not in ("gzip", "x-gzip"):
        raise GatewayError(
            Code.INVALID_ARGUMENT,
            f"Content-Encoding {name[:40]!r} is not supported: send gzip, or none",
            reason="UNSUPPORTED_ENCODING",
            http_status_=415,
            headers=(("Accept-Encoding", "gzip"),),
        )
    return True


def decode_body(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Undo a request's Content-Encoding.

    Args:
        encoding: the field's value.
        limit: bytes that the decoded body may have.

    Raises:
        GatewayError: 413 where it decodes to more, 415 for any encoding but gzip.
        InvalidArgument: it is not what it says.
    """
    return _gunzip(body, limit) if is_gzip(encoding) else body


def _gunzip(body: bytes, limit: int) -> bytes:
    out = bytearray()
    member, members = zlib.decompressobj(31), 1
    for start in range(0, len(body), _SLICE):
        piece = body[start : start + _SLICE]
        while piece:
            if member.eof:  # a gzip file may have several members (RFC 1952 section 2.2)
                member, members = zlib.decompressobj(31), members + 1
                check_members(members)
            try:
                out += member.decompress(piece, limit - len(out) + 1)
            except zlib.error:
                raise InvalidArgument("", "expected gzip data", reason="INVALID_BODY") from None
            if len(out) > limit:
                raise GatewayError(
                    Code.RESOURCE_EXHAUSTED,
                    f"the body decodes to more than {limit} bytes",
                    reason="REQUEST_TOO_LARGE",
                    http_status_=413,
                )
            piece = member.unused_data
    if body and not member.eof:
        raise InvalidArgument("", "the gzip data ends early", reason="INVALID_BODY")
    return bytes(out)


def check_members(members: int) -> None:
    """Make sure that a gzip body has not too many members.

    Raises:
        InvalidArgument: it has.
    """
    if members > MAX_MEMBERS:
        raise InvalidArgument("", f"the gzip data has more than {MAX_MEMBERS} members", reason="INVALID_BODY")
