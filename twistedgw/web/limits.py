"""How much and how long: what a client may take of the gateway before its request has been understood."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CHECK_SECONDS",
    "DISCARDED",
    "FRESH_SECONDS",
    "LINGER_BYTES",
    "LINGER_SECONDS",
    "READ_AHEAD",
    "SLICE",
    "Limits",
]

READ_AHEAD = 16 * 1024
"""Bytes of later requests that are read while one is being answered; then the client has to wait."""

SLICE = 64 * 1024
"""Bytes of an answer that are given to the transport at a time, so that progress of a slow reader is seen."""

DISCARDED = 64 * 1024
"""Bytes of an unwanted request body that are read and dropped to keep the connection; it is closed for more."""

LINGER_BYTES = 4 * 1024 * 1024
"""Bytes that are read and dropped after an answer that closes, so that a reset does not overtake the answer."""

LINGER_SECONDS = 5.0
"""How long such a connection is kept at the most."""

CHECK_SECONDS = 1.0
"""How often the kernel is asked whether a client is still there, while nothing is expected of it."""

FRESH_SECONDS = 1.0
"""How long a connection without any request yet is kept while the site drains: its request may be on the way."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed to one client; sizes are bytes, times are seconds.

    Attributes:
        max_request_body: of a body that is collected before its request is rendered.
        max_header_size: of the request line and the fields together, their line ends and the empty line included.
        max_headers: how many fields.
        header_timeout: for a whole head, from its first byte, or from connecting for the first; and for a handshake.
        body_timeout: of silence while a body comes, or while a client does not read its answer.
        idle_timeout: between an answer and the first byte of the next request.
    """

    max_request_body: int
    max_header_size: int
    max_headers: int
    header_timeout: float
    body_timeout: float
    idle_timeout: float
