"""The answers that every operation may give instead of its own: errors in the plugin's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twistedgw.openapi.scalars import Json

__all__ = ["REF", "error_components", "error_name", "response_references"]

REF = "#/components/schemas/"
RESPONSES = "#/components/responses/"

_TABLE: dict[str, tuple[str, str, str]] = {
    "400": (
        "BadRequest",
        "The request cannot be taken: INVALID_ARGUMENT, FAILED_PRECONDITION or OUT_OF_RANGE.",
        "`INVALID_BODY`, `INVALID_HEADER`, `INVALID_JSON`, `INVALID_PATH`, `INVALID_QUERY`, `INVALID_TIMEOUT`",
    ),
    "404": (
        "NotFound",
        "NOT_FOUND: the backend has no such thing, or nothing is served at this path.",
        "`ROUTE_NOT_FOUND`",
    ),
    "405": (
        "MethodNotAllowed",
        "The path has other methods; `Allow` names them.",
        "`METHOD_NOT_ALLOWED`, `METHOD_NOT_SUPPORTED`",
    ),
    "413": ("TooLarge", "The body is larger than the gateway takes, once decoded.", "`REQUEST_TOO_LARGE`"),
    "415": (
        "UnsupportedMediaType",
        "The body's media type or encoding is not taken here.",
        "`UNSUPPORTED_ENCODING`, `UNSUPPORTED_MEDIA_TYPE`",
    ),
    "429": ("TooManyRequests", "RESOURCE_EXHAUSTED: a quota or a limit.", "`RESPONSE_TOO_LARGE`"),
    "500": (
        "Internal",
        "INTERNAL, UNKNOWN or DATA_LOSS: the backend or the gateway failed.",
        "`BACKEND_CALL_FAILED`, `BACKEND_PROTOCOL_ERROR`, `INTERNAL`, `UNWRITABLE_MESSAGE`",
    ),
    "503": (
        "Unavailable",
        "UNAVAILABLE: the backend cannot be reached or there are too many calls; trying again later may help.",
        "`BACKEND_UNAVAILABLE`, `GATEWAY_STOPPING`, `TOO_MANY_IN_FLIGHT`",
    ),
    "504": ("DeadlineExceeded", "DEADLINE_EXCEEDED: the deadline passed.", "`DEADLINE_EXCEEDED`"),
}

_DEFAULT = (
    "Any other error. The HTTP status is that of the gRPC code: 400 INVALID_ARGUMENT, FAILED_PRECONDITION and"
    " OUT_OF_RANGE, 401 UNAUTHENTICATED, 403 PERMISSION_DENIED, 404 NOT_FOUND, 409 ALREADY_EXISTS and ABORTED,"
    " 429 RESOURCE_EXHAUSTED, 499 CANCELLED, 500 UNKNOWN, INTERNAL and DATA_LOSS, 501 UNIMPLEMENTED, 503 UNAVAILABLE,"
    " 504 DEADLINE_EXCEEDED."
)
_WITH_BODY = frozenset(("413", "415"))
_NEVER_OF_AN_OPERATION = frozenset(("405",))


def error_name(form: str) -> str:
    """Give the name of the component that is the schema of errors.

    Args:
        form: the plugin's ``error_format``.
    """
    return _prefixed("Error", form)


def error_components(form: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """Give the components of errors: schemas and responses."""
    schema = _google_error() if form == "google" else _status_error()
    content = {"application/json": {"schema": {"$ref": REF + error_name(form)}}}
    found: dict[str, Json] = {}
    for name, text, reasons in _TABLE.values():
        found[name] = {"description": f"{text}\n\nReasons of the gateway's own: {reasons}.", "content": content}
    found["MethodNotAllowed"]["headers"] = {"Allow": {"required": True, "schema": {"type": "string"}}}
    found["Unavailable"]["headers"] = {
        "Retry-After": {"description": "Seconds; of limits.", "schema": {"type": "integer"}}
    }
    found["Error"] = {"description": _DEFAULT, "content": content}
    return {error_name(form): schema}, {_prefixed(name, form): response for name, response in found.items()}


def response_references(form: str, *, body: bool) -> Json:
    """Give the error responses of an operation.

    Args:
        form: the plugin's ``error_format``.
        body: whether it takes a body.
    """
    statuses = [
        status for status in _TABLE if status not in _NEVER_OF_AN_OPERATION and (body or status not in _WITH_BODY)
    ]
    found: Json = {status: {"$ref": RESPONSES + _prefixed(_TABLE[status][0], form)} for status in statuses}
    found["default"] = {"$ref": RESPONSES + _prefixed("Error", form)}
    return found


def _prefixed(name: str, form: str) -> str:
    return f"Google{name}" if form == "google" else name


def _google_error() -> Json:
    error: Json = {
        "type": "object",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The HTTP status."},
            "message": {"type": "string", "description": "For developers, in English."},
            "status": {"type": "string", "description": "The gRPC code's name.", "examples": ["NOT_FOUND"]},
            "details": _DETAILS,
        },
        "required": ["code", "message", "status", "details"],
    }
    return {
        "type": "object",
        "description": "An error, in the form of AIP-193.",
        "properties": {"error": error},
        "required": ["error"],
    }


def _status_error() -> Json:
    return {
        "type": "object",
        "description": "An error: a `google.rpc.Status`.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The gRPC code's number.", "examples": [5]},
            "message": {"type": "string", "description": "For developers, in English."},
            "details": _DETAILS,
        },
        "required": ["code", "message", "details"],
    }


_DETAILS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"@type": {"type": "string", "examples": ["type.googleapis.com/google.rpc.ErrorInfo"]}},
        "additionalProperties": True,
    },
    "description": (
        "What went wrong, for programs. An error of the gateway's own has a `google.rpc.ErrorInfo` with the domain"
        " `twistedgw` and a reason."
    ),
}
