"""Bodies in chunks, without any channel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedgw.errors import GatewayError
from twistedgw.web.chunked import ChunkedBody


def decode(*pieces, size=100, fields=3):
    """Feed pieces as a channel does; give the body and what is left over."""
    chunked = ChunkedBody(size, fields)
    body = buffer = b""
    for piece in pieces:
        buffer += piece
        part, used = chunked.feed(buffer)
        body += part
        buffer = buffer[used:]
    return chunked.complete, body, buffer


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello"),
        (b"00a\r\n0123456789\r\n000\r\n\r\n", b"0123456789"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b'2;a=b;c="d e"\r\n\r\n\r\n0;x\r\n\r\n', b"\r\n"),
        (b"1;" + b"a" * 256 + b"\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", b"x"),
    ],
)
def test_whole_bodies(data, body):
    """Wherever they are cut, and whatever follows."""
    assert decode(data + b"GET /") == (True, body, b"GET /")
    assert decode(*[bytes([byte]) for byte in data]) == (True, body, b"")
    for cut in range(len(data)):
        assert decode(data[:cut], data[cut:]) == (True, body, b"")
        assert not decode(data[:cut])[0]


def test_trailer_fields_have_limits():
    """They are 431 as soon as they are too many, or too many bytes, even without an end."""
    decode(b"0\r\n" + b"X: a\r\n" * 3 + b"\r\n")
    for data in (
        b"X: a\r\n" * 4,
        b"X: " + b"a" * 96 + b"\r\n",
        b"X: " + b"a" * 98,
        b"X: " + b"a" * 50 + b"\r\nY: " + b"b" * 50,
    ):
        with pytest.raises(GatewayError) as caught:
            decode(b"0\r\n" + data)
        assert caught.value.http_status == 431
    assert decode(b"0\r\nX: " + b"a" * 95 + b"\r\n\r\n")[0]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6), st.data())
def test_any_body_in_any_pieces(chunks, data):
    """What was put into chunks comes out again."""
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert decode(*pieces) == (True, b"".join(chunks), b"")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"5", b"0", b"\r\n", b"\r", b"\n", b";a", b"hello", b"X: y", b" ", b"\0", b"f"]), max_size=12
    )
)
def test_splitting_changes_nothing(parts):
    """Byte by byte gives what the whole gives: the same body, or the same refusal."""
    data = b"".join(parts)

    def outcome(*pieces):
        try:
            return decode(*pieces)
        except GatewayError as error:
            return error.http_status

    assert outcome(data) == outcome(*[bytes([byte]) for byte in data])
