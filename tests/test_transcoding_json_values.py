"""JSON values out of a text in pieces: the same ones wherever it is cut, and the same as a reader that has it whole."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.transcoding.json_values import JsonValues

LIMIT = 10_000
SPACES = st.text(" \t\r\n", max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(text: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(place, len(text)) for place in places}), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges) if end > start]


def split(pieces: list[bytes], *, array: bool = True, limit: int = LIMIT) -> tuple[list[bytes], str | None]:
    """Give the values, without the blanks around them, and the error at their end."""
    values = JsonValues(limit, array=array)
    found: list[bytes] = []
    try:
        for piece in pieces:
            for value in values.feed(piece):
                found.append(value.strip(b" \t\r\n"))
        for value in values.end():
            found.append(value)
    except GatewayError as error:
        return found, error.message
    assert values.count == len(found)
    return found, None


def naive(text: str) -> list[Any]:
    """Read all values of a text that is whole."""
    decoder, position, found = json.JSONDecoder(), 0, []
    while (start := re.compile(r"[ \t\r\n]*").match(text, position).end()) < len(text):  # type: ignore[union-attr]
        value, position = decoder.raw_decode(text, start)
        found.append(value)
    return found


@settings(max_examples=150)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 2]), st.booleans(), SPACES, CUTS)
def test_a_sequence_of_values(
    values: list[Any], indent: int | None, ascii_only: bool, space: str, cuts: list[int]
) -> None:
    texts = [json.dumps(value, indent=indent, ensure_ascii=ascii_only) for value in values]
    whole = space + (space + "\n").join(texts) + space
    found, error = split(cut(whole.encode("utf-8", "surrogatepass"), cuts), array=False)
    assert error is None
    assert [json.loads(text.decode("utf-8", "surrogatepass")) for text in found] == naive(whole) == values


@settings(max_examples=100)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 2]), SPACES, CUTS)
def test_an_array_of_values(values: list[Any], indent: int | None, space: str, cuts: list[int]) -> None:
    whole = space + json.dumps(values, indent=indent) + space
    found, error = split(cut(whole.encode(), cuts))
    assert error is None
    assert [json.loads(text) for text in found] == values


@settings(max_examples=300)
@given(st.text(' \n{}[]",:\\1a-é', max_size=60), st.booleans(), CUTS)
def test_any_text_is_the_same_wherever_it_is_cut(text: str, array: bool, cuts: list[int]) -> None:
    data = text.encode()
    assert split(cut(data, cuts), array=array) == split([data], array=array)
    assert split([data[i : i + 1] for i in range(len(data))], array=array) == split([data], array=array)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" \n", []),
        ("[]", []),
        (" [ ] \n", []),
        ("{}{}", ["{}", "{}"]),
        ("[1]", ["1"]),
        ("[[1],[2]]", ["[1]", "[2]"]),
        ("1 2\ttrue\nnull", ["1", "2", "true", "null"]),
        ('1"a"2', ["1", '"a"', "2"]),
        ('"a""b"', ['"a"', '"b"']),
        ('{"a":"}"}\n{"b":"\\"]"}', ['{"a":"}"}', '{"b":"\\"]"}']),
        ('{"a":\n1}\n{"a":"\\\\"}', ['{"a":\n1}', '{"a":"\\\\"}']),
        ('[{"a":1} , {"a":[2,"]"]}]', ['{"a":1}', '{"a":[2,"]"]}']),
        ("{} [1]", ["{}", "[1]"]),
    ],
)
def test_texts(text: str, found: list[str]) -> None:
    whole = [each.encode() for each in found]
    assert split([text.encode()]) == (whole, None)
    assert split([bytes([octet]) for octet in text.encode()]) == (whole, None)


def test_an_array_is_one_value_where_values_are_arrays() -> None:
    assert split([b"[1] [2,3]\n[4]"], array=False) == ([b"[1]", b"[2,3]", b"[4]"], None)


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        ('{"a":1},{"a":2}', 1, "'[1]': expected a JSON value, got ','"),
        ("{}]", 1, "'[1]': expected a JSON value, got ']'"),
        ("[1,]", 1, "'[1]': expected a JSON value, got ']'"),
        ("[,1]", 0, "'[0]': expected a JSON value or ']', got ','"),
        ("[1 2]", 1, "'[1]': expected ',' or ']', got '2'"),
        ("[1}", 1, "'[1]': expected ',' or ']', got '}'"),
        ("[1] {}", 1, "'[1]': expected nothing after the array"),
        ("[1][2]", 1, "'[1]': expected nothing after the array"),
        ("[1", 1, "'[1]': the body ends where ',' or ']' is expected"),
        ("[1,", 1, "'[1]': the body ends where a JSON value is expected"),
        ("[", 0, "'[0]': the body ends where a JSON value or ']' is expected"),
        ('{} {"a":', 1, "'[1]': the body ends before this value does"),
        ('{} "a', 1, "'[1]': the body ends before this value does"),
        (":", 0, "'[0]': expected a JSON value, got ':'"),
        ("{}" + "[" * 101, 1, "'[1]': nested more than 100 levels deep"),
        ('{"a":' * 101, 0, "'[0]': nested more than 100 levels deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_index(text: str, count: int, message: str) -> None:
    for pieces in ([text.encode()], [bytes([octet]) for octet in text.encode()]):
        found, error = split(pieces)
        assert len(found) == count
        assert error == f"body field {message}"


@pytest.mark.parametrize("text", ['"%s"', '{"a":"%s"}', '["%s"]', '\n{"a":\n"%s"}', "%s"])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_one_value_is_within_the_limit(text: str, step: int) -> None:
    size = 50 - len((text % "").strip())
    right, long = (b'{"b":1} ' + (text % ("1" * count)).encode() for count in (size, size + 1))
    pieces = [right[start : start + step] for start in range(0, len(right), step)]
    assert split(pieces, array=False, limit=50)[1] is None
    pieces = [long[start : start + step] for start in range(0, len(long), step)]
    found, error = split(pieces, array=False, limit=50)
    assert found == [b'{"b":1}']
    assert error == "item 1 of the body has more than 50 bytes"


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_blanks_are_within_the_limit(step: int) -> None:
    """There is no end to them otherwise, once they are unpacked."""
    for text, error in (
        (b"1" + b" " * 49 + b"\n2" + b"\n" * 50, None),
        (b"1" + b" " * 51 + b"2", "item 1 of the body has more than 50 bytes"),
        (b"[1" + b" " * 51 + b",2]", "item 1 of the body has more than 50 bytes"),
    ):
        pieces = [text[start : start + step] for start in range(0, len(text), step)]
        assert split(pieces, limit=50)[1] == error


def test_too_large_is_413() -> None:
    with pytest.raises(GatewayError) as caught:
        list(JsonValues(3, array=True).feed(b"12345"))
    assert (caught.value.http_status, caught.value.reason) == (413, "REQUEST_TOO_LARGE")


def test_malformed_is_400_with_a_violation() -> None:
    with pytest.raises(InvalidArgument) as caught:
        list(JsonValues(3, array=True).feed(b"1 ]"))
    assert (caught.value.http_status, caught.value.reason, caught.value.field) == (400, "INVALID_JSON", "[1]")


@pytest.mark.parametrize(
    "text", [b'"' + b'\\"' * 100_000, b'{"a":"' + b"\\\\" * 100_000, b"[" + b'"a",' * 50_000, b"{\n" * 90]
)
def test_each_octet_is_looked_at_a_few_times_only(text: bytes) -> None:
    """Slices of the text are counted, in place of time: all of them together are a few times as long as the text."""
    looked = 0

    class Counted(bytes):
        def __getitem__(self, key: Any) -> Any:
            nonlocal looked
            found = super().__getitem__(key)
            looked += len(found) if isinstance(found, bytes) else 1
            return found

    values = JsonValues(10**7, array=True)
    for start in range(0, len(text), 4096):
        list(values.feed(Counted(text[start : start + 4096])))
    assert looked < 5 * len(text)


def test_values_are_read_as_they_are_asked_for() -> None:
    values = JsonValues(LIMIT, array=True)
    found = values.feed(b"1 2 3 ")
    assert (next(found), values.count) == (b"1", 1)
    assert (next(found), values.count) == (b"2", 2)
