"""Objects read key by key: for keys in another spelling, extensions, unknown fields, and few fields of many."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from twistedgw.transcoding.descriptors import is_message, message_of, owner, takes_null
from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from twistedgw.transcoding.options import JsonOptions

__all__ = ["KeyReader", "build", "extensions", "first_missing", "set_extension", "spellings"]

_GUESSED_LENGTH = 64


def spellings(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Give the field that each key means: its lowerCamelCase name, or the name in the ``.proto``."""
    return {field.name: field for field in descriptor.fields} | {field.json_name: field for field in descriptor.fields}


def build(arguments: Any, message_class: type[Message]) -> Message:
    """Make a message of what a reader gave."""
    return message_class(**arguments) if type(arguments) is dict else arguments


def extensions(message: Message) -> Any:
    """Give a message's extensions, even where a field has the name of that attribute."""
    attribute: Any = type(message).Extensions
    return attribute.__get__(message)


def first_missing(message: Message) -> str | None:
    """Give the path of a required field that is not set, if there is one."""
    message_class: Any = type(message)
    if message_class.IsInitialized(message):
        return None
    paths: list[str] = message_class.FindInitializationErrors(message)
    return paths[0] if paths else ""


class _Entry(NamedTuple):
    field: FieldDescriptor
    read: Callable[[Any], Any]
    oneof: str | None
    takes_null: bool


class KeyReader:
    """Reads the objects of one message type key by key.

    Args:
        descriptor: the message type.
        table: `spellings` of that type.
        pool: where extensions are looked up.
        options: how JSON is read.
        of_field: gives the reader of all of a field.
        message_class: gives the class of a message type.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        table: Mapping[str, FieldDescriptor],
        pool: DescriptorPool,
        options: JsonOptions,
        of_field: Callable[[FieldDescriptor], Callable[[Any], Any]],
        message_class: Callable[[Descriptor], type[Message]],
    ) -> None:
        self._descriptor = descriptor
        self._table = table
        self._pool = pool
        self._ignore_unknown = options.ignore_unknown_fields
        self._of_field = of_field
        self._message_class = message_class
        self._entries: dict[str, _Entry] = {}

    def __call__(self, value: dict[str, Any]) -> Any:
        """Read an object: into the message's keyword arguments, or into the message where it has extensions."""
        arguments: dict[str, Any] = {}
        extensions: list[tuple[FieldDescriptor, Any]] = []
        given: dict[str, str] = {}
        for key, item in value.items():
            entry = self._entries.get(key) or self._entry(key)
            if entry is None:
                if self._ignore_unknown:
                    continue
                raise self._unknown(key).within(key, item, value)
            field, read, oneof, null = entry
            if given.setdefault(field.full_name, key) is not key:
                raise Refused(f"given twice, also as {shown(given[field.full_name])}", item).within(key, item, value)
            if item is None and not null:
                continue
            if oneof is not None and given.setdefault(oneof, key) is not key:
                raise Refused(f"only one of these may be given: {given[oneof]}, {key}", item).within(key, item, value)
            try:
                argument = read(item)
            except Refused as refused:
                raise refused.within(key, item, value) from None
            if field.is_extension:
                extensions.append((field, argument))
            else:
                arguments[field.name] = argument
        if not extensions:
            return arguments
        message = self._message_class(self._descriptor)(**arguments)
        for field, argument in extensions:
            set_extension(message, field, argument, self._message_class)
        return message

    def _entry(self, key: str) -> _Entry | None:
        field = self._table.get(key)
        if field is None and key[:1] == "[" and key[-1:] == "]" and self._descriptor.is_extendable:
            field = self._extension(key[1:-1])
        if field is None:
            return None
        oneof = field.containing_oneof
        # A oneof may not be named as a field is, but a space keeps them apart from full names in any case.
        name = None if oneof is None or len(oneof.fields) < 2 else f"oneof {oneof.name}"
        entry = self._entries[key] = _Entry(field, self._of_field(field), name, takes_null(field))
        return entry

    def _extension(self, name: str) -> FieldDescriptor | None:
        try:
            field = self._pool.FindExtensionByName(name)
        except KeyError:
            return None
        same = field.full_name == name and owner(field).full_name == self._descriptor.full_name
        return field if same else None

    def _unknown(self, key: str) -> Refused:
        guess = difflib.get_close_matches(key, self._table, 1) if len(key) <= _GUESSED_LENGTH else []
        hint = f"; did you mean {shown(guess[0])}?" if guess else ""
        return Refused(f"there is no such field in {self._descriptor.full_name}{hint}", None)


def set_extension(
    message: Message,
    field: FieldDescriptor,
    argument: Any,
    message_class: Callable[[Descriptor], type[Message]],
) -> None:
    """Set an extension to what its reader gave; lists are appended, messages merged."""
    values = extensions(message)
    inner = message_class(message_of(field)) if is_message(field) else None
    if field.is_repeated:
        if argument:  # an empty list that has been looked at is not the same as none
            values[field].extend(argument if inner is None else [build(item, inner) for item in argument])
    elif inner is not None:
        inner.SetInParent(values[field])
        inner.MergeFrom(values[field], build(argument, inner))
    elif argument is not None:
        values[field] = argument
