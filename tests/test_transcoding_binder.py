"""The binder: path variables, the order of binding, what a whole message must have, and `Bound`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from binder_types import bind, binder, message, method, pool, refused

from twistedgw.transcoding.binder import Binder, BindOptions, Body
from twistedgw.transcoding.codec import Codec
from twistedgw.transcoding.rule import HttpRule
from twistedgw.transcoding.template import Template


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("text", "a b/c+d", "a b/c+d"),
        ("text", "", ""),
        ("small", "-2147483648", -(2**31)),
        ("big", "9223372036854775807", 2**63 - 1),
        ("ubig", "18446744073709551615", 2**64 - 1),
        ("fbig", "18446744073709551615", 2**64 - 1),
        ("sfbig", "-9223372036854775808", -(2**63)),
        ("zsmall", "-5", -5),
        ("single", "1.5", 1.5),
        ("twice", "-Infinity", float("-inf")),
        ("twice", "1e+5", 1e5),
        ("flag", "true", True),
        ("data", "-_8", b"\xfb\xff"),
        ("genre", "POETRY", 2),
        ("genre", "2", 2),
        ("genre", "-1", -1),
        ("genre", "77", 77),
        ("maybe", "0", 0),
        ("left", "x", "x"),
    ],
)
def test_a_path_variable_is_read_by_its_type(field: str, text: str, value: object) -> None:
    bound = bind(binder(path=f"/x/{{{field}}}"), text).message
    assert bound == message("lib.Everything", **{field: value})


@pytest.mark.parametrize(
    ("field", "text", "json"),
    [
        ("time", "2024-02-29T12:00:00.5+01:00", "2024-02-29T11:00:00.500Z"),
        ("span", "-1.5s", "-1.500s"),
        ("mask", "firstName,born", "firstName,born"),
    ],
)
def test_a_path_variable_may_be_a_well_known_scalar(field: str, text: str, json: str) -> None:
    bound = bind(binder(path=f"/x/{{{field}}}"), text).message
    assert getattr(bound, field).ToJsonString() == json


@pytest.mark.parametrize("text", ["0", "-7"])
def test_a_path_variable_may_be_a_wrapper(text: str) -> None:
    bound = bind(binder(path="/x/{w_int64}"), text).message
    assert bound.HasField("w_int64")
    assert bound.w_int64.value == int(text)


def test_nested_variables_and_several_of_them() -> None:
    bound = bind(binder(path="/x/{author.mentor.first_name}/{small}/{text=a/*}"), "Ada", "3", "a/b").message
    expected = message("lib.Everything", small=3, text="a/b")
    expected.author.mentor.first_name = "Ada"
    assert bound == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("small", "2147483648"),
        ("small", "x"),
        ("small", ""),
        ("small", " 1"),
        ("small", "1.5"),
        ("usmall", "-1"),
        ("ubig", "18446744073709551616"),
        ("big", "9" * 5000),
        ("single", "3.5e38"),
        ("twice", "1_0"),
        ("flag", "yes"),
        ("flag", ""),
        ("data", "&"),
        ("genre", "NOVEL"),
        ("genre", "99999999999"),
        ("genre", "2147483648"),
        ("time", "yesterday"),
        ("span", "1"),
        ("author.born", "null"),
    ],
)
def test_a_bad_value_names_the_variable(field: str, text: str) -> None:
    error = refused(binder(path=f"/x/{{{field}}}"), text)
    assert (error.field, error.source, error.reason, error.http_status) == (field, "path variable", "INVALID_PATH", 400)
    assert error.message.startswith(f"path variable '{field}': ")


def test_a_plus_in_a_path_stays_a_plus() -> None:
    assert bind(binder(path="/x/{data}"), "+/8=").message.data == b"\xfb\xff"


@pytest.mark.parametrize("data", ['{"text":"body","small":1}', '{"text":null,"small":1}', '{"small":1}'])
def test_a_path_variable_wins_over_the_body(data: str) -> None:
    bound = bind(binder(verb="POST", path="/x/{text}", body="*"), "path", data=data).message
    assert bound == message("lib.Everything", text="path", small=1)


def test_a_path_variable_wins_below_a_body_field_and_keeps_its_siblings() -> None:
    made = binder("Update", "PUT", "/{book.name=books/*}", "book")
    bound = bind(made, "books/1", data='{"name":"books/2","title":"T"}').message
    assert (bound.book.name, bound.book.title) == ("books/1", "T")


@pytest.mark.parametrize(
    ("field", "text", "given"),
    [
        ("mask", "born", '{"mask":"firstName"}'),
        ("time", "1970-01-01T00:00:00Z", '{"time":"2020-01-01T00:00:00.5Z"}'),
        ("w_int32", "0", '{"wInt32":5}'),
    ],
)
def test_a_path_variable_replaces_a_message_from_the_body(field: str, text: str, given: str) -> None:
    made = binder(verb="POST", path=f"/x/{{{field}}}", body="*")
    assert bind(made, text, data=given).message == bind(made, text, data="{}").message


def test_a_path_variable_and_another_member_of_its_oneof_are_refused() -> None:
    error = refused(binder(verb="POST", path="/x/{left}", body="*"), "a", data='{"right":1}')
    assert error.message == "path variable 'left': 'right' of the same oneof is set already"
    made = binder(verb="POST", path="/x/{left}", body="*")
    assert bind(made, "a", data='{"left":"b"}').message.left == "a"


def test_a_query_never_changes_what_the_path_binds() -> None:
    made = binder(path="/x/{left}/{author.first_name}", ignore_unknown_query=True)
    bound = bind(made, "a", "Ada", query="left=b&author.firstName=c&author.first_name=d&author.born=1").message
    assert (bound.left, bound.author.first_name, bound.author.born) == ("a", "Ada", 1)
    assert refused(made, "a", "Ada", query="right=1").message == (
        "query parameter 'right': 'left' of the same oneof is set already"
    )


# proto2's required fields may come from any part of the request, and must come from one.


def test_required_the_path_may_give_them() -> None:
    made = binder("Do", "POST", "/{id}", "*")
    assert bind(made, "a", data='{"part":{"id":"b"}}').message.part.id == "b"


def test_required_the_query_may_give_them() -> None:
    bound = bind(binder("Do"), query="id=a&part.id=b&part.size=1").message
    assert bound.IsInitialized()


def test_required_all_that_are_missing_are_named() -> None:
    error = refused(binder("Do", "POST", body="*"), data='{"part":{"size":1},"parts":[{"id":"a"},{}]}')
    assert error.message == "request: required fields are missing: id, part.id, parts[1].id"
    assert (error.http_status, error.reason) == (400, "INVALID_BODY")


def test_required_a_protobuf_body_is_checked_too() -> None:
    error = refused(binder("Do", "POST", body="*"), data=b"\x12\x00", content_type="application/protobuf")
    assert "required fields are missing: id, part.id" in error.message


def test_required_a_long_list_is_cut() -> None:
    error = refused(binder("Do", "POST", body="*"), data='{"parts":[' + ",".join(["{}"] * 100) + "]}")
    assert error.message.endswith("parts[18].id and 81 more")


def test_required_without_a_body_the_query_is_at_fault() -> None:
    assert refused(binder("Do")).reason == "INVALID_QUERY"


def test_a_rule_that_does_not_fit_is_refused_when_planned() -> None:
    with pytest.raises(ValueError, match="path variable 'nosuch'"):
        binder(path="/{nosuch}")


def test_a_prefix_changes_nothing() -> None:
    template = Template.parse("/x/{text}").with_prefix("/test")
    made = Binder(HttpRule("GET", "/x/{text}"), template, method("Everything"), Codec(pool()), BindOptions())
    assert made.bind(["a"], b"", Body(None, b"")).message.text == "a"


def test_one_binder_serves_many_threads() -> None:
    made = binder(path="/x/{text}")

    def one(number: int) -> bool:
        name = "author." + "mentor." * (number % 40) + "born"
        bound = bind(made, str(number), query=f"{name}={number}&labels[k{number}]=v").message
        inner = bound.author
        for _ in range(number % 40):
            inner = inner.mentor
        return bool(bound.text == str(number) and inner.born == number and dict(bound.labels) == {f"k{number}": "v"})

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(one, range(400)))
