"""Connect, streams: envelopes in and out, whatever the parts in which they come, and how a stream ends."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpc_wire import connect_parts, cut, feed, field, frame, head, result, route, talk, words

from twistedgw.backends.failures import CallError
from twistedgw.errors import GatewayError
from twistedgw.frontends.connect_stream import ConnectStream
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot

TYPES = {"proto": "application/connect+proto", "json": "application/connect+json"}
GZIP = ("Connect-Content-Encoding", "gzip")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return talk(tmp_path_factory.mktemp("talk"))


@pytest.fixture(scope="module")
def chat(snapshot: Snapshot) -> Any:
    return route(snapshot, "Chat")


def stream(route: Any, *fields: tuple[str, str], form: str = "proto", limit: int = 1000) -> ConnectStream:
    exchange = ConnectStream(head("Chat", TYPES[form], *fields), route)
    exchange.open(max_message=limit)
    return exchange


def written(message: Any, form: str) -> bytes:
    return message.SerializeToString() if form == "proto" else json.dumps({"text": message.text}).encode()


@given(
    texts=st.lists(st.text(max_size=20), max_size=6),
    packed=st.sets(st.integers(0, 5)),
    places=st.lists(st.integers(0, 400), max_size=20),
    form=st.sampled_from(sorted(TYPES)),
)
def test_messages_in_any_parts(chat: Any, texts: list[str], packed: set[int], places: list[int], form: str) -> None:
    messages = [words(chat, text=text) for text in texts]
    body = b""
    for index, message in enumerate(messages):
        payload = written(message, form)
        body += frame(gzip.compress(payload), 1) if index in packed else frame(payload)
    assert feed(stream(chat, GZIP, form=form), cut(body, places)) == messages


@given(texts=st.lists(st.text(max_size=3000), max_size=6), form=st.sampled_from(sorted(TYPES)), packed=st.booleans())
def test_the_answer(chat: Any, texts: list[str], form: str, packed: bool) -> None:
    exchange = stream(chat, *([("Connect-Accept-Encoding", "gzip")] if packed else []), form=form)
    status, fields, body = exchange.start([("x-a", "1"), ("connect-a", "no")])
    assert (status, field(fields, "content-type"), field(fields, "x-a")) == (200, TYPES[form], "1")
    assert field(fields, "connect-content-encoding") == ("gzip" if packed else None)
    assert field(fields, "connect-a") is None
    for text in texts:
        body += exchange.message(words(chat, text=text))
    ending = exchange.end([("x-t", "2"), ("x-t", "3"), ("x-b-bin", b"\0\1\2\3")])
    assert not ending.cut
    found, end = connect_parts(body + ending.data)
    assert end == {"metadata": {"x-t": ["2", "3"], "x-b-bin": ["AAECAw"]}}
    read = {
        "proto": lambda data: words(chat).FromString(data).text,
        "json": lambda data: json.loads(data).get("text", ""),
    }
    assert [read[form](data) for data in found] == texts


def test_long_messages_are_packed(chat: Any) -> None:
    exchange = stream(chat, GZIP)
    assert exchange.message(words(chat, text="x" * 5000))[0] == 1
    assert exchange.message(words(chat, text="x"))[0] == 0
    assert stream(chat).message(words(chat, text="x" * 5000))[0] == 0


def test_an_end_with_nothing_to_say(chat: Any) -> None:
    assert connect_parts(stream(chat).end([("grpc-status", "0")]).data) == ([], {})


def test_the_head_of_the_call(chat: Any) -> None:
    exchange = ConnectStream(head("Chat", TYPES["json"], ("Connect-Timeout-Ms", "1500"), ("Acme-Id", "7")), chat)
    call = exchange.open(max_message=10)
    assert (call.upstream, call.method, call.timeout) == (chat.upstream, chat.method, 1.499)
    assert ("acme-id", "7") in list(call.metadata)
    assert ConnectStream(head("Chat", TYPES["json"]), chat).open(max_message=10).timeout is None


def broken(exchange: ConnectStream, body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        feed(exchange, [body])
    return caught.value


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (frame(b"\x0a\x01x") + frame(b"\xff"), Code.INVALID_ARGUMENT, "'[1]'"),
        (frame(b"", 1), Code.INTERNAL, "flagged as compressed"),
        (frame(b"{}", 2), Code.INVALID_ARGUMENT, "'[0]': unknown flags 0x02"),
        (frame(b"", 0x80), Code.INVALID_ARGUMENT, "unknown flags 0x80"),
        (frame(bytes(1001)), Code.RESOURCE_EXHAUSTED, "message [0] of the request has more than 1000 bytes"),
        (frame(b"")[:4], Code.INVALID_ARGUMENT, "'[0]': the body ends within this message"),
        (frame(b"") + frame(b"abc")[:-1], Code.INVALID_ARGUMENT, "'[1]': the body ends within this message"),
    ],
)
def test_bad_messages(chat: Any, body: bytes, code: Code, sentence: str) -> None:
    error = broken(stream(chat), body)
    assert error.code is code
    assert sentence in error.message


def test_bad_packed_messages(chat: Any) -> None:
    assert "'[0]': expected gzip data" in broken(stream(chat, GZIP), frame(b"no", 1)).message
    bomb = broken(stream(chat, GZIP), frame(b"") + frame(gzip.compress(bytes(1001)), 1))
    assert (bomb.code, bomb.message) == (Code.RESOURCE_EXHAUSTED, "message [1] of the request has more than 1000 bytes")


def test_an_error_names_the_field_of_the_message(chat: Any) -> None:
    body = frame(b"{}") + frame(b'{"inner": [{}, {"big": true}]}')
    assert "'[1].inner[1].big'" in broken(stream(chat, form="json"), body).message


def test_what_came_before_a_bad_message_is_given(chat: Any) -> None:
    messages = stream(chat).feed(frame(b"\x0a\x01x") + frame(b"\xff"))
    assert next(messages).text == "x"
    with pytest.raises(GatewayError):
        next(messages)


@pytest.mark.parametrize(("count", "found"), [(0, "no message"), (2, "more than one message")])
def test_an_rpc_with_one_request(snapshot: Snapshot, count: int, found: str) -> None:
    exchange = stream(route(snapshot, "Hear"))
    error = broken(exchange, frame(b"") * count)
    assert (error.code, error.message) == (
        Code.UNIMPLEMENTED,
        f"this RPC takes one message, and the request has {found}",
    )


def test_the_one_request_is_given_at_the_end(snapshot: Snapshot) -> None:
    exchange = stream(route(snapshot, "Hear"))
    assert list(exchange.feed(frame(b""))) == []
    assert len(list(exchange.feed_end())) == 1


def test_errors_before_and_after_the_start(chat: Any) -> None:
    error = CallError(
        Code.ABORTED, "m", from_backend=True, initial_metadata=(("x-a", "1"),), trailing_metadata=(("x-t", "2"),)
    )
    expected = {"error": {"code": "aborted", "message": "m"}, "metadata": {"x-t": ["2"]}}
    reply = stream(chat).failure(error)
    assert (reply.status, field(reply, "x-a"), field(reply, "content-type")) == (200, "1", TYPES["proto"])
    assert connect_parts(reply.body) == ([], expected)
    ending = stream(chat).break_off(error)
    assert (connect_parts(ending.data), ending.cut) == (([], expected), False)


def test_the_answer_of_one_message(snapshot: Snapshot) -> None:
    send = route(snapshot, "Send")
    reply = stream(send).reply(result(send, [("x-a", "1")], [("x-t", "2")], text="x"))
    assert (reply.status, field(reply, "x-a")) == (200, "1")
    assert connect_parts(reply.body) == ([b"\x0a\x01x"], {"metadata": {"x-t": ["2"]}})


@pytest.mark.parametrize(
    ("rpc", "content_type", "fields", "status", "code"),
    [
        ("Chat", "application/connect+foo", [], 415, "unknown"),
        ("Tell", "application/connect+proto", [], 415, "unknown"),
        ("Chat", "application/connect+proto", [("Connect-Protocol-Version", "9")], 200, "invalid_argument"),
        ("Chat", "application/connect+proto", [("Connect-Timeout-Ms", "x")], 200, "invalid_argument"),
        ("Chat", "application/connect+proto", [("Connect-Content-Encoding", "br")], 200, "unimplemented"),
    ],
)
def test_heads_that_are_refused(
    snapshot: Snapshot, rpc: str, content_type: str, fields: Any, status: int, code: str
) -> None:
    exchange = ConnectStream(head(rpc, content_type, *fields), route(snapshot, rpc))
    with pytest.raises(GatewayError) as caught:
        exchange.open(max_message=10)
    reply = exchange.failure(caught.value)
    assert reply.status == status
    error = json.loads(reply.body) if status == 415 else connect_parts(reply.body)[1]["error"]
    assert error["code"] == code
    if code == "unimplemented":
        assert field(reply, "connect-accept-encoding") == "gzip, identity"
