"""Messages to JSON: a function for each message type, written from its descriptor.

A type with few fields gets a generated function that reads one field after the other. A type with many (of which few
are set, as a rule) or with extensions goes through the fields that are set.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import DecodeError, Message

from twistedgw.transcoding import wellknown
from twistedgw.transcoding.descriptors import (
    ANY,
    INTEGERS,
    WRAPPERS,
    enum_names,
    has_own_form,
    is_map,
    is_message,
    map_types,
    message_of,
)
from twistedgw.transcoding.generated import Functions, attribute
from twistedgw.transcoding.refusal import Refused, shown
from twistedgw.transcoding.scalars import base64_text, nonfinite, shortest

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pool import DescriptorPool

    from twistedgw.transcoding.options import JsonOptions

__all__ = ["Encoders"]

_MANY_FIELDS = 64
_NAMES = {
    "base64_text": base64_text,
    "copysign": math.copysign,
    "isfinite": math.isfinite,
    "nonfinite": nonfinite,
    "shortest": shortest,
}


class Encoders:
    """The functions that give a message's JSON value, for one set of options."""

    def __init__(
        self, pool: DescriptorPool, options: JsonOptions, message_class: Callable[[Descriptor], type[Message]]
    ) -> None:
        self._pool = pool
        self._options = options
        self._message_class = message_class
        self._functions = Functions("encode", self._make, _NAMES)
        self._extensions: dict[str, Callable[[Any], object]] = {}
        self.of = self._functions.function
        self.source = self._functions.source

    def of_field(self, field: FieldDescriptor) -> Callable[[Any], object]:
        """Give the function from a field's value, as an attribute of its message, to JSON."""
        return self._functions.expression("v", self._whole(field, "v"))

    def _make(self, descriptor: Descriptor, name: str) -> Callable[[Any], object]:
        full_name = descriptor.full_name
        if full_name in wellknown.WRITERS:
            return wellknown.WRITERS[full_name]
        if full_name == ANY:
            return self._write_any
        if full_name in WRAPPERS:
            value = self._one(descriptor.fields_by_name["value"], "v")
            return self._functions.define(name, f"def {name}(m):\n    v = m.value\n    return {value}\n")
        if descriptor.is_extendable or len(descriptor.fields) > _MANY_FIELDS:
            return self._by_listing(descriptor)
        return self._functions.define(name, self._source(descriptor, name))

    # Generated functions

    def _source(self, descriptor: Descriptor, name: str) -> str:
        message_class = self._message_class(descriptor)
        has = self._functions.constant("has", descriptor.full_name, message_class.HasField)
        lines = [f"def {name}(m):", "    out = {}"]
        told: set[str] = set()
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is None or len(oneof.fields) < 3:
                lines += self._field(field, has)
            elif oneof.name not in told:
                told.add(oneof.name)
                which = self._functions.constant("which", descriptor.full_name, message_class.WhichOneof)
                lines += self._oneof(oneof, which)
        return "\n".join([*lines, "    return out", ""])

    def _field(self, field: FieldDescriptor, has: str) -> list[str]:
        value = attribute("m", field.name)
        out = f"out[{self._key(field)!r}]"
        if field.is_repeated:
            read = value if is_map(field) else f"{value}[:]"
            write = self._whole(field, "v", sliced=True)
            if self._options.always_print_fields:
                return [f"    v = {read}", f"    {out} = {write}"]
            return [f"    if v := {read}:", f"        {out} = {write}"]
        if is_message(field):
            return [f"    if {has}(m, {field.name!r}):", f"        {out} = {self._one(field, value)}"]
        write = self._one(field, "v")
        if not field.has_presence:
            if self._options.always_print_fields:
                return [f"    v = {value}", f"    {out} = {write}"]
            if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):  # -0.0 is no default
                return [f"    if (v := {value}) or copysign(1.0, v) < 0.0:", f"        {out} = {write}"]
            return [f"    if v := {value}:", f"        {out} = {write}"]
        if field.default_value:
            return [f"    if {has}(m, {field.name!r}):", f"        v = {value}", f"        {out} = {write}"]
        return [f"    if (v := {value}) or {has}(m, {field.name!r}):", f"        {out} = {write}"]

    def _oneof(self, oneof: OneofDescriptor, which: str) -> list[str]:
        lines = [f"    which = {which}(m, {oneof.name!r})", "    if which is None:", "        pass"]
        for field in oneof.fields:
            lines += [
                f"    elif which == {field.name!r}:",
                f"        v = {attribute('m', field.name)}",
                f"        out[{self._key(field)!r}] = {self._one(field, 'v')}",
            ]
        return lines

    def _key(self, field: FieldDescriptor) -> str:
        return field.name if self._options.preserve_proto_field_names else field.json_name

    # Expressions

    def _whole(self, field: FieldDescriptor, v: str, *, sliced: bool = False) -> str:
        """Write the expression for all of a field; `sliced` where `v` is a list already."""
        if is_map(field):
            key, value = map_types(field)
            name = {FieldDescriptor.CPPTYPE_STRING: "k", FieldDescriptor.CPPTYPE_BOOL: "'true' if k else 'false'"}
            loop = f"for k in {v}"
            item = self._one(value, f"{v}[k]")
            if item.count("[k]") > 1:
                item = self._one(value, "x")
                loop += f" for x in ({v}[k],)"
            return f"{{{name.get(key.cpp_type, 'str(k)')}: {item} {loop}}}"
        if field.is_repeated:
            values = v if sliced else f"{v}[:]"
            one = self._one(field, "x")
            return values if one == "x" else f"[{one} for x in {values}]"
        return self._one(field, v)

    def _one(self, field: FieldDescriptor, v: str) -> str:
        """Write the expression for one value, which `v` names."""
        if is_message(field):
            return f"{self._functions.reference(message_of(field))}({v})"
        if field.enum_type is not None:
            return self._enum(field.enum_type, v)
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return f"{v} if isfinite({v}) else nonfinite({v})"
        if field.type == FieldDescriptor.TYPE_FLOAT:
            return f"shortest({v})"
        if field.type == FieldDescriptor.TYPE_BYTES:
            return f"base64_text({v})"
        return f"str({v})" if INTEGERS.get(field.type) in ("int64", "uint64") else v

    def _enum(self, enum: EnumDescriptor, v: str) -> str:
        if self._options.enums_as_numbers:
            return v
        if enum.full_name == "google.protobuf.NullValue":
            return "None"
        names = self._functions.constant("names", enum.full_name, enum_names(enum))
        return f"{names}.get({v}, {v})"

    # Functions that are not generated

    def _by_listing(self, descriptor: Descriptor) -> Callable[[Any], dict[str, object]]:
        table = {field.number: (self._key(field), self.of_field(field)) for field in descriptor.fields}
        defaults: dict[str, object] = {}
        if self._options.always_print_fields:
            for field in descriptor.fields:
                if is_map(field):
                    defaults[self._key(field)] = {}
                elif field.is_repeated:
                    defaults[self._key(field)] = []
                elif not field.has_presence:
                    defaults[self._key(field)] = self.of_field(field)(field.default_value)

        list_fields = self._message_class(descriptor).ListFields

        def encode(message: Message) -> dict[str, object]:
            out = defaults.copy()
            for field, value in list_fields(message):
                if field.is_extension:
                    if field.is_repeated and not value:
                        continue  # an empty list that someone has looked at
                    out[f"[{field.full_name}]"] = self._extension(field)(value)
                else:
                    key, write = table[field.number]
                    out[key] = write(value)
            return out

        return encode

    def _extension(self, field: FieldDescriptor) -> Callable[[Any], object]:
        write = self._extensions.get(field.full_name)
        if write is None:
            write = self._extensions[field.full_name] = self.of_field(field)
        return write

    def _write_any(self, message: Any) -> dict[str, object]:
        url = message.type_url
        if not url:
            if message.value:
                raise Refused("a google.protobuf.Any that has a value but no type", message)
            return {}
        name = url.rpartition("/")[2]
        try:
            descriptor = self._pool.FindMessageTypeByName(name)
        except KeyError:
            return {"@type": url, "value": base64_text(message.value)}
        try:
            inner = self._message_class(descriptor).FromString(message.value)
        except DecodeError:
            raise Refused(f"a google.protobuf.Any whose value is no {shown(name)}", message) from None
        value = self.of(descriptor)(inner)
        if has_own_form(descriptor):
            return {"@type": url, "value": value}
        return {"@type": url, **value}
