"""ProtoJSON: messages to JSON text and back, by functions compiled for each message type.

Canonical ProtoJSON as its specification and conformance suite have it. ``docs/json-differences.md`` lists where that is
stricter or laxer than protobuf's own `json_format`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.status import Code
from twistedgw.transcoding import jsontext
from twistedgw.transcoding.decode import Decoders
from twistedgw.transcoding.descriptors import (
    has_own_form,
    is_message,
    may_lack_required,
    message_of,
    nests_at_most,
    owner,
    takes_null,
)
from twistedgw.transcoding.encode import Encoders
from twistedgw.transcoding.generated import late
from twistedgw.transcoding.keys import build, extensions, first_missing, set_extension
from twistedgw.transcoding.options import JsonOptions
from twistedgw.transcoding.refusal import Refused
from twistedgw.transcoding.unwritable import first_unwritable

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["Codec", "JsonOptions", "check_required", "parse_json"]

_CANONICAL = JsonOptions()
_TOO_DEEP = "nested more deeply than protobuf takes"


def parse_json(text: bytes, *, max_depth: int = jsontext.MAX_DEPTH) -> object:
    """Parse one JSON value strictly.

    Raises:
        InvalidArgument: the text is not JSON by RFC 8259 in UTF-8 (a byte order mark is refused), has a key twice in
            one object, or nests more than `max_depth` deep.
    """
    try:
        return jsontext.read(text, max_depth)
    except Refused as refused:
        raise refused.error() from None


class Codec:
    """ProtoJSON for the types of one descriptor pool.

    Functions are compiled at their first call and kept as long as the codec, so asking for them costs next to nothing.
    Everything may be used from any thread.

    Args:
        pool: where the types of Any and extensions are looked up.
        options: how JSON is written and read.
    """

    def __init__(self, pool: DescriptorPool, options: JsonOptions = _CANONICAL) -> None:
        self.pool = pool
        self.options = options
        self._family = {options: self}
        self._encoders = Encoders(pool, options, self.message_class)
        self._decoders = Decoders(pool, options, self.message_class)

    def with_options(self, options: JsonOptions) -> Codec:
        """Give the codec for the same pool with other options, always the same one for the same options."""
        other = self._family.get(options)
        if other is None:
            other = Codec(self.pool, options)
            other._family = self._family
            other = self._family.setdefault(options, other)
        return other

    def message_class(self, descriptor: Descriptor) -> type[Message]:
        """Give the class of a message type."""
        made: type[Message] = message_factory.GetMessageClass(descriptor)
        return made

    # Writing

    def encoder(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        """Give the function that writes a message of this type as JSON text in UTF-8.

        It raises a `GatewayError` (INTERNAL) that names the field where a message has no JSON form: a time out of its
        range, a NaN within a `google.protobuf.Value`, text that is not UTF-8.
        """
        return late(lambda: self._encoder(descriptor))

    def _encoder(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        write = self._encoders.of(descriptor)

        def encode(message: Message) -> bytes:
            try:
                return orjson.dumps(write(message))
            except (Refused, orjson.JSONEncodeError, RecursionError) as error:
                raise self._unwritable(descriptor, message, error) from error

        return encode

    def field_encoder(self, field: FieldDescriptor) -> Callable[[Message], bytes]:
        """Give the function that writes one field of a message as JSON text.

        A field without presence is written at its default value, an empty list or map as such; a field with presence
        that is not set is ``null``, which is what JSON has for it.
        """
        return late(lambda: self._field_encoder(field))

    def _field_encoder(self, field: FieldDescriptor) -> Callable[[Message], bytes]:
        write = self._encoders.of_field(field)
        name = field.name
        # A field may have the name of a method, which then hides it in the message but not in the class.
        message_class: Any = self.message_class(owner(field))

        def encode(message: Message) -> bytes:
            try:
                if field.is_extension:
                    given = field.is_repeated or message_class.HasExtension(message, field)
                    return orjson.dumps(write(extensions(message)[field]) if given else None)
                given = not field.has_presence or message_class.HasField(message, name)
                return orjson.dumps(write(getattr(message, name)) if given else None)
            except (Refused, orjson.JSONEncodeError, RecursionError) as error:
                raise self._unwritable(owner(field), message, error) from error

        return encode

    def _unwritable(self, descriptor: Descriptor, message: Message, error: Exception) -> GatewayError:
        path, why = first_unwritable(descriptor, message, self._encoders, error)
        place = f"field {path!r}: " if path else ""
        return GatewayError(
            Code.INTERNAL, f"the message cannot be written as JSON: {place}{why}", reason="UNWRITABLE_MESSAGE"
        )

    # Reading

    def parser(self, descriptor: Descriptor) -> Callable[[bytes], object]:
        """Give `parse_json` for texts that `merge` will read as this type.

        It need not look for deep nesting where the shape of the type bounds it.
        """
        return late(lambda: self._parser(descriptor))

    def _parser(self, descriptor: Descriptor) -> Callable[[bytes], object]:
        depth = self._depth(descriptor)

        def parse(text: bytes) -> object:
            try:
                return jsontext.read(text, depth)
            except Refused as refused:
                raise refused.error() from None

        return parse

    def _depth(self, descriptor: Descriptor) -> int | None:
        limit = jsontext.MAX_DEPTH
        bounded = not self.options.ignore_unknown_fields and nests_at_most(descriptor, limit)
        return None if bounded else limit

    def decoder(self, descriptor: Descriptor) -> Callable[[bytes], Message]:
        """Give the function that reads JSON text into a new message; a required field must be there."""
        return late(lambda: self._decoder(descriptor))

    def _decoder(self, descriptor: Descriptor) -> Callable[[bytes], Message]:
        read = self._decoders.of(descriptor)
        message_class = self.message_class(descriptor)
        checked = may_lack_required(descriptor)
        depth = self._depth(descriptor)

        def decode(text: bytes) -> Message:
            try:
                message = build(read(jsontext.read(text, depth)), message_class)
            except Refused as refused:
                raise refused.error() from None
            except (DecodeError, RecursionError):
                raise _invalid(_TOO_DEEP) from None
            if checked:
                check_required(message)
            return message

        return decode

    def merge(self, descriptor: Descriptor) -> Callable[[Message, object], None]:
        """Give the function that merges a parsed JSON value into a message.

        Lists are appended, maps and messages merged, scalars replaced; null changes nothing. Required fields may be
        missing: see `check_required`. (Only where a JSON object has extensions, a default value in it does not replace
        what is in a field without presence.)
        """
        return late(lambda: self._merge(descriptor))

    def _merge(self, descriptor: Descriptor) -> Callable[[Message, object], None]:
        read = self._decoders.of(descriptor)
        # On a message that is there, its constructor merges the arguments into it: no second message is made.
        message_class: Any = self.message_class(descriptor)
        construct, merge_from = message_class.__init__, message_class.MergeFrom

        def merge(message: Message, value: object) -> None:
            try:
                arguments = read(value)
                if type(arguments) is dict:
                    construct(message, **arguments)
                else:
                    merge_from(message, arguments)
            except Refused as refused:
                raise refused.error() from None
            except (DecodeError, RecursionError):
                raise _invalid(_TOO_DEEP) from None

        return merge

    def field_setter(self, field: FieldDescriptor) -> Callable[[Message, object], None]:
        """Give the function that sets one field of a message to a parsed JSON value.

        Lists are appended, maps and messages merged; scalars, and well-known types that have a JSON form of their own,
        are replaced. Null changes nothing, but for a `google.protobuf.Value`, where it is a value. An error's path
        begins below the field: it is empty where the value itself is at fault.
        """
        return late(lambda: self._field_setter(field))

    def _field_setter(self, field: FieldDescriptor) -> Callable[[Message, object], None]:
        read = self._decoders.of_field(field)
        put = _setter(field, self.message_class)
        null = takes_null(field)

        def set_field(message: Message, value: object) -> None:
            if value is None and not null:
                return
            try:
                argument = read(value)
                if argument is not None:
                    put(message, argument)
            except Refused as refused:
                refused.inside(value)
                raise refused.error() from None
            except (DecodeError, RecursionError):
                raise _invalid(_TOO_DEEP) from None

        return set_field

    # To be looked at

    def source(self, descriptor: Descriptor) -> str:
        """Give the Python text of the functions compiled for a type; empty where it has none of its own."""
        parts = (self._encoders.source(descriptor), self._decoders.source(descriptor))
        return "\n\n".join(part for part in parts if part)


def check_required(message: Message) -> None:
    """Refuse a message in which a field that proto2 requires is not set.

    Raises:
        InvalidArgument: names the first of them.
    """
    missing = first_missing(message)
    if missing is not None:
        raise InvalidArgument(missing, "a required field is missing", reason="INVALID_JSON")


def _invalid(description: str) -> InvalidArgument:
    return InvalidArgument("", description, reason="INVALID_JSON")


def _setter(
    field: FieldDescriptor, message_class: Callable[[Descriptor], type[Message]]
) -> Callable[[Message, Any], None]:
    """Give the function that puts what a field's reader gave into a message."""
    name = field.name
    if field.is_extension:
        return lambda message, argument: set_extension(message, field, argument, message_class)
    if not field.is_repeated and not is_message(field):
        return lambda message, argument: setattr(message, name, argument)
    if not field.is_repeated and has_own_form(message_of(field)):
        inner = message_class(message_of(field))
        return lambda message, argument: getattr(message, name).CopyFrom(build(argument, inner))
    construct: Any = message_class(owner(field)).__init__
    return lambda message, argument: construct(message, **{name: argument})
