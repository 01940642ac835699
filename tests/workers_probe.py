"""Runs `twistd grpcgw` with a companion that tells a test what the gateway knows of itself."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twistedgw.reactors import install_reactor

CODE = "from workers_probe import run; run()"


class Probe:
    """A `twistedgw.gateway.Companion`: answers each connection with JSON, then closes it."""

    def bind(self, gateway: Any) -> None:
        from twisted.internet import reactor
        from twisted.internet.protocol import Factory, Protocol

        class Answer(Protocol):
            def connectionMade(self) -> None:
                tell(gateway).addCallback(self._write)

            def _write(self, told: Any) -> None:
                self.transport.write(json.dumps(told).encode())
                self.transport.loseConnection()

        self.port = reactor.listenTCP(0, Factory.forProtocol(Answer), interface="127.0.0.1")
        Path("probe").write_text(str(self.port.getHost().port))

    def start(self) -> None:
        pass

    def stop(self) -> Any:
        return self.port.stopListening()

    def close(self) -> Any:
        from twisted.internet.defer import succeed

        return succeed(None)


def tell(gateway: Any) -> Any:
    from twisted.internet.defer import Deferred

    async def all_of_it() -> dict[str, Any]:
        return {
            "metrics": (await gateway.metrics()).decode(),
            "workers": [asdict(worker) for worker in await gateway.workers()],
            "backends": [asdict(backend) for backend in await gateway.backends()],
            "in_flight": await gateway.in_flight(),
            "generation": gateway.snapshot.generation,
            "ready": gateway.ready,
            "history": [[reloaded.by, reloaded.outcome.accepted] for reloaded in gateway.history],
        }

    return Deferred.fromCoroutine(all_of_it())


def ask(folder: Path) -> dict[str, Any]:
    """Ask the probe of the gateway that runs in this folder."""
    with socket.create_connection(("127.0.0.1", int((folder / "probe").read_text())), timeout=30) as connection:
        data = b""
        while part := connection.recv(65536):
            data += part
    told: dict[str, Any] = json.loads(data)
    return told


def run() -> None:
    """Run twistd; what `twistedgw.start` prepares gets a probe."""
    from twisted.scripts.twistd import run as twistd

    from twistedgw.tap import Options

    after = Options.postOptions

    def before(options: Options) -> None:
        install_reactor()  # unless the command line chose another
        probe()
        after(options)

    Options.postOptions = before
    twistd()


def probe() -> None:
    from twistedgw import assembly, start

    prepare = start.prepare
    start.prepare = lambda *arguments: replace(prepare(*arguments), companions=(Probe(),))
    if "PROBE_DEMO" in os.environ:
        start.demo_config = lambda: Path(os.environ["PROBE_DEMO"])
    if "PROBE_WRONG" in os.environ:  # this generation reaches the workers with a digest that is not its own
        material = assembly.Assembled.material

        def wrong(self: Any) -> Any:
            made = material(self)
            return replace(made, digest="?") if made.generation == int(os.environ["PROBE_WRONG"]) else made

        assembly.Assembled.material = wrong
