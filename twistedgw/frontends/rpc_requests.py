"""The messages of a request that come in envelopes: unpacked, read, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.envelope import EnvelopeReader, message_too_large
from twistedgw.frontends.rpc_compression import unpack
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from twistedgw.frontends.rpc_compression import Compression
    from twistedgw.registry.route import GrpcRoute

__all__ = ["RequestReader"]


class RequestReader:
    """Takes the messages of a request out of its body as it arrives.

    The one message of an RPC that takes no stream is given at the end of the body, since a second one is an error.
    """

    __slots__ = ("_compression", "_envelopes", "_form", "_limit", "_one", "_read", "_single")

    def __init__(self, route: GrpcRoute, form: str, compression: Compression, limit: int) -> None:
        """Make one.

        Args:
            route: to the RPC.
            form: ``proto`` or ``json``.
            compression: of the request.
            limit: bytes that a message may have, decoded.
        """
        self._envelopes = EnvelopeReader(limit)
        self._read = route.messages.read[form]
        self._compression = compression
        self._limit = limit
        self._single = not route.method.client_streaming
        self._one: Message | None = None

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take a part of the body; give the messages that it completes.

        Raises:
            GatewayError: from here or from the iterator: it is malformed, or too large; the error names the message's
                index.
        """
        first = self._envelopes.index
        found = self._envelopes.feed(data)
        return self._messages(first, found)

    def _messages(self, first: int, found: list[tuple[int, bytes]]) -> Iterator[Message]:
        for index, (flags, payload) in enumerate(found, first):
            message = self._message(index, flags, payload)
            if not self._single:
                yield message
            elif self._one is None:
                self._one = message
            else:
                raise _count("more than one message")

    def finish(self) -> Iterator[Message]:
        """Learn that the body is complete; give the message that is left.

        Raises:
            GatewayError: the body ends within a message, or the RPC's one request is missing.
        """
        self._envelopes.finish()
        if not self._single:
            return iter(())
        if self._one is None:
            raise _count("no message")
        return iter((self._one,))

    def _message(self, index: int, flags: int, payload: bytes) -> Message:
        try:
            return self._read(unpack(flags, payload, self._compression, self._limit))
        except InvalidArgument as error:
            if self._single:
                raise
            raise error.within(f"[{index}]") from None
        except GatewayError as error:
            if error.code is Code.RESOURCE_EXHAUSTED:
                raise message_too_large(index, self._limit) from None
            raise


def _count(found: str) -> GatewayError:
    """Give the error that gRPC has for a request with too few or too many messages."""
    return GatewayError(
        Code.UNIMPLEMENTED, f"this RPC takes one message, and the request has {found}", reason="INVALID_MESSAGE_COUNT"
    )
