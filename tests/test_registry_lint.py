"""Warnings: each fires where it should, with its place, and is silent next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from grpc_backend import CACHE
from hypothesis import given, settings
from hypothesis import strategies as st
from small_snapshots import (
    BACKEND,
    BINDING,
    ECHO,
    HEAD,
    LISTENER,
    PLUGIN,
    SERVICE,
    WEB,
    WHOLE,
    Upstream,
    api,
    build,
    proto,
)

from twistedgw.config.load import load
from twistedgw.demo.files import demo_config
from twistedgw.registry.build import Builder
from twistedgw.registry.lint import lint
from twistedgw.schema.protos import ProtoSource
from twistedgw.transcoding.router import RouterBuilder
from twistedgw.transcoding.template import Literal, Segment, Single, Template

if TYPE_CHECKING:
    from pathlib import Path

UNPUBLISHED = "".join(f"[environment:s/{name}]\npublished = no\n" for name in ("release", "prepub", "test"))


def warnings(folder: Path, ini: str = ECHO, **schema: str) -> list[str]:
    return [str(each).replace(f"{folder}/", "") for each in lint(build(folder, ini, **schema))]


def of_rule(folder: Path, options: str, streams: tuple[str, str] = ("", ""), **proto_options: str) -> list[str]:
    """The warnings about one annotated method, without their place and the rule's name."""
    rule = f"rpc Say({streams[0]}M) returns ({streams[1]}M) {{ option (google.api.http) = {{ {options} }}; }}"
    start = "echo.proto:6:3: echo.v1.Echo.Say: "
    found = warnings(folder, text=proto(rule, **proto_options))
    assert all(each.startswith(start) for each in found)
    return [each.removeprefix(start) for each in found]


# -- rules


def test_nothing_to_say(tmp_path: Path) -> None:
    """A schema with every ordinary sort of rule, a body in a PATCH with its name in the path included."""
    assert warnings(tmp_path) == []


def test_the_demo_has_no_warnings() -> None:
    builder = Builder(lambda plugin, _: ProtoSource(plugin.proto, plugin.import_path, cache=CACHE).load(), Upstream)
    assert lint(builder.build(load(demo_config(), {}))) == ()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "LIST"])
def test_method_that_is_never_served(tmp_path: Path, method: str) -> None:
    rule = f'custom {{ kind: "{method}" path: "/x" }}'
    assert of_rule(tmp_path, rule) == [
        f"{method} /x: never served, since an API with a gRPC backend answers only GET, POST, PUT, PATCH and DELETE"
    ]


@pytest.mark.parametrize("method", ["*", "GET", "get"])
def test_custom_method_that_is_served(tmp_path: Path, method: str) -> None:
    assert of_rule(tmp_path, f'custom {{ kind: "{method}" path: "/x" }}') == []


def test_rule_that_is_never_served_may_have_any_template(tmp_path: Path) -> None:
    """Nobody has parsed it before."""
    (found,) = of_rule(tmp_path, 'custom { kind: "HEAD" path: "x{" }')
    assert found.startswith("HEAD x{: never served")


@pytest.mark.parametrize(("path", "part"), [("/a/../b", ".."), ("/./b", "."), ("/a/%2E%2e", "..")])
def test_dot_segments(tmp_path: Path, path: str, part: str) -> None:
    assert of_rule(tmp_path, f'get: "{path}"') == [
        f"GET {path}: the path has a '{part}' segment, which clients resolve before they send a request"
    ]


def test_dots_within_a_segment(tmp_path: Path) -> None:
    assert of_rule(tmp_path, 'get: "/a/.../..b/.c/{a=d/*}"') == []


@pytest.mark.parametrize(("verb", "section"), [("get", "9.3.1"), ("delete", "9.3.5")])
def test_get_and_delete_with_a_body(tmp_path: Path, verb: str, section: str) -> None:
    (found,) = of_rule(tmp_path, f'{verb}: "/x" body: "*"')
    assert found == (
        f"{verb.upper()} /x: a {verb.upper()} with a body, which clients and proxies may drop or refuse (RFC 9110,"
        f" section {section}) (leave 'body' out, so that the fields come by the query, or use POST)"
    )


def test_get_without_and_others_with_a_body(tmp_path: Path) -> None:
    more = ('post: "/x" body: "n"', 'custom { kind: "*" path: "/y" } body: "*"')
    rules = 'get: "/x" ' + " ".join(f"additional_bindings {{ {each} }}" for each in more)
    assert of_rule(tmp_path, rules) == []


def test_path_replaces_the_body(tmp_path: Path) -> None:
    (found,) = of_rule(tmp_path, 'put: "/x/{a}" body: "a"')
    assert found == "PUT /x/{a}: path variable 'a' is the body field, so the path replaces whatever the body says"


def test_path_within_the_body(tmp_path: Path) -> None:
    (found,) = of_rule(tmp_path, 'post: "/x/{n.x}" body: "n"')
    assert (
        found == "POST /x/{n.x}: path variable 'n.x' is a part of the body field 'n'; where both set it, the path wins"
    )


@pytest.mark.parametrize(
    "rule",
    [
        'patch: "/x/{n.x=things/*}" body: "n"',  # as AIP-134 has it
        'put: "/x/{n.x}" body: "n"',
        'post: "/x/{a}" body: "n"',
        'post: "/x/{a}/{n.x}" body: "*"',
        'get: "/x/{n.x}"',
    ],
)
def test_path_and_body_side_by_side(tmp_path: Path, rule: str) -> None:
    assert of_rule(tmp_path, rule) == []


def test_bidi_method(tmp_path: Path) -> None:
    assert of_rule(tmp_path, 'post: "/x" body: "*"', ("stream ", "stream ")) == [
        (
            "POST /x: the method streams both ways, and most HTTP clients send all they have before they read the answer;"
            " WebSocket clients need not (AIP-127)"
        )
    ]


def test_bidi_method_without_a_rule(tmp_path: Path) -> None:
    """The path that every RPC has is no rule of somebody's."""
    assert warnings(tmp_path, text=proto("rpc Say(stream M) returns (stream M);")) == []


def test_client_stream_without_a_body(tmp_path: Path) -> None:
    (found,) = of_rule(tmp_path, 'get: "/x/{a}"', ("stream ", ""))
    assert found == (
        "GET /x/{a}: the method takes a stream of messages and the rule has no body to read them from, so it gets just"
        " one; WebSocket clients may send more"
    )


def test_streams_with_bodies(tmp_path: Path) -> None:
    assert of_rule(tmp_path, 'post: "/x/{a}" body: "*"', ("stream ", "")) == []
    assert of_rule(tmp_path, 'get: "/x/{a}"', ("", "stream ")) == []


BEYOND = """
message M {
  string a = 1; repeated N list = 2; map<string, N> labels = 3; google.protobuf.Any any = 4; N n = 5; N again = 6;
  google.api.HttpBody raw = 7; M itself = 8;
}
message N { repeated Deep deep = 1; map<string, string> fine = 2; repeated string words = 3; }
message Deep {}
"""


def test_fields_that_no_query_can_express(tmp_path: Path) -> None:
    """Nested ones too, each message type looked into once; neither the message itself nor HttpBody's innards."""
    (found,) = of_rule(tmp_path, 'get: "/x"', messages=BEYOND)
    assert found == (
        "GET /x: no request can set 'list' (a list of messages), 'labels' (a map of messages), 'any'"
        " (google.protobuf.Any), 'n.deep' (a list of messages): not in the body, and no query parameter can express it"
    )


def test_many_fields_that_no_query_can_express(tmp_path: Path) -> None:
    fields = "".join(f"repeated N f{n} = {n};" for n in range(1, 9))
    (found,) = of_rule(tmp_path, 'get: "/x"', messages=f"message M {{ {fields} }} message N {{}}")
    assert "'f5' (a list of messages) and 3 more: " in found


@pytest.mark.parametrize("rule", ['post: "/x" body: "*"', 'post: "/x" body: "list"', 'post: "/x/{a}" body: "list"'])
def test_fields_that_the_body_expresses(tmp_path: Path, rule: str) -> None:
    assert of_rule(tmp_path, rule, messages="message M { string a = 1; repeated N list = 2; } message N {}") == []


def test_place_in_the_ini_file(tmp_path: Path) -> None:
    """A rule of an API of its own is written in the INI file, and so is its warning: at the option, if it is there."""
    ini = HEAD + api("own", "GET", "/own/{text}", body="*") + BINDING
    (found,) = warnings(tmp_path, ini)
    assert found.startswith("g.ini:15: [api:s/own] body: a GET with a body")
    ini = HEAD + api("own", "POST", "/own/{text}", body="text") + BINDING
    (found,) = warnings(tmp_path, ini)
    assert found.startswith("g.ini:15: [api:s/own] body: path variable 'text' is the body field")


def test_once_for_a_rule(tmp_path: Path) -> None:
    """Not once for each environment, API and plugin that has it."""
    text = proto('rpc Say(M) returns (M) { option (google.api.http) = { get: "/x" body: "*" }; }')
    ini = ECHO.replace(SERVICE, SERVICE + "hosts = s\n") + BINDING.replace(":r]", ":t]").replace("release", "test")
    ini += "[service:t]\nhosts = t\n" + WHOLE.replace("s/all", "t/all") + PLUGIN.replace(":p]", ":q]")
    ini += BINDING.replace(":r]", ":q]").replace("= p", "= q").replace("service = s", "service = t")
    assert len(warnings(tmp_path, ini, text=text)) == 1


def test_rules_left_out(tmp_path: Path) -> None:
    text = proto(
        'rpc Say(M) returns (M) { option (google.api.http) = { get: "/x" body: "*" }; }\n  rpc Two(M) returns (M);'
    )
    assert warnings(tmp_path, HEAD + WHOLE + "except = Say\n" + BINDING, text=text) == []


def test_notes_of_the_schema(tmp_path: Path) -> None:
    text = proto('rpc Say(M) returns (M) { option (google.api.http) = { body: "*" }; }')
    (found,) = warnings(tmp_path, text=text)
    assert found.startswith("echo.proto:6:3: the google.api.http rule of echo.v1.Echo.Say has no method and path")


# -- templates that are never matched


def test_another_rpc_took_the_place(tmp_path: Path) -> None:
    """Whatever the variables are called."""
    ini = HEAD + WHOLE + api("own", "GET", "/v1/watch", rpc="Plain") + BINDING
    (found,) = warnings(tmp_path, ini)
    assert found == (
        "g.ini:15: [api:s/own] path: takes the place of GET /v1/watch of echo.v1.Echo.Watch (echo.proto:28), which is"
        " never matched (if that is meant, [api:s/all] can leave the method out: except = Watch)"
    )
    ini = HEAD + WHOLE + api("own", "PATCH", "/v1/words/{text}", body="inner") + BINDING
    (found,) = warnings(tmp_path, ini)
    assert found.startswith("g.ini:15: [api:s/own] path: takes the place of PATCH /v1/words/{words.text} of")


@pytest.mark.parametrize(
    "own",
    [
        api("own", "GET", "/v1/say/{inner.text}"),  # the same RPC, in its own words
        api("own", "GET", "/v1/say/x", rpc="Plain"),  # a part of the paths only
        api("own", "GET", "/v1/say/{text=**}", rpc="Plain"),  # comes after it
        api("own", "POST", "/v1/watch", rpc="Plain"),
    ],
)
def test_beside_a_rule(tmp_path: Path, own: str) -> None:
    assert warnings(tmp_path, HEAD + WHOLE + own + BINDING) == []


def test_a_rule_of_all_methods(tmp_path: Path) -> None:
    """It is lost when the last of its methods is."""
    text = proto(
        'rpc Any(M) returns (M) { option (google.api.http) = { custom { kind: "*" path: "/x" } body: "*" }; }'
        "\n  rpc Say(M) returns (M);"
    )
    four = "".join(api(f"a{n}", method, "/x") for n, method in enumerate(("GET", "POST", "PUT", "PATCH")))
    assert warnings(tmp_path, HEAD + WHOLE + four + BINDING, text=text) == []
    found = warnings(tmp_path, HEAD + WHOLE + four + api("a5", "DELETE", "/x") + BINDING, text=text)
    assert len(found) == 5
    assert all("takes the place of * /x of echo.v1.Echo.Any (echo.proto:6)" in each for each in found)


# -- the configuration


def test_plugin_that_is_bound_nowhere(tmp_path: Path) -> None:
    ini = ECHO + PLUGIN.replace(":p]", ":q]")
    assert warnings(tmp_path, ini) == ["g.ini:18: [plugin:q]: is bound nowhere"]


def test_binding_in_an_unpublished_environment(tmp_path: Path) -> None:
    ini = ECHO + "[environment:s/test]\npublished = no\n" + BINDING.replace(":r]", ":t]").replace("release", "test")
    assert warnings(tmp_path, ini) == [
        "g.ini:23: [binding:t] environment: is test, which is not published for service s, so the binding has no effect"
    ]


def test_service_without_apis(tmp_path: Path) -> None:
    assert warnings(tmp_path, ECHO + "[service:t]\n") == ["g.ini:18: [service:t]: has no APIs (add [api:t/NAME])"]


def test_service_that_is_published_nowhere(tmp_path: Path) -> None:
    """What depends on it is not told again."""
    ini = HEAD + WHOLE + UNPUBLISHED + "[service:t]\nhosts = t\n"
    ini += WHOLE.replace("s/all", "t/all") + BINDING.replace("service = s", "service = t")
    assert warnings(tmp_path, ini) == [
        "g.ini:3: [service:s]: is published in no environment, so nothing of it is served"
    ]


def test_service_whose_protocol_nobody_speaks(tmp_path: Path) -> None:
    ini = ECHO.replace(SERVICE, SERVICE + "protocols = https\n")
    assert warnings(tmp_path, ini) == [
        "g.ini:4: [service:s] protocols: wants HTTPS, which no listener speaks, so nothing of it is served"
    ]
    assert warnings(tmp_path, ini + "[gateway]\ntrusted_proxies = 10.0.0.0/8\n") == []


@pytest.mark.parametrize("protocols", ["http", "http, https"])
def test_service_whose_protocol_is_spoken(tmp_path: Path, protocols: str) -> None:
    assert warnings(tmp_path, ECHO.replace(SERVICE, f"{SERVICE}protocols = {protocols}\n")) == []


def test_backend_that_nobody_uses(tmp_path: Path) -> None:
    assert warnings(tmp_path, ECHO + WEB) == [
        "g.ini:18: [backend:web]: is used by no API, no environment and no plugin"
    ]


@pytest.mark.parametrize(
    "use", ["[environment:s/test]\nbackend = c\n", api("own", "GET", "/own").replace("backend = b", "backend = c")]
)
def test_backend_that_is_used(tmp_path: Path, use: str) -> None:
    assert warnings(tmp_path, ECHO + BACKEND.replace(":b]", ":c]") + use) == []


def test_api_without_a_plugin(tmp_path: Path) -> None:
    """Bound nowhere, or only where nothing is published."""
    expected = (
        "g.ini:10: [api:s/all]: has no backend-grpc plugin in any environment that is published, so every request to"
        " it is an error (PLUGIN_NOT_BOUND) (add a [binding:NAME] with service = s and apis = all)"
    )
    assert expected in warnings(tmp_path, HEAD + WHOLE)
    assert expected in warnings(tmp_path, ECHO + "[environment:s/release]\npublished = no\n")


def test_api_with_a_plugin_in_one_environment(tmp_path: Path) -> None:
    assert warnings(tmp_path, ECHO.replace("release", "test")) == []


def test_api_of_an_http_backend_needs_no_plugin(tmp_path: Path) -> None:
    assert warnings(tmp_path, ECHO + WEB + "[api:s/web]\nmethod = *\npath = /web/**\nbackend = web\n") == []


def test_order_of_files_and_lines(tmp_path: Path) -> None:
    text = proto('rpc Say(M) returns (M) { option (google.api.http) = { get: "/x" body: "*" }; }')
    places = [each.split(" ")[0] for each in warnings(tmp_path, ECHO + WEB + "[service:t]\n", text=text)]
    assert places == ["g.ini:18:", "g.ini:21:", "echo.proto:6:3:"]  # the INI file has its whole path


def test_nothing_but_a_listener(tmp_path: Path) -> None:
    assert warnings(tmp_path, LISTENER) == []


PARTS = st.lists(st.sampled_from(["a", "b%3Ac", "*"]), max_size=4)
TEMPLATES = st.builds(
    lambda parts, rest, verb: "/" + "/".join([*parts, *rest]) + (verb if parts or rest else ""),
    PARTS,
    st.sampled_from([[], ["**"]]),
    st.sampled_from(["", ":c", ":d"]),
)


@given(st.lists(TEMPLATES, min_size=1, max_size=40))
@settings(max_examples=150)
def test_no_template_of_a_shape_of_its_own_is_hidden(texts: list[str]) -> None:
    """The ground on which nothing else is told of templates that are never matched: each has a path of its own."""
    builder: RouterBuilder[str] = RouterBuilder()
    templates = {(template := Template.parse(text)).shape: template for text in texts}
    for template in templates.values():
        builder.add("GET", template, template.text)
    router = builder.build()
    for template in templates.values():
        path = "".join(f"/{_witness(part)}" for part in template.segments) or "/"
        verb = f":{template.verb}" if template.verb else ""
        assert router.match("GET", (path + verb).encode()).target == template.text


def _witness(part: Segment) -> str:
    if isinstance(part, Literal):
        return quote(part.text, safe="")
    return "nowhere" if isinstance(part, Single) else "/nowhere"
