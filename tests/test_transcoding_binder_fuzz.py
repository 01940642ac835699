"""The binder against any input at all, and against protobuf's own `json_format`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

from binder_types import FORM, MULTIPART, binder, message, pool
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.binder import Body

Json = dict[str, Any]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1).map(str)
uint64s = st.integers(0, 2**64 - 1).map(str)
doubles = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["Infinity", "-Infinity"])
base64s = st.sampled_from(["", "AA==", "-_8=", "-_8", "+/8=", "AQID"])
genres = st.sampled_from(["FICTION", "LOST", 2, -1, 99])
times = st.sampled_from(["1970-01-01T00:00:00Z", "2020-02-29T23:59:59.999999999+01:00", "0001-01-01T00:00:00Z"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)
structs = st.dictionaries(texts, json_values, max_size=3)
JSON_TEXT = {"info", "struct", "value", "values", "list", "valuesByName"}


def some(required: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Json]:
    """Give objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=required)


def full(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=3)


def entries(keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.dictionaries(keys, values, min_size=1, max_size=3)


# An empty message cannot be named in a query, so that no nested object is empty.
authors = st.deferred(
    lambda: some(
        {
            "firstName": texts,
            "born": int32s,
            "mentor": authors,
            "penNames": full(texts),
            "labels": entries(texts, texts),
            "info": structs,
            "phone": texts,
            "joined": times,
        }
    ).filter(bool)
)
requests = some(
    {
        "text": texts,
        "small": int32s,
        "big": int64s,
        "ubig": uint64s,
        "fsmall": st.integers(0, 2**32 - 1),
        "sfbig": int64s,
        "single": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "twice": doubles,
        "flag": st.booleans(),
        "data": base64s,
        "genre": genres,
        "maybe": int32s,
        "texts": full(texts),
        "bigs": full(int64s),
        "doubles": full(doubles),
        "flags": full(st.booleans()),
        "blobs": full(base64s),
        "genres": full(genres),
        "times": full(times),
        "values": full(json_values),
        "wrappedBigs": full(int64s),
        "labels": entries(texts, texts),
        "numbers": entries(int32s.map(str), int64s),
        "genresByFlag": entries(st.sampled_from(["true", "false"]), genres),
        "timesByName": entries(texts, times),
        "valuesByName": entries(texts, json_values),
        "boolsByName": entries(texts, st.booleans()),
        "time": times,
        "span": st.sampled_from(["0s", "-1.5s", "315576000000s"]),
        "mask": st.sampled_from(["", "a", "a.bC,d"]),
        "struct": structs,
        "value": json_values,
        "list": st.lists(json_values, max_size=2),
        "wDouble": doubles,
        "wInt64": int64s,
        "wUint32": st.integers(0, 2**32 - 1),
        "wBool": st.booleans(),
        "wString": texts,
        "wBytes": base64s,
        "author": authors,
        "otherName": texts,
    }
)
choices = st.fixed_dictionaries({}) | st.one_of(
    st.fixed_dictionaries({"left": texts}),
    st.fixed_dictionaries({"right": int32s}),
    st.fixed_dictionaries({"person": authors}),
)


def as_text(name: str, value: Any) -> str:
    if name in JSON_TEXT:
        return json.dumps(value)
    if isinstance(value, str):
        return value
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def flat(value: Json, prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for name, inner in value.items():
        if name == "values" or (isinstance(inner, list) and name not in JSON_TEXT):
            pairs += [(prefix + name, as_text(name, each)) for each in inner]
        elif name in ("author", "person", "mentor"):
            pairs += flat(inner, f"{prefix}{name}.")
        elif isinstance(inner, dict) and (name not in JSON_TEXT or name == "valuesByName"):
            pairs += [(f"{prefix}{name}[{key}]", as_text(name, each)) for key, each in inner.items()]
        else:
            pairs.append((prefix + name, as_text(name, inner)))
    return pairs


@settings(max_examples=150, deadline=None)
@given(requests, choices, st.randoms(use_true_random=False), st.sampled_from([quote, quote_plus]), st.booleans())
def test_a_query_is_the_equivalent_json(request: Json, choice: Json, random: Any, encode: Any, form: bool) -> None:
    whole = {**request, **choice}
    pairs = flat(whole)
    order = {name: random.random() for name, _ in pairs}
    pairs.sort(key=lambda pair: order[pair[0]])
    text = "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs).encode()
    expected = json_format.ParseDict(whole, message("lib.Everything"), descriptor_pool=pool())
    if form and text:
        made = binder(verb="POST", body="*").bind([], b"", Body(FORM, text)).message
    else:
        made = binder().bind([], text, Body(None, b"")).message
    assert made == expected
    assert made.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


names = st.sampled_from(
    [
        *("text", "small", "twice", "flag", "data", "genre", "nothing", "left", "right", "any", "author", "w_int64"),
        *("texts", "bigs", "blobs", "genres", "values", "labels", "numbers", "times", "w_bytes", "born", "mentor"),
        *("time", "span", "mask", "struct", "value", "list", "book", "name", "alt", "$alt", "key"),
        *("id", "part", "[old.note]", "[old.spare]", "[old.marks]"),
    ]
)
glue = st.sampled_from(
    [".", "[", "]", "=", "&", "%", "+", "%5B", "%C3", "\xff", " ", "null", "1", "-1", "1e5", "{", '"']
)
pieces = st.lists(names | glue | st.text(max_size=3), max_size=20).map("".join)
queries = st.binary(max_size=60) | pieces.map(lambda text: text.encode("utf-8", "replace"))
content_types = st.sampled_from(
    [None, "", "application/json", FORM, MULTIPART, "application/protobuf", "text/plain", "application/json;charset=x"]
) | st.text(max_size=30)
bodies = (
    queries
    | st.just(b"")
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
    | queries.map(lambda data: b'--XX\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + data + b"\r\n--XX--")
    | queries.map(lambda data: b"--XX\r\nContent-Disposition: form-data; name=" + data + b"\r\n\r\n1\r\n--XX--")
)
BINDERS = [
    (binder(path="/{text}/{small}"), 2),
    (binder(path="/{author.born}/{genre}/{data}", ignore_unknown_query=True), 3),
    (binder(verb="POST", path="/{time}/{mask}/{w_int64}", body="*"), 3),
    (binder(verb="POST", path="/{left}", body="author", ignore_unknown_fields=True), 1),
    (binder("Update", "PATCH", "/{book.name}", "book"), 1),
    (binder("Update", "PATCH", "/x", "book", ignore_unknown_fields=True, ignore_unknown_query=True), 0),
    (binder("Update", "POST", "/x", "books"), 0),
    (binder("Update", "POST", "/x", "counts"), 0),
    (binder("Update", "POST", "/x", "number"), 0),
    (binder("Upload", "POST", "/{name}", "file"), 1),
    (binder("Do", "POST", "/{id}", "*"), 1),
    (binder("Do", "GET", "/{part.size}"), 1),
    (binder("Struct", "POST", "/x", "*"), 0),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(BINDERS),
    st.lists(texts | queries.map(lambda raw: raw.decode("utf-8", "replace")), min_size=3, max_size=3),
    queries,
    content_types,
    bodies,
)
def test_nothing_but_invalid_argument_comes_out(
    made: tuple[Any, int], values: list[str], query: bytes, content_type: str | None, data: bytes
) -> None:
    with suppress(InvalidArgument):
        bound = made[0].bind(values[: made[1]], query, Body(content_type, data))
        assert bound.message.IsInitialized()
        bound.message.SerializeToString()


@settings(max_examples=200, deadline=None)
@given(queries)
def test_ignored_names_never_change_what_the_path_binds(query: bytes) -> None:
    made = binder(path="/{text}/{author.born}/{left}", ignore_unknown_query=True)
    with suppress(InvalidArgument):
        bound = made.bind(["a", "7", "b"], query, Body(None, b"")).message
        assert (bound.text, bound.author.born, bound.left) == ("a", 7, "b")
