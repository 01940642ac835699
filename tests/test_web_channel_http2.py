"""HTTP/2, negotiated by ALPN, with a client driven by hand."""

from collections import defaultdict

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from channel_sockets import Caller, Signal, SocketTests
from channel_world import LIMITS, Sink, answers, request, wait
from hyperframe.frame import GoAwayFrame
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.web.server import NOT_DONE_YET

SHORT = LIMITS.__class__(
    max_request_body=1000, max_header_size=2000, max_headers=20, header_timeout=5, body_timeout=0.2, idle_timeout=0.3
)
WINDOW = 65_535


class Stream:
    def __init__(self):
        self.headers = None
        self.body = b""
        self.ended = False
        self.reset = None
        self.informational = []

    @property
    def status(self):
        return int(dict(self.headers)[b":status"])

    def field(self, name):
        return dict(self.headers).get(name)


class H2Caller(Caller):
    """A client that takes as much as it is told to.

    Attributes:
        reads: whether windows are opened again for what has been read.
    """

    def __init__(self):
        super().__init__()
        self.streams = defaultdict(Stream)
        self.goaway = None
        self.reads = True
        self.conn = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )

        self.conn._frame_dispatch_table[GoAwayFrame] = self._goes_away

    def _goes_away(self, frame):
        """Take note, and go on with the open streams, which h2 would not."""
        self.goaway = frame
        return [], []

    def begin(self):
        self.conn.initiate_connection()
        self.flush()
        return self

    def flush(self):
        self.transport.write(self.conn.data_to_send())

    def dataReceived(self, data):
        for event in self.conn.receive_data(data):
            stream = self.streams[getattr(event, "stream_id", None)]
            if isinstance(event, h2.events.ResponseReceived):
                stream.headers = event.headers
            elif isinstance(event, h2.events.InformationalResponseReceived):
                stream.informational.append(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                stream.body += event.data
                if self.reads:
                    self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream.ended = True
            elif isinstance(event, h2.events.StreamReset):
                stream.reset = event.error_code
        self.flush()
        self._wake()

    def ask(self, method="GET", path="/", fields=(), body=b"", *, end=True):
        stream_id = self.conn.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "https"), (":authority", "a.example"), (":path", path), *fields]
        headers = [header for header in headers if header[1] is not None]
        self.conn.send_headers(stream_id, headers, end_stream=end and not body)
        if body:
            self.conn.send_data(stream_id, body, end_stream=end)
        self.flush()
        return stream_id

    def more(self, stream_id, data, *, end=False):
        self.conn.send_data(stream_id, data, end_stream=end)
        self.flush()

    async def answer(self, stream_id):
        stream = self.streams[stream_id]
        await self.until(lambda _: stream.ended or stream.reset is not None)
        return stream


class Http2Tests(SocketTests):
    secure = True
    http2 = True

    async def h2(self):
        caller = await self.connect([b"h2"], H2Caller)
        self.assertEqual(caller.transport.negotiatedProtocol, b"h2")
        return caller.begin()

    async def get(self, answer, **options):
        await self.serve(answer)
        caller = await self.h2()
        return await caller.answer(caller.ask(**options))

    async def test_negotiation(self):
        """HTTP/2 where the client wants it, HTTP/1.1 otherwise, on the same port."""
        await self.serve()
        self.assertEqual(self.site.acceptable_protocols, [b"h2", b"http/1.1"])
        for protocols in ((), [b"http/1.1"]):
            caller = await self.connect(protocols)
            caller.send(request() * 2)
            await caller.until(lambda caller: len(answers(bytes(caller.received))) == 2)
        caller = await self.h2()
        await caller.answer(caller.ask())
        self.assertEqual(self.site.connections, 3)

    async def test_not_wanted(self):
        """A site without HTTP/2 offers only HTTP/1.1."""
        self.http2 = False
        await self.serve()
        self.assertEqual(self.site.acceptable_protocols, [b"http/1.1"])
        caller = await self.connect([b"h2", b"http/1.1"])
        self.assertEqual(caller.transport.negotiatedProtocol, b"http/1.1")

    async def test_clear_text_of_a_site_with_http2(self):
        """Without TLS there is nothing to negotiate."""
        self.secure = False
        await self.serve()
        caller = await self.connect()
        caller.send(request() * 2)
        await caller.until(lambda caller: len(answers(bytes(caller.received))) == 2)

    async def test_parts_of_a_request(self):
        await self.serve()
        caller = await self.h2()
        fields = [("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-a", "2"), ("content-length", "5")]
        answer = await caller.answer(caller.ask("POST", "/a%2Fb?c=d", fields, b"hello"))
        self.assertEqual(answer.status, 200)
        (seen,) = self.leaf.requests
        self.assertEqual((seen.method, seen.path, seen.query, seen.has_query), (b"POST", b"/a%2Fb", b"c=d", True))
        self.assertEqual((seen.host_header, seen.body, seen.clientproto), (b"a.example", b"hello", b"HTTP/2"))
        self.assertEqual(
            seen.fields,
            [
                (b"host", b"a.example"),
                (b"x-a", b"1"),
                (b"x-a", b"2"),
                (b"content-length", b"5"),
                (b"cookie", b"a=1; b=2"),
            ],
        )
        self.assertEqual((seen.peer_host, seen.isSecure(), seen.getCookie(b"b")), ("127.0.0.1", True, b"2"))
        self.assertEqual(seen.requestHeaders.getRawHeaders("x-a"), ["1", "2"])

    async def test_answers(self):
        """A whole answer, a streamed one, and one by Twisted's means."""

        def stream(request):
            request.start(201, [(b"X-B", b"2"), (b"Connection", b"keep-alive"), (b"Keep-Alive", b"5")])
            request.write(b"hel")
            request.write(b"lo")
            request.finish_stream([(b"t", b"1")])
            return NOT_DONE_YET

        def whole(request):
            request.respond(201, [(b"X-B", b"2"), (b"Transfer-Encoding", b"x")], b"hello", [(b"t", b"1")])
            return NOT_DONE_YET

        def ordinary(request):
            request.setResponseCode(201)
            request.setHeader(b"X-B", b"2")
            return b"hello"

        for answer in (stream, whole, ordinary):
            found = await self.get(answer)
            self.assertEqual((found.status, found.body, found.field(b"x-b")), (201, b"hello", b"2"))
            self.assertIsNotNone(found.field(b"date"))
            self.assertIsNone(found.field(b"transfer-encoding"))

    async def test_an_answer_that_was_only_just_queued_has_not_stalled(self):
        """The site may look at a connection between an answer and its first frame."""

        def answer(request):
            request.respond(200, [], b"here")
            self.assertEqual(self.site.connections, 1)
            for connection in list(self.site._open):
                connection.expire(reactor.seconds())
            return NOT_DONE_YET

        stream = await self.get(answer)
        self.assertEqual((stream.status, stream.body, stream.ended), (200, b"here", True))

    async def test_head(self):
        def answer(request):
            request.respond(200, [], b"hello")
            return NOT_DONE_YET

        found = await self.get(answer, method="HEAD")
        self.assertEqual((found.body, found.field(b"content-length")), (b"", b"5"))

    async def test_hostile_values(self):
        def answer(request):
            request.respond(200, [(b"x-a", b"1\r\nx-evil: 1\0")], b"")
            return NOT_DONE_YET

        self.assertEqual((await self.get(answer)).field(b"x-a").rstrip(), b"1  x-evil: 1")

    async def test_many_at_once(self):
        """Streams are answered side by side."""
        await self.serve(wait)
        caller = await self.h2()
        streams = [caller.ask(path=f"/{number}") for number in range(20)]
        while len(self.leaf.requests) < 20:
            await turn()
        for seen in reversed(self.leaf.requests):
            seen.respond(200, [], seen.path * 10_000)
        for number, stream_id in enumerate(streams):
            self.assertEqual((await caller.answer(stream_id)).body, b"/%d" % number * 10_000)

    async def test_limits(self):
        """What is too long, too large, too much, or malformed is told in JSON, and only that stream ends."""
        await self.serve()
        caller = await self.h2()
        cases = [
            (414, {"path": "/" + "a" * 2000}),
            (431, {"fields": [("x-a", "a" * 2000)]}),
            (431, {"fields": [("x-a", "a")] * 21}),
            (417, {"fields": [("expect", "200-ok")]}),
            (400, {"path": "/a b"}),
            (400, {"path": "/a#b"}),
            (400, {"path": "/\u00e9"}),
            (400, {"path": "a"}),
            (400, {"path": "*"}),
        ]
        for status, options in cases:
            found = await caller.answer(caller.ask(**options))
            self.assertEqual((found.status, found.field(b"content-type")), (status, b"application/json"))
        self.assertEqual(self.leaf.requests, [])
        self.assertEqual((await caller.answer(caller.ask())).status, 200)

    async def test_connect(self):
        """There is no tunnel."""
        await self.serve()
        caller = await self.h2()
        stream_id = caller.conn.get_next_available_stream_id()
        caller.conn.send_headers(stream_id, [(":method", "CONNECT"), (":authority", "b.example:443")], end_stream=True)
        caller.flush()
        stream = caller.streams[stream_id]
        await caller.until(lambda caller: stream.ended or stream.reset is not None or caller.goaway is not None)
        self.assertEqual(self.leaf.requests, [])

    async def test_body_over_the_limit(self):
        """413, by its length or as it comes; the rest is not wanted, and the connection goes on."""
        await self.serve()
        caller = await self.h2()
        for fields in ([("content-length", "5000")], []):
            stream_id = caller.ask("POST", "/", fields, b"x" * 1001, end=False)
            found = await caller.answer(stream_id)
            self.assertEqual(found.status, 413)
            await caller.until(lambda caller, found=found: found.reset is not None)
            self.assertEqual(found.reset, h2.errors.ErrorCodes.NO_ERROR)
        self.assertEqual((await caller.answer(caller.ask("POST", body=b"x" * 1000))).status, 200)

    async def test_rest_of_an_unwanted_body(self):
        """Data that were on the way already are dropped, and counted for the window of the connection."""
        await self.serve(begin=lambda request: request.respond(404, [], b""))
        caller = await self.h2()
        for _ in range(10):
            stream_id = caller.ask("POST", body=b"x" * 16_000, end=False)
            caller.more(stream_id, b"x" * 16_000)
            caller.more(stream_id, b"x" * 16_000, end=True)
            self.assertEqual((await caller.answer(stream_id)).status, 404)
            while caller.conn.outbound_flow_control_window < 50_000:
                await turn()

    async def test_continue(self):
        """100 is sent when the body is wanted, and not when it is refused."""
        await self.serve()
        caller = await self.h2()
        stream_id = caller.ask("POST", fields=[("expect", "100-continue")], end=False)
        stream = caller.streams[stream_id]
        await caller.until(lambda caller: stream.informational)
        caller.more(stream_id, b"hello", end=True)
        self.assertEqual((await caller.answer(stream_id)).status, 200)
        stream_id = caller.ask("POST", fields=[("expect", "100-continue"), ("content-length", "5000")], end=False)
        found = await caller.answer(stream_id)
        self.assertEqual((found.status, found.informational), (413, []))

    async def test_sink(self):
        """A body is handed over as it arrives; a sink that pauses keeps the window shut."""
        sinks, begun = [], Signal()

        def begin(request):
            sinks.append(Sink(request, 10_000))
            begun(request)
            return sinks[0]

        await self.serve(begin=begin)
        caller = await self.h2()
        stream_id = caller.ask("POST", body=b"x" * 10_000, end=False)
        seen = await begun.wait()
        while len(sinks[0].body) < 10_000:
            await turn()
        sent = 10_000
        while caller.conn.local_flow_control_window(stream_id) > 0:
            size = min(16_000, caller.conn.local_flow_control_window(stream_id))
            caller.more(stream_id, b"y" * size)
            sent += size
        await turn()
        self.assertEqual(len(sinks[0].body), 10_000)
        sinks[0].pause_after = None
        seen.resume_body()
        while len(sinks[0].body) < sent:
            await turn()
        while caller.conn.local_flow_control_window(stream_id) < 10:
            await turn()
        caller.more(stream_id, b"z", end=True)
        while not sinks[0].ends:
            await turn()
        self.assertEqual((sinks[0].ends, len(sinks[0].body)), (["finished"], sent + 1))
        seen.respond(200, [], b"ok")
        self.assertEqual((await caller.answer(stream_id)).body, b"ok")

    async def test_client_resets_a_stream(self):
        """Whoever waits for it learns that the client has left; the other streams go on."""
        left, asked = Signal(), Signal()
        sink = Sink()

        def begin(request):
            request.on_disconnect = left
            asked(request)
            return sink

        await self.serve(begin=begin)
        caller = await self.h2()
        stream_id = caller.ask("POST", body=b"he", end=False)
        seen = await asked.wait()
        caller.conn.reset_stream(stream_id)
        caller.flush()
        await left.wait()
        await turn()
        self.assertTrue(seen.disconnected)
        self.assertEqual((sink.body, len(sink.ends)), (b"he", 1))
        seen.respond(200, [], b"late")
        seen.abort()
        self.site.begin = None
        self.assertEqual((await caller.answer(caller.ask())).status, 200)

    async def test_client_leaves(self):
        """The loss of the connection is that of all its streams."""
        left = []
        await self.serve(wait)
        caller = await self.h2()
        for _ in range(3):
            caller.ask()
        while len(self.leaf.requests) < 3:
            await turn()
        for seen in self.leaf.requests:
            seen.notifyFinish().addErrback(left.append)
        caller.leave()
        while len(left) < 3:
            await turn()
        for seen in self.leaf.requests:
            seen.respond(200, [], b"late")

    async def test_abort(self):
        """An answer that is cut resets its stream."""

        def answer(request):
            request.start(200, [])
            request.write(b"hel")
            reactor.callLater(0.01, request.abort)
            return NOT_DONE_YET

        await self.serve(answer)
        caller = await self.h2()
        found = await caller.answer(caller.ask())
        self.assertEqual((found.body, found.ended), (b"hel", False))
        self.assertIsNotNone(found.reset)
        self.assertTrue(self.leaf.requests[0].disconnected)

    async def test_slow_reader(self):
        """A producer is paused when the client's window is full, and goes on when it is opened."""
        paused = Signal()

        class Producer:
            def __init__(self, request):
                self.request = request
                self.left = 50
                self.running = True
                request.start(200, [])
                request.registerProducer(self, True)
                self.run()

            def run(self):
                while self.running and self.left:
                    self.left -= 1
                    self.request.write(b"x" * 10_000)
                if not self.left:
                    self.request.unregisterProducer()
                    self.request.finish_stream()

            def pauseProducing(self):
                self.running = False
                paused(self.left)

            def resumeProducing(self):
                self.running = True
                self.run()

            def stopProducing(self):
                raise AssertionError

        def answer(request):
            Producer(request)
            return NOT_DONE_YET

        await self.serve(answer)
        caller = await self.h2()
        caller.reads = False
        stream_id = caller.ask()
        self.assertGreater(await paused.wait(), 40)
        stream = caller.streams[stream_id]
        await caller.until(lambda caller: len(stream.body) == WINDOW)
        caller.reads = True
        caller.conn.acknowledge_received_data(WINDOW, stream_id)
        caller.flush()
        self.assertEqual(len((await caller.answer(stream_id)).body), 500_000)

    async def test_does_not_read(self):
        """A client whose window stays shut is cut off."""
        self.limits = SHORT
        left = Signal()

        def answer(request):
            request.on_disconnect = left
            request.start(200, [])
            request.write(b"x" * 1_000_000)
            return NOT_DONE_YET

        await self.serve(answer)
        caller = await self.h2()
        caller.reads = False
        caller.ask()
        await left.wait()
        await caller.until_lost()

    async def test_silence_in_a_body(self):
        """A body that does not come is 408."""
        self.limits = SHORT
        await self.serve()
        caller = await self.h2()
        found = await caller.answer(caller.ask("POST", body=b"he", end=False))
        self.assertEqual(found.status, 408)

    async def test_idle(self):
        """A connection without streams is closed after a while, with GOAWAY; one with a stream is not."""
        self.limits = SHORT
        await self.serve(wait)
        caller = await self.h2()
        stream_id = caller.ask()
        await deferLater(reactor, 0.7)
        self.assertIsNone(caller.goaway)
        self.leaf.requests[0].respond(200, [], b"")
        await caller.answer(stream_id)
        await caller.until_lost()
        self.assertEqual(caller.goaway.error_code, h2.errors.ErrorCodes.NO_ERROR)

    async def test_drain(self):
        """Draining lets the streams that are open end, refuses new ones, and closes."""
        await self.serve(wait)
        caller, idle = await self.h2(), await self.h2()
        stream_id = caller.ask()
        while not self.leaf.requests:
            await turn()
        gone = self.site.drain()
        await idle.until_lost()
        self.assertIsNotNone(idle.goaway)
        late = caller.conn.get_next_available_stream_id()
        caller.conn.send_headers(
            late, [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")], end_stream=True
        )
        caller.flush()
        await caller.until(lambda caller: caller.goaway is not None)
        self.assertEqual(caller.goaway.last_stream_id, stream_id)
        self.assertFalse(gone.called)
        self.leaf.requests[0].respond(200, [], b"x" * 200_000)
        stream = caller.streams[stream_id]
        await caller.until(lambda caller: stream.ended or caller.lost)
        self.assertEqual(len(stream.body), 200_000)
        self.assertEqual(caller.streams[late].reset, h2.errors.ErrorCodes.REFUSED_STREAM)
        await gone
        await caller.until_lost()

    async def test_bugs_become_500(self):
        found = await self.get(lambda request: 1 / 0)
        self.assertEqual(found.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_no_protocol_at_all(self):
        """Bytes that are no HTTP/2 close the connection without a trace in the log."""
        await self.serve()
        caller = await self.connect([b"h2"])
        caller.send(request())
        await caller.until_lost()
        while self.site.connections:
            await turn()

    async def test_ordinary_connection_field(self):
        """What Twisted resources say of the connection is not for HTTP/2."""

        def answer(request):
            request.setHeader(b"Connection", b"close")
            return b"hello"

        self.assertEqual((await self.get(answer)).body, b"hello")


async def turn():
    await deferLater(reactor, 0.005)
