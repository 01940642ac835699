"""A request on one of Twisted's own channels, which collect bodies by calling their request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

from twistedgw.web import refusals, wire
from twistedgw.web.request import Request, join

if TYPE_CHECKING:
    from twistedgw.errors import GatewayError
    from twistedgw.web.limits import Limits
    from twistedgw.web.request import BodySink

__all__ = ["ForeignRequest"]


class ForeignRequest(Request):
    """Calls `begin` when its channel says that the head is complete, and keeps the body within the limit.

    Attributes:
        body_complete: nothing of the body is missing.
        body_size: bytes that have come.
    """

    body_complete = False
    body_size = 0

    def __init__(self, channel: Any, queued: object = None) -> None:  # noqa: ARG002
        super().__init__(channel, parsePOSTFormSubmission=False)
        del self.received_cookies  # made from the fields when somebody asks
        self.site = channel.site
        self.limits: Limits = channel.site.limits()
        self.defaultContentType = None
        self._secure = bool(channel.isSecure())
        self._sink: BodySink | None = None
        self._pieces: list[bytes] = []

    def isSecure(self) -> bool:
        """Whether the connection has TLS."""
        return self._secure

    # -- what the channel calls

    def gotLength(self, length: int | None) -> None:
        """Do nothing: no file is made for the body."""

    def begin(self, length: int | None) -> None:
        """Hand the request over; its head is complete.

        Args:
            length: of the body; None where it is not known.
        """
        self.responseHeaders.setRawHeaders(b"date", [wire.date_now()])
        try:
            sink = None if self.site.begin is None else self.site.begin(self)
        except Exception:  # noqa: BLE001 - a bug in a resource is not the client's
            self._log.failure("bug in a resource")
            self.fail(refusals.internal())
            return
        if self._is_over():
            return
        self._sink = sink
        if sink is None and length is not None and length > self.limits.max_request_body:
            self.too_large(length)

    @property
    def patient(self) -> bool:
        """Whether nobody minds that nothing of the body comes."""
        return self._sink is not None and self._sink.patient

    def too_large(self, length: int | None) -> None:
        """Learn that the body is over the limit.

        Args:
            length: None where that turned out only now.
        """
        raise NotImplementedError

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body."""
        self.body_size += len(data)
        if self._is_over():
            return
        if self._sink is not None:
            self._tell(self._sink.dataReceived, data)
        elif self.body_size > self.limits.max_request_body:
            self._pieces = []
            self.too_large(None)
        else:
            self._pieces.append(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: ARG002
        """Learn that the body is complete."""
        self.body_complete = True
        sink, self._sink = self._sink, None
        if self._is_over():
            return
        if sink is not None:
            self._tell(sink.finished)
            return
        if self._pieces:
            self.body = join(self._pieces)
            self._pieces = []
        self.serve()

    def write(self, data: bytes) -> None:
        """Write a part of the body, and before the first the head, in which Twisted would leave NUL."""
        if not self.startedWriting:
            for name, values in list(self.responseHeaders.getAllRawHeaders()):
                if any(b"\0" in value for value in values):
                    self.responseHeaders.setRawHeaders(name, [value.replace(b"\0", b" ") for value in values])
        super().write(data)

    def connectionLost(self, reason: Failure) -> None:
        """Learn that the client has left."""
        sink, self._sink = self._sink, None
        super().connectionLost(reason)
        if sink is not None and not self.finished:
            self._tell(sink.aborted, reason)

    def give_up_body(self, error: GatewayError) -> None:
        """Answer to a body that is no good."""
        sink, self._sink = self._sink, None
        if sink is not None:
            self._tell(sink.aborted, Failure(error))
        self.fail(error)

    def _tell(self, method: Any, *arguments: Any) -> None:
        """Call a sink, whose bugs are its own."""
        try:
            method(*arguments)
        except Exception:  # noqa: BLE001 - a bug in a resource is not the client's
            self._log.failure("bug in a resource")
            self._sink = None
            self.fail(refusals.internal())
