"""grpc-gateway v2, built from `peers/grpc_gateway`; one core, and so GOMAXPROCS=1."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from bench import build
from bench.peers.peer import MissingError, Peer, Running, World
from bench.places import GATEWAY_CORES
from bench.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def start(world: World) -> Iterator[Running]:
    try:
        binary = build.grpc_gateway()
    except build.BuildError as error:
        raise MissingError(str(error)) from None
    command = [str(binary), "-backend", f"127.0.0.1:{world.backend}"]
    command += ["-certificate", str(world.certificate), "-key", str(world.private_key)]
    with running(command, world.folder, GATEWAY_CORES, {"GOMAXPROCS": "1"}) as process:
        found = process.wait_for(r"listening (\d+) (\d+)")
        yield Running(process, int(found[1]), int(found[2]))


def _version() -> str:
    text = (build.GRPC_GATEWAY / "go.mod").read_text()
    found = re.search(r"grpc-gateway/v2 v(\S+)", text)
    return found[1] if found else "?"


PEERS = (Peer("grpc-gateway", "grpc-gateway", start, _version),)
