"""Envelopes, base64 in parts, and which header fields become metadata: what Connect and gRPC-Web share."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpc_wire import cut, frame, frames, from_text, head

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.base64_stream import Base64Reader
from twistedgw.frontends.envelope import EnvelopeReader, envelope
from twistedgw.frontends.rpc_metadata import rpc_metadata
from twistedgw.status import Code

PAYLOADS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)
PLACES = st.lists(st.integers(0, 300), max_size=30)


@given(PAYLOADS, PLACES)
def test_envelopes_in_any_parts(payloads: list[tuple[int, bytes]], places: list[int]) -> None:
    body = b"".join(envelope(*each) for each in payloads)
    assert frames(body) == payloads
    reader, found = EnvelopeReader(40), []
    for part in cut(body, places):
        found += reader.feed(part)
    reader.finish()
    assert found == payloads
    assert reader.index == len(payloads)


@given(st.binary(max_size=30), st.data())
def test_a_body_that_ends_within_an_envelope(payload: bytes, data: st.DataObject) -> None:
    whole = frame(b"first") + frame(payload)
    end = data.draw(st.integers(len(frame(b"first")) + 1, len(whole) - 1))
    reader = EnvelopeReader(1000)
    assert reader.feed(whole[:end]) == [(0, b"first")]
    with pytest.raises(InvalidArgument, match=r"'\[1\]'.*the body ends within this message"):
        reader.finish()


def test_an_envelope_over_the_limit_is_refused_by_its_prefix() -> None:
    reader = EnvelopeReader(10)
    assert reader.feed(frame(bytes(10))) == [(0, bytes(10))]
    with pytest.raises(GatewayError, match=r"message \[1\] of the request has more than 10 bytes") as caught:
        reader.feed(b"\0\0\0\0\x0b")
    assert (caught.value.code, caught.value.reason) == (Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")


@given(st.lists(st.binary(max_size=20), max_size=8), PLACES)
def test_base64_with_padding_anywhere(pieces: list[bytes], places: list[int]) -> None:
    text = b"".join(base64.b64encode(piece) for piece in pieces)
    assert from_text(text) == b"".join(pieces)
    reader = Base64Reader()
    found = b"".join(reader.feed(part) for part in cut(text, places))
    reader.finish()
    assert found == b"".join(pieces)


@pytest.mark.parametrize("text", [b"Q===", b"====", b"QQ=Q", b"Q Q=", b"QQ-_", b"=QQQ", b"\xff\xff\xff\xff"])
def test_what_is_no_base64(text: bytes) -> None:
    with pytest.raises(InvalidArgument, match="expected base64"):
        Base64Reader().feed(b"QUJD" + text)


def test_base64_that_ends_early() -> None:
    reader = Base64Reader()
    assert reader.feed(b"QUJDQQ") == b"ABC"
    with pytest.raises(InvalidArgument, match="ends early"):
        reader.finish()


@pytest.mark.parametrize(
    "name",
    ["acme-shard-id", "x-anything", "authorization", "traceparent", "accept-language", "a.b_c-9", "x-user-agent"],
)
def test_fields_of_the_application_pass(name: str) -> None:
    assert list(rpc_metadata(head("Tell", None, (name, "v w")))[:-4]) == [(name, "v w")]


@pytest.mark.parametrize(
    "name",
    [
        "cookie",
        "host",
        "origin",
        "referer",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "grpc-timeout",
        "grpc-encoding",
        "grpc-metadata-x",
        "connect-protocol-version",
        "connect-timeout-ms",
        "x-grpc-web",
        "x-forwarded-for",
        "x-request-id",
        "sec-fetch-mode",
        "sec-websocket-key",
        "access-control-request-method",
        "if-none-match",
        "not a name",
        "b\xe4d",
    ],
)
def test_all_others_do_not(name: str) -> None:
    assert list(rpc_metadata(head("Tell", None, (name, "v")))[:-4]) == []


def test_what_a_client_ends_at_this_connection_does_not() -> None:
    assert list(rpc_metadata(head("Tell", None, ("Connection", "x-mine"), ("X-Mine", "v")))[:-4]) == []


def test_values_keep_their_order_and_binary_ones_are_decoded() -> None:
    fields = (("X-A", "1"), ("X-B-Bin", "AAE"), ("X-A", "2"), ("X-B-Bin", "AAE=, /w"))
    expected = [("x-a", "1"), ("x-b-bin", b"\0\1"), ("x-a", "2"), ("x-b-bin", b"\0\1"), ("x-b-bin", b"\xff")]
    assert list(rpc_metadata(head("Tell", None, *fields))[:-4]) == expected


def test_the_gateway_adds_its_own() -> None:
    assert [name for name, _ in rpc_metadata(head("Tell"))] == [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-request-id",
    ]


@pytest.mark.parametrize(("name", "value"), [("X-A-Bin", "!"), ("X-A", "\xe4"), ("X-A-Bin", "A")])
def test_values_that_metadata_cannot_hold(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        rpc_metadata(head("Tell", None, (name, value)))
    assert (caught.value.reason, caught.value.field) == ("INVALID_HEADER", name.lower())
