"""The query: names, values, what is refused, and the system parameters of Google's API clients."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from urllib.parse import quote, quote_plus

import pytest
from binder_types import bind, binder, message, refused

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.binder import SystemParameters


def bound(query: str | bytes, **options: bool) -> object:
    return bind(binder(**options), query=query).message  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("text=a", {"text": "a"}),
        ("text=", {"text": ""}),
        ("text", {"text": ""}),
        ("&&text=a&&", {"text": "a"}),
        ("text=a=b", {"text": "a=b"}),
        ("text=a;small=1", {"text": "a;small=1"}),
        ("text=a+b%2Bc%20d", {"text": "a b+c d"}),
        ("text=%C3%A9", {"text": "é"}),
        ("text=é", {"text": "é"}),
        ("text=%2525", {"text": "%25"}),
        ("text=%00", {"text": "\0"}),
        ("t%65xt=a", {"text": "a"}),
        ("otherName=a", {"renamed": "a"}),
        ("renamed=a", {"renamed": "a"}),
        ("small=-2147483648&usmall=4294967295", {"small": -(2**31), "usmall": 2**32 - 1}),
        ("big=-9223372036854775808&ubig=18446744073709551615", {"big": -(2**63), "ubig": 2**64 - 1}),
        ("zsmall=-1&zbig=-1&fsmall=1&fbig=1", {"zsmall": -1, "zbig": -1, "fsmall": 1, "fbig": 1}),
        ("sfsmall=-1&sfbig=-1", {"sfsmall": -1, "sfbig": -1}),
        ("small=1e2", {"small": 100}),
        ("twice=1e+5&single=-Infinity", {"twice": 1e5, "single": -math.inf}),
        ("maybe=0", {"maybe": 0}),
        ("genre=FICTION", {"genre": 1}),
        ("genre=-1", {"genre": -1}),
        ("nothing=null", {"nothing": 0}),
        ("nothing=NULL_VALUE", {"nothing": 0}),
        ("texts=a&texts=b&texts=", {"texts": ["a", "b", ""]}),
        ("bigs=1&bigs=2", {"bigs": [1, 2]}),
        ("doubles=NaN&flags=true&flags=false&genres=1&genres=POETRY", None),
        ("blobs=AA==&blobs=AQ", {"blobs": [b"\0", b"\1"]}),
        ("labels[a]=b&labels[]=c", {"labels": {"a": "b", "": "c"}}),
        ("labels[a.b[c]]=d", {"labels": {"a.b[c]": "d"}}),
        ("labels%5Ba%20%3D%26%5D=d", {"labels": {"a =&": "d"}}),
        ("labels[a+b]=d", {"labels": {"a b": "d"}}),
        ("numbers[-1]=2&numbers[3]=4", {"numbers": {-1: 2, 3: 4}}),
        ("genres_by_flag[true]=POETRY&genresByFlag[false]=1", {"genres_by_flag": {True: 2, False: 1}}),
        ("author.firstName=A&author.born=1", {"author": {"first_name": "A", "born": 1}}),
        ("author.first_name=A&author.mentor.born=0", {"author": {"first_name": "A", "mentor": {"born": 0}}}),
        ("author.penNames=a&author.pen_names=b", {"author": {"pen_names": ["a", "b"]}}),
        ("author.labels[x.y]=z", {"author": {"labels": {"x.y": "z"}}}),
        ("left=a", {"left": "a"}),
        ("person.firstName=a&person.born=2", {"person": {"first_name": "a", "born": 2}}),
    ],
)
def test_names_and_values(query: str, fields: dict[str, object] | None) -> None:
    if fields is None:
        made = bound(query)
        assert (list(made.flags), list(made.genres)) == ([True, False], [1, 2])
        assert math.isnan(made.doubles[0])
    else:
        assert bound(query) == message("lib.Everything", **fields)


@pytest.mark.parametrize("text", ["true", "1", "t", "T", "True", "TRUE"])
def test_true(text: str) -> None:
    assert bound(f"flag={text}&w_bool={text}") == message("lib.Everything", flag=True, w_bool={"value": True})


@pytest.mark.parametrize("text", ["false", "0", "f", "F", "False", "FALSE"])
def test_false(text: str) -> None:
    made = bound(f"flag={text}&w_bool={text}")
    assert made.HasField("w_bool")
    assert not made.w_bool.value


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "-_8", "%2B%2f8%3D", "%20/8"])
def test_bytes_in_any_base64_even_with_a_bare_plus(text: str) -> None:
    assert bound(f"data={text}").data == b"\xfb\xff"
    assert bound(f"wBytes={text}").w_bytes.value == b"\xfb\xff"


@pytest.mark.parametrize("query", ["time=2020-01-01T00:00:00+01:00", "time=2020-01-01T00%3A00%3A00%2B01:00"])
def test_timestamps_even_with_a_bare_plus(query: str) -> None:
    assert bound(query).time.ToJsonString() == "2019-12-31T23:00:00Z"


def test_well_known_types_by_their_json_form() -> None:
    made = bound("span=1.5s&mask=a,b.cD&times=1970-01-01T00:00:01Z&times=1970-01-01T00:00:02Z")
    assert made.span.nanos == 500_000_000
    assert list(made.mask.paths) == ["a", "b.c_d"]
    assert [stamp.seconds for stamp in made.times] == [1, 2]
    assert bound("timesByName[a]=1970-01-01T00:00:01Z").times_by_name["a"].seconds == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w_double", "0"),
        ("w_float", "0"),
        ("w_int64", "0"),
        ("w_uint64", "0"),
        ("w_int32", "0"),
        ("w_uint32", "0"),
        ("w_string", ""),
        ("w_bytes", ""),
        ("mask", ""),
    ],
)
def test_a_default_value_still_makes_a_message_present(name: str, text: str) -> None:
    assert bound(f"{name}={text}").HasField(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("1.5", 1.5),
        ('"a"', "a"),
        ("true", True),
        ('{"a":[1,{"b":null}]}', {"a": [1, {"b": None}]}),
        ("[]", []),
    ],
)
def test_value_is_json_text(text: str, value: object) -> None:
    from google.protobuf.json_format import MessageToDict

    made = bound(f"value={quote_plus(text)}&values={quote(text)}&values={quote(text)}&valuesByName[k]={quote(text)}")
    assert MessageToDict(made.value) == value
    assert [MessageToDict(each) for each in made.values] == [value, value]
    assert MessageToDict(made.values_by_name["k"]) == value


def test_struct_and_list_are_json_text() -> None:
    made = bound('struct={"a":1}&list=[1,"b"]&author.info={"x":{}}')
    assert made.struct["a"] == 1
    assert list(made.list) == [1, "b"]
    assert "x" in made.author.info.fields


@pytest.mark.parametrize(
    ("query", "name", "description"),
    [
        ("nosuch=1", "nosuch", "unknown name"),
        ("TEXT=1", "TEXT", "unknown name"),
        ("=1", "", "unknown name"),
        (".=1", ".", "unknown name"),
        ("author..born=1", "author..born", "unknown name"),
        ("author.nosuch=1", "author.nosuch", "unknown name"),
        (".author=1", ".author", "unknown name"),
        ("[lib.Everything.text]=1", "[lib.Everything.text]", "unknown name"),
        ("[=1", "[", "unknown name"),
        ("]=1", "]", "unknown name"),
        ("labels[=1", "labels[", "unknown name: no ']' at its end"),
        ("labels[a]b=1", "labels[a]b", "unknown name: no ']' at its end"),
        ("text=a&text=b", "text", "given more than once"),
        ("renamed=a&otherName=b", "otherName", "given more than once"),
        ("author.born=1&author.born=1", "author.born", "given more than once"),
        ("w_int32=1&wInt32=1", "wInt32", "given more than once"),
        ("labels[a]=1&labels[a]=1", "labels[a]", "given more than once"),
        ("left=a&right=1", "right", "'left' of the same oneof is set already"),
        ("person.born=1&moment=1970-01-01T00:00:00Z", "moment", "'person' of the same oneof is set already"),
        ("right=1&person.born=1", "person.born", "'right' of the same oneof is set already"),
        ("author.mail=a&author.phone=b", "author.phone", "'mail' of the same oneof is set already"),
        ("flag=maybe", "flag", "expected true or false"),
        ("flag", "flag", "expected true or false"),
        ("author=x", "author", "a message cannot be given as text"),
        ("any={}", "any", "a message cannot be given as text"),
        ("empty={}", "empty", "a message cannot be given as text"),
        ("authors={}", "authors", "a list of messages cannot be given as text"),
        ("authors.born=1", "authors.born", "'authors' is a list"),
        ("authors[0].born=1", "authors[0].born", "unknown name: no ']' at its end"),
        ("authors_by_name[a]={}", "authors_by_name[a]", "a map of messages cannot be given as text"),
        ("labels=1", "labels", "a map's entries are named in brackets: labels[key]"),
        ("labels.a=1", "labels.a", "'labels' is a map, whose entries are named in brackets"),
        ("texts[]=1", "texts[]", "'texts' is not a map"),
        ("text[a]=1", "text[a]", "'text' is not a map"),
        ("text.a=1", "text.a", "'text' is not a message"),
        ("genre.a=1", "genre.a", "'genre' is not a message"),
        ("time.seconds=1", "time.seconds", "'time' is given as one value (google.protobuf.Timestamp)"),
        ("w_int32.value=1", "w_int32.value", "'w_int32' is given as one value (google.protobuf.Int32Value)"),
        ("struct.a=1", "struct.a", "'struct' is given as one value (google.protobuf.Struct)"),
        ("text=%", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        ("text=%4", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        ("text=%zz", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        ("text=%ff", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        (b"text=\xff", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        ("te%xt=1", "te%xt", "a malformed percent escape, or not UTF-8 once decoded"),
    ],
)
def test_refused(query: str | bytes, name: str, description: str) -> None:
    error = refused(binder(), query=query)
    assert (error.field, error.description) == (name, description)
    assert (error.source, error.reason, error.http_status) == ("query parameter", "INVALID_QUERY", 400)


@pytest.mark.parametrize(
    "query",
    [
        "small=2147483648",
        "small=1.5",
        "small=",
        "small=%201",
        "small=0x10",
        "small=%2B5",
        "usmall=-1",
        "single=1e39",
        "twice=1e999",
        "twice=nan",
        "twice=1_0",
        "data=%26",
        "genre=fiction",
        "genre=1.0.0",
        "genre=99999999999999999999",
        "time=2020-01-01",
        "span=1",
        "mask=a_b",
        "bigs=1,2",
        "bigs=x",
        "numbers[x]=1",
        "numbers[1]=x",
        "genres_by_flag[yes]=1",
        "struct=1",
        "struct={",
        "list={}",
        "value=hello",
        'value={"a":1,"a":2}',
        "value=NaN",
        "values=" + "[" * 200,
        "w_int32=x",
        "w_bool=null",
        "nothing=x",
    ],
)
def test_a_bad_value_names_its_parameter(query: str) -> None:
    error = refused(binder(), query=query)
    assert (error.field, error.source, error.reason) == (query.partition("=")[0], "query parameter", "INVALID_QUERY")


@pytest.mark.parametrize(
    "query", ["nosuch=1", "author.nosuch=1", "=1", "labels[a=1", "x=%41", "[no.such]=1", "a.b.c.d[e]=f"]
)
def test_unknown_names_can_be_passed_over(query: str) -> None:
    assert bound(f"{query}&text=a", ignore_unknown_query=True) == message("lib.Everything", text="a")


@pytest.mark.parametrize("query", ["text=a&text=b", "author=1", "labels=1", "small=x", "text.a=1", "nosuch=%"])
def test_other_faults_are_not_passed_over(query: str) -> None:
    assert refused(binder(ignore_unknown_query=True), query=query).reason == "INVALID_QUERY"


# Fields that the path or the body sets are unknown to the query.


def test_covered_fields_of_the_path() -> None:
    error = refused(binder(path="/{text}/{author.born}"), "a", "1", query="author.born=2")
    assert error.message == "query parameter 'author.born': unknown name here: the path sets this field"
    made = binder(path="/{text}/{author.born}")
    assert bind(made, "a", "1", query="author.firstName=x").message.author.first_name == "x"


@pytest.mark.parametrize("name", ["book.title", "book.nosuch", "book", "book.counts[a]"])
def test_covered_fields_of_the_body(name: str) -> None:
    made = binder("Update", "POST", body="book")
    assert "the body sets this field" in refused(made, query=f"{name}=1").message
    assert bind(made, query="note=n").message.note == "n"


def test_covered_they_are_passed_over_where_unknown_names_are() -> None:
    made = binder("Update", "POST", "/{note}", body="book", ignore_unknown_query=True)
    bound = bind(made, "n", query="book.title=x&note=y", data='{"title":"t"}').message
    assert (bound.note, bound.book.title) == ("n", "t")


def test_covered_a_whole_body_covers_all() -> None:
    error = refused(binder(verb="POST", body="*"), query="text=a")
    assert error.message == "query parameter 'text': unknown name: the path and the body set all fields"
    made = binder(verb="POST", body="*", ignore_unknown_query=True)
    assert bind(made, query="text=a", data="{}").message == message("lib.Everything")


# Extensions are named in brackets.


def test_extension_values_lists_and_messages() -> None:
    bound = bind(binder("Do"), query="id=a&[old.note]=n&%5Bold.marks%5D=1&[old.marks]=2&[old.spare].id=s").message
    extension = bound.Extensions
    pool = bound.DESCRIPTOR.file.pool
    assert extension[pool.FindExtensionByName("old.note")] == "n"
    assert list(extension[pool.FindExtensionByName("old.marks")]) == [1, 2]
    assert extension[pool.FindExtensionByName("old.spare")].id == "s"


@pytest.mark.parametrize(
    "name", ["[old.elsewhere]", "[old.nosuch]", "[old.Thing]", "old.note", "part.[old.note]", "[old.note]x"]
)
def test_extension_other_names_are_unknown(name: str) -> None:
    assert "unknown name" in refused(binder("Do"), query=f"id=a&{name}=1").message


def test_extension_given_twice() -> None:
    assert "given more than once" in refused(binder("Do"), query="[old.note]=a&[old.note]=b").message


def test_extension_groups() -> None:
    assert bind(binder("Do"), query="id=a&column.cell=3").message.column.cell == 3
    assert "'row' is a list" in refused(binder("Do"), query="row.cell=1").message


def test_extension_closed_enums() -> None:
    assert bind(binder("Do"), query="id=a&colour=2").message.colour == 2
    assert refused(binder("Do"), query="id=a&colour=3").field == "colour"


# The system parameters of Google's API clients.


@pytest.mark.parametrize(
    ("query", "system"),
    [
        ("", SystemParameters()),
        ("$alt=json;enum-encoding=int", SystemParameters("json", enums_as_numbers=True)),
        ("%24alt=json%3Benum-encoding%3Dint", SystemParameters("json", enums_as_numbers=True)),
        ("alt=json", SystemParameters("json")),
        ("$alt=json;enum-encoding=string", SystemParameters("json", enums_as_numbers=False)),
        ("alt=proto", SystemParameters("proto")),
        ("alt=sse", SystemParameters("sse")),
        ("$.xgafv=2&%24.xgafv=1&key=k&prettyPrint=true&quotaUser=u&fields=a/b(c)", SystemParameters()),
    ],
)
@pytest.mark.parametrize("body", ["", "*"])
def test_system_parameter_recognised(query: str, system: SystemParameters, body: str) -> None:
    bound = bind(binder(verb="POST", body=body), query=query)
    assert bound.system == system
    assert bound.message == message("lib.Everything")


@pytest.mark.parametrize("query", ["alt=xml", "alt=", "$alt=proto;enum-encoding=int", "alt=json;x", "alt=JSON"])
def test_system_parameter_other_forms_are_refused(query: str) -> None:
    error = refused(binder(), query=query)
    assert error.description == "expected json, json;enum-encoding=int, proto or sse"


def test_system_parameter_twice() -> None:
    assert refused(binder(), query="alt=json&$alt=json").description == "given more than once"


def test_system_parameter_a_field_of_the_message_goes_first() -> None:
    bound = bind(binder("Keyed"), query="key=k&prettyPrint=p&alt=json")
    assert (bound.message.key, bound.message.pretty_print, bound.system.alt) == ("k", "p", "json")
    assert "unknown name" in refused(binder("Keyed", "POST", body="*"), query="key=k").message


def test_system_parameter_other_dollar_names_are_unknown() -> None:
    assert refused(binder(), query="$key=k").description == "unknown name"


# A hostile query is cheap and bounded.


def test_hostile_query_depth() -> None:
    made = binder()
    assert bind(made, query="author." + "mentor." * 98 + "born=1").message.HasField("author")
    error = refused(made, query="author." + "mentor." * 99 + "born=1")
    assert error.description == "goes more than 100 fields deep"
    assert len(error.field) < 110


def test_hostile_query_count() -> None:
    made = binder()
    assert len(bind(made, query="&".join(["texts=a"] * 5000)).message.texts) == 5000
    assert refused(made, query="&".join(["texts=a"] * 5001)).message == ("query parameter: more than 5000 parameters")


def test_hostile_query_kept_names_are_bounded() -> None:
    made = binder()
    bind(made)
    kept = made._plan._query._parameters._targets
    for number in range(3000):
        steps = [("nextKin", "next_kin")[number >> bit & 1] for bit in range(12)]
        bind(made, query=f"author.{'.'.join(steps)}.born=1&labels[{number}]=a")
        assert 0 < len(kept) <= 1000


def test_hostile_query_time() -> None:
    made = binder()
    queries = [
        ".".join(["author"] * 8000),
        "&".join(["a"] * 4999),
        "labels" + "[" * 60_000 + "=1",
        "[" * 60_000,
        "]" * 60_000,
        "[a]." * 15_000,
        "." * 60_000,
        "text=" + "%41" * 20_000,
        "small=" + "9" * 60_000,
        "genre=" + "9" * 60_000,
        "twice=" + "9" * 60_000,
        "value=" + "[" * 60_000,
        "time=" + "9" * 60_000,
        "data=" + "A" * 60_000 + "&data=",
        "=".join(["a"] * 30_000),
        "&" * 4_999,
    ]
    started = time.process_time()
    for query in queries:
        with suppress(InvalidArgument):
            bind(made, query=query)
    assert time.process_time() - started < 2


def test_an_open_bracket_is_no_name_also_after_an_entry_was_found() -> None:
    """`labels[` once met the plan that was kept for `labels[k]`, and was taken for an entry without a key."""
    made = binder()
    assert bind(made, query="labels[k]=v").message.labels["k"] == "v"
    with pytest.raises(InvalidArgument, match="no ']' at its end"):
        bind(made, query="labels[=v")
