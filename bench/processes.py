"""Processes of the benchmark: started on their cores, watched through /proc, and always ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TIMEOUT = 120.0
"""Seconds for a process to say that it is ready."""


class StartError(Exception):
    """A process does not do what it is waited for; the text ends with what it wrote last."""


def pin(cores: set[int]) -> Callable[[], None]:
    """Give what a child does before it runs its program: keep to some cores."""
    return lambda: os.sched_setaffinity(0, cores)


class Process:
    """A process whose output goes to a file, where its lines can be awaited."""

    def __init__(
        self, command: Sequence[str], folder: Path, cores: set[int], environ: Mapping[str, str] | None = None
    ) -> None:
        self.log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        self.command = list(command)
        self._offset = 0
        with self.log.open("wb") as out:
            self.popen = subprocess.Popen(
                self.command,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=pin(cores),
            )

    def wait_for(self, pattern: str, timeout: float = TIMEOUT) -> re.Match[str]:
        """Give the next match in what was written since the last.

        Raises:
            StartError: the process ended, or nothing matched in time.
        """
        deadline = time.monotonic() + timeout
        expression = re.compile(pattern)
        while True:
            ended = self.popen.poll() is not None
            with self.log.open("rb") as file:
                file.seek(self._offset)
                text = file.read().decode("utf-8", "replace")
            found = expression.search(text)
            if found:
                self._offset += len(text[: found.end()].encode())
                return found
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else "did not get ready"
                raise StartError(f"{' '.join(self.command[:3])} … {what}:\n{text[-1500:]}")
            time.sleep(0.01)

    def pids(self) -> list[int]:
        """Give the process and all that descend from it."""
        found = [self.popen.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def resident(self) -> int:
        """Give the resident bytes of all of them."""
        return sum(map(_resident, self.pids()))

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def cpu_seconds(pids: Sequence[int]) -> float:
    """Give the processor time, user and system, that processes have used."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += _stat_seconds(Path(f"/proc/{pid}/stat"))
    return total


def thread_seconds(pids: Sequence[int]) -> dict[int, tuple[str, float]]:
    """Give, by its number, the name of every thread of processes, and the processor time that it has used."""
    found = {}
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found[int(task.name)] = ((task / "comm").read_text().strip(), _stat_seconds(task / "stat"))
    return found


def _stat_seconds(path: Path) -> float:
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(
    command: Sequence[str], folder: Path, cores: set[int], environ: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run a process for as long as this is entered."""
    process = Process(command, folder, cores, environ)
    try:
        yield process
    finally:
        process.stop()
