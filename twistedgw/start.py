"""What a start needs before twistd forks: the configuration read and checked, nothing opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor

from twistedgw.admin.endpoint import AdminEndpoint
from twistedgw.admin.world import admin_snapshot
from twistedgw.assembly import Assembled, Assembly, gateway_bridge
from twistedgw.demo.bookstore import SERVICE, start_bookstore
from twistedgw.demo.files import PORT_VARIABLE, STATE_VARIABLE, demo_config, demo_state, reserve_port
from twistedgw.garbage import tune_garbage_collection
from twistedgw.service import GatewayService

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twistedgw.gateway import Companion
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.signals import Hangup

__all__ = ["Prepared", "assembly", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A start that can only fail for want of a port."""

    assembly: Assembly
    first: Assembled
    hangup: Hangup
    backend: Callable[[Snapshot], Callable[[], None]] | None
    companions: Sequence[Companion] = ()

    def service(self) -> GatewayService:
        """Make the service."""
        return GatewayService(
            self.assembly, self.first, reactor, self.hangup, backend=self.backend, companions=self.companions
        )


def assembly(path: Path | None, environ: Mapping[str, str]) -> Assembly:
    """Make the assembly of a configuration.

    Args:
        path: None for the embedded demo.
    """
    return Assembly(path or demo_config(), lambda config: gateway_bridge(config, reactor), reactor, environ)


def prepare(path: Path | None, environ: Mapping[str, str], hangup: Hangup) -> Prepared:
    """Read and check a configuration.

    Args:
        path: None for the embedded demo, which brings its own backend.

    Raises:
        ConfigError: everything that is wrong.
    """
    backend = None
    if path is None:
        reserved = reserve_port()
        environ = {
            STATE_VARIABLE: str(demo_state(environ)),
            **environ,
            PORT_VARIABLE: str(reserved.getsockname()[1]),
        }
        backend = _demo(reserved)
    tune_garbage_collection()
    rooms = assembly(path, environ)
    first = rooms.load()
    return Prepared(rooms, first, hangup, backend, _companions(first))


def _companions(first: Assembled) -> Sequence[Companion]:
    if first.snapshot.config.admin is None:
        return ()
    return (AdminEndpoint(admin_snapshot(), reactor),)


def _demo(reserved: socket.socket) -> Callable[[Snapshot], Callable[[], None]]:
    def start(snapshot: Snapshot) -> Callable[[], None]:
        schema = next(schema for schema in snapshot.schemas.values() if SERVICE in schema.services)
        server: Any = start_bookstore(schema.services[SERVICE], reserved.getsockname()[1])
        reserved.close()
        return lambda: server.stop(None)

    return start
