"""The one way from anything that went wrong to an answer."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from small_snapshots import BINDING, HEAD, WHOLE, build

from twistedgw.backends.failures import CallError
from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.failure import INTERNAL, error_reply
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.registry.route import GrpcRoute

INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def _route(folder: Any, form: str) -> GrpcRoute:
    head = HEAD.replace("proto = echo.proto\n", f"proto = echo.proto\nerror_format = {form}\n")
    snapshot = build(folder, head + WHOLE + BINDING)
    return snapshot.match("", False, "GET", b"/v1/say/x").target  # type: ignore[return-value]


@pytest.fixture(scope="module")
def status_route(tmp_path_factory: pytest.TempPathFactory) -> GrpcRoute:
    return _route(tmp_path_factory.mktemp("status"), "status")


@pytest.fixture(scope="module")
def google_route(tmp_path_factory: pytest.TempPathFactory) -> GrpcRoute:
    return _route(tmp_path_factory.mktemp("google"), "google")


def body(error: GatewayError | CallError, route: GrpcRoute | None = None) -> Any:
    return json.loads(error_reply(error, route).body)


OURS = GatewayError(Code.NOT_FOUND, "no", reason="ROUTE_NOT_FOUND", metadata={"a": "b"})
INFORMATION = {"@type": INFO, "reason": "ROUTE_NOT_FOUND", "domain": "twistedgw", "metadata": {"a": "b"}}


def test_the_form_of_google_rpc_status(status_route: GrpcRoute) -> None:
    for route in (None, status_route):
        assert body(OURS, route) == {"code": 5, "message": "no", "details": [INFORMATION]}


def test_the_form_of_aip_193(google_route: GrpcRoute) -> None:
    assert body(OURS, google_route) == {
        "error": {"code": 404, "message": "no", "status": "NOT_FOUND", "details": [INFORMATION]}
    }
    unusual = GatewayError(Code.INVALID_ARGUMENT, "m", reason="R", http_status_=415)
    error = body(unusual, google_route)["error"]
    assert (error["code"], error["status"]) == (415, "INVALID_ARGUMENT")


def test_what_a_client_sent_wrong_is_a_bad_request_too() -> None:
    details = body(InvalidArgument("items[3].price", "expected a number, got true"))["details"]
    assert details[0]["reason"] == "INVALID_BODY"
    assert details[1] == {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "items[3].price", "description": "expected a number, got true"}],
    }


def test_header_fields_of_an_error() -> None:
    error = GatewayError(Code.UNIMPLEMENTED, "m", reason="R", http_status_=405, headers=(("Allow", "GET, PUT"),))
    reply = error_reply(error, None)
    assert (reply.status, reply.fields) == (405, [(b"Allow", b"GET, PUT"), (b"content-type", b"application/json")])


def test_a_bug_tells_nothing() -> None:
    assert (INTERNAL.http_status, body(INTERNAL)["message"]) == (500, "internal error")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CallError(Code.UNAVAILABLE, "gone", reason="BACKEND_UNAVAILABLE"), "BACKEND_UNAVAILABLE"),
        (CallError(Code.UNAVAILABLE, "gone"), "UNAVAILABLE"),
    ],
)
def test_errors_of_this_side_have_a_reason(error: CallError, reason: str, status_route: GrpcRoute) -> None:
    assert body(error, status_route) == {
        "code": 14,
        "message": "gone",
        "details": [{"@type": INFO, "reason": reason, "domain": "twistedgw"}],
    }


def test_retry_after() -> None:
    reply = error_reply(CallError(Code.UNAVAILABLE, "m", retry_after=1), None)
    assert (b"retry-after", b"1") in reply.fields


@pytest.mark.parametrize(
    ("metadata", "values"), [((), [b"Bearer"]), ((("www-authenticate", "Basic realm=x"),), [b"Basic realm=x"])]
)
def test_401_says_how(metadata: tuple[tuple[str, str], ...], values: list[bytes]) -> None:
    """RFC 9110, 15.5.2: with 401 goes WWW-Authenticate."""
    error = CallError(Code.UNAUTHENTICATED, "m", initial_metadata=metadata, from_backend=True)
    assert [value for name, value in error_reply(error, None).fields if name == b"www-authenticate"] == values


def test_trailers_for_who_takes_them() -> None:
    error = CallError(
        Code.ABORTED,
        "m",
        initial_metadata=(("x-first", "1"),),
        trailing_metadata=(("x-last", "2"), ("grpc-status-details-bin", b"\0")),
        from_backend=True,
    )
    assert error_reply(error, None).trailers == ()
    reply = error_reply(error, None, trailers=True)
    assert list(reply.trailers) == [(b"x-last", b"2")]
    assert (b"x-first", b"1") in reply.fields


def _with_details(*details: any_pb2.Any) -> CallError:
    status = status_pb2.Status(code=9, message="m", details=details)
    return CallError(Code.FAILED_PRECONDITION, "m", details=status.SerializeToString(), from_backend=True)


def test_details_of_the_backend(status_route: GrpcRoute, google_route: GrpcRoute) -> None:
    known = any_pb2.Any()
    known.Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": 1, "nanos": 500_000_000}))
    unknown = any_pb2.Any(type_url="type.googleapis.com/far.Away", value=b"\x08\x01")
    broken = any_pb2.Any(type_url=INFO, value=b"\xff")
    printed = [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
        {"@type": "type.googleapis.com/far.Away", "value": base64.b64encode(b"\x08\x01").decode()},
        {"@type": INFO, "value": "/w=="},
    ]
    error = _with_details(known, unknown, broken)
    assert body(error, status_route) == {"code": 9, "message": "m", "details": printed}
    assert body(error, google_route)["error"]["details"] == printed


@pytest.mark.parametrize("details", [b"", b"\xff", b"\x08"])
def test_details_that_are_none(details: bytes, status_route: GrpcRoute) -> None:
    error = CallError(Code.INTERNAL, "m", details=details, from_backend=True)
    assert body(error, status_route) == {"code": 13, "message": "m", "details": []}
