"""What a gateway is to the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.processes import Process


class MissingError(Exception):
    """A peer cannot run here; the text says what is missing and how to get it."""


@dataclass(frozen=True)
class World:
    """What a gateway is started with.

    Attributes:
        folder: its own, empty at first.
        backend: port of the gRPC server.
        certificate: PEM file, for 127.0.0.1.
        private_key: PEM file.
    """

    folder: Path
    backend: int
    certificate: Path
    private_key: Path


@dataclass(frozen=True)
class Running:
    """A gateway that serves.

    Attributes:
        process: its first process.
        port: of HTTP.
        secure_port: of HTTPS.
        secure: the process of HTTPS, where that is another.
    """

    process: Process
    port: int
    secure_port: int
    secure: Process | None = None

    def serving(self, *, secure: bool) -> tuple[Process, int]:
        """Give the process and the port of HTTP or HTTPS."""
        if secure:
            return self.secure or self.process, self.secure_port
        return self.process, self.port


@dataclass(frozen=True)
class Peer:
    """One gateway, in one way of running it.

    Attributes:
        name: what ``--only`` takes.
        title: for tables.
        start: runs it; raises `MissingError` where that cannot be done here.
        version: tells it.
        quick: whether it is part of ``--quick``.
    """

    name: str
    title: str
    start: Callable[[World], AbstractContextManager[Running]]
    version: Callable[[], str]
    quick: bool = True
