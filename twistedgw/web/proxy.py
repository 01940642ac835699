"""A request that goes on to an HTTP backend: both bodies stream, each at the pace of its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error, interfaces
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from twistedgw.backends.http import ENCODING, HttpUpstream
from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import INTERNAL, error_reply
from twistedgw.frontends.metadata import HOP_BY_HOP
from twistedgw.frontends.negotiation import check_size
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IConsumer
    from twisted.python.failure import Failure
    from twisted.web.iweb import IResponse

    from twistedgw.config.model import Gateway
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import ProxyRoute
    from twistedgw.web.request import Request

__all__ = ["ProxyExchange"]

_HOP = frozenset(name.encode("ascii") for name in HOP_BY_HOP)
_NOT_SENT = _HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-request-id",
}
_NOT_ANSWERED = _HOP | {b"content-length", b"date", b"x-request-id"}
_NO_BODY = frozenset((204, 304))


class ProxyExchange:
    """Takes a request's body as it comes, and brings the backend's answer back. Reactor thread only."""

    patient = False
    _log = Logger(namespace="twistedgw.proxy")

    def __init__(
        self, request: Request, head: Head, route: ProxyRoute, gateway: Gateway, end: Callable[[int, int], None]
    ) -> None:
        """Start sending the request on.

        Args:
            end: called once, with the status and the bytes of the answer's body.
        """
        self._request = request
        self._head = head
        self._route = route
        self._gateway = gateway
        self._end: Callable[[int, int], None] | None = end
        self._upstream: HttpUpstream = route.upstream
        self._body = _Body(request, _length(request, head), gateway.max_request_body)
        self._relay: _Relay | None = None
        self._timer: interfaces.IDelayedCall | None = None
        self._response: Deferred[IResponse] | None = None
        self._timed_out = False
        request.notifyFinish().addErrback(self._left)
        self._start()

    # -- the client's body

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the request's body."""
        try:
            self._body.write(data)
        except GatewayError as problem:
            self._refuse(problem)

    def finished(self) -> None:
        """Learn that the request's body is complete."""
        self._body.end()
        if self._response is not None and self._relay is None:
            timeout = self._gateway.unary_timeout if self._route.timeout is None else self._route.timeout
            if timeout is not None:
                self._timer = self._upstream.reactor.callLater(timeout, self._expire)

    def aborted(self, reason: Failure) -> None:
        """Learn that the rest of the body will not come."""
        if isinstance(reason.value, GatewayError):
            self._refuse(reason.value)
        self._body.fail(reason)

    # -- the backend

    def _start(self) -> None:
        upstream = self._upstream
        if upstream.max_in_flight is not None and upstream.in_flight >= upstream.max_in_flight:
            self._refuse(
                GatewayError(
                    Code.UNAVAILABLE,
                    "too many requests are on their way to this backend",
                    reason="TOO_MANY_IN_FLIGHT",
                    headers=(("Retry-After", "1"),),
                )
            )
            return
        try:
            self._body.check(self._body.length)
            target = self._route.target(self._head.path, self._head.query)
        except GatewayError as problem:
            self._refuse(problem)
            return
        upstream.in_flight += 1
        body = None if self._body.length == 0 else self._body
        self._response = upstream.request(self._head.method.encode("latin-1"), target, self._fields(), body)
        self._response.addCallbacks(self._answered, self._failed)
        self._response.addErrback(self._bug)

    def _fields(self) -> list[tuple[bytes, bytes]]:
        head = self._head
        fields = list(_end_to_end(head.fields, _NOT_SENT))
        fields += [
            (b"host", self._upstream.authority),
            (b"x-forwarded-for", head.chain.encode("latin-1", "replace")),
            (b"x-forwarded-proto", b"https" if head.secure else b"http"),
            (b"x-forwarded-host", head.authority.encode("latin-1", "replace")),
            (b"x-request-id", head.request_id.encode("ascii")),
            (b"via", b"1.1 twistedgw"),
        ]
        return fields

    def _answered(self, response: IResponse) -> None:
        self._stop_timer()
        if self._end is None:
            _drop(response)
            return
        fields = [
            (b"content-encoding" if name == ENCODING else name, value)
            for name, value in _end_to_end(_raw(response), _NOT_ANSWERED)
        ]
        fields.append((b"x-request-id", self._head.request_id.encode("ascii")))
        if response.length is not UNKNOWN_LENGTH and response.code not in _NO_BODY and self._head.method != "HEAD":
            fields.append((b"content-length", b"%d" % response.length))
        self._request.start(response.code, fields)
        self._relay = _Relay(self._request, lambda size: self._finish(response.code, size))
        response.deliverBody(self._relay)

    def _failed(self, failure: Failure) -> None:
        self._stop_timer()
        self._log.debug("backend {url} failed: {error}", url=self._upstream.url, error=failure.value)
        self._refuse(self._error(failure))

    def _error(self, failure: Failure) -> GatewayError:
        if self._timed_out:
            return GatewayError(
                Code.DEADLINE_EXCEEDED, "the backend did not answer in time", reason="DEADLINE_EXCEEDED"
            )
        if isinstance(failure.value, GatewayError):
            return failure.value
        if failure.check(CancelledError):
            return GatewayError(Code.CANCELLED, "the request was cancelled", reason="CANCELLED")
        if failure.check(error.ConnectError, error.DNSLookupError):
            return GatewayError(Code.UNAVAILABLE, "the backend cannot be reached", reason="BACKEND_UNAVAILABLE")
        if any(reason.check(SSL.Error, VerificationError) for reason in getattr(failure.value, "reasons", ())):
            return GatewayError(
                Code.UNAVAILABLE, "there is no secure connection to the backend", reason="BACKEND_UNAVAILABLE"
            )
        return GatewayError(
            Code.UNAVAILABLE, "the backend did not answer properly", reason="BACKEND_ERROR", http_status_=502
        )

    def _bug(self, failure: Failure) -> None:
        self._log.failure("bug while proxying (request {id})", failure, id=self._head.request_id)
        self._refuse(INTERNAL)

    def _expire(self) -> None:
        self._timer = None
        self._timed_out = True
        if self._response is not None:
            self._response.cancel()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # -- the end

    def _left(self, _reason: Failure) -> None:
        if self._relay is not None:
            self._relay.stopProducing()
        elif self._response is not None:
            self._response.cancel()
        self._finish(499, 0)

    def _refuse(self, problem: GatewayError) -> None:
        """Answer with an error, unless an answer has begun."""
        if self._end is None:
            return
        if self._relay is not None:
            self._request.abort()
            self._finish(502, 0)
            return
        reply = error_reply(problem, None)
        self._request.respond(
            reply.status, [*reply.fields, (b"x-request-id", self._head.request_id.encode("ascii"))], reply.body
        )
        self._finish(reply.status, len(reply.body))
        if self._response is not None:
            self._response.cancel()

    def _finish(self, status: int, size: int) -> None:
        end, self._end = self._end, None
        if end is None:
            return
        self._stop_timer()
        if self._response is not None:
            self._upstream.in_flight -= 1
        end(status, size)


@implementer(IBodyProducer)
class _Body:
    """The request's body on its way to the backend."""

    def __init__(self, request: Request, length: int | None, limit: int) -> None:
        self.length: Any = UNKNOWN_LENGTH if length is None else length
        self._request = request
        self._limit = limit
        self._seen = 0
        self._consumer: IConsumer | None = None
        self._early: list[bytes] = []
        self._done: Deferred[None] = Deferred()
        self._ended = False

    def check(self, size: Any) -> None:
        """Raise 413 where a size is over the limit."""
        if size is not UNKNOWN_LENGTH:
            check_size(size, self._limit)

    def write(self, data: bytes) -> None:
        self._seen += len(data)
        self.check(self._seen)
        if self._consumer is not None:
            self._consumer.write(data)
        elif not self._ended:
            self._early.append(data)
            self._request.pause_body()

    def end(self) -> None:
        self._ended = True
        if self._consumer is not None:
            self._settle(None)

    def fail(self, reason: Failure) -> None:
        self._ended = True
        self._settle(reason)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Send what is there already, then let the client go on (`IBodyProducer`)."""
        self._consumer = consumer
        early, self._early = self._early, []
        for data in early:
            consumer.write(data)
        if self._ended:
            self._settle(None)
        else:
            self._request.resume_body()
        return self._done

    def pauseProducing(self) -> None:
        """Let the client wait (`IBodyProducer`)."""
        if not self._ended:
            self._request.pause_body()

    def resumeProducing(self) -> None:
        """Let the client go on (`IBodyProducer`)."""
        if not self._ended:
            self._request.resume_body()

    def stopProducing(self) -> None:
        """Drop what still comes (`IBodyProducer`)."""
        self._ended = True
        self._early = []
        self._consumer = None
        self._request.resume_body()

    def _settle(self, failure: Failure | None) -> None:
        if not self._done.called:
            self._done.callback(None) if failure is None else self._done.errback(failure)


@implementer(interfaces.IPushProducer)
class _Relay(Protocol):
    """The backend's body on its way to the client."""

    def __init__(self, request: Request, end: Callable[[int], None]) -> None:
        self._request = request
        self._end = end
        self._size = 0

    def connectionMade(self) -> None:
        self._request.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._request.disconnected:
            self._request.unregisterProducer()
            if reason.check(ResponseDone, PotentialDataLoss):
                self._request.finish_stream()
            else:
                self._request.abort()
        self._end(self._size)

    def pauseProducing(self) -> None:
        self._producer().pauseProducing()

    def resumeProducing(self) -> None:
        self._producer().resumeProducing()

    def stopProducing(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def _producer(self) -> Any:
        return self.transport


class _Nothing(Protocol):
    """Reads a body that nobody wants, and closes its connection."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


def _drop(response: IResponse) -> None:
    response.deliverBody(_Nothing())


def _length(request: Request, head: Head) -> int | None:
    """Give the body's length; None where only its end will tell, as with chunks or over HTTP/2."""
    length = head.field(b"content-length")
    if length is not None:
        return int(length)
    framed = request.clientproto == b"HTTP/2" and head.method not in ("GET", "HEAD", "DELETE", "OPTIONS")
    return None if framed or head.field(b"transfer-encoding") is not None else 0


def _raw(response: IResponse) -> Iterable[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, values in response.headers.getAllRawHeaders() for value in values]


def _end_to_end(fields: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Leave out hop-by-hop fields, those that Connection names included (RFC 9110 section 7.6.1)."""
    fields = list(fields)
    named = {token.strip().lower() for name, value in fields if name == b"connection" for token in value.split(b",")}
    return [(name, value) for name, value in fields if name not in dropped and name not in named]
