"""One event for each request that was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from twistedgw.status import code_name

if TYPE_CHECKING:
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import Route

__all__ = ["log_access"]

_log = Logger(namespace="twistedgw.access")


def log_access(
    head: Head,
    route: Route | None,
    status: int,
    code: int | None,
    size: int,
    seconds: float,
    messages: tuple[int, int] | None = None,
) -> None:
    """Log a request that was answered, at level info.

    Args:
        head: the request's.
        route: where it went; None where nothing matched.
        status: the HTTP status.
        code: the gRPC code; None for a proxied request.
        size: bytes of the answer's body.
        seconds: from the head's arrival to the answer's end.
        messages: of a stream, how many came from the client, and how many went to it.
    """
    method, path = _clean(head.method), _clean(head.path.decode("latin-1"))
    name = "-" if code is None else code_name(code)
    rpc = "-" if route is None else route.rpc
    milliseconds = seconds * 1000
    counted = "" if messages is None else f" messages={messages[0]}/{messages[1]}"
    _log.info(
        # One field: formatting nine of them is what costs most in an event that goes to a text file.
        "{line}",
        line=f"{head.client} {method} {path} -> {status} {name} {size} bytes {milliseconds:.1f} ms {rpc}{counted}"
        f" id={head.request_id}",
        client=head.client,
        method=method,
        path=path,
        status=status,
        code=name,
        size=size,
        milliseconds=milliseconds,
        rpc=rpc,
        messages=messages,
        request_id=head.request_id,
    )


def _clean(text: str) -> str:
    """Make a client's text fit for one line."""
    text = text[:500]
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
