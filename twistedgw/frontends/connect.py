"""Connect, unary: POST with the message as the body, GET with it in the query (Connect, "Unary RPCs"). Sans-I/O."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from twistedgw.backends.call import Call
from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.connect_error import error_reply, own_fields
from twistedgw.frontends.deadline import connect_timeout, rpc_timeout
from twistedgw.frontends.exchange import Reply
from twistedgw.frontends.metadata import response_fields
from twistedgw.frontends.negotiation import check_size, decode_body, gzip
from twistedgw.frontends.rpc_compression import Compression
from twistedgw.frontends.rpc_error import rpc_error, unsupported_type
from twistedgw.frontends.rpc_metadata import rpc_metadata
from twistedgw.transcoding.percent import MalformedPath, octets

if TYPE_CHECKING:
    from twistedgw.backends.call import Result
    from twistedgw.backends.failures import CallError
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import GrpcRoute

__all__ = ["CONNECT_TYPE", "ConnectGet", "ConnectUnary", "asked_timeout", "check_version", "supported_types"]

CONNECT_TYPE = "application/proto"
"""A media type that Connect has for itself."""

FORMS = {CONNECT_TYPE: "proto", "application/json": "json"}
"""Media types of unary calls, and the forms of messages that they stand for."""

_TYPES = {form: name.encode("ascii") for name, form in FORMS.items()}


class ConnectUnary:
    """A unary call by POST: a `UnaryExchange`."""

    def __init__(self, head: Head, route: GrpcRoute) -> None:
        """Take a head that speaks Connect, and the route to the RPC."""
        self._head = head
        self._route = route
        self._form = ""
        self._compression: Compression | None = None

    def open(self, body: bytes, *, max_body: int, request_timeout: float | None) -> Call:
        """Read the request into a call; see `UnaryExchange`."""
        head, route = self._head, self._route
        content_type = head.text(b"content-type") or ""
        form = FORMS.get(content_type.partition(";")[0].strip().lower())
        if form is None or route.streaming:
            raise unsupported_type(content_type, route.rpc, supported_types(route))
        check_version(head)
        self._compression = Compression.of(head, b"content-encoding", b"accept-encoding")
        return self._call(form, body, max_body, request_timeout)

    def _call(self, form: str, message: bytes, max_body: int, request_timeout: float | None) -> Call:
        assert self._compression is not None
        self._form, route = form, self._route
        if self._compression.packed and message:
            message = decode_body(message, "gzip", max_body)
        check_size(len(message), max_body)
        longest = request_timeout if route.timeout is None else route.timeout
        timeout = rpc_timeout(asked_timeout(self._head), longest)
        metadata = rpc_metadata(self._head)
        return Call(route.upstream, route.method, route.messages.read[form](message), timeout, metadata)

    def reply(self, result: Result) -> Reply:
        """Write the answer of a call that ended with OK; see `UnaryExchange`."""
        assert self._compression is not None, "open() comes first"
        body = self._route.messages.write[self._form](result.message)
        fields = own_fields(response_fields(result.initial_metadata))
        fields += own_fields(response_fields(result.trailing_metadata), b"trailer-")
        fields.append((b"content-type", _TYPES[self._form]))
        packed = gzip(body) if self._compression.wanted else None
        if packed is not None:
            fields.append((b"content-encoding", b"gzip"))
            fields.append((b"vary", b"Accept-Encoding"))
        return Reply(200, fields, body if packed is None else packed)

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the answer of a request that failed."""
        return error_reply(rpc_error(error), self._route)


class ConnectGet(ConnectUnary):
    """A unary call by GET, of an RPC without side effects: a `UnaryExchange`."""

    def open(self, body: bytes, *, max_body: int, request_timeout: float | None) -> Call:
        """Read the request into a call; see `UnaryExchange`."""
        if body:
            raise InvalidArgument("", "a GET has its message in the query, not in a body")
        given = _query_parameters(self._head.query)
        version = given.get(b"connect", b"v1")
        if version != b"v1":
            raise _parameter("connect", f"expected v1, got {_shown(version)!r}")
        encoding, message = given.get(b"encoding"), given.get(b"message")
        if encoding is None or message is None:
            raise _parameter("message" if message is None else "encoding", "missing")
        form = _shown(encoding)
        if form not in _TYPES or self._route.streaming:
            raise unsupported_type(f"encoding={form}", self._route.rpc, supported_types(self._route))
        if given.get(b"base64") == b"1":
            message = _from_base64(message)
        compression = given.get(b"compression")
        self._compression = Compression(
            None if compression is None else _shown(compression),
            self._head.text(b"accept-encoding"),
            "accept-encoding",
        )
        return self._call(form, message, max_body, request_timeout)


def supported_types(route: GrpcRoute) -> list[str]:
    """Give the media types with which Connect calls an RPC."""
    if route.streaming:
        return [f"application/connect+{form}" for form in _TYPES]
    return list(FORMS)


def check_version(head: Head) -> None:
    """Make sure that the client speaks this version of Connect, where it tells.

    Raises:
        InvalidArgument: it is another.
    """
    version = head.text(b"connect-protocol-version")
    if version not in (None, "1"):
        raise InvalidArgument(
            "connect-protocol-version", f"expected 1, got {version[:40]!r}", source="header", reason="INVALID_HEADER"
        )


def asked_timeout(head: Head) -> float | None:
    """Give the timeout that the client asks for, in seconds; None for none.

    Raises:
        InvalidArgument: it is malformed.
    """
    text = head.text(b"connect-timeout-ms")
    return None if text is None else connect_timeout(text)


def _query_parameters(query: bytes) -> dict[bytes, bytes]:
    """Read a query; of a name that is there twice the first counts.

    Raises:
        InvalidArgument: an escape is malformed.
    """
    found: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        try:
            found.setdefault(octets(name), octets(value))
        except MalformedPath as error:
            raise InvalidArgument("", str(error), source="query", reason="INVALID_QUERY") from None
    return found


def _from_base64(text: bytes) -> bytes:
    stripped = text.rstrip(b"=")
    try:
        return base64.b64decode(stripped + b"=" * (-len(stripped) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise _parameter("message", "expected base64 in its URL-safe alphabet") from None


def _parameter(name: str, description: str) -> InvalidArgument:
    return InvalidArgument(name, description, source="query parameter", reason="INVALID_QUERY")


def _shown(value: bytes) -> str:
    return value[:40].decode("utf-8", "replace")
