"""Suggestions for words that are not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest", "quoted"]

MAX_WORD = 64
MAX_KNOWN = 1000


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that `word` is most likely meant to be, or None where none is near."""
    if len(word) > MAX_WORD:
        return None
    by_folded = {name.lower().replace("-", "_"): name for name in list(known)[:MAX_KNOWN]}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_folded, n=1)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], form: str = "{!r}") -> str:
    """Give the hint ``did you mean 'NAME'?``, or an empty text where no known name is near.

    This takes milliseconds where many names are known.

    Args:
        word: what is written.
        known: what may be written.
        form: how the name stands in the hint.
    """
    name = nearest(word, known)
    return f"did you mean {form.format(name)}?" if name else ""


def quoted(text: str) -> str:
    """Give a text in quotes and of bearable length."""
    return repr(text if len(text) <= 100 else text[:100] + "…")
