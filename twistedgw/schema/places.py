"""Where in its `.proto` each thing of a file stands, from the compiler's source info."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

__all__ = ["names_in", "places"]

_Path = tuple[int, ...]


def places(file: FileDescriptorProto) -> dict[str, tuple[int, int]]:
    """Give line and column, both 1-based, of everything in the file that has a full name.

    Columns are counted as protoc does: by bytes, a tab reaching to the next multiple of eight.
    """
    spans: dict[_Path, tuple[int, int]] = {}
    for location in file.source_code_info.location:
        if len(location.span) >= 2:
            spans.setdefault(tuple(location.path), (location.span[0] + 1, location.span[1] + 1))
    return {name: spans[path] for path, name in names_in(file) if path in spans}


def names_in(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    """Give the path, as source info has it, and the full name of everything in a file that has one."""
    scope = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _names_in_message(message, (4, index), scope)
    yield from _names_in_enums(file.enum_type, (5,), scope)
    for index, service in enumerate(file.service):
        yield (6, index), scope + service.name
        for number, method in enumerate(service.method):
            yield (6, index, 2, number), f"{scope}{service.name}.{method.name}"
    for index, extension in enumerate(file.extension):
        yield (7, index), scope + extension.name


def _names_in_message(message: DescriptorProto, path: _Path, scope: str) -> Iterator[tuple[_Path, str]]:
    yield path, scope + message.name
    inner = f"{scope}{message.name}."
    for index, field in enumerate(message.field):
        yield (*path, 2, index), inner + field.name
    for index, nested in enumerate(message.nested_type):
        yield from _names_in_message(nested, (*path, 3, index), inner)
    yield from _names_in_enums(message.enum_type, (*path, 4), inner)
    for index, extension in enumerate(message.extension):
        yield (*path, 6, index), inner + extension.name
    for index, oneof in enumerate(message.oneof_decl):
        yield (*path, 8, index), inner + oneof.name


def _names_in_enums(enums: Iterable[EnumDescriptorProto], path: _Path, scope: str) -> Iterator[tuple[_Path, str]]:
    for index, enum in enumerate(enums):
        yield (*path, index), scope + enum.name
        for number, value in enumerate(enum.value):
            yield (*path, index, 2, number), scope + value.name  # values are named beside their enum, not in it
