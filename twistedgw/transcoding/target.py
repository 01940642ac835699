"""Fields ready to be set from text."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.descriptors import is_map
from twistedgw.transcoding.text import text_form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec

__all__ = ["Target", "canonical", "value_field"]


class Target:
    """A field somewhere below a message, ready to be set from text.

    Attributes:
        path: its canonical name: proto names joined by dots.
        field: the field itself.
        single: whether it takes one value.
        restores_plus: see `TextForm`.
    """

    __slots__ = ("_descend", "_guards", "_map", "_read", "_set", "field", "path", "restores_plus", "single")

    def __init__(self, fields: Sequence[FieldDescriptor], codec: Codec) -> None:
        self.field = field = fields[-1]
        self.path = ".".join(map(canonical, fields))
        self._map = is_map(field)
        self.single = not field.is_repeated
        form = text_form(value_field(field))
        if form is None:
            raise ValueError(f"{self.path} cannot be written as text")
        self._read = form.read
        self.restores_plus = form.restores_plus
        self._set = codec.field_setter(field)
        self._descend = _descent(fields[:-1])
        self._guards = tuple(
            partial(_guard, _descent(fields[:depth]), step.containing_oneof.name, step.name)
            for depth, step in enumerate(fields)
            if step.containing_oneof is not None and len(step.containing_oneof.fields) > 1
        )

    def put(self, message: Message, text: str, key: str | None = None) -> None:
        """Set the field, or add to it, from `text`.

        Args:
            message: the message at the top.
            text: the value.
            key: the key of a map's entry.

        Raises:
            InvalidArgument: the text is no value of the field's type, or another member of a oneof is set. Only the
                description counts: the caller knows the place.
        """
        for guard in self._guards:
            guard(message)
        value: object = text if self._read is None else self._read(text)
        parent = message if self._descend is None else self._descend(message)
        if self.single:
            self._set(parent, value)
        elif self._map:
            self._put_entry(parent, key, value)
        else:
            self._set(parent, [value])

    def put_bytes(self, message: Message, data: bytes) -> None:
        """Set or add to a field of type bytes.

        Raises:
            InvalidArgument: the field is of another type, or another member of a oneof is set.
        """
        if self.field.type != FieldDescriptor.TYPE_BYTES:
            raise InvalidArgument("", "a file fills a bytes field only")
        for guard in self._guards:
            guard(message)
        parent: Any = message if self._descend is None else self._descend(message)
        held = parent.Extensions if self.field.is_extension else None
        if not self.single:
            values = getattr(parent, self.field.name) if held is None else held[self.field]
            values.append(data)
        elif held is None:
            setattr(parent, self.field.name, data)
        else:
            held[self.field] = data

    def _put_entry(self, parent: Message, key: str | None, value: object) -> None:
        name = self.field.name
        before = len(getattr(parent, name))
        self._set(parent, {key: value})
        if len(getattr(parent, name)) == before:
            raise InvalidArgument("", "given more than once")


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """Give the field that holds one value: that of a map's entry, otherwise the field itself."""
    entry = field.message_type
    return entry.fields_by_name["value"] if entry is not None and is_map(field) else field


def canonical(field: FieldDescriptor) -> str:
    """Give the one name by which a field is told from its siblings."""
    return f"[{field.full_name}]" if field.is_extension else field.name


def _descent(fields: Sequence[FieldDescriptor]) -> Callable[[Message], Message] | None:
    """Give the function from a message to the one that `fields` lead to; None where that is itself."""
    if not fields:
        return None
    if not any(field.is_extension for field in fields):
        return attrgetter(".".join(field.name for field in fields))

    def descend(message: Any) -> Message:
        for field in fields:
            message = message.Extensions[field] if field.is_extension else getattr(message, field.name)
        return message  # type: ignore[no-any-return]

    return descend


def _guard(descend: Callable[[Message], Message] | None, oneof: str, member: str, message: Message) -> None:
    holder = message if descend is None else descend(message)
    other = holder.WhichOneof(oneof)
    if other is not None and other != member:
        raise InvalidArgument("", f"{other!r} of the same oneof is set already")
