"""One HTTP/1.1 connection: heads by llhttp, bodies framed by ourselves, answers in order."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer, IHandshakeListener, IProtocol, ISSLTransport, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedgw.errors import GatewayError
from twistedgw.web import refusals, wire
from twistedgw.web.head import check_beginning, read_head
from twistedgw.web.intake import Intake
from twistedgw.web.lean import LeanRequest
from twistedgw.web.limits import CHECK_SECONDS, FRESH_SECONDS, LINGER_BYTES, LINGER_SECONDS, READ_AHEAD
from twistedgw.web.outgoing import Outgoing
from twistedgw.web.peer import has_left

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


@implementer(IProtocol, IConsumer, IHandshakeListener)
class Channel:
    """Reads requests from a connection one after the other, and writes their answers in the same order.

    Reactor thread only. A request is handed over when its head is complete (`begin`) and again when its body is
    (`render`); the next one is not looked at before its answer is complete. All times are kept as two deadlines, which
    the site looks at from time to time: no timer belongs to a connection.

    Attributes:
        deadline: when to lose patience with what the client sends; seconds of the reactor.
        draining: no request will be taken after the current one.
    """

    __slots__ = (
        "_buffer",
        "_busy",
        "_dropped",
        "_early",
        "_handshaken",
        "_head_begun",
        "_held",
        "_intake",
        "_keep",
        "_limits",
        "_linger",
        "_out",
        "_peer_host",
        "_reading",
        "_request",
        "_scanned",
        "_secure",
        "_served",
        "_state",
        "_taker",
        "deadline",
        "draining",
        "site",
        "transport",
    )
    _log = Logger(namespace="twistedgw.web")
    factory = None
    _out: Outgoing

    def __init__(self, site: GatewaySite) -> None:
        self.site = site
        self.transport: Any = None
        self.deadline = inf
        self.draining = False
        self._limits: Limits = site.limits()
        self._state = _HEAD
        self._buffer = b""
        self._scanned = 0
        self._early = True
        self._head_begun = True
        self._held = b""
        self._busy = False
        self._served = False
        self._reading = True
        self._request: LeanRequest | None = None
        self._intake: Intake | None = None
        self._keep = True
        self._linger = False
        self._dropped = 0
        self._taker: Any = None
        self._peer_host: str | None = None
        self._handshaken = True
        self._secure = False

    # -- IProtocol

    def makeConnection(self, transport: Any) -> None:
        """Begin with a connection (`IProtocol`)."""
        self.transport = transport
        self._secure = ISSLTransport.providedBy(transport)
        self._handshaken = not self._secure
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        self._out = Outgoing(transport, self._patience, self._drained)
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
        self.deadline = inf
        self._buffer = b""
        self._out.drop()
        request, self._request = self._request, None
        sink = None if self._intake is None else self._intake.sink
        self._intake = None
        try:
            if state == _TAKEN:
                taker, self._taker = self._taker, None
                taker.connectionLost(reason)
            if request is not None:
                request.connectionLost(reason)
            if sink is not None:
                self._tell(sink.aborted, reason)
        finally:
            self.site.closed(self)

    def _receive_late(self, data: bytes) -> None:
        if self._state == _TAKEN:
            self._taker.dataReceived(data)
        elif self._state == _ENDING:
            self._dropped += len(data)
            if self._linger and self._dropped > LINGER_BYTES:
                self._hang_up()

    # -- reading

    def _run(self) -> None:
        """Go on with what has been received, as far as it goes."""
        self._busy = True
        try:
            while self._buffer:
                if self._state == _HEAD:
                    if self._out.full or not self._read_head():
                        break
                elif self._state == _BODY:
                    if not self._read_body():
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
        self.deadline = self.site.now + CHECK_SECONDS
        self._keep = head.keep_alive and not self.draining
        if head.length:
            intake = self._intake = Intake(head.length, limits, expects=head.expects)
            self._state = _BODY
        else:
            intake = None
            self._state = _ANSWER
        sink = None
        if self.site.begin is not None:
            try:
                sink = self.site.begin(request)
            except Exception:  # noqa: BLE001 - a bug in a resource is not the client's
                self._log.failure("bug in a resource")
                request.fail(refusals.internal())
        if self._request is not request or request.disconnected:
            return  # answered, or gone
        if intake is None:
            self._complete(request, sink)
        elif sink is not None:
            intake.sink = sink
            if not intake.paused:
                self._want_body(intake)
        elif intake.is_too_large():
            request.fail(refusals.body_too_large(limits.max_request_body))
        else:
            self._collect(request, intake)

    def _collect(self, request: LeanRequest, intake: Intake) -> None:
        length = intake.whole(self._buffer)
        if not length:
            self._want_body(intake)
            return
        request.body = self._buffer[:length]
        self._buffer = self._buffer[length:]
        self._intake = None
        self._state = _ANSWER
        request.serve()

    def _want_body(self, intake: Intake) -> None:
        self.deadline = self.site.seconds() + self._limits.body_timeout
        if intake.continue_due and not self._buffer and self._request is not None:
            intake.continue_due = False
            if not self._request.startedWriting:
                self.send(_CONTINUE)

    def _read_body(self) -> bool:
        """Read a part of a body; give whether there may be more to do."""
        intake = self._intake
        assert intake is not None
        if intake.paused:
            return False
        piece, used = intake.read(self._buffer)
        self._buffer = self._buffer[used:]
        self.deadline = self.site.seconds() + self._limits.body_timeout
        if piece:
            if intake.sink is not None:
                self._tell(intake.sink.dataReceived, piece)
            elif self._request is not None:
                intake.keep(piece)
        if intake.complete and self._state == _BODY:
            self._body_came(intake)
        return used > 0

    def _body_came(self, intake: Intake) -> None:
        self._intake = None
        self.deadline = self.site.now + CHECK_SECONDS
        request = self._request
        if request is None:  # it was answered before, and nobody wanted its body
            self._next()
            return
        self._state = _ANSWER
        if intake.sink is None:
            request.body = intake.collected()
        self._complete(request, intake.sink)

    def _complete(self, request: LeanRequest, sink: BodySink | None) -> None:
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
                if self._intake is not None:
                    self._intake.sink = None
                self._keep = False
                self._request.fail(refusals.internal())

    def _next(self) -> None:
        """Wait for the next request."""
        self._state = _HEAD
        self._early = True
        self._head_begun = False
        if self.draining:
            self._end(linger=False)
        else:
            self.deadline = self.site.seconds() + self._limits.idle_timeout

    def pause_body(self) -> None:
        """Neither read nor hand over more of the current body."""
        if self._intake is not None:
            self._intake.paused = True
            self.deadline = self.site.now + CHECK_SECONDS
            if not self._busy:
                self._regulate()

    def resume_body(self) -> None:
        """Go on with the current body."""
        intake = self._intake
        if intake is not None and intake.paused:
            intake.paused = False
            self._want_body(intake)
            if not self._busy:
                self._run()

    def _regulate(self) -> None:
        """Let the client wait where too much has been read that cannot be used yet."""
        if self._intake is not None:
            reading = not self._intake.paused
        elif self._state == _ANSWER or (self._state == _HEAD and self._out.full):
            reading = len(self._buffer) < READ_AHEAD
        else:
            reading = True
        if reading is not self._reading and self._state != _CLOSED:
            self._reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
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
        if final and self._intake is not None and not self._intake.is_discardable():
            self._keep = False
        if not self._keep:
            return b"Connection: close\r\n\r\n"
        if self._request is not None and self._request.clientproto == b"HTTP/1.0":
            return b"Connection: keep-alive\r\n\r\n"
        return b"\r\n"

    def requestDone(self, request: LeanRequest) -> None:  # noqa: ARG002
        """Learn that an answer is complete."""
        self._request = None
        if self._state >= _ENDING:
            return
        intake = self._intake
        if intake is None:
            if self._keep:
                self._next()
            else:
                self._end(linger=bool(self._buffer))
        elif self._keep and intake.is_discardable():
            intake.sink = None
            intake.paused = False
            self.deadline = self.site.seconds() + self._limits.body_timeout
        else:
            self._end(linger=True)
        if not self._busy:
            self._run()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:  # noqa: ARG002
        """Write the head of an answer that an ordinary resource made by `setHeader` and `write`."""
        request = self._request
        assert request is not None
        lines, framing = wire.ordinary_head(code, reason, headers)
        delimited = not framing.keys().isdisjoint((b"content-length", b"transfer-encoding"))
        if b"close" in framing.get(b"connection", b"").lower():
            self._keep = False
        if not delimited and request.method != b"HEAD" and int(code) not in wire.BODILESS:
            self._keep = False
        self._held = lines + self.connection_line(final=False)

    def write(self, data: bytes) -> None:
        """Write bytes of an ordinary resource's answer (`IConsumer`), its head first."""
        held, self._held = self._held, b""
        self.send(held + data)

    def writeSequence(self, data: list[bytes]) -> None:
        """Write bytes of an ordinary resource's answer."""
        self.write(b"".join(data))

    def flush(self) -> None:
        """Write the head of an ordinary resource's answer, if that was not written with the first of its body."""
        if self._held:
            self.write(b"")

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
        self._request = self._intake = None
        self._state = _TAKEN
        self._taker = protocol
        leftover, self._buffer = self._buffer, b""
        self.deadline = self.site.now + CHECK_SECONDS
        self._out.release()
        self._regulate()
        protocol.makeConnection(self.transport)
        return self.transport, leftover

    # -- writing

    def send(self, data: bytes) -> None:
        """Write bytes of the current answer."""
        if self._state < _ENDING:
            self._out.send(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace govern who makes the current answer (`IConsumer`)."""
        self._out.register(producer, streaming=streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer (`IConsumer`)."""
        self._out.unregister()

    def _patience(self) -> float:
        return self.site.seconds() + self._limits.body_timeout

    def _drained(self) -> None:
        if self._state == _ENDING:
            self._shut()
        elif not self._busy:
            self._run()

    # -- ending

    def _refuse(self, error: GatewayError) -> None:
        """Answer to a body that is no good, and close."""
        self._keep = False
        request, intake = self._request, self._intake
        if request is None:  # it was answered before
            self._end(linger=True)
            return
        if intake is not None and intake.sink is not None:
            sink, intake.sink = intake.sink, None
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
        self._intake = None
        self.deadline = inf
        self._regulate()
        if not self._out.pending:
            self._shut()

    def _shut(self) -> None:
        """Everything is with the transport: let it close."""
        self._out.release()
        if self._linger and self._out.socket is not None:
            self._out.socket.loseWriteConnection()
        else:  # TLS goes on reading until the other end has closed as well
            self.transport.loseConnection()
        patience = LINGER_SECONDS if self._linger else self._limits.body_timeout
        self.deadline = self.site.seconds() + patience

    def _hang_up(self) -> None:
        """Do not wait any longer for the client to close."""
        if self._linger and self._out.socket is not None:
            self._linger = False
            self.deadline = self.site.seconds() + self._limits.body_timeout
            self.transport.loseConnection()
        else:
            self.abort()

    def abort(self) -> None:
        """Cut the connection; what was written may be lost. A protocol that took it over may have its own manners."""
        if self._state == _CLOSED:
            return
        if self._state == _TAKEN and hasattr(self._taker, "going_away"):
            self._taker.going_away()
            return
        if self._state != _TAKEN:
            self._state = _CLOSED
        self.deadline = inf
        self._out.drop()
        self.transport.abortConnection()

    # -- what the site asks

    @property
    def stalled(self) -> float:
        """When to lose patience with a client that does not read; seconds of the reactor."""
        return self._out.stalled

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
            if not self._out.has_patience():
                self.abort()
        elif not self._handshaken:
            self.abort()
        elif self.deadline > now or (self._out.full and self._state != _ENDING):
            return
        elif self._state == _ENDING:
            self._hang_up()
        elif self._state == _TAKEN:
            self._check_taken(now)
        elif self._state == _ANSWER or (self._intake is not None and self._intake.patient):
            self._check(now)
        elif self._state == _BODY:
            self._refuse(refusals.body_timeout())
        elif self._buffer or not (self._served or self.draining):
            self._answer_without_request(refusals.head_timeout())
        else:
            self._end(linger=False)

    def _check_taken(self, now: float) -> None:
        """Notice a client that left a protocol which does not read at the moment, and so would not."""
        self.deadline = now + CHECK_SECONDS
        if has_left(self.transport):
            self.transport.abortConnection()

    def _check(self, now: float) -> None:
        """Notice a client that left while nothing is read from it, or that uvloop did not tell of.

        After a reset that came together with data, uvloop tells of the data only.
        """
        self.deadline = now + CHECK_SECONDS
        if has_left(self.transport):
            self.abort()


def _too_large(head: bytes, limits: Limits) -> GatewayError:
    limit = limits.max_header_size
    line = head.find(b"\r\n", 0, limit)
    return refusals.too_long_target(limit) if line < 0 else refusals.too_large_head(limit)
