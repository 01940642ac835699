"""Which field of a message has no JSON form, found once writing the whole has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from twistedgw.transcoding.descriptors import has_own_form, is_map, is_message, map_types, message_of
from twistedgw.transcoding.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from twistedgw.transcoding.encode import Encoders

__all__ = ["first_unwritable"]


def first_unwritable(descriptor: Descriptor, message: Any, encoders: Encoders, error: Exception) -> tuple[str, str]:
    """Give the path of the field at fault (empty where it cannot be told) and what is wrong with it.

    Args:
        descriptor: the type of `message`.
        message: what could not be written.
        encoders: what could not write it.
        error: what came of writing the whole.
    """
    path = ""
    while not has_own_form(descriptor):
        found = _wrong_field(message, encoders)
        if found is None:
            break
        field, value, error = found
        name = f"[{field.full_name}]" if field.is_extension else field.name
        path += f".{name}" if path and not field.is_extension else name
        inner = _wrong_message(field, value, encoders)
        if inner is None:
            break
        index, message = inner
        descriptor = message_of(map_types(field)[1] if is_map(field) else field)
        path += index
    if isinstance(error, RecursionError):
        return path, "nested too deeply"
    return path, error.description if isinstance(error, Refused) else "text that is not UTF-8"


def _error(write: Callable[[Any], object], value: object) -> Exception | None:
    try:
        orjson.dumps(write(value))
    except (Refused, orjson.JSONEncodeError, RecursionError) as error:
        return error
    return None


def _wrong_field(message: Message, encoders: Encoders) -> tuple[FieldDescriptor, Any, Exception] | None:
    for field, value in type(message).ListFields(message):
        error = _error(encoders.of_field(field), value)
        if error is not None:
            return field, value, error
    return None


def _wrong_message(field: FieldDescriptor, value: Any, encoders: Encoders) -> tuple[str, Message] | None:
    """Give the first message at fault within a field, and its place in a list or map."""
    inner = map_types(field)[1] if is_map(field) else field
    if not is_message(inner):
        return None
    if is_map(field):
        items = [(f"[{key!r}]", value[key]) for key in value]
    else:
        items = [(f"[{index}]", item) for index, item in enumerate(value)] if field.is_repeated else [("", value)]
    write = encoders.of(message_of(inner))
    return next(((index, item) for index, item in items if _error(write, item) is not None), None)
