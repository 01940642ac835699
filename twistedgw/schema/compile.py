"""`.proto` files into descriptors, by protoc in a child process.

The child sees a private temporary folder that holds copies of the files of this compilation and nothing else, has
limits of time, memory and output, and is killed with its whole process group when it is over one of them. Everything
here blocks, and belongs into a worker thread; no signal handler and no reactor is touched.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import itertools
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from twistedgw.errors import Problem
from twistedgw.schema import protoc_child, protoc_errors
from twistedgw.schema.reading import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twistedgw.schema.files import ProtoFile

__all__ = ["Compiled", "Compiler"]

MAX_ERROR_TEXT = 1_048_576
"""The most bytes of protoc's complaints that are read; a child that says more is stopped."""

MAX_RESULT_SIZE = 256 * 1_048_576
"""The most bytes of descriptors that a compilation may give."""

_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")
_RESULT = "result.binpb"
_ARGUMENTS = ("--proto_path=.", "--include_imports", "--include_source_info", f"--descriptor_set_out=../{_RESULT}")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of a compilation: descriptors, or at least one problem."""

    file_set: FileDescriptorSet | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a child ended: its exit code (negative for a signal), what it wrote, and why it was stopped if it was."""

    code: int
    text: str
    stopped: str = ""
    hint: str = ""


class Compiler:
    """Runs protoc; safe from several threads at once.

    Attributes:
        runs: how many child processes were started so far.
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
            time_limit: seconds that one child may run.
            memory_limit: bytes of address space that one child may have.
            command: what to run in place of grpcio-tools' protoc; protoc's arguments are appended.
        """
        self.runs = 0
        self._time_limit = time_limit
        self._memory_limit = memory_limit
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
        shown = {file.name: file.shown for file in files.values()}
        first = shown.get(roots[0], "") if roots else ""
        command = self._command or _default_command(self._memory_limit, self._time_limit)
        if not command:
            message = "the protoc of grpcio-tools cannot be started"
            return _failed(first, message, "is grpcio-tools installed for this Python?")
        try:
            with tempfile.TemporaryDirectory(prefix="twistedgw-", ignore_cleanup_errors=True) as folder:
                return self._compile_in(folder, command, files, roots, shown)
        except OSError as error:
            message = f"the .proto compiler cannot be run: {error.strerror or type(error).__name__}"
            return _failed(first, message, "is there a writable temporary folder?")

    def _compile_in(
        self,
        folder: str,
        command: Sequence[str],
        files: Mapping[str, ProtoFile],
        roots: Sequence[str],
        shown: Mapping[str, str],
    ) -> Compiled:
        source = os.path.join(folder, "source")
        os.mkdir(source, 0o700)
        root = _root_name(files)
        texts = {root: _root_text(roots), **{file.name: file.data for file in files.values()}}
        for name, data in texts.items():
            path = os.path.join(os.fsencode(source), name.encode())  # protoc reads names as UTF-8, whatever the locale
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                file.write(data)
        ended = self._run([*command, *_ARGUMENTS, root], source)
        problems = [problem for problem in protoc_errors.parse(ended.text, {**shown, root: ""}) if problem.file]
        first = shown[roots[0]]
        if ended.stopped:
            return Compiled(None, (*problems, _problem(first, ended.stopped, ended.hint)))
        if problems:
            return Compiled(None, tuple(problems))
        file_set = _result(os.path.join(folder, _RESULT), root) if ended.code == 0 else None
        if file_set is not None:
            return Compiled(file_set)
        return _failed(first, *_why(ended))

    def _run(self, command: Sequence[str], folder: str) -> _Ended:
        with self._lock:
            self.runs += 1
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        child = subprocess.Popen(  # noqa: S603 - a fixed program, no shell
            command,
            cwd=folder,
            env={**environment, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with child:
            try:
                return self._watch(child)
            finally:
                # Nobody has waited for the child yet if it is still there, so its number cannot be another's.
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(child.pid, signal.SIGKILL)

    def _watch(self, child: subprocess.Popen[bytes]) -> _Ended:
        """Read what the child says until it ends, is too slow or says too much."""
        deadline = time.monotonic() + self._time_limit
        text = bytearray()
        assert child.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stderr, selectors.EVENT_READ)
            while selector.select(max(deadline - time.monotonic(), 0)):
                chunk = os.read(child.stderr.fileno(), 65536)
                text += chunk
                if len(text) > MAX_ERROR_TEXT:
                    return _Ended(0, _decoded(text, whole=False), "more errors than can be shown", "")
                if not chunk:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        code = child.wait(max(deadline - time.monotonic(), 0))
                        return _Ended(code, _decoded(text))
                    break
        stopped = f"the .proto compiler did not finish within {self._time_limit:g} seconds and was stopped"
        return _Ended(0, _decoded(text, whole=False), stopped, "one of the files is too complicated")


def _decoded(text: bytearray, *, whole: bool = True) -> str:
    if not whole:
        text = text[: text.rfind(b"\n") + 1]
    return text.decode("utf-8", "replace")


def _default_command(memory_limit: int, time_limit: float) -> tuple[str, ...]:
    spec = importlib.util.find_spec("grpc_tools")
    if spec is None or not spec.submodule_search_locations or not sys.executable:
        return ()
    site = os.path.dirname(os.path.abspath(next(iter(spec.submodule_search_locations))))
    limits = (str(memory_limit), str(int(time_limit) + 1), str(MAX_RESULT_SIZE))
    return (sys.executable, "-I", "-S", os.path.abspath(protoc_child.__file__), site, *limits)


def _root_name(files: Mapping[str, ProtoFile]) -> str:
    return next(name for name in map("root{}.proto".format, itertools.count()) if name not in files)


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


def _why(ended: _Ended) -> tuple[str, str]:
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
