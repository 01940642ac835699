"""The errors by which a request ends before a resource sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import GatewayError
from twistedgw.frontends.negotiation import body_too_large
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "body_timeout",
    "body_too_large",
    "expectation_failed",
    "head_timeout",
    "internal",
    "malformed",
    "method_not_allowed",
    "too_large_head",
    "too_long_target",
    "too_many_fields",
    "unsupported_version",
]


def malformed(message: str) -> GatewayError:
    """Refuse a request that is not HTTP, or is ambiguous: 400."""
    return GatewayError(Code.INVALID_ARGUMENT, message, reason="MALFORMED_REQUEST", http_status_=400)


def unsupported_version() -> GatewayError:
    """Refuse HTTP/2 and later over a connection that did not negotiate it: 505."""
    return GatewayError(
        Code.UNIMPLEMENTED,
        "this HTTP version is not supported on this connection",
        reason="VERSION_NOT_SUPPORTED",
        http_status_=505,
    )


def too_long_target(limit: int) -> GatewayError:
    """Refuse a request line over the limit: 414."""
    return GatewayError(
        Code.INVALID_ARGUMENT,
        f"the request line has more than {limit} bytes",
        reason="URI_TOO_LONG",
        http_status_=414,
    )


def too_large_head(limit: int) -> GatewayError:
    """Refuse a head, or trailer fields, over the limit: 431."""
    return GatewayError(
        Code.INVALID_ARGUMENT,
        f"the header fields have more than {limit} bytes",
        reason="HEADERS_TOO_LARGE",
        http_status_=431,
    )


def too_many_fields(limit: int) -> GatewayError:
    """Refuse a head, or trailer fields, with too many lines: 431."""
    return GatewayError(
        Code.INVALID_ARGUMENT,
        f"there are more than {limit} header fields",
        reason="HEADERS_TOO_LARGE",
        http_status_=431,
    )


def expectation_failed() -> GatewayError:
    """Refuse an Expect field other than 100-continue: 417."""
    return GatewayError(
        Code.FAILED_PRECONDITION,
        "the only expectation that can be met is 100-continue",
        reason="EXPECTATION_FAILED",
        http_status_=417,
    )


def method_not_allowed(allowed: Iterable[bytes]) -> GatewayError:
    """Answer for a resource that knows the methods it has: 405."""
    names = ", ".join(sorted(method.decode("latin-1") for method in allowed))
    return GatewayError(
        Code.UNIMPLEMENTED,
        f"only {names} can be used here",
        reason="METHOD_NOT_SUPPORTED",
        http_status_=405,
        headers=(("Allow", names),),
    )


def head_timeout() -> GatewayError:
    """Refuse to wait longer for a head: 408."""
    return _timeout("the head of the request did not arrive in time")


def body_timeout() -> GatewayError:
    """Refuse to wait longer for a body: 408."""
    return _timeout("the body of the request did not arrive in time")


def _timeout(message: str) -> GatewayError:
    return GatewayError(Code.DEADLINE_EXCEEDED, message, reason="REQUEST_TIMEOUT", http_status_=408)


def internal() -> GatewayError:
    """Answer for a bug in a resource: 500."""
    return GatewayError(Code.INTERNAL, "internal error", reason="INTERNAL")
