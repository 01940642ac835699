"""One RPC over a WebSocket without sockets: messages, half-close, errors, limits, the protocol's own rules."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from websocket_world import Event, Talk, build, head
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from twistedgw.backends.failures import CallError
from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.status import Code

HALF_CLOSE, LEFT = Event.HALF_CLOSE, Event.LEFT
JSON, PROTO = "twistedgw.v1+json", "twistedgw.v1+proto"
DEFLATE = "permessage-deflate; client_max_window_bits"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return build(tmp_path_factory.mktemp("chat"))


@pytest.fixture(params=["/v1/both/hall", "/v1/chat/hall"], ids=["POST", "GET"])
def talk(snapshot, request):
    """A bidi method, by a rule with a body and by one without."""
    return Talk(snapshot, head(request.param))


# -- requests


def test_a_text_frame_is_a_message_with_the_path_in_it(talk):
    assert talk.first == []
    assert talk.text('{"text": "a"}').feed() == [{"room": "hall", "text": "a"}]
    assert talk.text('{"room": "other"}').feed() == [{"room": "hall"}]
    assert talk.text("{}").feed() == [{"room": "hall"}]


def test_a_binary_frame_is_a_protobuf_message(talk):
    assert talk.binary(talk.note(text="a").SerializeToString()).feed() == [{"room": "hall", "text": "a"}]
    assert talk.binary(b"").feed() == [{"room": "hall"}]


def test_an_empty_text_frame_half_closes(talk):
    assert talk.text("{}").text("").text("").feed() == [{"room": "hall"}, HALF_CLOSE]


def test_a_message_after_the_half_close_is_an_error(talk):
    talk.text("").text("{}")
    items = talk.exchange.feed(talk.written())
    assert next(items) is HALF_CLOSE
    with pytest.raises(InvalidArgument, match="the stream is half-closed: no other can be sent"):
        next(items)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ('{"text": 1}', r"body field '\[1\]\.text'"),
        ('{"nope": 1}', r"body field '\[1\]\.nope'"),
        ("{", r"body field '\[1\]"),
        (b"\xff\xff", r"body field '\[1\]': "),
    ],
)
def test_an_error_names_the_message(talk, frame, told):
    talk.text("{}")
    (talk.text if isinstance(frame, str) else talk.binary)(frame)
    items = talk.exchange.feed(talk.written())
    assert next(items).room == "hall"
    with pytest.raises(InvalidArgument, match=told):
        next(items)


def test_the_query_is_in_each_message_of_a_rule_without_a_body(snapshot):
    talk = Talk(snapshot, head("/v1/chat/hall", query="count=3&inner.text=x"))
    found = talk.text('{"text": "a", "count": 1}').text("{}").feed()
    assert [(each.get("text"), each["count"], each["inner"].text) for each in found] == [("a", 3, "x"), (None, 3, "x")]


def test_a_body_that_is_a_field(snapshot):
    asked = head("/v1/inner/hall", query="count=3")
    talk = Talk(snapshot, asked)
    (found,) = talk.text('{"text": "a"}').feed()
    assert (found["room"], found["count"], found["inner"].text) == ("hall", 3, "a")
    message = talk.note(room="x")
    message.inner.text = "b"
    assert talk.taken(talk.exchange.message(message)) == [("TEXT", b'{"text":"b"}')]


def test_one_request_is_the_first_message(snapshot):
    talk = Talk(snapshot, head("/v1/down/hall"))
    assert talk.first == []
    assert talk.text('{"count": 2}').feed() == [{"room": "hall", "count": 2}, HALF_CLOSE]
    assert talk.text("").feed() == []
    with pytest.raises(InvalidArgument, match="this method takes one message: no other can be sent"):
        talk.text("{}").feed()


def test_an_empty_text_frame_sends_a_request_that_is_all_in_the_path(snapshot):
    talk = Talk(snapshot, head("/v1/down/hall"))
    assert talk.text("").feed() == [{"room": "hall"}, HALF_CLOSE]


def test_a_request_without_a_body_waits_for_nothing(snapshot):
    talk = Talk(snapshot, head("/v1/watch/hall", query="count=2"))
    assert talk.first == [{"room": "hall", "count": 2}, HALF_CLOSE]
    assert talk.text("").feed() == []


def test_octets(snapshot):
    talk = Talk(snapshot, head("/v1/octets"))
    assert talk.binary(b"\x00\x01").text("hi").feed() == [
        {"content_type": "application/octet-stream", "data": b"\x00\x01"},
        {"data": b"hi"},
    ]
    assert talk.taken(talk.exchange.message(talk.note(content_type="text/plain", data=b"hi"))) == [("BINARY", b"hi")]


@pytest.mark.parametrize(
    ("path", "query", "source"),
    [
        ("/v1/both/%ff", "", "path"),
        ("/v1/chat/hall", "count=x", "query parameter 'count'"),
        ("/v1/both/hall", "text=a", "query parameter 'text'"),
        ("/v1/watch/hall", "nope=1", "query parameter 'nope'"),
    ],
)
def test_a_wrong_url_is_told_before_the_handshake_is_accepted(snapshot, path, query, source):
    if source == "path":
        from twistedgw.frontends.websocket_handshake import find_stream

        assert find_stream(snapshot, head(path)) is None  # so that REST tells it
        return
    with pytest.raises(InvalidArgument, match=source):
        Talk(snapshot, head(path, query=query))


def test_deadline_and_metadata(snapshot):
    talk = Talk(snapshot, head(grpc_timeout="2S", authorization="Bearer x", cookie="a=b", x_thing="1"))
    assert talk.call.timeout == 2.0
    metadata = dict(talk.call.metadata)
    assert (metadata["authorization"], metadata["x-thing"]) == ("Bearer x", "1")
    assert not [name for name in metadata if name.startswith("sec-") or name in ("cookie", "upgrade", "connection")]
    assert Talk(snapshot, head()).call.timeout is None


# -- answers


def test_answers_are_text_unless_asked_otherwise(talk):
    assert talk.taken(talk.exchange.message(talk.note(text="a", mood=1))) == [("TEXT", b'{"text":"a","mood":"GLAD"}')]


@pytest.mark.parametrize(
    ("protocols", "frame", "expected"),
    [
        (None, b"\x12\x01a", "BINARY"),
        (None, '{"text": "a"}', "TEXT"),
        (JSON, b"\x12\x01a", "TEXT"),
        (PROTO, '{"text": "a"}', "BINARY"),
        (f"x, {PROTO}, {JSON}", None, "BINARY"),
    ],
)
def test_the_form_of_answers(snapshot, protocols, frame, expected):
    talk = Talk(snapshot, head(sec_websocket_protocol=protocols))
    if frame is not None:
        (talk.text if isinstance(frame, str) else talk.binary)(frame)
        assert talk.feed() == [{"room": "hall", "text": "a"}]
    ((opcode, data),) = talk.taken(talk.exchange.message(talk.note(text="b")))
    assert (opcode, data) == (expected, b"\x12\x01b" if expected == "BINARY" else b'{"text":"b"}')


def test_system_parameters(snapshot):
    talk = Talk(snapshot, head(query="$alt=json;enum-encoding=int"))
    assert talk.taken(talk.exchange.message(talk.note(mood=1))) == [("TEXT", b'{"mood":1}')]
    talk = Talk(snapshot, head(query="$alt=proto"))
    assert talk.text("{}").feed() == [{"room": "hall"}]
    assert talk.taken(talk.exchange.message(talk.note(mood=1))) == [("BINARY", b"\x30\x01")]


def test_the_envelope_of_grpc_gateway(tmp_path):
    talk = Talk(build(tmp_path, "stream_envelope = result\n"), head())
    assert talk.taken(talk.exchange.message(talk.note(text="a"))) == [("TEXT", b'{"result":{"text":"a"}}')]


# -- the end


def test_the_end_is_a_close_with_1000(talk):
    talk.taken(talk.exchange.end())
    assert talk.closed() == (1000, "")
    assert not talk.exchange.is_closed
    assert talk.feed() == []
    assert talk.exchange.is_closed
    assert talk.exchange.message(talk.note()) == b""


@pytest.mark.parametrize("options", ["", "error_format = google\n"])
def test_an_error_is_a_text_frame_and_a_close_code(tmp_path, options):
    talk = Talk(build(tmp_path, options), head(sec_websocket_protocol=PROTO))
    error = GatewayError(Code.NOT_FOUND, "no such röom " + "ä" * 100, reason="NO_ROOM")
    ((opcode, data), close) = talk.taken(talk.exchange.error(error))
    told = json.loads(data)["error"]
    assert (opcode, close[0]) == ("TEXT", "CLOSE")
    assert told["message"] == error.message
    assert told["code"] == (404 if options else 5)
    assert told["details"][0]["reason"] == "NO_ROOM"
    code, reason = talk.closed()
    assert code == 4005
    assert reason.endswith("ä…")
    assert len(reason.encode()) <= 123
    assert error.message.startswith(reason[:-1])


def test_an_error_of_the_backend(talk):
    talk.taken(talk.exchange.error(CallError(Code.UNAVAILABLE, "gone")))
    assert talk.closed() == (4014, "gone")


def test_what_comes_after_our_close_is_dropped(talk):
    talk.exchange.end()
    assert talk.text("{").text('{"text": "a"}').feed() == []
    talk.client.send_close(1000)
    assert talk.feed() == []
    assert talk.exchange.is_closed


def test_a_client_that_closes(talk):
    talk.text("{}")
    talk.client.send_close(3001, "enough")
    assert talk.feed() == [{"room": "hall"}, LEFT]
    talk.taken(talk.exchange.outgoing())
    assert talk.closed() == (3001, "enough")
    assert talk.exchange.is_closed
    assert talk.exchange.end() == b""
    assert talk.exchange.message(talk.note()) == b""


# -- the protocol's own rules


def test_fragments_are_one_message(talk):
    talk.client.send_text(b'{"te', fin=False)
    talk.client.send_ping(b"p")
    talk.client.send_continuation(b"", fin=False)
    talk.client.send_continuation('xt": "ä'.encode()[:-1], fin=False)
    assert talk.feed() == []
    assert talk.taken(talk.exchange.outgoing()) == [("PONG", b"p")]
    talk.client.send_continuation("ä".encode()[1:] + b'"}', fin=True)
    assert talk.feed() == [{"room": "hall", "text": "ä"}]


def broken(talk, data, code):
    found = talk.shown(talk.exchange.feed(data))
    assert found[-1:] == [LEFT]
    talk.taken(talk.exchange.outgoing())
    assert talk.closed()[0] == code
    assert talk.exchange.is_closed
    assert talk.shown(talk.exchange.feed(b"\x81\x80\0\0\0\0")) == []


def masked(first, data=b"", length=None):
    """A frame whose mask is zero."""
    return bytes([first, 0x80 | (len(data) if length is None else length)]) + b"\0\0\0\0" + data


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x00",
        masked(0xC1, b"a"),
        masked(0x83),
        masked(0x80),
        masked(0x09),
        masked(0x88, b"\x03"),
        masked(0x88, b"\x03\xed"),
        masked(0x88, b"\x00\x00"),
        masked(0x01, b"a") + masked(0x81, b"b"),
    ],
    ids=[
        "no mask",
        "reserved bit",
        "opcode",
        "nothing to continue",
        "fragmented ping",
        "short close",
        "1005",
        "0",
        "mix",
    ],
)
def test_a_client_that_breaks_the_protocol(talk, data):
    broken(talk, data, 1002)


@pytest.mark.parametrize(
    "data", [masked(0x81, b"\xff"), masked(0x01, b"\xe4") + masked(0x80, b"x"), masked(0x88, b"\x03\xe8\xff")]
)
def test_text_that_is_no_utf8(talk, data):
    broken(talk, data, 1007)


def test_a_message_over_the_limit(talk):
    assert talk.text('{"text": "%s"}' % ("x" * 988)).feed() == [{"room": "hall", "text": "x" * 988}]
    talk.text("x" * 1001)
    broken(talk, talk.written()[:20], 1009)


def test_fragments_over_the_limit(talk):
    talk.client.send_text(b"x" * 600, fin=False)
    talk.client.send_continuation(b"x" * 401, fin=False)
    broken(talk, talk.written(), 1009)


def test_a_length_that_nobody_could_send(talk):
    broken(talk, b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0", 1009)


def test_empty_fragments_take_no_memory(talk):
    talk.client.send_text(b"", fin=False)
    talk.feed()
    empty = masked(0x00) * 500
    tracemalloc.start()
    try:
        for _ in range(10):
            assert list(talk.exchange.feed(empty)) == []
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()


def test_ping(talk):
    assert talk.taken(talk.exchange.ping()) == [("PING", b"")]
    assert talk.feed() == []
    talk.exchange.end()
    assert talk.exchange.ping() == b""


# -- compression


def deflating(snapshot, max_message=1000):
    talk = Talk(snapshot, head(sec_websocket_extensions=DEFLATE), max_message)
    factory = ClientPerMessageDeflateFactory(client_max_window_bits=12, server_max_window_bits=12)
    talk.client.extensions = [
        factory.process_response_params([("client_max_window_bits", "12"), ("server_max_window_bits", "12")], [])
    ]
    return talk


def test_compressed_messages(snapshot):
    talk = deflating(snapshot)
    for count in range(1, 4):
        assert talk.text(json.dumps({"count": count})).feed() == [{"room": "hall", "count": count}]


def test_large_answers_are_compressed_and_small_ones_are_not(snapshot):
    talk = deflating(snapshot)
    small = talk.exchange.message(talk.note(text="a"))
    large = talk.exchange.message(talk.note(text="a" * 5000))
    assert small[2:] == b'{"text":"a"}'
    assert len(large) < 100
    found = [talk.taken(each)[0][1] for each in (small, large, talk.exchange.message(talk.note(text="b")))]
    assert [json.loads(each)["text"] for each in found] == ["a", "a" * 5000, "b"]


def test_a_message_that_inflates_over_the_limit(snapshot):
    talk = deflating(snapshot)
    talk.text("x" * 1_000_000)
    data = talk.written()
    assert len(data) < 2000
    broken(talk, data, 1009)


def test_what_many_messages_inflate_to_is_not_held(snapshot):
    """A chunk of the size that sockets give, of messages of 200 KB each."""
    talk = deflating(snapshot, 1_000_000)
    for _ in range(100):
        talk.text('{"text": "%s"}' % ("x" * 200_000))
    data = talk.written()
    assert 20_000 < len(data) < 100_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in talk.exchange.feed(data)) == 100
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_frames_that_are_not_compressed_as_agreed(snapshot):
    broken(deflating(snapshot), masked(0xC1, b"\xff\xff\xff"), 1002)
