"""The source that compiles `.proto` files."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from twistedgw.errors import ConfigError, Problem
from twistedgw.schema.files import Gathered, gather
from twistedgw.schema.source import Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from twistedgw.schema.cache import SchemaCache
    from twistedgw.schema.schema import Schema

__all__ = ["ProtoSource"]

_BROKEN_IMPORT = re.compile(r'Import "(.*)" was not found or had errors\.')
_UNDEFINED = re.compile(r'".*" is not defined\.')


class ProtoSource:
    """The `.proto` files of a plugin's ``proto`` option, with ``import_path``."""

    def __init__(
        self,
        files: Sequence[Path],
        import_path: Sequence[Path] = (),
        *,
        cache: SchemaCache,
        origin: Origin | None = None,
    ) -> None:
        """Remember what to load; reads nothing.

        Args:
            files: absolute paths.
            import_path: the folders that imports are looked up in, in order; those of the files where empty.
            cache: holds the compiler, and what was compiled before.
            origin: whose files these are.
        """
        self._files = tuple(files)
        self._import_path = tuple(import_path)
        self._cache = cache
        self._origin = origin or Origin()

    def load(self) -> Schema:
        """Give the schema of the files as they are now; compiles only what was not compiled before.

        Blocks: runs in a worker.

        Raises:
            ConfigError: every problem of every file.
        """
        gathered = gather(self._files, self._import_path, show=self._origin.show, report=self._origin.problem)
        if gathered.problems or not gathered.roots:
            raise ConfigError(self._all_problems(gathered))
        key = self._key(gathered)
        known = self._cache.get(key)
        if known is not None:
            return known
        compiled = self._cache.compiler.compile(gathered.files, gathered.roots)
        if compiled.file_set is None:
            raise ConfigError(_sorted(compiled.problems))
        return self._cache.put(key, self._share(compiled.file_set, gathered))

    def _share(self, file_set: FileDescriptorSet, gathered: Gathered) -> Schema:
        own = {name: file.shown for name, file in gathered.files.items() if file.own}
        for file in file_set.file:
            if file.name not in own:
                file.ClearField("source_code_info")
        return self._cache.share(file_set, frozenset({*own, *gathered.roots}), own)

    def _all_problems(self, gathered: Gathered) -> list[Problem]:
        """Let the compiler speak too, about the files that are there, so that all is told at once."""
        problems = list(gathered.problems)
        if gathered.roots:
            compiled = self._cache.compiler.compile(gathered.files, gathered.roots)
            problems += _unrelated(compiled.problems, gathered.broken)
        if not problems:
            problems.append(self._origin.problem("proto", "names no file"))
        return _sorted(problems)

    def _key(self, gathered: Gathered) -> str:
        digest = hashlib.sha256(repr((self._cache.compiler.version, gathered.roots)).encode())
        for file in sorted(gathered.files.values(), key=lambda file: file.name):
            digest.update(repr((file.name, file.shown, file.own, len(file.data))).encode())
            digest.update(file.data)
        return digest.hexdigest()


def _unrelated(problems: Iterable[Problem], broken: Collection[str]) -> list[Problem]:
    """Leave out what follows from imports that are broken already: that they are, and that their types are missing."""
    kept = []
    for problem in problems:
        follows = _BROKEN_IMPORT.fullmatch(problem.message)
        if not (follows and follows[1] in broken) and not (broken and _UNDEFINED.fullmatch(problem.message)):
            kept.append(problem)
    return kept


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """Order by line within each file; files stay in the order in which they were first spoken of."""
    order = {file: number for number, file in enumerate(dict.fromkeys(problem.file for problem in problems))}
    return sorted(problems, key=lambda problem: (order[problem.file], problem.line, problem.column))
