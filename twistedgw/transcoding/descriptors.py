"""What the codec asks of descriptors, told alike for every release of protobuf."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor, FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ANY",
    "INTEGERS",
    "WRAPPERS",
    "enum_name",
    "enum_names",
    "has_own_form",
    "is_map",
    "is_message",
    "map_types",
    "may_lack_required",
    "message_of",
    "nests_at_most",
    "owner",
    "takes_null",
]

INTEGERS = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_SINT32: "int32",
    FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_FIXED32: "uint32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_SINT64: "int64",
    FieldDescriptor.TYPE_SFIXED64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FIXED64: "uint64",
}

WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
ANY = "google.protobuf.Any"
_STRUCTS = frozenset(f"google.protobuf.{kind}" for kind in ("Struct", "Value", "ListValue"))
_OWN_FORMS = (
    WRAPPERS | _STRUCTS | {ANY} | {f"google.protobuf.{kind}" for kind in ("Timestamp", "Duration", "FieldMask")}
)

with contextlib.suppress(ImportError):  # registers the option by which a value of an enum has its own name in JSON
    importlib.import_module("google.protobuf.json_enumvalue_options_pb2")


def is_message(field: FieldDescriptor) -> bool:
    """Tell whether a field holds messages (groups included)."""
    return field.message_type is not None


def message_of(field: FieldDescriptor) -> Descriptor:
    """Give the type of the messages that a field holds."""
    assert field.message_type is not None
    return field.message_type


def owner(field: FieldDescriptor) -> Descriptor:
    """Give the message type that a field, or an extension, is a field of."""
    assert field.containing_type is not None
    return field.containing_type


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map."""
    return field.is_repeated and is_message(field) and bool(message_of(field).GetOptions().map_entry)


def map_types(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Give the key and the value field of a map."""
    names = message_of(field).fields_by_name
    return names["key"], names["value"]


def has_own_form(descriptor: Descriptor) -> bool:
    """Tell whether a type's JSON is another than an object of its fields."""
    return descriptor.full_name in _OWN_FORMS


def takes_null(field: FieldDescriptor) -> bool:
    """Tell whether null is a value of a singular field, and not its absence."""
    if field.is_repeated:
        return False
    if field.message_type is not None:
        return field.message_type.full_name == "google.protobuf.Value"
    return field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue"


def enum_name(value: EnumValueDescriptor) -> str:
    """Give the name that a value of an enum has in JSON."""
    if value.has_options:
        try:
            option = descriptor_pool.Default().FindExtensionByName("pb.enumvalue.json")
        except KeyError:
            return value.name
        options: Any = value.GetOptions()
        if options.HasExtension(option) and options.Extensions[option].HasField("string"):
            return str(options.Extensions[option].string)
    return value.name


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Give the name of each number: that of the first value where several have it."""
    names: dict[int, str] = {}
    for value in enum.values:
        names.setdefault(value.number, enum_name(value))
    return names


def may_lack_required(root: Descriptor) -> bool:
    """Tell whether a message of this type can be without a field that proto2 requires."""
    return any(
        descriptor.is_extendable or any(field.is_required for field in descriptor.fields)
        for descriptor in _reachable(root)
    )


def nests_at_most(root: Descriptor, limit: int) -> bool:
    """Tell whether no JSON of this type nests more than `limit` deep."""
    depths: dict[str, int | None] = {}

    def depth(descriptor: Descriptor, left: int) -> int | None:
        name = descriptor.full_name
        if name in depths:
            return depths[name]
        depths[name] = None  # as it stays where the type is within itself
        if left <= 0 or name in _STRUCTS or name == ANY or descriptor.is_extendable:
            return None
        deepest = 1
        for field in descriptor.fields:
            if is_map(field):
                field = map_types(field)[1]  # its list is the map
                inner = 1 if field.message_type is None else depth(field.message_type, left - 1)
                inner = None if inner is None else inner + (field.message_type is not None)
            else:
                inner = 0 if field.message_type is None else depth(field.message_type, left - 1)
                inner = None if inner is None else inner + field.is_repeated
            if inner is None:
                return None
            deepest = max(deepest, inner + 1)
        depths[name] = deepest
        return deepest

    found = depth(root, limit)
    return found is not None and found <= limit


def _reachable(root: Descriptor) -> Iterator[Descriptor]:
    """Go through a message type and all types of its fields, each once."""
    seen = {root.full_name}
    rest = [root]
    while rest:
        descriptor = rest.pop()
        yield descriptor
        for field in descriptor.fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                rest.append(inner)
