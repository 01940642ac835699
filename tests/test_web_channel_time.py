"""Patience: how long a client may take, and how a site is drained. No real time passes."""

from channel_world import LIMITS, ChannelTests, Sink, answers, request, wait
from twisted.internet.interfaces import ISSLTransport
from zope.interface import directlyProvides

from twistedgw.web import outgoing
from twistedgw.web.limits import FRESH_SECONDS, LINGER_SECONDS

HEADER, BODY, IDLE = int(LIMITS.header_timeout), int(LIMITS.body_timeout), int(LIMITS.idle_timeout)


class HeadTimeoutTests(ChannelTests):
    def expect_408(self, wire, last=None):
        answer = last or self.one(wire)
        self.assertEqual((answer.status, answer.json["reason"]), (408, "REQUEST_TIMEOUT"))
        self.assertTrue(answer.closes)
        self.assertTrue(wire.closed)

    def test_nothing_at_all(self):
        """A new connection has as long for its first head as any other."""
        self.serve()
        wire = self.connect()
        self.advance(HEADER - 1)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.expect_408(wire)

    def test_drip(self):
        """A byte now and then does not help."""
        self.serve()
        wire = self.connect()
        data = request()
        for second in range(HEADER + 1):
            if not wire.closed:
                wire.send(data[second : second + 1])
            self.advance(1)
        self.expect_408(wire)

    def test_drip_on_a_kept_connection(self):
        """For later requests the time counts from their first byte."""
        self.serve()
        wire = self.ask(request())
        self.advance(IDLE - 2)
        wire.send(b"GET / HT")
        self.advance(HEADER - 1)
        self.assertFalse(wire.closed)
        wire.send(b"TP/1.1\r\n")
        self.advance(2)
        _, last = answers(wire.received)
        self.expect_408(wire, last)

    def test_in_time(self):
        """A head that is complete in time has no more to do with it."""
        self.serve(wait)
        wire = self.ask(request()[:-1])
        self.advance(HEADER - 1)
        wire.send(b"\n")
        self.advance(1000)
        self.assertFalse(wire.closed)
        self.leaf.requests[0].respond(200, [], b"")
        self.assertEqual(self.one(wire).status, 200)

    def test_short_timeouts(self):
        """Timeouts below a second are kept as well."""
        self.limits = LIMITS.__class__(1000, 2000, 20, 0.2, 0.2, 0.2)
        self.serve()
        wire = self.connect()
        for _ in range(6):
            self.clock.advance(0.05)
        self.expect_408(wire)


class PlainHeadTimeoutTests(HeadTimeoutTests):
    llhttp = False


class IdleTimeoutTests(ChannelTests):
    def test_idle(self):
        """A connection that is kept for nothing is closed without a word."""
        self.serve()
        wire = self.ask(request())
        self.advance(IDLE - 1)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.assertTrue(wire.closed)
        self.assertEqual(len(answers(wire.received)), 1)

    def test_used(self):
        """Each answer gives the connection new time."""
        self.serve()
        wire = self.ask(request())
        for _ in range(4):
            self.advance(IDLE - 2)
            wire.send(request())
        self.assertEqual(len(answers(wire.received)), 5)


class PlainIdleTimeoutTests(IdleTimeoutTests):
    llhttp = False


class BodyTimeoutTests(ChannelTests):
    def start(self, *fields, body=b"", begin=None):
        self.serve(begin=begin)
        return self.ask(request(b"POST / HTTP/1.1", *fields, body=body))

    def test_silence(self):
        """Silence in the middle of a body is 408."""
        for fields, body in (((b"Content-Length: 5",), b"he"), ((b"Transfer-Encoding: chunked",), b"2\r\nhe\r\n")):
            wire = self.start(*fields, body=body)
            self.advance(BODY - 1)
            self.assertFalse(wire.closed)
            self.advance(2)
            answer = self.one(wire)
            self.assertEqual((answer.status, answer.json["reason"]), (408, "REQUEST_TIMEOUT"))
            self.assertTrue(wire.closed)
            self.assertEqual(self.leaf.requests, [])

    def test_slow_but_steady(self):
        """A body may take as long as it likes, if there is no long silence."""
        wire = self.start(b"Content-Length: 5")
        for _ in range(5):
            self.advance(BODY - 2)
            wire.send(b"x")
        self.assertEqual(self.one(wire).status, 200)

    def test_sink(self):
        """A sink learns of it."""
        sink = Sink()
        wire = self.start(b"Content-Length: 5", body=b"he", begin=lambda request: sink)
        self.advance(BODY + 1)
        self.assertEqual(self.one(wire).status, 408)
        (end,) = sink.ends
        self.assertEqual(end.value.reason, "REQUEST_TIMEOUT")

    def test_paused_by_the_sink(self):
        """A client that has to wait is not blamed for it."""
        sink = Sink()
        begun = []

        def begin(request):
            begun.append(request)
            request.pause_body()
            return sink

        wire = self.start(b"Content-Length: 5", body=b"he", begin=begin)
        self.advance(BODY * 3)
        self.assertFalse(wire.closed)
        begun[0].resume_body()
        self.advance(BODY - 1)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.assertEqual(self.one(wire).status, 408)


class PlainBodyTimeoutTests(BodyTimeoutTests):
    llhttp = False


class OurBodyTimeoutTests(ChannelTests):
    def test_thrown_away(self):
        """A body that nobody wants any more has to come all the same."""
        self.serve(begin=lambda request: request.respond(404, [], b""))
        wire = self.ask(request(b"POST / HTTP/1.1", b"Content-Length: 5"))
        self.advance(BODY + 1)
        self.assertEqual((self.one(wire).status, wire.closed), (404, True))

    def test_after_the_answer_began(self):
        """An answer that has begun is cut."""

        def begin(request):
            request.start(200, [])
            return Sink()

        self.serve(begin=begin)
        wire = self.ask(request(b"POST / HTTP/1.1", b"Content-Length: 5"))
        self.advance(BODY + 1)
        self.assertEqual((self.one(wire).complete, wire.aborted), (False, True))


class NotReadingTests(ChannelTests):
    def big(self, request):
        request.respond(200, [], b"x" * 1_000_000)
        return 1

    def test_client_that_does_not_read(self):
        """Whoever does not take its answer for long is cut off, and whoever writes it learns of that."""
        self.serve(self.big)
        wire = self.connect(reads=0)
        wire.send(request())
        self.advance(BODY - 1)
        self.assertFalse(wire.closed)
        self.advance(2)
        self.assertTrue(wire.aborted)

    def test_client_that_reads_slowly(self):
        """A little now and then is enough, however long it takes."""
        self.serve(self.big)
        wire = self.connect(reads=0)
        wire.send(request())
        for _ in range(20):
            self.advance(BODY - 2)
            wire.read(5_000)
        self.assertFalse(wire.closed)
        wire.read(1_000_000)
        self.assertEqual(len(self.one(wire).body), 1_000_000)
        self.assertFalse(wire.closed)

    def test_stream(self):
        self.serve(wait)
        wire = self.connect(reads=0)
        wire.send(request())
        (seen,) = self.leaf.requests
        done = seen.notifyFinish()
        seen.start(200, [])
        seen.write(b"x" * 1_000_000)
        self.advance(BODY + 1)
        self.failureResultOf(done)
        self.assertTrue(wire.aborted)

    def test_last_answer(self):
        """That the connection is to be closed anyway makes no difference."""
        self.serve(self.big)
        for reads in (0, 900_000):
            wire = self.connect(reads=reads)
            wire.send(request(b"GET / HTTP/1.1", b"Connection: close"))
            self.advance(BODY * 2 + 2)
            self.assertTrue(wire.aborted)


class LingerTests(ChannelTests):
    """With a transport that can close its half: a TCP connection."""

    def test_not_for_ever(self):
        """A client that goes on sending after it was refused is given some time, and no more."""
        self.serve()
        protocol = self.site.buildProtocol(None)

        class Half(type(self.connect())):
            TLS = False
            dataBuffer = b""
            _tempDataBuffer = ()
            connected = True
            SEND_LIMIT = 100_000

            def writeSomeData(self, data):
                self.write(data)
                return len(data)

            def loseWriteConnection(self):
                self.ended = True

        self.patch(outgoing, "Connection", Half)
        for data, seconds in ((b"", LINGER_SECONDS + 1), (b"x" * 5_000_000, 0)):
            wire = Half(protocol)
            wire.send(b"GET  / HTTP/1.1\r\n\r\n")
            self.assertEqual((wire.ended, wire.closed, self.one(wire).status), (True, False, 400))
            wire.send(b"x" * 1000)
            self.assertFalse(wire.closed)
            wire.send(data)
            self.advance(seconds)
            self.assertTrue(wire.closed)
            self.assertFalse(wire.aborted)
            protocol = self.site.buildProtocol(None)


class HandshakeTests(ChannelTests):
    def test_handshake_that_never_ends(self):
        """TLS must be there in time; there is nobody to tell if it is not."""
        self.serve()
        protocol = self.site.buildProtocol(None)
        wire = type(self.connect()).__new__(type(self.connect()))
        directlyProvides(wire, ISSLTransport)
        wire.__init__(protocol)
        self.advance(HEADER + 1)
        self.assertEqual((wire.aborted, wire.received), (True, b""))

    def test_time_begins_anew_after_it(self):
        self.serve()
        protocol = self.site.buildProtocol(None)
        wire = type(self.connect()).__new__(type(self.connect()))
        directlyProvides(wire, ISSLTransport)
        wire.__init__(protocol)
        self.advance(HEADER - 1)
        protocol.handshakeCompleted()
        self.advance(HEADER - 1)
        wire.send(request())
        self.assertEqual(self.one(wire).status, 200)
        self.assertTrue(self.leaf.requests[0].isSecure())


class DrainTests(ChannelTests):
    def test_nothing_open(self):
        self.serve()
        self.successResultOf(self.site.drain())

    def test_idle_connections(self):
        """Idle connections are closed at once."""
        self.serve()
        wires = [self.ask(request()) for _ in range(3)]
        self.assertEqual(self.site.connections, 3)
        drained = self.site.drain()
        self.assertTrue(all(wire.closed for wire in wires))
        self.assertEqual(self.site.connections, 0)
        self.successResultOf(drained)

    def test_current_request(self):
        """A request is answered, with ``Connection: close``; then the connection is closed."""
        self.serve(wait)
        wire = self.ask(request() * 2)
        drained = self.site.drain()
        again = self.site.drain()
        self.assertNoResult(drained)
        self.leaf.requests[0].respond(200, [], b"hello")
        answer = self.one(wire)
        self.assertEqual((answer.body, answer.closes, wire.closed), (b"hello", True, True))
        self.successResultOf(drained)
        self.successResultOf(again)

    def test_stream_that_has_begun(self):
        """An answer that is being written goes on to its end."""
        self.serve(wait)
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        drained = self.site.drain()
        seen.write(b"hello")
        self.assertNoResult(drained)
        seen.finish_stream()
        self.assertEqual((self.one(wire).body, self.one(wire).complete, wire.closed), (b"hello", True, True))
        self.successResultOf(drained)

    def test_request_on_its_way(self):
        """A request of which something has come is still taken."""
        self.serve()
        first = self.ask(request()[:10])
        second = self.ask(request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"he"))
        drained = self.site.drain()
        first.send(request()[10:])
        second.send(b"llo")
        for wire in (first, second):
            self.assertEqual((self.one(wire).status, self.one(wire).closes, wire.closed), (200, True, True))
        self.successResultOf(drained)

    def test_fresh_connection(self):
        """A connection without any request has a moment left: the request may be on its way."""
        self.serve()
        wire, other = self.connect(), self.connect()
        self.site.drain()
        self.assertFalse(wire.closed)
        wire.send(request())
        self.assertTrue(self.one(wire).closes)
        self.advance(FRESH_SECONDS + 1)
        self.assertEqual((other.closed, other.received), (True, b""))

    def test_connection_that_comes_late(self):
        """So has one that is opened while the site drains."""
        self.serve(wait)
        self.ask(request())
        self.site.drain()
        late = self.ask(request())
        self.leaf.requests[-1].respond(200, [], b"")
        self.assertEqual((self.one(late).closes, late.closed), (True, True))

    def test_abort(self):
        """What is left can be cut."""
        self.serve(wait)
        wire = self.ask(request())
        done = self.leaf.requests[0].notifyFinish()
        drained = self.site.drain()
        self.site.abort()
        self.assertTrue(wire.aborted)
        self.failureResultOf(done)
        self.successResultOf(drained)


class PlainDrainTests(DrainTests):
    llhttp = False


class SweepTests(ChannelTests):
    def test_no_timer_without_connections(self):
        """A site without connections does nothing at all."""
        self.serve()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        wire = self.ask(request())
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.ask(request())
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        wire.leave()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_new_limits(self):
        """Shorter timeouts count from the next request on."""
        self.serve()
        wire = self.ask(request())
        self.limits = LIMITS.__class__(1000, 2000, 20, 10, 30, 5)
        wire.send(request())
        self.advance(6)
        self.assertTrue(wire.closed)
