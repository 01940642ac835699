"""Path templates: the grammar of google/api/http.proto, its errors, shapes and prefixes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twistedgw.transcoding.router import RouterBuilder
from twistedgw.transcoding.template import Literal, Rest, Segment, Single, Template, TemplateError


@pytest.mark.parametrize(
    ("text", "segments", "verb"),
    [
        ("/", [], None),
        ("/shelves", [Literal("shelves")], None),
        ("/v1/shelves", [Literal("v1"), Literal("shelves")], None),
        ("/*", [Single()], None),
        ("/**", [Rest()], None),
        ("/v1/*/books/**", [Literal("v1"), Single(), Literal("books"), Rest()], None),
        ("/v1/{name}", [Literal("v1"), Single()], None),
        ("/{name=shelves/*}/x", [Literal("shelves"), Single(), Literal("x")], None),
        ("/{name=shelves/**}", [Literal("shelves"), Rest()], None),
        ("/a:cancel", [Literal("a")], "cancel"),
        ("/*:cancel", [Single()], "cancel"),
        ("/**:cancel", [Rest()], "cancel"),
        ("/{name=**}:cancel", [Rest()], "cancel"),
        ("/a.b-c_d~e!$&'()+,;=@f", [Literal("a.b-c_d~e!$&'()+,;=@f")], None),
    ],
)
def test_segments_and_verbs(text: str, segments: list[Segment], verb: str | None) -> None:
    template = Template.parse(text)
    assert (list(template.segments), template.verb) == (segments, verb)
    assert template.text == text == str(template)


@pytest.mark.parametrize(
    ("text", "literal", "verb"),
    [
        ("/%61", "a", None),
        ("/caf%C3%A9", "café", None),
        ("/café", "café", None),
        ("/a%2Fb", "a/b", None),
        ("/a%3Ab", "a:b", None),
        ("/%2a%7B%25:x%3Ay", "*{%", "x:y"),
    ],
)
def test_literals_and_verbs_are_kept_decoded(text: str, literal: str, verb: str | None) -> None:
    template = Template.parse(text)
    assert (template.segments, template.verb) == ((Literal(literal),), verb)


def test_a_template_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Template.parse("/a").verb = "x"  # type: ignore[misc]


def test_equal_texts_are_equal_templates() -> None:
    assert Template.parse("/a/{b}:c") == Template.parse("/a/{b}:c")
    assert len({Template.parse("/a/{b}"), Template.parse("/a/{b}"), Template.parse("/a/{c}")}) == 2


@pytest.mark.parametrize(
    ("text", "name", "pattern", "start", "stop", "multi"),
    [
        ("/v1/{id}", "id", "*", 1, 2, False),
        ("/v1/{id=*}", "id", "*", 1, 2, False),
        ("/v1/{id=main}/x", "id", "main", 1, 2, False),
        ("/{name=shelves/*}/x", "name", "shelves/*", 0, 2, True),
        ("/{name=a/b}", "name", "a/b", 0, 2, True),
        ("/v1/{name=**}", "name", "**", 1, None, True),
        ("/v1/{name=a/**}:verb", "name", "a/**", 1, None, True),
        ("/{book.shelf.id}", "book.shelf.id", "*", 0, 1, False),
        ("/{_a1.B_2}", "_a1.B_2", "*", 0, 1, False),
    ],
)
def test_a_variable(text: str, name: str, pattern: str, start: int, stop: int | None, multi: bool) -> None:
    (variable,) = Template.parse(text).variables
    assert variable.field_path == tuple(name.split("."))
    assert (variable.name, variable.pattern, variable.multi) == (name, pattern, multi)
    assert (variable.start, variable.stop) == (start, stop)


def test_variables_come_from_the_left() -> None:
    template = Template.parse("/{b=x/*}/{a.c}/y/{d=**}:go")
    assert [variable.text for variable in template.variables] == ["{b=x/*}", "{a.c}", "{d=**}"]
    assert [(v.start, v.stop) for v in template.variables] == [(0, 2), (2, 3), (4, None)]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected '/' at the start, found the end of the template"),
        ("shelves", 1, "expected '/' at the start, found 's'"),
        ("*", 1, "expected '/' at the start, found '*'"),
        (":verb", 1, "expected '/' at the start, found ':'"),
        ("//", 2, "expected a segment .* found '/'"),
        ("/a/", 4, "expected a segment .* found the end of the template"),
        ("/a//b", 4, "expected a segment .* found '/'"),
        ("/:", 2, "expected a segment .* found ':'"),
        ("/:verb", 2, "expected a segment .* found ':'"),
        ("/a/:verb", 4, "expected a segment .* found ':'"),
        ("/}", 2, "expected a segment .* found '}'"),
        ("/a:", 4, "expected a verb after ':', found the end of the template"),
        ("/a::b", 4, "expected a verb after ':', found ':'"),
        ("/a:*", 4, "expected a verb after ':', found '\\*'"),
        ("/a:b:c", 5, "expected the end of the template after the verb, found ':' .*%3A"),
        ("/a:b/c", 5, "expected the end of the template after the verb, found '/' .*%3A"),
        ("/{}", 3, "expected a field name, found '}'"),
        ("/{", 3, "expected a field name, found the end of the template"),
        ("/{=a}", 3, "expected a field name, found '='"),
        ("/{1a}", 3, "expected a field name, found '1'"),
        ("/{é}", 3, "expected a field name, found 'é'"),
        ("/{a.}", 5, "expected a field name, found '}'"),
        ("/{.a}", 3, "expected a field name, found '.'"),
        ("/{ a }", 3, "expected a field name, found ' '"),
        ("/{a", 4, "expected '.', '=' or '}' after a field name, found the end of the template"),
        ("/{a-b}", 4, "expected '.', '=' or '}' after a field name, found '-'"),
        ("/{a=}", 5, "expected a segment of the variable's pattern .* found '}'"),
        ("/{a=/b}", 5, "expected a segment of the variable's pattern .* found '/'"),
        ("/{a=b/}", 7, "expected a segment of the variable's pattern .* found '}'"),
        ("/{a=b", 6, "expected '/' or '}', found the end of the template"),
        ("/{a=b:c}", 6, "expected '/' or '}', found ':'"),
        ("/{a=*:c}", 6, "expected '/' or '}', found ':'"),
        ("/{a={b}}", 5, "expected a segment of the variable's pattern .* found '{' .*do not nest"),
        ("/{a=x/{b}}", 7, "expected a segment of the variable's pattern .* found '{' .*do not nest"),
        ("/{a=**", 7, "expected '}', found the end of the template"),
        ("/a{x}", 3, "expected '/', ':' or the end after a segment, found '{' .*a variable is a whole segment"),
        ("/{x}b", 5, "expected '/', ':' or the end after a segment, found 'b'"),
        ("/{x}{y}", 5, "expected '/', ':' or the end after a segment, found '{'"),
        ("/a*", 3, "expected '/', ':' or the end after a segment, found '\\*' .*a wildcard is a whole segment"),
        ("/*a", 3, "expected '/', ':' or the end after a segment, found 'a'"),
        ("/***", 4, "expected ':' or the end of the template after a segment, found '\\*'"),
        ("/**/a", 4, "expected ':' or the end of the template, since '\\*\\*' is the last segment, found '/'"),
        ("/**/**", 4, "since '\\*\\*' is the last segment"),
        ("/{x=**/a}", 7, "expected '}', since '\\*\\*' is the last segment, found '/'"),
        ("/{x=**}/a", 8, "expected ':' or the end of the template, since '\\*\\*' is the last segment, found '/'"),
        ("/a?b=c", 3, "found '\\?' .*percent-encode"),
        ("/a#b", 3, "found '#' .*percent-encode"),
        ("/a b", 3, "found ' ' .*percent-encode"),
        ("/a\x00b", 3, r"found '\\x00' .*percent-encode"),
        ("/ab\ud800", 4, r"found '\\ud800'"),
        ("/a/b%", 5, "expected two hexadecimal digits after '%', found '%'"),
        ("/a%4x", 3, "expected two hexadecimal digits after '%', found '%4x'"),
        ("/a/b%C3", 4, "not valid UTF-8 once decoded"),
        ("/a:%FF", 4, "not valid UTF-8 once decoded"),
        ("/{a}/{b}/{a}", 10, "the field path 'a' is bound twice"),
        ("/{a.b}/{a.b=c/*}", 8, "the field path 'a.b' is bound twice"),
    ],
)
def test_an_error_tells_the_column_and_what_was_expected(text: str, column: int, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        Template.parse(text)
    assert caught.value.column == column
    assert str(caught.value) == f"column {column}: {caught.value.message}"


@pytest.mark.parametrize(
    "same",
    [
        ["/a/{x}", "/a/{y.z}", "/a/{x=*}", "/a/*"],
        ["/{x=a/*}/b", "/a/{y}/b", "/a/*/b", "/a/*/{z=b}"],
        ["/a/**", "/a/{x=**}", "/{x=a/**}"],
        ["/a:v", "/%61:%76", "/{x=a}:v"],
        ["/"],
        ["/a%2Fb", "/a%2fb"],
        ["/a/b"],
        ["/a"],
        ["/a:w"],
        ["/A"],
        ["/**"],
        ["/*"],
        ["/%2A"],
        ["/%2A%2A"],
    ],
)
def test_shapes_are_equal_within_and_different_between(same: list[str]) -> None:
    everything = ["/", "/a/*", "/a/*/b", "/a/**", "/a:v", "/a%2Fb", "/a/b", "/a", "/a:w", "/A", "/**", "/*"]
    everything += ["/%2A", "/%2A%2A"]
    shapes = {Template.parse(text).shape for text in same}
    assert len(shapes) == 1
    assert [text for text in everything if Template.parse(text).shape in shapes] == [
        text for text in everything if text in same
    ]


@pytest.mark.parametrize("prefix", ["", "/"])
@pytest.mark.parametrize("text", ["/", "/a/{x}:v"])
def test_the_root_as_prefix_changes_nothing(prefix: str, text: str) -> None:
    assert Template.parse(text).with_prefix(prefix) == Template.parse(text)


@pytest.mark.parametrize("prefix", ["/test", "/test/", "/test/x%20y"])
@pytest.mark.parametrize("text", ["/a", "/{x}", "/v1/{x=a/*}/{y=**}:v", "/**"])
def test_a_prefix_is_the_same_as_if_it_were_written_in_the_template(prefix: str, text: str) -> None:
    assert Template.parse(text).with_prefix(prefix) == Template.parse(prefix.rstrip("/") + text)


def test_the_root_template_takes_the_prefix_itself() -> None:
    assert Template.parse("/").with_prefix("/test/x") == Template.parse("/test/x")


@pytest.mark.parametrize("prefix", ["test", "//", "/a//b", "/a b", "/*", "/**", "/{x}", "/a:v", "/%zz"])
def test_a_prefix_is_made_of_literals(prefix: str) -> None:
    with pytest.raises(TemplateError):
        Template.parse("/a").with_prefix(prefix)


_TOKENS = st.lists(st.sampled_from([*"/{}*:=.%-_aB1 é?#\0\ud800", "**", "%2F", "%C3", "/{", "{a}", "/*", "/a"]))


@given(_TOKENS.map("".join) | st.text() | _TOKENS.map(lambda tokens: "/" + "".join(tokens)))
@example("/" * 64_000)
@example("/" + "{a=" * 64_000)
@example("/a" * 64_000)
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        column, message = error.column, error.message
    else:
        assert_reads_as_written(template, text)
        return
    assert 1 <= column <= len(text) + 1
    assert message


def assert_reads_as_written(template: Template, text: str) -> None:
    assert template.text == text
    spans = [(variable.start, variable.stop) for variable in template.variables]
    assert spans == sorted(spans, key=lambda span: span[0])
    builder: RouterBuilder[str] = RouterBuilder()
    builder.add("GET", template, text)
    if not template.variables and all(isinstance(part, Literal) for part in template.segments):
        assert builder.build().match("GET", text.encode()).target == text
