"""How long a call may take."""

from __future__ import annotations

import re

from twistedgw.errors import InvalidArgument

__all__ = ["call_timeout", "connect_timeout", "grpc_timeout", "rpc_timeout"]

_GRPC_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_CONNECT_TIMEOUT = re.compile(r"[0-9]{1,10}")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def grpc_timeout(text: str) -> float:
    """Read a ``Grpc-Timeout`` (gRPC over HTTP/2, "Timeout"): 1 to 8 digits and a unit.

    Returns:
        seconds.

    Raises:
        InvalidArgument: it is anything else.
    """
    match = _GRPC_TIMEOUT.fullmatch(text)
    if match is None:
        raise InvalidArgument(
            "grpc-timeout",
            f"expected 1 to 8 digits and one of H, M, S, m, u, n, got {text[:40]!r}",
            source="header",
            reason="INVALID_TIMEOUT",
        )
    return int(match[1]) * _UNITS[match[2]]


def connect_timeout(text: str) -> float:
    """Read a ``Connect-Timeout-Ms`` (Connect, "Unary-Request"): milliseconds in at most 10 digits.

    Returns:
        seconds.

    Raises:
        InvalidArgument: it is anything else.
    """
    if _CONNECT_TIMEOUT.fullmatch(text) is None:
        raise InvalidArgument(
            "connect-timeout-ms",
            f"expected milliseconds in at most 10 digits, got {text[:40]!r}",
            source="header",
            reason="INVALID_TIMEOUT",
        )
    return int(text) / 1000


def rpc_timeout(asked: float | None, longest: float | None) -> float | None:
    """Give the timeout of a call by an RPC protocol in seconds: `asked`, but no more than the API allows.

    gRPC's core rounds up what it tells the backend; something is taken off, so that this is no more than was asked.
    """
    if asked is None:
        return longest
    asked -= min(0.001, asked / 100)
    return asked if longest is None else min(asked, longest)


def call_timeout(asked: str | None, longest: float | None) -> float | None:
    """Give a call's timeout in seconds: what the client asks for, but no more than the API allows.

    Raises:
        InvalidArgument: the client's is malformed.
    """
    if asked is None:
        return longest
    timeout = grpc_timeout(asked)
    return timeout if longest is None else min(timeout, longest)
