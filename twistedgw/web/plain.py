"""Twisted's own HTTP/1 channel, for the day when llhttp is not wanted.

It promises what it can: bodies within the limit, sinks, JSON for bad requests, timeouts and draining. What it cannot do
is end an answer before the request is complete; such an answer is written, and ends when the body has come.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel

from twistedgw.errors import GatewayError
from twistedgw.web import refusals, wire
from twistedgw.web.foreign import ForeignRequest
from twistedgw.web.head import CHUNKED, locate, read_framing
from twistedgw.web.limits import CHECK_SECONDS, FRESH_SECONDS, LINGER_BYTES
from twistedgw.web.peer import has_left

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twistedgw.web.limits import Limits
    from twistedgw.web.request import Request
    from twistedgw.web.site import GatewaySite
    from twistedgw.web.wire import Fields

__all__ = ["PlainChannel"]


class _PlainRequest(ForeignRequest):
    """A request on Twisted's HTTP/1 channel."""

    _continue_due = False
    _held = False
    _problem: GatewayError | None = None

    def head_came(self, method: bytes, target: bytes, version: bytes) -> None:
        """Begin; the channel has read the head."""
        self.method, self.uri, self.clientproto = method, target, version
        host, length, _, expects = read_framing(self.fields, int(version == b"HTTP/1.1"))
        path, query, authority = locate(method, target)
        self.path = path
        self.host_header = host if authority is None else authority
        self.has_query = query is not None
        self.query = query or b""
        self._continue_due = expects and bool(length)
        self.begin(None if length == CHUNKED else length)
        if not self._is_over() and self._problem is None:
            self._want_body()

    def _want_body(self) -> None:
        due, self._continue_due = self._continue_due, False
        if due and not self.startedWriting:
            self.channel.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def too_large(self, length: int | None) -> None:
        """Tell of a body over the limit: when it has come, or at once where it is too long to wait for."""
        error = self._problem = refusals.body_too_large(self.limits.max_request_body)
        if self._continue_due or (length or self.body_size) > self.limits.max_request_body + LINGER_BYTES:
            self.channel.refuse(error)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Learn that the body is complete."""
        if self._problem is not None:
            self.body_complete = True
            self.fail(self._problem)
        elif self._held:
            self.body_complete = True
            self._held = False
            super().finish()
        else:
            super().requestReceived(command, path, version)

    def _is_over(self) -> bool:
        return self._held or super()._is_over()

    def _set_head(self, status: int, fields: Fields) -> bytes | None:
        length = super()._set_head(status, fields)
        if not self.channel.persistent:
            self.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return length

    def finish(self) -> None:
        """End the answer; where the body is still coming, as soon as it has come."""
        if self._is_over():
            return
        if self.body_complete:
            super().finish()
            return
        if not self.startedWriting:
            self.write(b"")
        if self._continue_due:  # whether the body comes at all is not known
            self.channel.persistent = False
            super().finish()
        else:
            self._held = True
            self._sink = None

    def abort(self) -> None:
        """Cut the connection."""
        if not super()._is_over():
            self._disconnected = True
            self.channel.abort()

    def _close_afterwards(self) -> None:
        self.channel.persistent = False

    def pause_body(self) -> None:
        """Stop reading from the connection; what has been read already may still come."""
        if not self._is_over() and not self.body_complete:
            self.channel.pause_body()

    def resume_body(self) -> None:
        """Read again."""
        if not self._is_over() and not self.body_complete:
            self.channel.resume_body()


class PlainChannel(HTTPChannel):
    """One HTTP/1 connection read by Twisted.

    Attributes:
        deadline: when to lose patience with the client; seconds of the reactor.
    """

    requestFactory: Any = _PlainRequest
    transport: Any
    factory = None
    timeOut = None
    deadline = inf
    stalled = inf
    draining = False
    _in_head = True
    _paused = False
    _refused = False
    _limits: Limits

    def __init__(self, site: GatewaySite) -> None:
        super().__init__()
        self.site = site

    def connectionMade(self) -> None:
        """Begin with a connection."""
        self._take_limits()
        super().connectionMade()
        self.deadline = self.site.seconds() + self._limits.header_timeout
        self.site.opened(self)

    def _take_limits(self) -> None:
        limits = self._limits = self.site.limits()
        self.maxHeaders = limits.max_headers
        self.MAX_LENGTH = self.totalHeadersSize = limits.max_header_size

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._refused:
            return
        if not self.requests and not self._in_head:
            self._in_head = True
            self.deadline = self.site.seconds() + self._limits.header_timeout
        elif not self._in_head and not self._handlingRequest and not self._paused:
            self.deadline = self.site.seconds() + self._limits.body_timeout
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head."""
        if not self.requests:
            self._take_limits()
        if not self._refused:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002
        """Refuse a line over the limit."""
        limit = self._limits.max_header_size
        self.refuse(refusals.too_large_head(limit) if self.requests else refusals.too_long_target(limit))

    def allHeadersReceived(self) -> None:
        """Begin a request."""
        super().allHeadersReceived()
        self._in_head = self._paused = False
        request = self._current()
        if self.draining:
            self.let_end()
        body = self.length != 0
        self.deadline = self.site.seconds() + self._limits.body_timeout if body else inf
        try:
            request.head_came(self._command, self._path, self._version)
        except GatewayError as error:
            self.refuse(error)

    def allContentReceived(self) -> None:
        """Go on with a request whose body has come."""
        self.deadline = self.site.now + CHECK_SECONDS
        if not self._refused:
            super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Go on to the next request."""
        self.deadline = self.site.seconds() + self._limits.idle_timeout
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Learn that the connection is gone."""
        self.deadline = inf
        super().connectionLost(reason)
        self.requests = []
        self.site.closed(self)

    def _current(self) -> Any:
        return self.requests[0] if self.requests else None

    def _send100Continue(self) -> None:
        """Do nothing: the request says when its body is wanted."""

    def _respondToBadRequestAndDisconnect(self) -> None:
        limits = self._limits
        if self._receivedHeaderSize > limits.max_header_size:
            self.lineLengthExceeded(b"")
        elif self._receivedHeaderCount > limits.max_headers:
            self.refuse(refusals.too_many_fields(limits.max_headers))
        else:
            self.refuse(refusals.malformed("the request is malformed"))

    def refuse(self, error: GatewayError) -> None:
        """Answer to what the client has sent wrongly, and close."""
        if self._refused:
            return
        self._refused = True
        request = self._current()
        if request is not None and request.startedWriting:
            self.abort()
            return
        status, fields, body = self.site.error(error)
        self.transport.write(
            wire.opening(status)
            + wire.field_lines(wire.split_framing(fields)[0])
            + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            + body
        )
        self.loseConnection()

    def abort(self) -> None:
        """Cut the connection."""
        self._refused = True
        self.transport.abortConnection()

    def pause_body(self) -> None:
        """Stop reading."""
        self._paused = True
        self.deadline = self.site.now + CHECK_SECONDS
        self._networkProducer.pauseProducing()

    def resume_body(self) -> None:
        """Read again."""
        self._paused = False
        self.deadline = self.site.seconds() + self._limits.body_timeout
        self._networkProducer.resumeProducing()

    # -- what the site asks

    def let_end(self) -> None:
        """Close after the current answer."""
        self.persistent = 0
        self._current().responseHeaders.setRawHeaders(b"connection", [b"close"])

    def drain(self) -> None:
        """Close as soon as nothing is lost by it."""
        self.draining = True
        if self._current() is not None:
            if not self._in_head:
                self.let_end()
        elif self._in_head:
            self.deadline = min(self.deadline, self.site.seconds() + FRESH_SECONDS)
        else:
            self.loseConnection()

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if self.deadline > now:
            return
        request = self._current()
        self.deadline = now + self._limits.body_timeout
        if self._refused or self.transport.disconnecting:
            self.abort()
        elif request is not None and (self._handlingRequest or self._paused or request.patient):
            self.deadline = now + CHECK_SECONDS
            if has_left(self.transport):
                self.abort()
        elif request is not None and not self._in_head:
            request.give_up_body(refusals.body_timeout())
            self._refused = True
            self.loseConnection()
        elif self._in_head and not self.draining:
            self.refuse(refusals.head_timeout())
        else:
            self._refused = True
            self.loseConnection()
