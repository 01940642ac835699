"""Twisted's HTTP/2 connection, with the gateway's limits, timeouts and draining. Needs the ``h2`` package."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._http2 import H2Connection

from twistedgw.errors import GatewayError
from twistedgw.web import refusals
from twistedgw.web.foreign import ForeignRequest
from twistedgw.web.head import locate
from twistedgw.web.limits import LINGER_SECONDS
from twistedgw.web.outgoing import hasten
from twistedgw.web.peer import has_left

if TYPE_CHECKING:
    from twistedgw.web.limits import Limits
    from twistedgw.web.site import GatewaySite
    from twistedgw.web.wire import Fields

__all__ = ["H2Channel"]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_TARGET = re.compile(rb"[!-\"$-~]+")
_LENGTH_DIGITS = 18
QUEUED = 64 * 1024
"""Bytes of one answer that may wait for their turn; whoever makes more is paused."""
_OF_A_CONNECTION = frozenset((b"keep-alive", b"proxy-connection", b"upgrade"))


class _Head(NamedTuple):
    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    authority: bytes | None
    fields: list[tuple[bytes, bytes]]
    length: int | None
    expects: bool


def _read_head(headers: list[tuple[bytes, bytes]], limits: Limits) -> _Head:
    """Read what h2 has taken from the wire.

    Raises:
        GatewayError: it is malformed (400), too long (414), too large or too much (431), or expects something (417).
    """
    pseudo, fields = _read_fields(headers)
    target = pseudo.get(b":path", b"")
    if len(target) > limits.max_header_size:
        raise refusals.too_long_target(limits.max_header_size)
    if sum(len(name) + len(value) + 4 for name, value in headers) > limits.max_header_size:
        raise refusals.too_large_head(limits.max_header_size)
    if len(fields) > limits.max_headers:
        raise refusals.too_many_fields(limits.max_headers)
    method = pseudo.get(b":method", b"")
    if _TARGET.fullmatch(target) is None or method == b"CONNECT":
        raise refusals.malformed("the request target is malformed")
    path, query, _ = locate(method, target)
    named = dict(fields)
    authority = pseudo.get(b":authority", named.get(b"host"))
    if authority is not None and b"host" not in named:
        fields.insert(0, (b"host", authority))
    length, expects = _read_framing(named)
    return _Head(method, target, path, query, authority, fields, length, expects)


def _read_fields(headers: list[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Part the pseudo-header fields from the others; put cookies together (RFC 9113 section 8.2.3)."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    cookies: list[bytes] = []
    for name, value in headers:
        if name.startswith(b":"):
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise refusals.malformed("a header field is malformed")
        elif name == b"cookie":
            cookies.append(value)
        else:
            fields.append((name, value))
    if cookies:
        fields.append((b"cookie", b"; ".join(cookies)))
    return pseudo, fields


def _read_framing(named: dict[bytes, bytes]) -> tuple[int | None, bool]:
    """Give the body's length, where it is told, and whether 100 is expected."""
    length = named.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > _LENGTH_DIGITS):
        raise refusals.malformed("Content-Length is not a number of bytes")
    expects = named.get(b"expect")
    if expects is not None and expects.lower() != b"100-continue":
        raise refusals.expectation_failed()
    return None if length is None else int(length), expects is not None


class _H2Request(ForeignRequest):
    """A request on a stream of an HTTP/2 connection; its channel is the stream."""

    deadline = inf
    _continue_due = False
    _paused = False
    _sent = -1
    _sent_since = 0.0

    def head_came(self, head: _Head, *, complete: bool) -> None:
        """Begin; the stream is ready to be written to.

        Args:
            head: what is known of the request.
            complete: there is no body.
        """
        self.fields = head.fields
        del self.requestHeaders  # made from the fields when somebody asks
        self.path = head.path
        self.query = head.query or b""
        self.has_query = head.query is not None
        self.host_header = head.authority
        self._continue_due = head.expects and not complete
        self.begin(head.length)
        if not self._is_over() and not complete and not self._paused:
            self._want_body()

    def _want_body(self) -> None:
        self.deadline = self.site.seconds() + self.limits.body_timeout
        due, self._continue_due = self._continue_due, False
        if due and not self.startedWriting:
            self.channel._send100Continue()  # noqa: SLF001

    def too_large(self, length: int | None) -> None:  # noqa: ARG002
        """Tell of a body over the limit at once."""
        self.fail(refusals.body_too_large(self.limits.max_request_body))

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body."""
        self.deadline = inf if self._paused else self.site.seconds() + self.limits.body_timeout
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Learn that the body is complete."""
        self.deadline = inf
        super().requestReceived(command, path, version)

    def _set_head(self, status: int, fields: Fields) -> bytes | None:
        return super()._set_head(status, [field for field in fields if field[0].lower() not in _OF_A_CONNECTION])

    def abort(self) -> None:
        """Reset the stream."""
        if not self._is_over():
            stream = self.channel
            self.connectionLost(Failure(ConnectionAborted()))
            stream.abortConnection()

    def _close_afterwards(self) -> None:
        """Do nothing: one stream does not close the connection of the others."""

    def pause_body(self) -> None:
        """Let the window of the stream fill up."""
        if not self._is_over() and not self.body_complete and not self._paused:
            self._paused = True
            self.deadline = inf
            self.channel.pauseProducing()

    def resume_body(self) -> None:
        """Open the window again."""
        if not self._is_over() and not self.body_complete and self._paused:
            self._paused = False
            self._want_body()
            self.channel.resumeProducing()

    def expire(self, now: float, queued: int) -> None:
        """Lose patience with a client that sends nothing, or does not read.

        Args:
            now: the reactor's time.
            queued: bytes of the answer that wait for the client.
        """
        if self._is_over() and not queued:
            return
        sent = self.sentLength - queued
        if sent != self._sent or not queued:
            self._sent, self._sent_since = sent, now
        elif now - self._sent_since >= self.limits.body_timeout:
            raise TimeoutError
        if self.deadline <= now and not self.patient:
            self.deadline = inf
            self.give_up_body(refusals.body_timeout())


class H2Channel(H2Connection):
    """One HTTP/2 connection.

    Attributes:
        deadline: always in the past, so that the site asks each time: every stream has deadlines of its own.
    """

    requestFactory = _H2Request
    factory = None
    timeOut = None
    transport: Any
    site: Any
    deadline = stalled = -inf
    draining = False
    _gone = False
    _ending_at = inf

    def __init__(self, site: GatewaySite) -> None:
        super().__init__(reactor=site.reactor)
        self.site = site
        self._quiet_since = site.seconds()
        self._crowded: set[int] = set()

    def makeConnection(self, transport: Any) -> None:
        """Begin with a connection on which HTTP/2 was negotiated."""
        hasten(transport)
        super().makeConnection(transport)
        transport.registerProducer(self, True)
        self.site.opened(self)

    def connectionLost(self, reason: Failure = connectionDone, _cancelTimeouts: bool = True) -> None:
        """Learn that the connection is gone, or about to go."""
        super().connectionLost(reason, _cancelTimeouts)
        self._gone = True
        if _cancelTimeouts:
            self.site.closed(self)
        else:
            self._hang_up()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client."""
        super().dataReceived(data)
        if not self._gone:
            self._go_on()

    # -- windows: Twisted's loop would spin on one that is shut, and fail on one that SETTINGS made negative

    def _sendPrioritisedData(self, *_: object) -> None:
        for stream_id, queue in self._outboundStreamQueues.items():
            if queue and isinstance(queue[0], bytes) and self.conn.local_flow_control_window(stream_id) <= 0:
                self.priority.block(stream_id)
        super()._sendPrioritisedData()
        for stream_id in tuple(self._crowded):
            if self.remainingOutboundWindow(stream_id) > QUEUED // 2:
                self._crowded.discard(stream_id)
                self.streams[stream_id].windowUpdated()

    def remainingOutboundWindow(self, streamID: int) -> int:
        """Tell how much more a stream may be given to write; however wide its window, no more than `QUEUED` waits here.

        Twisted knows of the window only: one who grants a wide one, and does not read, would have all of it kept here.
        """
        if streamID not in self.streams:
            self._crowded.discard(streamID)
            return 0
        queued = sum(len(data) for data in self._outboundStreamQueues[streamID] if isinstance(data, bytes))
        if queued >= QUEUED:
            self._crowded.add(streamID)
        window: int = self.conn.local_flow_control_window(streamID)
        return min(window, QUEUED) - queued

    def _go_on(self) -> None:
        """Wake the loop where a window is open again."""
        ready = False
        for stream_id, queue in list(self._outboundStreamQueues.items()):
            if queue and (not isinstance(queue[0], bytes) or self.conn.local_flow_control_window(stream_id) > 0):
                self.priority.unblock(stream_id)
                ready = True
            if stream_id in self.streams:
                self.streams[stream_id].windowUpdated()
        waiting = self._sendingDeferred
        if ready and waiting is not None:
            self._sendingDeferred = None
            waiting.callback(None)

    # -- streams

    def _requestReceived(self, event: Any) -> None:
        if self.draining or self._gone:
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
            return
        problem = None
        head = None
        limits = self.site.limits()
        try:
            head = _read_head(event.headers, limits)
        except GatewayError as error:
            problem = error
        method = next((value for name, value in event.headers if name == b":method"), b"")
        event.headers = [(b":method", method), (b":path", b"/" if head is None else head.target)]
        super()._requestReceived(event)
        request = self.streams[event.stream_id]._request  # noqa: SLF001
        request.method = method
        request.uri = b"/" if head is None else head.target
        request.clientproto = b"HTTP/2"
        if head is None:
            assert problem is not None
            request.fields = []
            request.fail(problem)
        else:
            request.head_came(head, complete=event.stream_ended is not None)

    def _requestDataReceived(self, event: Any) -> None:
        if event.stream_id in self.streams:
            super()._requestDataReceived(event)
        else:  # answered already
            self.openStreamWindow(event.stream_id, event.flow_controlled_length)

    def _requestEnded(self, event: Any) -> None:
        if event.stream_id in self.streams:
            super()._requestEnded(event)

    def _requestAborted(self, event: Any) -> None:
        if event.stream_id in self.streams:
            super()._requestAborted(event)

    def _requestDone(self, streamID: int) -> None:
        complete = self.streams[streamID]._request.body_complete  # noqa: SLF001
        super()._requestDone(streamID)
        self._quiet_since = self.site.seconds()
        if self._gone:
            return
        if not complete:  # nobody wants the rest (RFC 9113 section 8.1)
            self._reset(streamID, ErrorCodes.NO_ERROR)
        if self.draining and not self.streams:
            self._hang_up()

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        try:
            self.conn.reset_stream(stream_id, code)
        except ProtocolError:
            return  # it is closed already
        self._tryToWriteControlData()

    # -- what the site asks

    def drain(self) -> None:
        """Take no new streams, and close when those that are open are done.

        The frame is written by hand: h2 would take the whole connection for closed.
        """
        if self.draining or self._gone:
            return
        self.draining = True
        frame = GoAwayFrame(0, last_stream_id=self.conn.highest_inbound_stream_id, error_code=ErrorCodes.NO_ERROR)
        self._tryToWriteControlData()
        self.transport.write(frame.serialize())
        if not self.streams:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._ending_at < inf or self.transport is None:
            return
        self._ending_at = self.site.seconds() + LINGER_SECONDS
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()

    def expire(self, now: float) -> None:
        """Look at the deadlines of all streams."""
        if self._ending_at <= now or has_left(self.transport):
            self.abort()
            return
        try:
            for stream_id, stream in list(self.streams.items()):
                queue = self._outboundStreamQueues.get(stream_id, ())
                stream._request.expire(now, sum(len(data) for data in queue if isinstance(data, bytes)))  # noqa: SLF001
        except TimeoutError:
            self.abort()
        if not self.streams and now - self._quiet_since >= self.site.limits().idle_timeout:
            self.drain()
