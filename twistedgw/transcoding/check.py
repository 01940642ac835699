"""Whether a rule fits the types of its RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.transcoding.descriptors import has_own_form, is_map
from twistedgw.transcoding.text import text_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

    from twistedgw.transcoding.rule import HttpRule
    from twistedgw.transcoding.template import Template

__all__ = ["check_rule", "variable_fields"]


def check_rule(rule: HttpRule, template: Template, method: MethodDescriptor) -> list[str]:
    """Give what is wrong with `rule` for the types of `method`, a sentence each; nothing where it can be served.

    Args:
        rule: the rule.
        template: its template, parsed.
        method: the RPC it maps.
    """
    problems = []
    seen: set[tuple[str, ...]] = set()
    for variable in template.variables:
        found = variable_fields(method.input_type, variable.field_path)
        if isinstance(found, str):
            problems.append(f"path variable {'.'.join(variable.field_path)!r}: {found}")
        elif variable.field_path in seen:
            problems.append(f"path variable {'.'.join(variable.field_path)!r} is bound twice")
        seen.add(variable.field_path)
    problems.extend(_top_level_problems("body", rule.body, method.input_type, "request"))
    problems.extend(_top_level_problems("response_body", rule.response_body, method.output_type, "response"))
    return problems


def variable_fields(descriptor: Descriptor, path: tuple[str, ...]) -> list[FieldDescriptor] | str:
    """Give the fields that a path variable goes through, its own field last; or why it cannot be bound, as text."""
    fields: list[FieldDescriptor] = []
    for index, name in enumerate(path):
        field = descriptor.fields_by_name.get(name)
        if field is None:
            return f"{descriptor.full_name} has no field {name!r}{_suggestion(descriptor, name)}"
        if field.is_repeated:
            kind = "a map" if is_map(field) else "repeated"
            return f"{name!r} is {kind}; a path variable names a field with one value"
        fields.append(field)
        if index < len(path) - 1:
            if field.message_type is None:
                return f"{name!r} is not a message, so it has no field {path[index + 1]!r}"
            if has_own_form(field.message_type):
                return f"{name!r} ({field.message_type.full_name}) is bound as a whole, not by its fields"
            descriptor = field.message_type
    form = text_form(fields[-1])
    if form is None or not form.scalar_like:
        return (
            f"{fields[-1].name!r} is a message; a path variable names a scalar, an enum, a wrapper, a Timestamp, "
            "a Duration or a FieldMask"
        )
    return fields


def _top_level_problems(option: str, name: str, descriptor: Descriptor, role: str) -> Iterator[str]:
    if not name or (name == "*" and option == "body") or name in descriptor.fields_by_name:
        return
    if "." in name:
        yield f"{option} {name!r} names a nested field; it must be a field of the {role} {descriptor.full_name} itself"
    else:
        hint = _suggestion(descriptor, name)
        yield f"{option} {name!r} is no field of the {role} {descriptor.full_name}{hint}"


def _suggestion(descriptor: Descriptor, name: str) -> str:
    for field in descriptor.fields:
        if field.json_name == name:
            return f" (did you mean {field.name!r}?)"
    return ""
