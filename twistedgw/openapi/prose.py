"""Comments of a `.proto` as the summaries and descriptions of a document."""

from __future__ import annotations

import re

__all__ = ["joined", "singular", "split_comment"]

_PARAGRAPH = re.compile(r"\n\s*\n")
_SPACE = re.compile(r"\s+")


def split_comment(comment: str) -> tuple[str, str]:
    """Split a comment into its first paragraph, on one line and without a final period, and the rest."""
    first, *rest = _PARAGRAPH.split(comment, maxsplit=1)
    summary = _SPACE.sub(" ", first).strip()
    if summary.endswith(".") and not summary.endswith(".."):
        summary = summary[:-1]
    return summary, rest[0].strip() if rest else ""


def joined(*paragraphs: str) -> str:
    """Join the paragraphs that are not empty."""
    return "\n\n".join(filter(None, paragraphs))


def singular(word: str) -> str:
    """Give the singular of a collection's name, such as ``shelf`` of ``shelves``; the word itself where in doubt."""
    for ending, instead in (
        ("lves", "lf"),
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("shes", "sh"),
        ("tches", "tch"),
        ("uses", "us"),
    ):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        return word[:-1]
    return word
