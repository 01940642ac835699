"""Prints a `FileDescriptorProto` back to `.proto` source: for published packages that carry descriptors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in FieldDescriptorProto.Type.items()
    if name != "TYPE_GROUP"
}


def proto_text(file: FileDescriptorProto) -> str:
    """Give source that compiles to the same descriptor, as far as proto3 files without own options go."""
    assert file.syntax == "proto3"
    lines = ['syntax = "proto3";', f"package {file.package};"]
    lines += [f'import "{name}";' for name in file.dependency]
    for message in file.message_type:
        lines += _message(message)
    for enum in file.enum_type:
        lines += _enum(enum)
    for service in file.service:
        lines.append(f"service {service.name} {{")
        for method in service.method:
            given = f"stream {method.input_type}" if method.client_streaming else method.input_type
            taken = f"stream {method.output_type}" if method.server_streaming else method.output_type
            lines.append(f"  rpc {method.name}({given}) returns ({taken});")
        lines.append("}")
    return "\n".join(lines) + "\n"


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"message {message.name} {{"
    yield from (f"reserved {each.start} to {each.end - 1};" for each in message.reserved_range)
    yield from (f'reserved "{name}";' for name in message.reserved_name)
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from _message(nested)
    for enum in message.enum_type:
        yield from _enum(enum)
    told = set()
    for field in message.field:
        if not field.HasField("oneof_index"):
            yield _field(message, field)
        elif field.oneof_index not in told:
            told.add(field.oneof_index)
            yield f"oneof {message.oneof_decl[field.oneof_index].name} {{"
            members = (each for each in message.field if each.HasField("oneof_index"))
            yield from (_field(message, each) for each in members if each.oneof_index == field.oneof_index)
            yield "}"
    yield "}"


def _field(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entry = next(
        (each for each in message.nested_type if each.options.map_entry and field.type_name.endswith(f".{each.name}")),
        None,
    )
    if entry is not None:
        key, value = entry.field
        return f"map<{_type(key)}, {_type(value)}> {field.name} = {field.number};"
    repeated = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    return f"{repeated}{_type(field)} {field.name} = {field.number};"


def _type(field: FieldDescriptorProto) -> str:
    return field.type_name or _TYPES[field.type]


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    yield from (f"{value.name} = {value.number};" for value in enum.value)
    yield "}"
