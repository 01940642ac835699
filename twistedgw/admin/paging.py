"""Lists: filtered by text, cut into pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from twistedgw.admin.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["matching", "page"]

T = TypeVar("T")

_USUAL = 50
_MOST = 1000
_LONGEST_FILTER = 1000


def matching(items: Sequence[T], words: str, text: Callable[[T], str]) -> list[T]:
    """Give the items in whose text all words occur, whatever their case.

    Args:
        text: gives all of an item that is looked at; not asked where there are no words.

    Raises:
        RefusalError: there are too many words.
    """
    if len(words) > _LONGEST_FILTER:
        raise invalid("filter", f"has more than {_LONGEST_FILTER} characters")
    wanted = words.casefold().split()
    if not wanted:
        return list(items)
    found = []
    for item in items:
        whole = text(item).casefold()
        if all(word in whole for word in wanted):
            found.append(item)
    return found


def page(items: Sequence[T], request: Any, key: Callable[[T], str] | None = None) -> tuple[list[T], str]:
    """Cut out the page that a request asks for.

    Args:
        items: all of them, filtered. Where there is a key, they are in its order.
        request: has ``page_size`` and ``page_token``.
        key: what a page goes on after, so that changes in between neither hide nor repeat an item; by number where
            there is none.

    Returns:
        the page, and the token of the next one; empty for none.

    Raises:
        RefusalError: the size or the token cannot be.
    """
    if request.page_size < 0:
        raise invalid("page_size", "is less than 0")
    size = min(request.page_size or _USUAL, _MOST)
    mark = _mark(request)
    last = _read_token(request.page_token, mark)
    start = 0
    if last is not None:
        start = _number(last) if key is None else sum(1 for item in items if key(item) <= last)
    chosen = list(items[start : start + size])
    if start + size >= len(items):
        return chosen, ""
    return chosen, _token(str(start + size) if key is None else key(chosen[-1]), mark)


def _mark(request: Any) -> str:
    """Give what tells one list from another: all of the request but its page."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.page_size = 0
    copy.page_token = ""
    return hashlib.sha256(copy.SerializeToString(deterministic=True)).hexdigest()[:8]


def _token(last: str, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{mark}{last}".encode()).decode("ascii").rstrip("=")


def _read_token(token: str, mark: str) -> str | None:
    if not token:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith(mark):
        raise invalid("page_token", "is not one that was given for this list")
    return text[len(mark) :]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise invalid("page_token", "is not one that was given for this list")
    return int(text)
