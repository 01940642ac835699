"""Near misses: which templates a request nearly took, and why it did not."""

from __future__ import annotations

import pytest

from twistedgw.transcoding.router import Router, RouterBuilder
from twistedgw.transcoding.template import Template

RULES = [
    "GET /v1/shelves",
    "GET /v1/shelves/{shelf}",
    "DELETE /v1/shelves/{shelf}",
    "GET /v1/shelves/{shelf}/books/{book}",
    "POST /v1/shelves/{shelf}/books/{book}:borrow",
    "GET /files/{path=**}",
]


@pytest.fixture(name="router")
def _router() -> Router[str]:
    return made(RULES)


def made(rules: list[str]) -> Router[str]:
    builder: RouterBuilder[str] = RouterBuilder()
    for rule in rules:
        method, text = rule.split()
        builder.add(method, Template.parse(text), rule)
    return builder.build()


@pytest.mark.parametrize(
    ("method", "path", "closest", "why"),
    [
        ("PUT", b"/v1/shelves", "GET /v1/shelves", "the path fits, but the method is GET"),
        ("GET", b"/v1/shelfs", "GET /v1/shelves", "segment 2 is 'shelfs', where 'shelves' is expected"),
        ("DELETE", b"/v1/shelfs/1", "DELETE /v1/shelves/{shelf}", "segment 2 is 'shelfs', where 'shelves' is expected"),
        ("GET", b"/V1/shelves", "GET /v1/shelves", "segment 1 is 'V1', where 'v1' is expected"),
        ("GET", b"/v1/shelves/1/books", "GET /v1/shelves/{shelf}/books/{book}",
         "segment 5 is missing, where '*' takes one that is not empty"),
        ("GET", b"/v1/shelves/", "GET /v1/shelves", "the path ends with a '/', where the template ends"),
        ("DELETE", b"/v1/shelves/1/", "DELETE /v1/shelves/{shelf}",
         "the path ends with a '/', where the template ends"),
        ("DELETE", b"/v1/shelves/1/x", "DELETE /v1/shelves/{shelf}",
         "the path goes on with 'x' as segment 4, where the template ends"),
        ("GET", b"/v1/shelves//books/1", "GET /v1/shelves/{shelf}/books/{book}",
         "segment 3 is empty, where '*' takes one that is not empty"),
        ("POST", b"/v1/shelves/1/books/2:borow", "GET /v1/shelves/{shelf}/books/{book}",
         "the path fits, but the method is GET"),
        ("PUT", b"/file/a/b/c", "GET /files/{path=**}", "segment 1 is 'file', where 'files' is expected"),
        ("GET", b"/v1/shelves/1", "DELETE /v1/shelves/{shelf}", "the path fits, but the method is DELETE"),
        ("GET", b"/caf%C3%A9", "GET /files/{path=**}", "segment 1 is 'café', where 'files' is expected"),
    ],
)  # fmt: skip
def test_the_closest_comes_first(router: Router[str], method: str, path: bytes, closest: str, why: str) -> None:
    assert router.near_misses(method, path)[0] == (closest, why)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b"/v1/shelves/1/books/2", "the path lacks the verb ':borrow' at its end"),
        (b"/v1/shelves/1/books/2:borow", "the path ends with ':borow', where the verb ':borrow' is expected"),
    ],
)
def test_a_missing_verb_is_told(router: Router[str], path: bytes, why: str) -> None:
    assert ("POST /v1/shelves/{shelf}/books/{book}:borrow", why) in router.near_misses("POST", path)


def test_the_chosen_one_is_left_out_and_those_behind_it_are_told() -> None:
    router = made(["GET /a/b", "GET /a/{x}", "POST /a/b", "* /{x=**}"])
    behind = "it takes this request too, but one that comes before it was chosen"
    assert router.near_misses("GET", b"/a/b") == [
        ("GET /a/{x}", behind),
        ("POST /a/b", "the path fits, but the method is POST"),
        ("* /{x=**}", behind),
    ]


def test_five_at_most() -> None:
    router = made([f"GET /a{n}/b" for n in range(200)])
    assert len(router.near_misses("GET", b"/a1/c")) == 5
    assert router.near_misses("GET", b"/a1/c")[0] == ("GET /a1/b", "segment 2 is 'c', where 'b' is expected")
    assert made([]).near_misses("GET", b"/") == []


def test_what_the_client_sent_is_shown_escaped_and_short() -> None:
    router = made(["GET /a"])
    assert router.near_misses("GET", b"/%1B[2J") == [("GET /a", r"segment 1 is '\x1b[2J', where 'a' is expected")]
    ((_, why),) = router.near_misses("GET", b"/" + b"x" * 10_000)
    assert len(why) < 120
