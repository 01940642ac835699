"""Runs of protoc, several at once, by one child process.

Each run sees a private temporary folder that holds copies of the files of its compilation and nothing else, has limits
of time, memory and output, and is killed with its whole process group when it is over one of them. The folder of a run
that is over is the next one's; what both have in common stays there.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twistedgw.schema import protoc_child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

__all__ = ["Ended", "Limits", "Runs"]

_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")
_RESULT = "result.binpb"
_GIVEN = "given.binpb"
_ARGUMENTS = ("--proto_path=.", "--include_imports", "--include_source_info", f"--descriptor_set_out=../{_RESULT}")
_MOST_AT_ONCE = 8
_GRACE = 10.0
"""Seconds that the child may be silent after it should have stopped every run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use.

    Attributes:
        memory: bytes of address space.
        seconds: of time; of CPU time one more.
        result: bytes of descriptors.
        said: bytes of complaints.
    """

    memory: int
    seconds: float
    result: int
    said: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        code: its exit code; negative for a signal.
        text: what it wrote to its standard error.
        how: ``ended``; ``slow`` or ``loud`` where it was stopped for that; ``lost`` where the child has died.
        result: the path of its result, which the next run in the same folder replaces.
    """

    code: int
    text: str
    how: str
    result: str = ""


@dataclass(slots=True)
class _Folder:
    """A folder in which protoc runs."""

    path: str
    texts: dict[str, bytes] = field(default_factory=dict)
    given: bytes = b""
    clean: bool = False

    @property
    def result(self) -> str:
        return os.path.join(self.path, _RESULT)

    def fill(self, texts: Mapping[str, bytes], given: bytes) -> None:
        """Make it hold these files, by their names, and no others; and the set of those that are compiled already."""
        if not self.clean or not self._folders().isdisjoint(texts):
            shutil.rmtree(self.path, ignore_errors=True)
            os.makedirs(os.path.join(self.path, "source"), mode=0o700)
            self.texts, self.given = {}, b""
        self.clean = False
        for name in [name for name, data in self.texts.items() if texts.get(name) != data]:
            os.unlink(self._place(name))
            del self.texts[name]
        for name, data in texts.items():
            if name not in self.texts:
                path = self._place(name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "xb") as file:
                    file.write(data)
                self.texts[name] = data
        if self.given != given:
            with open(os.path.join(self.path, _GIVEN), "wb") as file:
                file.write(given)
            self.given = given
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.result)

    def _folders(self) -> set[str]:
        found = set()
        for name in self.texts:
            while name := name.rpartition("/")[0]:
                found.add(name)
        return found

    def _place(self, name: str) -> bytes:
        # protoc reads names as UTF-8, whatever the locale
        return os.path.join(os.fsencode(self.path), b"source", name.encode())


class Runs:
    """One child process and the runs in it. One thread; a context, at whose end nothing is left of it."""

    def __init__(self, site: str, limits: Limits, command: Sequence[str] = ()) -> None:
        """Start the child.

        Args:
            site: the folder that holds ``grpc_tools``.
            limits: of each run.
            command: what to run in place of protoc; protoc's arguments are appended.

        Raises:
            OSError: it cannot be started, or there is no place for temporary files.
        """
        self._limits = limits
        self._buffer = b""
        self._running: dict[str, _Folder] = {}
        self._temporary = tempfile.TemporaryDirectory(prefix="twistedgw-", ignore_cleanup_errors=True)
        try:
            self._child = _start(self._temporary.name, site, limits, command)
        except BaseException:
            self._temporary.cleanup()
            raise
        path = self._temporary.name
        self._free = [_Folder(os.path.join(path, str(number))) for number in range(_at_once())]

    def __enter__(self) -> Runs:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what runs and remove every file."""
        try:
            self._end()
        finally:
            self._temporary.cleanup()

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return bool(self._running)

    @property
    def full(self) -> bool:
        """Whether something must end before another run can begin."""
        return not self._free

    def begin(self, texts: Mapping[str, bytes], root: str, given: bytes = b"") -> str:
        """Start a run.

        Args:
            texts: the files that it sees, by import name.
            root: the import name of the one to compile.
            given: a serialized ``FileDescriptorSet`` of files that may be imported too; empty for none.

        Returns:
            the number of the run, as `wait` gives it.

        Raises:
            OSError: the files cannot be written, or the child is gone.
        """
        folder = self._free[-1]
        folder.fill(texts, given)
        number = os.path.basename(folder.path)
        more = [f"--descriptor_set_in=../{_GIVEN}"] if given else []
        assert self._child.stdin is not None
        self._child.stdin.write(" ".join([number, *_ARGUMENTS, *more, root]).encode() + b"\n")
        self._running[number] = self._free.pop()
        return number

    def wait(self) -> tuple[str, Ended]:
        """Wait for the end of a run; gives its number too.

        Where the child has died or says nothing any more, all runs are lost, and so is this object.
        """
        head = self._take_line()
        if head is None:
            self._end()
            number, _ = self._running.popitem()
            return number, Ended(self._child.returncode or 0, "", "lost")
        number, code, how, length = head.decode().split(" ")
        text = self._take(int(length))
        folder = self._running.pop(number)
        folder.clean = how == "ended" and code == "0"
        self._free.append(folder)
        return number, Ended(int(code), _decoded(text, whole=how == "ended"), how, folder.result)

    @property
    def lost(self) -> bool:
        """Whether the child is gone, so that nothing can begin."""
        return self._child.returncode is not None

    def _take_line(self) -> bytes | None:
        while b"\n" not in self._buffer:
            if not self._read():
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _take(self, length: int) -> bytes:
        while len(self._buffer) < length and self._read():
            pass
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        return text

    def _read(self) -> bool:
        """Read on; gives whether there was something."""
        if self.lost:
            return False
        assert self._child.stdout is not None
        poll = select.poll()
        poll.register(self._child.stdout, select.POLLIN)
        if not poll.poll((self._limits.seconds + _GRACE) * 1000):
            return False
        chunk = os.read(self._child.stdout.fileno(), 1 << 20)
        self._buffer += chunk
        return bool(chunk)

    def _end(self) -> None:
        """Let the child stop all runs and end; kill it where it does not."""
        if self.lost:
            return
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        self._child.stdout.close()
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _start(folder: str, site: str, limits: Limits, command: Sequence[str]) -> subprocess.Popen[bytes]:
    if command and shutil.which(command[0]) is None:
        raise FileNotFoundError(2, os.strerror(2))
    of_each = (limits.memory, int(limits.seconds) + 1, limits.result, limits.seconds, limits.said)
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - a fixed program, no shell
        [sys.executable, "-I", "-S", os.path.abspath(protoc_child.__file__), site, *map(str, of_each), *command],
        cwd=folder,
        env={**environment, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    )


def _at_once() -> int:
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every POSIX
        processors = os.cpu_count() or 1
    return min(processors, _MOST_AT_ONCE)


def _decoded(text: bytes, *, whole: bool) -> str:
    if not whole:
        text = text[: text.rfind(b"\n") + 1]
    return text.decode("utf-8", "replace")
