"""`.proto` files into descriptors, by protoc in a child process.

Everything here blocks, and belongs into a worker thread; no signal handler and no reactor of this process is touched.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from twistedgw.errors import Problem
from twistedgw.schema import protoc_errors
from twistedgw.schema.protoc_runs import Ended, Limits, Runs
from twistedgw.schema.reading import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from twistedgw.schema.files import ProtoFile

__all__ = ["Compiled", "Compiler", "Task"]

MAX_ERROR_TEXT = 1_048_576
"""The most bytes of protoc's complaints that are read; a run that says more is stopped."""

MAX_RESULT_SIZE = 256 * 1_048_576
"""The most bytes of descriptors that a compilation may give."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of a compilation: descriptors, or at least one problem."""

    file_set: FileDescriptorSet | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One compilation, in a world of its own.

    Attributes:
        files: all that may be imported, by import name.
        roots: the import names of those that are wanted, at least one.
        given: the names of files that need no compiling.
        given_set: these as a serialized ``FileDescriptorSet``; empty for none.
    """

    files: Mapping[str, ProtoFile]
    roots: Sequence[str]
    given: Collection[str] = ()
    given_set: bytes = b""

    @property
    def root(self) -> str:
        """A name that no file has."""
        return next(name for name in map("root{}.proto".format, itertools.count()) if name not in self.files)

    @property
    def first(self) -> str:
        """The path, as a person would write it, of what is blamed where no file is named."""
        file = self.files.get(self.roots[0]) if self.roots else None
        return file.shown if file else ""

    def texts(self) -> dict[str, bytes]:
        """Give all that is to be compiled, by import name."""
        texts = {file.name: file.data for file in self.files.values() if file.name not in self.given}
        return {self.root: _root_text(self.roots), **texts}


class Compiler:
    """Runs protoc; safe from several threads at once.

    Attributes:
        runs: how many child processes were started so far. One does many compilations, each in a process that it forks.
    """

    def __init__(
        self,
        *,
        time_limit: float = 20.0,
        memory_limit: int = 2 * 1024**3,
        command: Sequence[str] | None = None,
    ) -> None:
        """Remember the limits; starts nothing.

        Args:
            time_limit: seconds that one compilation may take.
            memory_limit: bytes of address space that one may have.
            command: what to run in place of grpcio-tools' protoc; protoc's arguments are appended.
        """
        self.runs = 0
        self._limits = Limits(memory_limit, time_limit, MAX_RESULT_SIZE, MAX_ERROR_TEXT)
        self._command = None if command is None else tuple(command)
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """What does the compiling; equal inputs give equal results as long as this is equal."""
        if self._command is not None:
            return repr(self._command)
        try:
            return f"grpcio-tools {importlib.metadata.version('grpcio-tools')}"
        except importlib.metadata.PackageNotFoundError:
            return "grpcio-tools"

    def compile(self, files: Mapping[str, ProtoFile], roots: Sequence[str]) -> Compiled:
        """Compile the files that `roots` names, with all that they import.

        Blocks: runs in a worker.

        Args:
            files: all that may be imported, by import name.
            roots: import names.

        Returns:
            The roots and their imports, dependencies first, with source info; or every problem there is.
        """
        [(_, compiled)] = self.compile_all([(None, Task(files, roots))])
        return compiled

    def compile_all(self, tasks: Iterable[tuple[Key, Task]]) -> Iterator[tuple[Key, Compiled]]:
        """Do many compilations, as many at once as there are processors; none knows of another.

        Blocks: runs in a worker.

        Args:
            tasks: taken as their turn comes, so that thousands need not be in memory together.

        Returns:
            For each what came of it, as `compile` gives it, in the order in which they end.
        """
        waiting: dict[str, tuple[Key, Task]] = {}
        with ExitStack() as stack:
            runs: Runs | None = None
            for key, task in tasks:
                while runs is not None and runs.full and not runs.lost:
                    yield self._next(runs, waiting)
                try:
                    if runs is None or runs.lost:
                        while runs is not None and runs.busy:
                            yield self._next(runs, waiting)
                        runs = stack.enter_context(self._start())
                    waiting[runs.begin(task.texts(), task.root, task.given_set)] = (key, task)
                except _MissingError:
                    message = "the protoc of grpcio-tools cannot be started"
                    yield key, _failed(task.first, message, "is grpcio-tools installed for this Python?")
                except OSError as error:
                    message = f"the .proto compiler cannot be run: {error.strerror or type(error).__name__}"
                    yield key, _failed(task.first, message, "is there a writable temporary folder?")
            while runs is not None and runs.busy:
                yield self._next(runs, waiting)

    def _start(self) -> Runs:
        site = _site() if self._command is None else "-"
        if not site:
            raise _MissingError
        with self._lock:
            self.runs += 1
        return Runs(site, self._limits, self._command or ())

    def _next(self, runs: Runs, waiting: dict[str, tuple[Key, Task]]) -> tuple[Key, Compiled]:
        number, ended = runs.wait()
        key, task = waiting.pop(number)
        return key, self._compiled(task, ended)

    def _compiled(self, task: Task, ended: Ended) -> Compiled:
        shown = {file.name: file.shown for file in task.files.values()}
        problems = [problem for problem in protoc_errors.parse(ended.text, {**shown, task.root: ""}) if problem.file]
        if ended.how == "loud":
            return Compiled(None, (*problems, _problem(task.first, "more errors than can be shown", "")))
        if ended.how == "slow":
            seconds = f"{self._limits.seconds:g} seconds"
            message = f"the .proto compiler did not finish within {seconds} and was stopped"
            return Compiled(None, (*problems, _problem(task.first, message, "one of the files is too complicated")))
        if problems:
            return Compiled(None, tuple(problems))
        file_set = _result(ended.result, task.root) if ended.code == 0 and ended.how == "ended" else None
        if file_set is not None:
            return Compiled(file_set)
        return _failed(task.first, *_why(ended))


class _MissingError(Exception):
    """There is no protoc."""


def _site() -> str:
    spec = importlib.util.find_spec("grpc_tools")
    if spec is None or not spec.submodule_search_locations or not sys.executable:
        return ""
    return os.path.dirname(os.path.abspath(next(iter(spec.submodule_search_locations))))


def _root_text(roots: Sequence[str]) -> bytes:
    """Write a file that imports all others: given several, protoc would stop at the first that has an error."""
    quoted = (root.replace("\\", "\\\\").replace('"', '\\"') for root in roots)
    return "".join(['syntax = "proto3";\n', *(f'import "{root}";\n' for root in quoted)]).encode()


def _result(path: str, root: str) -> FileDescriptorSet | None:
    try:
        file_set = FileDescriptorSet.FromString(read(path, MAX_RESULT_SIZE))
    except (UnreadableError, DecodeError):
        return None
    files = [file for file in file_set.file if file.name != root]
    if len(files) == len(file_set.file):
        return None
    del file_set.file[:]
    file_set.file.extend(files)
    return file_set


def _why(ended: Ended) -> tuple[str, str]:
    if ended.code < 0:
        try:
            name = signal.Signals(-ended.code).name
        except ValueError:
            name = f"signal {-ended.code}"
        return f"the .proto compiler was ended by {name}", "one of the files is too complicated, or memory ran out"
    lines = [line for line in ended.text.splitlines() if line.strip()]
    said = f": {lines[-1].strip()[:200]}" if lines else ""
    return f"the .proto compiler gave no result (exit code {ended.code}){said}", "is grpcio-tools whole?"


def _problem(file: str, message: str, hint: str) -> Problem:
    return Problem(file=file, line=0, message=message, hint=hint)


def _failed(file: str, message: str, hint: str) -> Compiled:
    return Compiled(None, (_problem(file, message, hint),))
