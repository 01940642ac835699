"""Component schemas of several plugins in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.openapi.failures import REF
from twistedgw.openapi.types import references

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.openapi.scalars import Json

__all__ = ["merge", "renamed"]


def merge(into: dict[str, Json], more: Mapping[str, Json], owner: str) -> dict[str, str]:
    """Add schemas to those that are there already. One that is the same as the one of its name is shared.

    Args:
        into: what is there already; changed.
        more: what comes.
        owner: what tells them apart from others of the same name: goes behind the name.

    Returns:
        The new name of each schema that has one; `renamed` tells those who refer to it.
    """
    same = {name for name in more if name in into}
    while True:  # what refers to something different is different itself
        others = {name for name in same if not _equal(name, into, more, same)}
        if not others:
            break
        same -= others
    names = {name: _free(f"{name}-{owner}", into, more) for name in more if name in into and name not in same}
    for name, schema in more.items():
        if name not in same:
            into[names.get(name, name)] = renamed(schema, names)
    return names


def renamed(part: Any, names: Mapping[str, str]) -> Any:
    """Give the same part of a document with other names for what it refers to."""
    if not names:
        return part
    if isinstance(part, dict):
        found = {key: renamed(value, names) for key, value in part.items()}
        reference = found.get("$ref")
        if isinstance(reference, str) and reference.startswith(REF):
            name = reference.removeprefix(REF)
            found["$ref"] = REF + names.get(name, name)
        return found
    return [renamed(each, names) for each in part] if isinstance(part, list) else part


def _equal(name: str, into: Mapping[str, Json], more: Mapping[str, Json], same: set[str]) -> bool:
    return into[name] == more[name] and all(each in same for each in references(more[name]) if each in more)


def _free(wanted: str, *taken: Mapping[str, Json]) -> str:
    name, number = wanted, 2
    while any(name in each for each in taken):
        name, number = f"{wanted}-{number}", number + 1
    return name
