"""The program that runs in the compiler's child process: runs protoc, once for each folder that it is told of.

It is started by its path, in an isolated interpreter without site-packages, so that it is up in about 15 ms and nothing
of the gateway's own process is in it. It never looks into a `.proto` itself: each run is a process that it forks, which
has limits and a process group of its own and sees one folder, so that no run can hurt another.

Its working folder is one of the gateway's. Arguments: the folder that holds ``grpc_tools``; the limits of each run: its
memory in bytes, its CPU time in seconds, a written file in bytes, its time in seconds, what it says in bytes; then a
command to run in place of protoc, if any. On standard input, lines ``NUMBER ARGUMENT…``: run protoc in the folder
``NUMBER/source``. On standard output, for each, as it ends, ``NUMBER CODE HOW LENGTH`` and so many bytes, which are
what it said: HOW is ``ended``, ``slow`` or ``loud``, CODE negative for a signal. The end of the input ends everything.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time
from typing import NoReturn

__all__ = ["main"]


class _Limits:
    def __init__(self, memory: str, cpu: str, written: str, seconds: str, said: str) -> None:
        self.resources = {
            resource.RLIMIT_AS: int(memory),
            resource.RLIMIT_CPU: int(cpu),
            resource.RLIMIT_FSIZE: int(written),
            resource.RLIMIT_CORE: 0,
        }
        self.seconds = float(seconds)
        self.said = int(said)


class _Run:
    """One process that runs protoc."""

    def __init__(self, number: str, pid: int, reading: int, deadline: float) -> None:
        self.number = number
        self.pid = pid
        self.reading = reading
        self.deadline = deadline
        self.open = True
        self.text = bytearray()

    def read(self, limit: int) -> bool:
        """Take what it has said; gives whether it said more than it may."""
        while self.open and len(self.text) <= limit:
            try:
                chunk = os.read(self.reading, 65536)
            except BlockingIOError:
                break
            self.text += chunk
            self.open = bool(chunk)
        return len(self.text) > limit

    def kill(self) -> None:
        """End it, with all that it has started. It has not been waited for, so its number is not another's."""
        for send, target in ((os.killpg, self.pid), (os.kill, self.pid)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(target, signal.SIGKILL)


class _Runs:
    """All that run now."""

    def __init__(self, limits: _Limits, command: list[str]) -> None:
        self._limits = limits
        self._command = command
        self._runs: dict[str, _Run] = {}
        self._input = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._woken, waking = os.pipe()  # by the end of a process, which is not always the end of its output
        os.set_blocking(self._woken, False)
        os.set_blocking(waking, False)
        self._poll.register(self._woken, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Run what is asked for until the input ends."""
        try:
            with contextlib.suppress(BrokenPipeError):  # nobody wants the answers any more
                while self._step():
                    pass
        finally:
            for run in self._runs.values():
                run.kill()

    def _step(self) -> bool:
        first = min((run.deadline for run in self._runs.values()), default=None)
        timeout = None if first is None else max(first - time.monotonic(), 0) * 1000 + 1
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout)}
        if self._woken in ready:
            os.read(self._woken, 4096)
        for run in list(self._runs.values()):
            self._look(run, readable=run.reading in ready)
        return 0 not in ready or self._take()

    def _look(self, run: _Run, *, readable: bool) -> None:
        if readable and run.read(self._limits.said):
            self._stop(run, "loud")
            return
        if not run.open:
            self._forget(run)
        pid, status = os.waitpid(run.pid, os.WNOHANG)
        if pid:
            run.read(self._limits.said)
            self._answer(run, os.waitstatus_to_exitcode(status), "ended")
        elif time.monotonic() >= run.deadline:
            self._stop(run, "slow")

    def _stop(self, run: _Run, how: str) -> None:
        run.kill()
        os.waitpid(run.pid, 0)
        self._answer(run, 0, how)

    def _forget(self, run: _Run) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(run.reading)

    def _answer(self, run: _Run, code: int, how: str) -> None:
        self._forget(run)
        os.close(run.reading)
        del self._runs[run.number]
        rest = memoryview(f"{run.number} {code} {how} {len(run.text)}\n".encode() + run.text)
        while rest:
            rest = rest[os.write(1, rest) :]

    def _take(self) -> bool:
        """Start what the input asks for; gives whether there may be more."""
        data = os.read(0, 65536)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            number, *arguments = line.decode().split(" ")
            self._start(number, arguments)
        return bool(data)

    def _start(self, number: str, arguments: list[str]) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        deadline = time.monotonic() + self._limits.seconds
        pid = os.fork()
        if not pid:
            _become_protoc(number, writing, self._limits, self._command, arguments)
        os.close(writing)
        self._runs[number] = _Run(number, pid, reading, deadline)
        self._poll.register(reading, select.POLLIN)


def _become_protoc(number: str, errors: int, limits: _Limits, command: list[str], arguments: list[str]) -> NoReturn:
    """Be the process of one run, just forked."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for old, new in ((null, 0), (null, 1), (errors, 2)):
            os.dup2(old, new)
        os.closerange(3, max(null, errors) + 1)
        os.chdir(os.path.join(number, "source"))
        if command:
            os.execvp(command[0], [*command, *arguments])  # noqa: S606 - a fixed program
        for what, value in limits.resources.items():
            _limit(what, value)
        from grpc_tools import _protoc_compiler

        code = _protoc_compiler.run_main([b"protoc", *map(os.fsencode, arguments)])
    except BaseException as error:  # noqa: BLE001 - nothing may return into the program that was forked
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def main(arguments: list[str]) -> None:
    """Serve until the input ends."""
    site, *rest = arguments
    limits, command = _Limits(*rest[:5]), rest[5:]
    if not command:
        sys.path.append(site)
        with contextlib.suppress(ImportError):  # each run tells it
            import grpc_tools._protoc_compiler  # noqa: F401 - once, for all runs
    _Runs(limits, command).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
