"""Converters for the names of other sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.scalars import split
from twistedgw.config.words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["API_NAMES", "NAME", "reference"]


def reference(kind: str) -> Type:
    """Make the type of the name of a section of this kind."""

    def convert(text: str, context: Context) -> str:
        known = () if context.names is None else context.names.get(kind, ())
        if context.names is not None and text not in known:
            raise RefusedError(f"names no {kind}", lambda: _hint(text, kind, known))
        return text

    return Type(f"name of a {kind}", convert)


def _hint(name: str, kind: str, known: Collection[str]) -> str:
    return did_you_mean(name, known) if known else f"there is no [{kind}:NAME] section"


def _name(text: str, _: Context) -> str:
    return text


def _api_names(text: str, _: Context) -> tuple[str, ...] | None:
    names = split(text)
    if names == ["*"]:
        return None
    if "*" in names:
        raise RefusedError("has '*' beside names", "'*' alone stands for all APIs of the service")
    if not names:
        raise RefusedError("has no items", "write *, or names of APIs")
    return tuple(names)


NAME = Type("name of an environment", _name)
API_NAMES = Type("`*`, or list of names of APIs", _api_names, multiline=True)
