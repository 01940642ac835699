"""The request's body, by the rule and the media type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError, Message

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import Codec, parse_json
from twistedgw.transcoding.descriptors import has_own_form, is_map, may_lack_required
from twistedgw.transcoding.fieldmask import mask_paths
from twistedgw.transcoding.form import FORM, Form
from twistedgw.transcoding.httpbody import fill_http_body, is_http_body
from twistedgw.transcoding.media import Kind, MediaType, media_type
from twistedgw.transcoding.parameters import Parameters, shown

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["Body", "BodyReader", "Paths"]

Paths = Callable[[], list[str]]
"""Gives the paths of an update mask for what a body named."""

_JSON_STARTS = (b"{", b"[")
_PLAIN_JSON = (None, "application/json")
_JSON_SPACE = b" \t\r\n"
_LISTED = ("google.protobuf.ListValue", "google.protobuf.Value")


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body.

    Attributes:
        content_type: the header as it came; None where there was none.
        data: the octets, without any Content-Encoding.
    """

    content_type: str | None
    data: bytes


class BodyReader:
    """Puts bodies into messages, by one rule.

    JSON fits any body. Protobuf fits a body that is one message, a form one whose fields can be named (so neither a
    scalar, a list or a map, nor a type with a JSON form of its own). Anything else is answered with 415.

    Attributes:
        taken: whether there may be a body at all.
        raw: whether it is a ``google.api.HttpBody``, so octets of any type.
        listed: whether the JSON of a body is, or may be, an array.
    """

    def __init__(self, body: str, descriptor: Descriptor, codec: Codec, strict: Codec) -> None:
        """Take the types.

        Args:
            body: that of the rule.
            descriptor: the RPC's input message.
            codec: of JSON bodies.
            strict: the same codec, refusing unknown names: of texts in forms.
        """
        self._new = codec.message_class(descriptor)
        self.taken = bool(body)
        self._name = "" if body == "*" else body
        field = descriptor.fields_by_name[self._name] if self._name else None
        kind = descriptor if field is None else None if field.is_repeated else field.message_type
        plain = kind if kind is not None and not has_own_form(kind) else None
        self._single = kind is not None
        self.raw = kind is not None and is_http_body(kind)
        self.listed = kind.full_name in _LISTED if kind is not None else field is not None and not is_map(field)
        self._plain = plain
        self._put_json = _json_setter(descriptor, field, plain, codec)
        # The decoder is quicker than a merge, but insists on what proto2 requires, which may come from the path.
        decodable = body == "*" and not self.raw and not may_lack_required(descriptor)
        self._decode = codec.decoder(descriptor) if decodable else None
        self._form: Form | None = None
        if plain is not None:
            self._form = Form(Parameters(plain, strict, FORM, ignore_unknown=codec.options.ignore_unknown_fields))

    def read(self, body: Body) -> tuple[Message, Paths | None]:
        """Make the request message with what `body` gives to it.

        Returns:
            The message, and what gives the paths that the body named (None where there are none to name).

        Raises:
            InvalidArgument: it cannot be taken.
        """
        if self._decode is not None and body.data and body.content_type in _PLAIN_JSON:
            return self._decode(body.data), None
        message = self._new()
        return message, self._fill(message, body)

    def _fill(self, message: Message, body: Body) -> Paths | None:
        if not self.taken:
            if body.data:
                raise InvalidArgument("", "this method takes no body")
            return None
        if self.raw:
            if body.data or body.content_type:
                fill_http_body(self._target(message), body.content_type, body.data)
            return None
        return self._fill_typed(message, body) if body.data else None

    def _fill_typed(self, message: Message, body: Body) -> Paths | None:
        kind = media_type(body.content_type)
        if kind.kind is Kind.JSON and not kind.foreign_charset:
            return self._read_json(message, body.data)
        if kind.kind is Kind.PROTOBUF and self._single:
            self._read_protobuf(message, body.data)
            return None
        if kind.kind is Kind.FORM and not kind.foreign_charset:
            if body.data.lstrip(_JSON_SPACE).startswith(_JSON_STARTS):
                return self._read_json(message, body.data)
            if self._form is not None:
                return _named(self._form.fill(self._target(message), body.data))
        if kind.kind is Kind.MULTIPART and not kind.foreign_charset and self._form is not None:
            return _named(self._form.fill_multipart(self._target(message), body.data, kind.boundary))
        raise self._unsupported(kind, body.content_type or "")

    def _read_json(self, message: Message, data: bytes) -> Paths | None:
        value = parse_json(data)
        self._put_json(message, value)
        if self._plain is None or not isinstance(value, dict):
            return None
        return partial(mask_paths, self._plain, value)

    def _read_protobuf(self, message: Message, data: bytes) -> None:
        try:
            self._target(message).MergeFromString(data)
        except DecodeError:
            raise InvalidArgument("", "malformed protobuf") from None

    def _target(self, message: Message) -> Message:
        """Give the message that the body fills; where it is a field, that field is set from now on."""
        if not self._name:
            return message
        target: Message = getattr(message, self._name)
        target.SetInParent()
        return target

    def _unsupported(self, kind: MediaType, content_type: str) -> InvalidArgument:
        if kind.foreign_charset:
            description = "the charset must be UTF-8"
        elif kind.kind is Kind.OTHER:
            description = f"{shown(content_type)!r} is not taken here; send application/json"
        else:
            description = f"the body of this method cannot be {kind.kind.value}; send application/json"
        return InvalidArgument(
            "Content-Type", description, source="header", reason="UNSUPPORTED_MEDIA_TYPE", http_status_=415
        )


def _json_setter(
    descriptor: Descriptor, field: FieldDescriptor | None, plain: Descriptor | None, codec: Codec
) -> Callable[[Message, object], None]:
    if field is None:
        return codec.merge(descriptor)
    if plain is None:
        return codec.field_setter(field)
    name, merge = field.name, codec.merge(plain)

    def merge_field(message: Message, value: object) -> None:
        if value is not None:
            target = getattr(message, name)
            target.SetInParent()
            merge(target, value)

    return merge_field


def _named(paths: list[str]) -> Paths:
    return lambda: list(dict.fromkeys(paths))
