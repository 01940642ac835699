"""A site and its clients in memory, with a clock that stands still."""

import json
import sys

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from twistedgw.web.limits import Limits
from twistedgw.web.site import GatewaySite

LIMITS = Limits(
    max_request_body=1000, max_header_size=2000, max_headers=20, header_timeout=10, body_timeout=30, idle_timeout=60
)
BUFFER = 64 * 1024


def page(error):
    body = json.dumps({"status": error.http_status, "reason": error.reason, "message": error.message}).encode()
    return error.http_status, [(b"Content-Type", b"application/json"), *_headers(error)], body


def _headers(error):
    return [(name.encode(), value.encode()) for name, value in error.headers]


def echo(request):
    """Answer with all that the resource was told."""
    body = json.dumps(
        {
            "method": request.method.decode(),
            "path": request.path.decode("latin-1"),
            "query": request.query.decode("latin-1") if request.has_query else None,
            "host": None if request.host_header is None else request.host_header.decode("latin-1"),
            "body": request.body.decode("latin-1"),
        }
    ).encode()
    request.respond(200, [(b"Content-Type", b"application/json")], body)
    return NOT_DONE_YET


def wait(request):
    return NOT_DONE_YET


class Leaf(Resource):
    """Keeps the requests it is asked for, and answers as it was told to."""

    isLeaf = True

    def __init__(self, answer, begin=None):
        super().__init__()
        self.answer = answer
        self.requests = []
        if begin is not None:
            self.begin = lambda request: begin(request)

    def render(self, request):
        self.requests.append(request)
        return self.answer(request)


class Sink:
    """Keeps what it gets; `BodySink`."""

    patient = False

    def __init__(self, request=None, pause_after=None):
        self.request = request
        self.pause_after = pause_after
        self.pieces = []
        self.ends = []

    @property
    def body(self):
        return b"".join(self.pieces)

    def dataReceived(self, data):
        assert data
        assert not self.ends
        self.pieces.append(data)
        if self.pause_after is not None and len(self.body) >= self.pause_after:
            self.request.pause_body()

    def finished(self):
        self.ends.append("finished")

    def aborted(self, reason):
        self.ends.append(reason)


@implementer(ITCPTransport, IPushProducer)
class Wire:
    """Both the transport of one connection and its client.

    Attributes:
        reads: how many bytes the client still takes; None for all.
        received: what the client has got.
        ended: the server has sent the end of its half.
        aborted: the server has reset the connection.
    """

    def __init__(self, protocol, reads=None):
        self.protocol = protocol
        self.reads = reads
        self.received = b""
        self.writes = []
        self.ended = self.aborted = self.closed = False
        self.disconnecting = False
        self.paused = False
        self._outgoing = b""
        self._incoming = b""
        self._producer = None
        self._producer_paused = False
        protocol.makeConnection(self)

    # -- the client

    def send(self, *pieces):
        for data in pieces:
            self._incoming += data
            self._arrive()
        return self

    def _arrive(self):
        while self._incoming and not self.paused and not self.closed and not (self.disconnecting and not self.ended):
            data, self._incoming = self._incoming[:BUFFER], self._incoming[BUFFER:]
            self.protocol.dataReceived(data)

    def read(self, count=None):
        """Let the client take some bytes more, or all there will ever be."""
        self.reads = None if count is None else (self.reads or 0) + count
        self._flush()

    def leave(self):
        """Close the client's end."""
        self._lose(ConnectionDone())

    @property
    def unread(self):
        return len(self._outgoing)

    # -- the transport

    def write(self, data):
        assert type(data) is bytes
        if self.closed or self.ended:
            return
        self.writes.append(data)
        self._outgoing += data
        self._flush()
        if len(self._outgoing) > BUFFER and self._producer is not None:
            self._producer_paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data):
        self.write(b"".join(data))

    def _flush(self):
        count = len(self._outgoing) if self.reads is None else min(self.reads, len(self._outgoing))
        if self.reads is not None:
            self.reads -= count
        self.received += self._outgoing[:count]
        self._outgoing = self._outgoing[count:]
        if self._outgoing:
            return
        if self._producer_paused and self._producer is not None:
            self._producer_paused = False
            self._producer.resumeProducing()
        elif self.disconnecting and self._producer is None:
            self._lose(ConnectionDone())

    def registerProducer(self, producer, streaming):
        assert self._producer is None
        assert streaming
        self._producer = producer

    def unregisterProducer(self):
        self._producer = None
        self._producer_paused = False
        if self.disconnecting:
            self._flush()

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False

    def stopProducing(self):
        self.loseConnection()

    def loseConnection(self):
        """Close when all is written, and nobody will write more: TLS waits for that."""
        if not self.closed and not self.disconnecting:
            self.disconnecting = True
            self._flush()

    def abortConnection(self):
        if not self.closed:
            self.aborted = True
            self._outgoing = b""
            self._lose(ConnectionAborted())

    def _lose(self, reason):
        if self.closed:
            return
        self.closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        self.protocol.connectionLost(Failure(reason))

    def getHandle(self):
        return self

    def getsockopt(self, level, option, size):
        """Tell what TCP_INFO tells: how much the client has taken."""
        return (bytes(120) + len(self.received).to_bytes(8, sys.byteorder))[:size]

    def setTcpNoDelay(self, enabled):
        assert enabled

    def getPeer(self):
        return IPv4Address("TCP", "192.0.2.1", 50000)

    def getHost(self):
        return IPv4Address("TCP", "192.0.2.2", 8080)


class Answer:
    """One answer, read strictly."""

    def __init__(self, data, method):
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end, f"no whole head in {data!r}"
        line, *lines = head.split(b"\r\n")
        version, status, self.reason = line.split(b" ", 2)
        assert version in (b"HTTP/1.1", b"HTTP/1.0")
        self.status = int(status)
        self.fields = []
        for text in lines:
            name, colon, value = text.partition(b": ")
            assert colon
            assert name.strip() == name
            self.fields.append((name.lower(), value))
        self.trailers = []
        self.complete = True
        self.delimited = True
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            self.body = b""
            self.rest = rest
        elif self.field(b"transfer-encoding") == b"chunked":
            assert self.field(b"content-length") is None
            self.body, self.rest = self._chunks(rest)
        elif self.field(b"content-length") is not None:
            length = int(self.field(b"content-length"))
            self.body, self.rest = rest[:length], rest[length:]
            self.complete = len(self.body) == length
        else:
            self.body, self.rest = rest, b""
            self.delimited = False

    def _chunks(self, rest):
        body = b""
        while True:
            size, end, after = rest.partition(b"\r\n")
            if not end:
                self.complete = False
                return body, b""
            if int(size, 16) == 0:
                break
            chunk, rest = after[: int(size, 16)], after[int(size, 16) :]
            body += chunk
            if not rest.startswith(b"\r\n"):
                assert rest in (b"", b"\r")
                self.complete = False
                return body, b""
            rest = rest[2:]
        while not after.startswith(b"\r\n"):
            line, end, after = after.partition(b"\r\n")
            assert end
            name, colon, value = line.partition(b": ")
            assert colon
            self.trailers.append((name.lower(), value))
        return body, after[2:]

    def field(self, name):
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name} twice"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        return self.field(b"connection") == b"close"


def answers(data, methods=()):
    """Read all answers of a connection; `methods` are those of the requests, in order (others count as GET)."""
    found = []
    methods = list(methods)
    while data:
        answer = Answer(data, methods[0] if methods else "GET")
        found.append(answer)
        data = answer.rest
        if answer.status >= 200 and methods:
            methods.pop(0)
    return found


class ChannelTests(SynchronousTestCase):
    """Has a site whose time stands still; `llhttp` says which channel it uses."""

    llhttp = True

    def setUp(self):
        self.clock = Clock()
        self.limits = LIMITS
        self.sites = []

    def serve(self, answer=echo, begin=None):
        self.leaf = Leaf(answer, begin)
        self.site = GatewaySite(self.leaf, lambda: self.limits, page, llhttp=self.llhttp, reactor=self.clock)
        self.sites.append(self.site)
        return self.site

    def connect(self, reads=None):
        return Wire(self.site.buildProtocol(None), reads)

    def ask(self, *pieces):
        """Send bytes over a new connection, and give it."""
        return self.connect().send(*pieces)

    def one(self, wire, method="GET"):
        """Give the only answer."""
        found = answers(wire.received, [method])
        self.assertEqual(len(found), 1, wire.received)
        return found[0]

    def advance(self, seconds):
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def tearDown(self):
        for site in self.sites:
            site.abort()
            self.assertEqual(site.connections, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


def request(line=b"GET / HTTP/1.1", *fields, host=b"a.example", body=b""):
    lines = [line, *([b"Host: " + host] if host is not None else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
