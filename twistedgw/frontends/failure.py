"""The one way from anything that went wrong to an answer."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from twistedgw.errors import GatewayError, InvalidArgument
from twistedgw.frontends.exchange import Reply
from twistedgw.frontends.metadata import response_fields
from twistedgw.status import Code, code_name, http_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twistedgw.backends.failures import CallError
    from twistedgw.registry.route import GrpcRoute
    from twistedgw.transcoding.codec import Codec

__all__ = ["INTERNAL", "error_reply"]

DOMAIN = "twistedgw"
_TYPE = "type.googleapis.com/"

INTERNAL = GatewayError(Code.INTERNAL, "internal error", reason="INTERNAL")
"""What a client is told of a bug."""


def error_reply(error: GatewayError | CallError, route: GrpcRoute | None, *, trailers: bool = False) -> Reply:
    """Turn an error into an answer.

    Args:
        error: what went wrong.
        route: the route, as far as one was found; its plugin says which form errors have, and its types print the
            backend's details.
        trailers: whether the client takes HTTP trailers.
    """
    google = route is not None and route.plugin.error_format == "google"
    if isinstance(error, GatewayError):
        body = _body(error.code, error.message, _own_details(error), error.http_status, google=google)
        return _reply(error.http_status, body, [(_bytes(name), _bytes(value)) for name, value in error.headers])
    return _call_reply(error, route, google=google, trailers=trailers)


def _call_reply(error: CallError, route: GrpcRoute | None, *, google: bool, trailers: bool) -> Reply:
    status = http_status(error.code)
    message, details = error.message, _backend_details(error, route)
    if not error.from_backend:
        details = [_error_info(error.reason or error.code.name, {})]
    fields = response_fields(error.initial_metadata)
    if error.retry_after is not None:
        fields.append((b"retry-after", b"%d" % error.retry_after))
    reply = _reply(status, _body(error.code, message, details, status, google=google), fields)
    if trailers:
        reply.trailers = response_fields(error.trailing_metadata)
    return reply


def _reply(status: int, body: dict[str, Any], fields: list[tuple[bytes, bytes]]) -> Reply:
    names = {name.lower() for name, _ in fields}
    if status == 401 and b"www-authenticate" not in names:
        fields.append((b"www-authenticate", b"Bearer"))
    fields.append((b"content-type", b"application/json"))
    return Reply(status, fields, orjson.dumps(body))


def _body(code: int, message: str, details: Sequence[Any], status: int, *, google: bool) -> dict[str, Any]:
    if google:  # AIP-193
        return {"error": {"code": status, "message": message, "status": code_name(code), "details": details}}
    return {"code": int(code), "message": message, "details": details}


def _own_details(error: GatewayError) -> list[dict[str, Any]]:
    details = [_error_info(error.reason, error.metadata)]
    if isinstance(error, InvalidArgument) or error.violations:
        violations = [{"field": field, "description": text} for field, text in error.violations]
        details.append({"@type": f"{_TYPE}google.rpc.BadRequest", "fieldViolations": violations})
    return details


def _error_info(reason: str, metadata: dict[str, str]) -> dict[str, Any]:
    info: dict[str, Any] = {"@type": f"{_TYPE}google.rpc.ErrorInfo", "reason": reason, "domain": DOMAIN}
    if metadata:
        info["metadata"] = metadata
    return info


def _backend_details(error: CallError, route: GrpcRoute | None) -> list[Any]:
    """Print ``google.rpc.Status.details``; a detail that cannot be printed keeps its type and its bytes."""
    if not error.details or route is None:
        return []
    try:
        pool = route.schema.pool
        status: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))()
        status.ParseFromString(error.details)
    except (KeyError, DecodeError):
        return []
    return [_detail(any_, route.codec) for any_ in status.details]


def _detail(any_: Any, codec: Codec) -> Any:
    try:
        return orjson.loads(codec.encoder(any_.DESCRIPTOR)(any_))
    except (ValueError, GatewayError, DecodeError):
        return {"@type": any_.type_url, "value": base64.b64encode(any_.value).decode("ascii")}


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")
