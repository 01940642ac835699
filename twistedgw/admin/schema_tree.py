"""What a plugin describes, as messages of the API: services, methods, messages, enums, with comments and places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from twistedgw.admin.changing import plain_path
from twistedgw.admin.refusal import problem_message
from twistedgw.openapi.annotations import Annotations, Behavior
from twistedgw.transcoding.descriptors import is_map, map_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor, ServiceDescriptor

    from twistedgw.admin.world import Types
    from twistedgw.schema.schema import Schema

__all__ = ["KINDS", "SchemaTree", "method_name"]

KINDS = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_FIXED64: "fixed64",
    FieldDescriptor.TYPE_FIXED32: "fixed32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_GROUP: "message",
    FieldDescriptor.TYPE_MESSAGE: "message",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_SFIXED32: "sfixed32",
    FieldDescriptor.TYPE_SFIXED64: "sfixed64",
    FieldDescriptor.TYPE_SINT32: "sint32",
    FieldDescriptor.TYPE_SINT64: "sint64",
}
"""What the types of fields are called."""


def method_name(plugin: str, method: MethodDescriptor) -> str:
    """Give the resource name of a method."""
    return f"plugins/{plugin}/methods/{method.full_name}"


class SchemaTree:
    """Makes messages of one plugin's descriptors. Any thread; takes time for large ones."""

    def __init__(self, plugin: str, schema: Schema, types: Types) -> None:
        """Take the plugin's name and its types."""
        self._plugin = plugin
        self._schema = schema
        self._types = types
        self._annotations = Annotations(schema.pool)

    def whole(self, *, include_imports: bool) -> Any:
        """Give everything.

        Args:
            include_imports: whether types of others that are used are among it.
        """
        messages, enums = self._used() if include_imports else self._own()
        return self._types.PluginSchema(
            services=[self.service(service) for service in self._schema.services.values()],
            messages=[self.message(each) for each in messages],
            enums=[self.enum(each) for each in enums],
            files=sorted(self._schema.own_files),
            warnings=[
                problem_message(self._types, replace(problem, file=plain_path(problem.file)))
                for problem in self._schema.problems
            ],
        )

    def service(self, service: ServiceDescriptor) -> Any:
        """Give a service with its methods."""
        message = self._types.RpcService(
            full_name=service.full_name, methods=[self.method(method) for method in service.methods]
        )
        return self._dress(message, service)

    def method(self, method: MethodDescriptor) -> Any:
        """Give a method, without examples."""
        message = self._types.RpcMethod(
            name=method_name(self._plugin, method),
            rpc=f"{method.containing_service.full_name}/{method.name}",
            request_type=method.input_type.full_name,
            response_type=method.output_type.full_name,
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )
        for rule in self._schema.rules(method):
            message.rules.add(method=rule.method, path=rule.template, body=rule.body, response_body=rule.response_body)
        return self._dress(message, method)

    def message(self, descriptor: Descriptor) -> Any:
        """Give a message type."""
        message = self._types.MessageType(
            full_name=descriptor.full_name,
            fields=[self._field(field) for field in descriptor.fields],
            oneofs=[oneof.name for oneof in descriptor.oneofs if not _is_synthetic(oneof)],
        )
        return self._dress(message, descriptor)

    def enum(self, descriptor: EnumDescriptor) -> Any:
        """Give an enum type."""
        scope = descriptor.full_name.rpartition(".")[0]
        message = self._types.EnumType(full_name=descriptor.full_name)
        for value in descriptor.values:
            name = f"{scope}.{value.name}" if scope else value.name
            message.values.add(
                name=value.name,
                number=value.number,
                comment=self._schema.comment(name),
                deprecated=value.GetOptions().deprecated,
            )
        return self._dress(message, descriptor)

    def _field(self, field: FieldDescriptor) -> Any:
        message = self._types.Field(
            name=field.name,
            json_name=field.json_name,
            number=field.number,
            kind=_kind(field),
            repeated=field.is_repeated and not is_map(field),
            has_presence=field.has_presence,
            required=field.is_required,
            behaviors=sorted(_behaviors(self._annotations, field)),
        )
        message.required = message.required or "REQUIRED" in message.behaviors
        typed = field
        if is_map(field):
            key, typed = map_types(field)
            message.key_kind, message.value_kind = _kind(key), _kind(typed)
        if typed.message_type is not None:
            message.type_name = typed.message_type.full_name
        elif typed.enum_type is not None:
            message.type_name = typed.enum_type.full_name
        if field.containing_oneof is not None and not _is_synthetic(field.containing_oneof):
            message.oneof = field.containing_oneof.name
        return self._dress(message, field)

    def _dress(self, message: Any, descriptor: Any) -> Any:
        """Fill in what everything has: comment, place, deprecation."""
        message.comment = self._schema.comment(descriptor.full_name)
        file, message.line, message.column = self._schema.place(descriptor.full_name) or ("", 0, 0)
        message.file = plain_path(file)
        message.deprecated = descriptor.GetOptions().deprecated
        return message

    def _own(self) -> tuple[list[Descriptor], list[EnumDescriptor]]:
        messages: list[Descriptor] = []
        enums: list[EnumDescriptor] = []
        for name in sorted(self._schema.own_files & set(self._schema.files)):
            file = self._schema.files[name]
            enums += file.enum_types_by_name.values()
            for descriptor in _nested(file.message_types_by_name.values()):
                messages.append(descriptor)
                enums += descriptor.enum_types
        return messages, enums

    def _used(self) -> tuple[list[Descriptor], list[EnumDescriptor]]:
        messages, enums = self._own()
        known = {each.full_name: each for each in messages}
        known_enums = {each.full_name: each for each in enums}
        waiting = list(messages)
        for service in self._schema.services.values():
            waiting += [each for method in service.methods for each in (method.input_type, method.output_type)]
        while waiting:
            descriptor = waiting.pop()
            if not descriptor.GetOptions().map_entry:
                known.setdefault(descriptor.full_name, descriptor)
            for field in descriptor.fields:
                if field.enum_type is not None:
                    known_enums.setdefault(field.enum_type.full_name, field.enum_type)
                inner = field.message_type
                if inner is not None and inner.full_name not in known:
                    if inner.GetOptions().map_entry:
                        waiting.append(inner)
                    else:
                        known[inner.full_name] = inner
                        waiting.append(inner)
        return list(known.values()), list(known_enums.values())


def _nested(descriptors: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from _nested(descriptor.nested_types)


def _kind(field: FieldDescriptor) -> str:
    return "map" if is_map(field) else KINDS[field.type]


def _is_synthetic(oneof: Any) -> bool:
    """Whether a oneof stands only for proto3's `optional`."""
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _behaviors(annotations: Annotations, field: FieldDescriptor) -> Iterator[str]:
    for number in annotations.behavior(field):
        try:
            yield Behavior(number).name
        except ValueError:
            continue
