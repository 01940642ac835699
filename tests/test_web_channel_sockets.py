"""The channels on real sockets: TCP, TLS and UNIX."""

import os
import shutil
import socket
import struct
import tempfile
import threading

from channel_sockets import Caller, Signal, SocketTests, drain_socket
from channel_world import LIMITS, Sink, answers, request, wait
from twisted.internet import endpoints, reactor
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.web.server import NOT_DONE_YET

SHORT = LIMITS.__class__(
    max_request_body=1000, max_header_size=2000, max_headers=20, header_timeout=0.2, body_timeout=0.2, idle_timeout=0.2
)


def large(size):
    def answer(request):
        request.respond(200, [], b"x" * size)
        return NOT_DONE_YET

    return answer


def body_is(size):
    def done(caller):
        return len(caller.received) >= size and caller.received.endswith(b"x")

    return done


class TcpTests(SocketTests):
    async def test_requests(self):
        """Requests one after the other, and many at once, on one connection."""
        await self.serve()
        caller = await self.connect()
        for count in (1, 1, 10):
            caller.received.clear()
            caller.send(request(b"POST /a HTTP/1.1", b"Content-Length: 5", body=b"hello") * count)
            await caller.until(lambda caller, count=count: caller.received.count(b"hello") == count)
        self.assertEqual(self.site.connections, 1)
        self.assertEqual(self.leaf.requests[0].peer_host, "127.0.0.1")
        self.assertEqual(bool(self.leaf.requests[0].isSecure()), self.secure)

    async def test_connection_close(self):
        """The client sees the end after the whole answer."""
        await self.serve(large(1_000_000))
        caller = await self.ask(request(b"GET / HTTP/1.1", b"Connection: close"))
        await caller.until_lost()
        (answer,) = answers(bytes(caller.received))
        self.assertEqual(len(answer.body), 1_000_000)

    async def test_large_answers(self):
        """Answers that fill every buffer arrive whole and in order."""
        await self.serve(large(3_000_000))
        caller = await self.ask(request() * 3)
        await caller.until(body_is(9_000_000))
        found = answers(bytes(caller.received))
        self.assertEqual([len(answer.body) for answer in found], [3_000_000] * 3)

    async def test_slow_reader(self):
        """A client that stops reading pauses whoever writes; when it goes on, nothing is missing."""
        paused, done = Signal(), Signal()

        class Producer:
            def __init__(self, request):
                self.request = request
                self.left = 300
                self.running = True
                request.start(200, [])
                request.registerProducer(self, True)
                self.run()

            def run(self):
                while self.running and self.left:
                    self.left -= 1
                    self.request.write(b"x" * 20_000)
                if not self.left:
                    self.request.unregisterProducer()
                    self.request.finish_stream()
                    done()

            def pauseProducing(self):
                self.running = False
                paused(self.left)

            def resumeProducing(self):
                self.running = True
                reactor.callLater(0, self.run)

            def stopProducing(self):
                raise AssertionError

        def answer(request):
            Producer(request)
            return NOT_DONE_YET

        await self.serve(answer)

        caller = await self.connect()
        caller.transport.pauseProducing()
        caller.send(request())
        left = await paused.wait()
        self.assertGreater(left, 0)
        caller.transport.resumeProducing()
        await done.wait()
        await caller.until(lambda caller: caller.received.endswith(b"0\r\n\r\n"))
        (found,) = answers(bytes(caller.received))
        self.assertEqual(len(found.body), 6_000_000)

    async def test_client_leaves(self):
        """That the client left is noticed though nothing is being read or written for it."""
        left = Signal()

        def answer(request):
            request.notifyFinish().addErrback(left)
            asked()
            return NOT_DONE_YET

        for leave in (Caller.leave, Caller.hang_up, lambda caller: caller.transport.loseConnection()):
            left, asked = Signal(), Signal()
            await self.serve(answer)
            caller = await self.ask(request())
            await asked.wait()
            leave(caller)
            self.assertIsNotNone(await left.wait())

    async def test_refused_upload(self):
        """A client that sends all of a body before it reads gets the answer that refused it."""
        await self.serve()

        def upload(sock):
            sock.sendall(request(b"POST / HTTP/1.1", b"Content-Length: 3000000"))
            sock.sendall(b"x" * 3_000_000)
            return drain_socket(sock)

        (answer,) = answers(await self.blocking(upload))
        self.assertEqual((answer.status, answer.closes), (413, True))

    async def test_refused_head(self):
        """So does one that goes on after a head that is no good."""
        await self.serve()

        def upload(sock):
            sock.sendall(b"GET  / HTTP/1.1\r\n\r\n")
            for _ in range(50):
                sock.sendall(b"x" * 20_000)
            return drain_socket(sock)

        (answer,) = answers(await self.blocking(upload))
        self.assertEqual((answer.status, answer.closes), (400, True))

    async def test_drain(self):
        """Draining is over when the last connection is."""
        await self.serve(wait)
        asked = Signal()
        self.leaf.answer = lambda request: asked() or NOT_DONE_YET
        caller = await self.ask(request())
        await asked.wait()
        gone = self.site.drain()
        self.assertFalse(gone.called)
        self.leaf.requests[0].respond(200, [], b"hello")
        await gone
        await caller.until_lost()
        (answer,) = answers(bytes(caller.received))
        self.assertTrue(answer.closes)


class TlsTests(TcpTests):
    secure = True


class PlainTcpTests(TcpTests):
    llhttp = False

    async def test_refused_upload(self):
        """Twisted's channel reads all of it first."""
        await self.serve()

        def upload(sock):
            sock.sendall(request(b"POST / HTTP/1.1", b"Content-Length: 3000000"))
            sock.sendall(b"x" * 3_000_000)
            return sock.recv(65536)

        (answer,) = answers(await self.blocking(upload))
        self.assertEqual(answer.status, 413)

    async def test_refused_head(self):
        """Twisted's channel closes at once, so the answer may be lost; it must not hang."""
        await self.serve()
        caller = await self.ask(b"GET  / HTTP/1.1\r\n\r\n")
        await caller.until_lost()
        self.assertIn(b" 400 ", caller.received)


class PlainTlsTests(PlainTcpTests):
    secure = True


class OurTcpTests(SocketTests):
    async def test_leaves_while_its_body_waits(self):
        """That the client left is noticed while nothing is read from it."""
        left, begun = Signal(), Signal()
        sink = Sink()

        def begin(request):
            request.on_disconnect = left
            request.pause_body()
            begun(request)
            return sink

        self.limits = SHORT
        await self.serve(begin=begin)
        caller = await self.ask(request(b"POST / HTTP/1.1", b"Content-Length: 5000000", body=b"x" * 10_000))
        await begun.wait()
        await wait_a_turn()
        caller.hang_up()
        await left.wait()
        await wait_a_turn()
        self.assertEqual(len(sink.ends), 1)
        self.assertEqual(sink.body, b"")

    async def test_leaves_after_sending_too_much_ahead(self):
        """The same holds where the client has to wait with later requests."""
        left = Signal()

        def answer(request):
            request.on_disconnect = left
            return NOT_DONE_YET

        self.limits = SHORT
        await self.serve(answer)
        caller = await self.connect()
        caller.send(request() * 1000)
        while not self.leaf.requests:
            await wait_a_turn()
        caller.hang_up()
        await left.wait()

    async def test_does_not_read(self):
        """A client that does not read is cut off in the end."""
        left = Signal()

        def answer(request):
            request.on_disconnect = left
            request.start(200, [])
            request.write(b"x" * 20_000_000)
            return NOT_DONE_YET

        self.limits = SHORT
        await self.serve(answer)
        caller = await self.connect()
        caller.send(request())
        caller.transport.pauseProducing()
        await left.wait()

    async def test_idle(self):
        """An idle connection is closed, by real time."""
        self.limits = SHORT
        await self.serve()
        caller = await self.ask(request())
        await caller.until_lost()
        self.assertEqual(len(answers(bytes(caller.received))), 1)

    async def test_reset(self):
        """A client that resets the connection in the middle of everything is no error."""
        asked = threading.Event()
        self.limits = SHORT
        await self.serve(lambda request: asked.set() or NOT_DONE_YET)

        def reset(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request() * 3 + b"GET / H")
            self.assertTrue(asked.wait(10))

        await self.blocking(reset)
        for seen in self.leaf.requests:
            while not seen.disconnected:
                seen.respond(200, [], b"x" * 100_000)
                await wait_a_turn()


class OurTlsTests(OurTcpTests):
    secure = True

    async def test_handshake_that_never_begins(self):
        """A connection without a handshake is given up."""
        self.limits = SHORT
        for http2 in (False, True):
            self.http2 = http2
            await self.serve()
            self.assertEqual(await self.blocking_plain(), b"")

    async def blocking_plain(self):
        self.secure = False
        try:
            return await self.blocking(read_to_the_end)
        finally:
            self.secure = True


def read_to_the_end(sock):
    try:
        return drain_socket(sock)
    except ConnectionResetError:
        return b""


class ResetTests(SocketTests):
    async def test_reset_that_comes_with_data(self):
        """A client that asks and resets in one moment is noticed to have left, which uvloop does not tell."""
        left = Signal()

        def answer(request):
            request.on_disconnect = left
            return NOT_DONE_YET

        await self.serve(answer)
        address = self.port.getHost()
        with socket.create_connection((address.host, address.port)) as sock:
            while not self.site.connections:
                await wait_a_turn()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request())
        await left.wait()


class OtherTransportTests(SocketTests):
    folder = None

    async def tearDown(self):
        await super().tearDown()
        if self.folder is not None:
            shutil.rmtree(self.folder)

    async def test_unix(self):
        """On a UNIX socket there is no peer's address."""
        self.folder = tempfile.mkdtemp()
        path = os.path.join(self.folder, "socket")
        await self.serve(endpoint=f"unix:{path}")
        caller = await endpoints.UNIXClientEndpoint(reactor, path).connect(Factory.forProtocol(Caller))
        self.callers.append(caller)
        caller.send(request() * 2)
        await caller.until(lambda caller: caller.received.count(b"HTTP/1.1 200") == 2)
        self.assertEqual(self.leaf.requests[0].peer_host, "")

    async def test_proxy_protocol(self):
        """Behind a PROXY protocol the peer is the one that the proxy tells of."""
        await self.serve(endpoint="haproxy:tcp:0:interface=127.0.0.1")
        caller = await self.ask(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n" + request() * 2)
        await caller.until(lambda caller: caller.received.count(b"HTTP/1.1 200") == 2)
        self.assertEqual([seen.peer_host for seen in self.leaf.requests], ["192.0.2.7"] * 2)


async def wait_a_turn():
    await deferLater(reactor, 0.01)
