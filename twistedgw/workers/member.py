"""One worker as its parent sees it: a process, a connection, and how it ends."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.process import reapAllProcesses
from twisted.internet.protocol import Factory, ProcessProtocol, connectionDone
from twisted.logger import Logger, globalLogPublisher

from twistedgw.errors import escaped
from twistedgw.reactors import reactor_name
from twistedgw.workers import commands
from twistedgw.workers.child import Self
from twistedgw.workers.logs import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from twisted.python.failure import Failure

__all__ = ["Cargo", "Member"]

_CODE = "import sys; sys.path[:] = sys.argv[4:]; from twistedgw.workers.boot import main; main()"

_REAP_SECONDS = 0.05
_REAP_TRIES = 100
_REPORT_TIMEOUT = 2.0
_COMMIT_TIMEOUT = 10.0
_PREPARE_TIMEOUT = 120.0
_LONGEST_LINE = 64 * 1024


class Cargo:
    """A generation on its way to the workers: packed, in a file without a name, with its listening sockets.

    The sockets are duplicates, since a later generation may close the ports while a worker that begins still gets them.

    Attributes:
        generation: its number.
        size: of the file, in bytes.
        descriptor: of the file.
        sockets: by endpoint description, a descriptor, and whether it is a UNIX socket.
    """

    def __init__(self, generation: int, data: bytes, ports: Mapping[str, Any]) -> None:
        self.generation = generation
        self.size = len(data)
        self.descriptor = commands.packed_file(data)
        self.sockets = {
            endpoint: (os.dup(port.fileno()), port.addressFamily == socket.AF_UNIX) for endpoint, port in ports.items()
        }
        self._holders = 1

    def hold(self) -> None:
        """Keep the descriptors until one more has let them go."""
        self._holders += 1

    def release(self) -> None:
        """Let the descriptors go; the last one who does closes them."""
        self._holders -= 1
        if not self._holders:
            os.close(self.descriptor)
            for descriptor, _ in self.sockets.values():
                os.close(descriptor)


class _Lines:
    """Logs what a worker writes to its standard output and error, outside of its log."""

    _log = Logger(namespace="twistedgw.workers")

    def __init__(self, number: int) -> None:
        self._number = number
        self._rest = b""

    def take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._tell(line)

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest)

    def _tell(self, line: bytes) -> None:
        text = escaped(line.decode("utf-8", "backslashreplace"))
        self._log.warn("worker {worker} wrote: {line}", worker=self._number, line=text)


class _Talk(commands.Conversation):
    """The parent's end of the connection."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member

    @commands.Logs.responder
    def logs(self, events: bytes) -> dict[str, Any]:
        for event in unpack(events, self._member.number):
            globalLogPublisher(event)
        return {}

    @commands.Leaving.responder
    def leaving(self) -> dict[str, Any]:
        self._member.leave()
        return {}

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._member.await_end()


class Member(ProcessProtocol):
    """One process of a crew. Reactor thread only.

    Attributes:
        number: its place in the crew, from 1.
        pid: of the process.
        serving: whether it has taken a generation, and has not begun to end.
        started: when it began to serve, in seconds since 1970; None before.
        generation: the one that it serves; 0 before.
        last: what it told of itself last.
        ended: fires with how it ended, in words.
    """

    def __init__(self, number: int, count: int, reactor: Any, leaving: Callable[[Member], None]) -> None:
        """Start the process.

        Args:
            number: see the class.
            count: how many workers there are.
            reactor: the parent's; the worker installs the same one.
            leaving: called if the worker ends of its own, while it still answers what is on its way.

        Raises:
            OSError: no process can be had.
        """
        self.number = number
        self.serving = False
        self.started: float | None = None
        self.generation = 0
        self.last = Self()
        self.ended: Deferred[str] = Deferred()
        self._reactor = reactor
        self._known: set[str] = set()
        self._over = False
        self._leaving = leaving
        self._lines = _Lines(number), _Lines(number)
        ours, theirs = socket.socketpair()
        with ours, theirs, open(os.devnull, "rb") as nothing:
            ours.setblocking(False)
            arguments = [sys.executable, "-c", _CODE, str(number), str(count), reactor_name(reactor), *sys.path]
            descriptors = {0: nothing.fileno(), 1: "r", 2: "r", commands.CONNECTION_FD: theirs.fileno()}
            self._process = reactor.spawnProcess(self, sys.executable, arguments, env=None, childFDs=descriptors)
            self.pid: int = self._process.pid
            self._talk = _Talk(self)
            reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: self._talk))

    # -- generations

    @inlineCallbacks
    def prepare(self, cargo: Cargo) -> Generator[Deferred[Any], Any, None]:
        """Let it build a generation beside the one that it serves. Fails with what keeps it from that."""
        for endpoint, (descriptor, unix) in cargo.sockets.items():
            if endpoint not in self._known:
                yield self._ask(commands.Take, _COMMIT_TIMEOUT, endpoint=endpoint, unix=unix, socket=descriptor)
        yield self._ask(commands.Prepare, _PREPARE_TIMEOUT, material=cargo.descriptor, size=cargo.size)

    def commit(self, cargo: Cargo) -> Deferred[Any]:
        """Let it serve what it has prepared."""
        self.serving = True
        self.started = self.started or time.time()
        self.generation = cargo.generation
        self._known = set(cargo.sockets)
        return self._ask(commands.Commit, _COMMIT_TIMEOUT)

    def abandon(self) -> Deferred[Any]:
        """Let it forget what it has prepared."""
        return self._ask(commands.Abandon, _COMMIT_TIMEOUT)

    # -- looking

    @inlineCallbacks
    def report(self) -> Generator[Deferred[Any], Any, Self]:
        """Ask what it knows of itself; where it does not answer in time, what it said last. Never fails."""
        file = commands.blank_file()
        try:
            answer = yield self._ask(commands.Report, _REPORT_TIMEOUT, into=file)
            told: Self = pickle.loads(commands.read_file(file, answer["size"]))  # noqa: S301 - our own child
            self.last = told
        except Exception:  # noqa: BLE001, S110 - it may be ending, or busy
            pass
        finally:
            os.close(file)
        return self.last

    # -- the end

    def leave(self) -> None:
        """Learn that it begins to end of its own."""
        self.serving = False
        self._leaving(self)

    def await_end(self, tries: int = 0) -> None:
        """Learn that the connection is gone, and look for the process's end until it comes.

        On uvloop, whose own use of signals keeps SIGCHLD from Twisted, nobody else would.
        """
        self.serving = False
        if not self._over:
            reapAllProcesses()
        if not self._over:
            if tries == _REAP_TRIES:
                self.kill()
            self._reactor.callLater(_REAP_SECONDS, self.await_end, tries + 1)

    def close(self) -> Deferred[Any]:
        """Let it accept no more connections."""
        self.serving = False
        return self._ask(commands.Close, _COMMIT_TIMEOUT)

    def drain(self, timeout: float) -> Deferred[int]:
        """Let it answer what is on its way, and end; gives how many requests were cut off."""
        asked = self._ask(commands.Drain, timeout + _COMMIT_TIMEOUT, timeout=timeout)
        return asked.addCallback(lambda answer: answer["cut"])

    def kill(self) -> None:
        """End it at once."""
        if not self._over:
            self._process.signalProcess(signal.SIGKILL)

    def _ask(self, command: Any, within: float, **arguments: Any) -> Deferred[Any]:
        asked: Deferred[Any] = self._talk.callRemote(command, **arguments)
        return asked.addTimeout(within, self._reactor)

    # -- IProcessProtocol

    def outReceived(self, data: bytes) -> None:
        """Log a line of its standard output."""
        self._lines[0].take(data)

    def errReceived(self, data: bytes) -> None:
        """Log a line of its standard error."""
        self._lines[1].take(data)

    def processEnded(self, reason: Failure) -> None:
        """Learn that it is gone."""
        self._over = True
        self.serving = False
        for lines in self._lines:
            lines.end()
        transport: Any = self._talk.transport
        if transport is not None:
            transport.abortConnection()
        self.ended.callback(_how(reason))


def _how(reason: Failure) -> str:
    if isinstance(reason.value, ProcessTerminated) and reason.value.signal is not None:
        return f"killed by signal {reason.value.signal}"
    if isinstance(reason.value, (ProcessTerminated, ProcessDone)):
        return f"exit status {reason.value.exitCode}"
    return str(reason.value)
