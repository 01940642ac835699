"""REST: HTTP and JSON to one unary call, and its result back. Sans-I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from twistedgw.backends.call import Call, Result
from twistedgw.errors import GatewayError
from twistedgw.frontends.deadline import call_timeout
from twistedgw.frontends.exchange import Head, Reply
from twistedgw.frontends.failure import error_reply
from twistedgw.frontends.metadata import request_metadata, response_fields
from twistedgw.frontends.negotiation import PROTOBUF_TYPES, accepts_gzip, decode_body, gzip, wants_protobuf
from twistedgw.status import Code
from twistedgw.transcoding.binder import NO_SYSTEM_PARAMETERS, Body
from twistedgw.transcoding.router import MalformedPath, Match, MethodNotAllowed, NoRoute
from twistedgw.transcoding.rule import METHODS

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from twistedgw.backends.failures import CallError
    from twistedgw.registry.route import GrpcRoute, Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.binder import SystemParameters

__all__ = ["RestExchange", "find_route", "takes_trailers"]


def find_route(snapshot: Snapshot, head: Head) -> Match[Route]:
    """Find the route of a request.

    Raises:
        GatewayError: 404 for a path that nothing serves, 405 with ``Allow`` for a method that it does not have, 400
            for a path that is malformed.
    """
    try:
        return snapshot.match(head.host, head.secure, head.method, head.path)
    except NoRoute:
        raise GatewayError(
            Code.NOT_FOUND,
            f"no API is served at {head.path.decode('utf-8', 'replace')[:200]}",
            reason="ROUTE_NOT_FOUND",
        ) from None
    except MethodNotAllowed as error:
        _refuse_method(head.method, error.allowed)
    except MalformedPath as error:
        raise GatewayError(Code.INVALID_ARGUMENT, f"the path is malformed: {error}", reason="INVALID_PATH") from None


def _refuse_method(method: str, allowed: tuple[str, ...]) -> NoReturn:
    supported = method in METHODS
    raise GatewayError(
        Code.UNIMPLEMENTED,
        f"{method[:40]} is not supported here: use {', '.join(allowed)}",
        reason="METHOD_NOT_ALLOWED" if supported else "METHOD_NOT_SUPPORTED",
        http_status_=405,
        headers=(("Allow", ", ".join(allowed)),),
    )


class RestExchange:
    """One REST request and its answer: `open`, then `reply` or `failure`. Any thread; one request at a time."""

    __slots__ = ("_head", "_match", "_system", "route")

    def __init__(self, head: Head, route: GrpcRoute, match: Match[Route]) -> None:
        self._head = head
        self._match = match
        self._system = NO_SYSTEM_PARAMETERS
        self.route = route

    def open(self, body: bytes, *, max_body: int, request_timeout: float | None) -> Call:
        """Read the request into a call.

        Args:
            body: as it came, with its Content-Encoding.
            max_body: bytes that it may decode to.
            request_timeout: seconds; the gateway's default for an API that sets none; None for none.

        Raises:
            GatewayError: the request cannot be taken.
        """
        head, route = self._head, self.route
        longest = request_timeout if route.timeout is None else route.timeout
        timeout = call_timeout(head.text(b"grpc-timeout"), longest)
        metadata = request_metadata(head)
        if body:
            body = decode_body(body, head.text(b"content-encoding"), max_body)
        content_type = head.text(b"content-type")
        bound = route.binder.bind(self._match.values, head.query, Body(content_type, body))
        self._system = bound.system
        return Call(route.upstream, route.method, bound.message, timeout, metadata)

    def opened(self, system: SystemParameters) -> None:
        """Take it that the request was read elsewhere, as far as `reply` has to know."""
        self._system = system

    def reply(self, result: Result) -> Reply:
        """Write the answer of a call that ended with OK."""
        head = self._head
        content_type, body = self._body(result.message)
        fields = response_fields(result.initial_metadata)
        fields.append((b"content-type", content_type))
        packed = gzip(body) if accepts_gzip(head.text(b"accept-encoding")) else None
        if packed is not None:
            fields.append((b"content-encoding", b"gzip"))
            fields.append((b"vary", b"Accept, Accept-Encoding"))
            body = packed
        trailers = response_fields(result.trailing_metadata) if takes_trailers(self._head) else ()
        return Reply(200, fields, body, trailers)

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the answer of a request that failed."""
        return error_reply(error, self.route, trailers=takes_trailers(self._head))

    def _body(self, message: Message) -> tuple[bytes, bytes]:
        """Give the answer's media type and bytes, by the rule and by what the client takes."""
        printer, system = self.route.printer, self._system
        http_body = printer.http_body(message)
        if http_body is not None:
            return http_body
        wanted = PROTOBUF_TYPES[1] if system.alt == "proto" else wants_protobuf(self._head.text(b"accept"))
        protobuf = printer.protobuf(message) if wanted else None
        if wanted and protobuf is not None:
            return wanted.encode("ascii"), protobuf
        text = printer.json_with_enum_numbers(message) if system.enums_as_numbers else printer.json(message)
        return b"application/json", text


def takes_trailers(head: Head) -> bool:
    """Whether a client takes HTTP trailers (RFC 9110 section 10.1.4)."""
    te = head.text(b"te")
    return te is not None and any(each.split(";")[0].strip().lower() == "trailers" for each in te.split(","))
