"""What a resource sees of requests, and in which order they are answered; on both channels."""

from channel_world import ChannelTests, answers, echo, request, wait
from twisted.internet.error import ConnectionDone
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twistedgw.web.limits import READ_AHEAD


class RequestTests(ChannelTests):
    def test_parts_of_a_request(self):
        """Method, path, query, fields and body are as they were sent."""
        self.serve()
        self.ask(
            request(b"POST /a%2Fb/c?x=1&y=%20 HTTP/1.1", b"X-A: 1", b"Content-Length: 5", b"X-A: 2", body=b"hello")
        )
        (seen,) = self.leaf.requests
        self.assertEqual(seen.method, b"POST")
        self.assertEqual(seen.path, b"/a%2Fb/c")
        self.assertEqual((seen.query, seen.has_query), (b"x=1&y=%20", True))
        self.assertEqual(seen.uri, b"/a%2Fb/c?x=1&y=%20")
        self.assertEqual(seen.body, b"hello")
        self.assertEqual(seen.host_header, b"a.example")
        self.assertEqual(seen.peer_host, "192.0.2.1")
        self.assertEqual(
            sorted(seen.fields), [(b"content-length", b"5"), (b"host", b"a.example"), (b"x-a", b"1"), (b"x-a", b"2")]
        )
        self.assertEqual((seen.field(b"x-a"), seen.field(b"x-b")), (b"1", None))

    def test_no_query_is_not_an_empty_one(self):
        self.serve()
        self.ask(request(b"GET /a HTTP/1.1") + request(b"GET /a? HTTP/1.1"))
        self.assertEqual([(each.query, each.has_query) for each in self.leaf.requests], [(b"", False), (b"", True)])

    def test_what_twisted_resources_ask(self):
        """The attributes and methods that ordinary resources know are there."""
        seen = {}

        def answer(request):
            seen.update(
                header=request.getHeader("x-a"),
                headers=request.getAllHeaders(),
                raw=request.requestHeaders.getRawHeaders("X-A"),
                content=request.content.read(),
                args=request.args,
                cookie=request.getCookie(b"c"),
                address=request.getClientAddress().host,
                host=request.getHost().port,
                secure=request.isSecure(),
                name=request.getRequestHostname(),
                post=request.postpath,
                proto=request.clientproto,
                user=(request.getUser(), request.getPassword()),
            )
            request.setResponseCode(201)
            request.setHeader("X-B", "2")
            request.addCookie("d", "3")
            request.setETag(b"tag")
            return b"made"

        self.serve(answer)
        wire = self.ask(
            request(
                b"PUT /a%20b/c?x=1&x=2&y HTTP/1.1",
                b"X-A: 1",
                b"X-A: 2",
                b"Cookie: b=1; c=2",
                b"Authorization: Basic dXNlcjpwYXNz",
                b"Content-Length: 2",
                host=b"a.example:8080",
                body=b"hi",
            )
        )
        self.assertEqual(seen["header"], "2")
        self.assertEqual(seen["headers"][b"x-a"], b"2")
        self.assertEqual(seen["raw"], ["1", "2"])
        self.assertEqual(seen["content"], b"hi")
        self.assertEqual(seen["args"], {b"x": [b"1", b"2"], b"y": [b""]})
        self.assertEqual(seen["cookie"], b"2")
        self.assertEqual((seen["address"], seen["host"], seen["secure"]), ("192.0.2.1", 8080, False))
        self.assertEqual(seen["name"], b"a.example")
        self.assertEqual(seen["post"], [b"a b", b"c"])
        self.assertEqual(seen["proto"], b"HTTP/1.1")
        self.assertEqual(seen["user"], (b"user", b"pass"))
        answer = self.one(wire)
        self.assertEqual((answer.status, answer.body), (201, b"made"))
        self.assertEqual((answer.field(b"x-b"), answer.field(b"set-cookie")), (b"2", b"d=3"))
        self.assertEqual((answer.field(b"etag"), answer.field(b"content-length")), (b"tag", b"4"))
        self.assertIsNotNone(answer.field(b"date"))

    def test_absolute_target(self):
        """The authority of the target counts, not the Host field."""
        self.serve()
        wire = self.ask(request(b"GET http://b.example:81/x?y HTTP/1.1"))
        told = self.one(wire).json
        self.assertEqual((told["host"], told["path"], told["query"]), ("b.example:81", "/x", "y"))

    def test_options_of_the_server(self):
        self.serve()
        self.assertEqual(self.one(self.ask(request(b"OPTIONS * HTTP/1.1"))).json["path"], "*")

    def test_any_method(self):
        """Methods that no parser knows reach the resource, which says what it thinks of them."""
        self.serve()
        for method in (b"FOO", b"get", b"PROPFIND", b"M-SEARCH", b"PRI", b"SETUP", b"QUERY"):
            self.assertEqual(self.one(self.ask(request(method + b" / HTTP/1.1"))).json["method"], method.decode())

    def test_connect_is_the_last_request(self):
        """CONNECT has no body; whatever comes after it is not read as a request."""
        self.serve()
        wire = self.ask(request(b"CONNECT b.example:443 HTTP/1.1") + request())
        answer = self.one(wire)
        self.assertEqual(answer.json["path"], "b.example:443")
        self.assertTrue(answer.closes)
        self.assertTrue(wire.closed)

    def test_upgrade_that_nobody_takes(self):
        """A request that would like another protocol is served in this one."""
        self.serve()
        data = request(b"GET /a HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket")
        found = answers(self.ask(data + request(b"GET /b HTTP/1.1")).received)
        self.assertEqual([answer.json["path"] for answer in found], ["/a", "/b"])

    def test_one_empty_line_between_requests(self):
        """Some clients end a body with a line end that is not counted."""
        self.serve()
        data = request(b"POST /a HTTP/1.1", b"Content-Length: 2", body=b"hi") + b"\r\n" + request(b"GET /b HTTP/1.1")
        for pieces in ([data], [bytes([byte]) for byte in data]):
            self.assertEqual(len(answers(self.ask(*pieces).received)), 2)

    def test_chunked_body(self):
        """A body in chunks is collected, its trailer fields are dropped."""
        self.serve()
        data = request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
        wire = self.ask(data + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-A: 1\r\n\r\n" + request(b"GET /b HTTP/1.1"))
        first, second = answers(wire.received)
        self.assertEqual(first.json["body"], "hello")
        self.assertEqual(second.json["path"], "/b")
        self.assertIsNone(self.leaf.requests[0].field(b"x-a"))

    def test_cut_anywhere(self):
        """A request cut at any byte is answered in the same way."""
        self.serve()
        data = request(b"POST /a?b HTTP/1.1", b"Content-Length: 5", b"X: y", body=b"hello") + request()
        whole = [answer.body for answer in answers(self.ask(data).received)]
        self.assertEqual(len(whole), 2)
        for cut in range(1, len(data)):
            cuts = [answer.body for answer in answers(self.ask(data[:cut], data[cut:]).received)]
            self.assertEqual(cuts, whole)


class PlainRequestTests(RequestTests):
    llhttp = False

    def test_connect_is_the_last_request(self):
        """Twisted reads CONNECT as any other request."""

    def test_any_method(self):
        self.serve()
        for method in (b"FOO", b"PROPFIND"):
            self.assertEqual(self.one(self.ask(request(method + b" / HTTP/1.1"))).json["method"], method.decode())


class PipeliningTests(ChannelTests):
    def test_answers_in_order(self):
        """The second request is not looked at before the first is answered."""
        self.serve(wait)
        wire = self.ask(request(b"GET /1 HTTP/1.1") + request(b"GET /2 HTTP/1.1") + request(b"GET /3 HTTP/1.1"))
        for number in range(1, 4):
            self.assertEqual(len(self.leaf.requests), number)
            self.leaf.requests[-1].respond(200, [], b"%d" % number)
        self.assertEqual([answer.body for answer in answers(wire.received)], [b"1", b"2", b"3"])
        self.assertFalse(wire.closed)

    def test_many_at_once(self):
        """A thousand requests in one packet need no deep stack."""
        self.serve()
        self.assertEqual(len(answers(self.ask(request() * 1000).received)), 1000)

    def test_read_ahead_is_bounded(self):
        """While one request is being answered, the client has to wait with more than 16 KiB of later ones."""
        self.serve(wait)
        wire = self.ask(request())
        wire.send(b"GET /2 HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000 + b"\r\n\r\n")
        self.assertFalse(wire.paused)
        wire.send(b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
        self.assertFalse(wire.paused)
        wire.send((b"POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000) * (READ_AHEAD // 1000))
        self.assertTrue(wire.paused)
        while len(self.leaf.requests) < 3 + READ_AHEAD // 1000:
            self.leaf.requests[-1].respond(200, [], b"")
        self.assertFalse(wire.paused)

    def test_last_request(self):
        """What comes after a request with ``Connection: close`` is ignored."""
        for line, field in ((b"GET / HTTP/1.1", b"Connection: close"), (b"GET / HTTP/1.0", b"X: y")):
            self.serve()
            wire = self.ask(request(line, field) + request(b"GET /2 HTTP/1.1"))
            answer = self.one(wire)
            self.assertTrue(answer.closes or not self.llhttp)
            self.assertTrue(wire.closed)
            self.assertEqual(len(self.leaf.requests), 1)


class PlainPipeliningTests(PipeliningTests):
    llhttp = False

    def test_many_at_once(self):
        """Twisted's channel calls itself for each request in a packet; a few are no problem."""
        self.serve()
        self.assertEqual(len(answers(self.ask(request() * 20).received)), 20)


class KeepAliveTests(ChannelTests):
    def test_http_1_0(self):
        """HTTP/1.0 keeps the connection if the client asks for it and the length is known."""
        self.serve()
        wire = self.ask(request(b"GET / HTTP/1.0", b"Connection: keep-alive"))
        answer = self.one(wire)
        self.assertEqual(answer.field(b"connection"), b"keep-alive")
        self.assertFalse(wire.closed)
        wire.send(request(b"GET / HTTP/1.0"))
        _, second = answers(wire.received)
        self.assertTrue(second.closes)
        self.assertTrue(wire.closed)

    def test_http_1_0_without_length(self):
        """A streamed answer to HTTP/1.0 ends with the connection."""

        def answer(request):
            request.start(200, [])
            request.write(b"hel")
            request.write(b"lo")
            request.finish_stream([(b"x", b"y")])
            return NOT_DONE_YET

        self.serve(answer)
        wire = self.ask(request(b"GET / HTTP/1.0", b"Connection: keep-alive", host=None))
        found = self.one(wire)
        self.assertFalse(found.delimited)
        self.assertEqual(found.body, b"hello")
        self.assertTrue(wire.closed)


class OrdinaryResourceTests(ChannelTests):
    """Resources that know only Twisted's interface."""

    def test_bytes(self):
        self.serve(lambda request: b"hello")
        answer = self.one(self.ask(request()))
        self.assertEqual((answer.body, answer.field(b"content-length")), (b"hello", b"5"))

    def test_head(self):
        """HEAD has the length that GET would have, and no body."""
        self.serve(lambda request: b"hello")
        answer, after = answers(self.ask(request(b"HEAD / HTTP/1.1") + request()).received, ["HEAD"])
        self.assertEqual(answer.field(b"content-length"), b"5")
        self.assertEqual(after.body, b"hello")

    def test_written_in_parts(self):
        """Without a length, an answer is chunked."""

        def answer(request):
            request.setHeader(b"Content-Type", b"text/plain")
            request.write(b"hel")
            request.write(b"lo")
            request.finish()
            return NOT_DONE_YET

        self.serve(answer)
        first, second = answers(self.ask(request() * 2).received)
        self.assertEqual((first.body, first.field(b"transfer-encoding")), (b"hello", b"chunked"))
        self.assertEqual(second.body, b"hello")

    def test_written_to_http_1_0(self):
        def answer(request):
            request.write(b"hello")
            request.finish()
            return NOT_DONE_YET

        self.serve(answer)
        wire = self.ask(request(b"GET / HTTP/1.0", b"Connection: keep-alive"))
        self.assertEqual((self.one(wire).body, wire.closed), (b"hello", True))

    def test_written_with_a_length(self):
        def answer(request):
            request.setHeader(b"Content-Length", b"5")
            request.write(b"hello")
            request.finish()
            return NOT_DONE_YET

        self.serve(answer)
        answer = self.one(self.ask(request()))
        self.assertEqual((answer.body, answer.field(b"content-length")), (b"hello", b"5"))

    def test_methods_of_a_resource(self):
        """``render_GET`` and the like work, HEAD by GET, and 405 with what is allowed."""

        class Page(Resource):
            isLeaf = True

            def render_GET(self, request):
                return b"got"

        self.serve()
        self.site.resource = Page()
        self.assertEqual(self.one(self.ask(request())).body, b"got")
        self.assertEqual(self.one(self.ask(request(b"HEAD / HTTP/1.1")), "HEAD").field(b"content-length"), b"3")
        answer = self.one(self.ask(request(b"POST / HTTP/1.1")))
        self.assertEqual((answer.status, answer.field(b"allow")), (405, b"GET, HEAD"))

    def test_redirect_and_no_content(self):
        def answer(request):
            request.setResponseCode(204)
            request.finish()
            return NOT_DONE_YET

        self.serve(answer)
        first, second = answers(self.ask(request() * 2).received)
        self.assertEqual(
            (first.status, first.field(b"transfer-encoding"), first.field(b"content-length")), (204, None, None)
        )
        self.assertEqual(second.status, 204)

    def test_hostile_values(self):
        """CR, LF and NUL never get onto the wire."""

        def answer(request):
            request.setHeader(b"X-A", b"a\r\nSet-Cookie: evil=1")
            request.setHeader(b"X-B", b"a\nb\0c")
            return b""

        self.serve(answer)
        wire = self.ask(request())
        found = self.one(wire)
        self.assertIsNone(found.field(b"set-cookie"))
        self.assertEqual(found.field(b"x-a"), b"a Set-Cookie: evil=1")
        self.assertEqual(found.field(b"x-b"), b"a b c")

    def test_bugs_become_500(self):
        """What a resource raises is logged, and told as an internal error without any detail."""

        def broken(request):
            raise RuntimeError("the secret")

        for begin, answer in ((None, broken), (broken, echo)):
            self.serve(answer, begin)
            wire = self.ask(request() * 2)
            for found in answers(wire.received):
                self.assertEqual((found.status, found.json["reason"]), (500, "INTERNAL"))
                self.assertNotIn(b"secret", found.body)
            self.assertEqual(len(answers(wire.received)), 2)
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_bug_after_the_answer_began(self):
        """An answer that can no longer become an error is cut."""

        def answer(request):
            request.start(200, [])
            request.write(b"hel")
            raise RuntimeError

        self.serve(answer)
        wire = self.ask(request())
        self.assertFalse(self.one(wire).complete)
        self.assertTrue(wire.aborted)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_no_bytes(self):
        """A resource that gives something else than bytes has a bug."""
        self.serve(lambda request: "text")
        self.assertEqual(self.one(self.ask(request())).status, 500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_page_that_cannot_be_made(self):
        """Where even the error's page has a bug, the connection is cut."""
        self.serve(lambda request: 1 / 0)
        self.site.error = lambda error: 1 / 0
        wire = self.ask(request())
        self.assertTrue(wire.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class PlainOrdinaryResourceTests(OrdinaryResourceTests):
    llhttp = False


class LeavingTests(ChannelTests):
    def test_notify_finish_at_the_end(self):
        self.serve(wait)
        self.ask(request())
        (seen,) = self.leaf.requests
        done = seen.notifyFinish()
        self.assertNoResult(done)
        seen.respond(200, [], b"")
        self.assertIsNone(self.successResultOf(done))
        self.assertFalse(seen.disconnected)

    def test_client_leaves(self):
        """Whoever waits for it learns that the client has left, though nothing was being written."""
        self.serve(wait)
        left = []
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        done = seen.notifyFinish()
        seen.on_disconnect = left.append
        wire.leave()
        self.failureResultOf(done, ConnectionDone)
        self.assertEqual(len(left), 1)
        self.assertTrue(seen.disconnected)

    def test_nothing_happens_after_that(self):
        """Whatever is written for a client that has left is dropped without an error."""

        class Producer:
            stopped = 0

            def stopProducing(self):
                self.stopped += 1

        self.serve(wait)
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        wire.leave()
        producer = Producer()
        seen.respond(200, [], b"hello", [(b"a", b"b")])
        seen.start(200, [])
        seen.write(b"hello")
        seen.registerProducer(producer, True)
        seen.unregisterProducer()
        seen.finish_stream()
        seen.finish()
        seen.pause_body()
        seen.resume_body()
        seen.abort()
        self.assertEqual(producer.stopped, 1)
        self.assertEqual(wire.received, b"")
        self.assertEqual(seen.peer_host, "192.0.2.1")

    def test_answer_twice(self):
        """A second answer is dropped; a whole answer after the beginning of another is a bug."""
        self.serve(wait)
        wire = self.ask(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        self.assertRaises(RuntimeError, seen.respond, 200, [], b"")
        self.assertRaises(RuntimeError, seen.start, 200, [])
        seen.finish_stream()
        seen.respond(500, [], b"")
        seen.start(500, [])
        seen.write(b"x")
        seen.finish()
        self.assertEqual(self.one(wire).status, 200)

    def test_leaves_before_the_request_is_complete(self):
        self.serve()
        for data in (b"GET / HT", request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"he")):
            self.ask(data).leave()
        self.assertEqual(self.leaf.requests, [])

    def test_leaves_with_pipelined_requests(self):
        """Requests that were waiting are forgotten."""
        self.serve(wait)
        wire = self.ask(request() * 3)
        wire.leave()
        self.leaf.requests[0].respond(200, [], b"")
        self.assertEqual(len(self.leaf.requests), 1)


class PlainLeavingTests(LeavingTests):
    llhttp = False


class TakeOverTests(ChannelTests):
    class Other:
        def __init__(self):
            self.got = []

        def makeConnection(self, transport):
            self.transport = transport
            transport.registerProducer(self, True)

        def dataReceived(self, data):
            self.got.append(data)

        def connectionLost(self, reason):
            self.got.append(reason.type)

        def stopProducing(self):
            self.got.append("stop")

    def test_another_protocol(self):
        """A resource may take the connection, with the bytes that came already, for a protocol of its own."""
        other = self.Other()
        found = []

        def answer(request):
            transport, leftover = request.take_over(other)
            found.append(leftover)
            transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            return NOT_DONE_YET

        self.serve(answer)
        wire = self.ask(request(b"GET / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: x") + b"early")
        wire.send(b"late")
        self.advance(100)
        self.assertEqual((found, other.got), ([b"early"], [b"late"]))
        self.assertEqual(self.one(wire).status, 101)
        self.assertEqual(self.site.connections, 1)
        drained = self.site.drain()
        self.assertNoResult(drained)
        self.site.abort()
        self.successResultOf(drained)
        self.assertTrue(wire.aborted)
        self.assertEqual(other.got[-1].__name__, "ConnectionAborted")

    def test_not_after_an_answer(self):
        self.serve(wait)
        self.ask(request())
        (seen,) = self.leaf.requests
        seen.start(200, [])
        self.assertRaises(RuntimeError, seen.take_over, self.Other())


def test_reader_of_answers_is_strict():
    """The tests' own reader sees what is missing."""
    for data in (b"Content-Length: 5\r\n\r\nhell", b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"):
        assert [answer.complete for answer in answers(b"HTTP/1.1 200 OK\r\n" + data)] == [False]
