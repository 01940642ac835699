"""Whatever a client sends: no exception, no 500, no connection that stays for ever."""

from channel_world import ChannelTests, Sink, answers, echo, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.web.server import NOT_DONE_YET

EXPECTED = {100, 200, 400, 408, 413, 414, 417, 431, 505}

TOKENS = [
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"/", b"*", b"/a?b", b"http://a/",
    b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/1.1", b"Host: a\r\n", b"Host:\r\n", b"Host: a", b"\r\n", b"\r", b"\n", b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: 2000\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: h2c\r\n", b": ", b"X: y\r\n",
    b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"3;x=y\r\n", b"\0", b"\xff", b" ", b"\t", b"a" * 300, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
]  # fmt: skip
STREAMS = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=25).map(b"".join),
    st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=10)), max_size=15).map(b"".join),
    st.binary(max_size=200),
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"X", b"accept", b"X-Y-Z"]), st.binary(max_size=12).map(lambda v: bytes(c | 0x80 for c in v))
    ),
    max_size=4,
)
SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def pieces_of(data, draw):
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > start]


class FuzzTests(ChannelTests):
    def begin(self, kind):
        """A resource that takes bodies, refuses, or answers early, as `kind` says."""
        if kind == "none":
            return None

        def begin(request):
            if kind == "sink":
                sink = Sink(request)
                sink.finished = lambda: echo(request)
                return sink
            if kind == "early":
                request.respond(200, [], b"{}")
            return None

        return begin

    def talk(self, pieces, kind="none"):
        self.serve(begin=self.begin(kind))
        wire = self.ask(*pieces)
        open_ = not wire.closed
        for _ in range(8):
            self.clock.advance(20)
        self.assertTrue(wire.closed)
        return wire, open_

    @SETTINGS
    @given(STREAMS, st.sampled_from(["none", "sink", "early"]), st.data())
    def test_anything(self, data, kind, draws):
        """Any bytes, in any pieces."""
        wire, _ = self.talk(pieces_of(data, draws.draw), kind)
        methods = [seen.method.decode("latin-1") for seen in self.leaf.requests]
        if b"HEAD" in data:
            return  # which answers have bodies is not for this test to find out
        for answer in answers(wire.received, methods):
            self.assertIn(answer.status, EXPECTED)
            self.assertTrue(answer.complete)
        self.assertEqual(self.flushLoggedErrors(), [])

    @SETTINGS
    @given(STREAMS, st.sampled_from(["none", "sink", "early"]), st.data())
    def test_splitting_changes_nothing(self, data, kind, draws):
        """The answers do not depend on how the bytes were cut, and neither does what was understood."""
        whole, whole_open = self.talk([data], kind)
        seen = [(each.method, each.uri, each.body) for each in self.leaf.requests]
        split, split_open = self.talk(pieces_of(data, draws.draw), kind)
        self.assertEqual([(each.method, each.uri, each.body) for each in self.leaf.requests], seen)
        self.assertEqual(statuses(split.received), statuses(whole.received))
        self.assertEqual(split_open, whole_open)

    @SETTINGS
    @given(
        st.sampled_from([b"GET", b"POST", b"FOO"]),
        st.text("abc/%?&=", max_size=20),
        FIELDS,
        st.one_of(st.none(), st.lists(st.binary(min_size=1, max_size=40), max_size=4)),
        st.booleans(),
        st.data(),
    )
    def test_valid_requests(self, method, target, fields, chunks, by_length, draws):
        """A valid request is understood as it was meant, whichever way its body comes, however it is cut."""
        lines = [name + b": " + value for name, value in fields]
        body = b"".join(chunks or ())
        if chunks is None:
            tail = b""
        elif by_length:
            lines.append(b"Content-Length: %d" % len(body))
            tail = body
        else:
            lines.append(b"Transfer-Encoding: chunked")
            tail = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        line = b"%b /%b HTTP/1.1" % (method, target.encode())
        data = request(line, *lines, body=tail)
        self.serve()
        wire = self.ask(*pieces_of(data * 2, draws.draw))
        self.assertEqual([answer.status for answer in answers(wire.received)], [200, 200])
        for seen in self.leaf.requests:
            self.assertEqual((seen.method, seen.uri, seen.body), (method, b"/" + target.encode(), body))
            self.assertEqual(
                [field for field in seen.fields if field[0] in (b"x", b"accept", b"x-y-z")],
                [(name.lower(), value) for name, value in fields],
            )


class PlainFuzzTests(FuzzTests):
    llhttp = False

    def test_splitting_changes_nothing(self):
        """Twisted's channel tells some errors only at the end of a line."""

    def test_valid_requests(self):
        """See the tests of requests."""


class EventTests(ChannelTests):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["send", "read", "answer", "start", "write", "end", "wait", "leave"]),
                st.integers(1, 100_000),
            ),
            max_size=30,
        )
    )
    def test_any_order_of_events(self, events):
        """Requests, answers and a client that reads as it likes: nothing raises, nothing is lost, nothing stays."""
        self.serve(lambda request: NOT_DONE_YET)
        wire = self.connect(reads=0)
        for what, size in events:
            current = self.leaf.requests[-1] if self.leaf.requests else None
            if what == "send" and not wire.closed:
                wire.send(request() * (size % 5))
            elif what == "read" and not wire.closed:
                wire.read(size)
            elif what == "wait":
                self.clock.advance(size % 20)
            elif what == "leave":
                wire.leave()
            elif current is not None:
                self.act(current, what, size)
        if not wire.closed:
            wire.read()
            found = answers(wire.received)
            ended = [seen for seen in self.leaf.requests if seen.finished]
            self.assertEqual(len([each for each in found if each.complete and each.status == 200]), len(ended))
        for seen in self.leaf.requests:
            seen.finish()
        for _ in range(20):
            self.clock.advance(20)
            for seen in self.leaf.requests:
                seen.finish()
        self.assertTrue(wire.closed)
        self.assertEqual(self.site.connections, 0)

    def act(self, current, what, size):
        if what == "answer" and not current.startedWriting:
            current.respond(200, [], b"x" * size)
        elif what == "start" and not current.startedWriting:
            current.start(200, [])
        elif what == "write" and current.startedWriting:
            current.write(b"x" * size)
        elif what == "end" and current.startedWriting:
            current.finish_stream()


def statuses(data):
    return [line.split()[1] for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
