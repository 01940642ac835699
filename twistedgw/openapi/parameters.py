"""Fields as query parameters and as fields of a form, by the binder's names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from twistedgw.openapi.annotations import Behavior
from twistedgw.transcoding.descriptors import has_own_form, is_map
from twistedgw.transcoding.target import value_field
from twistedgw.transcoding.text import text_form

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from twistedgw.openapi.scalars import Json
    from twistedgw.openapi.types import Types

__all__ = ["MAX_PARAMETERS", "Parameter", "exclusions", "parameters"]

MAX_PARAMETERS = 200
"""How many parameters are written for one operation; the gateway takes the deeper ones too."""

_MAX_DEPTH = 8
_MAX_VISITS = 1000
"""How many messages are gone into: there may be more paths through a few types than anybody can count."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field that can be given as text.

    Attributes:
        name: levels joined by dots.
        field: the field itself.
        required: whether every request must give it.
        choices: the oneofs that it is a part of, each as the path of the oneof and the member's name.
    """

    name: str
    field: FieldDescriptor
    required: bool
    choices: tuple[tuple[str, str], ...] = ()

    def schema(self, types: Types) -> Json:
        """Give the schema of its value, in JSON; an item of a list or map that is given as JSON text is a string."""
        field = self.field
        if not field.is_repeated or not self._is_json_text:
            found = types.property(field)
            return {key: value for key, value in found.items() if key not in ("description", "deprecated")}
        item = {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": types.value(value_field(field)),
        }
        return {"type": "object", "additionalProperties": item} if is_map(field) else {"type": "array", "items": item}

    def in_query(self, types: Types) -> Json:
        """Give it as a parameter of a query."""
        found: Json = {"name": self.name, "in": "query"}
        description = types.describe(self.field)
        if description:
            found["description"] = description
        if self.required:
            found["required"] = True
        if self.field.GetOptions().deprecated:
            found["deprecated"] = True
        schema = self.schema(types)
        if self._is_json_text and not self.field.is_repeated:
            found["content"] = {"application/json": {"schema": schema}}
            return found
        if is_map(self.field):
            found |= {"style": "deepObject", "explode": True}
        found["schema"] = schema
        return found

    def in_form(self, types: Types) -> Json:
        """Give the schema of a form's field."""
        schema = self.schema(types)
        description = types.describe(self.field)
        return schema | ({"description": description} if description else {})

    def encoding(self) -> Json | None:
        """Give how a form writes it where that is not the usual way."""
        if is_map(self.field):
            return {"style": "deepObject", "explode": True}
        if self._is_json_text and not self.field.is_repeated:
            return {"contentType": "application/json"}
        return None

    @property
    def _is_json_text(self) -> bool:
        form = text_form(value_field(self.field))
        return form is not None and not form.scalar_like


def parameters(descriptor: Descriptor, types: Types, covered: Collection[str] = ()) -> list[Parameter]:
    """Flatten a message into what can be given as text; a message within itself is gone into once.

    Args:
        descriptor: the message's type.
        types: of the plugin.
        covered: paths, in proto names, of fields that something else sets. Other members of their oneofs are left out
            too, since both together are refused.
    """
    top = _Level(descriptor, "", "", True, (descriptor.full_name,), ())
    return list(islice(_walk(top, types, frozenset(covered), count(1)), MAX_PARAMETERS))


def exclusions(found: Iterable[Parameter]) -> list[Json]:
    """Give schemas of objects that keep apart what belongs to different members of one oneof."""
    oneofs: dict[str, dict[str, list[Json]]] = {}
    for each in found:
        for oneof, member in each.choices:
            oneofs.setdefault(oneof, {}).setdefault(member, []).append({"required": [each.name]})
    alternatives = [[_any_of(names) for names in members.values()] for members in oneofs.values() if len(members) > 1]
    return [{"oneOf": [*alone, {"not": {"anyOf": alone}}]} for alone in alternatives]


def _any_of(schemas: list[Json]) -> Json:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


@dataclass(frozen=True, slots=True)
class _Level:
    """A message that is gone into.

    Attributes:
        path: what comes before the proto names of its fields.
        shown: what comes before the names that clients write.
        within: the types around it, its own included.
    """

    descriptor: Descriptor
    path: str
    shown: str
    required: bool
    within: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]


def _walk(level: _Level, types: Types, covered: frozenset[str], visits: count[int]) -> Iterator[Parameter]:
    if next(visits) > _MAX_VISITS:
        return
    for field in level.descriptor.fields:
        here = level.path + field.name
        if here in covered or _excluded(field, level.path, covered) or _is_null(field):
            continue
        if Behavior.OUTPUT_ONLY in types.annotations.behavior(field):
            continue
        name = level.shown + types.name(field)
        required = level.required and types.required(field)
        oneof = field.containing_oneof
        choices = level.choices
        if oneof is not None and len(oneof.fields) > 1:
            choices = (*choices, (level.path + oneof.name, field.name))
        if text_form(value_field(field)) is not None:
            yield Parameter(name, field, required, choices)
            continue
        inner = field.message_type
        assert inner is not None  # whatever has no text form is a message
        known = inner.full_name in level.within or len(level.within) > _MAX_DEPTH
        if not field.is_repeated and not has_own_form(inner) and not known:
            within = (*level.within, inner.full_name)
            yield from _walk(_Level(inner, f"{here}.", f"{name}.", required, within, choices), types, covered, visits)


def _is_null(field: FieldDescriptor) -> bool:
    return field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue"


def _excluded(field: FieldDescriptor, path: str, covered: frozenset[str]) -> bool:
    """Tell whether another member of a field's oneof is set by the path or the body."""
    oneof = field.containing_oneof
    if oneof is None or len(oneof.fields) < 2:
        return False
    others = [path + other.name for other in oneof.fields if other.name != field.name]
    return any(each == other or each.startswith(f"{other}.") for each in covered for other in others)
