"""The paths of a document, and what is where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twistedgw.openapi.paths import Path
    from twistedgw.openapi.scalars import Json
    from twistedgw.openapi.types import Types
    from twistedgw.transcoding.template import Template

__all__ = ["SHOWN_METHODS", "Entry", "Item", "PathTable"]

SHOWN_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
"""The methods that OpenAPI has a place for, in its order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation.

    Attributes:
        types: those that it refers to; None for none.
        shape: of the template that it was made for.
    """

    operation: Json
    types: Types | None
    shape: Hashable


@dataclass(frozen=True, slots=True)
class Item:
    """A path and its operations by method."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)


class PathTable:
    """Paths in the order in which they came, each once: OpenAPI knows no two that differ in names of parameters only.

    Templates with a ``**`` come last, since a ``*`` in its place goes first; and those for any method come after those
    for one.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[object, ...], Item] = {}

    @property
    def items(self) -> list[Item]:
        """The paths."""
        return list(self._items.values())

    def place(self, path: Path, method: str, template: Template) -> tuple[Item, Path] | None:
        """Find where an operation is shown.

        A ``**`` whose place a ``*`` has taken is shown with one more segment, since that is where it answers.

        Returns:
            The path's item, and the path with the names of parameters that it has there; None where another route takes
            all requests.
        """
        while True:
            item = self._items.setdefault(path.shape, Item(path))
            taken = item.entries.get(method)
            if taken is None:
                return item, path.renamed([slot.name for slot in item.path.slots])
            if taken.shape == template.shape or not path.slots or not path.slots[-1].rest:
                return None
            path = path.longer()
