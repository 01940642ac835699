"""A set of file descriptors made whole and put in order, so that a descriptor pool takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

__all__ = ["Fault", "ordered"]

Fault = tuple[str, str, str]
"""What is wrong with a file of a set: the file's name, a message that names it too, and a hint."""


def ordered(
    files: Iterable[FileDescriptorProto], standard: Mapping[str, FileDescriptorProto]
) -> tuple[list[FileDescriptorProto], list[Fault]]:
    """Put imported files before those that import them.

    Args:
        files: the set, in any order.
        standard: where a missing file is taken from.

    Returns:
        The files, with what was missing; and the faults: imports that are nowhere, imports in a circle, two different
        files of one name.
    """
    known, faults = _by_name(files)
    result: dict[str, FileDescriptorProto] = {}
    for name in list(known):
        faults += _visit(name, known, standard, result)
    return list(result.values()), faults


def _by_name(files: Iterable[FileDescriptorProto]) -> tuple[dict[str, FileDescriptorProto], list[Fault]]:
    known: dict[str, FileDescriptorProto] = {}
    faults: list[Fault] = []
    for file in files:
        other = known.setdefault(file.name, file)
        if other is not file and other != file:
            faults.append((file.name, f'there are two different files named "{file.name}"', ""))
    return known, faults


def _visit(
    start: str,
    known: dict[str, FileDescriptorProto],
    standard: Mapping[str, FileDescriptorProto],
    result: dict[str, FileDescriptorProto],
) -> Iterator[Fault]:
    """Walk the imports of one file depth first, without recursion: a hostile set may be very deep."""
    if start in result:
        return
    path = {start: iter(_imports(known[start]))}
    while path:
        name, remaining = next(reversed(path.items()))
        imported = next(remaining, None)
        if imported is None:
            path.pop(name)
            result[name] = known[name]
        elif imported in path:
            yield name, f'"{name}" imports itself by way of "{imported}"', ""
        elif imported not in result:
            if imported not in known and imported in standard:
                known[imported] = standard[imported]
            if imported in known:
                path[imported] = iter(_imports(known[imported]))
            elif imported in known[name].dependency:
                yield name, f'"{name}" imports "{imported}", which is missing', ""


def _imports(file: FileDescriptorProto) -> list[str]:
    # Edition 2024's "import option": older runtimes do not know the field.
    return [*file.dependency, *getattr(file, "option_dependency", ())]
