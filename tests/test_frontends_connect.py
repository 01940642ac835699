"""Connect, unary: what becomes of a request by POST and by GET, and of the call's end. Read with plain decoders."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from rpc_wire import field, head, result, route, talk, words

from twistedgw.backends.failures import CallError, too_many
from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.connect import ConnectGet, ConnectUnary
from twistedgw.frontends.failure import INTERNAL
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.backends.call import Call
    from twistedgw.registry.snapshot import Snapshot

PROTO, JSON = "application/proto", "application/json"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return talk(tmp_path_factory.mktemp("talk"))


@pytest.fixture(scope="module")
def tell(snapshot: Snapshot) -> Any:
    return route(snapshot, "Tell")


def opened(exchange: Any, body: bytes = b"", **limits: Any) -> Call:
    return exchange.open(body, **{"max_body": 1000, "request_timeout": 15.0, **limits})


def post(route: Any, body: bytes, content_type: str = JSON, *fields: tuple[str, str], **limits: Any) -> Call:
    return opened(ConnectUnary(head("Tell", content_type, *fields), route), body, **limits)


def refused(route: Any, body: bytes, content_type: str = JSON, *fields: tuple[str, str], **limits: Any) -> Any:
    """Give the status, the code, the message and the fields of the answer to a bad request."""
    exchange = ConnectUnary(head("Tell", content_type, *fields), route)
    with pytest.raises(GatewayError) as caught:
        opened(exchange, body, **limits)
    return told(exchange.failure(caught.value))


def told(reply: Any) -> Any:
    assert field(reply, "content-type") == JSON
    error = json.loads(reply.body)
    return reply.status, error["code"], error["message"]


# -- POST


@given(text=st.text(), big=st.integers(-(2**63), 2**63 - 1), data=st.binary())
def test_a_message_comes_and_goes_in_both_forms(tell: Any, text: str, big: int, data: bytes) -> None:
    message = words(tell, text=text, big=big, data=data)
    as_json = {"text": text, "big": str(big), "data": base64.b64encode(data).decode()}
    for content_type, body in ((PROTO, message.SerializeToString()), (JSON, json.dumps(as_json).encode())):
        exchange = ConnectUnary(head("Tell", content_type, ("Connect-Protocol-Version", "1")), tell)
        call = opened(exchange, body)
        assert call.request == message
        reply = exchange.reply(result(tell, text=text, big=big, data=data))
        assert (reply.status, field(reply, "content-type")) == (200, content_type)
        if content_type == PROTO:
            assert type(message).FromString(reply.body) == message
        else:
            unset = {"text": "", "big": "0", "data": ""}
            assert json.loads(reply.body) == {key: value for key, value in as_json.items() if value != unset[key]}


def test_the_call(tell: Any) -> None:
    call = post(tell, b"{}", JSON, ("Acme-Id", "7"))
    assert (call.upstream, call.method, call.timeout) == (tell.upstream, tell.method, 15.0)
    assert ("acme-id", "7") in list(call.metadata)


@pytest.mark.parametrize(("asked", "seconds"), [("0", 0), ("1", 0.00099), ("14999", 14.999), ("9999999999", 15.0)])
def test_its_timeout(tell: Any, asked: str, seconds: float) -> None:
    assert post(tell, b"{}", JSON, ("Connect-Timeout-Ms", asked)).timeout == pytest.approx(seconds, rel=0.01, abs=0)


def test_no_timeout(tell: Any) -> None:
    assert post(tell, b"{}", request_timeout=None).timeout is None
    assert post(tell, b"{}", JSON, ("Connect-Timeout-Ms", "99000"), request_timeout=None).timeout == 98.999


@pytest.mark.parametrize("asked", ["", "-1", "1.5", "1s", "12345678901", "\u0661"])
def test_a_malformed_timeout(tell: Any, asked: str) -> None:
    asked = asked.encode("utf-8").decode("latin-1")
    status, code, message = refused(tell, b"{}", JSON, ("Connect-Timeout-Ms", asked))
    assert (status, code) == (400, "invalid_argument")
    assert "at most 10 digits" in message


def test_media_types(tell: Any, snapshot: Snapshot) -> None:
    assert post(tell, b"{}", "Application/JSON; charset=utf-8").request == words(tell)
    status, code, message = refused(tell, b"", "application/foo")
    assert (status, code) == (415, "unknown")
    assert message.endswith("use application/proto or application/json")
    exchange = ConnectUnary(head("Hear", JSON), route(snapshot, "Hear"))
    with pytest.raises(GatewayError) as caught:
        opened(exchange, b"{}")
    reply = exchange.failure(caught.value)
    assert reply.status == 415
    assert field(reply, "accept-post") == "application/connect+proto, application/connect+json"


def test_another_version_of_the_protocol(tell: Any) -> None:
    assert refused(tell, b"{}", JSON, ("Connect-Protocol-Version", "2"))[:2] == (400, "invalid_argument")


def test_a_bad_message(tell: Any) -> None:
    assert refused(tell, b"\xff", PROTO)[:2] == (400, "invalid_argument")
    assert refused(tell, b"", JSON)[:2] == (400, "invalid_argument")
    assert "'big'" in refused(tell, b'{"big": "x"}', JSON)[2]


def test_an_empty_message(tell: Any) -> None:
    for encoding in ("identity", "gzip"):
        assert post(tell, b"", PROTO, ("Content-Encoding", encoding)).request == words(tell)


def test_a_packed_message(tell: Any) -> None:
    packed = gzip.compress(b'{"text": "x"}')
    assert post(tell, packed, JSON, ("Content-Encoding", "GZIP")).request == words(tell, text="x")
    assert refused(tell, b"no", JSON, ("Content-Encoding", "gzip"))[:2] == (400, "invalid_argument")


def test_an_unknown_compression(tell: Any) -> None:
    exchange = ConnectUnary(head("Tell", JSON, ("Content-Encoding", "br")), tell)
    with pytest.raises(GatewayError) as caught:
        opened(exchange, b"{}")
    reply = exchange.failure(caught.value)
    assert told(reply) == (501, "unimplemented", "compression 'br' is not supported: gzip and identity are")
    assert field(reply, "accept-encoding") == "gzip, identity"


def test_a_message_over_the_limit(tell: Any) -> None:
    body = words(tell, text="x" * 18).SerializeToString()
    assert len(body) == 20
    assert post(tell, body, PROTO, max_body=20)
    assert refused(tell, body, PROTO, max_body=19)[:2] == (429, "resource_exhausted")
    packed = ("Content-Encoding", "gzip")
    assert refused(tell, gzip.compress(bytes(10_000)), PROTO, packed, max_body=9_999)[:2] == (429, "resource_exhausted")


# -- the answer


def test_metadata_of_the_answer(tell: Any) -> None:
    exchange = ConnectUnary(head("Tell", JSON), tell)
    opened(exchange, b"{}")
    initial = [("x-a", "1"), ("x-a", "2"), ("connect-mine", "no"), ("grpc-encoding", "no"), ("content-type", "no")]
    trailing = [("x-t", "3"), ("x-t-bin", b"\0\1\2\3"), ("grpc-status-details-bin", b"no"), ("connect-t", "no")]
    reply = exchange.reply(result(tell, initial, trailing))
    assert reply.fields == [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"trailer-x-t", b"3"),
        (b"trailer-x-t-bin", b"AAECAw"),
        (b"content-type", b"application/json"),
    ]
    assert reply.trailers == ()


@pytest.mark.parametrize(
    ("fields", "packed"),
    [
        ((), False),
        ((("Accept-Encoding", "gzip"),), True),
        ((("Accept-Encoding", "br, gzip"),), True),
        ((("Accept-Encoding", "br"),), False),
        ((("Content-Encoding", "gzip"),), True),
        ((("Content-Encoding", "gzip"), ("Accept-Encoding", "identity")), False),
    ],
)
def test_when_an_answer_is_packed(tell: Any, fields: Any, packed: bool) -> None:
    exchange = ConnectUnary(head("Tell", PROTO, *fields), tell)
    opened(exchange)
    reply = exchange.reply(result(tell, text="x" * 5000))
    assert field(reply, "content-encoding") == ("gzip" if packed else None)
    body = gzip.decompress(reply.body) if packed else reply.body
    assert body == words(tell, text="x" * 5000).SerializeToString()
    assert field(exchange.reply(result(tell, text="x")), "content-encoding") is None


@pytest.mark.parametrize(
    ("code", "name", "status"),
    [
        (Code.CANCELLED, "canceled", 499),
        (Code.UNKNOWN, "unknown", 500),
        (Code.INVALID_ARGUMENT, "invalid_argument", 400),
        (Code.DEADLINE_EXCEEDED, "deadline_exceeded", 504),
        (Code.NOT_FOUND, "not_found", 404),
        (Code.ALREADY_EXISTS, "already_exists", 409),
        (Code.PERMISSION_DENIED, "permission_denied", 403),
        (Code.RESOURCE_EXHAUSTED, "resource_exhausted", 429),
        (Code.FAILED_PRECONDITION, "failed_precondition", 400),
        (Code.ABORTED, "aborted", 409),
        (Code.OUT_OF_RANGE, "out_of_range", 400),
        (Code.UNIMPLEMENTED, "unimplemented", 501),
        (Code.INTERNAL, "internal", 500),
        (Code.UNAVAILABLE, "unavailable", 503),
        (Code.DATA_LOSS, "data_loss", 500),
        (Code.UNAUTHENTICATED, "unauthenticated", 401),
    ],
)
def test_codes_of_the_backend(tell: Any, code: Code, name: str, status: int) -> None:
    reply = ConnectUnary(head("Tell", PROTO), tell).failure(CallError(code, "w\u00f6rds", from_backend=True))
    assert reply.status == status
    assert json.loads(reply.body) == {"code": name, "message": "w\u00f6rds"}


def test_details_and_metadata_of_an_error(tell: Any) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay={"seconds": 30})
    details = [any_pb2.Any(), any_pb2.Any(type_url="example.com/no.Such", value=b"\xff\xfe")]
    details[0].Pack(retry)
    status = status_pb2.Status(code=14, message="m", details=details).SerializeToString()
    error = CallError(
        Code.UNAVAILABLE,
        "",
        details=status,
        from_backend=True,
        initial_metadata=(("x-a", "1"),),
        trailing_metadata=(("x-t", "2"), ("grpc-status-details-bin", status)),
    )
    reply = ConnectUnary(head("Tell", PROTO), tell).failure(error)
    assert reply.fields == [(b"x-a", b"1"), (b"trailer-x-t", b"2"), (b"content-type", b"application/json")]
    assert json.loads(reply.body) == {
        "code": "unavailable",
        "details": [
            {"type": "google.rpc.RetryInfo", "value": "CgIIHg", "debug": {"retryDelay": "30s"}},
            {"type": "no.Such", "value": "//4"},
        ],
    }


def test_details_that_cannot_be_read(tell: Any) -> None:
    error = CallError(Code.ABORTED, "m", details=b"\xff", from_backend=True)
    assert json.loads(ConnectUnary(head("Tell", PROTO), tell).failure(error).body) == {
        "code": "aborted",
        "message": "m",
    }


def test_errors_of_the_gateway_itself(tell: Any) -> None:
    exchange = ConnectUnary(head("Tell", PROTO), tell)
    error = json.loads(exchange.failure(InvalidArgument("big", "expected a number")).body)
    info, bad = error["details"]
    assert (info["type"], info["debug"]) == ("google.rpc.ErrorInfo", {"reason": "INVALID_BODY", "domain": "twistedgw"})
    raw = base64.b64decode(info["value"] + "=" * (-len(info["value"]) % 4))
    assert error_details_pb2.ErrorInfo.FromString(raw).reason == "INVALID_BODY"
    assert bad["debug"] == {"fieldViolations": [{"field": "big", "description": "expected a number"}]}
    busy = exchange.failure(too_many("busy"))
    assert (busy.status, field(busy, "retry-after")) == (503, "1")
    assert json.loads(exchange.failure(INTERNAL).body)["message"] == "internal error"
    denied = exchange.failure(CallError(Code.UNAUTHENTICATED, "m", from_backend=True))
    assert field(denied, "www-authenticate") == "Bearer"


def test_any_text_can_be_told(tell: Any) -> None:
    for error in (
        InvalidArgument("\ud800", "\udfff"),
        CallError(Code.ABORTED, "a\ud800b\0", from_backend=True),
    ):
        assert ConnectUnary(head("Tell", PROTO), tell).failure(error).status in (400, 409)


# -- GET


def get(route: Any, query: str, *fields: tuple[str, str], **limits: Any) -> Call:
    return opened(ConnectGet(head("Ask", None, *fields, query=query, method="GET"), route), **limits)


def get_refused(route: Any, query: str, *fields: tuple[str, str], **limits: Any) -> Any:
    exchange = ConnectGet(head("Ask", None, *fields, query=query, method="GET"), route)
    with pytest.raises(GatewayError) as caught:
        opened(exchange, **limits)
    return told(exchange.failure(caught.value))


@given(text=st.text(), padded=st.booleans(), packed=st.booleans())
def test_messages_in_the_query(tell: Any, text: str, padded: bool, packed: bool) -> None:
    message = words(tell, text=text)
    for encoding, data in (("proto", message.SerializeToString()), ("json", json.dumps({"text": text}).encode())):
        given = {"connect": "v1", "encoding": encoding, "base64": "1", "other": "ignored"}
        if packed:
            given["compression"] = "gzip"
            data = gzip.compress(data)
        coded = base64.urlsafe_b64encode(data).decode()
        given["message"] = coded if padded else coded.rstrip("=")
        exchange = ConnectGet(head("Ask", None, query=urlencode(given), method="GET"), tell)
        assert opened(exchange, max_body=100_000).request == message
        assert field(exchange.reply(result(tell)), "content-type") == f"application/{encoding}"


def test_a_message_as_text_in_the_query(tell: Any) -> None:
    text = quote('{"text": "a+b %"}', safe="")
    assert get(tell, f"message={text}&encoding=json").request == words(tell, text="a+b %")
    assert get(tell, "message=%7B%7D&encoding=json&base64=0").request == words(tell)
    assert get(tell, "encoding=proto&message=").request == words(tell)
    assert get(tell, "encoding=proto&base64=1&message=&compression=gzip").request == words(tell)
    assert get(tell, "encoding=proto&message=", ("Connect-Timeout-Ms", "7")).timeout == 0.00693


@pytest.mark.parametrize(
    ("query", "status", "code", "sentence"),
    [
        ("encoding=json", 400, "invalid_argument", "query parameter 'message': missing"),
        ("message=", 400, "invalid_argument", "query parameter 'encoding': missing"),
        (
            "connect=v2&message=&encoding=json",
            400,
            "invalid_argument",
            "query parameter 'connect': expected v1, got 'v2'",
        ),
        ("message=&encoding=xml", 415, "unknown", "with 'encoding=xml': use"),
        ("message=%&encoding=json", 400, "invalid_argument", "a '%' must be followed by two hexadecimal digits"),
        ("message=%FF&encoding=json", 400, "invalid_argument", "body"),
        ("message=a&encoding=json&base64=1", 400, "invalid_argument", "expected base64 in its URL-safe alphabet"),
        ("message=a&encoding=json&compression=br", 501, "unimplemented", "compression 'br' is not supported"),
        ("message=%7B%7D&encoding=json&compression=gzip", 400, "invalid_argument", "expected gzip data"),
    ],
)
def test_queries_that_are_refused(tell: Any, query: str, status: int, code: str, sentence: str) -> None:
    found = get_refused(tell, query)
    assert found[:2] == (status, code)
    assert sentence in found[2]


def test_a_message_over_the_limit_in_the_query(tell: Any) -> None:
    query = "encoding=proto&message=" + quote(words(tell, text="x" * 18).SerializeToString(), safe="")
    assert get(tell, query, max_body=20)
    assert get_refused(tell, query, max_body=19)[:2] == (429, "resource_exhausted")


def test_a_get_with_a_body(tell: Any) -> None:
    exchange = ConnectGet(head("Ask", None, query="encoding=json&message=%7B%7D", method="GET"), tell)
    with pytest.raises(InvalidArgument, match="in the query, not in a body"):
        opened(exchange, b"x")
