"""The source that compiles `.proto` files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.errors import ConfigError, Problem
from twistedgw.schema.compile import Task
from twistedgw.schema.files import Gathered, gather
from twistedgw.schema.source import Origin
from twistedgw.schema.standard import standard_set

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from twistedgw.schema.cache import SchemaCache
    from twistedgw.schema.compile import Compiled, Compiler
    from twistedgw.schema.schema import Schema

__all__ = ["ProtoSource", "load_all"]

_BROKEN_IMPORT = re.compile(r'Import "(.*)" was not found or had errors\.')
_UNDEFINED = re.compile(r'".*" is not defined\.')


class ProtoSource:
    """The `.proto` files of a plugin's ``proto`` option, with ``import_path``.

    Attributes:
        cache: holds the compiler, and what was compiled before.
    """

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
        self.cache = cache
        self._files = tuple(files)
        self._import_path = tuple(import_path)
        self._origin = origin or Origin()

    def load(self) -> Schema:
        """Give the schema of the files as they are now; compiles only what was not compiled before.

        Blocks: runs in a worker.

        Raises:
            ConfigError: every problem of every file.
        """
        [outcome] = load_all([self])
        if isinstance(outcome, ConfigError):
            raise outcome
        return outcome

    def gathered(self, version: str) -> _Work:
        """Read the files as they are now. Blocks: runs in a worker."""
        gathered = gather(self._files, self._import_path, show=self._origin.show, report=self._origin.problem)
        return _Work(gathered, self.cache, self._origin, _key(gathered, version))


@dataclass(frozen=True, slots=True)
class _Work:
    """What one source has to do after its files are read."""

    gathered: Gathered
    cache: SchemaCache
    origin: Origin
    key: str
    """The same for two sources that get the same schema, or the same problems from the compiler."""

    def known(self) -> Schema | ConfigError | None:
        """Give what is certain without the compiler."""
        if self.gathered.problems or not self.gathered.roots:
            # The compiler is to speak too, about the files that are there, so that all is told at once.
            return None if self.gathered.roots else self._all_problems(())
        return self.cache.get(self.key)

    def task(self) -> Task:
        """Give what is to be compiled: the plugin's own files; those of the bundle are compiled already."""
        files, roots = self.gathered.files, self.gathered.roots
        given = frozenset(file.name for file in files.values() if not file.own)
        try:
            return Task(files, roots, given, standard_set(given) if given else b"")
        except (ConfigError, KeyError):  # whatever it is, the compiler will tell it
            return Task(files, roots)

    def outcome(self, compiled: Compiled) -> Schema | ConfigError:
        """Give what comes of it all."""
        if self.gathered.problems:
            return self._all_problems(compiled.problems)
        if compiled.file_set is None:
            return ConfigError(_sorted(compiled.problems))
        try:
            return self.cache.put(self.key, self._share(compiled.file_set))
        except ConfigError as error:
            return error

    def _share(self, file_set: FileDescriptorSet) -> Schema:
        own = {name: file.shown for name, file in self.gathered.files.items() if file.own}
        for file in file_set.file:
            if file.name not in own:
                file.ClearField("source_code_info")
        return self.cache.share(file_set, frozenset({*own, *self.gathered.roots}), own)

    def _all_problems(self, compiled: Sequence[Problem]) -> ConfigError:
        problems = [*self.gathered.problems, *_unrelated(compiled, self.gathered.broken)]
        if not problems:
            problems.append(self.origin.problem("proto", "names no file"))
        return ConfigError(_sorted(problems))


def load_all(sources: Sequence[ProtoSource]) -> list[Schema | ConfigError]:
    """Load several sources of one cache: one child process compiles all that was not compiled before.

    Blocks: runs in a worker.

    Returns:
        for each, what its `load` would have given or raised.
    """
    if not sources:
        return []
    batch = _Batch(sources[0].cache.compiler)
    return batch.outcomes(sources)


class _Batch:
    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._found: dict[int, Schema | ConfigError] = {}
        self._works: dict[int, _Work] = {}
        self._same: dict[str, list[int]] = {}

    def outcomes(self, sources: Sequence[ProtoSource]) -> list[Schema | ConfigError]:
        for index, compiled in self._compiler.compile_all(self._tasks(sources)):
            work = self._works.pop(index)
            outcome = work.outcome(compiled)
            for each in self._same.pop(work.key, [index]) if not work.gathered.problems else [index]:
                self._found[each] = outcome
        return [self._found[index] for index in range(len(sources))]

    def _tasks(self, sources: Sequence[ProtoSource]) -> Iterator[tuple[int, Task]]:
        """Give what must be compiled, each content once."""
        version = self._compiler.version
        for index, source in enumerate(sources):
            work = source.gathered(version)
            known = work.known()
            if known is not None:
                self._found[index] = known
                continue
            if not work.gathered.problems:
                same = self._same.setdefault(work.key, [])
                same.append(index)
                if len(same) > 1:
                    continue
            self._works[index] = work
            yield index, work.task()


def _key(gathered: Gathered, version: str) -> str:
    digest = hashlib.sha256(repr((version, gathered.roots)).encode())
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
