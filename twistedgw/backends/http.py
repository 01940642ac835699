"""HTTP and HTTPS backends: a pool of connections, spoken to through treq.

treq is a client's library: it follows redirects, keeps cookies and decodes gzip. A gateway passes all of that on, so
each request goes through an agent that sends exactly what it was given.
"""

from __future__ import annotations

import hashlib
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from treq.client import HTTPClient
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from twistedgw.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
    from twisted.web.iweb import IBodyProducer, IResponse

    from twistedgw.config.model import Backend

__all__ = ["HttpUpstream"]

CONNECT_TIMEOUT = 5.0
"""Seconds."""

IDLE_CONNECTIONS = 64
"""Kept open to one backend while nothing is on its way."""


class HttpUpstream:
    """An HTTP backend: its connections, and the requests that are on their way.

    Attributes:
        identity: equal for two configurations between which nothing about the connections has changed.
        url: the base that paths are put behind, without a slash at its end.
        in_flight: requests on their way.
        max_in_flight: None for no limit of its own.
        reactor: that of the connections, and of the clock of whoever waits for them.
    """

    def __init__(self, backend: Backend, reactor: Any, read: Callable[[Path], bytes] = Path.read_bytes) -> None:
        """Read what the connections need; nothing is opened. Any thread.

        Args:
            backend: its configuration.
            reactor: see the class.
            read: gives the content of a file, or raises OSError.

        Raises:
            ConfigError: a certificate file cannot be read or used.
        """
        self.reactor = reactor
        self._tls = _ClientTLS(backend, read) if backend.protocol.is_tls else None
        self._pool: HTTPConnectionPool | None = None
        self.url = backend.targets[0].rstrip("/")
        self.authority = urlsplit(self.url).netloc.encode("idna" if not self.url.isascii() else "ascii")
        self.identity = (backend.protocol, self.url, self._tls.identity if self._tls else None)
        self.in_flight = 0
        self.max_in_flight = backend.max_in_flight

    def request(
        self, method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], body: IBodyProducer | None
    ) -> Deferred[IResponse]:
        """Send a request as it is. Reactor thread only.

        Args:
            method: the HTTP method.
            target: path and query, as they go on the wire behind the base.
            fields: all header fields but Content-Length and Transfer-Encoding.
            body: produces the body; None for none.

        Returns:
            the response as soon as its head is there, its body not yet delivered. Fails with what
            `twisted.web.client.Agent` fails with; cancelling it closes the connection.
        """
        exact = _Exact(self._agent(), method, self.url.encode("ascii") + target, fields)
        client = HTTPClient(exact, cookiejar=CookieJar(DefaultCookiePolicy(allowed_domains=[])))  # type: ignore[arg-type]
        found: Any = client.request(
            method.decode("latin-1"),
            self.url,
            data=body,
            allow_redirects=False,
            unbuffered=True,
            reactor=self.reactor,
        )
        response: Deferred[IResponse] = found
        return response

    def _agent(self) -> Agent:
        if self._pool is None:
            self._pool = HTTPConnectionPool(self.reactor)
            self._pool.maxPersistentPerHost = IDLE_CONNECTIONS
        policy = {"contextFactory": self._tls} if self._tls else {}
        return Agent(self.reactor, connectTimeout=CONNECT_TIMEOUT, pool=self._pool, **policy)

    def state(self) -> str:
        """Give ``idle`` or ``ready``: HTTP connections come and go."""
        # The pool tells it nowhere else.
        return "ready" if self._pool is not None and self._pool._connections else "idle"  # noqa: SLF001

    def close(self) -> None:
        """Close idle connections; requests on their way end by themselves. Idempotent. Reactor thread only."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.closeCachedConnections()


@implementer(IPolicyForHTTPS)
class _ClientTLS:
    """Verifies the server's certificate (by service-identity), and shows our own where there is one."""

    def __init__(self, backend: Backend, read: Callable[[Path], bytes]) -> None:
        self._name = backend.server_name
        files = _Files(backend, read)
        ca = files.read("ca", backend.ca)
        own = [files.read("certificate", backend.certificate), files.read("private_key", backend.private_key)]
        self._trust = files.parse("ca", _authorities, ca) if ca else platformTrust()
        pair = b"\n".join(each for each in own if each)
        self._own = files.parse("certificate", PrivateCertificate.loadPEM, pair) if pair else None
        if files.problems:
            raise ConfigError(files.problems)
        self.identity = (self._name, hashlib.sha256(ca or b"").hexdigest(), hashlib.sha256(pair).hexdigest())

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:  # noqa: ARG002
        """Give the TLS side of a connection (`IPolicyForHTTPS`)."""
        name = self._name or hostname.decode("ascii")
        creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(
            name,
            trustRoot=self._trust,
            clientCertificate=self._own,
            extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_2},
        )
        return creator


class _Files:
    def __init__(self, backend: Backend, read: Callable[[Path], bytes]) -> None:
        self._backend = backend
        self._content = read
        self.problems: list[Problem] = []

    def read(self, option: str, path: Path | None) -> bytes | None:
        try:
            return self._content(path) if path else None
        except OSError as error:
            self._tell(option, f"{path} cannot be read: {error.strerror}")
            return None

    def parse(self, option: str, parser: Any, data: bytes) -> Any:
        try:
            return parser(data)
        except Exception:  # noqa: BLE001 - OpenSSL's errors have no common base below it
            self._tell(option, f"{getattr(self._backend, option)} holds nothing usable in PEM form")
            return None

    def _tell(self, option: str, message: str) -> None:
        self.problems.append(self._backend.place.problem(option, message))


def _authorities(data: bytes) -> Any:
    end = b"-----END CERTIFICATE-----"
    blocks = [block + end for block in data.split(end)[:-1]]
    if not blocks:
        raise ValueError("no certificate")
    return trustRootFromCertificates([Certificate.loadPEM(block) for block in blocks])


@implementer(IAgent)
class _Exact:
    """Sends what the gateway's client sent, whatever treq made of it, and keeps the answer's encoding as it is."""

    def __init__(self, agent: Agent, method: bytes, uri: bytes, fields: list[tuple[bytes, bytes]]) -> None:
        self._agent = agent
        self._method = method
        self._uri = uri
        self._headers = Headers()
        for name, value in fields:
            self._headers.addRawHeader(name, value)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send it (`IAgent`)."""
        del method, uri, headers
        response: Deferred[IResponse] = self._agent.request(self._method, self._uri, self._headers, bodyProducer)
        return response.addCallback(_hide_encoding)


ENCODING = b"x-twistedgw-encoding"
"""Under this name the answer's Content-Encoding passes treq, which would decode it."""


def _hide_encoding(response: IResponse) -> IResponse:
    encodings = response.headers.getRawHeaders(b"content-encoding")
    if encodings:
        response.headers.setRawHeaders(ENCODING, encodings)
        response.headers.removeHeader(b"content-encoding")
    return response
