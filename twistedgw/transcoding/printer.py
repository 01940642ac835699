"""From a message to the body of an answer: `response_body`, HttpBody, JSON or protobuf."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twistedgw.transcoding.httpbody import http_body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec
    from twistedgw.transcoding.rule import HttpRule

__all__ = ["Printer"]


class Printer:
    """Prints the answers of one rule. Immutable; any thread."""

    def __init__(self, rule: HttpRule, method: MethodDescriptor, codec: Codec) -> None:
        """Make one for a rule that `check_rule` has nothing to say against."""
        output: Descriptor = method.output_type
        self._field: FieldDescriptor | None = output.fields_by_name[rule.response_body] if rule.response_body else None
        self._http_body = http_body_of(output, rule.response_body)
        self._codec = codec
        self._output = output
        self.json: Callable[[Message], bytes] = self._encoder(codec)
        """Give the answer's body as JSON text."""

    def _is_list(self) -> bool:
        return self._field is not None and self._field.is_repeated

    def _encoder(self, codec: Codec) -> Callable[[Message], bytes]:
        return codec.encoder(self._output) if self._field is None else codec.field_encoder(self._field)

    def json_with_enum_numbers(self, message: Message) -> bytes:
        """Give the JSON text with enums as numbers, whatever the plugin says."""
        return self.encoder(enums_as_numbers=True)(message)

    def encoder(self, *, enums_as_numbers: bool | None) -> Callable[[Message], bytes]:
        """Give the function that writes the body as JSON text, for many messages.

        Args:
            enums_as_numbers: true for numbers whatever the plugin says; otherwise as that says.
        """
        if not enums_as_numbers:
            return self.json
        return self._encoder(self._codec.with_options(replace(self._codec.options, enums_as_numbers=True)))

    @property
    def raw(self) -> bool:
        """Whether the answer is a ``google.api.HttpBody``."""
        return self._http_body is not None

    def http_body(self, message: Message) -> tuple[bytes, bytes] | None:
        """Give media type and bytes where the answer is a ``google.api.HttpBody``; None where it is not."""
        if self._http_body is None:
            return None
        content_type, data = self._http_body(message)
        return content_type.encode("ascii"), data

    def protobuf(self, message: Message) -> bytes | None:
        """Give the answer's body as protobuf; None where it is no message."""
        if self._field is None:
            return message.SerializeToString()
        if self._field.message_type is None or self._is_list():
            return None
        part: Message = getattr(message, self._field.name)
        return part.SerializeToString()
