"""Whatever bytes a client sends: messages, errors that are told, or a close; never anything else, never a hang."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket_world import Talk, build, head
from websockets.frames import Frame, Opcode

from twistedgw.errors import GatewayError
from twistedgw.frontends.websocket_handshake import check_handshake, find_stream, is_handshake

PATHS = ("/v1/both/hall", "/v1/chat/hall", "/v1/down/hall", "/v1/watch/hall", "/v1/inner/x", "/v1/octets")
DEFLATE = "permessage-deflate; client_max_window_bits"
SOME = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return build(tmp_path_factory.mktemp("chat"))


def texts():
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "room", "count", "inner", "mood", "zz"]), inner, max_size=3)
        ),
        max_leaves=5,
    )
    return values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)


def frames(*, sound: bool):
    """Frames: data and pings, or also every sort of others that break the protocol or end it."""
    data = st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), texts(), st.just(True))
    ping = st.tuples(st.just(Opcode.PING), st.binary(max_size=125), st.just(True))
    others = st.tuples(st.sampled_from(list(Opcode)), st.binary(max_size=130), st.booleans())
    one = data | data | ping if sound else data | ping | others
    return st.lists(one, max_size=8).map(lambda many: b"".join(_written(*each) for each in many))


def _written(opcode, data, fin):
    frame = Frame(opcode, data, fin)
    try:
        return frame.serialize(mask=True)
    except Exception:  # what a control frame must not be: written by hand
        return bytes([opcode | 0x80 * fin, 0x80 | min(len(data), 125)]) + b"\0\0\0\0" + data[:125]


def outcome(talk, pieces):
    """All that comes of some bytes: items, the error that is told, how it is closed, what is sent."""
    found, error, sent = [], None, b""
    try:
        for piece in pieces:
            found += talk.shown(talk.exchange.feed(piece))
            sent += talk.exchange.outgoing()
    except GatewayError as told:
        error = told.message
        sent += talk.exchange.outgoing() + talk.exchange.error(told)
    answers = talk.taken(sent)
    assert all(name in ("PONG", "CLOSE", "TEXT") for name, _ in answers)
    assert error is None or talk.closed() is not None
    return found, error, talk.closed()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extensions", [None, DEFLATE], ids=["plain", "deflate"])
def test_any_bytes(snapshot, path, extensions):
    @SOME
    @given(st.lists(st.binary(max_size=60), max_size=5))
    def check(pieces):
        outcome(Talk(snapshot, head(path, sec_websocket_extensions=extensions)), pieces)

    check()


@pytest.mark.parametrize("path", PATHS)
def test_any_frames(snapshot, path):
    @SOME
    @given(frames(sound=False))
    def check(data):
        outcome(Talk(snapshot, head(path)), [data])

    check()


@pytest.mark.parametrize("path", PATHS)
def test_frames_in_any_pieces(snapshot, path):
    @SOME
    @given(frames(sound=True), st.lists(st.integers(1, 30), max_size=20))
    def check(data, sizes):
        pieces, start = [], 0
        for size in sizes:
            pieces.append(data[start : start + size])
            start += size
        pieces.append(data[start:])
        whole, cut = (outcome(Talk(snapshot, head(path)), given) for given in ([data], pieces))
        if whole[1] is None:
            assert repr(whole) == repr(cut)
        else:  # what was before the error is not given by `outcome`, where it came in one piece
            assert whole[1:] == cut[1:]

    check()


@SOME
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "upgrade",
                "connection",
                "origin",
                "host",
                "sec-websocket-key",
                "sec-websocket-version",
                "sec-websocket-protocol",
                "sec-websocket-extensions",
                "content-length",
                "grpc-timeout",
            ]
        ),
        st.text(st.characters(max_codepoint=255), max_size=30)
        | st.sampled_from(
            ["permessage-deflate; a=b", "bearer, x", "twistedgw.v1+json", "http://gw.example", "[", "://"]
        ),
    ),
    st.text(st.characters(max_codepoint=126), max_size=20),
)
def test_any_handshake(snapshot, fields, path):
    asked = head(f"/{path}", **{name.replace("-", "_"): value for name, value in fields.items()})
    is_handshake(asked)
    try:
        find_stream(snapshot, asked)
    except GatewayError as error:
        assert 400 <= error.http_status <= 500  # noqa: PT017
    try:
        handshake = check_handshake(asked, ())
    except GatewayError as error:
        assert error.http_status in (400, 403, 426)  # noqa: PT017
    else:
        assert all(b"\n" not in value for _, value in handshake.fields)
