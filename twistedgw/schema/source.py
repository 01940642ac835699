"""What all sources of descriptors have in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from twistedgw.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.config.model import Place
    from twistedgw.schema.schema import Schema

__all__ = ["Origin", "Source"]


class Source(Protocol):
    """Where a plugin's descriptors come from."""

    def load(self) -> Schema:
        """Give the schema as it is now. Blocks: runs in a worker.

        Raises:
            ConfigError: all that is wrong, each with its file, line and column.
        """


class Origin:
    """Which plugin asks, so that problems can be written in its operator's words."""

    def __init__(self, place: Place | None = None, base: Path | None = None) -> None:
        """Remember both.

        Args:
            place: the plugin's INI section; None where there is none.
            base: paths below this folder are shown relative to it, since that is how the operator wrote them.
        """
        self._place = place
        self._base = None if base is None else os.path.abspath(base)

    def show(self, path: Path) -> str:
        """Give the path as the operator would write it."""
        if self._base is not None:
            text = os.path.abspath(path)
            if text == self._base or text.startswith(self._base.rstrip(os.sep) + os.sep):
                return os.path.relpath(text, self._base)
        return str(path)

    def problem(self, option: str, message: str, hint: str = "") -> Problem:
        """Make the problem about one of the plugin's options."""
        if self._place is None:
            return Problem(file="", line=0, option=option, message=message, hint=hint)
        return self._place.problem(option, message, hint)
