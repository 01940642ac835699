"""Every ambiguity is refused, and the connection closed: nothing can be smuggled past the gateway."""

import pytest
from channel_world import LIMITS, ChannelTests, answers, request

from twistedgw.errors import GatewayError
from twistedgw.web.head import CHUNKED, locate, read_head

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked"


def head(*fields, line=b"POST / HTTP/1.1", host=b"a.example"):
    return request(line, *fields, host=host)


REFUSED = {
    # two lengths
    "length and chunks": head(b"Content-Length: 15", TE) + CHUNKS,
    "chunks and length": head(TE, b"Content-Length: 15") + CHUNKS,
    "zero length and chunks": head(b"Content-Length: 0", TE) + CHUNKS,
    "two equal lengths": head(b"Content-Length: 5", b"Content-Length: 5") + b"hello",
    "two different lengths": head(b"Content-Length: 5", b"Content-Length: 0") + b"hello",
    "list of lengths": head(b"Content-Length: 5, 5") + b"hello",
    # a length that is no number of bytes
    "plus": head(b"Content-Length: +5") + b"hello",
    "minus": head(b"Content-Length: -5") + b"hello",
    "hexadecimal": head(b"Content-Length: 0x5") + b"hello",
    "underscore": head(b"Content-Length: 1_0") + b"hello",
    "empty length": head(b"Content-Length: ") + b"hello",
    "blank inside": head(b"Content-Length: 5 0") + b"hello",
    "vertical tab": head(b"Content-Length: \x0b5") + b"hello",
    "fraction": head(b"Content-Length: 5.0") + b"hello",
    "Arabic digits": head("Content-Length: \u0665".encode()) + b"hello",
    "more than fits": head(b"Content-Length: 18446744073709551621") + b"hello",
    # transfer codings
    "chunked twice": head(TE, TE) + CHUNKS,
    "chunked twice in a list": head(b"Transfer-Encoding: chunked, chunked") + CHUNKS,
    "gzip, chunked": head(b"Transfer-Encoding: gzip, chunked") + CHUNKS,
    "chunked, identity": head(b"Transfer-Encoding: chunked, identity") + CHUNKS,
    "identity": head(b"Transfer-Encoding: identity") + b"hello",
    "identity and length": head(b"Transfer-Encoding: identity", b"Content-Length: 5") + b"hello",
    "unknown coding": head(b"Transfer-Encoding: xchunked") + CHUNKS,
    "quoted coding": head(b'Transfer-Encoding: "chunked"') + CHUNKS,
    "coding with a parameter": head(b"Transfer-Encoding: chunked;q=1") + CHUNKS,
    "empty coding": head(b"Transfer-Encoding:") + CHUNKS,
    "coding after a vertical tab": head(b"Transfer-Encoding: \x0bchunked") + CHUNKS,
    "coding on HTTP/1.0": head(TE, line=b"POST / HTTP/1.0") + CHUNKS,
    # names and lines
    "blank before the colon": head(b"Transfer-Encoding : chunked") + CHUNKS,
    "tab before the colon": head(b"Content-Length\t: 5") + b"hello",
    "blank before the name": head(b" Transfer-Encoding: chunked") + CHUNKS,
    "fold": head(b"Transfer-Encoding:\r\n chunked") + CHUNKS,
    "fold with a tab": head(b"X: a\r\n\tTransfer-Encoding: chunked") + CHUNKS,
    "fold as the first field": b"POST / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n",
    "LF for a line end": b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello",
    "LF for all line ends": b"GET / HTTP/1.1\nHost: a\n\n",
    "LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "LF for the empty line": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "CR for a line end": b"POST / HTTP/1.1\r\nHost: a\rContent-Length: 5\r\n\r\nhello",
    "CR in a value": head(b"X: a\rTransfer-Encoding: chunked") + CHUNKS,
    "two CR": b"POST / HTTP/1.1\r\nHost: a\r\r\nContent-Length: 5\r\n\r\nhello",
    "NUL in a value": head(b"X: a\0b"),
    "NUL in a name": head(b"X\0Y: a"),
    "control byte in a value": head(b"X: a\x01b"),
    "DEL in a value": head(b"X: a\x7fb"),
    "no colon": head(b"Content-Length"),
    "no name": head(b": 5"),
    "name in quotes": head(b'"Content-Length": 5'),
    "name beyond ASCII": head(b"Content-L\xc3\xa9ngth: 5"),
    # Host
    "no Host": head(host=None),
    "two Hosts": head(b"Host: b.example"),
    "two Hosts on HTTP/1.0": head(b"Host: b.example", line=b"GET / HTTP/1.0"),
    "user in Host": head(host=b"user@a.example"),
    "path in Host": head(host=b"a.example/x"),
    "blank in Host": head(host=b"a example"),
    "list of Hosts": head(host=b"a.example, b.example/"),
    "port that is no number": head(host=b"a.example:x"),
    # request lines
    "two blanks before the target": head(line=b"GET  / HTTP/1.1"),
    "two blanks after the target": head(line=b"GET /  HTTP/1.1"),
    "blank before the method": head(line=b" GET / HTTP/1.1"),
    "tab": head(line=b"GET\t/\tHTTP/1.1"),
    "blank at the end": head(line=b"GET / HTTP/1.1 "),
    "blank in the target": head(line=b"GET /a b HTTP/1.1"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9 by its name": head(line=b"GET / HTTP/0.9"),
    "HTTP/1.2": head(line=b"GET / HTTP/1.2"),
    "HTTP/1.10": head(line=b"GET / HTTP/1.10"),
    "HTTP/01.1": head(line=b"GET / HTTP/01.1"),
    "lower-case version": head(line=b"GET / http/1.1"),
    "RTSP": head(line=b"SETUP / RTSP/1.0"),
    "ICE": head(line=b"SOURCE / ICE/1.0"),
    "no target": head(line=b"GET HTTP/1.1"),
    "fragment": head(line=b"GET /a#b HTTP/1.1"),
    "control byte in the target": head(line=b"GET /a\x01 HTTP/1.1"),
    "DEL in the target": head(line=b"GET /a\x7f HTTP/1.1"),
    "bytes beyond ASCII in the target": head(line=b"GET /\xc3\xa9 HTTP/1.1"),
    "target without a slash": head(line=b"GET a HTTP/1.1"),
    "star for another method": head(line=b"GET * HTTP/1.1"),
    "another scheme": head(line=b"GET ftp://a/ HTTP/1.1"),
    "user in the target": head(line=b"GET http://user@a/ HTTP/1.1"),
    "no authority": head(line=b"GET http:///x HTTP/1.1"),
    "no host in the authority": head(line=b"GET http://:80/x HTTP/1.1"),
    "authority for another method": head(line=b"GET a.example:80 HTTP/1.1"),
    "CONNECT to a path": head(line=b"CONNECT / HTTP/1.1"),
    "CONNECT with a body": head(b"Content-Length: 5", line=b"CONNECT a:80 HTTP/1.1") + b"hello",
    "two empty lines first": b"\r\n\r\n" + head(),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "method with a colon": head(line=b"GE:T / HTTP/1.1"),
}

MALFORMED_CHUNKS = {
    "no digit": b"\r\nhello\r\n0\r\n\r\n",
    "no hexadecimal digit": b"x\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "blank before the extension": b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
    "LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "CR after the data": b"5\r\nhello\r0\r\n\r\n",
    "data longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "LF in the extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in the extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in the extension": b"5;a\0\r\nhello\r\n0\r\n\r\n",
    "long extension": b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "size that does not fit": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "sixteen zeros": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "LF after the last chunk": b"5\r\nhello\r\n0\r\n\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    "trailer with a blank": b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
    "trailer with LF": b"5\r\nhello\r\n0\r\nX: a\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
    "comma": b"5,5\r\nhello\r\n0\r\n\r\n",
}


class RefusedTests(ChannelTests):
    def check(self, data, status=400, reason="MALFORMED_REQUEST"):
        self.serve()
        for pieces in ([data + SMUGGLED], [data, SMUGGLED], [bytes([byte]) for byte in data + SMUGGLED]):
            wire = self.ask(*pieces)
            answer = self.one(wire)
            self.assertEqual((answer.status, answer.json["reason"]), (status, reason))
            self.assertTrue(answer.closes)
            self.assertTrue(wire.closed)
            self.assertEqual(self.leaf.requests, [])

    def test_ambiguous_heads(self):
        """What two parsers might read differently is answered with 400, however it is cut into packets."""
        for name, data in REFUSED.items():
            with self.subTest(name):
                self.check(data)

    def test_malformed_chunks(self):
        """So is a chunked body that is not exactly one."""
        for name, data in MALFORMED_CHUNKS.items():
            with self.subTest(name):
                self.check(head(TE) + data)

    def test_later_versions(self):
        """HTTP/2 without TLS, and whatever comes after it, is 505."""
        for data in (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            head(line=b"GET / HTTP/2"),
            head(line=b"GET / HTTP/3.0"),
            head(line=b"GET / HTTP/10.0"),
        ):
            self.check(data, 505, "VERSION_NOT_SUPPORTED")

    def test_no_wait_for_what_can_never_be_a_head(self):
        """A request line that is wrong already is refused before the head is complete."""
        for data in (b"\x16\x03\x01", b"GET / HTTP/1.1\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\n"):
            self.serve()
            self.assertEqual(self.one(self.ask(data)).status, 400)

    def test_error_to_head_has_no_body(self):
        """The answer to a malformed HEAD request has a length, but no body."""
        self.serve()
        wire = self.ask(request(b"HEAD / HTTP/1.1", host=None))
        answer = self.one(wire, "HEAD")
        self.assertEqual((answer.status, answer.rest), (400, b""))
        self.assertGreater(int(answer.field(b"content-length")), 0)

    def test_earlier_answers_come_first(self):
        """What was pipelined before a malformed request is answered."""
        self.serve()
        found = answers(self.ask(request() + head(host=None) + request()).received)
        self.assertEqual([answer.status for answer in found], [200, 400])


class PlainRefusedTests(ChannelTests):
    """Twisted's own channel: what is checked for it as well."""

    llhttp = False

    def test_ambiguous_heads(self):
        """The framing of Twisted's channel is not ours, but the same fields are looked at."""
        ours = (
            "length and chunks",
            "chunks and length",
            "two equal lengths",
            "plus",
            "gzip, chunked",
            "chunked twice",
            "blank before the colon",
            "coding on HTTP/1.0",
            "no Host",
            "two Hosts",
            "NUL in a value",
            "user in Host",
            "star for another method",
            "no colon",
            "two blanks before the target",
            "HTTP/0.9",
            "target without a slash",
            "identity",
        )
        for name in ours:
            with self.subTest(name):
                self.serve()
                wire = self.ask(REFUSED[name] + SMUGGLED)
                answer = self.one(wire)
                self.assertEqual((answer.status, answer.json["reason"]), (400, "MALFORMED_REQUEST"))
                self.assertTrue(answer.closes)
                self.assertTrue(wire.closed)
                self.assertEqual(self.leaf.requests, [])

    def test_malformed_chunks(self):
        for name in ("no hexadecimal digit", "0x", "data longer than its size", "LF after the size"):
            with self.subTest(name):
                self.serve()
                self.assertEqual(self.one(self.ask(head(TE) + MALFORMED_CHUNKS[name] + SMUGGLED)).status, 400)
                self.assertEqual(self.leaf.requests, [])


class LimitTests(ChannelTests):
    def test_head_at_the_limit(self):
        """A head of just as many bytes as are allowed is taken; one more is 431."""
        self.serve()
        for excess, status in ((0, 200), (1, 431)):
            filler = LIMITS.max_header_size - len(request(b"GET / HTTP/1.1", b"X: ")) + excess
            data = request(b"GET / HTTP/1.1", b"X: " + b"a" * filler)
            self.assertEqual(len(data), LIMITS.max_header_size + excess)
            for pieces in ([data], [data[:500], data[500:]]):
                self.assertEqual(self.one(self.ask(*pieces)).status, status)

    def test_long_request_line(self):
        """A request line that alone is over the limit is 414, whether it ends or not."""
        self.serve()
        line = b"GET /" + b"a" * LIMITS.max_header_size
        for data in (line, request(line + b" HTTP/1.1")):
            answer = self.one(self.ask(data))
            self.assertEqual((answer.status, answer.json["reason"]), (414, "URI_TOO_LONG"))

    def test_endless_fields(self):
        """Fields that do not end are refused as soon as they are too many bytes."""
        self.serve()
        answer = self.one(self.ask(b"GET / HTTP/1.1\r\nX: " + b"a" * LIMITS.max_header_size))
        self.assertEqual((answer.status, answer.json["reason"]), (431, "HEADERS_TOO_LARGE"))

    def test_count_of_fields(self):
        """Just as many fields as are allowed are taken; one more is 431."""
        self.serve()
        for count, status in ((LIMITS.max_headers, 200), (LIMITS.max_headers + 1, 431)):
            wire = self.ask(request(b"GET / HTTP/1.1", *[b"X: a"] * (count - 1)))
            self.assertEqual(self.one(wire).status, status)

    def test_limits_are_asked_for_each_request(self):
        """New limits count for the next request of an open connection."""
        self.serve()
        wire = self.ask(request())
        self.limits = self.limits.__class__(1000, 2000, 1, 10, 30, 60)
        wire.send(request(b"GET / HTTP/1.1", b"X: a"))
        self.assertEqual([answer.status for answer in answers(wire.received)], [200, 431])

    def test_expectation(self):
        """An expectation that nobody knows is 417; HTTP/1.0 has none."""
        self.serve()
        answer = self.one(self.ask(request(b"POST / HTTP/1.1", b"Expect: 200-ok")))
        self.assertEqual((answer.status, answer.json["reason"]), (417, "EXPECTATION_FAILED"))
        self.assertEqual(self.one(self.ask(request(b"POST / HTTP/1.0", b"Expect: 200-ok"))).status, 200)


class PlainLimitTests(LimitTests):
    llhttp = False

    def test_head_at_the_limit(self):
        """Twisted counts without line ends; far over the limit is refused all the same."""
        self.serve()
        data = request(b"GET / HTTP/1.1", *[b"X: " + b"a" * 500] * 5)
        self.assertEqual(self.one(self.ask(data)).status, 431)


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        (b"GET", b"/a/b?c=d?e", (b"/a/b", b"c=d?e", None)),
        (b"GET", b"/a?", (b"/a", b"", None)),
        (b"GET", b"//a/b", (b"//a/b", None, None)),
        (b"GET", b"/http://b/", (b"/http://b/", None, None)),
        (b"GET", b"http://b.example/a?c", (b"/a", b"c", b"b.example")),
        (b"GET", b"HTTPS://b.example:8443", (b"/", None, b"b.example:8443")),
        (b"GET", b"http://[::1]:80?c", (b"/", b"c", b"[::1]:80")),
        (b"OPTIONS", b"*", (b"*", None, None)),
        (b"OPTIONS", b"http://b.example", (b"*", None, b"b.example")),
        (b"OPTIONS", b"http://b.example/", (b"/", None, b"b.example")),
        (b"CONNECT", b"b.example:443", (b"b.example:443", None, None)),
    ],
)
def test_forms_of_a_target(method, target, found):
    assert locate(method, target) == found


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: close",), False),
        (b"GET / HTTP/1.1", (b"Connection: Upgrade , CLOSE",), False),
        (b"GET / HTTP/1.1", (b"Connection: a", b"Connection: close"), False),
        (b"GET / HTTP/1.1", (b"Connection: closed",), True),
        (b"GET / HTTP/1.1", (b"Connection: keep-alive, close",), False),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Connection: Keep-Alive",), True),
        (b"GET / HTTP/1.0", (b"Connection: keep-alive, close",), False),
        (b"CONNECT a:1 HTTP/1.1", (), False),
    ],
)
def test_whether_the_connection_stays(line, fields, keep_alive):
    assert read_head(request(line, *fields), 20).keep_alive is keep_alive


def test_fields_of_a_head():
    """Names are in lower case, values without the blanks around them, in the order of their arrival."""
    found = read_head(request(b"FOO /x HTTP/1.1", b"X-A:  a b \t", b"x-a:", b"X-\xc3: \xff"[:0] + b"Y: \xff"), 20)
    assert found.method == b"FOO"
    assert list(found.fields) == [(b"host", b"a.example"), (b"x-a", b"a b"), (b"x-a", b""), (b"y", b"\xff")]
    assert (found.length, found.expects, found.minor) == (0, False, 1)


def test_bodies_of_a_head():
    assert read_head(request(b"POST / HTTP/1.1", b"Content-Length: 007"), 20).length == 7
    assert read_head(request(b"POST / HTTP/1.1", b"Transfer-Encoding: Chunked"), 20).length == CHUNKED
    assert read_head(request(b"POST / HTTP/1.1", b"Expect: 100-Continue"), 20).expects


@pytest.mark.parametrize(
    "fields",
    [(b"Connection: Upgrade", b"Upgrade: websocket"), (b"Connection: upgrade, HTTP2-Settings", b"Upgrade: h2c")],
)
def test_upgrade_is_an_ordinary_request(fields):
    """llhttp stops at it; the resource may still not care."""
    found = read_head(request(b"GET /chat HTTP/1.1", *fields, b"Content-Length: 3"), 20)
    assert (found.path, found.length, found.keep_alive) == (b"/chat", 3, True)
    assert (b"upgrade", fields[1].partition(b": ")[2]) in found.fields


def test_a_cached_host_stays_refused():
    for _ in range(2):
        with pytest.raises(GatewayError):
            read_head(request(host=b"a b"), 20)
