"""The opening handshake of a WebSocket (RFC 6455 section 4): what it is, and what it agrees on. Sans-I/O."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension
from websockets.utils import accept_key

from twistedgw.errors import GatewayError
from twistedgw.frontends.exchange import FieldBlock
from twistedgw.frontends.head import split_authority
from twistedgw.registry.route import GrpcRoute, UnboundRoute
from twistedgw.status import Code
from twistedgw.transcoding.router import ANY_METHOD, MalformedPath
from twistedgw.transcoding.rule import METHODS

if TYPE_CHECKING:
    from websockets.extensions import Extension

    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import Stages
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match

__all__ = ["JSON", "PROTO", "Handshake", "check_handshake", "find_stream", "is_handshake"]

JSON = "twistedgw.v1+json"
PROTO = "twistedgw.v1+proto"
BEARER = "bearer"
"""The subprotocol before a token, as grpc-websocket-proxy and others have it."""
BEARER_ENCODED = "base64url.bearer.authorization.twistedgw."
"""What is before a token in base64url, as Kubernetes has it."""

_VERSION = "13"
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_TOKEN68 = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_PORTS = {"http": "80", "https": "443"}

# 4 KiB windows: zlib then takes some 30 KiB a connection instead of 300.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)


@dataclass(slots=True)
class Handshake:
    """What a handshake agrees on.

    Attributes:
        fields: those of the 101 that are about WebSocket.
        subprotocol: `JSON`, `PROTO`, `BEARER`, or None where the client offers none.
        extensions: for the frames of both directions.
    """

    fields: list[tuple[bytes, bytes]]
    subprotocol: str | None
    extensions: list[Extension]


def is_handshake(head: Head) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455 section 4.1), well-formed otherwise or not."""
    if head.method != "GET" or head.text(b"upgrade") is None:
        return False
    return "websocket" in _items(head, b"upgrade", lower=True) and "upgrade" in _items(head, b"connection", lower=True)


def find_stream(snapshot: Snapshot, head: Head) -> Match[GrpcRoute] | None:
    """Find the streaming method of a path, whatever the HTTP method of its rule: GET's first, then as in `METHODS`.

    Returns:
        None where the path is not one of APIs with a gRPC backend: then it is a request as any other.

    Raises:
        GatewayError: the path's methods do not stream, or no plugin is bound there.
    """
    try:
        routes = snapshot.matches(head.host, head.secure, head.path)
    except MalformedPath:
        return None
    order = dict.fromkeys(("GET", *METHODS))
    ordered = [routes[method] for method in order if method in routes]
    for match in ordered:
        if isinstance(match.target, GrpcRoute) and match.target.streaming:
            return cast("Match[GrpcRoute]", match)
    for match in ordered:
        if isinstance(match.target, UnboundRoute):
            match.target.refuse()
    own = routes.get("GET") or routes.get(ANY_METHOD) or next(iter(ordered), None)
    if own is None or not isinstance(own.target, GrpcRoute):
        return None
    raise _refusal(f"{own.target.rpc} does not stream: a WebSocket can be opened where a method streams", 400)


def check_handshake(head: Head, stages: Stages) -> Handshake:
    """Read a handshake.

    Args:
        head: the request's. A token that came as a subprotocol becomes its Authorization field, if it has none.
        stages: of the route; they may admit pages of other origins.

    Raises:
        GatewayError: 426 for another version, 403 for a page of another origin, 400 for all else that is wrong.
    """
    if _items(head, b"sec-websocket-version") != [_VERSION]:
        raise _refusal(
            f"this WebSocket version is not supported: use {_VERSION}",
            426,
            ("Sec-WebSocket-Version", _VERSION),
            ("Upgrade", "websocket"),
        )
    if head.text(b"transfer-encoding") is not None or head.text(b"content-length") not in (None, "0"):
        raise _refusal("a WebSocket handshake has no body", 400)
    key = head.text(b"sec-websocket-key") or ""
    if not _KEY.fullmatch(key):
        raise _refusal("the Sec-WebSocket-Key is not 16 bytes in base64", 400)
    _check_origin(head, stages)
    subprotocol, authorization = _subprotocol(_items(head, b"sec-websocket-protocol"))
    if authorization is not None and head.text(b"authorization") is None:
        head.fields = FieldBlock((*head.fields, (b"authorization", authorization)))
    extension, extensions = _extensions(head.text(b"sec-websocket-extensions"))
    fields = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_key(key).encode("ascii")),
    ]
    if subprotocol is not None:
        fields.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
    if extension is not None:
        fields.append((b"sec-websocket-extensions", extension.encode("ascii")))
    return Handshake(fields, subprotocol, extensions)


def _check_origin(head: Head, stages: Stages) -> None:
    """Let in what is no browser, pages of the gateway's own host, and those that a plugin admits.

    A browser sends cookies and client certificates along whoever made the page, and asks nobody before.
    """
    origin = head.text(b"origin")
    if origin is None or any(stage.admits(origin) for stage in stages):
        return
    scheme, _, authority = origin.partition("://")
    port = _PORTS.get(scheme, "")
    if authority and _with_port(authority, port) == _with_port(head.authority, port):
        return
    raise GatewayError(
        Code.PERMISSION_DENIED,
        f"pages of origin {origin[:200]} may not open a WebSocket here; a cors plugin can allow them",
        reason="ORIGIN_NOT_ALLOWED",
    )


def _with_port(authority: str, default: str) -> tuple[str, str]:
    host, port = split_authority(authority)
    return host, port or default


def _subprotocol(offered: list[str]) -> tuple[str | None, bytes | None]:
    """Choose a subprotocol, and find the token among those offered. The token itself is never chosen."""
    authorization = None
    chosen = next((name for name in offered if name in (JSON, PROTO)), None)
    if BEARER in offered[:-1]:
        authorization = offered[offered.index(BEARER) + 1].encode("latin-1")
        chosen = chosen or BEARER
    for name in offered:
        if name.startswith(BEARER_ENCODED):
            authorization = _decoded(name[len(BEARER_ENCODED) :])
    if authorization is not None and not _TOKEN68.fullmatch(authorization):
        raise _refusal("the token among the subprotocols is malformed", 400)
    if offered and chosen is None:  # browsers fail then in any case, without a word
        raise _refusal(f"none of the subprotocols is known: offer {JSON} or {PROTO}", 400)
    return chosen, None if authorization is None else b"Bearer " + authorization


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _extensions(offered: str | None) -> tuple[str | None, list[Extension]]:
    """Take the first compression that is offered in a form that we have (RFC 7692 section 7)."""
    if offered is None:
        return None, []
    try:
        offers = parse_extension(offered)
    except InvalidHeaderFormat:
        raise _refusal("the Sec-WebSocket-Extensions are malformed", 400) from None
    for name, parameters in offers:
        if name == _DEFLATE.name:
            try:
                agreed, extension = _DEFLATE.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return build_extension([(name, agreed)]), [extension]
    return None, []


def _items(head: Head, name: bytes, *, lower: bool = False) -> list[str]:
    text = head.text(name) or ""
    items = (item.strip() for item in (text.lower() if lower else text).split(","))
    return [item for item in items if item]


def _refusal(message: str, status: int, *headers: tuple[str, str]) -> GatewayError:
    return GatewayError(
        Code.INVALID_ARGUMENT, message, reason="WEBSOCKET_HANDSHAKE", http_status_=status, headers=headers
    )
