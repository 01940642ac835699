"""JSON values of scalar fields: read strictly, written exactly.

Each reader takes a parsed JSON value and gives what protobuf takes, or raises `Refused`.
"""

from __future__ import annotations

import math
import re
import struct
from binascii import a2b_base64, b2a_base64
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FLOAT_LIMIT",
    "INT_RANGES",
    "base64_text",
    "boolean",
    "boolean_key",
    "bytes_",
    "double",
    "float_",
    "integer_reader",
    "nonfinite",
    "shortest",
    "string",
]

FLOAT_LIMIT = math.nextafter(2.0**128 - 2.0**103, 0.0)
"""The largest double that rounds to a finite float32."""

INT_RANGES = {
    "int32": (-(2**31), 2**31 - 1, "a 32-bit integer"),
    "uint32": (0, 2**32 - 1, "an unsigned 32-bit integer"),
    "int64": (-(2**63), 2**63 - 1, "a 64-bit integer"),
    "uint64": (0, 2**64 - 1, "an unsigned 64-bit integer"),
}

_NUMBER_LENGTH = 400  # the largest double has 309 digits
_DIGITS = re.compile(r"-?[0-9]+").fullmatch
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_EDGES = (2.0**63, 2.0**64)
_NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", re.ASCII).fullmatch
_URL_SAFE = str.maketrans("-_", "+/")
_pack_float = struct.Struct("<f")


def integer_reader(kind: str) -> Callable[[object], int]:
    """Give the reader of one of `INT_RANGES`: numbers and their decimal text, whole and in range."""
    low, high, what = INT_RANGES[kind]

    def read(value: object) -> int:
        if type(value) is int:
            number: int | None = value
        elif type(value) is float:
            # A literal beyond 64 bits comes rounded to one of the edges; a whole one in range never comes as a float.
            number = int(value) if value.is_integer() and abs(value) not in _EDGES else None
            if number is None and abs(value) in _EDGES:
                raise Refused(f"expected {what}, got {shown(value)} (out of range)", value)
        elif type(value) is str:
            number = _whole(value)
        else:
            number = None
        if number is None:
            raise Refused(f"expected {what}, got {shown(value)}", value)
        if not low <= number <= high:
            raise Refused(f"expected {what}, got {shown(value)} (out of range)", value)
        return number

    return read


def _whole(text: str) -> int | None:
    """Read the text of a number exactly; None where it is no number, or not a whole one."""
    if len(text) > _NUMBER_LENGTH:
        return None
    if _DIGITS(text):
        return int(text)
    if not _NUMBER(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number:
        return 0
    if number.adjusted() > 40:
        return 10**40 if number > 0 else -(10**40)
    return int(number) if number.adjusted() >= 0 and number == number.to_integral_value() else None


def double(value: object) -> float:
    """Read a double."""
    return _real(value, "a number")


def float_(value: object) -> float:
    """Read a 32-bit float: any number that rounds to a finite one, or the names of the others."""
    number = _real(value, "a number")
    if not -FLOAT_LIMIT <= number <= FLOAT_LIMIT and math.isfinite(number):
        raise Refused(f"expected a 32-bit float, got {shown(value)} (out of range)", value)
    return number


def _real(value: object, what: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is str:
        if value in _NONFINITE:
            return _NONFINITE[value]
        if len(value) <= _NUMBER_LENGTH and _NUMBER(value):
            number = float(value)
            if math.isinf(number):
                raise Refused(f"expected {what}, got {shown(value)} (out of range)", value)
            return number
    raise Refused(f"expected {what}, got {shown(value)}", value)


def boolean(value: object) -> bool:
    """Read a boolean."""
    if type(value) is bool:
        return value
    raise Refused(f"expected true or false, got {shown(value)}", value)


def boolean_key(key: str) -> bool:
    """Read a boolean map key."""
    if key == "true":
        return True
    if key == "false":
        return False
    raise Refused(f'expected the key "true" or "false", got {shown(key)}', key)


def string(value: object) -> str:
    """Read a string."""
    if type(value) is str:
        return value
    raise Refused(f"expected a string, got {shown(value)}", value)


def bytes_(value: object) -> bytes:
    """Read base64, in the standard or the URL-safe alphabet (not both), padded or not."""
    if type(value) is not str:
        raise Refused(f"expected base64 text, got {shown(value)}", value)
    if not _BASE64(value):
        raise Refused(f"expected base64 text, got {shown(value)}", value)
    size = len(value)
    digits = len(value.rstrip("="))
    if digits % 4 == 1 or (digits != size and size % 4):
        raise Refused(f"expected base64 text, got {shown(value)} (its length cannot be)", value)
    if "-" in value or "_" in value:
        value = value.translate(_URL_SAFE)
    return a2b_base64(value + "=" * (-size % 4))


def base64_text(value: bytes) -> str:
    """Write bytes in standard base64 with padding."""
    return b2a_base64(value, newline=False).decode("ascii")


def nonfinite(value: float) -> str:
    """Write NaN or an infinity."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def shortest(value: float) -> Any:
    """Write a 32-bit float with as few digits (six at least) as give it back."""
    if not math.isfinite(value):
        return nonfinite(value)
    if value.is_integer() and abs(value) < 1e6:
        return value
    for digits in (6, 7, 8):
        number = float(f"{value:.{digits}g}")
        try:
            if _pack_float.unpack(_pack_float.pack(number))[0] == value:
                return number
        except OverflowError:  # rounded up beyond the largest float32
            continue
    return float(f"{value:.9g}")
