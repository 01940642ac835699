"""This gateway: ``grpc.aio`` on uvloop, ``grpc.aio`` on asyncio's own loop, threads on epoll.

Its access log is off, as that of all peers is; once more with it, to tell what it costs.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import twistedgw
from bench.peers.peer import MissingError, Peer, Running, World
from bench.places import GATEWAY_CORES, PROTO
from bench.processes import Process, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = r"twistedgw .* serves .*"
TWISTD = "from twisted.scripts.twistd import run; run()"

# Two listeners may not have the same endpoint, not even port 0; so one is spelt out.
LISTENERS = """
    [gateway]
    idle_timeout = 10m
    access_log = {access_log}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [listener:https]
    endpoint = tcp:port=0:interface=127.0.0.1
    protocol = https
    certificate = {world.certificate}
    private_key = {world.private_key}
"""
BENCH = """
    [service:bench]
    [environment:bench/prepub]
    published = no
    [environment:bench/test]
    published = no
    [backend:bench]
    protocol = grpc
    target = 127.0.0.1:{world.backend}
    [api:bench/all]
    rpc = bench.v1.Bench/*
    backend = bench
    [plugin:bench]
    type = backend-grpc
    proto = {proto}
    [binding:bench]
    plugin = bench
    service = bench
    environment = release
"""


def configuration(world: World, more: str = "", *, proto: Path = PROTO, access_log: str = "no") -> Path:
    """Write the INI file and what is `more`, everything else at its default; gives its path."""
    text = textwrap.dedent(LISTENERS + BENCH).format(world=world, proto=proto, access_log=access_log)
    path = world.folder / "grpcgw.ini"
    path.write_text(f"{text}\n{textwrap.dedent(more)}")
    return path


def command(reactor: str | None, path: Path) -> list[str]:
    """Give the command line of twistd."""
    chosen = [] if reactor is None else [f"--reactor={reactor}"]
    return [sys.executable, "-c", TWISTD, "-n", "--pidfile=", *chosen, "grpcgw", "-c", str(path)]


def ready(process: Process) -> tuple[int, int]:
    """Wait until it serves; gives the ports of HTTP and HTTPS."""
    line = process.wait_for(READY)[0]
    return ports(line)


def ports(line: str) -> tuple[int, int]:
    """Take the two ports from the line that twistedgw logs at its start."""
    found = {spelt: int(port) for spelt, port in re.findall(r"tcp:(0|port=0):\S+ \(\S+:(\d+)\)", line)}
    return found["0"], found["port=0"]


@contextlib.contextmanager
def start(world: World, reactor: str | None = None, **options: Any) -> Iterator[Running]:
    """Run it.

    Args:
        world: around it.
        reactor: of twistd; None for its own choice.
        options: of `configuration`.

    Raises:
        MissingError: uvloop is to be used, and is not there.
    """
    if reactor is None and importlib.util.find_spec("uvloop") is None:
        raise MissingError("uvloop is not installed: pip install '.[uvloop]'")
    with running(command(reactor, configuration(world, **options)), world.folder, GATEWAY_CORES) as process:
        yield Running(process, *ready(process))


def _version() -> str:
    return twistedgw.__version__


PEERS = (
    Peer("twistedgw", "twistedgw", start, _version),
    Peer("twistedgw-log", "twistedgw, access log", functools.partial(start, access_log="yes"), _version, False),
    Peer("twistedgw-asyncio", "twistedgw, no uvloop", functools.partial(start, reactor="asyncio"), _version, False),
    Peer("twistedgw-thread", "twistedgw, threads", functools.partial(start, reactor="epoll"), _version, False),
)
