"""The source that reads a binary ``FileDescriptorSet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from twistedgw.errors import ConfigError, Problem
from twistedgw.schema.reading import UnreadableError, read
from twistedgw.schema.source import Origin
from twistedgw.schema.standard import standard_files

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.schema.cache import SchemaCache
    from twistedgw.schema.schema import Schema

__all__ = ["MAX_SET_SIZE", "DescriptorSetSource"]

MAX_SET_SIZE = 64 * 1_048_576
"""The most bytes that a descriptor set may have."""

_HINT = "make it with: protoc --include_imports --include_source_info --descriptor_set_out=FILE"


class DescriptorSetSource:
    """The file of a plugin's ``descriptor_set`` option."""

    def __init__(self, path: Path, *, cache: SchemaCache, origin: Origin | None = None) -> None:
        """Remember what to load; reads nothing.

        Args:
            path: absolute.
            cache: holds the schemas that were built before.
            origin: whose file this is.
        """
        self._path = path
        self._cache = cache
        self._origin = origin or Origin()

    def load(self) -> Schema:
        """Give the schema of the file as it is now.

        Its own files are those that the bundle does not have, and those that no other file imports.

        Blocks: runs in a worker.

        Raises:
            ConfigError: the file cannot be read, is no descriptor set, lacks imports, or contradicts itself.
        """
        shown = self._origin.show(self._path)
        try:
            data = read(str(self._path), MAX_SET_SIZE)
        except UnreadableError as error:
            raise ConfigError([self._origin.problem("descriptor_set", f"'{shown}': {error}")]) from None
        try:
            file_set = FileDescriptorSet.FromString(data)
        except DecodeError:
            file_set = FileDescriptorSet()
        if not any(file.name for file in file_set.file):
            raise ConfigError([Problem(shown, 0, message="is not a binary FileDescriptorSet", hint=_HINT)])
        try:
            return self._cache.share(file_set, _own_files(file_set), origin=shown)
        except ConfigError as error:
            raise ConfigError(_hinted(problem) for problem in error.problems) from None


def _own_files(file_set: FileDescriptorSet) -> frozenset[str]:
    imported = {name for file in file_set.file for name in file.dependency}
    known = standard_files()
    return frozenset(file.name for file in file_set.file if file.name not in known or file.name not in imported)


def _hinted(problem: Problem) -> Problem:
    hint = _HINT if problem.message.endswith("which is missing") else problem.hint
    return Problem(problem.file, problem.line, problem.column, message=problem.message, hint=hint)
