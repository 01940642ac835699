"""A request of the console's, sent through the gateway's own front door, and its answer piece by piece."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from zope.interface import implementer

from twistedgw.admin.answer import Answer
from twistedgw.admin.refusal import RefusalError, call_error, invalid
from twistedgw.status import Code

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from twistedgw.admin.core import Core
    from twistedgw.backends.call import Receiver, StreamCall
    from twistedgw.config.model import Listener, Service

__all__ = ["Try"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "keep-alive"})
_BODIED = ("POST", "PUT", "PATCH")
_USUAL_SECONDS = 30.0
_MOST_SECONDS = 600.0
_LARGEST = 16 << 20
"""Bytes of an answer that are shown."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request as it goes on the wire."""

    url: str
    host: str
    head: bytes
    body: bytes
    seconds: float


class Try:
    """A `twistedgw.backends.call.Stream`: the method ``Try``. Reactor thread only."""

    _log = Logger(namespace="twistedgw.admin")

    def __init__(self, core: Core, _call: StreamCall, receiver: Receiver) -> None:
        self._core = core
        self._receiver = receiver
        self._request: Any = None
        self._events: deque[Any] = deque()
        self._paused = False
        self._over = False
        self._complete = False
        self._size = 0
        self._started = time.monotonic()
        self._connection: _Client | None = None
        self._connecting: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None

    # -- Stream

    def send(self, message: Any) -> bool:
        """Take the one request."""
        self._request = message
        return True

    def half_close(self) -> None:
        """Begin."""
        if self._request is None or self._over or self._connecting is not None:
            return
        try:
            self._begin()
        except RefusalError as refusal:
            self._over = True
            error = call_error(refusal, self._core.types)
            self._core.reactor.callLater(0, self._receiver.ended, error, ())

    def pause(self) -> None:
        """Let the gateway wait."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._deliver()
        if self._connection is not None and not self._paused:
            self._connection.resume()

    def cancel(self) -> None:
        """Give it up."""
        if not self._over:
            self._over = True
            self._close()
            refusal = RefusalError(Code.CANCELLED, "the call was cancelled", reason="CANCELLED")
            self._receiver.ended(call_error(refusal, self._core.types), ())

    # -- the request

    def _begin(self) -> None:
        service = self._service()
        listener, address = self._door(service)
        sent = self._written(service, listener)
        self._started = time.monotonic()
        self._timer = self._core.reactor.callLater(sent.seconds, self._expire, sent.seconds)
        endpoint = self._endpoint(address)
        if listener.tls:
            endpoint = wrapClientTLS(_Unverified(sent.host), endpoint)
        self._connecting = endpoint.connect(_Factory(self, sent))
        self._connecting.addErrback(self._unreachable)

    def _service(self) -> Service | None:
        name = self._request.service
        if not name:
            return None
        service = self._core.gateway.snapshot.config.services.get(name)
        if service is None:
            raise invalid("service", f"there is no service {name[:100]!r}")
        return service

    def _door(self, service: Service | None) -> tuple[Listener, Any]:
        """Choose the listener to go through: plain HTTP where the service is published on it."""
        gateway = self._core.gateway
        ports = gateway.listeners.ports if gateway.ready else {}
        listeners = [
            each for each in gateway.snapshot.config.listeners.values() if each.endpoint in ports and not each.client_ca
        ]
        if service is not None:
            listeners = [each for each in listeners if (service.https if each.tls else service.http)]
        if not listeners:
            raise RefusalError(
                Code.FAILED_PRECONDITION,
                "there is no listener to send it through: it needs one of the service's protocols, without client_ca",
                reason="NO_LISTENER",
            )
        chosen = min(listeners, key=lambda each: each.tls)
        return chosen, ports[chosen.endpoint].getHost()

    def _endpoint(self, address: Any) -> Any:
        reactor = self._core.reactor
        host = getattr(address, "host", None)
        if host is None:
            return UNIXClientEndpoint(reactor, address.name)
        if ":" in host:
            return TCP6ClientEndpoint(reactor, "::1" if host == "::" else host, address.port)
        return TCP4ClientEndpoint(reactor, "127.0.0.1" if host == "0.0.0.0" else host, address.port)  # noqa: S104

    def _written(self, service: Service | None, listener: Listener) -> _Sent:
        request = self._request
        if not _TOKEN.fullmatch(request.method) or request.method == "CONNECT":
            raise invalid("method", f"{request.method[:50]!r} is not an HTTP method that can be tried")
        if not _TARGET.fullmatch(request.path) or "#" in request.path:
            raise invalid("path", "is a path such as /v1/books?page=1, what is no printable ASCII percent-encoded")
        if request.body and request.body_bytes:
            raise invalid("body_bytes", "goes without body")
        body = request.body_bytes or request.body.encode("utf-8")
        headers = self._headers(service, body)
        lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        host = next(value for name, value in headers if name.lower() == "host")
        url = f"{'https' if listener.tls else 'http'}://{host}{request.path}"
        return _Sent(url, host, "\r\n".join(lines).encode("latin-1"), body, self._seconds())

    def _seconds(self) -> float:
        timeout = self._request.timeout
        if not self._request.HasField("timeout"):
            return _USUAL_SECONDS
        seconds = float(timeout.seconds + timeout.nanos / 1_000_000_000)
        if not 0 < seconds <= _MOST_SECONDS:
            raise invalid("timeout", f"is more than 0s, and {_MOST_SECONDS:g}s at most")
        return seconds

    def _headers(self, service: Service | None, body: bytes) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for index, each in enumerate(self._request.headers):
            if not _TOKEN.fullmatch(each.name) or each.name.lower() in _OURS:
                raise invalid(f"headers[{index}].name", f"{each.name[:50]!r} is not a field that can be set")
            if not _VALUE.fullmatch(each.value):
                raise invalid(f"headers[{index}].value", "has characters that a header field cannot have")
            found.append((each.name, each.value))
        names = {name.lower() for name, _ in found}
        if "host" not in names:
            found.insert(0, ("Host", _host(service)))
        if body and "content-type" not in names:
            found.append(("Content-Type", "application/json"))
        if "te" not in names:
            found.append(("TE", "trailers"))
        if body or self._request.method in _BODIED:
            found.append(("Content-Length", str(len(body))))
        found.append(("Connection", "close"))
        return found

    # -- the answer

    def connected(self, connection: _Client) -> None:
        """Learn of the connection, on which the request is on its way."""
        self._connection = connection
        if self._over:
            connection.close()

    def _elapsed(self, event: Any) -> Any:
        event.elapsed.FromNanoseconds(round((time.monotonic() - self._started) * 1_000_000_000))
        return event

    def head(self, answer: Answer, sent: _Sent) -> None:
        """Take the head of the answer."""
        types = self._core.types
        head = types.TryHead(status=answer.status, reason=answer.reason, url=sent.url)
        for name, value in answer.headers:
            head.headers.add(name=name, value=value)
        self._put(self._elapsed(types.TryEvent(head=head)))

    def body(self, text: str, data: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(data) or len(text.encode("utf-8"))
        types = self._core.types
        self._put(self._elapsed(types.TryEvent(body=types.TryBody(text=text, data=data))))
        if self._size > _LARGEST:
            self.end((), f"the answer has more than {_LARGEST:,} bytes; the rest is not shown")

    def end(self, trailers: Any, error: str) -> None:
        """Learn that the answer is over; why, where it has no proper end."""
        if self._complete or self._over:
            return
        self._complete = True
        types = self._core.types
        end = types.TryEnd(size_bytes=self._size, error=error)
        for name, value in trailers:
            end.trailers.add(name=name, value=value)
        self._put(self._elapsed(types.TryEvent(end=end)))
        self._close()

    def _unreachable(self, failure: Failure) -> None:
        if not self._over:
            self.end((), f"the listener cannot be reached: {failure.getErrorMessage()}")

    def _expire(self, seconds: float) -> None:
        self.end((), f"there was no whole answer within {seconds:g} s")

    def _close(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._connection is not None:
            self._connection.close()
        elif self._connecting is not None:
            self._connecting.cancel()

    def _put(self, event: Any) -> None:
        self._events.append(event)
        self._deliver()

    def _deliver(self) -> None:
        while self._events and not self._paused and not self._over:
            self._receiver.message(self._events.popleft())
        if self._complete and not self._events and not self._over:
            self._over = True
            self._receiver.ended(None, ())


def _host(service: Service | None) -> str:
    host = service.hosts[0] if service is not None and service.hosts else "localhost"
    return f"www{host[1:]}" if host.startswith("*") else host


class _Client(Protocol):
    """Sends one request, and reads its answer."""

    transport: Any

    def __init__(self, owner: Try, sent: _Sent) -> None:
        self._owner = owner
        self._sent = sent
        self._answer = Answer(sent.head.startswith(b"HEAD "))
        self._is_closed = False

    def connectionMade(self) -> None:
        self.transport.write(self._sent.head + self._sent.body)
        self._owner.connected(self)

    def dataReceived(self, data: bytes) -> None:
        if self._is_closed:
            return
        had_head = self._answer.has_head
        error = self._answer.feed(data)
        self._tell(had_head)
        if error or self._answer.is_complete:
            self._owner.end(self._answer.trailers, error)

    def _tell(self, had_head: bool) -> None:
        if self._answer.has_head and not had_head:
            self._owner.head(self._answer, self._sent)
        for text, data in self._answer.pieces():
            self._owner.body(text, data)

    def connectionLost(self, reason: Failure = Protocol) -> None:  # type: ignore[assignment]  # noqa: ARG002
        if self._is_closed:
            return
        error = self._answer.feed_end()
        self._tell(had_head=True)
        self._owner.end(self._answer.trailers, error)

    def pause(self) -> None:
        self.transport.pauseProducing()

    def resume(self) -> None:
        self.transport.resumeProducing()

    def close(self) -> None:
        self._is_closed = True
        self.transport.abortConnection()


class _Factory(Factory):
    noisy = False

    def __init__(self, owner: Try, sent: _Sent) -> None:
        self._owner = owner
        self._sent = sent

    def buildProtocol(self, _address: Any) -> _Client:
        return _Client(self._owner, self._sent)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS to ourselves: the certificate is for the names that clients use."""

    def __init__(self, host: str) -> None:
        self._host = host.rpartition(":")[0] or host

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        context = CertificateOptions(verify=False).getContext()
        connection = SSL.Connection(context, None)
        connection.set_app_data(protocol)
        if not self._host.replace(".", "").isdigit() and ":" not in self._host:
            connection.set_tlsext_host_name(self._host.encode("ascii", "replace"))
        return connection
