"""Media types by Accept, and gzip both ways."""

from __future__ import annotations

import gzip as gzip_module
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.negotiation import (
    MAX_MEMBERS,
    accepts_gzip,
    check_size,
    decode_body,
    gzip,
    parse_accept,
    wants_protobuf,
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, None),
        ("", None),
        ("*/*", None),
        ("application/*", None),
        ("application/json", None),
        ("application/protobuf", "application/protobuf"),
        ("application/x-protobuf", "application/x-protobuf"),
        ("Application/Protobuf ; q=0.5", "application/protobuf"),
        ("application/protobuf, application/json", "application/protobuf"),
        ("application/protobuf;q=0.5, application/json", None),
        ("application/protobuf, application/json;q=0.9, */*;q=0.1", "application/protobuf"),
        ("application/protobuf;q=0", None),
        ("application/protobuf;q=x", None),
        ("application/protobuf;q=0.4, application/x-protobuf;q=0.6", "application/x-protobuf"),
        ("text/html, application/vnd.protobuf.thing", None),
    ],
)
def test_protobuf_by_name_where_json_is_not_preferred(accept: str | None, wanted: str | None) -> None:
    assert wants_protobuf(accept) == wanted


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("br", False),
        ("gzip;q=nan", False),
        ("gzip;q=-1", False),
    ],
)
def test_gzip_where_it_is_accepted(accept: str | None, taken: bool) -> None:
    assert accepts_gzip(accept) is taken


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["gzip", ";q=", "1", ",", "*", "nan", "1_0", ";", "="])).map("".join)
)
def test_any_text_is_a_preference(text: str) -> None:
    assert all(name == name.lower().strip() for name in parse_accept(text))
    assert accepts_gzip(text) in (True, False)
    assert wants_protobuf("application/protobuf," + text) in (None, "application/protobuf", "application/x-protobuf")


def test_only_what_gets_smaller_is_compressed() -> None:
    assert gzip(b"x" * 1023) is None
    packed = gzip(b"x" * 1024)
    assert packed is not None
    assert gzip_module.decompress(packed) == b"x" * 1024
    noise = zlib.compress(bytes(range(256)) * 9, 9) + bytes(i * i * 7919 % 251 for i in range(2000))
    assert gzip(noise) is None or len(gzip(noise) or b"") < len(noise)


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_bodies_as_they_are(encoding: str | None) -> None:
    assert decode_body(b"\x1f\x8b", encoding, 10) == b"\x1f\x8b"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZip "])
def test_gzip_bodies(encoding: str) -> None:
    assert decode_body(gzip_module.compress(b"abc", mtime=0), encoding, 3) == b"abc"
    assert (
        decode_body(gzip_module.compress(b"ab", mtime=0) + gzip_module.compress(b"c", mtime=0), encoding, 3) == b"abc"
    )
    assert decode_body(b"", encoding, 3) == b""


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_gzip_bodies_of_any_length(size: int) -> None:
    data = bytes(i * i * 7919 % 251 for i in range(size))
    parts = gzip_module.compress(data, 0) + gzip_module.compress(b"end", mtime=0)
    assert decode_body(parts, "gzip", size + 3) == data + b"end"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 1000])
def test_other_encodings_are_415(encoding: str) -> None:
    with pytest.raises(GatewayError) as caught:
        decode_body(b"x", encoding, 10)
    error = caught.value
    assert (error.reason, error.http_status) == ("UNSUPPORTED_ENCODING", 415)
    assert error.headers == (("Accept-Encoding", "gzip"),)
    assert len(error.message) < 150


@pytest.mark.parametrize(
    "body", [b"x", b"\x1f\x8b", gzip_module.compress(b"abc", mtime=0)[:-1], gzip_module.compress(b"a", mtime=0) + b"x"]
)
def test_what_is_no_gzip(body: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode_body(body, "gzip", 10)
    assert (caught.value.reason, caught.value.http_status) == ("INVALID_BODY", 400)


@pytest.mark.parametrize(
    "body",
    [
        gzip_module.compress(b"abcd", mtime=0),
        gzip_module.compress(b"ab", mtime=0) * 2,
        gzip_module.compress(b"x" * 10_000_000, mtime=0),
    ],
)
def test_the_limit_counts_decoded_bytes(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        decode_body(body, "gzip", 3)
    assert (caught.value.reason, caught.value.http_status) == ("REQUEST_TOO_LARGE", 413)


def test_many_members_are_refused_quickly() -> None:
    """Each of them costs as much as what follows it is long: 4 MiB of empty ones took ten seconds."""
    empty = gzip_module.compress(b"", mtime=0)
    assert decode_body(empty * MAX_MEMBERS, "gzip", 10) == b""
    started = time.process_time()
    with pytest.raises(InvalidArgument, match="more than 1000 members"):
        decode_body(empty * (4 * 1024 * 1024 // len(empty)), "gzip", 10)
    assert time.process_time() - started < 1


def test_the_size_as_it_came() -> None:
    check_size(10, 10)
    with pytest.raises(GatewayError) as caught:
        check_size(11, 10)
    assert (caught.value.reason, caught.value.http_status) == ("REQUEST_TOO_LARGE", 413)
