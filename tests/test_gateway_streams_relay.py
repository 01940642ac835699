"""The relay in memory: a site whose clock stands still, and a backend that is the test."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from channel_world import BUFFER
from stream_world import LAST, World, chunk, ini, request
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twistedgw.backends.failures import CallError
from twistedgw.status import Code
from twistedgw.web.gathering import GATHER_BYTES, GATHER_SECONDS


class RelayCase(SynchronousTestCase):
    text: str | None = None
    llhttp = True

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.world = World(self.folder, self.text, llhttp=self.llhttp)
        self.bridge = self.world.bridge
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def tearDown(self) -> None:
        for event in self.events:
            assert event["log_level"] < LogLevel.warn, event

    def body(self, wire: Any) -> bytes:
        """Give the answer's body without its chunks, as far as it came; what is gathered comes now."""
        self.world.clock.advance(GATHER_SECONDS)
        _, _, rest = wire.received.partition(b"\r\n\r\n")
        found = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            found += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return found

    def status(self, wire: Any) -> int:
        return int(wire.received.split(b" ", 2)[1])

    def fields(self, wire: Any) -> dict[str, str]:
        head = wire.received.partition(b"\r\n\r\n")[0].decode("latin-1")
        return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])

    def error(self, wire: Any) -> dict[str, Any]:
        return json.loads(wire.received.partition(b"\r\n\r\n")[2])

    def reason(self, wire: Any) -> str:
        return self.error(wire)["details"][0]["reason"]

    def logged(self) -> dict[str, Any]:
        (event,) = (event for event in self.events if event["log_namespace"] == "twistedgw.access")
        return event

    def assert_over(self) -> None:
        """Nothing is held any more."""
        assert self.world.registry.in_flight == 0
        self.world.clock.advance(GATHER_SECONDS)
        assert not [call for call in self.world.clock.getDelayedCalls() if "sweep" not in str(call.func)]


class AnswerTests(RelayCase):
    """Streams of answers."""

    def test_each_message_is_written_as_it_comes(self) -> None:
        wire = self.world.get("/v1/watch/x")
        stream = self.bridge.one
        assert [message.name for message in stream.sent] == ["x"]
        assert stream.done == ["half_close"]
        assert wire.received == b""
        stream.receiver.headers((("x-a", "b"),))
        assert self.status(wire) == 200
        assert self.fields(wire)["x-a"] == "b"
        assert self.body(wire) == b""
        stream.give(number=1)
        assert self.body(wire) == b'{"number":1}\n'
        stream.give(number=2)
        assert self.body(wire) == b'{"number":1}\n{"number":2}\n'
        assert not wire.received.endswith(LAST)
        stream.end()
        assert wire.received.endswith(LAST)
        assert stream.done == ["half_close"]
        self.assert_over()

    def test_messages_close_together_are_written_together(self) -> None:
        """The first at once, those right behind it within 2 ms."""
        wire = self.world.get("/v1/watch/x")
        stream = self.bridge.one
        stream.give(number=1)
        assert wire.received.endswith(chunk(b'{"number":1}\n'))
        stream.give(number=2)
        stream.give(number=3)
        assert wire.received.endswith(chunk(b'{"number":1}\n'))
        self.world.clock.advance(GATHER_SECONDS)
        assert wire.received.endswith(chunk(b'{"number":2}\n{"number":3}\n'))
        stream.give(number=4)
        stream.end()
        assert wire.received.endswith(chunk(b'{"number":4}\n') + LAST)
        self.assert_over()

    def test_no_more_than_so_much_is_gathered(self) -> None:
        wire = self.world.get("/v1/watch/x")
        stream = self.bridge.one
        stream.give(number=1)
        before = len(wire.received)
        for _ in range(GATHER_BYTES // 1000):
            stream.give(data=bytes(800))
        assert len(wire.received) > before + GATHER_BYTES
        before = len(wire.received)
        stream.give(data=bytes(GATHER_BYTES))
        assert len(wire.received) > before + GATHER_BYTES
        stream.end()
        self.assert_over()

    def test_what_is_gathered_goes_before_an_error(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.give(number=2)
        self.bridge.one.break_down()
        lines = self.body(wire).splitlines()
        assert lines[:2] == [b'{"number":1}', b'{"number":2}']
        assert lines[2].startswith(b'{"error":')
        wire = self.world.get("/v1/watch/x", "Accept: application/json")
        self.bridge.streams[1].give(number=1)
        self.bridge.streams[1].give(number=2)
        self.bridge.streams[1].break_down()
        assert self.body(wire) == b'[{"number":1},\n{"number":2}'

    def test_what_is_gathered_is_forgotten_with_the_client(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.give(number=2)
        wire.leave()
        self.assert_over()

    def test_two_way_streams_gather_nothing(self) -> None:
        """A client may wait for an answer before it says more."""
        wire = self.world.open("/v1/chat")
        for number in (1, 2, 3):
            self.bridge.one.give(number=number)
            assert wire.received.endswith(chunk(b'{"number":%d}\n' % number))

    def test_the_connection_goes_on(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.end()
        wire.send(request("GET", "/v1/watch/y"))
        assert [stream.sent[0].name for stream in self.bridge.streams] == ["x", "y"]

    def test_the_head_goes_out_after_a_second(self) -> None:
        """So that a client knows that it is served."""
        wire = self.world.get("/v1/watch/x")
        self.world.clock.advance(0.99)
        assert wire.received == b""
        self.world.clock.advance(0.01)
        assert self.status(wire) == 200
        self.bridge.one.receiver.headers((("x-late", "1"),))
        self.bridge.one.give(number=1)
        assert self.body(wire) == b'{"number":1}\n'
        assert "x-late" not in self.fields(wire)
        self.bridge.one.end()
        self.assert_over()

    def test_an_error_before_the_head_has_its_own_status(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.end(CallError(Code.NOT_FOUND, "no such name", from_backend=True))
        assert self.status(wire) == 404
        assert self.error(wire) == {"code": 5, "message": "no such name", "details": []}
        assert self.logged()["status"] == 404
        self.assert_over()

    def test_an_error_after_the_head(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.break_down()
        first, last = self.body(wire).splitlines()
        assert first == b'{"number":1}'
        assert json.loads(last)["error"]["message"] == "the connection to the backend was lost"
        assert wire.received.endswith(LAST)
        event = self.logged()
        assert (event["status"], event["code"], event["messages"]) == (200, "UNAVAILABLE", (1, 1))
        assert event["size"] == len(self.body(wire))
        self.assert_over()

    def test_an_array_is_cut(self) -> None:
        wire = self.world.get("/v1/watch/x", "Accept: application/json")
        self.bridge.one.give(number=1)
        self.bridge.one.break_down()
        assert self.body(wire) == b'[{"number":1}'
        assert wire.aborted
        assert self.logged()["code"] == "UNAVAILABLE"
        self.assert_over()

    def test_an_array_is_cut_after_what_waits_for_a_slow_reader(self) -> None:
        wire = self.world.get("/v1/watch/x", "Accept: application/json", reads=0)
        self.bridge.one.give(data=bytes(BUFFER))
        assert self.bridge.one.paused
        self.bridge.one.break_down()
        assert not wire.aborted
        wire.read()
        assert wire.aborted
        assert len(self.body(wire)) > BUFFER
        self.assert_over()

    def test_a_message_that_cannot_be_written(self) -> None:
        """As the first it is a 500, later on an error in the stream; the call is cancelled either way."""
        wire = self.world.get("/v1/watch/x")
        stream = self.bridge.one
        stream.receiver.message(type(stream.sent[0])(any={"number_value": float("nan")}))
        assert stream.done == ["half_close", "cancel"]
        assert self.status(wire) == 500
        assert self.reason(wire) == "UNWRITABLE_MESSAGE"
        wire = self.world.get("/v1/watch/x")
        stream = self.bridge.streams[1]
        stream.give(number=1)
        stream.receiver.message(type(stream.sent[0])(any={"number_value": float("nan")}))
        assert stream.done == ["half_close", "cancel"]
        assert b"UNWRITABLE_MESSAGE" in self.body(wire)
        assert wire.received.endswith(LAST)
        self.assert_over()

    def test_a_client_that_leaves_cancels_the_call(self) -> None:
        for begun in (False, True):
            wire = self.world.get("/v1/watch/x")
            stream = self.bridge.streams[-1]
            if begun:
                stream.give(number=1)
            wire.leave()
            assert stream.done == ["half_close", "cancel"]
            self.assert_over()
        statuses = [event["status"] for event in self.events if event["log_namespace"] == "twistedgw.access"]
        assert statuses == [499, 200]
        codes = [event["code"] for event in self.events if event["log_namespace"] == "twistedgw.access"]
        assert codes == ["CANCELLED", "CANCELLED"]

    def test_a_slow_reader_slows_the_backend(self) -> None:
        wire = self.world.get("/v1/watch/x", reads=0)
        stream = self.bridge.one
        written = 0
        while not stream.paused:
            stream.give(data=bytes(1000))
            written += 1
        assert written * 1334 < 2 * BUFFER
        wire.read(1000)
        assert stream.paused
        wire.read()
        assert not stream.paused
        stream.give(number=1)
        stream.end()
        assert len(self.body(wire).splitlines()) == written + 1
        self.assert_over()

    def test_a_reader_that_takes_nothing_is_cut_off(self) -> None:
        """After `body_timeout`."""
        self.world.get("/v1/watch/x", reads=0)
        while not self.bridge.one.paused:
            self.bridge.one.give(data=bytes(1000))
        for _ in range(31):
            self.world.clock.advance(1)
        assert self.bridge.one.done[-1] == "cancel"
        self.assert_over()

    def test_an_idle_stream_stays(self) -> None:
        wire = self.world.get("/v1/watch/x")
        for _ in range(1000):
            self.world.clock.advance(1)
        self.bridge.one.give(number=1)
        assert self.body(wire) == b'{"number":1}\n'

    def test_heartbeats(self) -> None:
        wire = self.world.get("/v1/watch/x", "Accept: text/event-stream")
        stream = self.bridge.one
        stream.receiver.headers(())
        head = wire.received
        self.world.clock.advance(14.9)
        assert wire.received == head
        self.world.clock.advance(0.1)
        assert wire.received == head + chunk(b":\n\n")
        self.world.clock.advance(10)
        stream.give(number=1)
        head = wire.received
        assert head.endswith(chunk(b'id: 1\ndata: {"number":1}\n\n'))
        self.world.clock.advance(14.9)
        assert wire.received == head
        self.world.clock.advance(0.1)
        assert wire.received == head + chunk(b":\n\n")
        self.world.clock.advance(15)
        assert wire.received == head + chunk(b":\n\n") * 2
        stream.end()
        self.assert_over()

    def test_no_heartbeats_for_who_does_not_read(self) -> None:
        wire = self.world.get("/v1/watch/x", "Accept: text/event-stream", reads=0)
        while not self.bridge.one.paused:
            self.bridge.one.give(data=bytes(1000))
        unread = wire.unread
        self.world.clock.advance(20)
        assert wire.unread == unread

    def test_trailers(self) -> None:
        wire = self.world.get("/v1/watch/x", "TE: trailers")
        self.bridge.one.end(trailing=(("x-count", "7"),))
        assert wire.received.endswith(b"\r\n0\r\nx-count: 7\r\n\r\n")
        wire = self.world.get("/v1/watch/x")
        self.bridge.streams[1].end(trailing=(("x-count", "7"),))
        assert wire.received.endswith(LAST)

    def test_trailers_of_an_error(self) -> None:
        wire = self.world.get("/v1/watch/x", "TE: trailers")
        self.bridge.one.give(number=1)
        self.bridge.one.end(CallError(Code.ABORTED, "a", from_backend=True, trailing_metadata=(("x-why", "b"),)))
        assert wire.received.endswith(b"\r\n0\r\nx-why: b\r\n\r\n")

    def test_http_1_0_ends_with_the_connection(self) -> None:
        wire = self.world.connect().send(b"GET /v1/watch/x HTTP/1.0\r\nHost: h\r\n\r\n")
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert wire.received.endswith(b'\r\n\r\n{"number":1}\n')
        assert wire.closed

    def test_head_is_refused(self) -> None:
        """As of any gRPC API: there is no method to ask for what a GET would answer."""
        wire = self.world.connect().send(request("HEAD", "/v1/watch/x"))
        assert self.status(wire) == 405
        assert self.fields(wire)["allow"] == "get"
        assert not self.bridge.streams

    def test_the_deadline_is_that_of_the_client_or_the_api(self) -> None:
        self.world.get("/v1/watch/x")
        self.world.get("/v1/watch/x", "Grpc-Timeout: 3S")
        assert [stream.call.timeout for stream in self.bridge.streams] == [None, 3.0]
        self.world.load(ini(api="timeout = 2s\n"))
        self.world.get("/v1/watch/x")
        self.world.get("/v1/watch/x", "Grpc-Timeout: 3S")
        assert [stream.call.timeout for stream in self.bridge.streams[2:]] == [2.0, 2.0]

    def test_a_wrong_request_never_reaches_the_backend(self) -> None:
        for wire, status, reason in (
            (self.world.get("/v1/watch/x?nope=1"), 400, "INVALID_QUERY"),
            (self.world.get("/v1/watch/x", "Grpc-Timeout: 1"), 400, "INVALID_TIMEOUT"),
            (self.world.get("/v1/watch/x?$alt=proto"), 400, "INVALID_QUERY"),
            (self.world.post("/v1/watch", b"{"), 400, "INVALID_JSON"),
            (self.world.post("/v1/watch", b" " * 1001), 413, "REQUEST_TOO_LARGE"),
            (self.world.post("/v1/watch", b"x", "Content-Type: text/html"), 415, "UNSUPPORTED_MEDIA_TYPE"),
            (self.world.post("/v1/collect/x?nope=1", b"{}"), 400, "INVALID_QUERY"),
            (self.world.post("/v1/collect", b"{}", "Content-Type: text/html"), 415, "UNSUPPORTED_MEDIA_TYPE"),
            (self.world.post("/v1/collect", b"{}", "Content-Encoding: br"), 415, "UNSUPPORTED_ENCODING"),
        ):
            assert (self.status(wire), self.reason(wire)) == (status, reason)
        assert not self.bridge.streams
        self.assert_over()


class RequestTests(RelayCase):
    """Streams of requests."""

    def test_messages_go_out_as_they_come(self) -> None:
        wire = self.world.open("/v1/collect/x")
        stream = self.bridge.one
        assert stream.sent == []
        wire.send(chunk(b'{"number":1}\n{"num'))
        assert [(message.name, message.number) for message in stream.sent] == [("x", 1)]
        wire.send(chunk(b'ber":2}'))
        assert [message.number for message in stream.sent] == [1, 2]
        assert stream.done == []
        wire.send(LAST)
        assert stream.done == ["half_close"]
        stream.receiver.headers((("x-a", "b"),))
        assert wire.received == b""
        stream.give(number=7)
        assert wire.received == b""
        stream.end()
        assert self.status(wire) == 200
        assert self.fields(wire)["x-a"] == "b"
        assert self.fields(wire)["content-type"] == "application/json"
        assert self.error(wire) == {"number": 7}
        event = self.logged()
        assert (event["code"], event["messages"]) == ("OK", (2, 1))
        self.assert_over()

    def test_a_backend_that_takes_no_more_stops_the_client(self) -> None:
        self.bridge.room = 2
        wire = self.world.open("/v1/collect")
        stream = self.bridge.one
        wire.send(chunk(b"{}" * 5))
        assert len(stream.sent) == 2
        wire.send(chunk(b"{}"), LAST)
        assert wire.paused
        assert len(stream.sent) == 2
        stream.more(2)
        assert len(stream.sent) == 4
        assert wire.paused
        assert stream.done == []
        stream.more()
        assert len(stream.sent) == 5
        assert not wire.paused
        wire.send(b"")
        assert len(stream.sent) == 6
        assert stream.done == ["half_close"]

    def test_the_last_message_is_followed_by_the_end_in_any_case(self) -> None:
        self.bridge.room = 1
        self.world.post("/v1/collect", b"{}")
        assert self.bridge.one.done == []
        self.bridge.one.more()
        assert self.bridge.one.done == ["half_close"]

    def test_a_malformed_message_cancels_the_call(self) -> None:
        wire = self.world.open("/v1/collect")
        stream = self.bridge.one
        wire.send(chunk(b'{"number":1}\n{"number":"x"}\n{"number":3}\n'))
        assert [message.number for message in stream.sent] == [1]
        assert stream.done == ["cancel"]
        assert self.status(wire) == 400
        assert self.reason(wire) == "INVALID_JSON"
        assert self.error(wire)["message"].startswith("body field '[1].number': expected")
        assert self.error(wire)["details"][1]["fieldViolations"][0]["field"] == "[1].number"
        self.assert_over()

    def test_a_malformed_message_after_the_answer_has_begun(self) -> None:
        wire = self.world.open("/v1/chat")
        stream = self.bridge.one
        wire.send(chunk(b"{}"))
        stream.give(number=1)
        wire.send(chunk(b"}"))
        assert stream.done == ["cancel"]
        first, last = self.body(wire).splitlines()
        assert first == b'{"number":1}'
        assert json.loads(last)["error"]["message"] == "body field '[1]': expected a JSON value, got '}'"
        self.assert_over()

    def test_a_message_over_the_limit(self) -> None:
        wire = self.world.open("/v1/collect")
        wire.send(*[chunk(b'{"number":1}' + b" " * 90)] * 20)
        assert len(self.bridge.one.sent) == 20
        wire.send(chunk(b'{"name":"' + b"x" * 995))
        assert self.status(wire) == 413
        assert self.error(wire)["message"] == "item 20 of the body has more than 1000 bytes"
        assert self.bridge.one.done == ["cancel"]

    def test_both_directions_at_once(self) -> None:
        wire = self.world.open("/v1/chat")
        stream = self.bridge.one
        for number in (1, 2):
            wire.send(chunk(b'{"number":%d}' % number))
            assert stream.sent[-1].number == number
            stream.give(number=number)
        assert self.body(wire) == b'{"number":1}\n{"number":2}\n'
        wire.send(LAST)
        assert stream.done == ["half_close"]
        stream.give(number=3)
        stream.end()
        assert self.body(wire) == b'{"number":1}\n{"number":2}\n{"number":3}\n'
        assert not wire.closed
        self.assert_over()

    def test_a_backend_that_ends_before_the_client(self) -> None:
        wire = self.world.open("/v1/chat")
        wire.send(chunk(b"{}"))
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert self.body(wire) == b'{"number":1}\n'
        assert wire.received.endswith(LAST)
        wire.send(chunk(b"{}"))
        assert len(self.bridge.one.sent) == 1
        self.assert_over()

    def test_a_backend_that_fails_while_the_body_comes(self) -> None:
        self.bridge.room = 1
        wire = self.world.open("/v1/collect")
        wire.send(chunk(b"{}" * 3))
        self.bridge.one.break_down()
        assert self.status(wire) == 503
        wire.send(chunk(b"{}" * 3), LAST)
        assert len(self.bridge.one.sent) == 1
        self.assert_over()

    def test_a_client_that_leaves_in_the_middle_of_its_body(self) -> None:
        wire = self.world.open("/v1/collect")
        wire.send(chunk(b"{}"))
        wire.leave()
        assert self.bridge.one.done == ["cancel"]
        self.assert_over()

    def test_a_client_that_sends_no_body(self) -> None:
        """After `body_timeout`, before an answer has begun."""
        wire = self.world.open("/v1/collect")
        wire.send(chunk(b"{}"))
        for _ in range(31):
            self.world.clock.advance(1)
        assert self.status(wire) == 408
        assert self.bridge.one.done == ["cancel"]
        self.assert_over()

    def test_a_client_that_listens_may_be_silent(self) -> None:
        """Once its answer has begun."""
        wire = self.world.open("/v1/chat")
        wire.send(chunk(b"{}"))
        for number in range(1, 100):
            self.world.clock.advance(1)
            self.bridge.one.give(number=number)
        assert self.body(wire).count(b"\n") == 99
        wire.send(chunk(b"{}"))
        assert len(self.bridge.one.sent) == 2

    def test_many_small_messages_let_others_have_their_turn(self) -> None:
        wire = self.world.open("/v1/collect")
        stream = self.bridge.one
        stream.on_send = lambda: setattr(self.world.clock, "rightNow", self.world.clock.rightNow + 0.01)
        wire.send(chunk(b"{}{}{}"), LAST)
        assert len(stream.sent) == 1
        assert wire.paused
        self.world.clock.advance(0)
        wire.send(b"")
        assert len(stream.sent) == 3
        assert stream.done == ["half_close"]

    def test_chunks_that_are_malformed(self) -> None:
        wire = self.world.open("/v1/collect")
        wire.send(chunk(b"{}"), b"zz\r\n")
        assert (self.status(wire), self.reason(wire)) == (400, "MALFORMED_REQUEST")
        assert self.bridge.one.done == ["cancel"]
        self.assert_over()

    def test_expect_100_continue(self) -> None:
        wire = self.world.open("/v1/collect", "Expect: 100-continue")
        assert wire.received == b"HTTP/1.1 100 Continue\r\n\r\n"

    def test_no_requests_at_all(self) -> None:
        for body in (b"", b"[]", b" \n"):
            self.world.post("/v1/collect/x", body)
            assert self.bridge.streams[-1].sent == []
            assert self.bridge.streams[-1].done == ["half_close"]

    def test_a_rule_without_a_body_is_one_message(self) -> None:
        self.world.get("/v1/collect/x?number=3")
        assert [(message.name, message.number) for message in self.bridge.one.sent] == [("x", 3)]
        assert self.bridge.one.done == ["half_close"]
        wire = self.world.connect().send(request("GET", "/v1/collect/x", "Content-Length: 2") + b"{}")
        assert (self.status(wire), self.reason(wire)) == (400, "INVALID_BODY")

    def test_gzip(self) -> None:
        packed = gzip.compress(b'{"number":1}\n') + gzip.compress(b'{"number":2}\n')
        wire = self.world.open("/v1/collect", "Content-Encoding: gzip")
        wire.send(*[chunk(packed[index : index + 1]) for index in range(len(packed))])
        assert [message.number for message in self.bridge.one.sent] == [1, 2]
        wire.send(LAST)
        assert self.bridge.one.done == ["half_close"]

    def test_gzip_that_swells(self) -> None:
        """What does not fit the backend is not even unpacked."""
        self.bridge.room = 10
        wire = self.world.open("/v1/collect", "Content-Encoding: gzip")
        wire.send(chunk(gzip.compress(b"{}\n" * 10_000_000)))
        assert len(self.bridge.one.sent) == 10
        assert wire.paused or not wire.closed
        wire.leave()
        self.assert_over()

    def test_gzip_that_is_wrong(self) -> None:
        wire = self.world.post("/v1/collect", gzip.compress(b"{}" * 3)[:-1], "Content-Encoding: gzip")
        assert (self.status(wire), self.reason(wire)) == (400, "INVALID_BODY")
        assert self.bridge.one.done == ["cancel"]
        wire = self.world.post("/v1/collect", b"x", "Content-Encoding: gzip")
        assert (self.status(wire), self.reason(wire)) == (400, "INVALID_BODY")


class OctetsTests(RelayCase):
    """HttpBody, both ways: not an octet is added."""

    def test_download(self) -> None:
        wire = self.world.get("/v1/download/x")
        stream = self.bridge.one
        stream.receiver.headers((("x-a", "b"),))
        self.world.clock.advance(10)
        assert wire.received == b""
        stream.give(content_type="image/png", data=b"\x00\n")
        assert self.fields(wire)["content-type"] == "image/png"
        assert self.fields(wire)["x-a"] == "b"
        stream.give(content_type="text/plain", data=b"")
        stream.give(data=b"\xff")
        stream.end()
        assert self.body(wire) == b"\x00\n\xff"
        self.assert_over()

    def test_download_of_nothing(self) -> None:
        wire = self.world.get("/v1/download/x")
        self.bridge.one.end()
        assert (self.status(wire), self.body(wire)) == (200, b"")
        assert self.fields(wire)["content-type"] == "application/octet-stream"

    def test_an_error_cuts_a_download(self) -> None:
        wire = self.world.get("/v1/download/x")
        self.bridge.one.give(content_type="image/png", data=b"1")
        self.bridge.one.break_down()
        assert wire.aborted
        assert self.body(wire) == b"1"
        self.assert_over()

    def test_an_error_before_a_download(self) -> None:
        wire = self.world.get("/v1/download/x")
        self.bridge.one.receiver.headers(())
        self.bridge.one.break_down()
        assert self.status(wire) == 503

    def test_upload(self) -> None:
        """The content type is in the first message, path and query are in each."""
        wire = self.world.open("/v1/upload/x?note=n", "Content-Type: image/png")
        wire.send(chunk(b"ab"), chunk(b"\x00"))
        found = [(m.name, m.note, m.blob.content_type, m.blob.data) for m in self.bridge.one.sent]
        assert found == [("x", "n", "image/png", b"ab"), ("x", "n", "", b"\x00")]
        wire.send(LAST)
        assert self.bridge.one.done == ["half_close"]

    def test_upload_of_nothing(self) -> None:
        self.world.post("/v1/upload/x", b"", "Content-Type: image/png")
        (message,) = self.bridge.one.sent
        assert (message.name, message.blob.content_type, message.blob.data) == ("x", "image/png", b"")

    def test_upload_in_parts(self) -> None:
        self.world.post("/v1/copy", b"x" * 2500, "Content-Type: image/png")
        assert [len(message.data) for message in self.bridge.one.sent] == [1000, 1000, 500]

    def test_upload_of_gzip(self) -> None:
        self.world.post("/v1/copy", gzip.compress(b"abc"), "Content-Encoding: gzip")
        assert b"".join(message.data for message in self.bridge.one.sent) == b"abc"


class GenerationTests(RelayCase):
    """Reloads."""

    def test_a_stream_keeps_its_generation(self) -> None:
        retired: list[Any] = []
        self.world.registry._retired = retired.append
        old = self.world.registry.snapshot
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.world.load(ini("preserve_proto_field_names = yes\n"))
        assert retired == []
        self.bridge.one.give(number=2)
        self.bridge.one.end()
        assert retired == [old]
        assert self.body(wire) == b'{"number":1}\n{"number":2}\n'
        self.assert_over()

    def test_a_request_that_became_a_stream_while_its_body_came(self) -> None:
        """Its path was no stream's when its head came."""
        wire = self.world.connect().send(request("POST", "/v1/later", "Content-Length: 4") + b"{}")
        self.world.load(
            ini() + "[api:s/later]\nmethod = POST\npath = /v1/later\nrpc = flow.v1.Flow/Collect\nbackend = b\n"
        )
        wire.send(b"{}")
        assert len(self.bridge.one.sent) == 2
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert self.error(wire) == {"number": 1}
        self.assert_over()


class BugTests(RelayCase):
    """A bug here is a 500 or a cut, the call is cancelled, and the lease comes back."""

    def tearDown(self) -> None:
        assert self.flushLoggedErrors(ZeroDivisionError)

    def break_exchange(self, name: str) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError

        self.patch(__import__("twistedgw.frontends.rest_stream", fromlist=["x"]).RestStreamExchange, name, broken)

    def test_before_the_call(self) -> None:
        self.break_exchange("open")
        wire = self.world.get("/v1/watch/x")
        assert (self.status(wire), self.reason(wire)) == (500, "INTERNAL")
        self.assert_over()

    def test_in_the_body(self) -> None:
        self.break_exchange("feed")
        wire = self.world.post("/v1/collect", b"{}")
        assert self.status(wire) == 500
        assert self.bridge.one.done == ["cancel"]
        self.assert_over()

    def test_at_the_end(self) -> None:
        self.break_exchange("end")
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert b'"reason":"INTERNAL"' in self.body(wire)
        self.assert_over()

    def test_while_telling_of_an_error(self) -> None:
        self.break_exchange("break_off")
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.break_down()
        assert wire.aborted
        self.assert_over()

    def test_in_an_answer(self) -> None:
        self.break_exchange("reply")
        wire = self.world.post("/v1/collect", b"{}")
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert self.status(wire) == 500
        self.assert_over()

    def test_in_a_head(self) -> None:
        self.break_exchange("start")
        wire = self.world.get("/v1/watch/x")
        self.world.clock.advance(1)
        assert self.status(wire) == 500
        assert self.bridge.one.done == ["half_close", "cancel"]
        self.assert_over()


class PlainChannelTests(RelayCase):
    """The same on Twisted's own channel, which ends no answer before the body has come."""

    llhttp = False

    def test_answer(self) -> None:
        wire = self.world.get("/v1/watch/x")
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert self.body(wire) == b'{"number":1}\n'
        self.assert_over()

    def test_both_directions_at_once(self) -> None:
        wire = self.world.open("/v1/chat")
        wire.send(chunk(b"{}"))
        self.bridge.one.give(number=1)
        assert self.body(wire) == b'{"number":1}\n'
        wire.send(chunk(b"{}"), LAST)
        assert len(self.bridge.one.sent) == 2
        self.bridge.one.end()
        self.assert_over()

    def test_an_answer_that_ends_before_the_body(self) -> None:
        self.bridge.room = 1
        wire = self.world.open("/v1/chat")
        wire.send(chunk(b"{}{}"))
        self.bridge.one.give(number=1)
        self.bridge.one.end()
        assert not wire.received.endswith(LAST)
        wire.send(chunk(b"{}"), LAST)
        assert wire.received.endswith(LAST)
        self.assert_over()

    def test_a_client_that_listens_may_be_silent(self) -> None:
        wire = self.world.open("/v1/chat")
        self.bridge.one.give(number=1)
        for _ in range(100):
            self.world.clock.advance(1)
        self.bridge.one.give(number=2)
        assert self.body(wire) == b'{"number":1}\n{"number":2}\n'

    def test_a_client_that_neither_sends_nor_listens(self) -> None:
        wire = self.world.open("/v1/collect")
        for _ in range(32):
            self.world.clock.advance(1)
        assert self.status(wire) == 408
        assert self.bridge.one.done == ["cancel"]
        self.assert_over()

    def test_slow_reader(self) -> None:
        wire = self.world.get("/v1/watch/x", reads=0)
        while not self.bridge.one.paused:
            self.bridge.one.give(data=bytes(1000))
        wire.read()
        assert not self.bridge.one.paused
        wire.leave()
        assert self.bridge.one.done[-1] == "cancel"
        self.assert_over()

    def test_cut(self) -> None:
        wire = self.world.get("/v1/watch/x", "Accept: application/json")
        self.bridge.one.give(number=1)
        self.bridge.one.break_down()
        assert wire.aborted
        self.assert_over()
