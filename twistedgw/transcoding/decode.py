"""JSON to messages: a function for each message type, written from its descriptor.

A reader takes a parsed JSON value and gives the keyword arguments of the message (a dict, nested as the messages are),
from which protobuf makes the whole in C; or the message itself where keywords cannot say it. None stands for a field
that is not there, as in JSON itself.

The generated function takes an object whose keys are all in their lowerCamelCase spelling, field by field. Everything
else (names as in the ``.proto``, extensions, unknown fields, a few fields of many) goes key by key through `KeyReader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from twistedgw.transcoding import scalars, wellknown
from twistedgw.transcoding.anyreader import any_reader
from twistedgw.transcoding.descriptors import (
    ANY,
    INTEGERS,
    WRAPPERS,
    is_map,
    is_message,
    map_types,
    message_of,
    takes_null,
)
from twistedgw.transcoding.enums import enum_numbers, enum_reader
from twistedgw.transcoding.generated import Functions
from twistedgw.transcoding.keys import KeyReader, spellings
from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from twistedgw.transcoding.options import JsonOptions

__all__ = ["Decoders"]

_SPARSE = 8
"""A message with this many times more fields than an object has keys is read key by key."""


def array(value: object) -> list[Any]:
    """Give a list back."""
    if type(value) is list:
        return value
    raise Refused(f"expected an array, got {shown(value)}", value)


def mapping(value: object) -> dict[str, Any]:
    """Give an object back."""
    if type(value) is dict:
        return value
    raise Refused(f"expected an object, got {shown(value)}", value)


def strings(value: object) -> list[str]:
    """Read a list of strings."""
    for item in array(value):
        if type(item) is not str:
            scalars.string(item)
    return value  # type: ignore[return-value]


def string_map(value: object) -> dict[str, str]:
    """Read a map from strings to strings."""
    for item in mapping(value).values():
        if type(item) is not str:
            scalars.string(item)
    return value  # type: ignore[return-value]


def distinct(read: dict[Any, Any], value: dict[str, Any]) -> dict[Any, Any]:
    """Refuse a map two of whose keys mean the same, such as 1 and 01."""
    if len(read) != len(value):
        raise Refused("two keys that mean the same", value)
    return read


_NAMES: dict[str, object] = {
    "Refused": Refused,
    "FLOAT_LIMIT": scalars.FLOAT_LIMIT,
    "array": array,
    "boolean": scalars.boolean,
    "boolean_key": scalars.boolean_key,
    "bytes_": scalars.bytes_,
    "distinct": distinct,
    "double": scalars.double,
    "float_": scalars.float_,
    "mapping": mapping,
    "string": scalars.string,
    "string_map": string_map,
    "strings": strings,
    **{kind: scalars.integer_reader(kind) for kind in scalars.INT_RANGES},
}


class Decoders:
    """The functions that read JSON values, for one set of options."""

    def __init__(
        self, pool: DescriptorPool, options: JsonOptions, message_class: Callable[[Descriptor], type[Message]]
    ) -> None:
        self._pool = pool
        self._options = options
        self._message_class = message_class
        self._functions = Functions("decode", self._make, _NAMES)
        self.of = self._functions.function
        self.source = self._functions.source

    def of_field(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """Give the function from a JSON value, not null, to what protobuf takes for all of a field."""
        wrong, read = self._whole(field, "v")
        return self._functions.expression("v", f"({read}) if {wrong} else v" if wrong else read)

    def _make(self, descriptor: Descriptor, name: str) -> Callable[[Any], Any]:
        full_name = descriptor.full_name
        if full_name in wellknown.READERS:
            return wellknown.READERS[full_name]
        if full_name in wellknown.STRUCTS:
            return wellknown.struct_reader(full_name, self._message_class(descriptor))
        if full_name == ANY:
            ignore = self._options.ignore_unknown_fields
            return any_reader(self._pool, self.of, self._message_class, ignore_unknown=ignore)
        if full_name in WRAPPERS:
            read = self.of_field(descriptor.fields_by_name["value"])
            return lambda value: {"value": read(value)}
        table = spellings(descriptor)
        keys = KeyReader(descriptor, table, self._pool, self._options, self.of_field, self._message_class)
        by_key = self._functions.constant("by_key", full_name, keys)
        fields = {f.json_name: f for f in descriptor.fields if table[f.json_name].full_name == f.full_name}
        return self._functions.define(name, self._source(descriptor, name, by_key, fields))

    # Generated functions

    def _source(self, descriptor: Descriptor, name: str, by_key: str, fields: Mapping[str, FieldDescriptor]) -> str:
        keys = self._functions.constant("keys", descriptor.full_name, frozenset(fields))
        variables = {field.name: f"v{i}" for i, field in enumerate(fields.values())}
        lines = [
            f"def {name}(d):",
            "    if type(d) is not dict:",
            "        mapping(d)",
            f"    if not {keys}.issuperset(d):",
            f"        return {by_key}(d)",
        ]
        if len(fields) >= 2 * _SPARSE:
            lines += [f"    if len(d) < {len(fields) // _SPARSE}:", f"        return {by_key}(d)"]
        lines.append("    get = d.get")
        lines += [f"    {variables[field.name]} = get({key!r})" for key, field in fields.items()]
        for oneof in descriptor.oneofs:
            members = {key: variables[field.name] for key, field in fields.items() if field.containing_oneof is oneof}
            if len(members) > 1:
                given = " + ".join(_given(fields[key], key, v) for key, v in members.items())
                lines += [f"    if {given} > 1:", f"        return {by_key}(d)"]
        lines.append("    try:")
        for key, field in fields.items():
            lines += self._field(key, field, variables[field.name])
        lines += ["    except Refused as refused:", "        raise refused.within(at, d[at], d) from None"]
        if not fields:
            del lines[-3:]
        arguments = ", ".join(f"{field_name!r}: {v}" for field_name, v in variables.items())
        return "\n".join([*lines, f"    return {{{arguments}}}", ""])

    def _field(self, key: str, field: FieldDescriptor, v: str) -> list[str]:
        wrong, read = self._whole(field, v)
        given = f"{v} is not None"
        if takes_null(field):
            given = f"({given} or {key!r} in d)"
        condition = f"({wrong}) and {given}" if wrong else given
        return [f"        if {condition}:", f"            at = {key!r}", f"            {v} = {read}"]

    # Expressions: a condition under which a value has to be read (or none: always), and the reading

    def _whole(self, field: FieldDescriptor, v: str) -> tuple[str, str]:
        """Write how to read all of a field."""
        if is_map(field):
            return "", self._map(field, v)
        if not field.is_repeated:
            return self._one(field, v)
        if field.type == FieldDescriptor.TYPE_STRING:
            return "", f"strings({v})"
        element = self._element(field, "x")
        if self._drops(field):
            return "", f"[y for x in array({v}) for y in ({element},) if y is not None]"
        return "", f"[{element} for x in array({v})]"

    def _map(self, field: FieldDescriptor, v: str) -> str:
        key, value = map_types(field)
        strings = key.cpp_type == FieldDescriptor.CPPTYPE_STRING
        if strings and value.type == FieldDescriptor.TYPE_STRING:
            return f"string_map({v})"
        element = self._element(value, "x")
        if self._drops(value):
            items = (
                f"mapping({v})"
                if strings
                else f"distinct({{{self._key(key)}: x for k, x in mapping({v}).items()}}, {v})"
            )
            return f"{{k: y for k, x in {items}.items() for y in ({element},) if y is not None}}"
        if strings:
            return f"{{k: {element} for k, x in mapping({v}).items()}}"
        return f"distinct({{{self._key(key)}: {element} for k, x in mapping({v}).items()}}, {v})"

    def _key(self, field: FieldDescriptor) -> str:
        return "boolean_key(k)" if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else f"{INTEGERS[field.type]}(k)"

    def _element(self, field: FieldDescriptor, v: str) -> str:
        wrong, read = self._one(field, v)
        return f"{read} if {wrong} else {v}" if wrong else read

    def _drops(self, field: FieldDescriptor) -> bool:
        return field.enum_type is not None and self._options.ignore_unknown_fields

    def _one(self, field: FieldDescriptor, v: str) -> tuple[str, str]:
        """Write how to read one value."""
        if is_message(field):
            return "", f"{self._functions.reference(message_of(field))}({v})"
        if field.enum_type is not None:
            enum = field.enum_type
            numbers = self._functions.constant("numbers", enum.full_name, enum_numbers(enum))
            read = self._functions.constant("enum", enum.full_name, enum_reader(enum, self._options))
            return "", f"({numbers}[{v}] if type({v}) is str and {v} in {numbers} else {read}({v}))"
        kind = INTEGERS.get(field.type)
        if kind in ("int32", "uint32"):
            low, high, _ = scalars.INT_RANGES[kind]
            return f"type({v}) is not int or not {low} <= {v} <= {high}", f"{kind}({v})"
        if kind is not None:  # up to 18 digits: in range without a look
            plain = f"type({v}) is str and {v}.isdigit() and {v}.isascii() and len({v}) < 19"
            return "", f"(int({v}) if {plain} else {kind}({v}))"
        return _SIMPLE[field.type][0].format(v=v), f"{_SIMPLE[field.type][1]}({v})"


_SIMPLE = {
    FieldDescriptor.TYPE_STRING: ("type({v}) is not str", "string"),
    FieldDescriptor.TYPE_BOOL: ("type({v}) is not bool", "boolean"),
    FieldDescriptor.TYPE_DOUBLE: ("type({v}) is not float", "double"),
    FieldDescriptor.TYPE_FLOAT: ("type({v}) is not float or not -FLOAT_LIMIT <= {v} <= FLOAT_LIMIT", "float_"),
    FieldDescriptor.TYPE_BYTES: ("", "bytes_"),
}


def _given(field: FieldDescriptor, key: str, v: str) -> str:
    return f"({v} is not None or {key!r} in d)" if takes_null(field) else f"({v} is not None)"
