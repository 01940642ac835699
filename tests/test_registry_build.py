"""From configuration to snapshot: every check, in the operator's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from grpc_backend import CACHE, ECHO_PROTO

from twistedgw.config.load import load
from twistedgw.errors import ConfigError
from twistedgw.registry.build import Builder
from twistedgw.registry.changes import changes
from twistedgw.registry.route import GrpcRoute, ProxyRoute, UnboundRoute
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.source import Origin
from twistedgw.transcoding.router import MethodNotAllowed, NoRoute

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.registry.snapshot import Snapshot

HEAD = """
[listener:http]
endpoint = tcp:0
[service:s]
[backend:b]
protocol = grpc
target = 127.0.0.1:1
[plugin:p]
type = backend-grpc
proto = echo.proto
"""
WHOLE = """
[api:s/all]
rpc = echo.v1.Echo/*
backend = b
"""
BOUND = """
[binding:r]
plugin = p
service = s
environment = release
apis = *
"""


class Upstream:
    def __init__(self, backend: Any) -> None:
        self.identity = (backend.targets,)
        self.url = backend.targets[0]
        self.max_in_flight = None


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file("echo.proto", ECHO_PROTO)
        self.builder = Builder(
            lambda plugin, _: ProtoSource(
                plugin.proto, plugin.import_path, cache=CACHE, origin=Origin(plugin.place, path)
            ).load(),
            Upstream,
        )

    def file(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def build(self, *parts: str, previous: Snapshot | None = None) -> Snapshot:
        self.file("g.ini", "".join(parts))
        return self.builder.build(load(self.path / "g.ini", {}), previous)

    def problems(self, *parts: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.build(*parts)
        return [str(problem).replace(f"{self.path}/", "") for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def api(name: str, method: str, path: str, rpc: str = "echo.v1.Echo/Say", service: str = "s", **options: str) -> str:
    lines = [f"{key} = {value}\n" for key, value in options.items()]
    return f"[api:{service}/{name}]\nmethod = {method}\npath = {path}\nrpc = {rpc}\nbackend = b\n" + "".join(lines)


# -- what is served


def test_whole_service(folder: Folder) -> None:
    """Every rule of every method, and the default path of each."""
    snapshot = folder.build(HEAD, WHOLE, BOUND)
    served = {(route.rule.method, route.template.text) for route in snapshot.routes if isinstance(route, GrpcRoute)}
    assert {("GET", "/v1/say/{text}"), ("POST", "/v1/say"), ("POST", "/echo.v1.Echo/Plain")} <= served
    assert all(route.upstream is snapshot.upstreams["b"] for route in snapshot.routes if isinstance(route, GrpcRoute))


def test_except_leaves_methods_out(folder: Folder) -> None:
    snapshot = folder.build(HEAD, WHOLE, "except = Say, Raw\n", BOUND)
    rpcs = {route.rpc for route in snapshot.routes if isinstance(route, GrpcRoute)}
    assert rpcs == {"echo.v1.Echo/Change", "echo.v1.Echo/Plain", "echo.v1.Echo/Watch"}


def test_own_api_replaces_the_same_template(folder: Folder) -> None:
    """An API declared by itself wins over the same template of a whole-service API, whatever the variable's name."""
    snapshot = folder.build(HEAD, WHOLE, api("own", "GET", "/v1/say/{inner.text}"), BOUND)
    assert snapshot.match("", False, "GET", b"/v1/say/x").target.origin.api == "own"


def test_environments(folder: Folder) -> None:
    """Default prefixes, own prefixes, own backends; what is not published is not served."""
    snapshot = folder.build(
        HEAD,
        "[backend:other]\nprotocol = grpc\ntarget = 127.0.0.1:2\n",
        "[environment:s/test]\nbackend = other\n",
        "[environment:s/prepub]\npublished = no\n",
        "[environment:s/beta]\nprefix = /x/y\n",
        api("a", "GET", "/a/{text}"),
        BOUND,
        BOUND.replace(":r]", ":t]").replace("release", "test"),
        BOUND.replace(":r]", ":beta]").replace("release", "beta"),
    )
    match = snapshot.match("", False, "GET", b"/test/a/1")
    assert match.values == ("1",)
    assert match.target.upstream is snapshot.upstreams["other"]
    assert snapshot.match("", False, "GET", b"/x/y/a/1").target.origin.environment == "beta"
    with pytest.raises(NoRoute):
        snapshot.match("", False, "GET", b"/prepub/a/1")


def test_unbound(folder: Folder) -> None:
    """Without a plugin an API's paths are known and refused: its own, those that any plugin knows of, the default."""
    snapshot = folder.build(HEAD, WHOLE, api("own", "PUT", "/own"))
    for method, path in (
        ("PUT", b"/own"),
        ("GET", b"/v1/say/x"),
        ("POST", b"/echo.v1.Echo/Say"),
        ("PUT", b"/echo.v1.Echo/x"),
    ):
        assert isinstance(snapshot.match("", False, method, path).target, UnboundRoute)
    with pytest.raises(MethodNotAllowed):
        snapshot.match("", False, "HEAD", b"/own")


def test_http_backend(folder: Folder) -> None:
    """An API of an HTTP backend is a proxied route, bound or not; `apis = *` passes it by."""
    web = "[backend:web]\nprotocol = http\ntarget = http://127.0.0.1:1/base\n"
    proxied = "[api:s/files]\nmethod = GET\npath = /files/**\nbackend = web\n"
    snapshot = folder.build(HEAD, web, proxied, BOUND)
    target = snapshot.match("", False, "GET", b"/test/files/a/b").target
    assert isinstance(target, ProxyRoute)
    assert target.prefix == b"/test"


def test_hosts(folder: Folder) -> None:
    """An exact host before a wildcard before any; services with other hosts may have the same paths."""
    services = (
        "[service:exact]\nhosts = a.example.com\n[service:wild]\nhosts = *.example.com\nprotocols = https\n"
        "[service:far]\nhosts = *.example.org\n"
    )
    snapshot = folder.build(
        HEAD,
        services,
        api("x", "GET", "/any"),
        api("x", "GET", "/exact", service="exact"),
        api("x", "GET", "/wild", service="wild"),
        api("x", "GET", "/exact", service="far"),
    )

    def service(host: str, path: bytes, secure: bool = True) -> str | None:
        try:
            return snapshot.match(host, secure, "GET", path).target.origin.service
        except NoRoute:
            return None

    assert service("a.example.com", b"/exact") == "exact"
    assert service("a.example.com", b"/wild") == "wild"
    assert service("a.example.com", b"/any") == "s"
    assert service("b.a.example.com", b"/wild") == "wild"
    assert service("b.example.com", b"/exact") is None
    assert service("x.example.org", b"/exact") == "far"
    assert service("example.com", b"/wild") is None
    assert service("", b"/any") == "s"
    assert service("a.example.com", b"/wild", secure=False) is None


# -- what is refused


def test_unknown_service_and_method(folder: Folder) -> None:
    problems = folder.problems(
        HEAD, api("a", "GET", "/a", "echo.v1.Ecko/Say"), api("b", "GET", "/b", "echo.v1.Echo/Sai"), BOUND
    )
    assert problems == [
        "g.ini:14: [api:s/a] rpc: plugin p defines no service echo.v1.Ecko (did you mean echo.v1.Echo?)",
        "g.ini:19: [api:s/b] rpc: service echo.v1.Echo has no method Sai (did you mean Say?)",
    ]


def test_unknown_except(folder: Folder) -> None:
    assert folder.problems(HEAD, WHOLE, "except = Sax\n", BOUND) == [
        "g.ini:15: [api:s/all] except: service echo.v1.Echo has no method Sax (did you mean Say?)"
    ]


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/a/{nope}", {}, "nope"),
        ("/a/{inner}", {}, "inner"),
        ("/a/{list}", {}, "list"),
        ("/a/{labels}", {}, "labels"),
        ("/a/{text.more}", {}, "text"),
        ("/a", {"body": "nope"}, "nope"),
        ("/a", {"response_body": "nope"}, "nope"),
    ],
)
def test_rule_against_types(folder: Folder, path: str, options: dict[str, str], expected: str) -> None:
    """Path variables, body and response_body name real fields of a usable type."""
    (problem,) = folder.problems(HEAD, api("a", "POST", path, **options), BOUND)
    assert problem.startswith(("g.ini:13: [api:s/a] path: ", "g.ini:12: [api:s/a] path: "))
    assert f"'{expected}'" in problem


def test_two_plugins(folder: Folder) -> None:
    """A second plugin of one type on an API in an environment: both are named."""
    second = "[plugin:q]\ntype = backend-grpc\nproto = echo.proto\n"
    other = BOUND.replace(":r]", ":again]").replace("= p", "= q")
    assert folder.problems(HEAD, second, WHOLE, BOUND, other) == [
        (
            "g.ini:26: [binding:again] plugin: API s/all in environment release has two plugins of type backend-grpc:"
            " p by [binding:r] (g.ini:19) and q by this binding (keep one of the two)"
        )
    ]


def test_same_plugin_twice_is_fine(folder: Folder) -> None:
    folder.build(HEAD, WHOLE, BOUND, BOUND.replace(":r]", ":again]"))


def test_plugin_for_http_backend(folder: Folder) -> None:
    web = "[backend:web]\nprotocol = http\ntarget = http://127.0.0.1:1\n"
    proxied = "[api:s/files]\nmethod = GET\npath = /files/**\nbackend = web\n"
    (problem,) = folder.problems(HEAD, web, proxied, BOUND.replace("apis = *", "apis = files"))
    assert "API s/files goes to an HTTP backend in environment release" in problem


def test_collision_in_ini(folder: Folder) -> None:
    (problem,) = folder.problems(
        HEAD, api("a", "GET", "/x/{text}"), api("b", "GET", "/x/{inner.text}"), BOUND, UNPUBLISHED
    )
    assert problem == (
        "g.ini:18: [api:s/b] path: GET /x/{inner.text} (API s/b in environment release, echo.v1.Echo/Say) is the same as"
        " /x/{text} (API s/a in environment release, echo.v1.Echo/Say, g.ini:11)"
    )


UNPUBLISHED = "[environment:s/test]\npublished = no\n[environment:s/prepub]\npublished = no\n"


def test_collision_in_proto(folder: Folder) -> None:
    """Two rules of one .proto: the place in the .proto, and the way out."""
    folder.file(
        "echo.proto",
        ECHO_PROTO.replace(
            "rpc Plain(Words) returns (Words);",
            'rpc Plain(Words) returns (Words) {\n    option (google.api.http) = { get: "/v1/say/{inner.text}" };\n  }',
        ),
    )
    (problem,) = folder.problems(HEAD, WHOLE, BOUND, UNPUBLISHED)
    assert problem.startswith(
        "echo.proto:27:3: echo.v1.Echo.Plain: GET /v1/say/{inner.text} (API s/all in environment release"
    )
    assert problem.endswith("([api:s/all] can leave it out: except = Plain)")


def test_hosts_overlap(folder: Folder) -> None:
    other = "[service:t]\nhosts = a.example.com\n" + UNPUBLISHED.replace(":s/", ":t/")
    (problem,) = folder.problems(
        HEAD,
        other,
        api("a", "GET", "/x/{text}"),
        api("b", "GET", "/x/{text}", service="t"),
        BOUND,
        BOUND.replace(":r]", ":t]").replace("service = s", "service = t"),
        UNPUBLISHED,
    )
    assert "and the hosts of services s and t overlap" in problem


def test_proto_errors_and_all_others_at_once(folder: Folder) -> None:
    """A broken .proto does not hide what is wrong elsewhere."""
    folder.file("broken.proto", 'syntax = "proto3";\nmessage A {\n  string a = 1\n}\n')
    problems = folder.problems(
        HEAD, "[plugin:broken]\ntype = backend-grpc\nproto = broken.proto\n", api("a", "GET", "/a/{nope}"), BOUND
    )
    assert [problem.split(":")[0] for problem in problems] == ["g.ini", "broken.proto"]
    assert problems[1].startswith("broken.proto:4:1: ")


def test_what_is_only_believed_of_unbound_services_gives_way(folder: Folder) -> None:
    """Two services with the same gRPC service collide where both are bound, and only there."""
    other = "[service:t]\n[environment:t/release]\nprefix = /t\n" + WHOLE.replace("s/all", "t/all")
    bound = BOUND.replace(":r]", ":t]").replace("service = s", "service = t")
    snapshot = folder.build(HEAD, WHOLE, other, BOUND, bound)
    assert snapshot.match("", False, "GET", b"/test/v1/say/x").target.origin.service == "s"
    snapshot = folder.build(HEAD, WHOLE, other, BOUND, bound.replace("release", "test"))
    target = snapshot.match("", False, "GET", b"/test/v1/say/x").target
    assert isinstance(target, GrpcRoute)
    assert target.origin.service == "t"
    both = BOUND.replace(":r]", ":s]").replace("release", "test") + bound.replace("release", "test")
    assert any("GET /test/v1/say/{text}" in problem for problem in folder.problems(HEAD, WHOLE, other, both))


# -- what is kept


def test_unchanged_parts_are_kept(folder: Folder) -> None:
    """A new generation keeps the schemas, codecs and upstreams about which nothing has changed."""
    first = folder.build(HEAD, WHOLE, BOUND)
    second = folder.build(HEAD, WHOLE, BOUND, api("more", "GET", "/more"), previous=first)
    assert second.generation == 2
    assert second.upstreams["b"] is first.upstreams["b"]
    assert second.schemas["p"] is first.schemas["p"]
    assert second.codecs["p"] is first.codecs["p"]
    assert changes(first, second) == "API s/more added"
    third = folder.build(HEAD.replace("127.0.0.1:1", "127.0.0.1:2"), WHOLE, BOUND, previous=second)
    assert third.upstreams["b"] is not first.upstreams["b"]
    assert changes(second, third) == "API s/more removed; backend b changed"
    fourth = folder.build("; a comment\n", HEAD.replace("127.0.0.1:1", "127.0.0.1:2"), WHOLE, BOUND, previous=third)
    assert fourth.digest == third.digest
    assert changes(third, fourth) == "nothing changed"


def test_proto_change_is_seen(folder: Folder) -> None:
    first = folder.build(HEAD, WHOLE, BOUND)
    folder.file("echo.proto", ECHO_PROTO.replace("double ratio = 9", "double ratio = 9; double more = 10"))
    second = folder.build(HEAD, WHOLE, BOUND, previous=first)
    assert changes(first, second) == "plugin p changed"


def test_two_plugins_define_one_name_differently(folder: Folder) -> None:
    """Each plugin has a pool of its own."""
    folder.file(
        "two.proto",
        'syntax = "proto3";\npackage echo.v1;\nmessage Words { int32 other = 1; }\n'
        "service Echo { rpc Say(Words) returns (Words); }\n",
    )
    snapshot = folder.build(
        HEAD,
        "[plugin:q]\ntype = backend-grpc\nproto = two.proto\n",
        "[service:t]\nhosts = t\n",
        WHOLE,
        WHOLE.replace("s/all", "t/all"),
        BOUND,
        BOUND.replace(":r]", ":q]")
        .replace("= p", "= q")
        .replace("service = s", "service = t")
        .replace("release", "beta"),
        "[environment:t/beta]\n",
    )
    one = snapshot.match("", False, "POST", b"/echo.v1.Echo/Say").target
    two = snapshot.match("t", False, "POST", b"/beta/echo.v1.Echo/Say").target
    assert "other" not in one.method.input_type.fields_by_name
    assert "other" in two.method.input_type.fields_by_name
