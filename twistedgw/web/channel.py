"""One HTTP/1.1 connection: heads by llhttp, bodies framed by ourselves, answers in order."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.interfaces import (
    IConsumer,
    IHandshakeListener,
    IProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedgw.errors import GatewayError
from twistedgw.web import refusals, wire
from twistedgw.web.chunked import ChunkedBody
from twistedgw.web.head import CHUNKED, check_beginning, read_head
from twistedgw.web.lean import LeanRequest, head_lines
from twistedgw.web.limits import (
    DISCARDED,
    FRESH_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    READ_AHEAD,
    SLICE,
)
from twistedgw.web.peer import bytes_taken, has_left
from twistedgw.web.request import join

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, ITransport
    from twisted.web.http_headers import Headers

    from twistedgw.web.head import Head
    from twistedgw.web.limits import Limits
    from twistedgw.web.request import BodySink
    from twistedgw.web.site import GatewaySite

__all__ = ["Channel"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


# What a connection is at. Plain numbers: members of an enum are slow to look up before Python 3.11.
_HEAD = 0
"""Waiting for a request, or reading its head."""
_BODY = 1
"""Reading a body, whether somebody wants it or not."""
_ANSWER = 2
"""The request is complete, its answer is not."""
_ENDING = 3
"""The last answer is on its way out; what comes in is dropped."""
_TAKEN = 4
"""The connection belongs to another protocol."""
_CLOSED = 5


@implementer(IProtocol, IPushProducer, IConsumer, IHandshakeListener)
class Channel:
    """Reads requests from a connection one after the other, and writes their answers in the same order.

    Reactor thread only. A request is handed over when its head is complete (`begin`) and again when its body is
    (`render`); the next one is not looked at before its answer is complete. All times are kept as two deadlines, which
    the site looks at from time to time: no timer belongs to a connection.

    Attributes:
        deadline: when to lose patience with what the client sends; seconds of the reactor.
        stalled: when to lose patience with a client that does not read.
        draining: no request will be taken after the current one.
    """

    __slots__ = (
        "_body",
        "_body_paused",
        "_buffer",
        "_busy",
        "_chunked",
        "_continue_due",
        "_early",
        "_handshaken",
        "_head_begun",
        "_keep",
        "_limits",
        "_linger",
        "_peer_host",
        "_producer",
        "_producer_pulls",
        "_queue",
        "_reading",
        "_remaining",
        "_request",
        "_scanned",
        "_secure",
        "_served",
        "_sink",
        "_size",
        "_socket",
        "_state",
        "_taken",
        "_taker",
        "_transport_full",
        "deadline",
        "draining",
        "site",
        "stalled",
        "transport",
    )
    _log = Logger(namespace="twistedgw.web")
    factory = None

    def __init__(self, site: GatewaySite) -> None:
        self.site = site
        self.transport: Any = None
        self.deadline = self.stalled = inf
        self.draining = False
        self._limits: Limits = site.limits()
        self._state = _HEAD
        self._buffer = b""
        self._scanned = 0
        self._early = True
        self._head_begun = True
        self._busy = False
        self._served = False
        self._reading = True
        self._request: LeanRequest | None = None
        self._keep = True
        self._sink: BodySink | None = None
        self._body: list[bytes] = []
        self._body_paused = False
        self._remaining = 0
        self._chunked: ChunkedBody | None = None
        self._continue_due = False
        self._queue: deque[memoryview] = deque()
        self._transport_full = False
        self._producer: Any = None
        self._producer_pulls = False
        self._linger = False
        self._size = 0
        self._taken: int | None = None
        self._taker: Any = None
        self._peer_host: str | None = None
        self._handshaken = True
        self._secure = False
        self._socket: Connection | None = None

    # -- IProtocol

    def makeConnection(self, transport: ITransport) -> None:
        """Begin with a connection (`IProtocol`)."""
        self.transport = transport
        self._secure = ISSLTransport.providedBy(transport)
        self._handshaken = not self._secure
        if isinstance(transport, Connection) and not transport.TLS:
            self._socket = transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self.deadline = self.site.seconds() + self._limits.header_timeout
        self.site.opened(self)

    def connectionMade(self) -> None:
        """Do nothing more (`IProtocol`)."""

    def handshakeCompleted(self) -> None:
        """Learn that TLS is established (`IHandshakeListener`)."""
        self._handshaken = True
        self.deadline = self.site.seconds() + self._limits.header_timeout

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client (`IProtocol`)."""
        if self._state >= _ENDING:
            self._receive_late(data)
            return
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._run()

    def connectionLost(self, reason: Failure) -> None:
        """Learn that the connection is gone (`IProtocol`)."""
        state, self._state = self._state, _CLOSED
        self.deadline = self.stalled = inf
        self._socket = None
        self._buffer = b""
        self._queue.clear()
        if state == _TAKEN:
            taker, self._taker = self._taker, None
            taker.connectionLost(reason)
        self._lose_request(reason)
        self.site.closed(self)

    def _lose_request(self, reason: Failure) -> None:
        request, self._request = self._request, None
        producer, self._producer = self._producer, None
        sink, self._sink = self._sink, None
        self._body = []
        if producer is not None:
            producer.stopProducing()
        if request is not None:
            request.connectionLost(reason)
        if sink is not None:
            self._tell(sink.aborted, reason)

    def _receive_late(self, data: bytes) -> None:
        if self._state == _TAKEN:
            self._taker.dataReceived(data)
        elif self._state == _ENDING:
            self._size += len(data)
            if self._linger and self._size > LINGER_BYTES:
                self._hang_up()

    # -- reading

    def _run(self) -> None:
        """Go on with what has been received, as far as it goes."""
        self._busy = True
        try:
            while self._buffer:
                if self._state == _HEAD:
                    if self._transport_full or not self._read_head():
                        break
                elif self._state == _BODY:
                    if self._body_paused or not self._read_body():
                        break
                else:
                    break
        except GatewayError as error:
            self._refuse(error)
        finally:
            self._busy = False
        self._regulate()

    def _read_head(self) -> bool:
        """Read a head and begin its request; give whether there may be more to do."""
        buffer = self._buffer
        if self._early and buffer[:1] in (b"\r", b"\n"):
            if buffer == b"\r":
                return False
            self._early = False
            if buffer.startswith(b"\r\n"):  # some clients end a body with one (RFC 9112 section 2.2)
                self._buffer = buffer[2:]
                return True
        self._limits = limits = self.site.limits()
        end = buffer.find(b"\r\n\r\n", self._scanned) + 4
        try:
            if end < 4:
                self._wait_for_head(limits)
                return False
            data = buffer if end == len(buffer) else buffer[:end]
            if end > limits.max_header_size:
                raise _too_large(data, limits)
            head = read_head(data, limits.max_headers)
        except GatewayError as error:
            self._answer_without_request(error)
            return False
        self._buffer = buffer[end:]
        self._scanned = 0
        self._begin(head, limits)
        return True

    def _wait_for_head(self, limits: Limits) -> None:
        buffer = self._buffer
        if len(buffer) > limits.max_header_size:
            raise _too_large(buffer, limits)
        check_beginning(buffer)
        self._scanned = max(0, len(buffer) - 3)
        if not self._head_begun:
            self._head_begun = True
            self.deadline = self.site.seconds() + limits.header_timeout

    def _begin(self, head: Head, limits: Limits) -> None:
        """Hand a request over whose head is complete."""
        request = self._request = LeanRequest(self, head)
        self._served = True
        self.deadline = inf
        self._keep = head.keep_alive and not self.draining
        length = head.length
        if length:
            self._state = _BODY
            self._continue_due = head.expects
            if length == CHUNKED:
                self._chunked = ChunkedBody(limits.max_header_size, limits.max_headers)
            else:
                self._remaining = length
        else:
            self._state = _ANSWER
        begin = self.site.begin
        sink = None
        if begin is not None:
            try:
                sink = begin(request)
            except Exception:  # noqa: BLE001 - a bug in a resource is not the client's
                self._log.failure("bug in a resource")
                request.fail(refusals.internal())
        if self._request is not request or request.disconnected:
            return  # answered, or gone
        self._sink = sink
        if not length:
            self._complete(request)
        elif sink is None and length > limits.max_request_body:
            request.fail(refusals.body_too_large(limits.max_request_body))
        elif sink is None and 0 < length <= len(self._buffer):  # as for most requests
            request.body = self._buffer[:length]
            self._buffer = self._buffer[length:]
            self._remaining = 0
            self._continue_due = False
            self._state = _ANSWER
            request.serve()
        elif not self._body_paused:
            self._want_body()

    def _want_body(self) -> None:
        self.deadline = self.site.seconds() + self._limits.body_timeout
        if self._continue_due and not self._buffer and self._request is not None:
            self._continue_due = False
            if not self._request.startedWriting:
                self.send(_CONTINUE)

    def _read_body(self) -> bool:
        """Read a part of a body; give whether there may be more to do."""
        buffer = self._buffer
        chunked = self._chunked
        if chunked is None:
            piece = buffer[: self._remaining]
            self._buffer = buffer[len(piece) :]
            self._remaining -= len(piece)
            complete = not self._remaining
        else:
            piece, used = chunked.feed(buffer)
            self._buffer = buffer[used:]
            complete = chunked.complete
        self.deadline = self.site.seconds() + self._limits.body_timeout
        self._continue_due = False
        if piece:
            self._deliver(piece)
        if complete and self._state == _BODY:
            self._body_came()
            return True
        return chunked is None or used > 0

    def _deliver(self, piece: bytes) -> None:
        sink = self._sink
        if sink is not None:
            self._tell(sink.dataReceived, piece)
        elif self._request is not None:
            self._body.append(piece)
            self._remember(len(piece))

    def _remember(self, size: int) -> None:
        if self._chunked is None:
            return  # the length was looked at before
        self._size += size
        if self._size > self._limits.max_request_body:
            raise refusals.body_too_large(self._limits.max_request_body)

    def _body_came(self) -> None:
        self._chunked = None
        self._size = 0
        self.deadline = inf
        self._body_paused = False
        request = self._request
        if request is None:  # it was answered before, and nobody wanted its body
            self._next()
            return
        self._state = _ANSWER
        body, self._body = self._body, []
        if self._sink is None:
            request.body = join(body)
        self._complete(request)

    def _complete(self, request: LeanRequest) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            request.serve()
        else:
            self._tell(sink.finished)

    def _tell(self, method: Any, *arguments: Any) -> None:
        """Call a sink, whose bugs are its own."""
        try:
            method(*arguments)
        except Exception:  # noqa: BLE001 - a bug in a resource is not the client's
            self._log.failure("bug in a resource")
            if self._request is not None:
                self._sink = None
                self._keep = False
                self._request.fail(refusals.internal())

    def _next(self) -> None:
        """Wait for the next request."""
        self._state = _HEAD
        self._early = True
        self._head_begun = False
        self._body_paused = False
        if self.draining:
            self._end(linger=False)
        else:
            self.deadline = self.site.seconds() + self._limits.idle_timeout

    def pause_body(self) -> None:
        """Neither read nor hand over more of the current body."""
        if self._state == _BODY:
            self._body_paused = True
            self.deadline = inf
            if not self._busy:
                self._regulate()

    def resume_body(self) -> None:
        """Go on with the current body."""
        if self._state == _BODY and self._body_paused:
            self._body_paused = False
            self._want_body()
            if not self._busy:
                self._run()

    def _regulate(self) -> None:
        """Let the client wait where too much has been read that cannot be used yet."""
        if self._state == _BODY:
            reading = not self._body_paused
        elif self._state == _ANSWER or (self._state == _HEAD and self._transport_full):
            reading = len(self._buffer) < READ_AHEAD
        else:
            reading = True
        if reading is not self._reading and self._state != _CLOSED:
            self._reading = reading
            if reading:
                self.site.unread.discard(self)
                self.transport.resumeProducing()
            else:
                self.site.unread.add(self)
                self.transport.pauseProducing()

    # -- what a request asks of its channel

    def close_afterwards(self) -> None:
        """Take no request after the current one."""
        self._keep = False

    def connection_line(self, *, final: bool) -> bytes:
        """Give the end of an answer's head: whether the connection stays, and the empty line.

        Args:
            final: the answer will be complete at once; so a body that is still coming may cost the connection.
        """
        if final and self._state == _BODY and not self._discardable():
            self._keep = False
        if not self._keep:
            return b"Connection: close\r\n\r\n"
        if self._request is not None and self._request.clientproto == b"HTTP/1.0":
            return b"Connection: keep-alive\r\n\r\n"
        return b"\r\n"

    def _discardable(self) -> bool:
        return self._chunked is None and not self._continue_due and self._remaining <= DISCARDED

    def requestDone(self, request: LeanRequest) -> None:  # noqa: ARG002
        """Learn that an answer is complete."""
        self._request = None
        self._sink = None
        self._body = []
        incomplete = self._state == _BODY
        if self._state >= _ENDING:
            return
        if not self._keep or (incomplete and not self._discardable()):
            self._end(linger=incomplete or bool(self._buffer))
        elif incomplete:
            self._body_paused = False
            self.deadline = self.site.seconds() + self._limits.body_timeout
        else:
            self._next()
        if not self._busy:
            self._run()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:  # noqa: ARG002
        """Write the head of an answer that an ordinary resource made by `setHeader` and `write`."""
        request = self._request
        assert request is not None
        lines, framing = head_lines(code, reason, headers)
        delimited = not framing.keys().isdisjoint((b"content-length", b"transfer-encoding"))
        if b"close" in framing.get(b"connection", b"").lower():
            self._keep = False
        if not delimited and request.method != b"HEAD" and int(code) not in wire.BODILESS:
            self._keep = False
        lines.append(self.connection_line(final=False))
        self.send(b"".join(lines))

    def write(self, data: bytes) -> None:
        """Write bytes of an ordinary resource's answer (`IConsumer`)."""
        self.send(data)

    def writeSequence(self, data: list[bytes]) -> None:
        """Write bytes of an ordinary resource's answer."""
        self.send(b"".join(data))

    def getPeer(self) -> IAddress:
        """Give the address at the other end."""
        address: IAddress = self.transport.getPeer()
        return address

    def getHost(self) -> IAddress:
        """Give the address at this end."""
        address: IAddress = self.transport.getHost()
        return address

    @property
    def peer_host(self) -> str:
        """The host of the address at the other end; empty for a UNIX socket."""
        host = self._peer_host
        if host is None:  # a PROXY protocol tells it only after the connection was made
            host = self._peer_host = getattr(self.transport.getPeer(), "host", "")
        return host

    def isSecure(self) -> bool:
        """Tell whether there is TLS."""
        return self._secure

    def loseConnection(self) -> None:
        """Close the connection after what has been written."""
        self._end(linger=False)

    def take_over(self, protocol: IProtocol) -> tuple[ITransport, bytes]:
        """Give the connection away; see `Request.take_over`."""
        self._request = None
        self._unregister()
        self._state = _TAKEN
        self._taker = protocol
        leftover, self._buffer = self._buffer, b""
        self.deadline = self.stalled = inf
        self.transport.unregisterProducer()
        self._regulate()
        protocol.makeConnection(self.transport)
        return self.transport, leftover

    # -- writing

    def send(self, data: bytes) -> None:
        """Write bytes of the current answer.

        They go to the socket at once where nothing is waiting: the reactor would ask for two more system calls and
        another turn. What does not fit is given to the transport in slices.
        """
        if self._state >= _ENDING:
            return
        if self._queue:
            self._queue.append(memoryview(data))
            return
        sent = self._send_now(data)
        if sent == len(data):
            return
        if len(data) - sent <= SLICE:
            self.transport.write(data[sent:] if sent else data)
        else:
            self._queue.append(memoryview(data)[sent:])
            self._pump()

    def _send_now(self, data: bytes) -> int:
        """Give bytes to the socket itself, if it waits for none; give how many it took."""
        socket = self._socket
        if socket is None or socket.dataBuffer or socket._tempDataBuffer or not socket.connected:  # noqa: SLF001
            return 0
        sent = 0
        while True:
            part = socket.writeSomeData(data[sent:] if sent else data)
            if not isinstance(part, int) or part <= 0:
                return sent  # an error will be met again, and dealt with, by the reactor
            sent += part
            if sent == len(data) or part < socket.SEND_LIMIT:
                return sent

    def _pump(self) -> None:
        """Give the transport as much as it takes."""
        queue = self._queue
        while queue and not self._transport_full:
            first = queue[0]
            if len(first) > SLICE:
                queue[0] = first[SLICE:]
                first = first[:SLICE]
            else:
                queue.popleft()
            self.transport.write(bytes(first))

    def pauseProducing(self) -> None:
        """Learn that the transport has enough (`IPushProducer`)."""
        if not self._transport_full:
            self._transport_full = True
            self._taken = bytes_taken(self.transport)
            self.stalled = self.site.seconds() + self._limits.body_timeout
            if self._producer is not None:
                self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Learn that the transport takes more (`IPushProducer`)."""
        self._transport_full = False
        self._pump()
        if self._transport_full:
            return
        self.stalled = inf
        if self._producer is not None:
            self._producer.resumeProducing()
        if self._state == _ENDING:
            self._shut()
        elif not self._busy:
            self._run()

    def stopProducing(self) -> None:
        """Learn that nothing can be written any more (`IPushProducer`)."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace govern who makes the current answer (`IConsumer`)."""
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        self._producer_pulls = not streaming
        self._producer = producer = producer if streaming else _PullToPush(producer, self)
        if not streaming:
            producer.startStreaming()
        if self._transport_full:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer (`IConsumer`)."""
        self._unregister()

    def _unregister(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None and self._producer_pulls:
            producer.stopStreaming()

    # -- ending

    def _refuse(self, error: GatewayError) -> None:
        """Answer to a body that is no good, and close."""
        self._keep = False
        request, sink = self._request, self._sink
        if request is None:  # it was answered before
            self._end(linger=True)
            return
        self._sink = None
        if sink is not None:
            self._tell(sink.aborted, Failure(error))
        request.fail(error)

    def _answer_without_request(self, error: GatewayError) -> None:
        try:
            status, fields, body = self.site.error(error)
            self.send(
                wire.opening(status)
                + wire.field_lines(wire.split_framing(fields)[0])
                + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
                + (b"" if self._buffer.startswith(b"HEAD ") else body)
            )
        except Exception:  # noqa: BLE001 - the last resort
            self._log.failure("cannot tell of an error")
        self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """Close after what has been written.

        Args:
            linger: the client may be sending still; closing now would reset the connection before it has read.
        """
        if self._state >= _ENDING:
            return
        self._state = _ENDING
        self._linger = linger
        self._buffer = b""
        self._size = 0
        self.deadline = inf
        self._regulate()
        if not self._queue:
            self._shut()

    def _shut(self) -> None:
        """Everything is with the transport: let it close."""
        self.stalled = inf
        self.transport.unregisterProducer()
        if self._linger and self._socket is not None:
            self._socket.loseWriteConnection()
        else:  # TLS goes on reading until the other end has closed as well
            self.transport.loseConnection()
        patience = LINGER_SECONDS if self._linger else self._limits.body_timeout
        self.deadline = self.site.seconds() + patience

    def _hang_up(self) -> None:
        """Do not wait any longer for the client to close."""
        if self._linger and self._socket is not None:
            self._linger = False
            self.deadline = self.site.seconds() + self._limits.body_timeout
            self.transport.loseConnection()
        else:
            self.abort()

    def abort(self) -> None:
        """Cut the connection; what has been written may be lost."""
        if self._state == _CLOSED:
            return
        if self._state != _TAKEN:
            self._state = _CLOSED
        self.deadline = self.stalled = inf
        self._queue.clear()
        self.transport.abortConnection()

    # -- what the site asks

    def drain(self) -> None:
        """Close as soon as nothing is lost by it."""
        self.draining = True
        if self._state in (_BODY, _ANSWER):
            self._keep = False
        elif self._state == _HEAD and not self._buffer:
            if self._served:
                self._end(linger=False)
            else:
                self.deadline = min(self.deadline, self.site.seconds() + FRESH_SECONDS)

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if self.stalled <= now:
            self._lose_patience(now)
        elif not self._handshaken:
            self.abort()
        elif self.deadline > now or (self._transport_full and self._state != _ENDING):
            return
        elif self._state == _ENDING:
            self._hang_up()
        elif self._state == _BODY:
            self._refuse(refusals.body_timeout())
        elif self._buffer or not (self._served or self.draining):
            self._answer_without_request(refusals.head_timeout())
        else:
            self._end(linger=False)

    def _lose_patience(self, now: float) -> None:
        """Cut off a client that has taken nothing of its answer for long."""
        taken = bytes_taken(self.transport)
        if taken == self._taken:
            self.abort()
        else:
            self._taken = taken
            self.stalled = now + self._limits.body_timeout

    def check(self) -> None:
        """Notice a client that left while nothing is read from it."""
        if has_left(self.transport):
            self.abort()


def _too_large(head: bytes, limits: Limits) -> GatewayError:
    limit = limits.max_header_size
    line = head.find(b"\r\n", 0, limit)
    return refusals.too_long_target(limit) if line < 0 else refusals.too_large_head(limit)
