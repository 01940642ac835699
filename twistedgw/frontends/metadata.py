"""HTTP header fields to gRPC metadata, and back: what passes, under which name, and what never does."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from twistedgw.backends.metadata import Sendable
from twistedgw.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from twistedgw.frontends.exchange import FieldBlock, Head

__all__ = ["HOP_BY_HOP", "SET_HERE", "request_metadata", "response_fields"]

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields that end at each connection (RFC 9110 section 7.6.1)."""

_PASSED = frozenset(("authorization", "traceparent", "tracestate", "baggage", "accept-language"))
SET_HERE = frozenset(("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"))
"""What the gateway itself says of a request."""

_NEVER = HOP_BY_HOP | SET_HERE | {"cookie", "host", "content-type", "content-length", "user-agent"}
_PREFIX = "grpc-metadata-"
_KEY = re.compile(r"[0-9a-z_.-]+")
_TEXT = re.compile(rb"[\x20-\x7e]*")

_NOT_A_FIELD = HOP_BY_HOP | {
    "content-type",
    "content-length",
    "content-encoding",
    "date",
    "server",
    "x-request-id",
}

Metadata = "list[tuple[str, str | bytes]]"


def request_metadata(
    head: Head, key_of: Callable[[str], str | None] | None = None
) -> tuple[tuple[str, str | bytes], ...]:
    """Give the metadata that a call carries for a request.

    Args:
        head: of the request.
        key_of: gives the metadata key of a field by its name alone, or None where it is not passed on; REST's rule
            where there is none.

    Raises:
        InvalidArgument: a ``-bin`` field that is not base64, or a text that gRPC cannot carry (it takes printable
            ASCII).
    """
    learned, key_of = head.fields.learned, key_of or _key
    passed = learned.get(key_of)
    if passed is None:
        passed = learned[key_of] = tuple(_passed(head.fields, key_of))
    host = (("x-forwarded-host", _ascii(head.authority)),) if head.authority else ()
    return Sendable(
        (
            *passed,
            ("x-forwarded-for", _ascii(head.chain)),
            ("x-forwarded-proto", "https" if head.secure else "http"),
            *host,
            ("x-request-id", head.request_id),
        )
    )


def _passed(fields: FieldBlock, key_of: Callable[[str], str | None]) -> Iterator[tuple[str, str | bytes]]:
    """Give what is passed on of a client's own fields, fit to be sent."""
    ended = _ended(fields.texts.get(b"connection"))
    for raw, value in fields:
        name = raw.decode("latin-1")
        key = key_of(name)
        if key is None or name in ended or _KEY.fullmatch(key) is None:
            continue
        if key.endswith("-bin"):
            for item in _binary(name, value):
                yield key, item
        elif _TEXT.fullmatch(value):
            yield key, value.decode("ascii")
        else:
            raise InvalidArgument(name, "expected printable ASCII", source="header", reason="INVALID_HEADER")


def response_fields(metadata: Iterable[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    """Give a backend's metadata as header or trailer fields.

    gRPC's own keys, hop-by-hop fields and those that describe this answer's body are left out; binary values are
    base64 without padding (gRPC over HTTP/2, section "Requests").
    """
    fields: list[tuple[bytes, bytes]] = []
    for key, value in metadata:
        if key.startswith((":", "grpc-")) or key in _NOT_A_FIELD:
            continue
        if isinstance(value, bytes):
            text = base64.b64encode(value).rstrip(b"=") if key.endswith("-bin") else value
        else:
            text = value.encode("utf-8")
        fields.append((key.encode("ascii", "replace"), text))
    return fields


def _ended(connection: str | None) -> frozenset[str]:
    """Give the fields that a client ends at this connection, by naming them in its Connection field."""
    if connection is None or connection.lower() in ("keep-alive", "close"):
        return frozenset()
    return frozenset(name.strip().lower() for name in connection.split(","))


def _key(name: str) -> str | None:
    """Give the metadata key of a field that is passed on; None for all others."""
    if name in _NEVER:
        return None
    if name.startswith(_PREFIX):
        key = name[len(_PREFIX) :]
        if key in _NEVER or key.startswith("grpc-"):
            return None
        return key if _KEY.fullmatch(key) else None
    if name in _PASSED or (name.startswith("x-") and _KEY.fullmatch(name)):
        return name
    return None


def _binary(name: str, value: bytes) -> Iterable[bytes]:
    for item in value.split(b","):
        item = item.strip().replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        try:
            yield base64.b64decode(item + b"=" * (-len(item) % 4), validate=True)
        except binascii.Error:
            raise InvalidArgument(name, "expected base64", source="header", reason="INVALID_HEADER") from None


def _ascii(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else "?" for c in text)
