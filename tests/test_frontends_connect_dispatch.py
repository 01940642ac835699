"""Which protocol a request speaks, which route a Connect GET has, and in which form an error without a route is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rpc_wire import BINDING, HEAD, WHOLE, connect_parts, field, head, route, talk
from small_snapshots import BACKEND, LISTENER, PLUGIN, SERVICE

from twistedgw.errors import GatewayError
from twistedgw.frontends.connect import ConnectGet, ConnectUnary
from twistedgw.frontends.connect_stream import ConnectStream
from twistedgw.frontends.dispatch import (
    Format,
    failure,
    find_route,
    format_of,
    is_rpc,
    own_body_limit,
    stream_exchange,
    unary_exchange,
)
from twistedgw.frontends.grpc_web import GrpcWebStream, GrpcWebUnary
from twistedgw.frontends.rest import RestExchange
from twistedgw.frontends.rest_stream import RestStreamExchange
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot

VERSION = ("Connect-Protocol-Version", "1")
GET = "connect=v1&encoding=json&message=%7B%7D"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return talk(tmp_path_factory.mktemp("talk"))


@pytest.mark.parametrize(
    ("content_type", "fields", "expected"),
    [
        (None, (), Format.REST),
        ("application/json", (), Format.REST),
        ("application/json", (VERSION,), Format.CONNECT),
        ("application/json; charset=utf-8", (VERSION,), Format.CONNECT),
        ("application/x-www-form-urlencoded", (VERSION,), Format.CONNECT),
        (None, (VERSION,), Format.CONNECT),
        ("application/proto", (), Format.CONNECT),
        ("Application/Proto; x=y", (), Format.CONNECT),
        ("application/protobuf", (), Format.REST),
        ("application/connect+json", (), Format.CONNECT_STREAM),
        ("application/connect+unknown", (), Format.CONNECT_STREAM),
        ("Application/Connect+Proto", (VERSION,), Format.CONNECT_STREAM),
        ("application/grpc-web", (), Format.GRPC_WEB),
        ("application/grpc-web-text+proto", (), Format.GRPC_WEB),
        ("application/grpc-web+json", (VERSION,), Format.GRPC_WEB),
        ("application/grpc", (), Format.REST),
    ],
)
def test_the_format_by_the_head(content_type: str | None, fields: Any, expected: Format) -> None:
    assert format_of(head("Tell", content_type, *fields)) is expected
    assert is_rpc(head("Tell", content_type, *fields)) is (expected is not Format.REST)


@pytest.mark.parametrize(
    ("query", "expected", "rpc"),
    [
        ("", Format.REST, False),
        ("encoding=json", Format.REST, False),
        ("message=&x=encoding", Format.REST, False),
        ("message=&encoding=json", Format.CONNECT_GET, False),
        (GET, Format.CONNECT_GET, True),
    ],
)
def test_the_format_of_a_get(query: str, expected: Format, rpc: bool) -> None:
    request = head("Tell", None, method="GET", query=query)
    assert (format_of(request), is_rpc(request)) == (expected, rpc)


def exchange(snapshot: Snapshot, request: Any) -> Any:
    match = find_route(snapshot, request)
    return stream_exchange(request, match.target, match) or unary_exchange(request, match.target, match)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rpc", "content_type", "fields", "kind"),
    [
        ("Tell", "application/json", (), RestExchange),
        ("Hear", "application/json", (), RestStreamExchange),
        ("Tell", "application/json", (VERSION,), ConnectUnary),
        ("Hear", "application/json", (VERSION,), ConnectUnary),
        ("Tell", "application/proto", (), ConnectUnary),
        ("Hear", "application/connect+json", (), ConnectStream),
        ("Tell", "application/connect+json", (), ConnectStream),
        ("Tell", "application/grpc-web", (), GrpcWebUnary),
        ("Chat", "application/grpc-web", (), GrpcWebStream),
    ],
)
def test_the_exchange(snapshot: Snapshot, rpc: str, content_type: str, fields: Any, kind: type) -> None:
    assert type(exchange(snapshot, head(rpc, content_type, *fields))) is kind


def test_the_limit_of_a_unary_body(snapshot: Snapshot) -> None:
    tell = route(snapshot, "Tell")
    assert own_body_limit(head("Tell", "application/json"), tell, 100) is None
    assert own_body_limit(head("Tell", "application/json", VERSION), tell, 100) == 100
    for size in range(100, 104):
        text = (size + 5 + 2) // 3 * 4
        assert own_body_limit(head("Tell", "application/grpc-web-text"), tell, size) == text


# -- GET


def get(snapshot: Snapshot, rpc: str, query: str) -> Any:
    return exchange(snapshot, head(rpc, None, method="GET", query=query))


def test_a_get_of_an_rpc_without_side_effects(snapshot: Snapshot) -> None:
    assert type(get(snapshot, "Ask", GET)) is ConnectGet
    assert type(get(snapshot, "Ask", "encoding=json&message=%7B%7D")) is ConnectGet
    assert type(get(snapshot, "Hear", GET)) is ConnectGet  # which answers 415: it streams


@pytest.mark.parametrize(("rpc", "query"), [("Tell", GET), ("Ask", ""), ("Ask", "text=x")])
def test_all_other_gets_are_not_allowed(snapshot: Snapshot, rpc: str, query: str) -> None:
    with pytest.raises(GatewayError) as caught:
        get(snapshot, rpc, query)
    assert (caught.value.http_status, caught.value.headers) == (405, (("Allow", "POST"),))


def test_a_rule_with_get_on_the_same_path_comes_first(snapshot: Snapshot) -> None:
    for query in (GET, "encoding=json&message=%7B%7D", ""):
        assert type(get(snapshot, "Peek", query)) is RestExchange


def test_a_rule_with_wildcards_gives_way_to_the_version_only(tmp_path: Any) -> None:
    rest = "[api:s/rest]\nrpc = talk.v1.Rest/*\nbackend = b\n"
    snapshot = talk(tmp_path, HEAD + WHOLE + rest + BINDING)
    assert type(get(snapshot, "Ask", GET)) is ConnectGet
    assert type(get(snapshot, "Ask", "encoding=json&message=%7B%7D")) is RestExchange
    assert type(get(snapshot, "Ask", "")) is RestExchange
    assert type(get(snapshot, "Tell", GET)) is RestExchange


def test_an_api_of_one_rpc(tmp_path: Any) -> None:
    own = "[api:s/one]\nmethod = {}\npath = {}\nrpc = talk.v1.Talk/Ask\nbackend = b\n{}"
    there = "/talk.v1.Talk/Ask"

    def kind(method: str, path: str, more: str = "") -> type:
        snapshot = talk(tmp_path, HEAD + own.format(method, path, more) + BINDING)
        return type(exchange(snapshot, head("Ask", "application/json", VERSION, path=path.encode(), method=method)))

    assert kind("POST", there) is ConnectUnary
    assert kind("POST", "/v1/ask") is RestExchange
    assert kind("PUT", there) is RestExchange
    assert kind("POST", there, "body = inner\n") is RestExchange
    assert kind("POST", there, "response_body = inner\n") is RestExchange


def test_under_the_prefix_of_an_environment(tmp_path: Any) -> None:
    snapshot = talk(tmp_path, HEAD + WHOLE + BINDING.replace("release", "test"))
    request = head("Ask", "application/proto", path=b"/test/talk.v1.Talk/Ask")
    assert type(exchange(snapshot, request)) is ConnectUnary
    request = head("Ask", None, path=b"/test/talk.v1.Talk/Ask", method="GET", query=GET)
    assert type(exchange(snapshot, request)) is ConnectGet


# -- errors without an exchange


def told(snapshot: Snapshot, request: Any) -> Any:
    try:
        find_route(snapshot, request).target.refuse()  # type: ignore[union-attr]
    except GatewayError as error:
        return failure(error, request, None)
    raise AssertionError("it has a route")


LOST = b"/talk.v1.Talk/No"


def test_no_route(snapshot: Snapshot) -> None:
    for content_type in ("application/proto", "application/connect+json"):
        reply = told(snapshot, head("No", content_type))
        assert (reply.status, json.loads(reply.body)["code"]) == (404, "unimplemented")
        assert field(reply, "content-type") == "application/json"
    reply = told(snapshot, head("No", "application/grpc-web"))
    assert (reply.status, field(reply, "grpc-status"), reply.body) == (200, "12", b"")
    reply = told(snapshot, head("No", None, method="GET", query=GET))
    assert (reply.status, json.loads(reply.body)["code"]) == (404, "unimplemented")
    for request in (head("No", "application/json"), head("No", None, method="GET", query="encoding=&message=")):
        assert json.loads(told(snapshot, request).body)["code"] == 5


def test_another_method(snapshot: Snapshot) -> None:
    reply = told(snapshot, head("Tell", "application/proto", method="DELETE"))
    assert (reply.status, field(reply, "allow")) == (405, "POST")
    assert json.loads(reply.body)["code"] == "unknown"
    reply = told(snapshot, head("Tell", "application/grpc-web", method="PUT"))
    assert (reply.status, field(reply, "allow"), field(reply, "grpc-status")) == (405, "POST", "2")


def test_no_plugin(tmp_path: Any) -> None:
    snapshot = talk(tmp_path, LISTENER + SERVICE + BACKEND + PLUGIN + WHOLE)
    reply = told(snapshot, head("Tell", "application/proto"))
    error = json.loads(reply.body)
    assert (reply.status, error["code"]) == (500, "internal")
    assert error["message"].startswith("no backend-grpc plugin is bound to API s/all")
    assert [detail["type"] for detail in error["details"]] == ["google.rpc.ErrorInfo"]
    reply = told(snapshot, head("Tell", "application/grpc-web"))
    assert (reply.status, field(reply, "grpc-status")) == (200, "13")


def test_an_error_of_a_route_is_told_in_the_format_spoken_there(snapshot: Snapshot) -> None:
    error = GatewayError(Code.RESOURCE_EXHAUSTED, "m", reason="R")
    hear = route(snapshot, "Hear")
    assert (
        connect_parts(failure(error, head("Hear", "application/connect+json"), hear).body)[1]["error"]["message"] == "m"
    )
    assert json.loads(failure(error, head("Hear", "application/json"), hear).body)["code"] == 8
    assert (
        json.loads(failure(error, head("Ask", "application/json", VERSION), hear).body)["code"] == "resource_exhausted"
    )
