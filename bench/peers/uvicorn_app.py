"""What a Python team would write by hand: `by_hand/app.py` on uvicorn, one worker, uvloop and httptools."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from typing import TYPE_CHECKING

from bench import build
from bench.peers.peer import MissingError, Peer, Running, World
from bench.places import GATEWAY_CORES, HERE
from bench.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = ("fastapi", "uvicorn", "uvloop", "httptools")
READY = r"Uvicorn running on https?://\S+:(\d+)"


def _uvicorn(world: World, *more: str) -> contextlib.AbstractContextManager:
    arguments = ["--host", "127.0.0.1", "--port", "0", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    arguments += ["--timeout-keep-alive", "600"]
    environ = {
        "BENCH_BACKEND": f"127.0.0.1:{world.backend}",
        "PYTHONPATH": f"{build.python_code()}:{HERE / 'peers' / 'by_hand'}",
    }
    command = [sys.executable, "-m", "uvicorn", "app:app", *arguments, *more]
    return running(command, world.folder, GATEWAY_CORES, environ)


@contextlib.contextmanager
def start(world: World) -> Iterator[Running]:
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingError(f"{', '.join(absent)}: not installed: pip install fastapi 'uvicorn[standard]'")
    pair = ["--ssl-certfile", str(world.certificate), "--ssl-keyfile", str(world.private_key)]
    # uvicorn has one listener, so HTTPS is a second server, idle but for the one workload that asks it.
    with _uvicorn(world) as plain, _uvicorn(world, *pair) as secure:
        ports = [int(each.wait_for(READY)[1]) for each in (plain, secure)]
        yield Running(plain, ports[0], ports[1], secure)


def _version() -> str:
    return importlib.metadata.version("fastapi")


PEERS = (Peer("fastapi", "FastAPI by hand", start, _version),)
