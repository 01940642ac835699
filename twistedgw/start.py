"""What a start needs before twistd forks: the configuration read and checked, nothing opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor

from twistedgw.assembly import Assembled, Assembly
from twistedgw.backends.bridges import make_bridge
from twistedgw.demo.bookstore import SERVICE, start_bookstore
from twistedgw.demo.files import PORT_VARIABLE, demo_config, reserve_port
from twistedgw.service import GatewayService

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twistedgw.backends.call import Bridge
    from twistedgw.config.model import Config
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.signals import Hangup

__all__ = ["Prepared", "assembly", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A start that can only fail for want of a port."""

    assembly: Assembly
    first: Assembled
    hangup: Hangup
    companions: Callable[[Snapshot], Callable[[], None]] | None

    def service(self) -> GatewayService:
        """Make the service."""
        return GatewayService(self.assembly, self.first, reactor, self.hangup, companions=self.companions)


def assembly(path: Path | None, environ: Mapping[str, str]) -> Assembly:
    """Make the assembly of a configuration.

    Args:
        path: None for the embedded demo.
    """
    return Assembly(path or demo_config(), _bridge, reactor, environ)


def prepare(path: Path | None, environ: Mapping[str, str], hangup: Hangup) -> Prepared:
    """Read and check a configuration.

    Args:
        path: None for the embedded demo, which brings its own backend.

    Raises:
        ConfigError: everything that is wrong.
    """
    companions = None
    if path is None:
        reserved = reserve_port()
        environ = {**environ, PORT_VARIABLE: str(reserved.getsockname()[1])}
        companions = _demo(reserved)
    rooms = assembly(path, environ)
    return Prepared(rooms, rooms.load(), hangup, companions)


def _bridge(config: Config) -> Bridge:
    gateway = config.gateway
    return make_bridge(
        gateway.bridge,
        threads=gateway.threads,
        max_in_flight=gateway.max_in_flight,
        max_response_message=gateway.max_response_message,
        reactor=reactor,
    )


def _demo(reserved: socket.socket) -> Callable[[Snapshot], Callable[[], None]]:
    def start(snapshot: Snapshot) -> Callable[[], None]:
        schema = next(schema for schema in snapshot.schemas.values() if SERVICE in schema.services)
        server: Any = start_bookstore(schema.services[SERVICE], reserved.getsockname()[1])
        reserved.close()
        return lambda: server.stop(None)

    return start
