"""The admin endpoint beside a running gateway: bound, started and stopped with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import ILoggingContext
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from twistedgw.admin.audit import AuditLog
from twistedgw.admin.bridge import LocalBridge
from twistedgw.admin.core import Core
from twistedgw.admin.guard import SECURITY_FIELDS, Guard
from twistedgw.admin.manual import Manual
from twistedgw.admin.methods import methods
from twistedgw.admin.resource import AdminResource
from twistedgw.admin.static import StaticFiles
from twistedgw.admin.token import Attempts, Token
from twistedgw.admin.world import Types
from twistedgw.errors import ConfigError
from twistedgw.frontends.failure import error_reply
from twistedgw.registry.registry import Registry
from twistedgw.registry.store import Store, StoreError
from twistedgw.web.limits import Limits
from twistedgw.web.resource import GatewayResource
from twistedgw.web.site import GatewaySite

if TYPE_CHECKING:
    from twistedgw.admin.core import RunningGateway
    from twistedgw.config.model import Admin
    from twistedgw.errors import GatewayError
    from twistedgw.registry.snapshot import Snapshot

__all__ = ["CONSOLE", "AdminEndpoint"]

CONSOLE = Path(__file__).resolve().parent / "console"
"""Where the console's files are."""

_THREADS = 4
_PATIENCE = 2.0
"""Seconds that answers have to reach their clients when the gateway stops."""


@implementer(ILoggingContext)
class _AdminSite(GatewaySite):
    """The admin endpoint's site, by its name in the log."""

    def logPrefix(self) -> str:
        return "listener admin"


class AdminEndpoint:
    """A `twistedgw.gateway.Companion`. Reactor thread only.

    Attributes:
        port: what it listens on, from `bind` on.
        core: what methods work with, from `bind` on.
    """

    _log = Logger(namespace="twistedgw.admin")
    port: Any = None
    core: Core

    def __init__(self, world: Snapshot, reactor: Any) -> None:
        """Make it; opens nothing.

        Args:
            world: of the API itself (`world.admin_snapshot`).
        """
        self._world = world
        self._reactor = reactor
        self._token = Token()
        self._pool = ThreadPool(0, _THREADS, "twistedgw-admin")
        self._site: GatewaySite | None = None

    def bind(self, gateway: RunningGateway) -> None:
        """Make the token, become the store's one writer, and bind the port.

        Raises:
            ConfigError: one of these cannot be.
        """
        config = gateway.snapshot.config
        assert config.admin is not None, "there is no [admin]"
        self._gateway = gateway
        self._admin = config.admin
        self._token.make(config.admin)
        self._store = Store(config.gateway.state_dir)
        types = Types(self._world.schemas["admin"])
        self.core = Core(gateway, self._store, types, AuditLog(self._store.folder), self._pool, self._reactor)
        try:
            self.core.open()
        except StoreError as error:
            raise ConfigError([config.gateway.place.problem("state_dir", str(error))]) from None
        self._site = self._make_site(types)
        try:
            self.port = self._listen(config.admin.endpoint, self._site)
        except ConfigError:
            self._store.release()
            raise

    def _listen(self, endpoint: str, site: GatewaySite) -> Any:
        bound: list[Any] = []
        try:
            serverFromString(self._reactor, endpoint).listen(site).addBoth(bound.append)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ConfigError(
                [self._admin.place.problem("endpoint", f"{endpoint!r} is no endpoint description: {error}")]
            ) from None
        if not bound:
            raise RuntimeError("an endpoint does not listen at once")
        if isinstance(bound[0], Failure):
            failed = bound[0].value
            reason = failed.socketError if isinstance(failed, CannotListenError) else failed
            text = getattr(reason, "strerror", None) or str(reason)
            raise ConfigError([self._admin.place.problem("endpoint", f"cannot listen on {endpoint}: {text}")])
        return bound[0]

    def _make_site(self, types: Types) -> GatewaySite:
        registry = Registry()
        registry.swap(self._world)
        unary, streams = methods(self.core, self._world)
        self._bridge = LocalBridge(unary, streams, types, self._world.config.gateway.max_in_flight)
        attempts = Attempts(self._reactor.seconds)
        guard = Guard(self._token, attempts, self._section)
        api = GatewayResource(registry, self._bridge)
        resource = AdminResource(guard, api, StaticFiles({"/": CONSOLE}), Manual(self._world), lambda: self._gateway)
        return _AdminSite(resource, self._limits, _early_error, reactor=self._reactor)

    def _section(self) -> Admin:
        """Give [admin] as it is now; what it was, where a reload has taken it away."""
        self._admin = self._gateway.snapshot.config.admin or self._admin
        return self._admin

    def _limits(self) -> Limits:
        gateway = self._world.config.gateway
        return Limits(
            max_request_body=gateway.max_request_body,
            max_header_size=gateway.max_header_size,
            max_headers=gateway.max_headers,
            header_timeout=gateway.header_timeout,
            body_timeout=gateway.body_timeout,
            idle_timeout=gateway.idle_timeout,
        )

    def start(self) -> None:
        """Take requests."""
        self._pool.start()
        self._bridge.start()
        host = self.port.getHost()
        self._log.info(
            "console and admin API on {endpoint} ({address}); the token is in {file}",
            endpoint=self._admin.endpoint,
            address=f"{host.host}:{host.port}" if hasattr(host, "port") else host,
            file=str(self._admin.token_file),
        )

    def stop(self) -> Deferred[None]:
        """Let the change that is on its way end, and take no other; what only reads is answered on."""
        return Deferred.fromCoroutine(self.core.stop())

    def close(self) -> Deferred[None]:
        """Stop answering, and let another gateway have the store."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._bridge.stop()
        await maybeDeferred(self.port.stopListening)
        if self._site is not None:
            waiting = self._reactor.callLater(_PATIENCE, self._site.abort)
            await self._site.drain()
            if waiting.active():
                waiting.cancel()
        self._pool.stop()
        self._store.release()


def _early_error(error: GatewayError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    reply = error_reply(error, None)
    return reply.status, [*reply.fields, *SECURITY_FIELDS], reply.body
