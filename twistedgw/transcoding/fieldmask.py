"""The update mask of a PATCH, from what its body names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.descriptors import has_own_form
from twistedgw.transcoding.parameters import fields_by_any_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["MAX_PATHS", "mask_field", "mask_paths"]

MAX_PATHS = 10_000
"""How many paths a mask is filled with; what they would take grows faster than the body does."""


def mask_field(descriptor: Descriptor) -> FieldDescriptor | None:
    """Give the one singular FieldMask field of a message type; None where it has none or several."""
    fields = [
        field
        for field in descriptor.fields
        if field.message_type is not None
        and field.message_type.full_name == "google.protobuf.FieldMask"
        and not field.is_repeated
    ]
    return fields[0] if len(fields) == 1 else None


def mask_paths(descriptor: Descriptor, value: Mapping[str, object]) -> list[str]:
    """Give the paths that a JSON object names, in proto names and in their order.

    A path goes down to the leaves of nested messages; a list, a map, an empty object, a null, and a type with a JSON
    form of its own end it. Unknown names (which a lenient decoder passes over) and extensions (which no mask can name)
    give none.

    Raises:
        InvalidArgument: there are too many.
    """
    paths: list[str] = []
    tables: dict[str, dict[str, FieldDescriptor]] = {}
    for path in _paths(descriptor, value, "", tables):
        if len(paths) == MAX_PATHS:
            raise InvalidArgument("", f"names more than {MAX_PATHS} fields, too many for an update mask")
        paths.append(path)
    return paths


def _paths(
    descriptor: Descriptor, value: Mapping[str, object], prefix: str, tables: dict[str, dict[str, FieldDescriptor]]
) -> Iterator[str]:
    table = tables.get(descriptor.full_name)
    if table is None:
        table = tables[descriptor.full_name] = fields_by_any_name(descriptor)
    for name, inner in value.items():
        field = table.get(name)
        if field is None:
            continue
        path = prefix + field.name
        nested = field.message_type
        if nested is None or field.is_repeated or has_own_form(nested) or not inner or not isinstance(inner, dict):
            yield path
        else:
            yield from _paths(nested, inner, path + ".", tables)
