"""What parent and worker say to each other: AMP, over a UNIX socket that can carry file descriptors.

AMP's values end at 64 KiB, so whatever can be larger (a generation, a report) goes into a file without a name, whose
descriptor is passed: `memfd_create` where the system has it, so that private keys never touch a disk. The listening
sockets go the same way, at the start as after a reload: there is one path for both.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.protocol import connectionDone
from twisted.protocols.amp import AMP, BinaryBoxProtocol, Boolean, Command, Descriptor, Float, Integer, String, Unicode

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = [
    "CONNECTION_FD",
    "Abandon",
    "Close",
    "Commit",
    "Conversation",
    "Drain",
    "Leaving",
    "Logs",
    "Prepare",
    "Refused",
    "Report",
    "Take",
    "blank_file",
    "packed_file",
    "read_file",
    "write_file",
]

CONNECTION_FD = 3
"""The worker's end of the connection."""


class Refused(Exception):  # noqa: N818 - AMP makes an error code of it
    """The worker cannot build the generation; the text says why."""


class Take(Command):
    """Parent to worker: take a listening socket, for the next `Prepare`."""

    arguments: ClassVar[Any] = [(b"endpoint", Unicode()), (b"unix", Boolean()), (b"socket", Descriptor())]


class Prepare(Command):
    """Parent to worker: build a generation beside the one that serves."""

    arguments: ClassVar[Any] = [(b"material", Descriptor()), (b"size", Integer())]
    errors: ClassVar[Any] = {Refused: b"REFUSED"}


class Commit(Command):
    """Parent to worker: serve what was prepared."""


class Abandon(Command):
    """Parent to worker: forget what was prepared or taken."""


class Report(Command):
    """Parent to worker: write what you know of yourself into this file, and tell how much it is."""

    arguments: ClassVar[Any] = [(b"into", Descriptor())]
    response: ClassVar[Any] = [(b"size", Integer())]


class Close(Command):
    """Parent to worker: accept no more connections."""


class Drain(Command):
    """Parent to worker: answer what is on its way, for so many seconds at most; then end."""

    arguments: ClassVar[Any] = [(b"timeout", Float())]
    response: ClassVar[Any] = [(b"cut", Integer())]


class Leaving(Command):
    """Worker to parent: a signal told me to end; count on me no more."""


class Logs(Command):
    """Worker to parent: some log events, packed by `twistedgw.workers.logs`."""

    arguments: ClassVar[Any] = [(b"events", String())]
    requiresAnswer = False


def blank_file() -> int:
    """Make an empty file without a name; the caller closes its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("twistedgw", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # macOS
        return os.dup(file.fileno())


def packed_file(data: bytes) -> int:
    """Make a file without a name that holds this; the caller closes its descriptor."""
    descriptor = blank_file()
    write_file(descriptor, data)
    return descriptor


def write_file(descriptor: int, data: bytes) -> int:
    """Write a whole file from its beginning; gives its size."""
    view = memoryview(data)
    offset = 0
    while offset < len(view):
        offset += os.pwrite(descriptor, view[offset : offset + (1 << 30)], offset)
    return offset


def read_file(descriptor: int, size: int) -> bytes:
    """Read a whole file from its beginning, wherever others that share it stand."""
    parts: list[bytes] = []
    offset = 0
    while offset < size:
        part = os.pread(descriptor, min(size - offset, 1 << 30), offset)
        if not part:
            raise OSError(f"the file ends after {offset} bytes of {size}")
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


class Conversation(AMP):
    """One end of the connection: AMP without its log lines on each connection."""

    def makeConnection(self, transport: Any) -> None:
        """Begin to talk (`IProtocol`)."""
        BinaryBoxProtocol.makeConnection(self, transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what waits for an answer (`IProtocol`)."""
        BinaryBoxProtocol.connectionLost(self, reason)
