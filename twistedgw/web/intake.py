"""The body of one request on its way in. No I/O here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.web import refusals
from twistedgw.web.chunked import ChunkedBody
from twistedgw.web.head import CHUNKED
from twistedgw.web.limits import DISCARDED

if TYPE_CHECKING:
    from twistedgw.web.limits import Limits
    from twistedgw.web.request import BodySink

__all__ = ["Intake"]


class Intake:
    """Frames a body, and keeps it within the limit where it is collected.

    Attributes:
        sink: takes the body as it arrives; it is collected where this is None.
        paused: nothing more is wanted now.
        continue_due: the client waits for 100 before it sends the body.
        complete: all of it has been read.
    """

    __slots__ = ("_chunked", "_limit", "_pieces", "_remaining", "_size", "complete", "continue_due", "paused", "sink")

    def __init__(self, length: int, limits: Limits, *, expects: bool) -> None:
        self.sink: BodySink | None = None
        self.paused = False
        self.continue_due = expects
        self.complete = False
        self._limit = limits.max_request_body
        self._chunked = ChunkedBody(limits.max_header_size, limits.max_headers) if length == CHUNKED else None
        self._remaining = length
        self._size = 0
        self._pieces: list[bytes] = []

    def is_too_large(self) -> bool:
        """Tell whether its length alone is over the limit."""
        return self._remaining > self._limit

    def whole(self, buffer: bytes) -> int:
        """Give the length where all of the body is in a buffer; 0 where it is not, or not known yet."""
        return self._remaining if 0 < self._remaining <= len(buffer) else 0

    def read(self, buffer: bytes) -> tuple[bytes, int]:
        """Read what can be read.

        Returns:
            a part of the body, and how many bytes of the buffer were used.

        Raises:
            GatewayError: it is malformed.
        """
        self.continue_due = False
        if self._chunked is not None:
            piece, used = self._chunked.feed(buffer)
            self.complete = self._chunked.complete
            return piece, used
        piece = buffer[: self._remaining]
        self._remaining -= len(piece)
        self.complete = not self._remaining
        return piece, len(piece)

    def keep(self, piece: bytes) -> None:
        """Collect a part.

        Raises:
            GatewayError: there is more than the limit.
        """
        self._size += len(piece)
        if self._size > self._limit:
            raise refusals.body_too_large(self._limit)
        self._pieces.append(piece)

    def collected(self) -> bytes:
        """Give the whole body."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    @property
    def patient(self) -> bool:
        """Whether nobody minds that nothing comes."""
        return self.paused or (self.sink is not None and self.sink.patient)

    def is_discardable(self) -> bool:
        """Tell whether the rest is so little, and so certain to come, that it can be read and dropped."""
        return self._chunked is None and not self.continue_due and self._remaining <= DISCARDED
