"""WebSocket handshakes without sockets: which requests are one, where they are taken, what is agreed on."""

from __future__ import annotations

import base64

import pytest
from websocket_world import KEY, Talk, build, head

from twistedgw.errors import GatewayError
from twistedgw.frontends.websocket_handshake import check_handshake, find_stream, is_handshake

JSON, PROTO = "twistedgw.v1+json", "twistedgw.v1+proto"
PAGES = (
    "[plugin:pages]\ntype = cors\nallow_origins = https://app.example\n"
    "[binding:pages]\nplugin = pages\nservice = chat\nenvironment = release\n"
)
WEB = "[backend:web]\nprotocol = http\ntarget = http://127.0.0.1:1\n[api:chat/web]\nmethod = *\npath = /**\nbackend = web\n"
TOKEN = "eyJhbGciOiJub25lIn0.e30.x-_y"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return build(tmp_path_factory.mktemp("chat"))


def refusal(asked, stages=()):
    with pytest.raises(GatewayError) as caught:
        check_handshake(asked, stages)
    return caught.value


def offered(text):
    return dict(check_handshake(head(sec_websocket_protocol=text), ()).fields).get(b"sec-websocket-protocol")


# -- what a handshake is


@pytest.mark.parametrize(
    "asked",
    [
        head(),
        head(upgrade="WebSocket"),
        head(upgrade="h2c, websocket", connection="Upgrade"),
        head(sec_websocket_version="8", sec_websocket_key=None),
    ],
)
def test_what_is_a_handshake(asked):
    assert is_handshake(asked)


@pytest.mark.parametrize(
    "asked",
    [
        head(upgrade=None),
        head(upgrade="h2c"),
        head(connection="keep-alive"),
        head(connection=None),
        head(method="POST"),
    ],
)
def test_what_is_none(asked):
    assert not is_handshake(asked)


# -- where it is taken


@pytest.mark.parametrize(
    ("path", "rpc"),
    [
        ("/v1/both/x", "Both"),
        ("/v1/chat/x", "Both"),
        ("/v1/inner/x", "Both"),
        ("/v1/up/x", "Up"),
        ("/v1/down/x", "Down"),
        ("/v1/watch/x", "Down"),
        ("/chat.v1.Chat/Both", "Both"),
    ],
)
def test_it_is_taken_on_the_path_of_any_rule_of_a_streaming_method(snapshot, path, rpc):
    assert find_stream(snapshot, head(path)).target.rpc == f"chat.v1.Chat/{rpc}"


def test_a_get_rule_comes_before_others(tmp_path):
    own = "[api:chat/{0}]\nmethod = {1}\npath = /same\nrpc = chat.v1.Chat/{0}\nbackend = chat\n"
    more = own.format("Both", "PUT") + own.format("Down", "POST")
    assert find_stream(build(tmp_path, more=more), head("/same")).target.rpc == "chat.v1.Chat/Down"
    more += own.format("Up", "GET")
    assert find_stream(build(tmp_path, more=more), head("/same")).target.rpc == "chat.v1.Chat/Up"


@pytest.mark.parametrize("path", ["/v1/one/x", "/chat.v1.Chat/One"])
def test_a_method_that_does_not_stream(snapshot, path):
    with pytest.raises(
        GatewayError, match=r"^chat\.v1\.Chat/One does not stream: a WebSocket can be opened where"
    ) as caught:
        find_stream(snapshot, head(path))
    assert (caught.value.http_status, caught.value.reason) == (400, "WEBSOCKET_HANDSHAKE")


@pytest.mark.parametrize("path", ["/nowhere", "/v1/both/%ff", "*"])
def test_no_route_is_told_as_for_any_request(snapshot, path):
    assert find_stream(snapshot, head(path)) is None


def test_an_http_backend_gets_what_is_not_ours(tmp_path):
    snapshot = build(tmp_path, more=WEB)
    assert find_stream(snapshot, head("/other")) is None
    assert find_stream(snapshot, head("/v1/both/x")) is not None


def test_no_plugin_bound(tmp_path):
    snapshot = build(tmp_path, more="[environment:chat/test]\nprefix = /t\n")
    with pytest.raises(GatewayError) as caught:
        find_stream(snapshot, head("/t/v1/both/x"))
    assert caught.value.reason == "PLUGIN_NOT_BOUND"


# -- what must be there


def test_accepted():
    assert check_handshake(head(), ()).fields == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]


@pytest.mark.parametrize("version", ["8", "13, 8", "", None])
def test_another_version(version):
    error = refusal(head(sec_websocket_version=version))
    assert (error.http_status, dict(error.headers)) == (426, {"Sec-WebSocket-Version": "13", "Upgrade": "websocket"})


@pytest.mark.parametrize("key", [None, "", "x", KEY[:-1], KEY + "x", f"{KEY}, {KEY}"])
def test_a_wrong_key(key):
    assert refusal(head(sec_websocket_key=key)).http_status == 400


@pytest.mark.parametrize("fields", [{"content_length": "5"}, {"transfer_encoding": "chunked"}])
def test_a_body(fields):
    assert refusal(head(**fields)).message == "a WebSocket handshake has no body"


def test_a_body_of_no_bytes():
    assert check_handshake(head(content_length="0"), ())


# -- the origin


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("gw.example", None),
        ("gw.example", "http://gw.example"),
        ("gw.example", "https://gw.example"),
        ("GW.example:443", "https://gw.example"),
        ("gw.example:8080", "http://gw.example:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_pages_of_the_same_host(host, origin):
    assert check_handshake(head(host=host, origin=origin), ())


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("gw.example", "https://evil.example"),
        ("gw.example", "https://gw.example:8443"),
        ("gw.example:8080", "http://gw.example"),
        ("gw.example", "https://gw.example.evil"),
        ("gw.example", "null"),
        ("gw.example", ""),
        ("gw.example", "https://gw.example, https://evil.example"),
        ("", "https://"),
        (None, "https://"),
    ],
)
def test_pages_of_other_hosts(host, origin):
    error = refusal(head(host=host, origin=origin))
    assert (error.http_status, error.reason) == (403, "ORIGIN_NOT_ALLOWED")


def test_pages_that_a_cors_plugin_allows(tmp_path):
    match = find_stream(build(tmp_path, more=PAGES), head())
    stages = match.target.stages
    assert check_handshake(head(origin="https://app.example"), stages)
    assert check_handshake(head(origin="https://gw.example"), stages)
    assert refusal(head(origin="https://evil.example"), stages).http_status == 403


# -- subprotocols and tokens


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (None, None),
        ("", None),
        (JSON, JSON),
        (PROTO, PROTO),
        (f"{PROTO},{JSON}", PROTO),
        (f"mqtt, {JSON}", JSON),
        (f"bearer, {TOKEN}", "bearer"),
        (f"{JSON}, bearer, {TOKEN}", JSON),
        (f"bearer, {TOKEN}, {PROTO}", PROTO),
    ],
)
def test_the_subprotocol(text, chosen):
    assert offered(text) == (None if chosen is None else chosen.encode())


@pytest.mark.parametrize("text", ["mqtt", "bearer", f"{TOKEN}, bearer", "base64url.bearer.authorization.twistedgw.eA"])
def test_no_subprotocol_in_common(text):
    assert refusal(head(sec_websocket_protocol=text)).message == (
        "none of the subprotocols is known: offer twistedgw.v1+json or twistedgw.v1+proto"
    )


def encoded(token):
    text = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    return f"{JSON}, base64url.bearer.authorization.twistedgw.{text}"


@pytest.mark.parametrize("text", [f"bearer, {TOKEN}", f"{JSON}, bearer, {TOKEN}", encoded(TOKEN)])
def test_a_token_becomes_the_authorization(snapshot, text):
    asked = head(sec_websocket_protocol=text)
    talk = Talk(snapshot, asked)
    assert dict(talk.call.metadata)["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() not in b"".join(value for _, value in check_handshake(asked, ()).fields)


def test_a_token_that_is_no_subprotocol_is_encoded():
    asked = head(sec_websocket_protocol=encoded("a/b+c=="))
    check_handshake(asked, ())
    assert asked.text(b"authorization") == "Bearer a/b+c=="


def test_an_authorization_of_its_own_is_kept():
    asked = head(sec_websocket_protocol=f"bearer, {TOKEN}", authorization="Basic eA==")
    check_handshake(asked, ())
    assert asked.text(b"authorization") == "Basic eA=="


@pytest.mark.parametrize("text", ["%%%", "", "/w", base64.urlsafe_b64encode(b"a\nb").decode(), "w6Q"])
def test_a_malformed_token(text):
    error = refusal(head(sec_websocket_protocol=f"{JSON}, base64url.bearer.authorization.twistedgw.{text}"))
    assert (error.http_status, error.message) == (400, "the token among the subprotocols is malformed")


# -- compression


@pytest.mark.parametrize(
    ("text", "agreed"),
    [
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate; nope=1", None),
        ("permessage-deflate; server_max_window_bits=99, permessage-deflate; server_max_window_bits=10",
         "permessage-deflate; server_max_window_bits=10"),
    ],
)  # fmt: skip
def test_compression(text, agreed):
    handshake = check_handshake(head(sec_websocket_extensions=text), ())
    found = dict(handshake.fields).get(b"sec-websocket-extensions")
    assert found == (None if agreed is None else agreed.encode())
    assert len(handshake.extensions) == (agreed is not None)


@pytest.mark.parametrize("text", [";", "a b", '"', "permessage-deflate; ="])
def test_malformed_extensions(text):
    assert refusal(head(sec_websocket_extensions=text)).message == "the Sec-WebSocket-Extensions are malformed"
