"""Which wire format a request speaks.

REST is spoken on every route. On ``/package.Service/Method`` a request may speak an RPC protocol instead: gRPC-Web and
Connect's streams by their Content-Type, Connect's unary calls by ``Connect-Protocol-Version`` or ``application/proto``,
or by the query of a GET. A JSON body without that header is REST, which answers the same where the call succeeds.

A request whose format streams, or may, is taken over when its head is complete; of all others the body comes first.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from twistedgw.frontends import rest
from twistedgw.frontends.connect import CONNECT_TYPE, ConnectGet, ConnectUnary
from twistedgw.frontends.connect_error import error_reply as connect_reply
from twistedgw.frontends.connect_stream import CONNECT_STREAM, ConnectStream
from twistedgw.frontends.failure import error_reply
from twistedgw.frontends.grpc_web import GRPC_WEB, GrpcWebStream, GrpcWebUnary, grpc_web_body_limit, grpc_web_failure
from twistedgw.frontends.rest import RestExchange
from twistedgw.frontends.rest_stream import RestStreamExchange
from twistedgw.frontends.rpc_error import rpc_error
from twistedgw.registry.route import GrpcRoute
from twistedgw.transcoding.router import ANY_METHOD, MalformedPath, MethodNotAllowed, NoRoute

if TYPE_CHECKING:
    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError
    from twistedgw.frontends.exchange import Head, Reply, StreamExchange, UnaryExchange
    from twistedgw.registry.route import Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match

__all__ = [
    "Format",
    "failure",
    "find_route",
    "format_of",
    "is_rpc",
    "own_body_limit",
    "speaks",
    "stream_exchange",
    "unary_exchange",
]


class Format(enum.Enum):
    """The wire formats."""

    REST = enum.auto()
    CONNECT = enum.auto()
    CONNECT_GET = enum.auto()
    CONNECT_STREAM = enum.auto()
    GRPC_WEB = enum.auto()


def format_of(head: Head) -> Format:
    """Tell what a request's head asks for, if its path is that of an RPC."""
    if head.method == "GET":
        return Format.CONNECT_GET if _is_connect_get(head) else Format.REST
    content_type = head.text(b"content-type")
    connect = head.text(b"connect-protocol-version") is not None
    if content_type is not None and content_type != "application/json":
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith(CONNECT_STREAM):
            return Format.CONNECT_STREAM
        if kind.startswith(GRPC_WEB):
            return Format.GRPC_WEB
        connect = connect or kind == CONNECT_TYPE
    return Format.CONNECT if connect else Format.REST


def is_rpc(head: Head) -> bool:
    """Tell whether a request's head asks for an RPC protocol, which has errors of its own."""
    format_ = format_of(head)
    return format_ is not Format.REST and (format_ is not Format.CONNECT_GET or _says_version(head))


def _is_connect_get(head: Head) -> bool:
    """Whether a GET has what Connect needs in its query; a parameter's name need not be escaped by anybody."""
    names = {part.partition(b"=")[0] for part in head.query.split(b"&")} if head.query else ()
    return b"encoding" in names and b"message" in names


def find_route(snapshot: Snapshot, head: Head) -> Match[Route]:
    """Find the route of a request.

    A GET that speaks Connect has the route that a POST would have, where that is to an RPC without side effects. A rule
    with GET on that very path comes before it; one with wildcards only where the query does not say ``connect=v1``.

    Raises:
        GatewayError: as `twistedgw.frontends.rest.find_route`.
    """
    if head.method == "GET" and head.query and _is_connect_get(head):
        match = _find_connect_get(snapshot, head)
        if match is not None:
            return match
    return rest.find_route(snapshot, head)


def _find_connect_get(snapshot: Snapshot, head: Head) -> Match[Route] | None:
    try:
        match = snapshot.match(head.host, head.secure, "POST", head.path)
    except (NoRoute, MethodNotAllowed, MalformedPath):
        return None
    route = match.target
    if not isinstance(route, GrpcRoute) or not route.is_procedure or not route.without_side_effects:
        return None
    try:
        other = snapshot.match(head.host, head.secure, "GET", head.path).target
    except (NoRoute, MethodNotAllowed):
        return match
    exact = other.template.segments == route.template.segments
    return match if _says_version(head) and not exact else None


def _says_version(head: Head) -> bool:
    return b"connect=v1" in head.query.split(b"&")


def speaks(head: Head, route: GrpcRoute) -> Format:
    """Tell what a request speaks on its route."""
    if not route.is_procedure or route.rule.method not in ("POST", ANY_METHOD):
        return Format.REST
    if head.method == "POST" or (head.method == "GET" and route.rule.method == "POST"):
        return format_of(head)
    return Format.REST


def stream_exchange(head: Head, route: GrpcRoute, match: Match[Route]) -> StreamExchange | None:
    """Give what reads and writes a request as a stream; None where `unary_exchange` does, once its body is complete."""
    format_ = speaks(head, route)
    if format_ is Format.CONNECT_STREAM:
        return ConnectStream(head, route)
    if not route.streaming:
        return None
    if format_ is Format.GRPC_WEB:
        return GrpcWebStream(head, route)
    return RestStreamExchange(head, route, match) if format_ is Format.REST else None


def unary_exchange(head: Head, route: GrpcRoute, match: Match[Route]) -> UnaryExchange:
    """Give what reads and writes a request whose body is complete."""
    format_ = speaks(head, route)
    if format_ is Format.GRPC_WEB:
        return GrpcWebUnary(head, route)
    if format_ is Format.CONNECT_GET:
        return ConnectGet(head, route)
    return RestExchange(head, route, match) if format_ is Format.REST else ConnectUnary(head, route)


def own_body_limit(head: Head, route: GrpcRoute, max_body: int) -> int | None:
    """Give how many bytes the body of a unary call may have, as it came; None where that is the channel's business.

    Args:
        head: of the request.
        route: its route.
        max_body: bytes that the message may have, decoded.
    """
    format_ = speaks(head, route)
    if format_ is Format.REST:
        return None
    return grpc_web_body_limit(max_body) if format_ is Format.GRPC_WEB else max_body


def failure(error: GatewayError | CallError, head: Head, route: Route | None) -> Reply:
    """Write the answer of a request that failed before there was an exchange.

    Args:
        error: what went wrong.
        head: of the request; an error without a route is told in the format that it asks for.
        route: as far as one was found.
    """
    own = route if isinstance(route, GrpcRoute) else None
    format_ = speaks(head, own) if own is not None else format_of(head) if is_rpc(head) else Format.REST
    if format_ is Format.REST:
        return error_reply(error, own)
    if format_ is Format.GRPC_WEB:
        return grpc_web_failure(error, head)
    if own is not None and format_ is Format.CONNECT_STREAM:
        return ConnectStream(head, own).failure(error)
    return connect_reply(rpc_error(error), own)
