"""What stands around the gateways: the backend, a certificate, folders; and the list of all peers."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.build import BIN
from bench.peers import envoy, gateway_v2, ours, uvicorn_app
from bench.peers.peer import Peer, World
from bench.places import DATA, OTHER_CORES
from bench.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS: dict[str, Peer] = {peer.name: peer for module in (ours, envoy, gateway_v2, uvicorn_app) for peer in module.PEERS}


class Surroundings:
    """The backend that runs, and what every gateway gets from it."""

    def __init__(self, folder: Path, backend: int) -> None:
        self.folder = folder
        self.backend = backend
        self.certificate, self.private_key = _certificate(folder)
        self._count = 0

    def world(self, name: str) -> World:
        """Give a gateway its place, with a new folder."""
        self._count += 1
        folder = self.folder / f"{self._count:03}-{name}"
        folder.mkdir()
        return World(folder, self.backend, self.certificate, self.private_key)


def _certificate(folder: Path) -> tuple[Path, Path]:
    import trustme

    found = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / "server.pem", folder / "server.key"
    found.cert_chain_pems[0].write_to_path(str(certificate))
    found.private_key_pem.write_to_path(str(key))
    return certificate, key


@contextlib.contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Start the backend; everything is gone when this is left."""
    with tempfile.TemporaryDirectory(prefix="twistedgw-bench-") as name:
        folder = Path(name)
        command = [str(BIN / "backend"), "-data", str(DATA)]
        with running(command, folder, OTHER_CORES, {"GOGC": "400"}) as process:
            yield Surroundings(folder, int(process.wait_for(r"listening (\d+)")[1]))
