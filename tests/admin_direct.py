"""The admin API's methods without a reactor: what runs in threads runs at once, and a reload only reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from twistedgw.admin.audit import AuditLog
from twistedgw.admin.core import Asked, Core
from twistedgw.admin.methods import methods
from twistedgw.admin.world import PACKAGE, Types, admin_snapshot
from twistedgw.assembly import Assembly
from twistedgw.registry.store import Store
from twistedgw.reload import Outcome


class FakeGateway:
    """The gateway as far as a change asks: its reload is that of the real one, without the serving."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.snapshot = assembly.load().snapshot

    def backends(self) -> Deferred[list[Any]]:
        return succeed([])

    def reload(self, by: str = "") -> Deferred[Outcome]:
        self.snapshot = self.assembly.load(self.snapshot).snapshot
        return succeed(Outcome(True, self.snapshot.generation, "", 0.0))


class DirectCore(Core):
    """Runs at once what would run in a thread."""

    def in_thread(self, function: Any, *arguments: Any) -> Deferred[Any]:
        return succeed(function(*arguments))


class _Bridge:
    max_response_message = 0

    def upstream(self, backend: Any, read: Any) -> Any:
        return _Upstream(repr(backend))


class _Upstream:
    def __init__(self, identity: str) -> None:
        self.identity = identity


class Direct:
    """An admin API over one INI file. The assembly lives on, so that everything is compiled once."""

    def __init__(self, ini: Path) -> None:
        self.ini = ini
        self.state = ini.parent / "var"
        self.world = admin_snapshot()
        self.types = Types(self.world.schemas["admin"])
        self.assembly = Assembly(ini, lambda _: _Bridge(), None, {})  # type: ignore[arg-type, return-value]
        self.store = Store(self.state)

    def open(self) -> None:
        """Do what a start does."""
        self.store = Store(self.state)
        self.gateway = FakeGateway(self.assembly)
        self.core = DirectCore(self.gateway, self.store, self.types, AuditLog(self.state), None, None)  # type: ignore[arg-type]
        self.core.open()
        self.methods, _ = methods(self.core, self.world)

    def close(self) -> None:
        self.store.release()

    def call(self, service: str, method: str, /, **fields: Any) -> Any:
        """Call a method; raises what it raises."""
        request = self.types.of(f"{PACKAGE}.{method}Request")(**fields)
        found: list[Any] = []
        coroutine = self.methods[f"{PACKAGE}.{service}.{method}"](request, Asked(method, "test", "-"))
        deferred: Deferred[Any] = Deferred.fromCoroutine(coroutine)  # type: ignore[arg-type]
        deferred.addCallbacks(found.append, lambda failure: found.append(failure.value))
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]
