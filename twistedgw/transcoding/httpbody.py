"""``google.api.HttpBody``: a body that is no message but octets with a content type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["HttpBodyReader", "fill_http_body", "http_body_of", "is_http_body"]

HttpBodyReader = Callable[[Message], tuple[str, bytes]]

_FALLBACK = "application/octet-stream"
_SHAPE = {"content_type": FieldDescriptor.TYPE_STRING, "data": FieldDescriptor.TYPE_BYTES}


def is_http_body(descriptor: Descriptor) -> bool:
    """Tell whether this is ``google.api.HttpBody``."""
    if descriptor.full_name != "google.api.HttpBody":
        return False
    fields = descriptor.fields_by_name
    return all(
        name in fields and fields[name].type == kind and not fields[name].is_repeated for name, kind in _SHAPE.items()
    )


def fill_http_body(message: Any, content_type: str | None, data: bytes) -> None:
    """Put a request's body into the HttpBody `message`."""
    message.SetInParent()
    message.content_type = (content_type or "").encode("utf-8", "replace").decode()
    message.data = data


def http_body_of(descriptor: Descriptor, response_body: str = "") -> HttpBodyReader | None:
    """Plan how the answers of one rule are read where they are HttpBody.

    Args:
        descriptor: the RPC's output message.
        response_body: that of the rule.

    Returns:
        A function from an output message to content type and octets; None where the answer is an ordinary message. A
        content type that is empty, or could not stand in a header, is ``application/octet-stream``.
    """
    if not response_body:
        return _read if is_http_body(descriptor) else None
    field = descriptor.fields_by_name.get(response_body)
    if field is None or field.is_repeated or field.message_type is None or not is_http_body(field.message_type):
        return None
    return lambda message: _read(getattr(message, response_body))


def _read(message: Any) -> tuple[str, bytes]:
    content_type = message.content_type
    usable = content_type and content_type.isascii() and content_type.isprintable()
    return (content_type if usable else _FALLBACK), message.data
