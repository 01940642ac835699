"""What a request would become: by the gateway's own path, so that it is what the gateway would do."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stream_world
from gateway import Answer, Gateway
from grpc_backend import echo_backend
from small_snapshots import BINDING, ECHO, HEAD, SERVICE, WEB, WHOLE, api, build
from twisted.trial.unittest import TestCase

from twistedgw.explain_text import explain_text
from twistedgw.frontends.explain import explain

if TYPE_CHECKING:
    from twistedgw.frontends.explanation import Explanation
    from twistedgw.registry.snapshot import Snapshot

STAMP = ("X-Request-Id", "id-1")


@pytest.fixture(name="echo", scope="module")
def _echo(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(tmp_path_factory.mktemp("explain"), ECHO)


def message(found: Explanation) -> Any:
    assert found.refusal is None, found.refusal
    assert found.outgoing is not None
    assert found.outgoing.message is not None
    return json.loads(found.outgoing.message)


def reason(found: Explanation) -> tuple[int, str]:
    assert found.refusal is not None
    return found.refusal.status, json.loads(found.refusal.body)["details"][0]["reason"]


# -- what would be sent


def test_route_message_metadata_and_deadline(echo: Snapshot) -> None:
    headers = [STAMP, ("X-Trace", "t"), ("Grpc-Metadata-K-Bin", "AAE"), ("Cookie", "secret")]
    found = explain(echo, "GET", "http://Example.org:81/v1/say/a%2Fb?big=7&mood=SAD#fragment", headers)
    matched, outgoing = found.matched, found.outgoing
    assert matched is not None
    assert outgoing is not None
    assert (found.method, found.target, found.host) == ("GET", "/v1/say/a%2Fb?big=7&mood=SAD", "Example.org:81")
    assert (matched.method, matched.template, matched.rpc) == ("GET", "/v1/say/{text}", "echo.v1.Echo/Say")
    assert (matched.kind, matched.plugin, matched.backend) == ("google.api.http", "p", "b")
    assert (matched.service, matched.environment, matched.api) == ("s", "release", "all")
    assert matched.written == "echo.proto:10"
    assert matched.targets == ("127.0.0.1:1",)
    assert matched.variables == (("text", "a/b"),)
    assert message(found) == {"text": "a/b", "big": "7", "mood": "SAD"}
    assert outgoing.type == "echo.v1.Words"
    assert outgoing.timeout == 15
    assert outgoing.metadata == (
        ("x-trace", "t"),
        ("k-bin", b"\x00\x01"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "Example.org:81"),
        ("x-request-id", "id-1"),
    )
    assert found.sent
    assert not found.near_misses


def test_body_and_deadline(echo: Snapshot) -> None:
    body = b'{"text": "x", "count": 3}'
    found = explain(echo, "POST", "https://h/v1/inner/t?big=1", [("grpc-timeout", "250m")], body)
    assert message(found) == {"text": "t", "big": "1", "inner": {"text": "x", "count": 3}}
    assert found.outgoing is not None
    assert found.outgoing.timeout == 0.25
    assert ("x-forwarded-proto", "https") in found.outgoing.metadata


def test_canonical_json_whatever_the_plugin_prints(tmp_path: Path) -> None:
    """The message is what counts, not how answers are printed."""
    options = "always_print_fields = yes\nenums_as_numbers = yes\n"
    snapshot = build(tmp_path, ECHO.replace("proto = echo.proto\n", f"proto = echo.proto\n{options}"))
    assert message(explain(snapshot, "GET", "/v1/say/x?mood=2")) == {"text": "x", "mood": "SAD"}


def test_own_api_and_environment(tmp_path: Path) -> None:
    ini = HEAD + WHOLE + api("own", "GET", "/own/{inner.text}", timeout="2s") + BINDING.replace("release", "test")
    found = explain(build(tmp_path, ini), "GET", "/test/own/x")
    assert found.matched is not None
    assert (found.matched.kind, found.matched.template) == ("api", "/test/own/{inner.text}")
    assert (found.matched.environment, found.matched.variables) == ("test", (("inner.text", "x"),))
    assert found.outgoing is not None
    assert found.outgoing.timeout == 2


def test_empty_message(echo: Snapshot) -> None:
    assert message(explain(echo, "POST", "/echo.v1.Echo/Plain")) == {}


def test_message_without_a_json_form(tmp_path: Path) -> None:
    """It came as protobuf, and would be sent all the same."""
    found = explain(
        build(tmp_path, ECHO), "POST", "/v1/say", [("Content-Type", "application/protobuf")], b"\x42\x02\x10\xff"
    )
    assert reason(found) == (400, "INVALID_BODY")
    # a Timestamp with nanos of 2**31 - 1
    data = b"\x42\x06\x10\xff\xff\xff\xff\x07"
    found = explain(build(tmp_path, ECHO), "POST", "/v1/say", [("Content-Type", "application/protobuf")], data)
    assert found.sent
    assert found.outgoing is not None
    assert found.outgoing.message is None
    (note,) = found.notes
    assert note.startswith("the message cannot be written as JSON: field 'at'")
    assert f"note       {note}" in explain_text(found)


# -- URLs, hosts and headers


HOSTS = ECHO.replace(SERVICE, "[service:s]\nhosts = a.example.com, *.example.org\nprotocols = https\n")


@pytest.mark.parametrize(
    ("url", "headers", "served"),
    [
        ("https://a.example.com/v1/watch", [], True),
        ("https://A.EXAMPLE.com:8443/v1/watch", [], True),
        ("HTTPS://x.example.org/v1/watch", [], True),
        ("https://127.0.0.1/v1/watch", [("Host", "a.example.com")], True),
        ("https://b.example.com/v1/watch", [], False),
        ("http://a.example.com/v1/watch", [], False),
        ("/v1/watch", [("Host", "a.example.com")], False),
        ("/v1/watch", [], False),
    ],
)
def test_host_and_protocol(tmp_path: Path, url: str, headers: list[tuple[str, str]], served: bool) -> None:
    found = explain(build(tmp_path, HOSTS), "GET", url, headers)
    assert (found.matched is not None) is served
    if not served:
        assert set(found.elsewhere) == {"https://a.example.com", "https://*.example.org"}


def test_nowhere_else(tmp_path: Path) -> None:
    assert explain(build(tmp_path, HOSTS), "GET", "/nothing").elsewhere == ()


def test_elsewhere_prefers_the_protocol_that_was_asked_for(tmp_path: Path) -> None:
    snapshot = build(tmp_path, HOSTS.replace("protocols = https\n", ""))
    assert set(explain(snapshot, "GET", "/v1/watch").elsewhere) == {"http://a.example.com", "http://*.example.org"}
    secure = explain(snapshot, "GET", "https://h/v1/watch").elsewhere
    assert set(secure) == {"https://a.example.com", "https://*.example.org"}


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/v1/say/x#y", "/v1/say/x"),
        ("/v1/say/x?text2=1#y", "/v1/say/x?text2=1"),
        ("http://h", "/"),
        ("http://h?a=b", "/?a=b"),
        ("http://h#y", "/"),
        ("//h/x", "//h/x"),
        ("/caf\u00e9 x", "/caf%C3%A9%20x"),
        ("/a%2Fb%zz", "/a%2Fb%zz"),
        ("/?q=\u00e9\n", "/?q=%C3%A9%0A"),
        ("/\udcff", "/%FF"),
        ("http://[::1]:80/x", "/x"),
    ],
)
def test_target(echo: Snapshot, url: str, target: str) -> None:
    """As a client puts it on the wire."""
    assert explain(echo, "GET", url).target == target


@pytest.mark.parametrize(
    ("method", "url", "headers", "why"),
    [
        ("GET", "localhost/x", [], "'localhost/x' is not a URL"),
        ("GET", "ftp://h/x", [], "is not a URL"),
        ("GET", "http:///x", [], "is not a URL"),
        ("GET", "http://u:p@h/x", [], "is not a URL"),
        ("GET", "http://a b/x", [], "is not a URL"),
        ("GET", "", [], "'' is not a URL"),
        ("G T", "/", [], "'G T' is not an HTTP method"),
        ("GET", "/", [("a b", "c")], "'a b' is not the name of a header"),
        ("GET", "/", [("a", "c\r\nd: e")], "the value of header a has a control character"),
        ("GET", "/", [("Host", "a"), ("host", "b")], "there is more than one Host header"),
    ],
)
def test_what_no_client_can_send(
    echo: Snapshot, method: str, url: str, headers: list[tuple[str, str]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        explain(echo, method, url, headers)


def test_trusted_peer(tmp_path: Path) -> None:
    snapshot = build(tmp_path, HOSTS + "[gateway]\ntrusted_proxies = 127.0.0.0/8\n")
    headers = [("X-Forwarded-Host", "a.example.com"), ("X-Forwarded-Proto", "https")]
    assert explain(snapshot, "GET", "/v1/watch", headers).matched is not None
    assert explain(snapshot, "GET", "/v1/watch", headers, peer="10.0.0.1").matched is None


# -- what would be refused


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "expected"),
    [
        ("GET", "/v1/say/x?big=y", [], b"", (400, "INVALID_QUERY")),
        ("GET", "/v1/deep/a/y", [], b"", (400, "INVALID_PATH")),
        ("POST", "/v1/say", [], b"[", (400, "INVALID_JSON")),
        ("POST", "/v1/say", [("content-type", "text/html")], b"x", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("POST", "/v1/say", [("content-encoding", "br")], b"x", (415, "UNSUPPORTED_ENCODING")),
        ("GET", "/v1/say/x", [("grpc-timeout", "soon")], b"", (400, "INVALID_TIMEOUT")),
        ("GET", "/v1/say/x", [("x-a-bin", "\u00e9")], b"", (400, "INVALID_HEADER")),
        ("GET", "/v1/say/x", [], b"{}", (400, "INVALID_BODY")),
        ("POST", "/v1/say", [], b" " * 5_000_000, (413, "REQUEST_TOO_LARGE")),
    ],
)
def test_refused_after_the_match(
    echo: Snapshot, method: str, url: str, headers: list[tuple[str, str]], body: bytes, expected: tuple[int, str]
) -> None:
    """The route is told with the error; near misses would only distract."""
    found = explain(echo, method, url, headers, body)
    assert reason(found) == expected
    assert found.matched is not None
    assert found.outgoing is None
    assert not found.near_misses
    assert not found.sent


def test_no_route(echo: Snapshot) -> None:
    found = explain(echo, "GET", "/v1/says/x")
    assert reason(found) == (404, "ROUTE_NOT_FOUND")
    assert found.matched is None
    assert len(found.near_misses) == 5
    nearest = found.near_misses[0]
    assert (nearest.method, nearest.template, nearest.rpc) == ("GET", "/v1/say/{text}", "echo.v1.Echo/Say")
    assert (nearest.written, nearest.api, nearest.environment) == ("echo.proto:10", "all", "release")
    assert nearest.why == "segment 2 is 'says', where 'say' is expected"


def test_method_not_allowed(echo: Snapshot) -> None:
    found = explain(echo, "PUT", "/v1/say/x")
    assert reason(found) == (405, "METHOD_NOT_ALLOWED")
    assert found.refusal is not None
    assert ("Allow", "GET") in found.refusal.fields
    assert found.near_misses[0].why == "the path fits, but the method is GET"


def test_route_of_all_methods_counts_once(tmp_path: Path) -> None:
    """Five lines about one route would tell less."""
    found = explain(build(tmp_path, HEAD + WHOLE + BINDING), "HEAD", "/test/echo.v1.Echo/Say")
    assert [each.template for each in found.near_misses].count("/test/echo.v1.Echo/*") == 1
    assert found.near_misses[0].why == "the path fits, but its methods are GET, POST, PUT, PATCH, DELETE"


def test_malformed_path(echo: Snapshot) -> None:
    found = explain(echo, "GET", "/v1/say/%zz")
    assert reason(found) == (400, "INVALID_PATH")
    assert not found.near_misses


def test_unbound_route(echo: Snapshot) -> None:
    found = explain(echo, "GET", "/test/v1/say/x")
    assert reason(found) == (500, "PLUGIN_NOT_BOUND")
    assert found.matched is not None
    assert (found.matched.kind, found.matched.plugin) == ("unbound", None)
    assert (found.matched.rpc, found.matched.variables) == ("echo.v1.Echo/Say", (("text", "x"),))


def test_error_in_the_form_of_the_plugin(tmp_path: Path) -> None:
    snapshot = build(tmp_path, ECHO.replace("proto = echo.proto\n", "proto = echo.proto\nerror_format = google\n"))
    found = explain(snapshot, "GET", "/v1/say/x?big=y")
    assert found.refusal is not None
    assert json.loads(found.refusal.body)["error"]["status"] == "INVALID_ARGUMENT"


# -- streams


def test_streaming_method(echo: Snapshot) -> None:
    """No deadline that nobody has set."""
    found = explain(echo, "GET", "/v1/watch?text=x")
    assert found.sent
    assert found.matched is not None
    assert found.matched.streaming == "response"
    assert found.outgoing is not None
    assert json.loads(found.outgoing.message or "") == {"text": "x"}
    assert found.outgoing.messages == ()
    assert found.outgoing.timeout is None


def test_streaming_method_with_a_request_that_is_wrong(echo: Snapshot) -> None:
    found = explain(echo, "GET", "/v1/watch?big=x")
    assert reason(found) == (400, "INVALID_QUERY")
    assert found.outgoing is None


@pytest.fixture
def flow(tmp_path: Path) -> Snapshot:
    return build(tmp_path, stream_world.ini(), stream_world.PROTO)


def test_stream_of_requests(flow: Snapshot) -> None:
    """Each message is shown."""
    found = explain(flow, "POST", "/v1/collect/n", body=b'{"number": 1}\n[2]\n')
    assert reason(found) == (400, "INVALID_JSON")
    assert found.outgoing is not None
    assert [json.loads(text) for text in found.outgoing.messages] == [{"name": "n", "number": 1}]
    found = explain(flow, "POST", "/v1/collect/n", body=b'[{"number": 1}, {"number": 2}]')
    assert found.sent
    assert found.to_json()["outgoing"]["messages"] == [{"name": "n", "number": 1}, {"name": "n", "number": 2}]
    assert "message" not in found.to_json()["outgoing"]
    text = explain_text(found)
    assert "\nstreaming  the client sends a stream of messages\n" in text
    assert "\nmessage    flow.v1.Item [0]\n" in text
    assert "\nmessage    flow.v1.Item [1]\n" in text


def test_stream_of_many_requests(flow: Snapshot) -> None:
    found = explain(flow, "POST", "/v1/collect", body=b"{}" * 21)
    assert found.outgoing is not None
    assert len(found.outgoing.messages) == 20
    assert found.notes == ("21 messages in all",)


def test_stream_without_requests(flow: Snapshot) -> None:
    found = explain(flow, "POST", "/v1/collect")
    assert found.sent
    assert found.outgoing is not None
    assert found.outgoing.messages == ()


# -- HTTP backends


PROXIED = ECHO + WEB + "[api:s/web]\nmethod = *\npath = /files/{name=**}\nbackend = web\ntimeout = 3s\n"


@pytest.mark.parametrize(
    ("url", "goes_to"),
    [
        ("/files/a%2Fb?c=d", "http://127.0.0.1:1/base/files/a%2Fb?c=d"),
        ("/test/files/a/", "http://127.0.0.1:1/base/files/a/"),
        ("/t%65st/files/a", "http://127.0.0.1:1/base/files/a"),
        ("/test/files", "http://127.0.0.1:1/base/files"),
    ],
)
def test_proxied_route(tmp_path: Path, url: str, goes_to: str) -> None:
    found = explain(build(tmp_path, PROXIED), "GET", url)
    assert found.sent
    assert found.matched is not None
    assert (found.matched.kind, found.matched.backend, found.matched.rpc) == ("proxy", "web", "")
    assert found.outgoing is not None
    assert (found.outgoing.url, found.outgoing.message, found.outgoing.timeout) == (goes_to, None, 3)


def test_proxied_route_of_the_root(tmp_path: Path) -> None:
    ini = ECHO + WEB + "[api:s/web]\nmethod = GET\npath = /\nbackend = web\n"
    found = explain(build(tmp_path, ini), "GET", "/test")
    assert found.outgoing is not None
    assert found.outgoing.url == "http://127.0.0.1:1/base/"


@pytest.mark.parametrize("url", ["/files/../etc", "/files/a%2F%2e%2E", "/files/.\\x"])
def test_proxied_route_with_dot_segments(tmp_path: Path, url: str) -> None:
    assert reason(explain(build(tmp_path, PROXIED), "GET", url)) == (400, "INVALID_PATH")


def test_proxied_route_with_a_large_body(tmp_path: Path) -> None:
    found = explain(build(tmp_path, PROXIED), "PUT", "/files/x", body=b" " * 5_000_000)
    assert reason(found) == (413, "REQUEST_TOO_LARGE")


# -- forms


def test_json_form(echo: Snapshot) -> None:
    """For the admin API: plain values, what is empty left out."""
    found = explain(echo, "GET", "/v1/say/x", [STAMP, ("Grpc-Metadata-K-Bin", "AAE=")])
    assert json.loads(json.dumps(found.to_json())) == {
        "method": "GET",
        "target": "/v1/say/x",
        "secure": False,
        "sent": True,
        "route": {
            "method": "GET",
            "template": "/v1/say/{text}",
            "rpc": "echo.v1.Echo/Say",
            "written": "echo.proto:10",
            "service": "s",
            "environment": "release",
            "api": "all",
            "kind": "google.api.http",
            "plugin": "p",
            "backend": {"name": "b", "targets": ["127.0.0.1:1"]},
            "variables": [{"name": "text", "value": "x"}],
        },
        "outgoing": {
            "type": "echo.v1.Words",
            "metadata": [
                {"key": "k-bin", "value": "AAE="},
                {"key": "x-forwarded-for", "value": "127.0.0.1"},
                {"key": "x-forwarded-proto", "value": "http"},
                {"key": "x-request-id", "value": "id-1"},
            ],
            "message": {"text": "x"},
            "timeout": 15.0,
        },
    }


def test_json_form_of_a_refusal(echo: Snapshot) -> None:
    found = explain(echo, "PUT", "/v1/watch").to_json()
    assert found["sent"] is False
    assert found["refusal"]["status"] == 405
    assert found["refusal"]["body"]["code"] == 12
    assert found["refusal"]["headers"][0] == {"name": "Allow", "value": "GET"}
    assert found["nearMisses"][0]["why"] == "the path fits, but the method is GET"
    assert "route" not in found


def test_text_of_what_would_be_sent(echo: Snapshot) -> None:
    found = explain(echo, "GET", "https://h/v1/say/x", [STAMP, ("Grpc-Metadata-K-Bin", "AAE=")])
    assert explain_text(found) == (
        "GET https://h/v1/say/x\n"
        "route      GET /v1/say/{text}\n"
        "RPC        echo.v1.Echo/Say\n"
        "rule       google.api.http, echo.proto:10\n"
        "API        s/all in environment release\n"
        "plugin     p\n"
        "backend    b (127.0.0.1:1)\n"
        'variable   text = "x"\n'
        "metadata   k-bin: AAE=\n"
        "metadata   x-forwarded-for: 127.0.0.1\n"
        "metadata   x-forwarded-proto: https\n"
        "metadata   x-forwarded-host: h\n"
        "metadata   x-request-id: id-1\n"
        "deadline   15 s\n"
        "message    echo.v1.Words\n"
        "  {\n"
        '    "text": "x"\n'
        "  }"
    )


def test_text_of_a_refusal(tmp_path: Path) -> None:
    text = explain_text(explain(build(tmp_path, HOSTS), "PUT", "https://a.example.com/v1/watch"))
    assert "\nrefused    405 Method Not Allowed\n  allow: GET\n" in text
    assert '\n    "code": 12,\n' in text
    assert "\n\nnear misses\n  GET /v1/watch  echo.v1.Echo/Watch  echo.proto:28 [s/all release]\n" in text
    text = explain_text(explain(build(tmp_path, HOSTS), "GET", "/v1/watch"))
    assert "\nelsewhere  it is served at https://a.example.com\n" in text


def test_text_of_a_stream_and_of_a_proxied_request(tmp_path: Path) -> None:
    snapshot = build(tmp_path, PROXIED)
    text = explain_text(explain(snapshot, "GET", "/v1/watch"))
    assert "\nstreaming  the backend answers with a stream of messages\n" in text
    assert "\ndeadline   none\n" in text
    text = explain_text(explain(snapshot, "GET", "/files/x"))
    assert "\ngoes to    http://127.0.0.1:1/base/files/x\ndeadline   3 s" in text


def test_text_is_fit_for_a_terminal(echo: Snapshot) -> None:
    """Whatever a URL says."""
    text = explain_text(explain(echo, "GET", "/v1/say/%1B[2J%E2%80%AE%0A?big=%07"))
    assert text.replace("\n", "").isprintable()
    assert r'variable   text = "\u001b[2J\u202e\n"' in text


def test_explain_never_hides_a_bug(echo: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors that the gateway answers with are answers."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("twistedgw.frontends.rest.request_metadata", broken)
    with pytest.raises(ZeroDivisionError):
        explain(echo, "GET", "/v1/say/x")


# -- the same as the gateway


class SameAsTheGatewayTests(TestCase):
    """What is explained is what happens: each request is explained, and made."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.backend = echo_backend(self.folder)
        self.addCleanup(self.backend.stop)
        ini = ECHO.replace("tcp:0", "tcp:0:interface=127.0.0.1").replace("127.0.0.1:1\n", f"{self.backend.target}\n")
        self.gateway = Gateway(self.folder, ini + "[gateway]\nmax_request_body = 1KiB\n").start()
        self.addCleanup(self.gateway.stop)

    async def both(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[Explanation, Answer]:
        url = f"http://127.0.0.1:{self.gateway.port}{url}"
        fields = {"X-Request-Id": "same", **(headers or {})}
        found = explain(self.gateway.service.registry.snapshot, method, url, fields.items(), body)
        response = await self.gateway.client.request(method, url, data=body or None, headers=fields)
        return found, Answer(response.code, response.headers, await response.content())

    async def test_sent(self) -> None:
        """The backend gives back the message that it got, and keeps its metadata."""
        for method, url, headers, body in (
            ("GET", "/v1/say/a%2Fb%20c?big=7&labels[a.b]=x&mood=2", {"X-A": "b", "Authorization": "c"}, b""),
            ("GET", "/v1/names/shelves/1/books/a%2Fb/c", {"Grpc-Metadata-Q-Bin": "AAE", "Cookie": "d"}, b""),
            ("POST", "/v1/say/x:shout", {"Content-Type": "application/json"}, b'{"list": ["1"], "ratio": "NaN"}'),
            ("POST", "/echo.v1.Echo/Plain", {}, b""),
        ):
            found, answer = await self.both(method, url, headers, body)
            assert found.outgoing is not None
            assert found.outgoing.message is not None
            assert answer.status == 200
            assert json.loads(found.outgoing.message) == answer.json
            metadata = self.backend.calls[-1][2]
            assert {key: metadata.pop(key) for key, _ in found.outgoing.metadata} == dict(found.outgoing.metadata)
            assert set(metadata) <= {"user-agent", "grpc-accept-encoding", "accept-encoding", "te"}

    async def test_refused(self) -> None:
        for method, url, headers, body in (
            ("GET", "/nowhere", {}, b""),
            ("PUT", "/v1/say/x", {}, b""),
            ("HEAD", "/v1/say", {}, b""),
            ("GET", "/test/v1/say/x", {}, b""),
            ("GET", "/v1/say/%zz", {}, b""),
            ("GET", "/v1/say/x?nope=1", {}, b""),
            ("GET", "/v1/watch?nope=1", {}, b""),
            ("POST", "/v1/say", {}, b'{"big": 1.5}'),
            ("POST", "/v1/say", {"Content-Type": "text/html"}, b"x"),
            ("POST", "/v1/say", {"Grpc-Timeout": "1"}, b"{}"),
            ("POST", "/v1/say", {}, b" " * 1025),
        ):
            found, answer = await self.both(method, url, headers, body)
            assert found.refusal is not None, url
            assert found.refusal.status == answer.status
            assert dict(found.refusal.fields).get("Allow") == answer.header("Allow")
            if method != "HEAD":
                assert json.loads(found.refusal.body) == answer.json
        assert not self.backend.calls
