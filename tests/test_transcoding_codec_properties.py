"""The codec against protobuf's json_format, on random types and random messages of those types.

For a long run: ``CODEC_EXAMPLES=20000 python -m pytest tests/test_transcoding_codec_properties.py``.
"""

import functools
import json
import os
from dataclasses import fields, replace

import codec_strategies as strategies
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import Codec, JsonOptions, parse_json

EXAMPLES = int(os.environ.get("CODEC_EXAMPLES", "120"))  # more for a long run
MODEST = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
GAPS = ("Float value too", "null is not allowed", "NoneType")
"""What json_format writes but does not read: the largest float, NullValue in a list or a map."""
OPTIONS = st.builds(JsonOptions, **{field.name: st.booleans() for field in fields(JsonOptions)})


def their_text(message, options, pool):
    return json_format.MessageToJson(
        message,
        always_print_fields_with_no_presence=options.always_print_fields,
        preserving_proto_field_name=options.preserve_proto_field_names,
        use_integers_for_enums=options.enums_as_numbers,
        descriptor_pool=pool,
    )


def they_read(text, message, pool):
    """Let json_format read into `message`; False where it does not read what it writes."""
    try:
        json_format.Parse(text, message, descriptor_pool=pool)
    except json_format.ParseError as error:
        if any(gap in str(error) for gap in GAPS):
            return False
        raise
    return True


def wire(message):
    return type(message).SerializePartialToString(message, deterministic=True)


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
    expected = GetMessageClass(descriptor)()
    if not they_read(theirs, expected, pool):
        expected = message
    assume(type(expected).IsInitialized(expected))
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
def test_merges_as_json_format_does_but_for_lists(data):
    pool = data.draw(strategies.pools(extensions=False))
    descriptor = pool.FindMessageTypeByName("p.M0")
    first, second = data.draw(strategies.messages(descriptor)), data.draw(strategies.messages(descriptor))
    strategies.clear_lists(first)
    codec = Codec(pool)
    text = codec.encoder(descriptor)(second)
    expected = GetMessageClass(descriptor)()
    GetMessageClass(descriptor).MergeFrom(expected, first)
    assume(they_read(text, expected, pool))
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
        if field.json_name in whole:  # an unset Value is null here, which would set it
            codec.field_setter(field)(copy, alone)
    again = parse_json(codec.encoder(descriptor)(copy))
    assert again == {key: value for key, value in whole.items() if key[0] != "["}


class HostileTextTests:
    """Whatever the bytes, nothing but InvalidArgument comes out."""

    @settings(MODEST, max_examples=2 * EXAMPLES)
    @given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
    @example(b"")
    @example(b"\xef\xbb\xbf{}")
    @example(b"[" * 5000)
    @example(b'{"s":' * 3000)
    def test_random_bytes(self, text):
        self.read(text)

    @settings(MODEST, max_examples=2 * EXAMPLES)
    @given(st.data())
    def test_mutated_json(self, data):
        pool = strategies.pool_of_everything()
        descriptor = pool.FindMessageTypeByName("p.M0")
        message = data.draw(strategies.messages(descriptor, 1))
        text = bytearray(json_format.MessageToJson(message, indent=None, descriptor_pool=pool).encode())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(text)))
            end = place + data.draw(st.integers(0, 3))
            text[place:end] = data.draw(st.sampled_from(SNIPPETS))
        self.read(bytes(text))

    def read(self, text):
        for decode in decoders():
            try:
                message, complaint = decode(text), ""
            except InvalidArgument as error:
                message, complaint = None, error.message
            assert (message is None) == bool(complaint)
            assert len(complaint) < 1000
            assert not any(word in complaint for word in ("Traceback", "<class", "NoneType"))


@functools.cache
def decoders():
    pool = strategies.pool_of_everything()
    names = ("p.M0", "google.protobuf.Value", "google.protobuf.Any", "google.protobuf.Timestamp")
    codecs = (Codec(pool), Codec(pool, JsonOptions(ignore_unknown_fields=True, case_insensitive_enums=True)))
    return [codec.decoder(pool.FindMessageTypeByName(name)) for codec in codecs for name in names]


SNIPPETS = [b"", b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1", b"-", b"e9", b".", b"\\", b"\\u0000"]
SNIPPETS += [b"\\ud800", b"\xff", b"\x00", b"1e999", b"99999999999999999999", b'"a"', b'"@type":', b"[[]]", b"{}", b" "]
