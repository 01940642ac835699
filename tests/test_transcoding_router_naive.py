"""The router against a naive matcher that is written straight from the specification.

`NaiveRule` reads a template with a regular expression; `naive_match` tries every rule on the path and sorts those that
take it. They share no code with the product.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from hypothesis import example, given, settings
from hypothesis import strategies as st

from twistedgw.transcoding.router import MalformedPath, MethodNotAllowed, NoRoute, RouterBuilder
from twistedgw.transcoding.template import Template, TemplateError

Outcome = tuple[Any, ...]


class Malformed(Exception):
    pass


def decoded(raw: bytes, keep: bytes = b"") -> str:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        raise Malformed
    if keep:
        raw = re.sub(keep, lambda found: b"%25" + found[0][1:], raw)
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Malformed from None


class NaiveRule:
    def __init__(self, method: str, text: str, target: int) -> None:
        self.method, self.target = method, target
        path, colon, verb = text.partition(":")
        self.verb = decoded(verb.encode()) if colon else None
        self.pattern: list[str] = []
        self.spans: list[tuple[int, int, bool]] = []
        for variable, inside, bare in re.findall(r"\{([^=}]+)(?:=([^}]+))?\}|([^/]+)", path):
            parts = bare.split("/") if bare else (inside or "*").split("/")
            if variable:
                stop = len(self.pattern) + len(parts)
                self.spans.append((len(self.pattern), stop, len(parts) > 1 or "**" in parts))
            self.pattern += [part if part in ("*", "**") else "=" + decoded(part.encode()) for part in parts]

    @property
    def shape(self) -> object:
        return self.verb, tuple(self.pattern), self.method

    def rank(self) -> object:
        ranks = {"*": 1, "**": 2}
        return self.verb is None, [ranks.get(part, 0) for part in self.pattern], self.method == "*"

    def takes(self, path: bytes) -> list[bytes] | None:
        """Give the path's segments, if the template takes it."""
        stem, colon, verb = path.rpartition(b":")
        if self.verb is not None:
            if not colon or b"/" in verb or decoded(verb) != self.verb:
                return None
            path = stem
        segments = [] if path == b"/" else path[1:].split(b"/")
        return segments if self.fits(self.pattern, segments) else None

    def fits(self, pattern: list[str], segments: list[bytes]) -> bool:
        if not pattern:
            return not segments
        if pattern[0] == "**":
            return True
        if not segments or (pattern[0] == "*" and not segments[0]):
            return False
        return pattern[0] in ("*", "=" + decoded(segments[0])) and self.fits(pattern[1:], segments[1:])

    def values(self, segments: list[bytes]) -> tuple[str, ...]:
        result = []
        for start, stop, multi in self.spans:
            last = len(segments) if self.pattern[stop - 1] == "**" else stop
            raw = b"/".join(segments[start:last])
            result.append(decoded(raw, b"%2[Ff]" if multi else b""))
        return tuple(result)


def naive_match(rules: list[NaiveRule], method: str, path: bytes) -> Outcome:
    if not path.startswith(b"/"):
        return ("malformed",)
    try:
        decoded(path)
    except Malformed:
        return ("malformed",)
    taking = [(rule, segments) for rule in rules if (segments := rule.takes(path)) is not None]
    with_method = [(rule, segments) for rule, segments in taking if rule.method in (method, "*")]
    if with_method:
        rule, segments = min(with_method, key=lambda pair: pair[0].rank())
        return "match", rule.target, rule.values(segments)
    if taking:
        return "allowed", tuple(sorted({rule.method for rule, _ in taking}))
    return ("no route",)


def outcome(router: Any, method: str, path: bytes) -> Outcome:
    try:
        match = router.match(method, path)
    except MalformedPath:
        return ("malformed",)
    except MethodNotAllowed as error:
        return "allowed", error.allowed
    except NoRoute:
        return ("no route",)
    return "match", match.target, match.values


LITERALS = ["a", "b", "a", "b", "%61", "a%2Fb", "a%3Av", "é", "%C3%A9", "%2A", "%25"]
VERBS = ["", "", "", ":v", ":%76", ":w", ":v%3Aw", ":%C3%A9"]
METHODS = ["GET", "GET", "POST", "*"]


@st.composite
def template_texts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from([*LITERALS, "*", "*", "*"]), max_size=4))
    parts += draw(st.sampled_from([[], [], ["**"]]))
    if not parts:
        return "/"
    written, index = [], 0
    while index < len(parts):
        size = draw(st.integers(0, min(3, len(parts) - index)))
        chunk = parts[index : index + max(size, 1)]
        if size == 0:
            written += chunk
        elif chunk == ["*"] and draw(st.booleans()):
            written.append(f"{{x{index}}}")
        else:
            written.append(f"{{x{index}.y={'/'.join(chunk)}}}")
        index += len(chunk)
    return "/" + "/".join(written) + draw(st.sampled_from(VERBS))


PIECES = [
    "a",
    "b",
    "x",
    "/",
    "/",
    "%61",
    "%2F",
    "%2f",
    ":v",
    ":w",
    ":v%3Aw",
    "%3Av",
    "é",
    "%C3%A9",
    "%25",
    "%2525",
    "*",
]
BAD_PIECES = [b"%", b"%4", b"%zz", b"%FF", b"\xff", b"%C3", b"\xc3", b"%00"]
good = st.sampled_from([piece.encode() for piece in PIECES])
segments = st.sampled_from(["a", "b", "a", "%61", "x", "", "é", "%C3%A9", "a%2Fb", "a:v", "a%3Av", "*", "%25", ":"])
good_paths = st.lists(segments, max_size=5).map(lambda parts: ("/" + "/".join(parts)).encode())
ended_paths = st.builds(
    lambda path, verb: path + verb.encode(), good_paths, st.sampled_from([*VERBS, ":", "%3Av", "/"])
)
bad_paths = st.lists(good | st.sampled_from(BAD_PIECES), max_size=8).map(lambda parts: b"/" + b"".join(parts))
paths = ended_paths | ended_paths | st.lists(good, max_size=8).map(lambda parts: b"/" + b"".join(parts)) | bad_paths


@st.composite
def paths_for(draw: st.DrawFn, texts: list[str]) -> bytes:
    """Give a path that one of the templates takes, more likely than not."""
    text = re.sub(r"\{[^=}]+\}", "*", draw(st.sampled_from(texts)))
    text = re.sub(r"\{[^=}]+=([^}]+)\}", r"\1", text)
    rest = draw(st.lists(segments, max_size=3))
    text = text.replace("/**", "".join("/" + part for part in rest)) or "/"
    text = re.sub(r"\*", lambda _: draw(segments), text)
    return text.encode()


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_the_router_is_the_naive_matcher(data: st.DataObject) -> None:
    texts = data.draw(st.lists(template_texts(), min_size=1, max_size=8), "templates")
    builder: RouterBuilder[int] = RouterBuilder()
    rules: list[NaiveRule] = []
    for target, text in enumerate(texts):
        rule = NaiveRule(data.draw(st.sampled_from(METHODS)), text, target)
        earlier = [other.target for other in rules if other.shape == rule.shape]
        assert builder.add(rule.method, Template.parse(text), target) == (earlier[0] if earlier else None)
        if not earlier:
            rules.append(rule)
    router = builder.build()
    for path in data.draw(st.lists(paths_for(texts) | paths, min_size=10, max_size=10), "paths"):
        for method in ("GET", "PUT"):
            assert outcome(router, method, path) == naive_match(rules, method, path), (method, path)


def test_the_naive_matcher_itself() -> None:
    rules = [NaiveRule("GET", "/a/{x=b/*}", 0), NaiveRule("GET", "/{y=**}:v", 1), NaiveRule("POST", "/a", 2)]
    assert naive_match(rules, "GET", b"/%61/b/c%2Fd%20") == ("match", 0, ("b/c%2Fd ",))
    assert naive_match(rules, "GET", b"/a/b/c:v") == ("match", 1, ("a/b/c",))
    assert naive_match(rules, "GET", b"/a") == ("allowed", ("POST",))
    assert naive_match(rules, "GET", b"/b") == ("no route",)
    assert naive_match(rules, "GET", b"/a%") == ("malformed",)


ROUTER_TEXTS = ["/", "/a", "/a/{x}", "/{y=**}:v", "/{z=a/*}/b", "/a/*/**", "/%C3%A9/{x}:%C3%A9"]


def fixed_router() -> Any:
    builder: RouterBuilder[str] = RouterBuilder()
    for text in ROUTER_TEXTS:
        builder.add("GET", Template.parse(text), text)
    return builder.build()


@settings(deadline=None)
@given(
    st.binary() | bad_paths | st.binary().map(lambda octets: b"/" + octets), st.sampled_from(["GET", "PUT", "", "*"])
)
@example(b"/" * 64_000, "GET")
@example(b"/%2F" * 16_000, "GET")
@example(b"/" + b":" * 64_000, "GET")
@example(b"/" + b"%" * 64_000, "GET")
@example(b"/a" * 32_000 + b":v", "PUT")
def test_any_octets_end_in_a_match_or_a_declared_error(path: bytes, method: str) -> None:
    router = fixed_router()
    result = outcome(router, method, path)
    if result[0] == "match":
        assert result[1] in ROUTER_TEXTS
        assert all(isinstance(value, str) for value in result[2])
    with suppress(MalformedPath):
        near = router.near_misses(method, path)
        assert result[0] != "malformed"
        assert len(near) <= 5
        assert len({target for target, _ in near} | {result[1] if result[0] == "match" else ""}) == len(near) + 1


@settings(deadline=None)
@given(st.lists(st.sampled_from(["/", "{", "}", "a", "x", "=", "*", "**", ":", "%2F", "."])).map("".join), paths)
def test_any_text_that_is_a_template_can_be_routed(text: str, path: bytes) -> None:
    builder: RouterBuilder[str] = RouterBuilder()
    try:
        template = Template.parse("/" + text)
    except TemplateError:
        return
    builder.add("GET", template, text)
    assert outcome(builder.build(), "GET", path)[0] in ("match", "no route", "malformed")


@given(st.text(min_size=1), st.text(), st.lists(st.text(min_size=1), min_size=2, max_size=2))
def test_what_a_client_expands_is_what_is_bound(single: str, rest: str, parts: list[str]) -> None:
    """The specification's rules for expanding variables on the client's side, and back."""
    builder: RouterBuilder[None] = RouterBuilder()
    builder.add("GET", Template.parse("/v1/{a}/{b=x/*/y/*}/{c=**}:go"), None)
    builder.add("GET", Template.parse("/v1/{a}/{c=**}"), None)
    builder.add("GET", Template.parse("/{c=**}"), None)
    multi = "/".join(["x", parts[0].replace("/", "_"), "y", parts[1].replace("/", "_")])
    path = f"/v1/{quote(single, safe='-_.~')}/{quote(multi, safe='-_.~/')}/{quote(rest, safe='-_.~/')}:go"
    assert builder.build().match("GET", path.encode()).values == (single, multi, rest)
