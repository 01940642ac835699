"""The resource tree: one leaf that answers everything by the current snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twistedgw.backends.failures import CallError
from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import INTERNAL, error_reply
from twistedgw.frontends.head import read_head
from twistedgw.frontends.rest import RestExchange, find_route
from twistedgw.registry.route import GrpcRoute, ProxyRoute
from twistedgw.status import Code
from twistedgw.web.access_log import log_access
from twistedgw.web.proxy import ProxyExchange

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twistedgw.backends.call import Bridge, Result
    from twistedgw.frontends.exchange import Head, Reply
    from twistedgw.registry.registry import Generation, Registry
    from twistedgw.registry.route import Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match
    from twistedgw.web.request import Request

__all__ = ["GatewayResource"]


class GatewayResource(Resource):
    """Answers every request of the frontend. Reactor thread only."""

    isLeaf = True
    _log = Logger(namespace="twistedgw.web")

    def __init__(self, registry: Registry, bridge: Bridge) -> None:
        super().__init__()
        self._registry = registry
        self._bridge = bridge

    def begin(self, request: Request) -> ProxyExchange | None:
        """Look at a request whose head is complete.

        Returns:
            what takes the body as it comes, for a route to an HTTP backend; None for all others, whose body is
            collected first.
        """
        exchange = Exchange(request, self._registry, self._bridge)
        request.exchange = exchange
        return exchange.begin()

    def render(self, request: Any) -> int:
        """Answer a request whose body is complete."""
        exchange = getattr(request, "exchange", None)
        if exchange is None:
            exchange = Exchange(request, self._registry, self._bridge)
        cast("Exchange", exchange).run()
        return NOT_DONE_YET


class Exchange:
    """One request on its way: lease, route, call, answer, lease back."""

    __slots__ = ("_bridge", "_call", "_generation", "_head", "_registry", "_rest", "_started", "request", "route")
    _log = Logger(namespace="twistedgw.web")

    def __init__(self, request: Request, registry: Registry, bridge: Bridge) -> None:
        self.request = request
        self.route: Route | None = None
        self._registry = registry
        self._bridge = bridge
        self._started = time.monotonic()
        self._generation: Generation | None = None
        self._call: Deferred[Result] | None = None
        self._rest: RestExchange | None = None
        self._head = self._read_head(registry.snapshot)

    def _read_head(self, snapshot: Snapshot) -> Head:
        request = self.request
        return read_head(
            request.method,
            request.path,
            request.query,
            request.fields,
            authority=request.host_header,
            peer=request.peer_host,
            secure=bool(request.isSecure()),
            trusts=snapshot.trusts,
        )

    def begin(self) -> ProxyExchange | None:
        """Take the request over at once where its route goes to an HTTP backend."""
        snapshot = self._registry.snapshot
        try:
            match = find_route(snapshot, self._head)
        except GatewayError:
            return None  # told when the body is in
        if not isinstance(match.target, ProxyRoute):
            return None
        self.route = match.target
        self._generation = self._registry.lease()
        return ProxyExchange(self.request, self._head, match.target, snapshot.config.gateway, self._proxied)

    def run(self) -> None:
        """Answer a request whose body is complete."""
        self._generation = self._registry.lease()
        try:
            self._open(self._generation.snapshot)
        except GatewayError as error:
            self._fail(error)
        except Exception:  # noqa: BLE001 - nothing may escape into a page of Twisted's own
            self._bug(Failure())

    def _open(self, snapshot: Snapshot) -> None:
        match: Match[Route] = find_route(snapshot, self._head)
        route = self.route = match.target
        if isinstance(route, ProxyRoute):
            self._whole_to_proxy(route, snapshot)
            return
        if not isinstance(route, GrpcRoute):
            route.refuse()
        gateway = snapshot.config.gateway
        rest = self._rest = RestExchange(self._head, route, match)
        call = rest.open(self.request.body, max_body=gateway.max_request_body, request_timeout=gateway.request_timeout)
        finished = self.request.notifyFinish()
        deferred = self._call = self._bridge.unary(call)
        finished.addErrback(self._left)
        deferred.addCallbacks(self._succeeded, self._failed)
        deferred.addErrback(self._bug)

    def _whole_to_proxy(self, route: ProxyRoute, snapshot: Snapshot) -> None:
        """Send on a request that became a proxied one by a reload while its body came."""
        proxy = ProxyExchange(self.request, self._head, route, snapshot.config.gateway, self._proxied)
        proxy.dataReceived(self.request.body)
        proxy.finished()

    # -- the call's end

    def _left(self, _reason: Failure) -> None:
        if self._call is not None:
            self._call.cancel()

    def _succeeded(self, result: Result) -> None:
        assert self._rest is not None
        try:
            reply = self._rest.reply(result)
        except GatewayError as error:  # the message has no form that the client takes
            self._fail(error)
        else:
            self._answer(reply, Code.OK)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, (CallError, GatewayError)):
            self._fail(error)
        else:
            self._bug(failure)

    def _fail(self, error: GatewayError | CallError) -> None:
        if self._rest is not None:
            reply = self._rest.failure(error)
        else:
            reply = error_reply(error, self.route if isinstance(self.route, GrpcRoute) else None)
        self._answer(reply, error.code)

    def _bug(self, failure: Failure) -> None:
        self._log.failure(
            "bug while answering {method} {path} (request {id})",
            failure,
            method=self._head.method,
            path=self._head.path.decode("latin-1"),
            id=self._head.request_id,
        )
        if self._generation is not None:
            self._answer(
                error_reply(INTERNAL, self.route if isinstance(self.route, GrpcRoute) else None), INTERNAL.code
            )

    def _answer(self, reply: Reply, code: int) -> None:
        fields = [*reply.fields, (b"x-request-id", self._head.request_id.encode("ascii"))]
        self.request.respond(reply.status, fields, reply.body, reply.trailers)
        self._end(reply.status, code, len(reply.body))

    def _proxied(self, status: int, size: int) -> None:
        self._end(status, None, size)

    def _end(self, status: int, code: int | None, size: int) -> None:
        """Give the lease back and log, once."""
        generation, self._generation = self._generation, None
        if generation is None:
            return
        generation.release()
        log_access(self._head, self.route, status, code, size, time.monotonic() - self._started)
