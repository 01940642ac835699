"""The metadata of calls that come by an RPC protocol (Connect, gRPC-Web).

Their clients send metadata as header fields under its own names, so that all fields pass which are the application's:
REST's rule (`twistedgw.frontends.metadata`) names what passes, this one what does not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from twistedgw.frontends.metadata import HOP_BY_HOP, SET_HERE, request_metadata

if TYPE_CHECKING:
    from twistedgw.frontends.exchange import Head

__all__ = ["rpc_metadata"]

_NEVER = (
    HOP_BY_HOP
    | SET_HERE
    | {
        "accept",
        "accept-charset",
        "accept-encoding",
        "alt-used",
        "cache-control",
        "cookie",
        "date",
        "dnt",
        "early-data",
        "expect",
        "forwarded",
        "from",
        "host",
        "http2-settings",
        "last-event-id",
        "max-forwards",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "set-cookie",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "warning",
        "x-grpc-web",
    }
)
"""Fields of HTTP, of browsers, and those that the gateway sets itself."""

_NEVER_PREFIXES = ("access-control-", "connect-", "content-", "grpc-", "if-", "proxy-", "sec-")
_KEY = re.compile(r"[0-9a-z_.-]+")


def rpc_metadata(head: Head) -> tuple[tuple[str, str | bytes], ...]:
    """Give the metadata that a call carries for a request.

    Raises:
        InvalidArgument: a ``-bin`` field that is not base64, or a text that gRPC cannot carry (it takes printable
            ASCII).
    """
    return request_metadata(head, _key_of)


@lru_cache(1024)
def _key_of(name: str) -> str | None:
    if name in _NEVER or name.startswith(_NEVER_PREFIXES) or not _KEY.fullmatch(name):
        return None
    return name
