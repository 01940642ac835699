"""HTTP header fields to gRPC metadata, and back: what passes, under which name, and what never does."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from twistedgw.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twistedgw.frontends.exchange import Head

__all__ = ["request_metadata", "response_fields"]

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
_SET_HERE = frozenset(("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"))
_NEVER = HOP_BY_HOP | _SET_HERE | {"cookie", "host", "content-type", "content-length", "user-agent"}
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


def request_metadata(head: Head) -> list[tuple[str, str | bytes]]:
    """Give the metadata that a call carries for a request.

    Raises:
        InvalidArgument: a ``-bin`` field that is not base64, or a text that gRPC cannot carry (it takes printable
            ASCII).
    """
    metadata: list[tuple[str, str | bytes]] = []
    ended = _ended(head.text(b"connection"))
    for raw, value in head.fields:
        name = raw.decode("latin-1")
        key = _key(name)
        if key is None or name in ended:
            continue
        if key.endswith("-bin"):
            metadata.extend((key, item) for item in _binary(name, value))
        elif _TEXT.fullmatch(value):
            metadata.append((key, value.decode("ascii")))
        else:
            raise InvalidArgument(name, "expected printable ASCII", source="header", reason="INVALID_HEADER")
    metadata.append(("x-forwarded-for", _ascii(head.chain)))
    metadata.append(("x-forwarded-proto", "https" if head.secure else "http"))
    if head.authority:
        metadata.append(("x-forwarded-host", _ascii(head.authority)))
    metadata.append(("x-request-id", head.request_id))
    return metadata


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
    return "".join(c if " " <= c <= "~" else "?" for c in text)
