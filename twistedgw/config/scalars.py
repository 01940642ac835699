"""Converters for numbers, units, words and lists."""

from __future__ import annotations

import os
import re
from typing import Any

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.words import did_you_mean

__all__ = [
    "BOOLEAN",
    "DURATION",
    "DURATION_OR_ZERO",
    "IDENTIFIER",
    "LINE",
    "TEXT",
    "WORKERS",
    "choice",
    "integer",
    "listing",
    "size",
    "split",
]

LONGEST = 365 * 24 * 3600.0
"""Seconds; the reactor and gRPC both take it."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_SIZE = re.compile(r"([0-9]{1,15})(|KiB|MiB|GiB)")
_SIZE_LIKE = re.compile(r"([0-9]{1,15})\s*([kmg]?)i?b?", re.IGNORECASE)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOOLEANS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def split(text: str) -> list[str]:
    """Give the items of a list, which commas and ends of lines divide; none is empty, none comes twice."""
    return list(dict.fromkeys(item for item in map(str.strip, re.split(r"[,\n]", text)) if item))


def _text(text: str, _: Context) -> str:
    return " ".join(text.split())


def _line(text: str, _: Context) -> str:
    return text


def _boolean(text: str, _: Context) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise RefusedError("is not yes or no", "yes, true, on, 1 or no, false, off, 0") from None


def _seconds(text: str) -> float | None:
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _SECONDS[match[2]] if match else None


def _duration(text: str, _: Context) -> float:
    seconds = _seconds(text)
    if seconds is None:
        spellings = ("".join(text.lower().split()) + unit for unit in ("", "s"))
        found = next((spelling for spelling in spellings if _seconds(spelling) is not None), "15s, 500ms or 2m")
        raise RefusedError("is not a duration", f"write {found}")
    if seconds > LONGEST:
        raise RefusedError("is too long", "8760h is the longest")
    return seconds


def _positive_duration(text: str, context: Context) -> float:
    seconds = _duration(text, context)
    if seconds < 0.001:
        raise RefusedError("is too short", "1ms is the shortest")
    return seconds


def size(least: int, most: int) -> Type:
    """Make the type of a number of bytes between two bounds."""

    def convert(text: str, _: Context) -> int:
        match = _SIZE.fullmatch(text)
        if not match:
            like = _SIZE_LIKE.fullmatch(text)
            unit = f"{like[2].upper()}iB" if like and like[2] else ""
            raise RefusedError("is not a size", f"write {like[1]}{unit}" if like else "write 4MiB, 512KiB or 1000")
        value = int(match[1]) * _BYTES[match[2]]
        _check_range(value, least, most)
        return value

    return Type(f"size, {least} to {most} bytes", convert)


def integer(least: int, most: int) -> Type:
    """Make the type of a whole number between two bounds."""

    def convert(text: str, _: Context) -> int:
        if not _INTEGER.fullmatch(text):
            raise RefusedError("is not a whole number")
        _check_range(int(text), least, most)
        return int(text)

    return Type(f"integer, {least} to {most}", convert)


def _check_range(value: int, least: int, most: int) -> None:
    if value < least:
        raise RefusedError(f"is less than {least}")
    if value > most:
        raise RefusedError(f"is more than {most}")


def choice(*words: str) -> Type:
    """Make the type of one word out of several."""
    one_of = ", ".join(words)

    def convert(text: str, _: Context) -> str:
        if text not in words:
            raise RefusedError(f"is not one of {one_of}", lambda: did_you_mean(text, words))
        return text

    return Type(f"one of {one_of}", convert)


def listing(item: Type, name: str, *, takes_empty: bool = True) -> Type:
    """Make the type of a list.

    Args:
        item: the type of one item.
        name: of the whole, in words.
        takes_empty: whether the list may have no items.
    """

    def convert(text: str, context: Context) -> tuple[Any, ...]:
        values: list[Any] = []
        refusals = [refused for part in split(text) if (refused := _append(values, item, part, context))]
        if refusals:
            refusals[0].others = tuple(refusals[1:])
            raise refusals[0]
        if not values and not takes_empty:
            raise RefusedError("has no items")
        return tuple(dict.fromkeys(values))

    return Type(name, convert, multiline=True, takes_empty=takes_empty)


def _append(values: list[Any], item: Type, text: str, context: Context) -> RefusedError | None:
    try:
        values.append(item.convert(text, context))
    except RefusedError as refused:
        refused.item = refused.item or text
        return refused
    return None


def _workers(text: str, context: Context) -> int:
    if text.lower() == "auto":
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        return int(integer(1, 1024).convert(text, context))
    except RefusedError as refused:
        raise RefusedError(refused.reason, "or write auto for one per core") from None


def _identifier(text: str, _: Context) -> str:
    if not _NAME.fullmatch(text):
        raise RefusedError("is not a name", "letters, digits and '_'; no package, no dots")
    return text


LINE = Type("text", _line)
TEXT = Type("text", _text, multiline=True, takes_empty=True)
BOOLEAN = Type("yes or no", _boolean)
DURATION = Type("duration", _positive_duration)
DURATION_OR_ZERO = Type("duration, may be 0s", _duration)
WORKERS = Type("integer, 1 to 1024, or auto", _workers)
IDENTIFIER = Type("name", _identifier)
