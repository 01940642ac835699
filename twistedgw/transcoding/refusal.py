"""Why a JSON value cannot be taken, and the way back from the value to its path."""

from __future__ import annotations

import json

from twistedgw.errors import InvalidArgument

__all__ = ["Refused", "shown", "step"]

SHOWN = 40
"""How many characters of a client's value or key an error repeats."""

_WORDS = {bool: "a boolean", str: "a string", list: "an array", dict: "an object", type(None): "null"}


class Refused(Exception):  # noqa: N818 - a refusal, turned into an error at the edge
    """A value that cannot be taken.

    The path is put together while the exception travels outwards. Each level knows which of its members it was
    reading; within a list or a map the member is found by identity, so that the way there costs nothing.

    Attributes:
        description: what was expected, and what came.
        culprit: the very object that was refused, as seen from the level that catches this.
    """

    def __init__(self, description: str, culprit: object) -> None:
        super().__init__(description)
        self.description = description
        self.culprit = culprit
        self._steps: list[str] = []

    def within(self, key: str, value: object, holder: object) -> Refused:
        """Say that this happened in member `key` of `holder`, whose value is `value`."""
        self._steps.append(step(key) + self._index(value))
        self.culprit = holder
        return self

    def inside(self, holder: object) -> Refused:
        """Say that `holder` is a list or a map of whose elements one was refused."""
        self._steps.append(self._index(holder))
        self.culprit = holder
        return self

    def _index(self, value: object) -> str:
        culprit = self.culprit
        if culprit is value:
            return ""
        if type(value) is list:
            return next((f"[{i}]" for i, item in enumerate(value) if item is culprit), "")
        if type(value) is dict:
            return next((f"[{_quoted(k)}]" for k, item in value.items() if item is culprit or k is culprit), "")
        return ""

    @property
    def path(self) -> str:
        """The field path from the outermost level, such as ``items[3].price``."""
        path = ""
        for part in reversed(self._steps):
            path += f".{part}" if path and part[:1] not in ("[", "") else part
        return path

    def error(self) -> InvalidArgument:
        """Give the error for the client."""
        return InvalidArgument(self.path, self.description, reason="INVALID_JSON")


def step(key: str) -> str:
    """Write a client's key as one step of a path."""
    return key if len(key) <= SHOWN and key.isprintable() else _quoted(key)[1:-1]


def shown(value: object) -> str:
    """Describe a client's value in at most a few words."""
    if type(value) is str:
        return _quoted(value) if value else "an empty string"
    if type(value) in (int, float):
        return _shortened(repr(value))
    return _WORDS.get(type(value), "something else")


def _quoted(text: str) -> str:
    start = text[: SHOWN + 1]
    return f'"{_shortened(json.dumps(start, ensure_ascii=not start.isprintable())[1:-1])}"'


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
