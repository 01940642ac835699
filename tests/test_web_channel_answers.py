"""How answers look on the wire, and at whose pace they are written."""

import re

from channel_world import BUFFER, ChannelTests, Sink, Wire, answers, request, wait
from twisted.internet.task import Cooperator
from twisted.web.server import NOT_DONE_YET

from twistedgw.web import wire as wire_module
from twistedgw.web.limits import SLICE

DATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def respond(*arguments):
    def answer(request):
        request.respond(*arguments)
        return NOT_DONE_YET

    return answer


def stream(status, fields, pieces, trailers=()):
    def answer(request):
        request.start(status, fields)
        for piece in pieces:
            request.write(piece)
        request.finish_stream(trailers)
        return NOT_DONE_YET

    return answer


class RespondTests(ChannelTests):
    def get(self, answer, line=b"GET / HTTP/1.1", *fields):
        """Ask twice, and see that the second answer is where the first says that it ends."""
        self.serve(answer)
        method = line.split()[0].decode()
        wire = self.ask(request(line, *fields) * 2)
        first, second = answers(wire.received, [method, method])
        self.assertEqual((first.status, first.body), (second.status, second.body))
        self.assertTrue(second.complete)
        return first

    def test_whole(self):
        answer = self.get(respond(201, [(b"X-A", b"1"), (b"X-A", b"2")], b"hello"))
        self.assertEqual((answer.status, answer.reason, answer.body), (201, b"Created", b"hello"))
        self.assertEqual([value for name, value in answer.fields if name == b"x-a"], [b"1", b"2"])
        self.assertEqual(answer.field(b"content-length"), b"5")
        self.assertTrue(DATE.fullmatch(answer.field(b"date")))
        self.assertIsNone(answer.field(b"connection"))

    def test_unknown_status(self):
        self.assertEqual(self.get(respond(499, [], b"")).reason, b"Unknown")

    def test_empty(self):
        self.assertEqual(self.get(respond(200, [], b"")).field(b"content-length"), b"0")

    def test_head(self):
        """HEAD has the length of the body that GET would have."""
        answer = self.get(respond(200, [], b"hello", [(b"x", b"y")]), b"HEAD / HTTP/1.1")
        self.assertEqual((answer.field(b"content-length"), answer.field(b"transfer-encoding")), (b"5", None))

    def test_head_with_a_length_of_its_own(self):
        """For HEAD the resource may know the length without having the body."""
        answer = self.get(respond(200, [(b"Content-Length", b"77")], b""), b"HEAD / HTTP/1.1")
        self.assertEqual(answer.field(b"content-length"), b"77")

    def test_no_body(self):
        """204 and 304 have none, and 204 no length either."""
        for status in (204, 304):
            answer = self.get(respond(status, [], b"hello", [(b"x", b"y")]))
            self.assertEqual((answer.field(b"content-length"), answer.field(b"transfer-encoding")), (None, None))
        self.assertEqual(self.get(respond(304, [(b"content-length", b"5")], b"")).field(b"content-length"), b"5")

    def test_framing_is_the_channels(self):
        """What a resource says of framing is not believed, but its Date is."""
        fields = [
            (b"Content-Length", b"99"),
            (b"Transfer-Encoding", b"gzip"),
            (b"Date", b"today"),
            (b"Connection", b"x"),
        ]
        answer = self.get(respond(200, fields, b"hello"))
        self.assertEqual((answer.field(b"content-length"), answer.body), (b"5", b"hello"))
        self.assertEqual((answer.field(b"date"), answer.field(b"connection")), (b"today", None))

    def test_connection_close(self):
        """A resource may ask that the connection be closed."""
        for answer in (
            respond(200, [(b"connection", b"Close")], b"a"),
            stream(200, [(b"connection", b"close")], [b"a"]),
        ):
            self.serve(answer)
            wire = self.ask(request() * 2)
            self.assertTrue(self.one(wire).closes)
            self.assertTrue(wire.closed)

    def test_trailers(self):
        """Trailers come after a body in chunks, and are announced."""
        trailers = [(b"grpc-status", b"0"), (b"grpc-message", b"")]
        for body in (b"hello", b""):
            answer = self.get(respond(200, [], body, trailers))
            self.assertEqual((answer.body, answer.trailers), (body, trailers))
            self.assertEqual(answer.field(b"trailer"), b"grpc-status, grpc-message")

    def test_no_trailers_for_http_1_0(self):
        self.serve(respond(200, [], b"hello", [(b"x", b"y")]))
        answer = self.one(self.ask(request(b"GET / HTTP/1.0")))
        self.assertEqual((answer.field(b"content-length"), answer.trailers), (b"5", []))

    def test_hostile_values(self):
        """CR, LF and NUL become blanks, in fields and in trailers, however the answer is given."""
        evil = [(b"x-a", b"1\r\nx-evil: 1"), (b"x-b", b"2\n\r\0")]
        for answer in (respond(200, evil, b"hello", evil), stream(200, evil, [b"hello"], evil)):
            found = self.get(answer)
            self.assertEqual(found.field(b"x-a"), b"1  x-evil: 1")
            self.assertEqual(found.field(b"x-b"), b"2   ")
            self.assertEqual(dict(found.trailers), {b"x-a": b"1  x-evil: 1", b"x-b": b"2   "})
            self.assertIsNone(found.field(b"x-evil"))

    def test_hostile_names(self):
        """A name that is none is a bug of the resource."""
        for name in (b"x\r\ny", b"x\0", b"x\n"):
            self.serve(respond(200, [(name, b"1")], b""))
            self.assertEqual(self.one(self.ask(request())).status, 500)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class PlainRespondTests(RespondTests):
    llhttp = False


class StreamTests(RespondTests):
    """`RespondTests` hold as well."""

    def test_chunks(self):
        answer = self.get(stream(200, [(b"X-A", b"1")], [b"hel", b"", b"lo"], [(b"x", b"y")]))
        self.assertEqual((answer.body, answer.trailers, answer.field(b"x-a")), (b"hello", [(b"x", b"y")], b"1"))
        self.assertEqual((answer.field(b"transfer-encoding"), answer.field(b"content-length")), (b"chunked", None))

    def test_head_of_a_stream(self):
        answer = self.get(stream(200, [], [b"hello"]), b"HEAD / HTTP/1.1")
        self.assertEqual(answer.body, b"")

    def test_no_body_in_a_stream(self):
        self.assertEqual(self.get(stream(304, [], [b"hello"])).status, 304)

    def test_length_that_is_known(self):
        """With a Content-Length the body comes as it is."""
        answer = self.get(stream(200, [(b"content-length", b"5")], [b"hel", b"lo"], [(b"x", b"y")]))
        self.assertEqual((answer.body, answer.field(b"content-length")), (b"hello", b"5"))
        self.assertIsNone(answer.field(b"transfer-encoding"))

    def test_head_goes_out_at_once(self):
        """The client sees the head before there is a body."""
        self.serve(wait)
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        self.assertEqual(answers(wire.received)[0].status, 200)
        seen.write(b"a")
        self.assertEqual((answers(wire.received)[0].body, answers(wire.received)[0].complete), (b"a", False))

    def test_abort(self):
        """An answer that is cut is visibly incomplete."""
        self.serve(wait)
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        done = seen.notifyFinish()
        seen.start(200, [])
        seen.write(b"a")
        seen.abort()
        seen.write(b"b")
        seen.finish_stream()
        self.failureResultOf(done)
        self.assertTrue(seen.disconnected)
        self.assertFalse(self.one(wire).complete)
        self.assertTrue(wire.aborted)


class PlainStreamTests(StreamTests):
    llhttp = False


class OurStreamTests(ChannelTests):
    def test_one_write(self):
        """A whole answer is one write, with trailers as well."""
        for answer in (respond(200, [(b"a", b"b")], b"hello"), respond(200, [], b"hello", [(b"x", b"y")])):
            self.serve(answer)
            self.assertEqual(len(self.ask(request()).writes), 1)

    def test_shorter_than_its_length(self):
        """A body that is shorter than was said is cut: the client must not take the next answer for its rest."""
        self.serve(stream(200, [(b"content-length", b"6")], [b"hello"]))
        wire = self.ask(request() * 2)
        self.assertFalse(self.one(wire).complete)
        self.assertTrue(wire.aborted)

    def test_longer_than_its_length(self):
        self.serve(stream(200, [(b"content-length", b"4")], [b"hello"]))
        wire = self.ask(request() * 2)
        self.assertEqual((self.one(wire).body, wire.aborted), (b"", True))

    def test_length_that_is_none(self):
        self.serve(stream(200, [(b"content-length", b"many")], [b"hello"]))
        self.assertEqual(self.one(self.ask(request())).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_date_is_of_now(self):
        """The date that is kept for a second is made anew in the next."""
        self.serve(respond(200, [], b""))
        now = [1_000_000_000.5]
        self.patch(wire_module, "time", lambda: now[0])
        found = []
        for seconds in (0, 0.4, 0.2, 86400):
            now[0] += seconds
            found.append(self.one(self.ask(request())).field(b"date"))
        self.assertEqual(found[0], b"Sun, 09 Sep 2001 01:46:40 GMT")
        self.assertEqual(found[1], found[0])
        self.assertEqual(found[2], b"Sun, 09 Sep 2001 01:46:41 GMT")
        self.assertEqual(found[3], b"Mon, 10 Sep 2001 01:46:41 GMT")


class Producer:
    """Writes 10 kB a turn while it may."""

    def __init__(self, request, count):
        self.request = request
        self.left = count
        self.calls = []
        self.running = True

    def run(self):
        while self.running and self.left:
            self.left -= 1
            self.request.write(b"x" * 10_000)
        if not self.left:
            self.request.unregisterProducer()
            self.request.finish_stream()

    def pauseProducing(self):
        self.calls.append("pause")
        self.running = False

    def resumeProducing(self):
        self.calls.append("resume")
        self.running = True
        self.run()

    def stopProducing(self):
        self.calls.append("stop")
        self.running = False


class PaceTests(ChannelTests):
    def produce(self, wire, count):
        seen = self.leaf.requests[-1]
        producer = Producer(seen, count)
        seen.start(200, [])
        seen.registerProducer(producer, True)
        producer.run()
        return producer

    def test_slow_reader(self):
        """A producer is paused while the client does not read, and goes on when it does."""
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        producer = self.produce(wire, 50)
        self.assertEqual(producer.calls, ["pause"])
        self.assertGreater(producer.left, 40)
        self.assertLess(wire.unread, BUFFER * 2)
        while producer.left:
            wire.read(10_000)
        self.assertEqual(producer.calls[-1], "resume")
        wire.read(1_000_000)
        self.assertEqual(len(self.one(wire).body), 500_000)

    def test_client_leaves_a_paused_producer(self):
        """Who leaves without reading stops the producer, and is noticed."""
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        producer = self.produce(wire, 50)
        done = self.leaf.requests[0].notifyFinish()
        wire.leave()
        self.assertEqual(producer.calls, ["pause", "stop"])
        self.failureResultOf(done)
        producer.request.unregisterProducer()

    def test_still_reads_while_it_cannot_write(self):
        """A client that does not read its answer is still listened to, so that its leaving is noticed."""
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        self.produce(wire, 50)
        wire.send(request())
        self.assertFalse(wire.paused)

    def test_pull_producer(self):
        """A producer that wants to be asked is asked."""

        class Pull:
            def __init__(self, request):
                self.request = request
                self.left = 20

            def resumeProducing(self):
                self.left -= 1
                self.request.write(b"x" * 10_000)
                if not self.left:
                    self.request.unregisterProducer()
                    self.request.finish_stream()

            def stopProducing(self):
                raise AssertionError

        cooperator = Cooperator(scheduler=lambda call: self.clock.callLater(0.01, call), started=True)
        self.patch(
            __import__("twisted.internet._producer_helpers").internet._producer_helpers,
            "cooperate",
            cooperator.cooperate,
        )
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        seen.registerProducer(Pull(seen), False)
        for _ in range(30):
            self.clock.advance(0.01)
        self.assertLess(wire.unread, BUFFER * 2)
        wire.read()
        for _ in range(30):
            self.clock.advance(0.01)
            wire.read(100_000)
        self.assertEqual(len(self.one(wire).body), 200_000)


class PlainPaceTests(PaceTests):
    llhttp = False

    def test_still_reads_while_it_cannot_write(self):
        """Twisted's channel stops reading only between requests, too."""
        super().test_still_reads_while_it_cannot_write()


class OurPaceTests(ChannelTests):
    def test_large_answers_go_in_slices(self):
        """The transport never holds much of an answer that the client does not read."""
        self.serve(respond(200, [], b"x" * 1_000_000))
        wire = self.connect(reads=0)
        wire.send(request())
        most = wire.unread
        while len(wire.received) < 1_000_000:
            wire.read(50_000)
            most = max(most, wire.unread)
        self.assertLessEqual(most, BUFFER + 2 * SLICE)
        wire.read(1000)
        self.assertEqual(len(self.one(wire).body), 1_000_000)

    def test_answers_stay_in_order(self):
        """What is written while slices wait comes after them."""
        self.serve(stream(200, [], [b"a" * 300_000, b"b", b"c" * 300_000]))
        wire = self.connect(reads=0)
        wire.send(request() * 2)
        self.assertEqual(len(self.leaf.requests), 1)
        wire.read()
        first, second = answers(wire.received)
        self.assertEqual(first.body, b"a" * 300_000 + b"b" + b"c" * 300_000)
        self.assertEqual(second.body, first.body)

    def test_no_new_request_before_the_answer_is_taken(self):
        """A client that pipelines without reading does not fill the memory with answers."""
        self.serve(respond(200, [], b"x" * 200_000))
        wire = self.connect(reads=0)
        data = request(b"GET / HTTP/1.1", b"X: " + b"a" * 1000)
        wire.send(data * 5)
        self.assertEqual(len(self.leaf.requests), 1)
        self.assertFalse(wire.paused)
        wire.send(data * 15)
        self.assertTrue(wire.paused)
        wire.read()
        self.assertEqual(len(self.leaf.requests), 20)
        self.assertFalse(wire.paused)

    def test_closes_after_the_last_slice(self):
        """A connection that ends is closed when all is written, not before."""
        self.serve(respond(200, [(b"connection", b"close")], b"x" * 1_000_000))
        wire = self.connect(reads=0)
        wire.send(request())
        while len(wire.received) < 1_000_000:
            self.assertFalse(wire.closed)
            wire.read(300_000)
        wire.read(1000)
        self.assertEqual((len(self.one(wire).body), wire.closed), (1_000_000, True))

    def test_producer_that_comes_late(self):
        """A producer that is registered while the client does not read is paused at once."""
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        seen.write(b"x" * 300_000)
        producer = Producer(seen, 1)
        seen.registerProducer(producer, True)
        self.assertEqual(producer.calls, ["pause"])
        self.assertRaises(ValueError, seen.registerProducer, producer, True)
        wire.read()
        self.assertEqual((producer.calls, len(self.one(wire).body)), (["pause", "resume"], 310_000))

    def test_producer_that_is_forgotten(self):
        """The end of an answer ends its producer's part in the connection."""
        self.serve(wait)
        wire = self.ask(request() * 2)
        first = self.leaf.requests[0]
        producer = Producer(first, 1)
        first.start(200, [])
        first.registerProducer(producer, True)
        first.finish_stream()
        wire.leave()
        self.assertEqual(producer.calls, [])

    def test_body_comes_while_the_answer_waits(self):
        """That a client does not read its answer does not keep it from sending its body."""
        sink = Sink()

        def begin(request):
            request.start(200, [])
            request.write(b"x" * 300_000)
            return sink

        self.serve(begin=begin)
        wire = self.connect(reads=0)
        wire.send(request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"hello"))
        self.assertEqual((sink.body, wire.paused), (b"hello", False))

    def test_reentrant_transport(self):
        """A transport that brings the next request from within a write is answered in order."""

        class Eager(Wire):
            def write(self, data):
                super().write(data)
                if len(self.writes) < 3:
                    self.protocol.dataReceived(request(b"GET /%d HTTP/1.1" % len(self.writes)))

        self.serve(respond(200, [], b"a"))
        wire = Eager(self.site.buildProtocol(None))
        wire.send(request())
        self.assertEqual([seen.path for seen in self.leaf.requests], [b"/", b"/1", b"/2"])
        self.assertEqual(len(answers(wire.received)), 3)
