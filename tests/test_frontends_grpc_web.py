"""gRPC-Web: binary and text, in any parts, and trailers where they belong."""

from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from rpc_wire import cut, feed, field, frame, from_text, grpc_web_parts, head, result, route, talk, words

from twistedgw.backends.failures import CallError, too_many
from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.grpc_web import GrpcWebStream, GrpcWebUnary, grpc_web_failure
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot

BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text"
FORMS = [BINARY, TEXT]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return talk(tmp_path_factory.mktemp("talk"))


@pytest.fixture(scope="module")
def chat(snapshot: Snapshot) -> Any:
    return route(snapshot, "Chat")


@pytest.fixture(scope="module")
def tell(snapshot: Snapshot) -> Any:
    return route(snapshot, "Tell")


def stream(route: Any, content_type: str = BINARY, *fields: tuple[str, str], limit: int = 1000) -> GrpcWebStream:
    exchange = GrpcWebStream(head("Chat", content_type, *fields), route)
    exchange.open(max_message=limit)
    return exchange


def unary(route: Any, body: bytes, content_type: str = BINARY, *fields: tuple[str, str], limit: int = 1000) -> Any:
    exchange = GrpcWebUnary(head("Tell", content_type, *fields), route)
    return exchange, exchange.open(body, max_body=limit, request_timeout=15.0)


def binary(body: bytes, content_type: str) -> bytes:
    return from_text(body) if "-text" in content_type else body


@given(
    texts=st.lists(st.text(max_size=20), max_size=6),
    packed=st.sets(st.integers(0, 5)),
    places=st.lists(st.integers(0, 500), max_size=20),
    content_type=st.sampled_from(FORMS),
    padded=st.booleans(),
)
def test_messages_in_any_parts(
    chat: Any, texts: list[str], packed: set[int], places: list[int], content_type: str, padded: bool
) -> None:
    messages = [words(chat, text=text) for text in texts]
    pieces = []
    for index, message in enumerate(messages):
        data = message.SerializeToString()
        pieces.append(frame(gzip.compress(data), 1) if index in packed else frame(data))
    if content_type == TEXT:
        pieces = [base64.b64encode(piece) for piece in (pieces if padded else [b"".join(pieces)])]
    body = b"".join(pieces)
    assert feed(stream(chat, content_type, ("Grpc-Encoding", "gzip")), cut(body, places)) == messages


@given(texts=st.lists(st.text(max_size=3000), max_size=6), content_type=st.sampled_from(FORMS), packed=st.booleans())
def test_the_answer(chat: Any, texts: list[str], content_type: str, packed: bool) -> None:
    exchange = stream(chat, content_type, *([("Grpc-Accept-Encoding", "identity,gzip")] if packed else []))
    status, fields, body = exchange.start([("x-a", "1")])
    assert (status, field(fields, "content-type"), field(fields, "x-a")) == (200, content_type, "1")
    assert field(fields, "grpc-encoding") == ("gzip" if packed else None)
    for text in texts:
        body += exchange.message(words(chat, text=text))
    body += exchange.end([("x-t", "2"), ("x-b-bin", b"\0\1\2\3")]).data
    found, trailers = grpc_web_parts(binary(body, content_type))
    assert [words(chat).FromString(data).text for data in found] == texts
    assert trailers == {"grpc-status": "0", "x-t": "2", "x-b-bin": "AAECAw"}


@given(text=st.text(max_size=100), content_type=st.sampled_from(FORMS))
def test_a_unary_call(tell: Any, text: str, content_type: str) -> None:
    message = words(tell, text=text)
    body = frame(message.SerializeToString())
    exchange, call = unary(tell, base64.b64encode(body) if content_type == TEXT else body, content_type)
    assert call.request == message
    reply = exchange.reply(result(tell, [("x-a", "1")], [("x-t", "2")], text=text))
    assert (reply.status, field(reply, "content-type"), field(reply, "x-a")) == (200, content_type, "1")
    assert grpc_web_parts(binary(reply.body, content_type)) == (
        [message.SerializeToString()],
        {"grpc-status": "0", "x-t": "2"},
    )


def test_json(tell: Any) -> None:
    exchange, call = unary(tell, frame(b'{"text": "x"}'), "application/grpc-web+json")
    assert call.request == words(tell, text="x")
    reply = exchange.reply(result(tell, text="y"))
    assert field(reply, "content-type") == "application/grpc-web+json"
    assert grpc_web_parts(reply.body)[0] == [b'{"text":"y"}']


@pytest.mark.parametrize(
    ("content_type", "accept", "answer"),
    [
        ("application/grpc-web", None, "application/grpc-web"),
        ("Application/gRPC-Web+Proto; x=y", "*/*", "application/grpc-web+proto"),
        ("application/grpc-web", "application/grpc-web-text", "application/grpc-web-text+proto"),
        ("application/grpc-web-text+proto", "application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text", "application/grpc-web-text"),
        ("application/grpc-web-text", "*/*", "application/grpc-web-text"),
    ],
)
def test_the_form_of_the_answer(tell: Any, content_type: str, accept: str | None, answer: str) -> None:
    body = frame(b"")
    fields = [] if accept is None else [("Accept", accept)]
    exchange, _ = unary(tell, base64.b64encode(body) if "-text" in content_type else body, content_type, *fields)
    reply = exchange.reply(result(tell))
    assert field(reply, "content-type") == answer
    assert grpc_web_parts(binary(reply.body, answer))[1] == {"grpc-status": "0"}


def test_the_call(tell: Any, chat: Any) -> None:
    _, call = unary(tell, frame(b""), BINARY, ("Grpc-Timeout", "7m"), ("Acme-Id", "7"))
    assert (call.upstream, call.method, call.timeout) == (tell.upstream, tell.method, 0.00693)
    assert ("acme-id", "7") in list(call.metadata)
    assert unary(tell, frame(b""))[1].timeout == 15.0
    call = GrpcWebStream(head("Chat", BINARY, ("Grpc-Timeout", "2S")), chat).open(max_message=10)
    assert (call.method, call.timeout) == (chat.method, 1.999)
    assert GrpcWebStream(head("Chat", BINARY), chat).open(max_message=10).timeout is None


def trailers_only(reply: Any) -> tuple[str | None, str]:
    assert (reply.status, reply.body) == (200, b"")
    return field(reply, "grpc-status"), unquote(field(reply, "grpc-message") or "")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", "12", "no message"),
        (frame(b"") * 2, "12", "more than one message"),
        (frame(b"\xff"), "3", "expected a talk.v1.Words"),
        (frame(b"", 1), "13", "flagged as compressed"),
        (frame(b"grpc-status: 0\r\n", 0x80), "3", "unknown flags 0x80"),
        (frame(bytes(1001)), "8", "message [0] of the request has more than 1000 bytes"),
        (frame(b"abc")[:-1], "3", "the body ends within this message"),
    ],
)
@pytest.mark.parametrize("content_type", FORMS)
def test_bad_requests(tell: Any, body: bytes, status: str, sentence: str, content_type: str) -> None:
    exchange = GrpcWebUnary(head("Tell", content_type), tell)
    with pytest.raises(GatewayError) as caught:
        exchange.open(base64.b64encode(body) if content_type == TEXT else body, max_body=1000, request_timeout=15.0)
    reply = exchange.failure(caught.value)
    code, message = trailers_only(reply)
    assert code == status
    assert sentence in message
    assert field(reply, "content-type") == content_type


def test_a_body_that_is_no_text(tell: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected base64"):
        unary(tell, frame(b""), TEXT)
    with pytest.raises(InvalidArgument, match="ends early"):
        unary(tell, b"AAAAAA", TEXT)


@pytest.mark.parametrize(
    ("content_type", "fields", "http", "status"),
    [
        ("application/grpc-web+thrift", [], 415, "2"),
        ("application/grpc-webs", [], 415, "2"),
        (BINARY, [("Grpc-Timeout", "7")], 200, "3"),
        (BINARY, [("Grpc-Encoding", "snappy")], 200, "12"),
    ],
)
def test_heads_that_are_refused(tell: Any, content_type: str, fields: Any, http: int, status: str) -> None:
    exchange = GrpcWebUnary(head("Tell", content_type, *fields), tell)
    with pytest.raises(GatewayError) as caught:
        exchange.open(frame(b""), max_body=1000, request_timeout=15.0)
    reply = exchange.failure(caught.value)
    assert (reply.status, field(reply, "grpc-status"), reply.body) == (http, status, b"")
    if status == "12":
        assert field(reply, "grpc-accept-encoding") == "gzip, identity"


def details() -> bytes:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": 30}))
    return status_pb2.Status(code=10, message="m", details=[detail]).SerializeToString()


@pytest.mark.parametrize("content_type", FORMS)
def test_errors_of_the_backend(chat: Any, content_type: str) -> None:
    error = CallError(
        Code.ABORTED,
        "50% w\u00f6rds\r\n",
        details=details(),
        from_backend=True,
        initial_metadata=(("x-a", "1"),),
        trailing_metadata=(("x-t", "2"), ("grpc-status-details-bin", details())),
    )
    reply = stream(chat, content_type).failure(error)
    assert (reply.status, field(reply, "x-a"), field(reply, "grpc-status")) == (200, "1", None)
    for body in (reply.body, stream(chat, content_type).break_off(error).data):
        found, trailers = grpc_web_parts(binary(body, content_type))
        assert found == []
        bin_ = trailers.pop("grpc-status-details-bin")
        status = status_pb2.Status.FromString(base64.b64decode(bin_ + "=" * (-len(bin_) % 4)))
        assert status.details == status_pb2.Status.FromString(details()).details
        assert trailers == {"grpc-status": "10", "grpc-message": "50%25 w%C3%B6rds%0D%0A", "x-t": "2"}


def test_an_error_without_header_fields_has_trailers_only(chat: Any) -> None:
    error = CallError(Code.ABORTED, "m", from_backend=True, trailing_metadata=(("x-t", "2"),))
    reply = stream(chat).failure(error)
    assert trailers_only(reply) == ("10", "m")
    assert (field(reply, "x-t"), field(reply, "content-type")) == ("2", BINARY)


def test_errors_of_the_gateway_itself(chat: Any) -> None:
    reply = stream(chat).failure(too_many("busy"))
    assert trailers_only(reply) == ("14", "busy")
    assert field(reply, "retry-after") == "1"
    bin_ = field(reply, "grpc-status-details-bin") or ""
    (info,) = status_pb2.Status.FromString(base64.b64decode(bin_ + "=" * (-len(bin_) % 4))).details
    assert error_details_pb2.ErrorInfo.FromString(info.value).reason == "TOO_MANY_IN_FLIGHT"


def test_errors_before_a_route_is_found() -> None:
    lost = GatewayError(Code.NOT_FOUND, "nothing here", reason="ROUTE_NOT_FOUND")
    assert trailers_only(grpc_web_failure(lost, head("No", TEXT))) == ("12", "nothing here")
    allow = GatewayError(Code.UNIMPLEMENTED, "m", reason="R", http_status_=405, headers=(("Allow", "POST"),))
    reply = grpc_web_failure(allow, head("Tell", BINARY, method="DELETE"))
    assert (reply.status, field(reply, "allow"), field(reply, "grpc-status")) == (405, "POST", "2")


@given(st.text())
def test_any_message_can_be_told_in_a_line(text: str) -> None:
    error = CallError(Code.ABORTED, text, from_backend=True)
    value = field(grpc_web_failure(error, head("Tell", BINARY)), "grpc-message") or ""
    assert value.isascii()
    assert value.isprintable()
    assert unquote(value) == text
