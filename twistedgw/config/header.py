"""What the text between a section's brackets says."""

from __future__ import annotations

import re

from twistedgw.config.option import Kind, RefusedError
from twistedgw.config.options import KINDS
from twistedgw.config.words import nearest

__all__ = ["identify"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def identify(text: str) -> tuple[Kind, tuple[str, ...]]:
    """Tell the kind of a section and the parts of its name.

    Raises:
        RefusedError: where there is no such kind, or the name has not the form or the characters that it should have.
    """
    word, colon, name = text.partition(":")
    kind = KINDS.get(word)
    if kind is None:
        raise RefusedError("is not a known section", lambda: _suggestion(word, name))
    names = tuple(name.split("/")) if colon else ()
    if len(names) != len(kind.form):
        raise RefusedError("is not a known section", f"write [{kind.header}]")
    for part in names:
        if not _NAME.fullmatch(part) or part in (".", ".."):
            raise RefusedError("has a name that cannot be", "letters, digits, '_', '.' and '-', 128 characters at most")
    return kind, names


def _suggestion(word: str, name: str) -> str:
    kind = nearest(word, KINDS)
    return f"did you mean [{kind}{':' if name else ''}{name[:100]}]?" if kind else ""
