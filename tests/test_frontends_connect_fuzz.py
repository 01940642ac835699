"""Whatever comes by an RPC protocol becomes a call or an error that can be told, never anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpc_wire import cut, feed, frame, head, talk

from twistedgw.errors import GatewayError
from twistedgw.frontends.connect_stream import ConnectStream
from twistedgw.frontends.dispatch import failure, find_route, stream_exchange, unary_exchange
from twistedgw.frontends.grpc_web import GrpcWebStream

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot

TYPES = [
    "application/connect+proto",
    "application/connect+json",
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc-web+json",
    "application/proto",
    "application/json",
]
NAMES = [
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Connect-Content-Encoding",
    "Connect-Accept-Encoding",
    "Content-Encoding",
    "Accept-Encoding",
    "Accept",
    "Grpc-Timeout",
    "Grpc-Encoding",
    "Grpc-Accept-Encoding",
    "X-A-Bin",
    "Acme-Id",
]
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=12)
VALUES = st.sampled_from(["1", "gzip", "identity", "gzip;q=0", "5", "5S", "AAE="]) | LATIN
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4)
BODIES = st.lists(
    st.binary(max_size=20)
    | st.builds(frame, st.sampled_from([b"", b"{}", b"\x0a\x01x"]) | st.binary(max_size=9), st.integers(0, 3)),
    max_size=4,
).map(b"".join)
RPCS = st.sampled_from(["Ask", "Tell", "Hear", "Send", "Chat", "Nothing"])


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return talk(tmp_path_factory.mktemp("talk"))


def take(snapshot: Snapshot, request: Any, body: bytes, places: list[int]) -> None:
    exchange: Any = None
    try:
        match: Any = find_route(snapshot, request)
        exchange = stream_exchange(request, match.target, match)
        if exchange is not None:
            exchange.open(max_message=50)
            feed(exchange, cut(body, places))
        else:
            exchange = unary_exchange(request, match.target, match)
            exchange.open(body, max_body=50, request_timeout=1.0)
    except GatewayError as error:
        check(error, request, exchange)


def check(error: GatewayError, request: Any, exchange: Any) -> None:
    reply = failure(error, request, None) if exchange is None else exchange.failure(error)
    assert reply.status in (200, 400, 404, 405, 413, 415, 429, 501), reply
    assert all(isinstance(part, bytes) for field in reply.fields for part in field)
    if isinstance(exchange, ConnectStream | GrpcWebStream):
        assert exchange.break_off(error)


@given(
    rpc=RPCS,
    content_type=st.sampled_from(TYPES) | LATIN,
    fields=FIELDS,
    body=BODIES,
    places=st.lists(st.integers(0, 60)),
)
def test_posts(snapshot: Snapshot, rpc: str, content_type: str, fields: Any, body: bytes, places: list[int]) -> None:
    take(snapshot, head(rpc, content_type, *fields), body, places)


PIECES = st.sampled_from(
    ["message", "encoding", "base64", "compression", "connect", "=", "&", "json", "proto", "1", "%7B%7D"]
)


@given(rpc=RPCS, query=st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join), fields=FIELDS)
def test_gets(snapshot: Snapshot, rpc: str, query: str, fields: Any) -> None:
    take(snapshot, head(rpc, None, *fields, query=query, method="GET"), b"", [])


@given(
    rpc=RPCS,
    encoding=LATIN | st.sampled_from(["json", "proto"]),
    message=st.binary(max_size=20),
    more=st.text(max_size=9),
)
def test_gets_that_are_nearly_right(snapshot: Snapshot, rpc: str, encoding: str, message: bytes, more: str) -> None:
    query = f"connect=v1&encoding={encoding}&message={message.decode('latin-1')}&{more}"
    take(snapshot, head(rpc, None, query=query, method="GET"), b"", [])
