"""HTTP header fields to metadata and back: what passes, what never does, and nothing but one error."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedgw.backends.metadata import sendable
from twistedgw.errors import InvalidArgument
from twistedgw.frontends.exchange import Head
from twistedgw.frontends.metadata import HOP_BY_HOP, request_metadata, response_fields


def head(*fields: tuple[bytes, bytes], **changes: Any) -> Head:
    given = {"client": "1.2.3.4", "chain": "1.2.3.4", "host": "h", "authority": "h:1", "secure": False}
    return Head("GET", b"/", b"", fields, **{**given, "request_id": "id", **changes})


def passed(*fields: tuple[bytes, bytes]) -> list[tuple[str, str | bytes]]:
    """Give the metadata without the four that the gateway sets, which come last."""
    return list(request_metadata(head(*fields))[:-4])


def refused(name: bytes, value: bytes) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        request_metadata(head((name, value)))
    error = caught.value
    assert (error.source, error.reason, error.http_status) == ("header", "INVALID_HEADER", 400)
    assert error.field == name.decode()
    return error


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"authorization", "authorization"),
        (b"traceparent", "traceparent"),
        (b"tracestate", "tracestate"),
        (b"baggage", "baggage"),
        (b"accept-language", "accept-language"),
        (b"x-anything", "x-anything"),
        (b"x-a_b.c-9", "x-a_b.c-9"),
        (b"grpc-metadata-plain", "plain"),
        (b"grpc-metadata-x-y", "x-y"),
        (b"grpc-metadata-authorization", "authorization"),
        (b"grpc-metadata-grpc-metadata-a", None),
    ],
)
def test_what_passes(name: bytes, key: str | None) -> None:
    assert passed((name, b"v w")) == ([(key, "v w")] if key else [])


@pytest.mark.parametrize(
    "name",
    [
        *sorted(HOP_BY_HOP),
        *("cookie", "host", "content-type", "content-length", "user-agent", "accept", "accept-encoding", "origin"),
        *("grpc-timeout", "grpc-encoding", "grpc-status-details-bin", "grpc-anything", "grpc-metadata"),
        *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"),
        *("x-a$b", "x-\xe4", "traceparent2", "referer"),
    ],
)
def test_what_never_does(name: str) -> None:
    assert passed((name.encode("latin-1"), b"v")) == []


@pytest.mark.parametrize(
    "name",
    [*sorted(HOP_BY_HOP), "cookie", "host", "x-forwarded-for", "x-request-id", "grpc-timeout", "a b", ":path", "", "é"],
)
def test_nor_behind_the_prefix(name: str) -> None:
    assert passed((b"grpc-metadata-" + name.encode(), b"v")) == []


@pytest.mark.parametrize("connection", [b"x-a", b"X-A, close", b"keep-alive , x-a", b"close,,x-a"])
def test_fields_that_end_at_the_connection(connection: bytes) -> None:
    """RFC 9110, 7.6.1: what Connection names goes no further."""
    assert passed((b"x-a", b"1"), (b"connection", connection), (b"x-b", b"2")) == [("x-b", "2")]


@pytest.mark.parametrize("connection", [b"close", b"Keep-Alive", b"", b"upgrade"])
def test_other_fields_stay(connection: bytes) -> None:
    assert passed((b"connection", connection), (b"x-a", b"1")) == [("x-a", "1")]


def test_repeated_fields_keep_their_order() -> None:
    assert passed((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")) == [("x-a", "1"), ("x-b", "2"), ("x-a", "3")]


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (b"AAE=", [b"\0\1"]),
        (b"AAE", [b"\0\1"]),
        (b"-_8", [b"\xfb\xff"]),
        (b"+/8=", [b"\xfb\xff"]),
        (b"", [b""]),
        (b" AAE= , AQ ", [b"\0\1", b"\1"]),
    ],
)
def test_binary_values(value: bytes, octets: list[bytes]) -> None:
    assert passed((b"x-a-bin", value)) == [("x-a-bin", each) for each in octets]
    assert passed((b"grpc-metadata-a-bin", value)) == [("a-bin", each) for each in octets]


@pytest.mark.parametrize("value", [b"!", b"A", b"AAAAA", b"A=AE", b"AA E", b"\xc3\xa9", b"AAE=,!"])
def test_binary_values_that_are_none(value: bytes) -> None:
    assert refused(b"x-a-bin", value).description == "expected base64"


@pytest.mark.parametrize("value", [b"\xc3\xa9", b"a\tb", b"\x7f", b"a\0"])
def test_text_that_grpc_cannot_carry(value: bytes) -> None:
    assert refused(b"x-a", value).description == "expected printable ASCII"


def test_what_the_gateway_sets() -> None:
    made = list(request_metadata(head(chain="1.2.3.4, ::1", authority="Ä.de:8", secure=True, request_id="r")))
    assert made == [
        ("x-forwarded-for", "1.2.3.4, ::1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "?.de:8"),
        ("x-request-id", "r"),
    ]
    assert dict(request_metadata(head(authority=""))) == {
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-proto": "http",
        "x-request-id": "id",
    }


_NAMES = st.text(st.characters(max_codepoint=255), max_size=20).map(str.lower)
_PREFIXED = st.tuples(st.sampled_from(["x-", "grpc-metadata-", "grpc-", "x-a-bin", "connection", ""]), _NAMES)
_NAME = _PREFIXED.map("".join) | _PREFIXED.map(lambda parts: "".join(parts) + "-bin")
_ENCODABLE = _NAME.filter(lambda name: all(ord(c) < 256 for c in name)).map(lambda name: name.encode("latin-1"))


@given(st.lists(st.tuples(_ENCODABLE, st.binary(max_size=20))), st.text(max_size=10), st.text(max_size=10))
def test_any_fields_become_metadata_that_can_be_sent(
    fields: list[tuple[bytes, bytes]], chain: str, authority: str
) -> None:
    """Nothing but InvalidArgument comes out, and what passes is what gRPC takes."""
    try:
        metadata = list(request_metadata(head(*fields, chain=chain, authority=authority)))
    except InvalidArgument:
        return
    sendable(metadata)
    assert not any(key.startswith("grpc-") or key in HOP_BY_HOP or key in ("cookie", "host") for key, _ in metadata)
    assert [key for key, _ in metadata].count("x-forwarded-for") == 1


# The answer's


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("x-a", "v", (b"x-a", b"v")),
        ("etag", '"1"', (b"etag", b'"1"')),
        ("set-cookie", "a=b", (b"set-cookie", b"a=b")),
        ("www-authenticate", "Basic", (b"www-authenticate", b"Basic")),
        ("a-bin", b"\0\1", (b"a-bin", b"AAE")),
        ("a-bin", b"", (b"a-bin", b"")),
        ("x-a", "ü", (b"x-a", "ü".encode())),
    ],
)
def test_metadata_of_an_answer(key: str, value: str | bytes, field: tuple[bytes, bytes]) -> None:
    assert response_fields([(key, value)]) == [field]


@pytest.mark.parametrize(
    "key",
    [
        *sorted(HOP_BY_HOP),
        *("content-type", "content-length", "content-encoding", "date", "server", "x-request-id"),
        *("grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-accept-encoding", ":status"),
    ],
)
def test_metadata_that_stays_behind(key: str) -> None:
    assert response_fields([(key, "v"), ("x-a", "1")]) == [(b"x-a", b"1")]


@given(st.binary(max_size=40))
def test_binary_metadata_comes_back(data: bytes) -> None:
    ((_, text),) = response_fields([("x-a-bin", data)])
    assert re.fullmatch(rb"[A-Za-z0-9+/]*", text)
    assert passed((b"x-a-bin", text)) == [("x-a-bin", data)]
    assert base64.b64decode(text + b"=" * (-len(text) % 4)) == data
