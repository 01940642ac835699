"""The well-known types whose JSON is a form of their own, other than wrappers and Any.

The writers take a message and give its JSON value; the readers take a JSON value and give either the keyword arguments
of the message (a dict) or the message itself.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import date
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message

from twistedgw.transcoding.refusal import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["READERS", "STRUCTS", "WRITERS", "struct_reader"]

_FIRST_SECOND = -62135596800
_LAST_SECOND = 253402300799
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LONGEST = 315576000000
_BILLION = 10**9
_DAYS_KEPT = 4096

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
).fullmatch
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII).fullmatch

_MINUTES = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]
_SECONDS = [f"{second:02}" for second in range(60)]
_MINUTE_OF = {f"T{text}": minute * 60 for minute, text in enumerate(_MINUTES)}
_SECOND_OF = {text: second for second, text in enumerate(_SECONDS)}
_COMMON_FRACTIONS = {f".{millisecond:03}Z": millisecond * 1_000_000 for millisecond in range(1000)}
_day_texts: dict[int, str] = {}
_day_seconds: dict[str, int] = {}


def _fraction(nanos: int) -> str:
    """Write a fraction of a second with 0, 3, 6 or 9 digits."""
    if not nanos:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    return f".{nanos // 1000:06}" if nanos % 1000 == 0 else f".{nanos:09}"


def _nanos(digits: str | None) -> int:
    return int(digits.ljust(9, "0")) if digits else 0


def write_timestamp(message: Any) -> str:
    """Write a Timestamp by RFC 3339 in UTC."""
    seconds = message.seconds
    nanos = message.nanos
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND or not 0 <= nanos < _BILLION:
        raise Refused("a time that is not within the years 1 to 9999, or nanoseconds that are no fraction", message)
    day, second = divmod(seconds, 86400)
    text = _day_texts.get(day) or _day_text(day)
    if nanos:
        return f"{text}{_MINUTES[second // 60]}{_SECONDS[second % 60]}{_fraction(nanos)}Z"
    return f"{text}{_MINUTES[second // 60]}{_SECONDS[second % 60]}Z"


def _day_text(day: int) -> str:
    if len(_day_texts) >= _DAYS_KEPT:
        _day_texts.clear()
    text = _day_texts[day] = f"{date.fromordinal(day + _EPOCH_DAY).isoformat()}T"
    return text


def read_timestamp(value: object) -> dict[str, int]:
    """Read a time by RFC 3339 with upper-case T and Z, an offset, and up to nine digits of a second's fraction."""
    if type(value) is str:
        try:  # the common forms, without the work of a match
            seconds = _day_seconds[value[:10]] + _MINUTE_OF[value[10:17]] + _SECOND_OF[value[17:19]]
            rest = value[19:]
            nanos = 0 if rest == "Z" else _COMMON_FRACTIONS[rest]
        except KeyError:
            match = _TIMESTAMP(value)
            if match:
                return _timestamp(match, value)
        else:
            return {"seconds": seconds, "nanos": nanos}
    raise Refused(f'expected a time such as "2006-01-02T15:04:05.123Z", got {shown(value)}', value)


def _timestamp(match: re.Match[str], value: str) -> dict[str, int]:
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        midnight = (date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY) * 86400
    except ValueError:
        raise Refused(f"expected a time, got {shown(value)} (there is no such day)", value) from None
    if len(_day_seconds) >= _DAYS_KEPT:
        _day_seconds.clear()
    _day_seconds[value[:10]] = midnight
    seconds = midnight + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            raise Refused(f"expected a time within the years 1 to 9999, got {shown(value)}", value)
    return {"seconds": seconds, "nanos": _nanos(fraction)}


def write_duration(message: Any) -> str:
    """Write a Duration in seconds."""
    seconds = message.seconds
    nanos = message.nanos
    if not -_LONGEST <= seconds <= _LONGEST or not -_BILLION < nanos < _BILLION or seconds * nanos < 0:
        raise Refused("a duration beyond 10,000 years, or seconds and nanoseconds of different signs", message)
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def read_duration(value: object) -> dict[str, int]:
    """Read seconds with up to nine digits of a fraction and a final ``s``."""
    match = _DURATION(value) if type(value) is str else None
    if not match:
        raise Refused(f'expected a duration such as "1.5s", got {shown(value)}', value)
    sign, whole, fraction = match.groups()
    seconds = int(whole)
    if seconds > _LONGEST:
        raise Refused(f"expected a duration of at most 10,000 years, got {shown(value)}", value)
    nanos = _nanos(fraction)
    return {"seconds": -seconds, "nanos": -nanos} if sign else {"seconds": seconds, "nanos": nanos}


def write_field_mask(message: Any) -> str:
    """Write the paths in camelCase, if reading them back gives the same."""
    return ",".join([_camel(path, message) for path in message.paths])


def _camel(path: str, message: object) -> str:
    first, *others = path.split("_")
    if path != path.lower() or any(not other[:1].islower() for other in others):
        raise Refused(f"a path that camelCase cannot show: {shown(path)}", message)
    return first + "".join([other[0].upper() + other[1:] for other in others])


def read_field_mask(value: object) -> dict[str, list[str]]:
    """Read paths in camelCase, separated by commas."""
    if type(value) is not str:
        raise Refused(f"expected field paths separated by commas, got {shown(value)}", value)
    if not value:
        return {"paths": []}
    paths = value.split(",")
    for path in paths:
        if not path or "_" in path or not path.isascii():
            raise Refused(f"expected field paths in camelCase, got {shown(path)}", value)
    return {"paths": [re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", path) for path in paths]}


def write_value(message: Any) -> object:
    """Write a Value; one that is not set is null."""
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        if math.isfinite(number):
            return number
        raise Refused("a google.protobuf.Value that is NaN or infinite", message)
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return write_struct(message.struct_value)
    if kind == "list_value":
        return write_list(message.list_value)
    return None


def write_struct(message: Any) -> dict[str, object]:
    """Write a Struct."""
    fields = message.fields
    return {key: write_value(fields[key]) for key in fields}


def write_list(message: Any) -> list[object]:
    """Write a ListValue."""
    return [write_value(value) for value in message.values[:]]


# Structs are read by way of their wire format: that is several times cheaper than building messages one by one.
_NUMBER = struct.Struct("<Bd")
_NULL = b"\x08\x00"
_TRUE = b"\x20\x01"
_FALSE = b"\x20\x00"


def _sized(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    if size < 128:
        return tag + bytes((size,)) + data
    digits = bytearray()
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    digits.append(size)
    return tag + digits + data


def _value_wire(value: object) -> bytes:
    kind = type(value)
    if kind is str:
        return _sized(b"\x1a", value.encode())  # type: ignore[attr-defined]
    if kind is float or kind is int:
        return _NUMBER.pack(0x11, value)
    if kind is dict:
        return _sized(b"\x2a", _struct_wire(value))  # type: ignore[arg-type]
    if kind is list:
        return _sized(b"\x32", _list_wire(value))  # type: ignore[arg-type]
    if value is None:
        return _NULL
    return _TRUE if value else _FALSE


def _struct_wire(value: Mapping[str, object]) -> bytes:
    return b"".join(
        [
            _sized(b"\x0a", _sized(b"\x0a", key.encode()) + _sized(b"\x12", _value_wire(item)))
            for key, item in value.items()
        ]
    )


def _list_wire(value: list[object]) -> bytes:
    return b"".join([_sized(b"\x0a", _value_wire(item)) for item in value])


def struct_reader(full_name: str, message_class: type[Message]) -> Callable[[object], Message]:
    """Give the reader of one of `STRUCTS`."""
    kind, what, wire = STRUCTS[full_name]

    def read(value: object) -> Message:
        if kind is not None and type(value) is not kind:
            raise Refused(f"expected {what}, got {shown(value)}", value)
        try:
            return message_class.FromString(wire(value))
        except DecodeError:
            raise Refused("nested more deeply than protobuf takes", value) from None

    return read


STRUCTS: Mapping[str, tuple[type | None, str, Callable[[Any], bytes]]] = {
    "google.protobuf.Struct": (dict, "an object", _struct_wire),
    "google.protobuf.ListValue": (list, "an array", _list_wire),
    "google.protobuf.Value": (None, "a value", _value_wire),
}

READERS: Mapping[str, Callable[[object], dict[str, Any]]] = {
    "google.protobuf.Timestamp": read_timestamp,
    "google.protobuf.Duration": read_duration,
    "google.protobuf.FieldMask": read_field_mask,
}

WRITERS: Mapping[str, Callable[[Any], object]] = {
    "google.protobuf.Timestamp": write_timestamp,
    "google.protobuf.Duration": write_duration,
    "google.protobuf.FieldMask": write_field_mask,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.ListValue": write_list,
    "google.protobuf.Value": write_value,
}
