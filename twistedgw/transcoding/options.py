"""How JSON is written and read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JsonOptions"]


@dataclass(frozen=True, slots=True)
class JsonOptions:
    """How JSON is written and read; the defaults are canonical ProtoJSON.

    Attributes:
        always_print_fields: write fields without presence at their default value too (lists and maps included).
        preserve_proto_field_names: write names as in the ``.proto``, not in lowerCamelCase. Both are always read.
        enums_as_numbers: write enum values as numbers.
        case_insensitive_enums: read names of enum values in any case, and with ``-`` for ``_``.
        ignore_unknown_fields: skip fields that the message does not have, and names that the enum does not have.
    """

    always_print_fields: bool = False
    preserve_proto_field_names: bool = False
    enums_as_numbers: bool = False
    case_insensitive_enums: bool = False
    ignore_unknown_fields: bool = False
