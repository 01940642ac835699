"""Connect's JSON form of errors (Connect, "Error and EndStreamResponse")."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.message import DecodeError

from twistedgw.errors import GatewayError
from twistedgw.frontends.exchange import Reply
from twistedgw.status import Code, http_status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twistedgw.frontends.exchange import Fields
    from twistedgw.frontends.rpc_error import RpcError
    from twistedgw.registry.route import GrpcRoute

__all__ = ["connect_code", "error_object", "error_reply", "metadata_object", "own_fields"]


def connect_code(code: Code) -> str:
    """Give Connect's name of a code."""
    return "canceled" if code is Code.CANCELLED else code.name.lower()


def error_object(error: RpcError, route: GrpcRoute | None) -> dict[str, Any]:
    """Give the JSON object of an error.

    Args:
        error: what is to be said.
        route: as far as one was found: its types print the details' ``debug``.
    """
    made: dict[str, Any] = {"code": connect_code(error.code)}
    if error.message:
        made["message"] = _text(error.message)
    if error.details:
        made["details"] = [_detail(detail, route) for detail in error.details]
    return made


def error_reply(error: RpcError, route: GrpcRoute | None) -> Reply:
    """Give the answer of a unary call that failed, or of a request that did not get as far as a call."""
    status = error.http_status or http_status(error.code)
    fields = [*error.fields, *own_fields(error.initial), *own_fields(error.trailing, b"trailer-")]
    if status == 401 and all(name != b"www-authenticate" for name, _ in fields):
        fields.append((b"www-authenticate", b"Bearer"))
    fields.append((b"content-type", b"application/json"))
    return Reply(status, fields, orjson.dumps(error_object(error, route)))


def own_fields(fields: Fields, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
    """Give a backend's metadata under a prefix, without the names that Connect has for itself."""
    return [(prefix + name, value) for name, value in fields if not name.startswith(b"connect-")]


def metadata_object(fields: Fields) -> dict[str, list[str]]:
    """Give metadata as the JSON object of an EndStreamResponse."""
    made: dict[str, list[str]] = {}
    for name, value in own_fields(fields):
        made.setdefault(name.decode("ascii"), []).append(value.decode("utf-8", "replace"))
    return made


def _detail(detail: Any, route: GrpcRoute | None) -> dict[str, Any]:
    made = {"type": _text(detail.type_url.rpartition("/")[2]), "value": _base64(detail.value)}
    if route is not None:
        made.update(_debug(detail, route))
    return made


def _debug(detail: Any, route: GrpcRoute) -> Iterable[tuple[str, Any]]:
    """Print a detail for people; nothing where its type is not known."""
    codec = route.codec
    try:
        codec.pool.FindMessageTypeByName(detail.type_url.rpartition("/")[2])
        own: Any = codec.message_class(codec.pool.FindMessageTypeByName("google.protobuf.Any"))()
        own.type_url, own.value = detail.type_url, detail.value
        printed = orjson.loads(codec.encoder(own.DESCRIPTOR)(own))
    except (KeyError, ValueError, GatewayError, DecodeError):
        return
    printed.pop("@type", None)
    yield "debug", printed


def _base64(value: bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode("ascii")


def _text(text: str) -> str:
    """Make sure that JSON takes a text (lone surrogates it does not)."""
    return text.encode("utf-8", "replace").decode("utf-8")
