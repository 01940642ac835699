"""The envelopes of Connect streams, gRPC-Web and gRPC: a byte of flags, four of length (big-endian), the payload."""

from __future__ import annotations

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.status import Code

__all__ = ["COMPRESSED", "EnvelopeReader", "envelope", "message_too_large"]

COMPRESSED = 1
"""The flag of a payload that is compressed, in all three protocols."""

_PREFIX = 5


def envelope(flags: int, payload: bytes) -> bytes:
    """Put a payload into its envelope."""
    return b"%c%b%b" % (flags, len(payload).to_bytes(4, "big"), payload)


class EnvelopeReader:
    """Takes envelopes out of a body as it arrives. No more than one payload is held.

    Attributes:
        index: of the envelope that comes next, from 0.
    """

    __slots__ = ("_buffer", "_limit", "index")

    def __init__(self, limit: int) -> None:
        """Make one for payloads of at most `limit` bytes, as they are on the wire."""
        self._buffer = bytearray()
        self._limit = limit
        self.index = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take a part of the body; give flags and payload of each envelope that it completes.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED where an envelope announces more than the limit.
        """
        buffer = self._buffer
        buffer += data
        found: list[tuple[int, bytes]] = []
        start = 0
        while len(buffer) - start >= _PREFIX:
            payload = start + _PREFIX
            end = payload + int.from_bytes(buffer[start + 1 : payload], "big")
            if end - payload > self._limit:
                raise message_too_large(self.index, self._limit)
            if len(buffer) < end:
                break
            found.append((buffer[start], bytes(buffer[payload:end])))
            self.index += 1
            start = end
        del buffer[:start]
        return found

    def finish(self) -> None:
        """Learn that the body is complete.

        Raises:
            InvalidArgument: it ended within an envelope.
        """
        if self._buffer:
            raise InvalidArgument(f"[{self.index}]", "the body ends within this message", reason="INVALID_ENVELOPE")


def message_too_large(index: int, limit: int) -> GatewayError:
    """Give the error of one message of a stream over the limit.

    Args:
        index: which of the request's messages, from 0.
        limit: in bytes.
    """
    return GatewayError(
        Code.RESOURCE_EXHAUSTED,
        f"message [{index}] of the request has more than {limit} bytes",
        reason="REQUEST_TOO_LARGE",
        http_status_=413,
    )
