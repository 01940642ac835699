"""``${ENV_VAR}`` and ``${ENV_VAR:-default}`` in values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.config.option import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["expand", "has_variable"]

_START = "${"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}])*))?\}")
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def has_variable(text: str) -> bool:
    """Tell whether a text, as written, takes something from the environment."""
    return _START in text


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put the values of environment variables where a text names them.

    As in a shell, the default holds where the variable is unset or empty. What comes from a variable is not expanded
    again, and a ``$`` without a brace is itself.

    Raises:
        RefusedError: where a variable without a default is not set, its value is no text, or a ``${``
            begins no variable.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find(_START, position)) >= 0:
        match = _VARIABLE.match(text, start)
        if not match:
            raise RefusedError("has a '${' that is no variable", "write ${NAME} or ${NAME:-default}")
        parts += text[position:start], _value(match[1], match[2], environ)
        position = match.end()
    return "".join([*parts, text[position:]])


def _value(name: str, default: str | None, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if default is not None:
        value = value or default
    if value is None:
        raise RefusedError(
            f"needs the environment variable {name}, which is not set", f"set it, or write ${{{name}:-default}}"
        )
    if _UNUSABLE.search(value):
        raise RefusedError(f"needs the environment variable {name}, which holds characters that are no text")
    return value
