"""Plain text as a value: what path variables, query parameters and forms carry.

A text is turned into the JSON form of its field's type, and the codec does the rest. Numbers, enum names, base64,
timestamps and the like are JSON strings already; what needs a step of its own is here:

- bool: ``true`` and ``false``, and what Envoy and grpc-gateway both take besides (``1 t T True TRUE``, ``0 f F False
  FALSE``);
- enums: a decimal number is the number, anything else a name;
- ``Struct``, ``Value`` and ``ListValue``: the text is JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import parse_json
from twistedgw.transcoding.descriptors import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TextForm", "text_form"]

_BOOLS = dict.fromkeys(("true", "1", "t", "T", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "0", "f", "F", "False", "FALSE"), False
)
_ENUM_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)

_JSON_TEXT = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
_STRINGS = frozenset(f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask"))


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a field's value is written as text.

    Attributes:
        read: gives the JSON value of a text; None where the text is that value.
        restores_plus: no text of this type has a space, so that one in a query is a ``+`` that was not percent-encoded.
        scalar_like: whether a path variable may hold it (JSON texts may not).
    """

    read: Callable[[str], object] | None = None
    restores_plus: bool = False
    scalar_like: bool = True


def text_form(field: FieldDescriptor) -> TextForm | None:
    """Give the text form of one value of `field`; None where it has none (a message, ``Any``)."""
    if field.message_type is None:
        return _scalar_form(field)
    name = field.message_type.full_name
    if name in WRAPPERS:
        return _scalar_form(field.message_type.fields_by_name["value"])
    if name in _JSON_TEXT:
        return _JSON_FORM
    if name in _STRINGS:
        return TextForm(restores_plus=name == "google.protobuf.Timestamp")
    return None


def _scalar_form(field: FieldDescriptor) -> TextForm:
    if field.type == FieldDescriptor.TYPE_STRING:
        return TextForm()
    if field.type == FieldDescriptor.TYPE_BOOL:
        return TextForm(_read_bool)
    if field.enum_type is not None:
        null = field.enum_type.full_name == "google.protobuf.NullValue"
        return TextForm(_read_null_enum if null else _read_enum)
    return TextForm(restores_plus=True)


def _read_bool(text: str) -> object:
    try:
        return _BOOLS[text]
    except KeyError:
        raise InvalidArgument("", "expected true or false") from None


def _read_enum(text: str) -> object:
    return int(text) if _ENUM_NUMBER.fullmatch(text) else text


def _read_null_enum(text: str) -> object:
    return None if text == "null" else _read_enum(text)


def _read_json(text: str) -> object:
    return parse_json(text.encode())


_JSON_FORM = TextForm(_read_json, scalar_like=False)
