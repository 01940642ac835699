"""The router: precedence, verbs, decoding, methods, collisions, and what a search costs at most."""

from __future__ import annotations

import itertools
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from twistedgw.transcoding import router as router_module
from twistedgw.transcoding.router import MalformedPath, Match, MethodNotAllowed, NoRoute, Router, RouterBuilder
from twistedgw.transcoding.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def routes(*rules: str) -> Router[str]:
    """Make a router of rules such as ``/a/*`` (for GET) and ``POST /a/*``, each its own target."""
    builder: RouterBuilder[str] = RouterBuilder()
    for rule in rules:
        method, _, text = rule.rpartition(" ")
        assert builder.add(method or "GET", Template.parse(text), rule) is None
    return builder.build()


def found(router: Router[str], path: str | bytes, method: str = "GET") -> str | None:
    """Give the target, or None for a 404."""
    try:
        return router.match(method, path if isinstance(path, bytes) else path.encode()).target
    except NoRoute:
        return None


def values(template: str, path: str | bytes) -> tuple[str, ...]:
    return routes(template).match("GET", path if isinstance(path, bytes) else path.encode()).values


# Which paths a template takes


@pytest.mark.parametrize(
    ("template", "takes", "leaves"),
    [
        ("/", ["/"], ["//", "/a", "/:", "/%2F"]),
        ("/a", ["/a", "/%61"], ["/", "//a", "/a/", "/A", "/aa", "/a/b", "/a:v", "/%2561", "/a%2F"]),
        ("/a/b", ["/a/b", "/%61/%62"], ["/a", "/a/", "/a/b/", "/a//b", "//a/b", "/a%2Fb", "/b/a"]),
        ("/a%2Fb", ["/a%2Fb", "/a%2fb", "/%61%2F%62"], ["/a/b", "/a%252Fb"]),
        ("/a%2541", ["/a%2541"], ["/a%41", "/aA"]),
        ("/caf%C3%A9", ["/caf%C3%A9", "/caf%c3%a9", "/café"], ["/cafe"]),
        ("/*", ["/a", "/%2F", "/*", "/a:v", "/:v", "/."], ["/", "//", "/a/", "//a", "/a/b"]),
        ("/a/*/b", ["/a/x/b", "/a/a/b"], ["/a//b", "/a/b", "/a/x/y/b", "/a/x/b/"]),
        ("/**", ["/", "//", "/a", "/a/b", "/a/b/", "//a//", "/a:v"], []),
        ("/a/**", ["/a", "/a/", "/a//", "/a/b", "/a/b/c", "/a/:v"], ["/", "/b", "/aa", "/a%2Fb", "/a:v"]),
        ("/a/*/**", ["/a/x", "/a/x/", "/a/x/y"], ["/a", "/a/", "/a//x"]),
        ("/a:v", ["/a:v", "/%61:v", "/a:%76"], ["/a", "/a%3Av", "/a:v/", "/a/:v", "/a:w", "/a:", "/a:v:w", "/a:V"]),
        ("/*:v", ["/x:v", "/x:y:v", "/x%3Ay:v"], ["/:v", "/x", "/x:v:w", "/x/y:v", "/x:w/y:v"]),
        ("/a/**:v", ["/a:v", "/a/:v", "/a/b:v", "/a/b/:v", "/a/b:w/c:v"], ["/a", "/a:v/b", "/a:w", "/:v"]),
        ("/1/*/3/4/*/6/**", ["/1/2/3/4/5/6", "/1/2/3/4/5/6/7/8/9"], ["/1/2/3/4/5/7", "/1/2/3/4/5/6:v"]),
        ("/1/*/3/4/*/6/7", ["/1/2/3/4/5/6/7"], ["/1/2/3/4/5/6", "/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/"]),
        ("/**:v", ["/:v", "/a:v", "//:v"], ["/", "/a", "/v"]),
        ("/a%3Av", ["/a:v", "/a%3Av"], ["/a"]),
        ("/a:v%3Aw", ["/a:v%3Aw"], ["/a:v:w", "/a%3Av:w"]),
        ("/a:x%2Fy", ["/a:x%2Fy"], ["/a:x/y"]),
    ],
)
def test_paths_of_a_template(template: str, takes: list[str], leaves: list[str]) -> None:
    router = routes(template)
    assert [path for path in takes if found(router, path) is None] == []
    assert [path for path in leaves if found(router, path) is not None] == []


# Which template comes first


@pytest.mark.parametrize(
    ("rules", "path", "chosen"),
    [
        (["/a/**", "/a/*", "/a/b"], "/a/b", "/a/b"),
        (["/a/**", "/a/*", "/a/b"], "/a/c", "/a/*"),
        (["/a/**", "/a/*", "/a/b"], "/a/b/c", "/a/**"),
        (["/a/**", "/a"], "/a", "/a"),
        (["/**", "/"], "/", "/"),
        (["/a/*", "/a/**"], "/a/", "/a/**"),
        (["/a/*/x", "/a/foo/*"], "/a/foo/x", "/a/foo/*"),
        (["/*/b", "/a/*"], "/a/b", "/a/*"),
        (["/**", "/*/*/z", "/a/*/y", "/a/b/x"], "/a/b/x", "/a/b/x"),
        (["/**", "/*/*/z", "/a/*/y", "/a/b/x"], "/a/b/y", "/a/*/y"),
        (["/**", "/*/*/z", "/a/*/y", "/a/b/x"], "/a/b/z", "/*/*/z"),
        (["/**", "/*/*/z", "/a/*/y", "/a/b/x"], "/a/b/w", "/**"),
        (["/a/**", "/*/b/c"], "/a/b/c", "/a/**"),
        (["/a/b/**", "/a/*/c"], "/a/b/c", "/a/b/**"),
        (["/a/b/d", "/a/**", "/*/b/c"], "/a/b/c", "/a/**"),
    ],
)
def test_literal_before_single_before_rest_from_the_left(rules: list[str], path: str, chosen: str) -> None:
    for order in itertools.permutations(rules):
        assert found(routes(*order), path) == chosen


@pytest.mark.parametrize(
    ("rules", "path", "chosen"),
    [
        (["/a/{x}", "/a/{x}:v"], "/a/1:v", "/a/{x}:v"),
        (["/a/{x}", "/a/{x}:v"], "/a/1:w", "/a/{x}"),
        (["/a/{x}", "/a/{x}:v"], "/a/1:v:w", "/a/{x}"),
        (["/a/{x}", "/a/{x}:v"], "/a/1%3Av", "/a/{x}"),
        (["/a/{x}", "/a/{x}:v"], "/a/:v", "/a/{x}"),
        (["/a/{x}", "/{y=**}:v"], "/a/1:v", "/{y=**}:v"),
        (["/a/1%3Av", "/{y=**}:v"], "/a/1:v", "/{y=**}:v"),
        (["/a/1%3Av", "/{y=**}:v"], "/a/1%3Av", "/a/1%3Av"),
        (["/a/{x}", "/b/{x}:v"], "/a/1:v", "/a/{x}"),
        (["/a/{x}", "POST /a/{x}:v"], "/a/1:v", "/a/{x}"),
        (["/a/b:v", "/a/*:v", "/a/**:v"], "/a/b:v", "/a/b:v"),
        (["/a/b:v", "/a/*:v", "/a/**:v"], "/a/c:v", "/a/*:v"),
        (["/a/b:v", "/a/*:v", "/a/**:v"], "/a/b/c:v", "/a/**:v"),
    ],
)
def test_a_verb_is_one_where_a_template_has_it(rules: list[str], path: str, chosen: str) -> None:
    for order in itertools.permutations(rules):
        assert found(routes(*order), path) == chosen


# What is bound


@pytest.mark.parametrize(
    ("template", "path", "bound"),
    [
        ("/a", "/a", ()),
        ("/*/**", "/a/b", ()),
        ("/a/{x}", "/a/b", ("b",)),
        ("/{x}/{y}", "/a/b", ("a", "b")),
        ("/{x}", "/a%2Fb%2fc", ("a/b/c",)),
        ("/{x}", "/%2525", ("%25",)),
        ("/{x}", "/a+b%20c", ("a+b c",)),
        ("/{x}", "/%C3%A9\xe9", ("éé",)),
        ("/{x}", "/a%00b", ("a\0b",)),
        ("/{x}", "/..", ("..",)),
        ("/{x}", "/a:b", ("a:b",)),
        ("/{x}:b", "/a:b", ("a",)),
        ("/{x}:b", "/a:c:b", ("a:c",)),
        ("/{x=100}", "/100", ("100",)),
        ("/{x=a%20b}", "/a%20b", ("a b",)),
        ("/{x=a%2Fb}", "/a%2fb", ("a/b",)),
        ("/{x=a/*}/{y}", "/a/b%2Fc/d%2Fe", ("a/b%2Fc", "d/e")),
        ("/{x=a/b}", "/a/b", ("a/b",)),
        ("/{x=a/b}", "/%61/b", ("a/b",)),
        ("/{x=a/*/*}", "/a/%20%2f%25/%C3%A9", ("a/ %2f%/é",)),
        ("/a/{x=**}", "/a", ("",)),
        ("/a/{x=**}", "/a/", ("",)),
        ("/a/{x=**}", "/a//", ("/",)),
        ("/a/{x=**}", "/a//b/", ("/b/",)),
        ("/a/{x=**}", "/a/b/c", ("b/c",)),
        ("/a/{x=**}", "/a/b", ("b",)),
        ("/a/{x=**}", "/a/b%2Fc%2f%20d", ("b%2Fc%2f d",)),
        ("/a/{x=**}", "/a/b:c/d:e", ("b:c/d:e",)),
        ("/a/{x=**}:e", "/a/b:c/d:e", ("b:c/d",)),
        ("/a/{x=**}:e", "/a:e", ("",)),
        ("/{x=**}", "/", ("",)),
        ("/{x=a/**}", "/a", ("a",)),
        ("/{x=a/**}", "/a/b", ("a/b",)),
        ("/{y}/{x=*/**}", "/1/2/3/4", ("1", "2/3/4")),
    ],
)
def test_values_are_decoded_by_the_kind_of_variable(template: str, path: str, bound: tuple[str, ...]) -> None:
    assert values(template, path) == bound


def test_octets_that_are_not_ascii_are_taken_as_utf8() -> None:
    assert values("/{x}", b"/\xc3\xa9") == ("é",)
    assert values("/{x}", b"/\xc3%A9") == ("é",)
    assert found(routes("/é"), b"/\xc3\xa9") == "/é"


# Methods


def test_the_method_is_tested_with_backtracking() -> None:
    router = routes("POST /a/b", "GET /a/{x}", "PUT /{y=**}")
    assert router.match("GET", b"/a/b") == Match("GET /a/{x}", ("b",))
    assert router.match("POST", b"/a/b") == Match("POST /a/b", ())
    assert router.match("PUT", b"/a/b") == Match("PUT /{y=**}", ("a/b",))


def test_allowed_methods_are_those_of_all_templates_that_take_the_path() -> None:
    router = routes("POST /a/b", "GET /a/{x}", "PUT /{y=**}", "PATCH /a/{x}:v", "DELETE /b/b", "HEAD /a/b/c")
    for path, allowed in {
        b"/a/b": ("GET", "POST", "PUT"),
        b"/%61/b": ("GET", "POST", "PUT"),
        b"/a/b:v": ("GET", "PATCH", "PUT"),
        b"/a/b:w": ("GET", "PUT"),
        b"/": ("PUT",),
    }.items():
        with pytest.raises(MethodNotAllowed) as caught:
            router.match("OPTIONS", path)
        assert caught.value.allowed == allowed


def test_the_root_is_a_path_like_any_other() -> None:
    router = routes("GET /", "POST /*", "* /x/**")
    with pytest.raises(MethodNotAllowed) as caught:
        router.match("PUT", b"/")
    assert caught.value.allowed == ("GET",)


def test_methods_are_case_sensitive() -> None:
    with pytest.raises(MethodNotAllowed):
        routes("GET /a").match("get", b"/a")


def test_any_method_is_the_fallback_of_its_own_shape() -> None:
    router = routes("* /a/b", "POST /a/b", "GET /a/*", "* /**:v", "* /lit")
    assert found(router, "/a/b", "POST") == "POST /a/b"
    assert found(router, "/a/b", "GET") == "* /a/b"
    assert found(router, "/a/b", "ANYTHING") == "* /a/b"
    assert found(router, "/a/c", "GET") == "GET /a/*"
    assert found(router, "/a/c:v", "GET") == "* /**:v"
    assert found(router, "/lit", "X") == found(router, "/li%74", "X") == "* /lit"
    with pytest.raises(MethodNotAllowed) as caught:
        router.match("PUT", b"/a/c")
    assert caught.value.allowed == ("GET",)


def test_a_path_that_no_template_takes() -> None:
    for router in (routes(), routes("/a"), routes("/a:v")):
        with pytest.raises(NoRoute):
            router.match("GET", b"/b")


# What is malformed


@pytest.mark.parametrize("router", [routes(), routes("/a"), routes("/**", "/**:v")], ids=["none", "literal", "rest"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (b"", "does not start with '/'"),
        (b"*", "does not start with '/'"),
        (b"a/b", "does not start with '/'"),
        (b"http://x/a", "does not start with '/'"),
        (b"%2Fa", "does not start with '/'"),
        (b"/a%", "hexadecimal digits, found '%'"),
        (b"/a/%4/b", "hexadecimal digits, found '%4"),
        (b"/a/b/c/d/%zz", "hexadecimal digits, found '%zz'"),
        (b"/a:%v", "hexadecimal digits, found '%v'"),
        (b"/a%3:v", "hexadecimal digits, found '%3"),
        (b"/%FF", "not valid UTF-8"),
        (b"/\xff", "not valid UTF-8"),
        (b"/a:\xff", "not valid UTF-8"),
        (b"/a/b/c/d/\xc3", "not valid UTF-8"),
        (b"/%C3/%A9", "not valid UTF-8"),
        (b"/\xc3%2F\xa9", "not valid UTF-8"),
        (b"/\xff:v", "not valid UTF-8"),
    ],
)
def test_a_malformed_path_is_told_before_anything_else(router: Router[str], path: bytes, message: str) -> None:
    with pytest.raises(MalformedPath, match=message):
        router.match("GET", path)
    with pytest.raises(MalformedPath, match=message):
        router.near_misses("GET", path)


# Collisions and the builder


@pytest.mark.parametrize(
    ("first", "second"),
    [("/a/{x}", "/a/{y=*}"), ("/a/{x}", "/a/*"), ("/{x=a/*}", "/a/*"), ("/a:v", "/%61:%76"), ("/**", "/{x=**}")],
)
def test_of_one_shape_and_method_the_first_stays(first: str, second: str) -> None:
    builder: RouterBuilder[str] = RouterBuilder()
    assert builder.add("GET", Template.parse(first), "first") is None
    assert builder.add("GET", Template.parse(second), "second") == "first"
    assert builder.add("POST", Template.parse(second), "post") is None
    assert builder.add("*", Template.parse(second), "any") is None
    router = builder.build()
    path = first.replace("{x=a/*}", "a/*").replace("{x}", "1").replace("{x=**}", "1").encode()
    assert router.match("GET", path).target == "first"
    assert len(router.match("GET", path).values) == len(Template.parse(first).variables)
    assert router.match("POST", path).target == "post"
    assert router.match("PUT", path).target == "any"


def test_a_literal_shape_may_be_bound_in_one_template_and_not_in_another() -> None:
    router = routes("GET /a/b", "POST /a/{x=b}", "* /{x=a/b}")
    assert [router.match(method, b"/a/b").values for method in ("GET", "POST", "PUT")] == [(), ("b",), ("a/b",)]


def test_replace_takes_the_place_of_the_one_before() -> None:
    builder: RouterBuilder[str] = RouterBuilder()
    builder.add("GET", Template.parse("/a/{x}"), "old")
    builder.replace("GET", Template.parse("/{y=a/*}"), "new")
    builder.replace("GET", Template.parse("/b"), "other")
    assert builder.add("GET", Template.parse("/a/*"), "late") == "new"
    assert builder.build().match("GET", b"/a/1") == Match("new", ("a/1",))
    assert builder.build().match("GET", b"/b").target == "other"


def test_a_router_does_not_see_what_is_added_later() -> None:
    builder: RouterBuilder[str] = RouterBuilder()
    builder.add("GET", Template.parse("/a"), "a")
    before = builder.build()
    builder.add("POST", Template.parse("/a"), "post")
    builder.replace("GET", Template.parse("/a"), "new")
    assert before.match("GET", b"/a").target == "a"
    with pytest.raises(MethodNotAllowed) as caught:
        before.match("POST", b"/a")
    assert caught.value.allowed == ("GET",)
    assert builder.build().match("GET", b"/a").target == "new"


def test_a_false_target_is_a_target() -> None:
    builder: RouterBuilder[int] = RouterBuilder()
    builder.add("GET", Template.parse("/a"), 0)
    builder.add("GET", Template.parse("/{x}/b"), 0)
    assert builder.build().match("GET", b"/a") == Match(0)
    assert builder.build().match("GET", b"/a/b") == Match(0, ("a",))


# What it costs, counted in lines of the router's own code, so that no clock is needed


def steps(action: Callable[[], Any]) -> int:
    """Count the lines that are run in router.py while `action` runs."""
    count = 0

    def line(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return line

    def call(frame: FrameType, event: str, _: object) -> Any:
        return line if frame.f_code.co_filename == router_module.__file__ else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        with suppress(NoRoute, MethodNotAllowed):
            action()
    finally:
        sys.settrace(before)
    return count


WILD = routes(*("/" + "/".join(parts) for n in range(7) for parts in itertools.product("a*", repeat=n)), "/x/{y=**}")
DEEP = routes("/" + "/".join("*" * 500), "POST /" + "/".join("a" * 500), "/**:v")


@pytest.mark.parametrize("router", [WILD, DEEP], ids=["wild", "deep"])
@pytest.mark.parametrize("start", ["/x", ""])
@pytest.mark.parametrize("part", ["/", "/a", "/%61", "/:v", "/%2F", "/a:v"])
@pytest.mark.parametrize("end", ["", ":v", "/:v", "/b"])
def test_a_longer_path_takes_no_more_steps(router: Router[str], start: str, part: str, end: str) -> None:
    short, long = ((start + part * n + end).encode() for n in (1_000, 64_000))
    cost = steps(lambda: router.match("GET", long))
    assert cost <= steps(lambda: router.match("GET", short))
    assert cost < 10_000


@pytest.mark.parametrize("path", ["/a" * 12, "/a" * 11 + "/b", "/a" * 13, "/b" * 12, "/%61" * 12])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_search_visits_no_place_twice(path: str, method: str) -> None:
    depth = 12
    wildest = routes(*("/" + "/".join(parts) for parts in itertools.product("a*", repeat=depth)))
    places = 2 ** (depth + 1)
    assert steps(lambda: wildest.match(method, path.encode())) < 15 * places


def test_more_templates_take_no_more_steps() -> None:
    def cost(count: int) -> list[int]:
        router = routes(*(f"{rule}{n}/{{x}}" for n in range(count) for rule in ("/v1/r", "POST /v1/*/r", "/v1/a/b/r")))
        requests = [("GET", b"/v1/r1/x"), ("PUT", b"/v1/r1/x"), ("POST", b"/v1/q/r1/x"), ("GET", b"/v1/a/b/c/x")]
        return [steps(lambda m=method, p=path: router.match(m, p)) for method, path in requests]  # type: ignore[misc]

    assert cost(2_000) == cost(2)
