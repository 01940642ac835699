"""The codec: its functions, options, errors and limits."""

from __future__ import annotations

import json
import sys
import threading
import time

import codec_types as types
import pytest
from codec_strategies import JSON_FORMAT_KNOWS_EXTENSIONS
from codec_types import codec, descriptor, make, pool, read, refused, written
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.transcoding import jsontext
from twistedgw.transcoding.codec import Codec, JsonOptions, check_required, parse_json

OLD = "t2.Old"


class ErrorPathTests:
    """Errors name the field as the client wrote it, and say what was expected."""

    @pytest.mark.parametrize(
        ("text", "path", "description"),
        [
            ('{"int32Value": 3000000000}', "int32Value", "expected a 32-bit integer, got 3000000000 (out of range)"),
            ('{"int32_value": "x"}', "int32_value", 'expected a 32-bit integer, got "x"'),
            ('{"uint64Value": -1}', "uint64Value", "expected an unsigned 64-bit integer, got -1 (out of range)"),
            ('{"stringValue": 1}', "stringValue", "expected a string, got 1"),
            ('{"stringValue": [1]}', "stringValue", "expected a string, got an array"),
            ('{"boolValue": "true"}', "boolValue", 'expected true or false, got "true"'),
            ('{"doubleValue": true}', "doubleValue", "expected a number, got a boolean"),
            ('{"floatValue": 1e39}', "floatValue", "expected a 32-bit float, got 1e+39 (out of range)"),
            ('{"bytesValue": "*"}', "bytesValue", 'expected base64 text, got "*"'),
            ('{"color": "BLUE"}', "color", 'expected a value of t.Color, got "BLUE"'),
            ('{"inner": 1}', "inner", "expected an object, got 1"),
            ('{"inner": {"inner": {"boolValue": 0}}}', "inner.inner.boolValue", "expected true or false, got 0"),
            ('{"inner": {"inner_list": [{}, {"bool_value": 0}]}}', "inner.inner_list[1].bool_value", None),
            ('{"innerList": [{}, {}, null]}', "innerList[2]", "expected an object, got null"),
            ('{"innerList": {}}', "innerList", "expected an array, got an object"),
            ('{"int32List": [1, 2, "3", 4.5, 4.5]}', "int32List[3]", "expected a 32-bit integer, got 4.5"),
            ('{"stringList": ["a", 1, 1]}', "stringList[1]", "expected a string, got 1"),
            ('{"stringMap": {"k": "v", "ke\\"y": 1}}', 'stringMap["ke\\"y"]', "expected a string, got 1"),
            ('{"int64Map": {"1": {"color": 1.5}}}', 'int64Map["1"].color', "expected a value of t.Color, got 1.5"),
            ('{"int32Map": {"x": 1}}', 'int32Map["x"]', 'expected a 32-bit integer, got "x"'),
            ('{"boolMap": {"yes": 1}}', 'boolMap["yes"]', 'expected the key "true" or "false", got "yes"'),
            ('{"int32Map": {"1": 1, "01": 1}}', "int32Map", "two keys that mean the same"),
            ('{"int32Valu": 1}', "int32Valu", 'there is no such field in t.Everything; did you mean "int32Value"?'),
            ('{"inner": {"zzz": 1}}', "inner.zzz", "there is no such field in t.Everything"),
            ('{"innerList": [{"inner": {"color": 1, "color": 1}}]}', "innerList[0].inner.color", "given twice"),
            ('{"color": 1, "maybe": 1, "int32_value": 1, "int32Value": 2}', "int32Value", None),
            (
                '{"choiceInt": 1, "choiceString": ""}',
                "choiceString",
                "only one of these may be given: choiceInt, choiceString",
            ),
            ('{"any": {"@type": "x/t.Pair", "left": 1}}', "any.left", "expected a string, got 1"),
            ('{"any": {"@type": "x/t.Nope"}}', "any.@type", 'there is no type "t.Nope"'),
            ('{"any": {"@type": "x/google.protobuf.Duration", "value": 1}}', "any.value", None),
            ('{"any": {"@type": "x/t.Pair", "left": "", "oops": 1}}', "any.oops", None),
            ('{"any": {"left": ""}}', "any", 'expected a key "@type" with the URL of a type'),
            ('{"timestamp": "2021-02-29T00:00:00Z"}', "timestamp", None),
            ('{"timestampList": ["1970-01-01T00:00:00Z", "x"]}', "timestampList[1]", None),
            ('{"fieldMask": "a,b_c"}', "fieldMask", 'expected field paths in camelCase, got "b_c"'),
            ('{"struct": []}', "struct", "expected an object, got an array"),
            ('{"wrappedInt64": "1.5"}', "wrappedInt64", 'expected a 64-bit integer, got "1.5"'),
            ("[1, 2", "", "not valid JSON at line 1, column 6"),
            ("", "", "expected JSON, got nothing"),
            (b'{"stringValue": "\xff"}', "", "not valid UTF-8 at byte 17"),
        ],
    )
    def test_path_and_description(self, text, path, description):
        field, found = refused(text)
        assert field == path
        assert description is None or found == description

    def test_long_values_and_keys_are_cut(self):
        for text in (
            json.dumps({"int32Value": "9" * 10000}),
            json.dumps({"k" * 10000: 1}),
            json.dumps({"stringMap": {"k" * 10000: 1}}),
            json.dumps({"color": "\n\x1b[31m" * 1000}),
            json.dumps({"any": {"@type": "x/" + "y" * 10000}}),
        ):
            field, description = refused(text)
            assert len(field) < 70
            assert len(description) < 120
            assert (field + description).isprintable()

    def test_the_message_shows_the_place(self):
        with pytest.raises(InvalidArgument) as caught:
            read('{"innerList": [{"boolValue": 1}]}')
        assert "innerList[0].boolValue" in caught.value.message
        assert caught.value.violations == (("innerList[0].boolValue", "expected true or false, got 1"),)
        assert caught.value.http_status == 400

    def test_deep_errors_take_no_longer_than_deep_messages(self):
        depth = 49
        text = '{"innerList":[' * depth + '{"boolValue":1}' + "]}" * depth
        started = time.perf_counter()
        field, _ = refused(text)
        assert field == "innerList[0]." * depth + "boolValue"
        assert time.perf_counter() - started < 1


class OptionTests:
    def test_always_print_fields(self):
        message = make(inner={}, int32_list=[1])
        ours = json.loads(written(message, always_print_fields=True))
        assert ours == json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
        assert ours["stringMap"] == {}
        assert ours["inner"]["color"] == "COLOR_UNSPECIFIED"
        assert "maybe" not in ours
        assert "choiceInt" not in ours

    def test_preserve_proto_field_names(self):
        message = make(int32_value=1, renamed="x", inner={"bool_value": True})
        assert json.loads(written(message, preserve_proto_field_names=True)) == {
            "int32_value": 1,
            "renamed": "x",
            "inner": {"bool_value": True},
        }
        assert json.loads(written(message)) == {"int32Value": 1, "@re named": "x", "inner": {"boolValue": True}}

    def test_enums_as_numbers(self):
        message = make(color=1, color_list=[0, -1, 7], bool_map={True: 2})
        assert json.loads(written(message, enums_as_numbers=True)) == {
            "color": 1,
            "colorList": [0, -1, 7],
            "boolMap": {"true": 2},
        }
        assert json.loads(written(message)) == {
            "color": "DARK_RED",
            "colorList": ["COLOR_UNSPECIFIED", "NEGATIVE", 7],
            "boolMap": {"true": "GREEN"},
        }

    @pytest.mark.parametrize("name", ["DARK_RED", "dark_red", "Dark-Red", "dark-RED"])
    def test_case_insensitive_enums(self, name):
        text = json.dumps({"color": name, "colorList": [name], "boolMap": {"true": name}})
        message = read(text, case_insensitive_enums=True)
        assert (message.color, message.color_list[0], message.bool_map[True]) == (1, 1, 1)

    def test_other_names_stay_unknown_in_any_case(self):
        assert refused('{"color": "darkred"}', case_insensitive_enums=True)[0] == "color"

    def test_with_options_gives_one_codec_for_each(self):
        first = Codec(pool())
        second = first.with_options(JsonOptions(enums_as_numbers=True))
        assert second is first.with_options(JsonOptions(enums_as_numbers=True))
        assert second.with_options(JsonOptions()) is first
        assert second.options.enums_as_numbers


class Proto2Tests:
    def test_presence_and_defaults(self):
        assert json.loads(written(read('{"id": "", "count": 7}', OLD))) == {"id": "", "count": 7}
        assert written(read('{"id": "", "count": 0, "text": ""}', OLD)) == '{"id":"","count":0,"text":""}'
        assert not read('{"id": "", "count": null}', OLD).HasField("count")

    def test_required_fields_are_missed_by_name(self):
        assert refused("{}", OLD) == ("id", "a required field is missing")
        assert refused('{"id": "", "innerList": [{"id": ""}, {}]}', OLD)[0] == "inner_list[1].id"
        assert refused('{"id": "", "[t2.old]": {}}', OLD)[0] == "old.id"
        assert refused('{"any": {"@type": "x/t2.Old"}}')[0] == "any.id"

    def test_merge_leaves_required_fields_to_later(self):
        message = make(OLD)
        codec().merge(descriptor(OLD))(message, {"count": 1})
        with pytest.raises(InvalidArgument, match="'id'"):
            check_required(message)
        message.id = "x"
        check_required(message)

    def test_missing_required_fields_are_written_as_they_are(self):
        assert written(make(OLD, count=1)) == '{"count":1}'

    def test_groups(self):
        message = read('{"id": "", "group": {"x": 1}}', OLD)
        assert message.group.x == 1
        assert written(message) == '{"id":"","group":{"x":1}}'

    def test_closed_enums(self):
        assert read('{"id": "", "closed": 1}', OLD).closed == 1
        for text in ('{"id": "", "closed": 2}', '{"id": "", "closedList": [2]}', '{"id": "", "closedMap": {"a": "2"}}'):
            assert "t2.Old.Closed" in refused(text, OLD)[1]
            assert "t2.Old.Closed" in refused(text.replace('"2"', "2"), OLD, ignore_unknown_fields=True)[1]

    def test_extensions(self):
        text = (
            '{"id":"x","[t2.number]":5,"[t2.olds]":[{"id":"a"},{"id":"b"}],"[t2.old]":{"id":"c"},'
            '"[t2.Scope.scoped]":"s","[t2.numbers]":[1,2]}'
        )
        message = read(text, OLD)
        assert json.loads(written(message)) == json.loads(text)
        assert [message.Extensions[pool().FindExtensionByName(f"t2.{name}")] for name in ("number", "numbers")] == [
            5,
            [1, 2],
        ]
        if JSON_FORMAT_KNOWS_EXTENSIONS:
            assert json.loads(text) == json_format.MessageToDict(message, descriptor_pool=pool())
            assert json_format.Parse(text, make(OLD), descriptor_pool=pool()) == message

    @pytest.mark.parametrize(
        "key", ["[t2.nope]", "[t2.names_extension]", "[]", "[", "t2.number", "[t2.number", "[.t2.number]"]
    )
    def test_unknown_extensions(self, key):
        text = json.dumps({"id": "", key: 1})
        assert refused(text, OLD)[0] == key
        assert written(read(text, OLD, ignore_unknown_fields=True)) == '{"id":""}'

    def test_null_and_empty_extensions(self):
        message = read('{"id": "", "[t2.number]": null, "[t2.numbers]": []}', OLD)
        assert written(message) == '{"id":""}'

    def test_errors_in_extensions(self):
        assert refused('{"id": "", "[t2.olds]": [{"id": 1}]}', OLD)[0] == "[t2.olds][0].id"

    def test_text_that_is_not_utf8_is_not_written(self):
        message = codec().message_class(descriptor(OLD)).FromString(b"\x0a\x00\x4a\x05\x0a\x00\x42\x01\xff")
        with pytest.raises(GatewayError, match=r"field 'inner_list\[0\].text': text that is not UTF-8"):
            written(message)

    def test_fields_named_as_methods_are(self):
        names = [field.name for field in descriptor("t2.Names").fields]
        simple = {name: f"<{name}>" for name in names if name not in ("v", "out")}
        simple["SerializePartialToString"] = {"self": "x"}
        simple["FindInitializationErrors"] = ["a"]
        simple["[t2.names_extension]"] = "e"
        message = read(json.dumps(simple), "t2.Names", preserve_proto_field_names=True)
        assert json.loads(written(message, preserve_proto_field_names=True)) == simple
        for field in descriptor("t2.Names").fields:
            codec().field_encoder(field)(message)
            codec().field_setter(field)(message, None)


class FieldTests:
    """One field alone: `field_encoder` and `field_setter`."""

    def field(self, name):
        return descriptor("t.Everything").fields_by_name[name]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("int64_value", '"0"'),
            ("string_value", '""'),
            ("color", '"COLOR_UNSPECIFIED"'),
            ("int32_list", "[]"),
            ("string_map", "{}"),
            ("inner", "null"),
            ("maybe", "null"),
            ("timestamp", "null"),
            ("choice_int", "null"),
        ],
    )
    def test_a_field_that_is_not_set(self, name, text):
        assert codec().field_encoder(self.field(name))(make()).decode() == text

    def test_a_field_that_is_set(self):
        message = make(inner={"int32_value": 1}, inner_list=[{}, {"maybe": 0}], string_map={"a": "b"}, maybe=0)
        assert codec().field_encoder(self.field("inner"))(message) == b'{"int32Value":1}'
        assert codec().field_encoder(self.field("inner_list"))(message) == b'[{},{"maybe":0}]'
        assert codec().field_encoder(self.field("string_map"))(message) == b'{"a":"b"}'
        assert codec().field_encoder(self.field("maybe"))(message) == b"0"

    def test_an_extension(self):
        field = pool().FindExtensionByName("t2.number")
        message = make(OLD)
        assert codec().field_encoder(field)(message) == b"null"
        codec().field_setter(field)(message, "5")
        assert codec().field_encoder(field)(message) == b"5"

    def test_a_field_that_cannot_be_written(self):
        with pytest.raises(GatewayError, match="'timestamp'"):
            codec().field_encoder(self.field("timestamp"))(make(timestamp={"nanos": -1}))

    def test_lists_are_appended_and_maps_merged(self):
        message = make(int32_list=[1], string_map={"a": "1", "b": "2"})
        codec().field_setter(self.field("int32_list"))(message, ["2"])
        codec().field_setter(self.field("string_map"))(message, {"a": "3"})
        assert list(message.int32_list) == [1, 2]
        assert dict(message.string_map) == {"a": "3", "b": "2"}

    def test_messages_are_merged_and_values_replaced(self):
        message = make(inner={"int32_value": 1}, timestamp={"seconds": 5, "nanos": 6}, int32_value=3)
        codec().field_setter(self.field("inner"))(message, {"maybe": 0})
        codec().field_setter(self.field("timestamp"))(message, "1970-01-01T00:00:01Z")
        codec().field_setter(self.field("int32_value"))(message, 0)
        assert message == make(inner={"int32_value": 1, "maybe": 0}, timestamp={"seconds": 1})

    def test_null_changes_nothing_but_sets_a_value(self):
        message = make(int32_value=3)
        codec().field_setter(self.field("int32_value"))(message, None)
        codec().field_setter(self.field("value"))(message, None)
        assert message == make(int32_value=3, value={"null_value": 0})

    @pytest.mark.parametrize(
        ("name", "value", "path"),
        [
            ("int32_value", "x", ""),
            ("int32_list", [1, "x"], "[1]"),
            ("inner", {"bool_value": 1}, "bool_value"),
            ("inner_list", [{"bool_value": 1}], "[0].bool_value"),
            ("string_map", {"a": 1}, '["a"]'),
            ("int32_list", 1, ""),
        ],
    )
    def test_the_path_begins_below_the_field(self, name, value, path):
        with pytest.raises(InvalidArgument) as caught:
            codec().field_setter(self.field(name))(make(), value)
        assert caught.value.field == path

    def test_unknown_names_of_enums_are_skipped_where_asked(self):
        message = make(color=1)
        codec(ignore_unknown_fields=True).field_setter(self.field("color"))(message, "NOPE")
        assert message.color == 1


class ParseJsonTests:
    @pytest.mark.parametrize(
        "text",
        [
            "null",
            "true",
            "0",
            "-1.5e3",
            '""',
            "[]",
            "{}",
            '[{"a": [1, 2, {"b": null}]}]',
            ' {"a:b" : "c:d"} ',
            '{"\\u003a": ":"}',
        ],
    )
    def test_what_json_takes(self, text):
        assert parse_json(text.encode()) == json.loads(text)

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ('{"a": 1, "a": 1}', "a"),
            ('{"x": [0, {"a": 1, "\\u0061": 1}]}', "x[1].a"),
            ('{"a": {"b": 1}, "a": "\\u003a"}', "a"),
            ('{"": 1, "": 2}', ""),
            ('[{"a": 1, "b": 2, "b": {"a": 1}}]', "[0].b"),
        ],
    )
    def test_a_key_given_twice(self, text, path):
        with pytest.raises(InvalidArgument) as caught:
            parse_json(text.encode())
        assert caught.value.field == path
        assert caught.value.description == "given twice"

    def test_integers_beyond_64_bits_do_not_become_the_largest_within(self):
        assert parse_json(b"[-9223372036854775809]") == [-9223372036854775809]
        assert parse_json(b'{"a": 18446744073709551616, "b": 1.5}') == {"a": 18446744073709551616, "b": 1.5}
        assert parse_json(b"9223372036854775807.0") == 9223372036854775807

    @pytest.mark.parametrize("depth", [1, 5, 12, 13, 99, 100])
    @pytest.mark.parametrize("filler", ["", '"]",', '"[",', '"\\"]",', '"\\\\","]}",', '"' + "]" * 200 + '",'])
    def test_depth_is_counted_exactly(self, depth, filler):
        inside = f"[{filler}" * depth + "0" + "]" * depth
        parse_json(inside.encode(), max_depth=depth)
        with pytest.raises(InvalidArgument, match=f"nested more than {depth - 1} levels"):
            parse_json(inside.encode(), max_depth=depth - 1)

    @pytest.mark.parametrize(
        "text", [b"[" * 10**6, b'{"a":' * 10**6, b"[" * 5 * 10**5 + b"]" * 5 * 10**5, b"]" * 10**6]
    )
    def test_hopeless_depth_is_refused_at_once(self, text):
        started = time.perf_counter()
        with pytest.raises(InvalidArgument):
            parse_json(text)
        assert time.perf_counter() - started < 1

    def test_the_parser_of_a_type_is_as_strict(self):
        parse = codec().parser(descriptor("t.Pair"))
        assert parse(b'{"left": "a"}') == {"left": "a"}
        for text in (b'{"left": 1, "left": 2}', b"{", b"\xff"):
            with pytest.raises(InvalidArgument):
                parse(text)
        for name in ("t.Everything", "google.protobuf.Struct", OLD):
            with pytest.raises(InvalidArgument, match="nested more than 100"):
                codec().parser(descriptor(name))(b"[" * 101 + b"]" * 101)
        with pytest.raises(InvalidArgument, match="nested more than 100"):
            codec(ignore_unknown_fields=True).parser(descriptor("t.Pair"))(b"[" * 101 + b"]" * 101)


class AnyTests:
    def test_types_are_those_of_the_pool(self):
        text = '{"any":{"@type":"type.googleapis.com/t.Pair","left":"x"}}'
        assert written(read(text)) == text
        pair = make("t.Pair", left="x")
        assert read(text).any.value == pair.SerializeToString()

    def test_a_type_that_is_not_known_keeps_its_bytes(self):
        message = make(any={"type_url": "x/y.Unknown", "value": b"\x01\x02"})
        assert written(message) == '{"any":{"@type":"x/y.Unknown","value":"AQI="}}'

    def test_an_any_of_an_any_of_an_any(self):
        inner = '{"@type":"x/google.protobuf.Duration","value":"1s"}'
        for _ in range(20):
            inner = f'{{"@type":"x/google.protobuf.Any","value":{inner}}}'
        text = f'{{"any":{inner}}}'
        assert written(read(text)) == text

    def test_nesting_without_end_is_not_written(self):
        any_class = codec().message_class(descriptor("google.protobuf.Any"))
        message = any_class(type_url="x/google.protobuf.Empty")
        for _ in range(sys.getrecursionlimit()):
            message = any_class(type_url="x/google.protobuf.Any", value=message.SerializeToString())
        with pytest.raises(GatewayError):
            written(message)


class CompilationTests:
    def test_the_source_can_be_looked_at(self):
        source = codec().source(descriptor("t.Pair"))
        assert "def encode_t_Pair(m):" in source
        assert "def decode_t_Pair(d):" in source
        assert codec().source(descriptor("google.protobuf.Timestamp")) == ""

    def test_a_codec_is_cheap_and_compiles_what_is_used(self):
        made = Codec(pool())
        encode = made.encoder(descriptor("t.Pair"))
        made.decoder(descriptor("t.Everything"))
        assert not made._encoders._functions._made
        assert encode(make("t.Pair", left="x")) == b'{"left":"x"}'
        assert list(made._encoders._functions._made) == ["t.Pair"]
        assert not made._decoders._functions._made

    def test_names_that_differ_only_in_punctuation_stay_apart(self):
        from google.protobuf import descriptor_pb2

        own = DescriptorPool()
        for package, field in (("a.b", "one"), ("a_b", "two")):
            file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
            message = file.message_type.add(name="C")
            message.field.add(name=field, number=1, type=9, label=1)
            own.AddSerializedFile(file.SerializeToString())
        made = Codec(own)
        for package, field in (("a.b", "one"), ("a_b", "two")):
            kind = own.FindMessageTypeByName(f"{package}.C")
            message = made.decoder(kind)(json.dumps({field: "x"}).encode())
            assert made.encoder(kind)(message) == json.dumps({field: "x"}, separators=(",", ":")).encode()

    def test_enum_values_with_a_name_of_their_own_in_json(self):
        options = pytest.importorskip("google.protobuf.json_enumvalue_options_pb2")
        from google.protobuf import descriptor_pb2

        own = DescriptorPool()
        file = descriptor_pb2.FileDescriptorProto(name="named.proto", package="n", syntax="proto3")
        enum = file.enum_type.add(name="E")
        enum.value.add(name="ZERO", number=0)
        one = enum.value.add(name="ONE", number=1)
        one.options.Extensions[options.json].string = "the one"
        file.message_type.add(name="M").field.add(name="e", number=1, type=14, type_name=".n.E", label=3)
        own.AddSerializedFile(file.SerializeToString())
        kind = own.FindMessageTypeByName("n.M")
        message = Codec(own).decoder(kind)(b'{"e": ["the one", "ONE", 1, "ZERO"]}')
        assert Codec(own).encoder(kind)(message) == b'{"e":["the one","the one","the one","ZERO"]}'
        assert json_format.MessageToDict(message) == {"e": ["the one", "the one", "the one", "ZERO"]}

    def test_many_fields_of_which_few_are_given(self):
        from google.protobuf import descriptor_pb2

        own = DescriptorPool()
        file = descriptor_pb2.FileDescriptorProto(name="wide.proto", package="w", syntax="proto3")
        message = file.message_type.add(name="Wide")
        for number in range(1, 301):
            message.field.add(name=f"f_{number}", number=number, type=5, label=1 + 2 * (number % 2))
        own.AddSerializedFile(file.SerializeToString())
        kind = own.FindMessageTypeByName("w.Wide")
        for options in (JsonOptions(), JsonOptions(always_print_fields=True)):
            made = Codec(own, options)
            few = made.decoder(kind)(b'{"f2": 1, "f_3": [1, 2]}')
            many = made.decoder(kind)(json.dumps({f"f{n}": [n] if n % 2 else n for n in range(1, 301)}).encode())
            for found in (few, many):
                theirs = json_format.MessageToDict(
                    found, always_print_fields_with_no_presence=options.always_print_fields
                )
                assert json.loads(made.encoder(kind)(found)) == theirs
        with pytest.raises(InvalidArgument, match="f2"):
            Codec(own).decoder(kind)(b'{"f2": 1, "f_2": 2}')

    def test_all_threads_may_compile_at_once(self):
        text = b'{"inner": {"innerList": [{"any": {"@type": "x/t.Everything", "struct": {"a": [1]}}}]}, "color": 1}'
        expected = read(text)
        made = Codec(pool())
        failures = []
        start = threading.Barrier(8)

        def work():
            start.wait()
            try:
                message = made.decoder(descriptor("t.Everything"))(text)
                assert message == expected
                assert json.loads(made.encoder(descriptor("t.Everything"))(message)) == json.loads(written(expected))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_the_value_that_is_merged_is_left_as_it_was(self):
        value = {"stringMap": {"a": "b"}, "innerList": [{"int64Value": "1"}], "struct": {"a": [1]}}
        before = json.dumps(value)
        codec().merge(descriptor("t.Everything"))(make(), value)
        assert json.dumps(value) == before


def test_canonical_text_is_not_counted(monkeypatch):
    monkeypatch.setattr(jsontext, "_check_keys", lambda text: pytest.fail("a slow look at a text without need"))
    assert types.read('{"stringValue": "a:b\\n", "inner": {"stringMap": {"a:": ":"}}}').string_value == "a:b\n"
