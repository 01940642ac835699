"""Whether a rule fits its RPC's types."""

from __future__ import annotations

import pytest
from binder_types import method

from twistedgw.transcoding.binder import check_rule
from twistedgw.transcoding.rule import HttpRule
from twistedgw.transcoding.template import Template


def check(
    path: str = "/x", body: str = "", response_body: str = "", rpc: str = "Everything", verb: str = "POST"
) -> list[str]:
    return check_rule(HttpRule(verb, path, body, response_body), Template.parse(path), method(rpc))


@pytest.mark.parametrize(
    "field",
    [
        *("text", "small", "ubig", "single", "flag", "data", "genre", "maybe", "nothing", "renamed", "left"),
        *("time", "span", "mask", "w_string", "w_bool", "w_bytes"),
        *("author.first_name", "author.mentor.mentor.born", "person.joined"),
    ],
)
def test_usable_path_variables(field: str) -> None:
    assert check(f"/{{{field}=a/**}}") == []


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("nosuch", "lib.Everything has no field 'nosuch'"),
        ("otherName", "lib.Everything has no field 'otherName' (did you mean 'renamed'?)"),
        ("author.firstName", "lib.Author has no field 'firstName' (did you mean 'first_name'?)"),
        ("texts", "'texts' is repeated; a path variable names a field with one value"),
        ("authors.born", "'authors' is repeated; a path variable names a field with one value"),
        ("labels", "'labels' is a map; a path variable names a field with one value"),
        ("text.a", "'text' is not a message, so it has no field 'a'"),
        ("time.seconds", "'time' (google.protobuf.Timestamp) is bound as a whole, not by its fields"),
    ],
)
def test_unusable_path_variables(field: str, problem: str) -> None:
    assert check(f"/{{{field}}}") == [f"path variable '{field}': {problem}"]


@pytest.mark.parametrize("field", ["author", "struct", "value", "list", "any", "empty"])
def test_messages_as_path_variables(field: str) -> None:
    (problem,) = check(f"/{{{field}}}")
    assert problem.startswith(
        f"path variable '{field}': '{field}' is a message; a path variable names a scalar, an enum"
    )


@pytest.mark.parametrize("body", ["", "*", "text", "texts", "labels", "author", "time", "genre", "left", "struct"])
def test_usable_bodies(body: str) -> None:
    assert check("/{text}/{author.born}", body) == []


@pytest.mark.parametrize("response_body", ["", "text", "authors", "labels", "author", "time"])
def test_usable_response_bodies(response_body: str) -> None:
    assert check(response_body=response_body) == []


@pytest.mark.parametrize("verb", ["GET", "DELETE", "HEAD"])
def test_a_body_on_any_method(verb: str) -> None:
    assert check(body="*", verb=verb) == []


def test_http_body() -> None:
    assert check(body="*", rpc="Raw") == check("/{name}", "file", "file", rpc="Upload") == []


def test_all_problems_at_once() -> None:
    assert check("/{nosuch}/{texts}", "author.born", "*") == [
        "path variable 'nosuch': lib.Everything has no field 'nosuch'",
        "path variable 'texts': 'texts' is repeated; a path variable names a field with one value",
        "body 'author.born' names a nested field; it must be a field of the request lib.Everything itself",
        "response_body '*' is no field of the response lib.Everything",
    ]


def test_the_output_is_another_type() -> None:
    assert check(response_body="note", rpc="Update") == ["response_body 'note' is no field of the response lib.Book"]
    assert check(body="otherName") == [
        "body 'otherName' is no field of the request lib.Everything (did you mean 'renamed'?)"
    ]
