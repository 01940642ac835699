"""Path templates of ``google.api.http`` as paths of OpenAPI.

A parameter of OpenAPI is one segment of a path and no more, so a variable of several segments is written as what it is
made of: ``/v1/{name=shelves/*/books/*}`` is ``/v1/shelves/{shelf}/books/{book}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from twistedgw.openapi.prose import singular
from twistedgw.transcoding.template import Literal, Rest, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twistedgw.transcoding.template import Variable

__all__ = ["Path", "Slot", "path_of"]

_COLLECTION = re.compile(r"(?!v[0-9])[A-Za-z_][A-Za-z0-9_]*")
_PCHAR = "!$&'()*+,;=@~"


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter's place in a path.

    Attributes:
        name: unique within the path.
        variable: what it is, or is a part of; None for a wildcard outside of variables.
        whole: whether it is the variable's one segment.
        rest: whether it may have further segments (``**``).
        pattern: the variable's pattern, with its wildcards as parameters.
    """

    name: str
    variable: Variable | None
    whole: bool
    rest: bool
    pattern: str


@dataclass(frozen=True, slots=True)
class Path:
    """A path of OpenAPI.

    Attributes:
        parts: the literals, percent-encoded, and the parameters.
        verb: with its colon; empty where there is none.
    """

    parts: tuple[str | Slot, ...]
    verb: str

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The parameters from the left."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for two paths that OpenAPI takes for the same."""
        return (self.verb, *(part if isinstance(part, str) else None for part in self.parts))

    def text(self, prefix: str = "") -> str:
        """Give the path with its parameters in braces."""
        parts = [part if isinstance(part, str) else f"{{{part.name}}}" for part in self.parts]
        return prefix + ("/" + "/".join(parts) if parts or not prefix else "") + self.verb

    def renamed(self, names: Sequence[str]) -> Path:
        """Give the same path with other names for its parameters."""
        fresh = iter(names)
        parts = [
            part if isinstance(part, str) else Slot(next(fresh), part.variable, part.whole, part.rest, part.pattern)
            for part in self.parts
        ]
        return Path(tuple(parts), self.verb)

    def longer(self) -> Path:
        """Give the path with one more segment, in place of a final ``**``."""
        last = self.parts[-1]
        assert isinstance(last, Slot)
        names = {slot.name for slot in self.slots}
        more = Slot(_fresh(last.name, names), last.variable, False, True, last.pattern)
        first = Slot(last.name, last.variable, False, False, last.pattern)
        return Path((*self.parts[:-1], first, more), self.verb)


def path_of(template: Template, name: Callable[[Variable], str]) -> Path:
    """Write a template.

    Args:
        template: without the environment's prefix.
        name: gives the name that a variable of one segment is shown with.
    """
    names: set[str] = set()
    parts: list[str | Slot] = []
    owners = _owners(template)
    for index, segment in enumerate(template.segments):
        if isinstance(segment, Literal):
            parts.append(quote(segment.text, safe=_PCHAR))
            continue
        variable = owners.get(index)
        whole = variable is not None and _width(template, variable) == 1
        wanted = name(variable) if whole and variable is not None else _wanted(template, index, variable)
        chosen = _fresh(wanted, names)
        names.add(chosen)
        parts.append(Slot(chosen, variable, whole, isinstance(segment, Rest), ""))
    verb = f":{quote(template.verb, safe=_PCHAR)}" if template.verb is not None else ""
    return Path(tuple(_with_patterns(parts, template)), verb)


def _owners(template: Template) -> dict[int, Variable]:
    end = len(template.segments)
    return {index: variable for variable in template.variables for index in range(variable.start, variable.stop or end)}


def _width(template: Template, variable: Variable) -> int:
    return (variable.stop or len(template.segments)) - variable.start


def _wanted(template: Template, index: int, variable: Variable | None) -> str:
    """Name a wildcard after the collection before it, as resource names have it."""
    before = template.segments[index - 1] if index else None
    if (
        isinstance(before, Literal)
        and _COLLECTION.fullmatch(before.text)
        and not isinstance(template.segments[index], Rest)
    ):
        return singular(before.text)
    return variable.field_path[-1] if variable is not None else "segment"


def _fresh(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _with_patterns(parts: list[str | Slot], template: Template) -> list[str | Slot]:
    """Tell each part of a variable what the whole looks like."""
    found = list(parts)
    for variable in template.variables:
        stop = variable.stop or len(parts)
        texts = [part if isinstance(part, str) else f"{{{part.name}}}" for part in parts[variable.start : stop]]
        for index in range(variable.start, stop):
            part = found[index]
            if isinstance(part, Slot):
                found[index] = Slot(part.name, variable, part.whole, part.rest, "/".join(texts))
    return found
