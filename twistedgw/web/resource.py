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
from twistedgw.frontends.dispatch import failure as failure_reply
from twistedgw.frontends.dispatch import find_route, is_rpc, own_body_limit, stream_exchange, unary_exchange
from twistedgw.frontends.failure import INTERNAL
from twistedgw.frontends.head import read_head
from twistedgw.frontends.stages import amender, enter, is_preflight, nearby_stages, preflight
from twistedgw.frontends.websocket_handshake import check_handshake, find_stream, is_handshake
from twistedgw.metrics import Metrics
from twistedgw.registry.route import DocumentRoute, GrpcRoute, ProxyRoute, UnboundRoute
from twistedgw.status import Code
from twistedgw.web.access_log import log_access
from twistedgw.web.collector import Collector
from twistedgw.web.documents import document_reply
from twistedgw.web.proxy import ProxyExchange
from twistedgw.web.relay import Outcome, Relay
from twistedgw.web.websocket import open_websocket

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twistedgw.backends.call import Bridge, Result
    from twistedgw.frontends.exchange import Head, Reply, StreamExchange, UnaryExchange
    from twistedgw.registry.registry import Generation, Registry
    from twistedgw.registry.route import Route, Stages
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match
    from twistedgw.web.request import BodySink, Request

__all__ = ["GatewayResource"]

_ASKING = frozenset(("GET", "OPTIONS"))
"""The methods of WebSocket handshakes and of CORS preflights."""


class GatewayResource(Resource):
    """Answers every request of the frontend. Reactor thread only."""

    isLeaf = True
    _log = Logger(namespace="twistedgw.web")

    def __init__(self, registry: Registry, bridge: Bridge, metrics: Metrics | None = None) -> None:
        super().__init__()
        self._registry = registry
        self._bridge = bridge
        self._metrics = metrics or Metrics()

    def begin(self, request: Request) -> BodySink | None:
        """Look at a request whose head is complete.

        Returns:
            what takes the body as it comes, for a route to an HTTP backend and for a stream; None for all others, whose
            body is collected first.
        """
        exchange = Exchange(request, self._registry, self._bridge, self._metrics)
        request.exchange = exchange
        return exchange.begin()

    def render(self, request: Any) -> int:
        """Answer a request whose body is complete."""
        exchange = getattr(request, "exchange", None)
        if exchange is None:
            exchange = Exchange(request, self._registry, self._bridge, self._metrics)
        cast("Exchange", exchange).run()
        return NOT_DONE_YET


class Exchange:
    """One request on its way: lease, route, call, answer, lease back."""

    __slots__ = (
        "_bridge",
        "_call",
        "_exchange",
        "_generation",
        "_head",
        "_match",
        "_metrics",
        "_registry",
        "_started",
        "request",
        "route",
    )
    _log = Logger(namespace="twistedgw.web")

    def __init__(self, request: Request, registry: Registry, bridge: Bridge, metrics: Metrics) -> None:
        self.request = request
        self._metrics = metrics
        self.route: Route | None = None
        self._registry = registry
        self._bridge = bridge
        self._started = time.monotonic()
        self._generation: Generation | None = None
        self._call: Deferred[Result] | None = None
        self._exchange: UnaryExchange | None = None
        self._match: tuple[Snapshot, Match[Route]] | None = None
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

    def begin(self) -> BodySink | None:
        """Take the request over at once where it goes to an HTTP backend, streams, or speaks an RPC protocol."""
        snapshot = self._registry.snapshot
        try:
            if self._head.method in _ASKING and self._is_special(snapshot):
                return None
            match = find_route(snapshot, self._head)
            route = match.target
            if route.stages and self._is_stopped(route.stages):
                return None
            if isinstance(route, GrpcRoute):
                self._match = snapshot, match
                stream = stream_exchange(self._head, route, match)
                return self._collect(snapshot, route) if stream is None else self._relay(stream, route)
            if isinstance(route, DocumentRoute):
                return None
            if isinstance(route, UnboundRoute):
                route.refuse()
        except GatewayError as error:
            if error.http_status == 405:
                self._amend_by(nearby_stages(snapshot, self._head))
            return self._refuse(error) if is_rpc(self._head) else None  # told when the body is in
        self.route = route
        self._generation = self._registry.lease()
        return ProxyExchange(self.request, self._head, route, snapshot.config.gateway, self._proxied)

    def _is_special(self, snapshot: Snapshot) -> bool:
        """Deal with a request that asks for more than a call: a preflight, or a handshake; tell whether it is one."""
        head = self._head
        try:
            if is_preflight(head):
                reply = preflight(snapshot, head)
                if reply is not None:
                    self._reply_early(reply)
                    return True
            elif is_handshake(head):
                match = find_stream(snapshot, head)
                if match is not None:
                    self._open_websocket(match, snapshot)
                    return True
        except GatewayError as error:
            self._fail_early(error)
            return True
        return False

    def _open_websocket(self, match: Match[GrpcRoute], snapshot: Snapshot) -> None:
        head, route = self._head, match.target
        self.route = route
        handshake = check_handshake(head, route.stages)
        if self._is_stopped(route.stages):
            return
        self._generation = self._registry.lease()
        self._metrics.stream_opened()
        try:
            open_websocket(self.request, head, match, handshake, snapshot.config.gateway, self._bridge, self._streamed)
        except GatewayError:
            self._metrics.stream_closed()
            raise

    def _is_stopped(self, stages: Stages) -> bool:
        """Let the plugins look at a request first; tell whether one has answered it."""
        self._amend_by(stages)
        try:
            reply = enter(stages, self._head)
        except GatewayError as error:
            self._fail_early(error)
            return True
        if reply is not None:
            self._reply_early(reply)
        return reply is not None

    def _amend_by(self, stages: Stages) -> None:
        if stages:
            self.request.amend = amender(stages, self._head)

    def _reply_early(self, reply: Reply) -> None:
        self._generation = self._registry.lease()
        self._answer(reply, Code.OK)

    def _fail_early(self, error: GatewayError) -> None:
        self._generation = self._generation or self._registry.lease()
        self._fail(error)

    def _collect(self, snapshot: Snapshot, route: GrpcRoute) -> Collector | None:
        """Collect the body here where its format has limits and errors of its own."""
        limit = own_body_limit(self._head, route, snapshot.config.gateway.max_request_body)
        return None if limit is None else Collector(limit, self._collected, self._refuse)

    def _collected(self, body: bytes) -> None:
        self.request.body = body
        self.run()

    def _refuse(self, error: GatewayError) -> Collector:
        """Answer before the body is in, which then goes nowhere."""
        self._generation = self._registry.lease()
        self._fail(error)
        return Collector(None, self._collected, self._refuse)

    def _relay(self, stream: StreamExchange, route: GrpcRoute) -> Relay:
        """Let a relay have the request; it holds the lease until its end."""
        self.route = route
        generation = self._generation = self._generation or self._registry.lease()
        self._metrics.stream_opened()
        relay = Relay(self.request, stream, self._bridge, self._head.request_id, self._streamed)
        relay.begin(generation.snapshot.config.gateway.max_request_body)
        return relay

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
        known = self._match
        # A reload while the body came asks for another look.
        match = known[1] if known is not None and known[0] is snapshot else find_route(snapshot, self._head)
        route = self.route = match.target
        if isinstance(route, ProxyRoute):
            self._whole_to_proxy(route, snapshot)
            return
        if isinstance(route, DocumentRoute):
            told = document_reply(route, match, snapshot, self._head)
            told.addCallback(self._answer, Code.OK).addErrback(self._failed).addErrback(self._bug)
            return
        if not isinstance(route, GrpcRoute):
            route.refuse()
        stream = stream_exchange(self._head, route, match)
        if stream is not None:
            _whole(self._relay(stream, route), self.request.body)
            return
        gateway = snapshot.config.gateway
        exchange = self._exchange = unary_exchange(self._head, route, match)
        body = self.request.body
        call = exchange.open(body, max_body=gateway.max_request_body, request_timeout=gateway.unary_timeout)
        self.request.on_disconnect = self._left
        deferred = self._call = self._bridge.unary(call)
        deferred.addCallbacks(self._succeeded, self._failed)
        deferred.addErrback(self._bug)

    def _whole_to_proxy(self, route: ProxyRoute, snapshot: Snapshot) -> None:
        """Send on a request that became a proxied one by a reload while its body came."""
        proxy = ProxyExchange(self.request, self._head, route, snapshot.config.gateway, self._proxied)
        _whole(proxy, self.request.body)

    # -- the call's end

    def _left(self, _reason: Failure) -> None:
        if self._call is not None:
            self._call.cancel()

    def _succeeded(self, result: Result) -> None:
        assert self._exchange is not None
        try:
            reply = self._exchange.reply(result)
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
        if self._exchange is not None:
            reply = self._exchange.failure(error)
        else:
            reply = failure_reply(error, self._head, self.route)
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
            self._answer(failure_reply(INTERNAL, self._head, self.route), INTERNAL.code)

    def _answer(self, reply: Reply, code: int) -> None:
        fields = [*reply.fields, (b"x-request-id", self._head.request_id.encode("ascii"))]
        self.request.respond(reply.status, fields, reply.body, reply.trailers)
        self._end(reply.status, code, len(reply.body))

    def _proxied(self, status: int, size: int) -> None:
        self._end(status, None, size)

    def _streamed(self, outcome: Outcome) -> None:
        self._metrics.stream_closed()
        self._end(outcome.status, outcome.code, outcome.sent, outcome)

    def _end(self, status: int, code: int | None, size: int, outcome: Outcome | None = None) -> None:
        """Give the lease back and log, once.

        Args:
            status: of HTTP.
            code: of gRPC; None for a proxied request.
            size: bytes of the answer's body.
            outcome: of a stream.
        """
        generation, self._generation = self._generation, None
        if generation is None:
            return
        generation.release()
        self.request.exchange = None  # or both would wait for a collection of garbage
        seconds = time.monotonic() - self._started
        received = len(self.request.body) if outcome is None else outcome.received
        self._metrics.observe(self.route, status, code, seconds, received, size)
        if generation.snapshot.config.gateway.access_log:
            log_access(self._head, self.route, status, code, size, seconds, outcome and outcome.messages)


def _whole(sink: BodySink, body: bytes) -> None:
    """Give a body that is complete to what would have taken it as it came, had not a reload come between."""
    if body:
        sink.dataReceived(body)
    sink.finished()
