"""CORS without sockets: which origins are admitted, what a preflight is told, what an answer carries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_snapshots import BINDING, ECHO, WEB, api, build

from twistedgw.cli import main
from twistedgw.config.model import Place
from twistedgw.config.origins import origin_pattern
from twistedgw.config.plugins.cors import CorsPlugin, CorsStage
from twistedgw.errors import ConfigError, GatewayError
from twistedgw.frontends.exchange import FieldBlock, Head
from twistedgw.frontends.stages import amender, enter, is_preflight, nearby_stages, preflight
from twistedgw.registry.changes import changes
from twistedgw.registry.lint import lint
from twistedgw.transcoding.router import MethodNotAllowed

if TYPE_CHECKING:
    pass

PAGE = "https://app.example"
CORS = f"[plugin:web]\ntype = cors\nallow_origins = {PAGE}\n"
BOUND = "[binding:web]\nplugin = web\nservice = s\nenvironment = release\napis = *\n"
ALWAYS = "grpc-status, grpc-message, grpc-status-details-bin, connect-content-encoding, x-request-id"


def stage(**options):
    values = {
        "allow_origins": (PAGE,),
        "allow_origin_regex": None,
        "allow_methods": None,
        "allow_headers": ("*",),
        "expose_headers": (),
        "allow_credentials": False,
        "allow_private_network": False,
        "max_age": 600.0,
    }
    return CorsStage(
        CorsPlugin(name="web", place=Place("g.ini", "plugin:web", 1), type="cors", **{**values, **options})
    )


def head(method="GET", path="/v1/x", secure=False, host="gw.example", **fields):
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
    return Head(method, path.encode(), b"", FieldBlock(pairs), "192.0.2.1", "192.0.2.1", host, host, secure, "id")


def asking(method="POST", path="/v1/x", origin=PAGE, **fields):
    return head("OPTIONS", path, origin=origin, access_control_request_method=method, **fields)


def answer(cors, asked, methods=("GET", "POST")):
    found = cors.preflight(asked, methods)
    assert (found.status, found.body) == (204, b"")
    return dict(found.fields)


# -- origins


@pytest.mark.parametrize(
    ("allowed", "admitted", "not_admitted"),
    [
        ("https://a.example", ["https://a.example"], ["http://a.example", "https://a.example:8443", "https://x.a.example"]),
        ("https://a.example:8443", ["https://a.example:8443"], ["https://a.example", "https://a.example:84430"]),
        (
            "https://*.a.example",
            ["https://x.a.example", "https://y.x.a.example"],
            ["https://a.example", "https://xa.example", "https://x.a.example.evil.com", "https://evil.com/.a.example",
             "https://x.a.example:1", "https://x.aXexample", "https://.a.example", "https://x.a.example\n"],
        ),
        ("http://localhost:*", ["http://localhost", "http://localhost:3000"], ["http://localhost:x", "http://localhost.evil.com"]),
        ("http://*.test:*", ["http://x.test", "http://x.test:1"], ["http://test"]),
        ("*", ["https://a.example", "null", "x"], []),
    ],
)  # fmt: skip
def test_origins(allowed, admitted, not_admitted):
    cors = stage(allow_origins=(allowed,))
    assert [origin for origin in admitted if not cors.admits(origin)] == []
    assert [origin for origin in [*not_admitted, ""] if cors.admits(origin)] == ([""] if allowed == "*" else [])


def test_a_regex_matches_whole_origins():
    cors = stage(allow_origins=(), allow_origin_regex="https://pr-[0-9]+[.]a[.]example|http://dev")
    assert cors.admits("https://pr-12.a.example")
    assert cors.admits("http://dev")
    assert not cors.admits("https://pr-12.a.example.evil.com")
    assert not cors.admits("xhttp://dev")


def test_a_long_origin_is_not_given_to_a_regex():
    assert not stage(allow_origin_regex="(https://)?(a|a)*b?").admits("https://" + "a" * 600)


@given(st.text(), st.sampled_from(["https://*.a.example", "http://localhost:*", "https://a.example"]))
@example("https://x.a.example", "https://*.a.example")
def test_a_pattern_takes_only_what_ends_like_it(origin, allowed):
    if stage(allow_origins=(allowed,)).admits(origin):
        assert re.fullmatch(origin_pattern(allowed), origin)
        scheme, _, rest = origin.partition("://")
        assert allowed.startswith(scheme)
        assert not set(rest) & set("/?#@ ")


# -- preflight


def test_preflight():
    fields = answer(stage(), asking(access_control_request_headers="authorization,x-a"))
    assert fields == {
        b"access-control-allow-origin": PAGE.encode(),
        b"access-control-allow-methods": b"GET, POST",
        b"access-control-allow-headers": b"authorization,x-a",
        b"access-control-max-age": b"600",
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }


def test_preflight_that_asks_for_no_header_fields():
    assert b"access-control-allow-headers" not in answer(stage(), asking())


def test_preflight_by_the_options():
    cors = stage(allow_methods=("PUT",), allow_headers=("authorization", "x-b"), allow_credentials=True, max_age=0.5)
    fields = answer(cors, asking(access_control_request_headers="x-a", access_control_request_private_network="true"))
    assert fields[b"access-control-allow-methods"] == b"PUT"
    assert fields[b"access-control-allow-headers"] == b"authorization, x-b"
    assert fields[b"access-control-allow-credentials"] == b"true"
    assert fields[b"access-control-max-age"] == b"0"
    assert b"access-control-allow-private-network" not in fields


def test_private_network_is_allowed_where_asked_for():
    cors = stage(allow_private_network=True)
    name = b"access-control-allow-private-network"
    assert answer(cors, asking(access_control_request_private_network="true"))[name] == b"true"
    assert name not in answer(cors, asking())


def test_preflight_of_any_origin():
    fields = answer(stage(allow_origins=("*",)), asking(origin="https://whoever.example"))
    assert fields[b"access-control-allow-origin"] == b"*"


def test_preflight_of_an_origin_that_is_not_allowed():
    with pytest.raises(GatewayError, match=r"^pages of origin https://evil\.example may not use this API$") as caught:
        stage().preflight(asking(origin="https://evil.example"), ["GET"])
    assert (caught.value.http_status, caught.value.reason) == (403, "ORIGIN_NOT_ALLOWED")


# -- answers


def test_answer_to_a_page():
    fields = stage(expose_headers=("x-total",)).amend(head(origin=PAGE), [(b"x-total", b"1")])
    assert fields == [
        (b"x-total", b"1"),
        (b"vary", b"Origin"),
        (b"access-control-allow-origin", PAGE.encode()),
        (b"access-control-expose-headers", f"{ALWAYS}, x-total".encode()),
    ]


def test_answer_with_credentials_to_a_page():
    fields = stage(allow_credentials=True).amend(head(origin=PAGE), [])
    assert (b"access-control-allow-credentials", b"true") in fields


@pytest.mark.parametrize("asked", [head(), head(origin="https://evil.example"), head(origin="null")])
def test_answer_to_others(asked):
    assert stage().amend(asked, [(b"vary", b"Accept")]) == [(b"vary", b"Accept"), (b"vary", b"Origin")]


def test_two_origins_are_none():
    asked = head()
    asked.fields = FieldBlock([(b"origin", PAGE.encode())] * 2)
    assert stage().amend(asked, []) == [(b"vary", b"Origin")]


@pytest.mark.parametrize("asked", [head(), head(origin="https://whoever.example")])
def test_answer_to_any_origin_is_one_for_all(asked):
    assert stage(allow_origins=("*",), expose_headers=("*",)).amend(asked, []) == [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"*"),
    ]


@pytest.mark.parametrize("asked", [head(origin=PAGE), head()])
def test_what_a_backend_says_about_cors_is_replaced(asked):
    told = [
        (b"Access-Control-Allow-Origin", b"https://other.example"),
        (b"access-control-max-age", b"1"),
        (b"x-a", b"1"),
    ]
    fields = stage().amend(asked, told)
    assert not set(told[:2]) & set(fields)
    assert told[2] in fields


# -- routes


def test_bound_stages_are_those_of_the_routes(tmp_path):
    snapshot = build(tmp_path, ECHO + CORS + BOUND)
    of_release = {True: {(snapshot.stages["web"],)}, False: {()}}
    for release, expected in of_release.items():
        found = {route.stages for route in snapshot.routes if (route.origin.environment == "release") is release}
        assert found == expected
    assert lint(snapshot) == ()


def test_routes_of_other_apis_have_none(tmp_path):
    snapshot = build(tmp_path, ECHO + api("one", "GET", "/one/{text}") + CORS + BOUND.replace("*", "one"))
    assert {route.origin.api for route in snapshot.routes if route.stages} == {"one"}
    assert snapshot.match("", False, "POST", b"/echo.v1.Echo/Say").target.stages == ()


def test_http_backends_and_apis_without_a_plugin_have_them_too(tmp_path):
    text = ECHO.replace(BINDING, "") + WEB + "[api:s/web]\nmethod = *\npath = /web/**\nbackend = web\n" + CORS + BOUND
    snapshot = build(tmp_path, text)
    released = [route for route in snapshot.routes if route.origin.environment == "release"]
    assert {(route.kind, len(route.stages)) for route in released} == {("unbound", 1), ("proxy", 1)}


def test_a_second_cors_plugin_is_refused(tmp_path):
    second = CORS.replace(":web", ":more") + BOUND.replace(":web", ":more").replace("plugin = web", "plugin = more")
    with pytest.raises(ConfigError, match=r"has two plugins of type cors: web by .* and more by this binding"):
        build(tmp_path, ECHO + CORS + BOUND + second)


def test_both_types_stand_beside_each_other_and_lint_knows_them(tmp_path):
    found = [str(each) for each in lint(build(tmp_path, ECHO + CORS))]
    assert [line.partition("[")[2] for line in found] == ["plugin:web]: is bound nowhere"]


def test_changes_name_the_plugin(tmp_path):
    before, after = build(tmp_path, ECHO + CORS + BOUND), build(tmp_path, ECHO + CORS + "max_age = 1s\n" + BOUND)
    assert changes(before, after) == "plugin web changed"
    assert changes(before, build(tmp_path, ECHO + CORS + BOUND)) == "nothing changed"


RULES = api("get", "GET", "/v1/x") + api("post", "POST", "/v1/x", body="*") + api("put", "PUT", "/v1/x", body="*")


def routed(tmp_path, bound="get, post", more=""):
    return build(tmp_path, ECHO + RULES + more + CORS + BOUND.replace("*", bound))


def allowed(snapshot, asked):
    assert is_preflight(asked)
    reply = preflight(snapshot, asked)
    return None if reply is None else dict(reply.fields).get(b"access-control-allow-methods")


def test_a_preflight_is_told_the_methods_of_the_routes_that_are_bound(tmp_path):
    assert allowed(routed(tmp_path), asking("POST")) == b"GET, POST"


def test_a_preflight_for_a_method_that_no_route_has_is_told_those_that_there_are(tmp_path):
    assert allowed(routed(tmp_path), asking("DELETE")) == b"GET, POST"


def test_a_preflight_for_a_route_without_cors_is_not_answered(tmp_path):
    assert allowed(routed(tmp_path), asking("PUT")) is None


@pytest.mark.parametrize("path", ["/nowhere", "/%zz", "*"])
def test_a_preflight_for_no_route_is_not_answered(tmp_path, path):
    assert allowed(routed(tmp_path), asking("GET", path)) is None


def test_a_preflight_for_any_method_of_an_http_backend(tmp_path):
    more = WEB + "[api:s/web]\nmethod = *\npath = /web/**\nbackend = web\n"
    snapshot = routed(tmp_path, "web", more)
    assert allowed(snapshot, asking("BREW", "/web/a")) == b"BREW"
    assert snapshot.match("", False, "OPTIONS", b"/web/a").target.kind == "proxy"


@pytest.mark.parametrize(
    "asked",
    [head("OPTIONS"), head("OPTIONS", origin=PAGE), head("GET", origin=PAGE, access_control_request_method="GET")],
)
def test_what_is_no_preflight(asked):
    assert not is_preflight(asked)


def test_an_error_of_the_path_has_the_fields_of_its_other_methods(tmp_path):
    snapshot, asked = routed(tmp_path), head("DELETE", origin=PAGE)
    with pytest.raises(MethodNotAllowed):
        snapshot.match("", False, "DELETE", b"/v1/x")
    stages = nearby_stages(snapshot, asked)
    assert enter(stages, asked) is None
    assert (b"access-control-allow-origin", PAGE.encode()) in amender(stages, asked)([])
    assert nearby_stages(snapshot, head("GET", "/nowhere")) == ()


# -- Router.matches


def test_a_catch_all_leaves_the_methods_of_better_templates(tmp_path):
    more = WEB + "[api:s/web]\nmethod = *\npath = /**\nbackend = web\n"
    found = routed(tmp_path, more=more).matches("", False, b"/v1/x")
    assert {method: match.target.origin.api for method, match in found.items()} == {
        "GET": "get", "POST": "post", "PUT": "put", "*": "web",
    }  # fmt: skip


def test_the_listing_of_routes_names_the_plugin(tmp_path, capsys):
    build(tmp_path, ECHO + api("one", "GET", "/one/{text}") + CORS + BOUND.replace("*", "one"))
    assert main(["routes", "-c", str(tmp_path / "g.ini")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.endswith("[s/one release] +web")] == ["/one/{text}"]
    assert [line for line in lines if "+" in line and "s/one release" not in line] == []
