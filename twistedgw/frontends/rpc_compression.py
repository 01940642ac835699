"""Compression of the messages of RPC protocols: gzip, one message at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.envelope import COMPRESSED, envelope
from twistedgw.frontends.negotiation import accepts_gzip, decode_body, gzip
from twistedgw.frontends.rpc_error import unsupported_encoding
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.frontends.exchange import Head

__all__ = ["Compression", "packed_envelope", "unpack"]


class Compression:
    """What a request says of compression, and how it is answered.

    Attributes:
        packed: whether the client's messages may be gzip.
        wanted: whether the client takes gzip.
    """

    __slots__ = ("packed", "wanted")

    def __init__(self, encoding: str | None, accepted: str | None, accept_field: str) -> None:
        """Read the two header fields.

        Args:
            encoding: of the client's messages; None where it names none.
            accepted: what the client takes; None for the same as it sends.
            accept_field: the field in which the answer lists what is supported.

        Raises:
            GatewayError: UNIMPLEMENTED for an encoding that is not known.
        """
        name = (encoding or "identity").strip().lower()
        if name not in ("identity", "gzip"):
            raise unsupported_encoding(name, accept_field)
        self.packed = name == "gzip"
        self.wanted = self.packed if accepted is None else accepts_gzip(accepted)

    @classmethod
    def of(cls, head: Head, encoding: bytes, accepted: bytes) -> Compression:
        """Read the fields of a head by their names."""
        return cls(head.text(encoding), head.text(accepted), accepted.decode("ascii"))


def unpack(flags: int, payload: bytes, compression: Compression, limit: int) -> bytes:
    """Give the message of an envelope.

    Raises:
        GatewayError: INTERNAL where it is flagged though no compression was named, RESOURCE_EXHAUSTED where it is over
            the limit, INVALID_ARGUMENT where it is no gzip data, or has flags that are not known.
    """
    if not flags:
        return payload
    if flags != COMPRESSED:
        raise InvalidArgument("", f"unknown flags {flags:#04x}", reason="INVALID_ENVELOPE")
    if not compression.packed:
        raise GatewayError(
            Code.INTERNAL,
            "a message is flagged as compressed, but the request names no compression",
            reason="INVALID_ENVELOPE",
        )
    return decode_body(payload, "gzip", limit) if payload else payload


def packed_envelope(message: bytes, compression: Compression) -> bytes:
    """Put a message of an answer into its envelope, compressed where that is wanted and worth it."""
    packed = gzip(message) if compression.wanted else None
    return envelope(0, message) if packed is None else envelope(COMPRESSED, packed)
