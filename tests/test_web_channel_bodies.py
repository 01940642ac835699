"""Bodies: who gets them, how much of them, and what becomes of those that nobody wants; on both channels."""

from channel_world import LIMITS, ChannelTests, Sink, answers, echo, request, wait
from twisted.internet.error import ConnectionDone
from twisted.web.server import NOT_DONE_YET

from twistedgw.errors import GatewayError
from twistedgw.web.limits import DISCARDED, LINGER_BYTES

LIMIT = LIMITS.max_request_body
TE = b"Transfer-Encoding: chunked"
EXPECT = b"Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def post(length, *fields, body=None):
    return request(
        b"POST / HTTP/1.1", b"Content-Length: %d" % length, *fields, body=b"x" * length if body is None else body
    )


def chunked(*chunks, fields=()):
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request(b"POST / HTTP/1.1", TE, *fields, body=body + b"0\r\n\r\n")


class LimitTests(ChannelTests):
    def test_just_as_much(self):
        """A body of just the limit is taken, by length and by chunks."""
        self.serve()
        for data in (post(LIMIT), chunked(b"x" * LIMIT), chunked(*[b"x"] * LIMIT)):
            self.assertEqual(len(self.one(self.ask(data)).json["body"]), LIMIT)

    def test_one_byte_more(self):
        """One byte more is 413, however it comes, and the resource does not see it."""
        self.serve()
        for data in (post(LIMIT + 1), chunked(b"x" * (LIMIT + 1)), chunked(*[b"x"] * (LIMIT + 1))):
            for pieces in ([data], [data[:50], data[50:900], data[900:]]):
                answer = self.one(self.ask(*pieces))
                self.assertEqual((answer.status, answer.json["reason"]), (413, "REQUEST_TOO_LARGE"))
        self.assertEqual(self.leaf.requests, [])

    def test_a_little_too_much_keeps_the_connection(self):
        """A body that can be thrown away is, and the next request is served."""
        self.serve()
        found = answers(self.ask(post(LIMIT + 1) + request()).received)
        self.assertEqual([answer.status for answer in found], [413, 200])

    def test_far_too_much_closes(self):
        """A body that is too long to be thrown away costs the connection."""
        self.serve()
        wire = self.ask(post(DISCARDED + 1, body=b"xxx"))
        answer = self.one(wire)
        self.assertEqual(answer.status, 413)
        self.assertTrue(answer.closes)

    def test_resource_without_begin_and_with(self):
        """The limit counts for a resource whose `begin` takes no body."""
        self.serve(begin=lambda request: None)
        self.assertEqual(self.one(self.ask(post(LIMIT + 1))).status, 413)
        self.assertEqual(self.one(self.ask(post(LIMIT))).status, 200)


class PlainLimitTests(LimitTests):
    llhttp = False

    def test_far_too_much_closes(self):
        """Twisted's channel throws away more, as it can only answer at the end."""
        self.serve()
        wire = self.ask(post(LIMIT + LINGER_BYTES + 1, body=b"xxx"))
        self.assertEqual(self.one(wire).status, 413)
        self.assertTrue(wire.closed)
        wire = self.ask(request(b"POST / HTTP/1.1", TE))
        for _ in range(LINGER_BYTES // 60000 + 2):
            wire.send(b"ea60\r\n" + b"x" * 60000 + b"\r\n")
        self.assertEqual(self.one(wire).status, 413)
        self.assertTrue(wire.closed)


class ContinueTests(ChannelTests):
    def test_wanted(self):
        """100 is sent when the body is wanted, and only then."""
        self.serve()
        for data in (post(5, EXPECT, body=b""), request(b"POST / HTTP/1.1", TE, EXPECT)):
            wire = self.ask(data)
            self.assertEqual(wire.received, CONTINUE)
            wire.send(b"5\r\nhello\r\n0\r\n\r\n" if TE in data else b"hello")
            found = answers(wire.received)
            self.assertEqual([answer.status for answer in found], [100, 200])
            self.assertEqual(found[1].json["body"], "hello")

    def test_not_for_too_much(self):
        """A body over the limit is refused before it is sent, and the connection closed."""
        self.serve()
        wire = self.ask(post(LIMIT + 1, EXPECT, body=b""))
        answer = self.one(wire)
        self.assertEqual(answer.status, 413)
        self.assertTrue(answer.closes)
        self.assertTrue(wire.closed)

    def test_not_where_the_resource_refuses(self):
        """Nor is it asked for where the resource has answered already."""

        def begin(request):
            request.respond(401, [], b"no")

        self.serve(begin=begin)
        wire = self.ask(post(5, EXPECT, body=b""))
        self.assertEqual(self.one(wire).status, 401)
        self.assertTrue(wire.closed)

    def test_for_a_sink(self):
        """A sink gets 100 sent at once."""
        sink = Sink()
        self.serve(begin=lambda request: sink)
        wire = self.ask(post(5, EXPECT, body=b""))
        self.assertEqual(wire.received, CONTINUE)
        wire.send(b"hello")
        self.assertEqual((sink.body, sink.ends), (b"hello", ["finished"]))

    def test_not_to_http_1_0_nor_without_a_body(self):
        self.serve()
        for data in (post(0, EXPECT), post(5, EXPECT).replace(b"HTTP/1.1", b"HTTP/1.0")):
            self.assertEqual([answer.status for answer in answers(self.ask(data).received)], [200])


class OurContinueTests(ChannelTests):
    def test_body_that_is_there_already(self):
        """Who does not wait for 100 does not get it."""
        self.serve()
        self.assertEqual([answer.status for answer in answers(self.ask(post(5, EXPECT)).received)], [200])

    def test_after_a_pause(self):
        """A sink that is not ready yet makes the client wait with its body."""
        requests = []

        def begin(request):
            requests.append(request)
            request.pause_body()
            return Sink()

        self.serve(begin=begin)
        wire = self.ask(post(5, EXPECT, body=b""))
        self.assertEqual(wire.received, b"")
        requests[0].resume_body()
        self.assertEqual(wire.received, CONTINUE)

    def test_not_after_the_answer_began(self):
        def begin(request):
            request.start(200, [])
            return Sink()

        self.serve(begin=begin)
        self.assertNotIn(CONTINUE, self.ask(post(5, EXPECT, body=b"")).received)


class PlainContinueTests(ContinueTests):
    llhttp = False


class SinkTests(ChannelTests):
    def setUp(self):
        super().setUp()
        self.sinks = []
        self.begun = []
        self.pause_after = None

    def begin(self, request):
        self.begun.append(request)
        self.sinks.append(Sink(request, self.pause_after))
        return self.sinks[-1]

    def test_parts_as_they_arrive(self):
        """Each part is handed over at once, then the end; render is not called, and no limit counts."""
        self.serve(begin=self.begin)
        wire = self.ask(post(LIMIT * 3, body=b""))
        (sink,) = self.sinks
        for size in range(1, 4):
            self.assertEqual(sink.ends, [])
            wire.send(b"x" * LIMIT)
            self.assertEqual(len(sink.body), LIMIT * size)
        self.assertEqual(sink.ends, ["finished"])
        self.assertEqual(self.leaf.requests, [])
        self.begun[0].respond(200, [], b"ok")
        self.assertEqual(self.one(wire).body, b"ok")
        wire.send(request())
        self.assertEqual(len(self.sinks), 2)

    def test_head_is_complete_at_begin(self):
        """What is known of the request is known already."""
        seen = []

        def begin(request):
            seen.append((request.method, request.path, request.query, request.field(b"x-a"), request.host_header))
            return self.begin(request)

        self.serve(begin=begin)
        self.ask(request(b"POST /a?b HTTP/1.1", b"X-A: 1", b"Content-Length: 5"))
        self.assertEqual(seen, [(b"POST", b"/a", b"b", b"1", b"a.example")])

    def test_no_body(self):
        """A request without a body is finished at once."""
        self.serve(begin=self.begin)
        wire = self.ask(request())
        self.assertEqual((self.sinks[0].pieces, self.sinks[0].ends), ([], ["finished"]))
        self.begun[0].respond(200, [], b"")
        self.assertEqual(self.one(wire).status, 200)

    def test_chunks(self):
        self.serve(begin=self.begin)
        self.ask(chunked(b"hel", b"lo"))
        self.assertEqual((self.sinks[0].body, self.sinks[0].ends), (b"hello", ["finished"]))

    def test_client_leaves(self):
        """A sink learns that the rest will not come, and so does whoever waits for the answer."""
        self.serve(begin=self.begin)
        wire = self.ask(post(5, body=b"he"))
        done = self.begun[0].notifyFinish()
        wire.leave()
        self.failureResultOf(done, ConnectionDone)
        (end,) = self.sinks[0].ends
        end.trap(ConnectionDone)

    def test_client_leaves_after_the_body(self):
        """A sink that has finished is not told of it."""
        self.serve(begin=self.begin)
        wire = self.ask(post(5))
        wire.leave()
        self.assertEqual(self.sinks[0].ends, ["finished"])

    def test_malformed_rest(self):
        """A sink learns that what came is no body; the client gets 400."""
        self.serve(begin=self.begin)
        wire = self.ask(request(b"POST / HTTP/1.1", TE, body=b"2\r\nhe\r\nxyz\r\n"))
        answer = self.one(wire)
        self.assertEqual(answer.status, 400)
        self.assertTrue(wire.closed)
        (end,) = self.sinks[0].ends
        if self.llhttp:
            end.trap(GatewayError)
            self.assertTrue(answer.closes)

    def test_bug_in_a_sink(self):
        """What a sink raises is logged, and told as an internal error."""

        def begin(request):
            sink = self.begin(request)
            sink.dataReceived = lambda data: 1 / 0
            return sink

        self.serve(begin=begin)
        wire = self.ask(post(5))
        self.assertEqual(self.one(wire).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bug_at_the_end(self):
        def begin(request):
            sink = self.begin(request)
            sink.finished = lambda: 1 / 0
            return sink

        self.serve(begin=begin)
        self.assertEqual(self.one(self.ask(post(5))).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bug_at_the_loss(self):
        def begin(request):
            sink = self.begin(request)
            sink.aborted = lambda reason: 1 / 0
            return sink

        self.serve(begin=begin)
        self.ask(post(5, body=b"he")).leave()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class PlainSinkTests(SinkTests):
    llhttp = False


class OurSinkTests(SinkTests):
    def test_answer_before_the_body(self):
        """An answer may begin, and end, before the body has come; what is little is thrown away."""
        self.serve(begin=self.begin)
        wire = self.ask(post(5, body=b"he"))
        self.begun[0].respond(200, [], b"ok")
        self.assertEqual(self.one(wire).body, b"ok")
        wire.send(b"llo" + request())
        self.assertEqual(len(self.begun), 2)
        self.assertEqual((self.sinks[0].body, self.sinks[0].ends), (b"he", []))

    def test_answer_before_much_body(self):
        """An early answer to a long body, or one of unknown length, closes."""
        for data in (post(DISCARDED + 6, body=b"hello"), request(b"POST / HTTP/1.1", TE, body=b"5\r\nhello\r\n")):
            self.serve(begin=self.begin)
            wire = self.ask(data)
            self.begun[-1].respond(200, [], b"ok")
            self.assertTrue(self.one(wire).closes)
            self.assertTrue(wire.closed)

    def test_stream_both_ways(self):
        """An answer that is streamed while the body comes does not cost the connection."""
        self.serve(begin=self.begin)
        wire = self.ask(request(b"POST / HTTP/1.1", TE, body=b"5\r\nhello\r\n"))
        self.begun[0].start(200, [])
        self.begun[0].write(b"a")
        wire.send(b"0\r\n\r\n")
        self.assertEqual(self.sinks[0].ends, ["finished"])
        self.begun[0].finish_stream()
        answer = self.one(wire)
        self.assertEqual((answer.body, answer.closes, wire.closed), (b"a", False, False))

    def test_stream_that_ends_before_the_body(self):
        """But one that ends before an endless body does."""
        self.serve(begin=self.begin)
        wire = self.ask(request(b"POST / HTTP/1.1", TE, body=b"5\r\nhello\r\n"))
        self.begun[0].start(200, [])
        self.begun[0].finish_stream()
        self.assertTrue(self.one(wire).complete)
        self.assertTrue(wire.closed)

    def test_pause(self):
        """A sink that has enough gets nothing more, and nothing more is read, until it goes on."""
        self.pause_after = 2
        self.serve(begin=self.begin)
        for data, rest in ((post(6, body=b"he"), b"llo!"), (chunked(b"he", b"llo!")[:-14], b"4\r\nllo!\r\n0\r\n\r\n")):
            wire = self.ask(data)
            self.assertTrue(wire.paused)
            sink = self.sinks[-1]
            wire.send(rest)
            self.assertEqual(sink.body, b"he")
            sink.pause_after = None
            self.begun[-1].resume_body()
            self.assertFalse(wire.paused)
            wire.send()
            wire._arrive()
            self.assertEqual((sink.body, sink.ends), (b"hello!", ["finished"]))

    def test_pause_in_begin(self):
        """Nothing reaches a sink that was paused from the first, though the body came with the head."""

        def begin(request):
            request.pause_body()
            return self.begin(request)

        self.serve(begin=begin)
        wire = self.ask(post(5) + request())
        self.assertEqual((self.sinks[0].body, len(self.begun), wire.paused), (b"", 1, True))
        self.begun[0].resume_body()
        self.assertEqual((self.sinks[0].body, self.sinks[0].ends), (b"xxxxx", ["finished"]))
        self.begun[0].respond(200, [], b"")
        self.assertEqual(len(self.begun), 2)

    def test_resume_in_the_middle_of_a_part(self):
        """To pause and to resume while a part is being taken changes nothing."""

        class Restless(Sink):
            def dataReceived(self, data):
                self.request.pause_body()
                super().dataReceived(data)
                self.request.resume_body()

        sinks = []

        def begin(request):
            sinks.append(Restless(request))
            return sinks[-1]

        self.serve(begin=begin)
        wire = self.ask(post(5), chunked(b"hel", b"lo"))
        self.assertFalse(wire.paused)
        self.assertEqual((sinks[0].body, sinks[0].ends), (b"xxxxx", ["finished"]))

    def test_answer_from_a_sink(self):
        """A sink may answer in the middle of the body."""

        def begin(request):
            sink = self.begin(request)
            sink.dataReceived = lambda data: request.respond(403, [], b"no")
            return sink

        self.serve(begin=begin)
        found = answers(self.ask(post(500) + post(500)).received)
        self.assertEqual([answer.status for answer in found], [403, 403])

    def test_own_answer_to_a_malformed_body(self):
        """A sink may answer a malformed body itself."""

        def begin(request):
            sink = self.begin(request)
            sink.aborted = lambda reason: request.respond(418, [], b"")
            return sink

        self.serve(begin=begin)
        answer = self.one(self.ask(request(b"POST / HTTP/1.1", TE, body=b"xyz")))
        self.assertEqual((answer.status, answer.closes), (418, True))

    def test_malformed_body_after_the_answer_began(self):
        """An answer that has begun is cut."""
        self.serve(begin=self.begin)
        wire = self.ask(request(b"POST / HTTP/1.1", TE, body=b"2\r\nhe\r\n"))
        self.begun[0].start(200, [])
        wire.send(b"xyz")
        self.assertFalse(self.one(wire).complete)
        self.assertTrue(wire.aborted)

    def test_malformed_rest_after_the_answer(self):
        """What is thrown away has to be a body all the same."""
        self.serve(begin=self.begin)
        wire = self.ask(request(b"POST / HTTP/1.1", TE, body=b"2\r\nhe\r\n"))
        self.begun[0].start(200, [])
        self.begun[0].finish_stream()
        wire.send(b"xyz" + request())
        self.assertEqual(len(self.begun), 1)
        self.assertTrue(wire.closed)

    def test_abort_in_begin(self):
        """A resource may cut the connection before it has seen the body."""
        self.serve(begin=lambda request: request.abort())
        wire = self.ask(post(5))
        self.assertEqual((wire.aborted, self.leaf.requests, wire.received), (True, [], b""))


class EarlyAnswerTests(ChannelTests):
    def test_refused_in_begin(self):
        """A resource that refuses a request by its head does not see its body."""

        def begin(request):
            request.respond(404, [], b"no")

        self.serve(begin=begin)
        for data in (post(500), request(), post(LIMIT + 1)):
            found = answers(self.ask(data + data).received)
            self.assertEqual([answer.status for answer in found], [404, 404])
        self.assertEqual(self.leaf.requests, [])

    def test_refused_and_a_sink_all_the_same(self):
        """A sink that comes with an answer gets nothing."""
        sink = Sink()

        def begin(request):
            request.respond(404, [], b"no")
            return sink

        self.serve(begin=begin)
        self.assertEqual(len(answers(self.ask(post(5) + post(5)).received)), 2)
        self.assertEqual((sink.pieces, sink.ends), ([], []))

    def test_begin_that_waits(self):
        """Render is called after begin, not instead of it."""
        self.serve(wait, begin=lambda request: None)
        self.ask(post(5, body=b"hel"), b"lo")
        self.assertEqual([each.body for each in self.leaf.requests], [b"hello"])

    def test_render_that_answers_later(self):
        def answer(request):
            self.clock.callLater(1, echo, request)
            return NOT_DONE_YET

        self.serve(answer, begin=lambda request: None)
        wire = self.ask(post(5) + post(5))
        self.advance(2)
        self.assertEqual(len(answers(wire.received)), 2)


class PlainEarlyAnswerTests(EarlyAnswerTests):
    llhttp = False
