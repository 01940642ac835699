"""JSON text to Python values, strictly: what orjson lets pass is looked for here.

orjson keeps the last of two equal keys, reads integers beyond 64 bits as floats, and nests to 1,024. All three are
found by counting bytes, which costs a fraction of the parsing; only where the counts say so is a text read again,
slowly and exactly.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

import orjson

from twistedgw.transcoding.refusal import Refused

__all__ = ["MAX_DEPTH", "read"]

MAX_DEPTH = 100
"""How deeply arrays and objects may nest."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_USUAL_DEPTH = 12
_EDGES = (orjson.dumps(2.0**63), orjson.dumps(2.0**64))
_INEXACT = 2**53


def read(text: bytes, max_depth: int | None = MAX_DEPTH) -> object:
    """Parse one JSON value.

    Without a `max_depth` the caller knows of a bound: nothing deeper than 1,024 is read in any case.

    Raises:
        Refused: the text is not JSON by RFC 8259 in UTF-8 (no byte order mark), has a key twice in one object, or
            nests more than `max_depth` deep.
    """
    suspect = max_depth is not None and _may_be_deeper(text, max_depth)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        _refuse(text, error)
    kind = type(value)
    if kind is not dict and kind is not list and kind is not float:
        return value
    if suspect and _is_deeper(value, max_depth):  # type: ignore[arg-type]
        raise Refused(f"nested more than {max_depth} levels deep", None)
    again = orjson.dumps(value)
    if again != text and (again.count(b":") != text.count(b":") or (b"\\" in text and b"\\u003" in text)):
        _check_keys(text)
    if _EDGES[0] in again or _EDGES[1] in again:
        return json.loads(text.decode(), parse_int=_integer, parse_float=_fraction)
    return value


def _may_be_deeper(text: bytes, limit: int) -> bool:
    """Tell cheaply whether a text could nest more than `limit` deep; a bracket within a string makes it a maybe."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in brackets:
        return True
    for _ in range(min(limit, _USUAL_DEPTH)):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True


def _is_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder)  # type: ignore[attr-defined]
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def _refuse(text: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    if not text:
        raise Refused("expected JSON, got nothing", None) from None
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        raise Refused(f"not valid UTF-8 at byte {wrong.start}", None) from None
    if "ecursion" in error.msg:
        raise Refused(f"nested more than {MAX_DEPTH} levels deep", None) from None
    raise Refused(f"not valid JSON at line {error.lineno}, column {error.colno}", None) from None


def _check_keys(text: bytes) -> None:
    """Look at each object's keys; the counts of colons differ, or a colon is escaped."""
    doubles: list[tuple[dict[str, object], str]] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(items)
        if len(found) != len(items):
            seen: set[str] = set()
            doubles.append((found, next(k for k, _ in items if k in seen or seen.add(k))))  # type: ignore[func-returns-value]
        return found

    value = json.loads(text.decode(), object_pairs_hook=pairs, parse_int=_integer, parse_float=float)
    if doubles:
        holder, key = doubles[0]
        refused = Refused("given twice", None).within(key, None, holder)
        _find(value, holder, refused)
        raise refused


def _find(value: object, wanted: object, refused: Refused) -> bool:
    """Put the path from `value` to the object `wanted` into `refused`."""
    if value is wanted:
        return True
    if type(value) is dict:
        return any(_find(item, wanted, refused) and refused.within(key, item, value) for key, item in value.items())
    if type(value) is list:
        return any(_find(item, wanted, refused) and refused.inside(value) for item in value)
    return False


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)


def _fraction(digits: str) -> int | float:
    """Keep a whole number exact where a double would not."""
    number = float(digits)
    if _INEXACT <= abs(number) < 2.0**65:
        exact = Decimal(digits)
        if exact == exact.to_integral_value():
            return int(exact)
    return number
