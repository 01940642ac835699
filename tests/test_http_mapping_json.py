"""The table of the ProtoJSON page, a test for each row: the JSON form out, the forms taken in, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import codec_types as types
import pytest
from google.protobuf import json_format


def out(name: str, value: Any) -> str:
    """Give the JSON text of one field."""
    text = types.written(types.make(**{name: value}))
    (key,) = json.loads(text)
    return text[len(key) + 4 : -1]


def into(name: str, text: str) -> Any:
    """Read the JSON text of one field, named as in the .proto."""
    return getattr(types.read(f'{{"{name}": {text}}}'), name)


def check(name: str, forms: dict[str, Any], refused: list[str]) -> None:
    """Every form is read as its value, and everything else is refused at that field."""
    for text, value in forms.items():
        assert into(name, text) == value, text
    for text in refused:
        assert types.refused(f'{{"{name}": {text}}}')[0].startswith(name), text


def test_message() -> None:
    """Objects, by json_name (lowerCamelCase, or the option of that name); the .proto's names are taken too."""
    message = types.make(int32_value=1, renamed="a", inner={"bool_value": True})
    assert types.written(message) == '{"int32Value":1,"inner":{"boolValue":true},"@re named":"a"}'
    assert types.read('{"int32_value": 1, "renamed": "a", "inner": {"boolValue": true}}') == message
    check("inner", {"{}": types.make()}, ["[]", "1", '""', "true"])


def test_enum() -> None:
    """The name; names and numbers are taken, and numbers without a name kept, as proto3's enums are open."""
    assert [out("color", value) for value in (1, -1, 7)] == ['"DARK_RED"', '"NEGATIVE"', "7"]
    check("color", {'"GREEN"': 2, "2": 2, '"2"': 2, "7": 7, "2.0": 2}, ['"green"', '"NOPE"', "0.5", "true", "[]", '""'])


def test_map() -> None:
    """Objects; every key is a string."""
    assert out("int32_map", {-1: 2}) == '{"-1":2}'
    assert out("bool_map", {True: 2}) == '{"true":"GREEN"}'
    check("int32_map", {"{}": {}, '{"1": "2"}': {1: 2}}, ["[]", '{"1": null}', '{"a": 1}', '{"1": 1, "01": 2}'])


def test_repeated() -> None:
    """Arrays; no single value for an array of one, and no null within."""
    assert out("int64_list", [1, 2]) == '["1","2"]'
    check("int64_list", {"[]": [], '[1, "2"]': [1, 2], "null": []}, ["1", "{}", "[null]", "[[1]]"])


def test_bool() -> None:
    assert out("bool_value", True) == "true"
    check("bool_value", {"true": True, "false": False}, ['"true"', "1", "0", '""', "[]"])


def test_string() -> None:
    assert out("string_value", 'é\n"\u2028') == '"é\\n\\"\u2028"'
    check("string_value", {'"\\u00e9\\ud83d\\ude00"': "é😀", '""': ""}, ["1", "true", "[]", "{}"])
    assert types.refused('{"string_value": "\\ud800"}')


def test_bytes() -> None:
    """Standard base64 with padding; the URL-safe alphabet is taken too, padded or not."""
    assert out("bytes_value", b"\xfb\xff\xfe\x01") == '"+//+AQ=="'
    forms = {f'"{text}"': b"\xfb\xff\xfe\x01" for text in ("+//+AQ==", "-__-AQ==", "+//+AQ", "-__-AQ")}
    check("bytes_value", forms, ['"A"', '"AQI=="', '"A QI"', '"+_8="', "1", "[]"])


@pytest.mark.parametrize("name", ["int32_value", "sint32_value"])
def test_int32(name: str) -> None:
    assert out(name, -(2**31)) == "-2147483648"
    forms = {"1": 1, '"1"': 1, "1.0": 1, "1e2": 100, '"1e2"': 100, "-2147483648": -(2**31), "2147483647": 2**31 - 1}
    check(name, forms, ["2147483648", "-2147483649", "0.5", '"0.5"', '""', '" 1"', '"+1"', "true", "[]"])


def test_uint32() -> None:
    assert out("uint32_value", 2**32 - 1) == "4294967295"
    check("uint32_value", {"4294967295": 2**32 - 1, "-0": 0, '"1"': 1}, ["-1", "4294967296", "1.5", "true"])


def test_int64() -> None:
    """A string, since many readers of JSON keep numbers in doubles; numbers are taken, to the last digit."""
    assert out("int64_value", -(2**63)) == '"-9223372036854775808"'
    forms = {"9223372036854775807": 2**63 - 1, '"-9223372036854775808"': -(2**63), "9007199254740993": 2**53 + 1}
    check("int64_value", forms, ["9223372036854775808", '"-9223372036854775809"', "0.5", '"x"', "true"])


@pytest.mark.parametrize("name", ["uint64_value", "fixed64_value"])
def test_uint64(name: str) -> None:
    assert out(name, 2**64 - 1) == '"18446744073709551615"'
    check(name, {"18446744073709551615": 2**64 - 1, '"1"': 1}, ["18446744073709551616", "-1", '"-1"'])


def test_double() -> None:
    assert [out("double_value", value) for value in (1.5, 1.0, math.nan, -math.inf)] == [
        "1.5",
        "1.0",
        '"NaN"',
        '"-Infinity"',
    ]
    forms = {"1": 1.0, "1e2": 100.0, '"1.5"': 1.5, '"Infinity"': math.inf, "-0.0": 0.0}
    check("double_value", forms, ['"1e400"', '"nan"', '"inf"', '"+1"', '""', "true", "[]"])
    assert math.isnan(into("double_value", '"NaN"'))
    for text in ("NaN", "Infinity", "1e400"):
        types.refused(f'{{"double_value": {text}}}')


def test_float() -> None:
    """As few digits as give the float back; whatever is nearest is taken, what is beyond the range refused."""
    assert out("float_value", 0.1) == "0.1"
    largest = 3.4028234663852886e38
    assert into("float_value", out("float_value", largest)) == largest
    check(
        "float_value", {"3.4028235e38": largest, "1e-46": 0.0, '"-Infinity"': -math.inf}, ["3.5e38", '"1e39"', "true"]
    )


def test_any() -> None:
    """The message's own JSON with `@type`, or that and `value` for a type with a JSON form of its own."""
    pair = '{"@type":"x/t.Pair","left":"l"}'
    assert types.written(types.read(f'{{"any": {pair}}}')) == f'{{"any":{pair}}}'
    duration = '{"@type":"x/google.protobuf.Duration","value":"1s"}'
    assert types.written(types.read(f'{{"any": {duration}}}')) == f'{{"any":{duration}}}'
    check("any", {}, ['{"left": "l"}', '{"@type": "t.Pair"}', '{"@type": "x/t.Nope"}', "[]"])


def test_timestamp() -> None:
    """RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second; other offsets are taken."""
    nanos = {0: "", 10**8: ".100", 10**3: ".000001", 1: ".000000001"}
    for count, digits in nanos.items():
        assert out("timestamp", {"seconds": 1, "nanos": count}) == f'"1970-01-01T00:00:01{digits}Z"'
    assert into("timestamp", '"1970-01-01T01:00:00.5+01:00"').nanos == 500_000_000
    wrong = ['"1970-01-01"', '"1970-01-01T00:00:00"', '"1970-01-01t00:00:00z"', '"0000-01-01T00:00:00Z"', "0"]
    check("timestamp", {}, [*wrong, '"10000-01-01T00:00:00Z"', '"1970-01-01T00:00:60Z"'])


def test_duration() -> None:
    """Seconds and `s`, with 0, 3, 6 or 9 digits."""
    assert [out("duration", {"nanos": nanos}) for nanos in (0, 10**7, 1)] == ['"0s"', '"0.010s"', '"0.000000001s"']
    assert out("duration", {"seconds": -1, "nanos": -5 * 10**8}) == '"-1.500s"'
    assert into("duration", '"-0.5s"').nanos == -500_000_000
    check("duration", {}, ['"1"', '"1m"', '"+1s"', '"1.s"', '"1.0000000001s"', '"315576000001s"', "1"])


def test_struct() -> None:
    text = '{"a":[1.0,null,{"b":true}],"c":"d"}'
    assert json.loads(types.written(types.read(f'{{"struct": {text}}}')))["struct"] == json.loads(text)
    check("struct", {}, ["[]", "1", '""'])


def test_wrappers() -> None:
    """As what they wrap, so that null and absent are the same, and 0 is another value."""
    assert (
        types.written(types.make(wrapped_int64={"value": 0}, wrapped_bool={}))
        == '{"wrappedInt64":"0","wrappedBool":false}'
    )
    assert types.read('{"wrappedInt64": 0}').HasField("wrapped_int64")
    assert not types.read('{"wrappedInt64": null}').HasField("wrapped_int64")
    check("wrapped_int64", {}, ['{"value": 1}', "true", "1.5"])


def test_field_mask() -> None:
    """Paths in lowerCamelCase, with commas."""
    assert out("field_mask", {"paths": ["foo_bar", "a.b_c"]}) == '"fooBar,a.bC"'
    assert list(into("field_mask", '"fooBar,a.bC"').paths) == ["foo_bar", "a.b_c"]
    check("field_mask", {}, ['"foo_bar"', '"a,,b"', "[]", "1"])


def test_list_value() -> None:
    text = '[1.0,"a",null,[],{}]'
    assert json.loads(types.written(types.read(f'{{"listValue": {text}}}')))["listValue"] == json.loads(text)
    check("list_value", {}, ["{}", "1"])


@pytest.mark.parametrize("text", ["null", "1.5", '"a"', "true", "[]", "{}", "[[null]]"])
def test_value(text: str) -> None:
    """Any JSON; null is a value as others are."""
    message = types.read(f'{{"value": {text}}}')
    assert message.HasField("value")
    assert types.written(message) == f'{{"value":{text}}}'


def test_null_value() -> None:
    assert types.written(types.make(choice_null=0, null_list=[0])) == '{"nullList":[null],"choiceNull":null}'
    assert types.read('{"choiceNull": null}').WhichOneof("choice") == "choice_null"
    check("null_value", {"null": 0, '"NULL_VALUE"': 0, "0": 0}, ["true", '"null"'])


def test_empty() -> None:
    assert types.written(types.make(empty={})) == '{"empty":{}}'
    assert types.read('{"empty": {}}').HasField("empty")
    check("empty", {}, ["[]", '{"a": 1}'])


def test_presence_and_defaults() -> None:
    """What has no presence is left out at its default; what has presence is there when it is set."""
    assert types.written(types.make(int32_value=0, string_value="", color=0, int32_list=[])) == "{}"
    assert types.written(types.make(maybe=0, inner={}, choice_string="")) == '{"inner":{},"maybe":0,"choiceString":""}'
    everything = json.loads(types.written(types.make(), always_print_fields=True))
    assert (everything["int32Value"], everything["color"], everything["int32List"]) == (0, "COLOR_UNSPECIFIED", [])
    assert not {"maybe", "inner", "choiceString"} & everything.keys()


@pytest.mark.parametrize(
    "name",
    [
        "int32Value",
        "stringValue",
        "color",
        "inner",
        "maybe",
        "int32List",
        "stringMap",
        "timestamp",
        "wrappedInt64",
        "any",
    ],
)
def test_null_is_the_default(name: str) -> None:
    """A null leaves its field unset, lists and maps too; within these it is refused."""
    assert types.read(f'{{"{name}": null}}') == types.make()


def test_unknown_fields() -> None:
    """Refused with the nearest name, or dropped where the plugin says so."""
    assert types.refused('{"int32Valu": 1}') == (
        "int32Valu",
        'there is no such field in t.Everything; did you mean "int32Value"?',
    )
    assert types.read('{"nope": {"a": [1]}}', ignore_unknown_fields=True) == types.make()


def theirs(text: str) -> Any:
    """Read as `json_format` does."""
    return json_format.Parse(text, types.make(), descriptor_pool=types.pool())


LAXER = {
    "boolean for a number": ['{"doubleValue": true}', '{"floatValue": true}'],
    "quoted numbers": [
        '{"doubleValue": " 1"}',
        '{"int32Value": "+1"}',
        '{"int32Value": "1_0"}',
        '{"doubleValue": "inf"}',
    ],
    "quoted numbers not whole": ['{"int64Value": "1.00000000000000000001"}'],
    "quoted numbers out of range": ['{"doubleValue": "1e400"}'],
    "enums": ['{"color": 1.5}', '{"color": true}', '{"color": "+1"}'],
    "base64": ['{"bytesValue": "AQI=="}', '{"bytesValue": "A QI"}', '{"bytesValue": "+_8="}'],
    "lists for messages": ['{"inner": []}', '{"inner": ""}'],
    "keys of one meaning": ['{"int32Map": {"1": 1, "01": 2}}'],
    "one field under two names": ['{"int32Value": 1, "int32_value": 1}'],
    "oneof with null": ['{"choiceNull": null, "choiceString": ""}'],
    "type URLs": ['{"any": {"@type": "t.Pair"}}'],
    "keys beside value": ['{"any": {"@type": "x/google.protobuf.Duration", "value": "1s", "seconds": 1}}'],
    "timestamps": ['{"timestamp": "1970-1-1T0:0:0Z"}', '{"timestamp": "1970-01-01T00:00:00.Z"}'],
    "durations": ['{"duration": "+1s"}', '{"duration": "1.s"}', '{"duration": "1.0000000001s"}'],
    "field masks": ['{"fieldMask": "a,,b"}'],
}


@pytest.mark.parametrize("text", [text for texts in LAXER.values() for text in texts])
def test_refused_here_and_taken_by_json_format(text: str) -> None:
    theirs(text)
    types.refused(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"floatValue": 3.4028235e38}',
        '{"nullList": [null]}',
        '{"int64Value": 9223372036854775807.0}',
        '{"uint64Value": "1.8446744073709551615e19"}',
    ],
)
def test_taken_here_and_refused_by_json_format(text: str) -> None:
    with pytest.raises(json_format.ParseError):
        theirs(text)
    types.read(text)
