"""Values of enums in JSON: names, or numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.transcoding.descriptors import enum_name
from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import EnumDescriptor

    from twistedgw.transcoding.options import JsonOptions

__all__ = ["enum_numbers", "enum_reader"]

_LOW, _HIGH = -(2**31), 2**31 - 1
_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII).fullmatch
_NAME = re.compile(r"\s*[^\s\d+-]").match


def enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Give the number of each name that is read, which includes the names a value has in JSON only."""
    return {enum_name(value): value.number for value in enum.values} | {
        value.name: value.number for value in enum.values
    }


def enum_reader(enum: EnumDescriptor, options: JsonOptions) -> Callable[[object], int | None]:
    """Give the reader of an enum; it gives None for an unknown name where those are to be ignored."""
    names = enum_numbers(enum)
    numbers = frozenset(names.values()) if enum.is_closed else None
    folded = {_folded(name): number for name, number in reversed(names.items())}
    takes_null = enum.full_name == "google.protobuf.NullValue"
    what = f"a value of {enum.full_name}"

    def read(value: object) -> int | None:
        if type(value) is str:
            number = names.get(value)
            if number is None and options.case_insensitive_enums:
                number = folded.get(_folded(value))
            if number is None and _NUMBER(value):
                number = int(value)
            if number is None and options.ignore_unknown_fields and _NAME(value):
                return None
        elif type(value) is int:
            number = value
        elif type(value) is float and value.is_integer():
            number = int(value)
        else:
            number = 0 if value is None and takes_null else None
        if number is None or not _LOW <= number <= _HIGH or (numbers is not None and number not in numbers):
            raise Refused(f"expected {what}, got {shown(value)}", value)
        return number

    return read


def _folded(name: str) -> str:
    return name.upper().replace("-", "_")
