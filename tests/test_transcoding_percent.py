"""Percent-decoding: one pass, strict, and ``%2F`` kept where it has to be."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedgw.transcoding.percent import MalformedPath, decode, decode_all_but_slash


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"a%20b", "a b"),
        (b"%41%5a%5A", "AZZ"),
        (b"%C3%A9", "é"),
        (b"\xc3\xa9", "é"),
        (b"\xc3%A9", "é"),
        (b"%F0%9F%98%80", "😀"),
        (b"%2525", "%25"),
        (b"%00", "\0"),
        (b"a+b", "a+b"),
        (b"%2F%2f", "//"),
    ],
)
def test_every_escape_is_decoded_once(raw: bytes, text: str) -> None:
    assert decode(raw) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"a%2Fb%2fc", "a%2Fb%2fc"), (b"%252F", "%2F"), (b"%21%3A%5B/%20", "!:[/ "), (b"plain/\xc3\xa9", "plain/é")],
)
def test_all_but_the_slash_is_decoded(raw: bytes, text: str) -> None:
    assert decode_all_but_slash(raw) == text


@pytest.mark.parametrize("decoder", [decode, decode_all_but_slash])
@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"%", "'%'"),
        (b"a%4", "'%4'"),
        (b"%zz", "'%zz'"),
        (b"%4g", "'%4g'"),
        (b"%%41", "'%'"),
        (b"% 41", "'% 4'"),
        (b"%+4", "'%+4'"),
        (b"%\xe9\x00", r"'%\xe9\x00'"),
    ],
)
def test_a_malformed_escape_is_named(decoder, raw: bytes, named: str) -> None:
    with pytest.raises(MalformedPath) as caught:
        decoder(raw)
    assert caught.value.description == f"a '%' must be followed by two hexadecimal digits, found {named}"


@pytest.mark.parametrize("decoder", [decode, decode_all_but_slash])
@pytest.mark.parametrize("raw", [b"%FF", b"\xff", b"%C3", b"%C3/%A9", b"%C0%AF", b"%ED%A0%80", b"%F4%90%80%80"])
def test_invalid_utf8_is_refused(decoder, raw: bytes) -> None:
    with pytest.raises(MalformedPath, match="not valid UTF-8"):
        decoder(raw)


@given(st.text())
def test_what_a_client_encodes_comes_back(text: str) -> None:
    assert decode(quote(text, safe="").encode()) == text
    assert decode(text.replace("%", "%25").encode()) == text
    assert decode_all_but_slash(quote(text, safe="/").encode()) == text


@given(st.lists(st.sampled_from([b"%", b"%2F", b"%C3", b"%A9", b"4", b"g", b"\xff", b"/"])).map(b"".join) | st.binary())
def test_nothing_but_the_declared_error_comes_out(raw: bytes) -> None:
    for decoder in (decode, decode_all_but_slash):
        with suppress(MalformedPath):
            assert isinstance(decoder(raw), str)
