"""The codec against protobuf's json_format, on random types and random messages of those types."""

import json
from dataclasses import fields, replace

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests import codec_strategies as strategies

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import Codec, JsonOptions, parse_json

MODEST = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
OPTIONS = st.builds(JsonOptions, **{field.name: st.booleans() for field in fields(JsonOptions)})


def their_text(message, options, pool):
    return json_format.MessageToJson(
        message,
        always_print_fields_with_no_presence=options.always_print_fields,
        preserving_proto_field_name=options.preserve_proto_field_names,
        use_integers_for_enums=options.enums_as_numbers,
        descriptor_pool=pool,
    )


def wire(message):
    return message.SerializePartialToString(deterministic=True)


def same(left, right):
    """Equal, where NaN equals NaN and the values of Any are compared as messages."""
    return wire(left) == wire(right) or str(left) == str(right)


@MODEST
@given(st.data(), OPTIONS)
def test_writes_what_json_format_writes(data, options):
    pool = data.draw(strategies.pools())
    descriptor = pool.FindMessageTypeByName("p.M0")
    message = data.draw(strategies.messages(descriptor))
    ours = Codec(pool, options).encoder(descriptor)(message)
    assert json.loads(ours) == json.loads(their_text(message, options, pool))


@MODEST
@given(st.data(), OPTIONS)
def test_reads_back_what_either_writes(data, options):
    pool = data.draw(strategies.pools())
    descriptor = pool.FindMessageTypeByName("p.M0")
    message = data.draw(strategies.messages(descriptor))
    codec = Codec(pool, replace(options, case_insensitive_enums=False))
    decode = codec.decoder(descriptor)
    theirs = their_text(message, options, pool)
    expected = json_format.Parse(theirs, GetMessageClass(descriptor)(), descriptor_pool=pool)
    assume(expected.IsInitialized())
    assert same(decode(theirs.encode()), expected)
    assert same(decode(codec.encoder(descriptor)(message)), expected)


@MODEST
@given(st.data(), st.booleans())
def test_reads_as_json_format_does_what_both_take(data, ignore_unknown):
    pool = data.draw(strategies.pools())
    descriptor = pool.FindMessageTypeByName("p.M0")
    codec = Codec(pool, JsonOptions(ignore_unknown_fields=ignore_unknown))
    value = data.draw(strategies.loose_json(descriptor))
    text = json.dumps(value).encode()
    message = GetMessageClass(descriptor)()
    try:
        codec.merge(descriptor)(message, parse_json(text))
    except InvalidArgument:
        return
    try:
        theirs = json_format.Parse(
            text, GetMessageClass(descriptor)(), ignore_unknown_fields=ignore_unknown, descriptor_pool=pool
        )
    except json_format.ParseError:
        return
    assert same(message, theirs)


@MODEST
@given(st.data())
def test_merging_into_a_message_is_merging_messages(data):
    pool = data.draw(strategies.pools())
    descriptor = pool.FindMessageTypeByName("p.M0")
    first, second = data.draw(strategies.messages(descriptor)), data.draw(strategies.messages(descriptor))
    codec = Codec(pool)
    text = codec.encoder(descriptor)(second)
    expected = GetMessageClass(descriptor)()
    expected.CopyFrom(first)
    expected.MergeFrom(codec.decoder(descriptor)(text))
    codec.merge(descriptor)(first, parse_json(text))
    assert same(first, expected)


@MODEST
@given(st.data())
def test_a_field_is_written_and_set_as_within_its_message(data):
    pool = data.draw(strategies.pools())
    descriptor = pool.FindMessageTypeByName("p.M0")
    message = data.draw(strategies.messages(descriptor))
    codec = Codec(pool, JsonOptions(always_print_fields=True))
    whole = parse_json(codec.encoder(descriptor)(message))
    copy = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        alone = parse_json(codec.field_encoder(field)(message))
        assert alone == whole.get(field.json_name)
        codec.field_setter(field)(copy, alone)
    again = parse_json(codec.encoder(descriptor)(copy))
    assert again == {key: value for key, value in whole.items() if key[0] != "["}


class TestHostileText:
    """Whatever the bytes, nothing but InvalidArgument comes out."""

    @pytest.fixture(scope="class")
    def pool(self):
        return strategies.pools().example() if False else _conformance_like_pool()

    @settings(MODEST, max_examples=300)
    @given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
    @example(b"")
    @example(b"\xef\xbb\xbf{}")
    @example(b"[" * 5000)
    @example(b'{"s":' * 3000)
    def test_random_bytes(self, pool, text):
        self.read(pool, text)

    @settings(MODEST, max_examples=300)
    @given(st.data())
    def test_mutated_json(self, pool, data):
        descriptor = pool.FindMessageTypeByName("p.All")
        message = data.draw(strategies.messages(descriptor, 2))
        text = bytearray(Codec(pool).encoder(descriptor)(message))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(text)))
            end = place + data.draw(st.integers(0, 3))
            text[place:end] = data.draw(st.sampled_from(SNIPPETS))
        self.read(pool, bytes(text))

    def read(self, pool, text):
        for options in (JsonOptions(), JsonOptions(ignore_unknown_fields=True, case_insensitive_enums=True)):
            codec = Codec(pool).with_options(options)
            for name in ("p.All", "google.protobuf.Value", "google.protobuf.Any", "google.protobuf.Timestamp"):
                descriptor = pool.FindMessageTypeByName(name)
                try:
                    message = codec.decoder(descriptor)(text)
                except InvalidArgument as error:
                    assert len(error.message) < 1000
                    assert not any(word in error.message for word in ("Traceback", "<class", "NoneType"))
                else:
                    message.SerializeToString()


SNIPPETS = [b"", b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1", b"-", b"e9", b".", b"\\", b"\\u0000"]
SNIPPETS += [b"\\ud800", b"\xff", b"\x00", b"1e999", b"99999999999999999999", b'"a"', b'"@type":', b"[[]]", b"{}", b" "]


def _conformance_like_pool():
    """A type with a field of every kind."""
    from google.protobuf import descriptor_pb2
    from google.protobuf.descriptor_pool import DescriptorPool

    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="all.proto", package="p", syntax="proto3")
    file.dependency.extend(module.DESCRIPTOR.name for module in strategies.STANDARD)
    enum = file.enum_type.add(name="E")
    for number, name in enumerate(["ZERO", "ONE", "TWO"]):
        enum.value.add(name=name, number=number)
    message = file.message_type.add(name="All")
    types = [(number, "") for number in strategies.SCALARS]
    types += [(kind.TYPE_ENUM, ".p.E"), (kind.TYPE_MESSAGE, ".p.All")]
    types += [(kind.TYPE_MESSAGE, name) for name in strategies.WELL_KNOWN_NAMES]
    for number, (type_, name) in enumerate(types, 1):
        for offset, label in ((0, kind.LABEL_OPTIONAL), (100, kind.LABEL_REPEATED)):
            field = message.field.add(name=f"f_{number + offset}", number=number + offset, type=type_, label=label)
            if name:
                field.type_name = name
    pool = DescriptorPool()
    for module in strategies.STANDARD:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool
