"""What a frontend reads and what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Fields", "Head", "Reply"]

Fields = Sequence[tuple[bytes, bytes]]
"""HTTP header fields in order, names in lower case."""


@dataclass(slots=True)
class Head:
    """A request's head, after trusted proxies have had their say.

    Attributes:
        method: as sent.
        path: raw, percent-encoded, without the query.
        query: raw, without the question mark.
        fields: all header fields.
        client: the client's address, as text.
        chain: the value of ``x-forwarded-for`` for the backend.
        host: lower case, without a port; empty where none was sent.
        authority: the host as the client wrote it, with its port.
        secure: whether the client speaks HTTPS.
        request_id: the client's own where it is well-formed, otherwise a new one.
    """

    method: str
    path: bytes
    query: bytes
    fields: Fields
    client: str
    chain: str
    host: str
    authority: str
    secure: bool
    request_id: str

    def field(self, name: bytes) -> bytes | None:
        """Give the first field of that (lower-case) name."""
        for key, value in self.fields:
            if key == name:
                return value
        return None

    def text(self, name: bytes) -> str | None:
        """Give a field as text (ISO-8859-1, RFC 9110 section 5.5), its values joined by commas."""
        values = [value for key, value in self.fields if key == name]
        return b", ".join(values).decode("latin-1") if values else None


@dataclass(slots=True)
class Reply:
    """A whole answer."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes
    trailers: Sequence[tuple[bytes, bytes]] = ()
