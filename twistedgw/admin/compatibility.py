"""What a new description changes for those who have the old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import plain_path
from twistedgw.admin.schema_tree import KINDS
from twistedgw.transcoding.descriptors import is_map, map_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        FieldDescriptor,
        MethodDescriptor,
        ServiceDescriptor,
    )

    from twistedgw.admin.view import Use, View
    from twistedgw.admin.world import Types
    from twistedgw.schema.schema import Schema

__all__ = ["Change", "broken_apis", "compare"]

_WIRE_KINDS = (
    frozenset({"int32", "uint32", "int64", "uint64", "bool", "enum"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
    frozenset({"string", "bytes"}),
)
"""Kinds of one set have one form on the wire; their forms in JSON differ."""

_MOST = 1000
"""Changes of a report."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        breaking: whether a client or a backend with the old description may fail.
        kind: as the .proto of the API lists them.
        subject: a full name.
        text: a sentence.
        place: file, line and column.
    """

    breaking: bool
    kind: str
    subject: str
    text: str
    place: tuple[str, int, int]

    def message(self, types: Types) -> Any:
        """Give it as a message of the API."""
        file, line, column = self.place
        return types.DescriptionChange(
            breaking=self.breaking,
            kind=self.kind,
            subject=self.subject,
            message=self.text,
            file=plain_path(file),
            line=line,
            column=column,
        )


def compare(old: Schema, new: Schema) -> list[Change]:
    """Tell the differences between two descriptions, the breaking ones first. Comments do not count."""
    if old.digest == new.digest:
        return []
    found = list(_Comparison(old, new).run())
    return sorted(found, key=lambda change: not change.breaking)[:_MOST]


def broken_apis(view: View, plugin: str, new: Schema) -> list[tuple[Use, str]]:
    """Give the APIs that would lose something by a new description, each with a sentence."""
    found: list[tuple[Use, str]] = []
    for use in view.by_plugin.get(plugin, []):
        api = view.config.services[use.service].apis[use.api]
        if api.rpc_service is None:
            continue
        if new.service(api.rpc_service) is None:
            found.append((use, f"there is no service {api.rpc_service} any more"))
        elif not api.whole_service and new.method(api.rpc_service, api.rpc_method or "") is None:
            found.append((use, f"there is no method {api.rpc_service}/{api.rpc_method} any more"))
        elif api.whole_service:
            lost = _lost_routes(view, use, new)
            if lost:
                found.append((use, f"{', '.join(lost[:5])} {'is' if len(lost) == 1 else 'are'} not served any more"))
    return found


def _lost_routes(view: View, use: Use, new: Schema) -> list[str]:
    lost = []
    for route in view.grpc_routes.get(use.plugin, ()):
        origin = route.origin
        if (origin.service, origin.environment, origin.api) != (use.service, use.environment, use.api):
            continue
        method = new.method(route.method.containing_service.full_name, route.method.name)
        rules = new.rules(method) if method is not None else ()
        if method is None or (route.kind == "google.api.http" and route.rule not in rules):
            lost.append(f"{route.rule.method} {route.rule.template}")
    return lost


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def run(self) -> Iterator[Change]:
        yield from self._services()
        old_types, new_types = _types(self._old), _types(self._new)
        for name, message in old_types[0].items():
            yield from self._message(message, new_types[0].get(name))
        for name, enum in old_types[1].items():
            yield from self._enum(enum, new_types[1].get(name))

    def _was(self, breaking: bool, kind: str, subject: str, text: str) -> Change:
        return Change(breaking, kind, subject, text, self._old.place(subject) or ("", 0, 0))

    def _is(self, breaking: bool, kind: str, subject: str, text: str) -> Change:
        return Change(breaking, kind, subject, text, self._new.place(subject) or ("", 0, 0))

    # -- services

    def _services(self) -> Iterator[Change]:
        for name, service in self._old.services.items():
            new = self._new.services.get(name)
            if new is None:
                yield self._was(True, "SERVICE_REMOVED", name, f"service {name} was removed")
            else:
                yield from self._methods(service, new)
        for name in self._new.services:
            if name not in self._old.services:
                yield self._is(False, "SERVICE_ADDED", name, f"service {name} was added")

    def _methods(self, old: ServiceDescriptor, new: ServiceDescriptor) -> Iterator[Change]:
        for method in old.methods:
            other = new.methods_by_name.get(method.name)
            if other is None:
                text = f"method {old.full_name}/{method.name} was removed"
                yield self._was(True, "METHOD_REMOVED", method.full_name, text)
            else:
                yield from self._method(method, other)
        for method in new.methods:
            if method.name not in old.methods_by_name:
                text = f"method {new.full_name}/{method.name} was added"
                yield self._is(False, "METHOD_ADDED", method.full_name, text)

    def _method(self, old: MethodDescriptor, new: MethodDescriptor) -> Iterator[Change]:
        for what, before, after in (
            ("request", old.input_type, new.input_type),
            ("response", old.output_type, new.output_type),
        ):
            if before.full_name != after.full_name:
                text = f"the {what} of {old.full_name} is {after.full_name}, and was {before.full_name}"
                yield self._is(True, "METHOD_TYPE_CHANGED", new.full_name, text)
        for what, was, now in (
            ("client", old.client_streaming, new.client_streaming),
            ("server", old.server_streaming, new.server_streaming),
        ):
            if was != now:
                text = f"the {what} side of {old.full_name} {'streams now' if now else 'does not stream any more'}"
                yield self._is(True, "STREAMING_CHANGED", new.full_name, text)
        before_rules, after_rules = self._old.rules(old), self._new.rules(new)
        for rule in before_rules:
            if rule not in after_rules:
                text = f"{rule.method} {rule.template} of {old.full_name} was changed or removed"
                yield self._is(True, "RULE_CHANGED", new.full_name, text)
        for rule in after_rules:
            if rule not in before_rules:
                text = f"{rule.method} {rule.template} of {new.full_name} is new"
                yield self._is(False, "RULE_CHANGED", new.full_name, text)

    # -- messages

    def _message(self, old: Descriptor, new: Descriptor | None) -> Iterator[Change]:
        name = old.full_name
        if new is None:
            yield self._was(True, "MESSAGE_REMOVED", name, f"message {name} was removed")
            return
        before = {field.number: field for field in old.fields}
        after = {field.number: field for field in new.fields}
        for number, field in before.items():
            other = after.get(number)
            if other is None:
                yield from self._gone(field, new)
            elif other.name != field.name and field.name in new.fields_by_name:
                text = f"number {number} of {name} is field {other.name} now, and was {field.name}"
                yield self._is(True, "FIELD_NUMBER_REUSED", other.full_name, text)
            else:
                yield from self._field(field, other)
        for number, field in after.items():
            if number not in before:
                required = " and required" if field.is_required else ""
                text = f"field {field.full_name} was added{required}"
                yield self._is(bool(required), "FIELD_ADDED", field.full_name, text)

    def _gone(self, field: FieldDescriptor, new: Descriptor) -> Iterator[Change]:
        other = new.fields_by_name.get(field.name)
        if other is None:
            text = f"field {field.full_name} (number {field.number}) was removed"
            yield self._was(True, "FIELD_REMOVED", field.full_name, text)
        else:
            text = f"field {field.full_name} has number {other.number}, and had {field.number}"
            yield self._is(True, "FIELD_NUMBER_CHANGED", other.full_name, text)

    def _field(self, old: FieldDescriptor, new: FieldDescriptor) -> Iterator[Change]:
        name = new.full_name
        was, now = _type(old), _type(new)
        if was != now:
            reused = old.name != new.name
            kind = "FIELD_NUMBER_REUSED" if reused else "FIELD_TYPE_CHANGED"
            owner = old.full_name.rpartition(".")[0]
            whose = f"number {old.number} of {owner} was {old.name} and" if reused else name
            also = "" if _same_on_the_wire(old, new) else ", which gRPC backends and clients read differently too"
            yield self._is(True, kind, name, f"{whose} is {now}, and was {was}{also}")
        elif old.name != new.name:
            yield self._is(True, "FIELD_RENAMED", name, f"field {old.full_name} is called {new.name} now")
        elif old.json_name != new.json_name:
            text = f"field {name} is {new.json_name!r} in JSON, and was {old.json_name!r}"
            yield self._is(True, "JSON_NAME_CHANGED", name, text)
        if old.is_required != new.is_required:
            text = f"field {name} is {'required now' if new.is_required else 'not required any more'}"
            yield self._is(True, "FIELD_LABEL_CHANGED", name, text)
        if _oneof(old) != _oneof(new):
            text = f"field {name} is in {_oneof(new) or 'no oneof'}, and was in {_oneof(old) or 'none'}"
            yield self._is(True, "ONEOF_CHANGED", name, text)

    # -- enums

    def _enum(self, old: EnumDescriptor, new: EnumDescriptor | None) -> Iterator[Change]:
        name = old.full_name
        if new is None:
            yield self._was(True, "ENUM_REMOVED", name, f"enum {name} was removed")
            return
        after = new.values_by_name
        for value in old.values:
            other = after.get(value.name)
            if other is None:
                text = f"value {value.name} ({value.number}) of {name} was removed"
                yield self._was(True, "ENUM_VALUE_REMOVED", name, text)
            elif other.number != value.number:
                text = f"value {value.name} of {name} is {other.number}, and was {value.number}"
                yield self._is(True, "ENUM_VALUE_CHANGED", name, text)
        for value in new.values:
            if value.name not in old.values_by_name:
                text = f"value {value.name} ({value.number}) of {name} was added"
                yield self._is(False, "ENUM_VALUE_ADDED", name, text)


def _types(schema: Schema) -> tuple[Mapping[str, Descriptor], Mapping[str, EnumDescriptor]]:
    messages: dict[str, Descriptor] = {}
    enums: dict[str, EnumDescriptor] = {}
    for name in sorted(schema.own_files & set(schema.files)):
        file = schema.files[name]
        enums.update({enum.full_name: enum for enum in file.enum_types_by_name.values()})
        _collect(file.message_types_by_name.values(), messages, enums)
    return messages, enums


def _collect(
    descriptors: Iterable[Descriptor], messages: dict[str, Descriptor], enums: dict[str, EnumDescriptor]
) -> None:
    for descriptor in descriptors:
        if descriptor.GetOptions().map_entry:
            continue
        messages[descriptor.full_name] = descriptor
        enums.update({enum.full_name: enum for enum in descriptor.enum_types})
        _collect(descriptor.nested_types, messages, enums)


def _type(field: FieldDescriptor) -> str:
    """Give a field's type as it would be written."""
    if is_map(field):
        key, value = map_types(field)
        return f"map<{_single(key)}, {_single(value)}>"
    return f"repeated {_single(field)}" if field.is_repeated else _single(field)


def _single(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return KINDS[field.type]


def _same_on_the_wire(old: FieldDescriptor, new: FieldDescriptor) -> bool:
    if old.is_repeated != new.is_repeated or old.message_type is not None or new.message_type is not None:
        return False
    words = {"enum" if field.enum_type is not None else KINDS[field.type] for field in (old, new)}
    return any(words <= kinds for kinds in _WIRE_KINDS)


def _oneof(field: FieldDescriptor) -> str:
    oneof = field.containing_oneof
    if oneof is None or (len(oneof.fields) == 1 and oneof.name == f"_{field.name}"):
        return ""
    return f"oneof {oneof.name}"
