"""A site on real sockets, and clients for it on the same reactor."""

import functools
import socket
import ssl as stdlib_ssl
import warnings

import trustme
from channel_world import LIMITS, Leaf, echo, page
from twisted.internet import endpoints, reactor, ssl
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from twistedgw.web.site import GatewaySite


@functools.cache
def authority():
    return trustme.CA()


@functools.cache
def certificate():
    return authority().issue_cert("127.0.0.1", "localhost")


def server_options(protocols):
    pem = certificate().private_key_and_cert_chain_pem.bytes()
    private = ssl.PrivateCertificate.loadPEM(pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyOpenSSL about Twisted
        options = ssl.CertificateOptions(
            privateKey=private.privateKey.original, certificate=private.original, acceptableProtocols=protocols
        )
        options.getContext()
    return options


@implementer(IHandshakeListener)
class Caller(Protocol):
    """A client's end of a connection."""

    def __init__(self):
        self.received = bytearray()
        self.lost = None
        self.secured = False
        self._waiting = []

    def dataReceived(self, data):
        self.received += data
        self._wake()

    def handshakeCompleted(self):
        self.secured = True
        self._wake()

    def connectionLost(self, reason):
        self.lost = reason
        self._wake()

    def _wake(self):
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    async def until(self, done):
        """Wait until there is what was waited for; fails when it can never be."""
        while not done(self):
            if self.lost is not None:
                raise AssertionError(f"lost after {bytes(self.received[-500:])!r}: {self.lost.value}")
            change = Deferred()
            self._waiting.append(change)
            await change

    async def until_lost(self):
        await self.until(lambda self: self.lost is not None)

    def send(self, data):
        self.transport.write(data)
        return self

    def leave(self):
        """Reset the connection."""
        self.transport.abortConnection()

    def hang_up(self):
        """Close the TCP connection as the end of a process does, whatever TLS would have to say."""
        getattr(self.transport, "transport", self.transport).loseConnection()


class Signal:
    """Something that happens and is waited for."""

    def __init__(self):
        self.value = None
        self._done = Deferred()
        self._happened = False

    def __call__(self, value=None):
        if not self._happened:
            self._happened = True
            self.value = value
            self._done.callback(None)

    async def wait(self):
        if not self._happened:
            await self._done
        return self.value


class SocketTests(TestCase):
    """Has a site that listens; `secure` says whether by TLS."""

    timeout = 20
    llhttp = True
    secure = False
    http2 = False

    def setUp(self):
        self.limits = LIMITS
        self.callers = []
        self.ports = []

    async def tearDown(self):
        for caller in self.callers:
            if caller.lost is None:
                caller.transport.abortConnection()
                await caller.until_lost()
        await DeferredList([Deferred.fromCoroutine(self._stop(port)) for port in self.ports], fireOnOneErrback=True)
        if self.ports:
            gone = self.site.drain()
            self.site.abort()
            await gone

    async def _stop(self, port):
        await port.stopListening()

    async def serve(self, answer=echo, begin=None, endpoint="tcp:0:interface=127.0.0.1"):
        self.leaf = Leaf(answer, begin)
        self.site = GatewaySite(
            self.leaf, lambda: self.limits, page, llhttp=self.llhttp, http2=self.http2, reactor=reactor
        )
        factory = self.site
        if self.secure:
            factory = TLSMemoryBIOFactory(server_options(self.site.acceptable_protocols), False, self.site)
        self.port = await endpoints.serverFromString(reactor, endpoint).listen(factory)
        self.ports.append(self.port)

    async def connect(self, protocols=(), caller=Caller):
        address = self.port.getHost()
        endpoint = endpoints.HostnameEndpoint(reactor, address.host, address.port)
        if self.secure:
            endpoint = endpoints.wrapClientTLS(client_options(protocols), endpoint)
        made = await endpoint.connect(Factory.forProtocol(caller))
        self.callers.append(made)
        if self.secure:
            await made.until(lambda made: made.secured)
        return made

    async def ask(self, data):
        return (await self.connect()).send(data)

    async def blocking(self, work):
        """Let `work` have a socket of its own in a thread."""
        address = self.port.getHost()

        def run():
            with socket.create_connection((address.host, address.port), timeout=10) as plain:
                plain.settimeout(10)
                if not self.secure:
                    return work(plain)
                context = stdlib_ssl.create_default_context()
                authority().configure_trust(context)
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    return work(secure)

        return await deferToThread(run)


def client_options(protocols):
    trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(authority().cert_pem.bytes())])
    return ssl.optionsForClientTLS("127.0.0.1", trustRoot=trust, acceptableProtocols=list(protocols) or None)


def drain_socket(sock):
    """Read until the server has ended; a reset is an error."""
    data = b""
    while True:
        part = sock.recv(65536)
        if not part:
            return data
        data += part
