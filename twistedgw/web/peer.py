"""Whether the client has gone, without reading from its connection."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["has_left"]

_TCP_INFO = getattr(socket, "TCP_INFO", None)
_CLOSE, _CLOSE_WAIT = 7, 8


def has_left(transport: Any) -> bool:
    """Tell whether the other end has closed a TCP connection that is not being read.

    The reactor notices an end only by reading. Where reading is paused, the kernel knows: on Linux it is asked,
    elsewhere the answer is always no.

    Args:
        transport: of a server protocol, wrapped (TLS, PROXY protocol) or not.
    """
    while hasattr(transport, "wrappedProtocol"):
        transport = transport.transport
    handle = getattr(transport, "getHandle", None)
    if _TCP_INFO is None or handle is None:
        return False
    try:
        state: int = handle().getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0]
    except (AttributeError, OSError):
        return False
    return state in (_CLOSE, _CLOSE_WAIT)
