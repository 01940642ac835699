"""Hypothesis strategies for the codec: descriptors, and messages and JSON for whatever they describe."""

from __future__ import annotations

import functools
import itertools
import struct
from typing import TYPE_CHECKING, Any

import google.protobuf
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

FD = descriptor_pb2.FieldDescriptorProto
STANDARD = (any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
WELL_KNOWN = [
    "Any Timestamp Duration FieldMask Struct Value ListValue DoubleValue FloatValue Int64Value UInt64Value",
    "Int32Value UInt32Value BoolValue StringValue BytesValue",
]
WELL_KNOWN_NAMES = [f".google.protobuf.{name}" for line in WELL_KNOWN for name in line.split()]
NAMES = ["a", "foo_bar", "from", "self", "HasField", "x1_y2", "_z", "camelCase", "a__b", "value", "class", "d", "None"]
NAMES += ["MergeFrom", "IsInitialized", "WhichOneof"]  # json_format itself fails on others, such as ListFields
SCALARS = [kind for kind in FD.Type.values() if kind not in (FD.TYPE_GROUP, FD.TYPE_MESSAGE, FD.TYPE_ENUM)]
KEYS = [kind for kind in SCALARS if kind not in (FD.TYPE_DOUBLE, FD.TYPE_FLOAT, FD.TYPE_BYTES)]
FEATURES = descriptor_pb2.FeatureSet
JSON_FORMAT_KNOWS_EXTENSIONS = int(google.protobuf.__version__.partition(".")[0]) >= 7
"""Before, it gave repeated ones the name of a field and could not read scalars."""
_numbers = itertools.count()

# Descriptors


@st.composite
def pools(draw: st.DrawFn, *, extensions: bool = JSON_FORMAT_KNOWS_EXTENSIONS) -> DescriptorPool:
    """A pool with the standard types and one file of a random syntax; its messages are p.M0, p.M1 and so on."""
    file = descriptor_pb2.FileDescriptorProto(name=f"p{next(_numbers)}.proto", package="p")
    file.dependency.extend(module.DESCRIPTOR.name for module in STANDARD)
    syntax = draw(st.sampled_from(["proto2", "proto3", "editions"]))
    file.syntax = syntax
    if syntax == "editions":
        file.edition = descriptor_pb2.EDITION_2023
    for index in range(2):
        _add_enum(draw, file, f"E{index}", syntax)
    count = draw(st.integers(1, 3))
    for index in range(count):
        message = file.message_type.add(name=f"M{index}")
        if syntax != "proto3" and draw(st.booleans()):
            message.extension_range.add(start=1000, end=2000)
    for message in file.message_type:
        _add_fields(draw, message, syntax, count)
    for number, message in enumerate(file.message_type):
        if message.extension_range and extensions:
            field = file.extension.add(name=f"ext_{number}", number=1000, extendee=f".p.{message.name}")
            _set_type(draw, field, count)
            field.label = draw(st.sampled_from([FD.LABEL_OPTIONAL, FD.LABEL_REPEATED]))
    pool = DescriptorPool()
    for module in STANDARD:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


@functools.cache
def pool_of_everything() -> DescriptorPool:
    """A pool with a type p.M0 that has a field of every kind, and a list of each."""
    file = descriptor_pb2.FileDescriptorProto(name="all.proto", package="p", syntax="proto3")
    file.dependency.extend(module.DESCRIPTOR.name for module in STANDARD)
    enum = file.enum_type.add(name="E")
    for number, name in enumerate(["ZERO", "ONE", "TWO"]):
        enum.value.add(name=name, number=number)
    message = file.message_type.add(name="M0")
    types = [(number, "") for number in SCALARS]
    types += [(FD.TYPE_ENUM, ".p.E"), (FD.TYPE_MESSAGE, ".p.M0")]
    types += [(FD.TYPE_MESSAGE, name) for name in WELL_KNOWN_NAMES]
    for number, (type_, name) in enumerate(types, 1):
        for offset, label in ((0, FD.LABEL_OPTIONAL), (100, FD.LABEL_REPEATED)):
            field = message.field.add(name=f"f_{number + offset}", number=number + offset, type=type_, label=label)
            if name:
                field.type_name = name
    pool = DescriptorPool()
    for module in STANDARD:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_enum(draw: st.DrawFn, file: descriptor_pb2.FileDescriptorProto, name: str, syntax: str) -> None:
    enum = file.enum_type.add(name=name)
    enum.value.add(name=f"{name}_ZERO", number=0)
    for number in draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)):
        enum.value.add(name=f"{name}_V{len(enum.value)}", number=number)
    enum.value.add(name=f"{name}_ALIAS", number=enum.value[-1].number)
    enum.options.allow_alias = True
    if syntax == "editions" and draw(st.booleans()):
        enum.options.features.enum_type = FEATURES.CLOSED


def _add_fields(draw: st.DrawFn, message: descriptor_pb2.DescriptorProto, syntax: str, count: int) -> None:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=8))
    if names[2:] and draw(st.booleans()):
        message.oneof_decl.add(name="choice")
    for number, name in enumerate(names, 1):
        field = message.field.add(name=name, number=number)
        kind = draw(st.sampled_from(["one", "one", "one", "many", "map", "group"]))
        if kind == "map":
            _make_map(draw, message, field, count)
            continue
        _set_type(draw, field, count)
        field.label = FD.LABEL_REPEATED if kind == "many" else FD.LABEL_OPTIONAL
        if kind == "group" and field.type == FD.TYPE_MESSAGE and field.type_name.startswith(".p."):
            if syntax == "proto2":
                field.type = FD.TYPE_GROUP
            elif syntax == "editions":
                field.options.features.message_encoding = FEATURES.DELIMITED
        if field.label == FD.LABEL_OPTIONAL:
            _set_presence(draw, message, field, syntax, in_oneof=number <= 3)
        if draw(st.integers(0, 5)) == 0:
            field.json_name = draw(st.sampled_from(["@x", 'q"uo\\te', "sp ace", "ünï"])) + str(number)
    _close_oneofs(message)


def _set_type(draw: st.DrawFn, field: descriptor_pb2.FieldDescriptorProto, count: int) -> None:
    field.type = draw(st.sampled_from([*SCALARS, FD.TYPE_ENUM, FD.TYPE_MESSAGE, FD.TYPE_MESSAGE, FD.TYPE_MESSAGE]))
    if field.type == FD.TYPE_ENUM:
        field.type_name = draw(st.sampled_from([".p.E0", ".p.E1", ".google.protobuf.NullValue"]))
    if field.type == FD.TYPE_MESSAGE:
        field.type_name = draw(st.sampled_from([f".p.M{index}" for index in range(count)] * 3 + WELL_KNOWN_NAMES))


def _make_map(
    draw: st.DrawFn,
    message: descriptor_pb2.DescriptorProto,
    field: descriptor_pb2.FieldDescriptorProto,
    count: int,
) -> None:
    entry = message.nested_type.add(name=f"Map{field.number}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=FD.LABEL_OPTIONAL, type=draw(st.sampled_from(KEYS)))
    _set_type(draw, entry.field.add(name="value", number=2, label=FD.LABEL_OPTIONAL), count)
    # protoc wants this very name; the pool does not.
    field.type, field.label, field.type_name = FD.TYPE_MESSAGE, FD.LABEL_REPEATED, f".p.{message.name}.{entry.name}"


def _set_presence(
    draw: st.DrawFn,
    message: descriptor_pb2.DescriptorProto,
    field: descriptor_pb2.FieldDescriptorProto,
    syntax: str,
    *,
    in_oneof: bool,
) -> None:
    if message.oneof_decl and in_oneof:
        field.oneof_index = 0
        return
    scalar = field.type not in (FD.TYPE_MESSAGE, FD.TYPE_GROUP)
    choice = draw(st.integers(0, 3))
    if syntax == "proto3" and choice == 0:
        field.proto3_optional = True
    elif syntax == "editions" and scalar and choice == 0 and field.type != FD.TYPE_ENUM:
        field.options.features.field_presence = FEATURES.IMPLICIT
    elif syntax == "proto2" and choice == 0 and field.type in (FD.TYPE_INT32, FD.TYPE_UINT64):
        field.default_value = "7"
    elif syntax == "proto2" and choice == 1 and scalar:
        field.label = FD.LABEL_REQUIRED


def _close_oneofs(message: descriptor_pb2.DescriptorProto) -> None:
    """Drop a oneof without members, and give each proto3 optional field its own."""
    if message.oneof_decl and not any(field.HasField("oneof_index") for field in message.field):
        del message.oneof_decl[:]
    for field in message.field:
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


# Messages

INTS = {
    **dict.fromkeys((FD.TYPE_INT32, FD.TYPE_SINT32, FD.TYPE_SFIXED32), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((FD.TYPE_INT64, FD.TYPE_SINT64, FD.TYPE_SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((FD.TYPE_UINT32, FD.TYPE_FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((FD.TYPE_UINT64, FD.TYPE_FIXED64), (0, 2**64 - 1)),
}
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)


def float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def json_values(depth: int = 2) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    leaves = (
        st.none()
        | st.booleans()
        | TEXTS
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
    )
    if not depth:
        return leaves
    inner = json_values(depth - 1)
    return leaves | st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 3) -> Message:
    """A message of a type, with its required fields."""
    message = GetMessageClass(descriptor)()
    fill(draw, message, depth)
    return message


def fill(draw: st.DrawFn, message: Any, depth: int) -> None:
    descriptor = type(message).DESCRIPTOR
    special = getattr(_Special, descriptor.name, None) if descriptor.full_name.startswith("google.protobuf.") else None
    if special is not None:
        special(draw, message)
        return
    extensions = descriptor.file.extensions_by_name.values() if descriptor.is_extendable else ()
    fields = [*descriptor.fields, *(field for field in extensions if field.containing_type == descriptor)]
    for field in fields:
        if field.is_required or draw(st.booleans()):
            _fill_field(draw, message, field, depth)


def _fill_field(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    inner = field.message_type
    extensions = type(message).Extensions.__get__(message) if field.is_extension else None
    if extensions is not None and field.is_repeated:  # just looking at it would leave an empty list
        if inner is None or depth:
            _fill_list(draw, extensions[field], field, depth, least=1)
        return
    target = getattr(message, field.name) if extensions is None else extensions[field]
    if field.is_repeated and inner is not None and inner.GetOptions().map_entry:
        _fill_map(draw, target, field, depth)
    elif field.is_repeated:
        _fill_list(draw, target, field, depth)
    elif inner is not None:
        if depth:
            type(target).SetInParent(target)
            fill(draw, target, depth - 1)
    elif extensions is None:
        setattr(message, field.name, draw(scalars(field)))
    else:
        extensions[field] = draw(scalars(field))


def _fill_map(draw: st.DrawFn, target: Any, field: FieldDescriptor, depth: int) -> None:
    key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    for _ in range(draw(st.integers(0, 2))):
        if value.message_type is None:
            target[draw(scalars(key))] = draw(scalars(value))
        elif depth:
            fill(draw, target[draw(scalars(key))], depth - 1)


def _fill_list(draw: st.DrawFn, target: Any, field: FieldDescriptor, depth: int, *, least: int = 0) -> None:
    for _ in range(draw(st.integers(least, 2))):
        if field.message_type is None:
            target.append(draw(scalars(field)))
        elif depth:
            fill(draw, target.add(), depth - 1)


def clear_lists(message: Any) -> None:
    """Clear the lists and maps of a message and of the messages in it, where json_format does not append."""
    for field, value in type(message).ListFields(message):
        if field.is_repeated:
            if field.is_extension:
                type(message).ClearExtension(message, field)
            else:
                type(message).ClearField(message, field.name)
        elif field.message_type is not None:
            clear_lists(value)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """A value of a scalar field."""
    if field.type in INTS:
        low, high = INTS[field.type]
        return st.sampled_from([low, high, 0]) | st.integers(low, high)
    if field.type == FD.TYPE_ENUM:
        known = [value.number for value in field.enum_type.values]
        if field.enum_type.name == "NullValue":  # any number is null in JSON
            return st.just(0)
        return st.sampled_from(known) if field.enum_type.is_closed else st.sampled_from(known) | st.integers(-9, 9)
    if field.type == FD.TYPE_DOUBLE:
        return st.floats()
    if field.type == FD.TYPE_FLOAT:
        return st.floats(width=32)
    if field.type == FD.TYPE_BOOL:
        return st.booleans()
    return st.binary(max_size=5) if field.type == FD.TYPE_BYTES else TEXTS


class _Special:
    """How the well-known types are filled."""

    @staticmethod
    def Any(draw: st.DrawFn, message: Any) -> None:
        if draw(st.booleans()):
            return
        pool = message.DESCRIPTOR.file.pool
        name = draw(st.sampled_from([name[1:] for name in WELL_KNOWN_NAMES] + ["p.M0"]))
        inner = GetMessageClass(pool.FindMessageTypeByName(name))()
        if name == "google.protobuf.Any":
            inner.type_url = "x.y/google.protobuf.Duration"
        else:
            fill(draw, inner, 1)
        message.type_url = draw(st.sampled_from(["type.googleapis.com/", "/", "a/b/"])) + name
        message.value = inner.SerializePartialToString()

    @staticmethod
    def Timestamp(draw: st.DrawFn, message: Any) -> None:
        message.seconds = draw(st.integers(-62135596800, 253402300799) | st.integers(0, 2 * 10**9))
        message.nanos = draw(_fractions)

    @staticmethod
    def Duration(draw: st.DrawFn, message: Any) -> None:
        sign = draw(st.sampled_from([-1, 1]))
        message.seconds = sign * draw(st.integers(0, 315576000000) | st.integers(0, 3))
        message.nanos = sign * draw(_fractions)

    @staticmethod
    def FieldMask(draw: st.DrawFn, message: Any) -> None:
        message.paths.extend(draw(st.lists(st.from_regex(r"[a-z]{1,3}(_[a-z]{1,2}[0-9]?)?(\.[a-z])?", fullmatch=True))))

    @staticmethod
    def Struct(draw: st.DrawFn, message: Any) -> None:
        message.update(draw(st.dictionaries(TEXTS, json_values(), max_size=3)))

    @staticmethod
    def ListValue(draw: st.DrawFn, message: Any) -> None:
        message.extend(draw(st.lists(json_values(), max_size=3)))

    @staticmethod
    def Value(draw: st.DrawFn, message: Any) -> None:
        value = draw(json_values())
        if isinstance(value, dict):
            message.struct_value.update(value)
        elif isinstance(value, list):
            message.list_value.extend(value)
        elif value is None:
            message.null_value = 0
        else:
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(message, f"{kind}_value", value)


_fractions = st.sampled_from([0, 10**6, 999_000_000, 1000, 1, 999_999_999]) | st.integers(0, 10**9 - 1)

# JSON that is right, nearly right or wrong for a type

NUMBER_TEXTS = [
    *["0", "-0", "1", "-1", "1.0", "1.5", "1e2", "1E+2", "-1e-2", "100e-2", "0.1", "1e400", "1e-400", "00", "01", "+1"],
    *[" 1", "1 ", "1_0", "0x1", "", "NaN", "nan", "Infinity", "-Infinity", "inf", "1.", ".5", "1e", "--1", "٣"],
    *["2147483647", "2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807", "1e18", "1e19"],
    *["9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615"],
    *["18446744073709551616", "3.4028235e38", "3.5e38", "1.7976931348623157e308", "1.8e308"],
]
NUMBERS = [
    *[0, 1, -1, 1.0, 1.5, -0.0, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**53, 1e18, 1e19, 1e38],
    *[2**63 - 1, -(2**63), 2**64 - 1, 3.4028235e38, 3.5e38, 1.7976931348623157e308, 1e-46],
]
STRINGS = [
    *["", "AA", "AA==", "AAA", "A", "-_8", "+/8=", "true", "E0_ZERO", "e0-zero", "E0_V1", "NOPE", "1s", "-1.5s", "1.5"],
    *["2006-01-02T15:04:05Z", "2006-01-02T15:04:05.123456789+01:30", "2006-13-02T15:04:05Z", "fooBar,a.b", "foo_bar"],
]


def loose_json(descriptor: Descriptor, depth: int = 3) -> st.SearchStrategy[Any]:
    """An object whose keys are mostly those of a type, and whose values mostly fit."""
    values = {name: _loose_field(field, depth) for field in descriptor.fields for name in (field.name, field.json_name)}
    if not values:
        return st.just({})
    return st.lists(st.sampled_from(sorted(values)), max_size=4, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: values[key] for key in keys})
    )


def _loose_field(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    inner = field.message_type
    if field.is_repeated and inner is not None and inner.GetOptions().map_entry:
        key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
        keys = st.sampled_from(["true", "false", "a", *NUMBER_TEXTS]) if key.type != FD.TYPE_STRING else TEXTS
        return st.dictionaries(keys, _loose_one(value, depth), max_size=2)
    one = _loose_one(field, depth)
    return st.lists(one, max_size=2) if field.is_repeated else one


def _loose_one(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    inner = field.message_type
    any_scalar = st.sampled_from([*NUMBERS, *NUMBER_TEXTS, *STRINGS, True, False, None])
    if inner is None:
        return any_scalar
    if inner.full_name.startswith("google.protobuf."):
        return any_scalar | json_values(1)
    return st.deferred(lambda: loose_json(inner, depth - 1)) if depth else st.just({})
