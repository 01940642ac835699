"""JSON Schemas of scalar fields and of the well-known types, by their canonical ProtoJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.transcoding.descriptors import WRAPPERS
from twistedgw.transcoding.scalars import FLOAT_LIMIT

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["Json", "key_schema", "scalar_schema", "well_known_schema"]

Json = dict[str, Any]

_INT32: Json = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_UINT32: Json = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Json = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_UINT64: Json = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}

_SCALARS: dict[int, Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {
        "type": "number",
        "format": "float",
        "minimum": -FLOAT_LIMIT,
        "maximum": FLOAT_LIMIT,
    },
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}

_WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "format": "duration-seconds",
        "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
        "examples": ["1.5s"],
    },
    "google.protobuf.FieldMask": {
        "type": "string",
        "format": "field-mask",
        "pattern": r"^([A-Za-z0-9.]+(,[A-Za-z0-9.]+)*)?$",
        "examples": ["title,author.name"],
    },
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {
            "@type": {"type": "string", "examples": ["type.googleapis.com/google.rpc.ErrorInfo"]},
        },
        "additionalProperties": True,
    },
}

_BOOL_KEY: Json = {"enum": ["true", "false"]}
_SIGNED_KEY: Json = {"pattern": "^(0|-?[1-9][0-9]*)$"}
_UNSIGNED_KEY: Json = {"pattern": "^(0|[1-9][0-9]*)$"}


def scalar_schema(field: FieldDescriptor) -> Json:
    """Give the schema of one value of a field that is neither an enum nor a message."""
    return dict(_SCALARS[field.type])


def well_known_schema(descriptor: Descriptor) -> Json | None:
    """Give the schema of a type whose JSON is a form of its own; None for any other type."""
    if descriptor.full_name in WRAPPERS:
        return scalar_schema(descriptor.fields_by_name["value"])
    found = _WELL_KNOWN.get(descriptor.full_name)
    return None if found is None else dict(found)


def key_schema(field: FieldDescriptor) -> Json | None:
    """Give what the keys of a map are besides texts; None for nothing."""
    kind = _SCALARS[field.type]
    if kind["type"] == "boolean":
        return dict(_BOOL_KEY)
    if field.type == FieldDescriptor.TYPE_STRING:
        return None
    return dict(_UNSIGNED_KEY if kind in (_UINT32, _UINT64) else _SIGNED_KEY)
