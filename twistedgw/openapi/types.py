"""The component schemas of one plugin's types."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.openapi.annotations import Annotations, Behavior
from twistedgw.openapi.failures import REF, error_name
from twistedgw.openapi.prose import joined
from twistedgw.openapi.scalars import Json, key_schema, scalar_schema, well_known_schema
from twistedgw.transcoding.descriptors import enum_name, enum_names, is_map, map_types

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor

    from twistedgw.registry.route import GrpcRoute
    from twistedgw.schema.schema import Schema
    from twistedgw.transcoding.options import JsonOptions

__all__ = ["Types", "references"]


class Types:
    """Schemas of the types of one plugin, as its codec writes them. One thread at a time.

    Attributes:
        schemas: those of the messages and enums that were asked for and of all that they hold, by full name; complete
            after `close`.
    """

    def __init__(self, schema: Schema, options: JsonOptions) -> None:
        self.annotations = Annotations(schema.pool)
        self.schemas: dict[str, Json] = {}
        self._schema = schema
        self._options = options
        self._waiting: list[Descriptor] = []
        self._taken: set[str] = set()

    @property
    def ignores_unknown(self) -> bool:
        """Whether fields that a message does not have are passed over."""
        return self._options.ignore_unknown_fields

    def comment(self, full_name: str) -> str:
        """Give what the `.proto` says of something; empty for nothing."""
        return self._schema.comment(full_name)

    def take(self, fields: Iterable[FieldDescriptor]) -> None:
        """Learn that clients send these fields."""
        for field in fields:
            self.whole(field, request=True)

    # -- references

    def message(self, descriptor: Descriptor, *, request: bool = False) -> Json:
        """Give the schema of a message: a reference, but for types with a JSON form of their own.

        Args:
            descriptor: its type.
            request: whether clients send it, so that what the codec does not take is not in the schema either.
        """
        own = well_known_schema(descriptor)
        if own is not None:
            return own
        name = descriptor.full_name
        if name not in self.schemas:
            self.schemas[name] = {}
            self._waiting.append(descriptor)
        if request:
            self._taken.add(name)
        return {"$ref": REF + name}

    def value(self, field: FieldDescriptor, *, request: bool = False) -> Json:
        """Give the schema of one value of a field, without a word on the field."""
        if field.message_type is not None:
            return self.message(field.message_type, request=request)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        found = scalar_schema(field)
        format_ = self.annotations.format(field)
        return {**found, "format": format_} if format_ and found == {"type": "string"} else found

    def whole(self, field: FieldDescriptor, *, request: bool = False) -> Json:
        """Give the schema of all of a field: one value, a list or a map."""
        if is_map(field):
            key, value = map_types(field)
            names = key_schema(key)
            found: Json = {"type": "object", "additionalProperties": self.value(value, request=request)}
            return {**found, "propertyNames": names} if names else found
        if field.is_repeated:
            return {"type": "array", "items": self.value(field, request=request)}
        return self.value(field, request=request)

    def text(self, field: FieldDescriptor) -> Json:
        """Give the schema of a field that is one segment of a path, which is never empty."""
        found = self.value(field)
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            found["minLength"] = 1
        return found

    def error(self, route: GrpcRoute) -> Json:
        """Give the schema of an error's body."""
        return {"$ref": REF + error_name(route.plugin.error_format)}

    def name(self, field: FieldDescriptor) -> str:
        """Give the name that a field is printed with."""
        if field.is_extension:
            return f"[{field.full_name}]"
        return field.name if self._options.preserve_proto_field_names else field.json_name

    # -- fields

    def property(self, field: FieldDescriptor) -> Json:
        """Give the schema of a field of a message, with all that is said of it."""
        behavior = self.annotations.behavior(field)
        found = self.whole(field)
        if field.has_default_value and field.has_presence and _has_schema(field.default_value):
            found["default"] = self._default(field)
        if Behavior.REQUIRED in behavior:
            found.update(_filled(field, self._zero(field)))
        description = self.describe(field)
        if description:
            found["description"] = description
        if Behavior.OUTPUT_ONLY in behavior:
            found["readOnly"] = True
        elif Behavior.INPUT_ONLY in behavior:
            found["writeOnly"] = True
        if field.GetOptions().deprecated:
            found["deprecated"] = True
        return found

    def describe(self, field: FieldDescriptor) -> str:
        """Give a field's description."""
        behavior = self.annotations.behavior(field)
        oneof = _oneof(field)
        notes = (
            self._schema.comment(field.full_name),
            f"At most one member of `{oneof}` is set." if oneof else "",
            "Cannot be changed once it is set." if Behavior.IMMUTABLE in behavior else "",
            "Names the resource." if Behavior.IDENTIFIER in behavior else "",
            "The order means nothing." if Behavior.UNORDERED_LIST in behavior else "",
        )
        return joined(*notes)

    def required(self, field: FieldDescriptor) -> bool:
        """Tell whether a field must be given: by proto2, or by ``google.api.field_behavior``.

        A bool without presence cannot be: false and nothing are the same.
        """
        return field.is_required or self.asked(field)

    def asked(self, field: FieldDescriptor) -> bool:
        """Tell whether ``google.api.field_behavior`` says that a field must be given."""
        plain_bool = field.type == FieldDescriptor.TYPE_BOOL and not field.has_presence and not field.is_repeated
        return Behavior.REQUIRED in self.annotations.behavior(field) and not plain_bool

    def _zero(self, field: FieldDescriptor) -> Any:
        return None if field.is_repeated or field.message_type is not None else self._default(field)

    def _default(self, field: FieldDescriptor) -> Any:
        """Give the JSON of a scalar field's default."""
        value: Any = field.default_value
        if field.enum_type is not None:
            return value if self._options.enums_as_numbers else enum_names(field.enum_type)[value]
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")
        return str(value) if scalar_schema(field)["type"] == "string" else value

    # -- components

    def object(
        self, descriptor: Descriptor, *, without: Container[str] = (), closed: bool = False, partial: bool = False
    ) -> Json:
        """Give the schema of a message as an object.

        Args:
            descriptor: its type.
            without: names of fields to leave out.
            closed: whether other keys are refused.
            partial: whether only those fields must be given that proto2 requires.
        """
        fields = [field for field in descriptor.fields if field.name not in without]
        found: Json = {"type": "object"}
        description = self._schema.comment(descriptor.full_name)
        if description:
            found["description"] = description
        if descriptor.GetOptions().deprecated:
            found["deprecated"] = True
        every = [*fields, *self._extensions(descriptor)]
        if every:
            found["properties"] = {self.name(field): self.property(field) for field in every}
        required = [self.name(field) for field in fields if field.is_required or (self.asked(field) and not partial)]
        if required:
            found["required"] = required
        choices = [self._choice(group) for group in _groups(fields)]
        if len(choices) == 1:
            found.update(choices[0])
        elif choices:
            found["allOf"] = choices
        if closed and not self._options.ignore_unknown_fields:
            found["additionalProperties"] = False
        return found

    def _choice(self, group: Iterable[FieldDescriptor]) -> Json:
        alone: list[Json] = [{"required": [self.name(field)]} for field in group]
        return {"oneOf": [*alone, {"not": {"anyOf": alone}}]}

    def _extensions(self, descriptor: Descriptor) -> list[FieldDescriptor]:
        if not descriptor.is_extendable:
            return []
        found = descriptor.file.pool.FindAllExtensions(descriptor)
        return sorted(found, key=lambda field: field.number)

    def _enum(self, enum: EnumDescriptor) -> Json:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        if enum.full_name not in self.schemas:
            self.schemas[enum.full_name] = self._enum_component(enum)
        return {"$ref": REF + enum.full_name}

    def _enum_component(self, enum: EnumDescriptor) -> Json:
        numbers = self._options.enums_as_numbers
        lines = [self._value_line(enum, value) for value in enum.values]
        told = numbers or any(" " in line.removeprefix("- ") for line in lines)
        description = joined(self._schema.comment(enum.full_name), "\n".join(lines) if told else "")
        found: Json = {"type": "integer", "format": "int32"} if numbers else {"type": "string"}
        if description:
            found["description"] = description
        if enum.GetOptions().deprecated:
            found["deprecated"] = True
        values = [value.number if numbers else enum_name(value) for value in enum.values]
        found["enum"] = list(dict.fromkeys(values))
        return found

    def _value_line(self, enum: EnumDescriptor, value: EnumValueDescriptor) -> str:
        scope = enum.full_name.rpartition(".")[0]
        comment = " ".join(self._schema.comment(f"{scope}.{value.name}" if scope else value.name).split())
        head = f"`{value.number}`: `{value.name}`" if self._options.enums_as_numbers else f"`{enum_name(value)}`"
        words = [f"- {head}", comment, "(deprecated)" if value.GetOptions().deprecated else ""]
        return ": ".join(filter(None, words[:2])) + (f" {words[2]}" if words[2] else "")

    def close(self) -> None:
        """Complete `schemas`; nothing is asked for afterwards."""
        done: dict[str, Descriptor] = {}
        while self._waiting:
            descriptor = self._waiting.pop()
            done[descriptor.full_name] = descriptor
            self.schemas[descriptor.full_name].update(self.object(descriptor))
        if not self._options.ignore_unknown_fields:
            for name in _reach(self._taken, self.schemas):
                if name in done:
                    self.schemas[name]["additionalProperties"] = False


def references(schema: Any) -> Iterable[str]:
    """Give the names of the components that a schema refers to."""
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            found = part.get("$ref")
            if isinstance(found, str):
                yield found.removeprefix(REF)
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)


def _reach(names: Iterable[str], schemas: dict[str, Json]) -> set[str]:
    found: set[str] = set()
    rest = list(names)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest.extend(references(schemas.get(name)))
    return found


def _oneof(field: FieldDescriptor) -> str:
    """Give the name of the oneof that a field shares with others; empty where there is none."""
    oneof = field.containing_oneof
    return oneof.name if oneof is not None and len(oneof.fields) > 1 else ""


def _groups(fields: Iterable[FieldDescriptor]) -> list[list[FieldDescriptor]]:
    groups: dict[str, list[FieldDescriptor]] = {}
    for field in fields:
        if _oneof(field):
            groups.setdefault(_oneof(field), []).append(field)
    return [group for group in groups.values() if len(group) > 1]


def _has_schema(value: Any) -> bool:
    """Tell whether the schema of its type takes a value; NaN and infinities are texts in JSON."""
    return not isinstance(value, float) or math.isfinite(value)


def _filled(field: FieldDescriptor, zero: Any) -> Json:
    """Say that a field which must be given is not at its default, which is as good as none (AIP-203)."""
    if field.is_repeated:
        return {"minProperties": 1} if is_map(field) else {"minItems": 1}
    if field.has_presence:
        return {}
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return {"minLength": 1}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {}
    return {"not": {"const": zero}}
