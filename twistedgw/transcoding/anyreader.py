"""google.protobuf.Any out of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.transcoding.descriptors import has_own_form
from twistedgw.transcoding.keys import build, first_missing
from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

__all__ = ["any_reader"]


def any_reader(
    pool: DescriptorPool,
    reader: Callable[[Descriptor], Callable[[Any], Any]],
    message_class: Callable[[Descriptor], type[Message]],
    *,
    ignore_unknown: bool,
) -> Callable[[object], dict[str, Any]]:
    """Give the reader of Any.

    Args:
        pool: where the types are looked up.
        reader: gives the reader of a type.
        message_class: gives the class of a type.
        ignore_unknown: whether further keys beside ``value`` are let pass.
    """

    def read(value: object) -> dict[str, Any]:
        if type(value) is not dict:
            raise Refused(f"expected an object, got {shown(value)}", value)
        if not value:
            return {}
        url, descriptor = _type(value, pool)
        if has_own_form(descriptor):
            arguments = _read_value(value, reader(descriptor), ignore_unknown=ignore_unknown)
        else:
            try:
                arguments = reader(descriptor)({key: item for key, item in value.items() if key != "@type"})
            except Refused as refused:
                refused.culprit = value
                raise
        made = message_class(descriptor)
        message = build(arguments, made)
        missing = first_missing(message)
        if missing is not None:
            raise Refused("a required field is missing", None).within(missing, None, value)
        return {"type_url": url, "value": made.SerializePartialToString(message)}

    return read


def _type(value: dict[str, Any], pool: DescriptorPool) -> tuple[str, Descriptor]:
    url = value.get("@type")
    if url is None:
        raise Refused('expected a key "@type" with the URL of a type', value)
    if type(url) is not str or "/" not in url:
        expected = 'expected the URL of a type such as "type.googleapis.com/package.Type"'
        raise Refused(f"{expected}, got {shown(url)}", url).within("@type", url, value)
    name = url.rpartition("/")[2]
    try:
        descriptor = pool.FindMessageTypeByName(name)
    except KeyError:
        descriptor = None
    if descriptor is None or descriptor.full_name != name:
        raise Refused(f"there is no type {shown(name)}", url).within("@type", url, value)
    return url, descriptor


def _read_value(value: dict[str, Any], read: Callable[[Any], Any], *, ignore_unknown: bool) -> Any:
    """Read a type whose JSON is not an object of its fields."""
    if "value" not in value:
        raise Refused('expected a key "value"', value)
    item = value["value"]
    if len(value) > 2 and not ignore_unknown:
        key = next(key for key in value if key not in ("@type", "value"))
        raise Refused('expected no key but "@type" and "value"', None).within(key, value[key], value)
    try:
        return read(item)
    except Refused as refused:
        raise refused.within("value", item, value) from None
