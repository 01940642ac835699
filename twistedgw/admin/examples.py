"""Examples of messages in JSON, made from descriptors alone: what a person would start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.transcoding.descriptors import is_map, map_types

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor


__all__ = ["add_examples", "example", "put_value"]

_DEPTH = 6
"""Messages within messages; deeper ones are left out."""
_MOST_FIELDS = 2000

_WELL_KNOWN: dict[str, Any] = {
    "google.protobuf.Timestamp": "2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "1.5s",
    "google.protobuf.FieldMask": "",
    "google.protobuf.Struct": {},
    "google.protobuf.Value": None,
    "google.protobuf.ListValue": [],
    "google.protobuf.Empty": {},
    "google.protobuf.Any": {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}},
    "google.protobuf.BoolValue": False,
    "google.protobuf.StringValue": "",
    "google.protobuf.BytesValue": "",
    "google.protobuf.DoubleValue": 0,
    "google.protobuf.FloatValue": 0,
    "google.protobuf.Int32Value": 0,
    "google.protobuf.UInt32Value": 0,
    "google.protobuf.Int64Value": "0",
    "google.protobuf.UInt64Value": "0",
}
_64_BITS = frozenset(
    (
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_SINT64,
    )
)
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def add_examples(message: Any, method: MethodDescriptor) -> None:
    """Put examples of request and response into an ``RpcMethod``."""
    put_value(message.example, example(method.input_type))
    put_value(message.response_example, example(method.output_type))


def example(descriptor: Descriptor) -> Any:
    """Give a message as a plain value for JSON, in canonical ProtoJSON: each field once, of a oneof the first."""
    return _Maker().message(descriptor, ())


class _Maker:
    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def message(self, descriptor: Descriptor, above: tuple[str, ...]) -> Any:
        known = descriptor.full_name
        if known in _WELL_KNOWN:
            return _WELL_KNOWN[known]
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and oneof.name in seen:
                continue
            if self._left <= 0 or self._is_endless(field, (*above, known)):
                continue
            if oneof is not None:
                seen.add(oneof.name)
            self._left -= 1
            found[field.json_name] = self._field(field, (*above, known))
        return found

    def _is_endless(self, field: FieldDescriptor, above: tuple[str, ...]) -> bool:
        inner = field.message_type
        if is_map(field):
            inner = map_types(field)[1].message_type
        return inner is not None and (inner.full_name in above or len(above) >= _DEPTH)

    def _field(self, field: FieldDescriptor, above: tuple[str, ...]) -> Any:
        if is_map(field):
            key, value = map_types(field)
            return {_key(key): self._single(value, above)}
        single = self._single(field, above)
        return [single] if field.is_repeated else single

    def _single(self, field: FieldDescriptor, above: tuple[str, ...]) -> Any:
        if field.message_type is not None:
            return self.message(field.message_type, above)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        if field.type in _TEXTS:
            return ""
        if field.type == FieldDescriptor.TYPE_BOOL:
            return False
        return "0" if field.type in _64_BITS else 0


def _key(field: FieldDescriptor) -> str:
    if field.type in _TEXTS:
        return "key"
    return "false" if field.type == FieldDescriptor.TYPE_BOOL else "0"


def _enum(descriptor: EnumDescriptor) -> Any:
    """Give the name of a value that says something: the first that is not the unspecified one."""
    if descriptor.full_name == "google.protobuf.NullValue":
        return None
    values = descriptor.values
    return values[1 if len(values) > 1 and values[0].number == 0 else 0].name


def put_value(value: Any, plain: Any) -> None:
    """Put a plain value into a ``google.protobuf.Value`` of whatever pool."""
    if plain is None:
        value.null_value = 0
    elif isinstance(plain, bool):
        value.bool_value = plain
    elif isinstance(plain, int | float):
        value.number_value = plain
    elif isinstance(plain, str):
        value.string_value = plain
    elif isinstance(plain, list):
        value.list_value.SetInParent()
        for each in plain:
            put_value(value.list_value.values.add(), each)
    else:
        value.struct_value.SetInParent()
        for key, each in plain.items():
            put_value(value.struct_value.fields[key], each)
