"""What ``google.api`` annotations say of fields."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["Annotations", "Behavior"]

_OPTIONS = "google.protobuf.FieldOptions"
_FORMATS = {1: "uuid", 2: "ipv4", 3: "ipv6"}
"""The values of ``google.api.FieldInfo.Format`` that JSON Schema has a format for."""


class Behavior(enum.IntEnum):
    """The values of ``google.api.FieldBehavior`` that mean something here."""

    REQUIRED = 2
    OUTPUT_ONLY = 3
    INPUT_ONLY = 4
    IMMUTABLE = 5
    UNORDERED_LIST = 6
    IDENTIFIER = 8


class Annotations:
    """Reads the annotations of the fields of one descriptor pool.

    An extension that only has the name of one of Google's is passed over.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        self._behavior = _extension(pool, "google.api.field_behavior", FieldDescriptor.TYPE_ENUM, repeated=True)
        self._info = _extension(pool, "google.api.field_info", FieldDescriptor.TYPE_MESSAGE, repeated=False)
        self._options: Any = None
        if self._behavior is not None or self._info is not None:
            self._options = message_factory.GetMessageClass(pool.FindMessageTypeByName(_OPTIONS))

    def behavior(self, field: FieldDescriptor) -> frozenset[int]:
        """Give a field's ``google.api.field_behavior``."""
        options = self._read(field)
        if options is None or self._behavior is None:
            return frozenset()
        return frozenset(options.Extensions[self._behavior])

    def format(self, field: FieldDescriptor) -> str | None:
        """Give the format of a string field by ``google.api.field_info``, in JSON Schema's words."""
        options = self._read(field)
        if options is None or self._info is None or not options.HasExtension(self._info):
            return None
        return _FORMATS.get(getattr(options.Extensions[self._info], "format", 0))

    def _read(self, field: FieldDescriptor) -> Any:
        if self._options is None or not field.has_options:
            return None
        try:
            return self._options.FromString(field.GetOptions().SerializeToString())
        except DecodeError:
            return None


def _extension(pool: DescriptorPool, name: str, kind: int, *, repeated: bool) -> FieldDescriptor | None:
    try:
        found = pool.FindExtensionByName(name)
    except KeyError:
        return None
    owner = found.containing_type
    fits = found.type == kind and found.is_repeated == repeated and owner is not None and owner.full_name == _OPTIONS
    return found if fits else None
