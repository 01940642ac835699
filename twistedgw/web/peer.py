"""What the kernel knows of a client: whether it has gone, and how much it has taken. On Linux, over TCP."""

from __future__ import annotations

import socket
import sys
from typing import Any

__all__ = ["bytes_taken", "has_left"]

_TCP_INFO = socket.TCP_INFO if sys.platform == "linux" else None
_CLOSE, _CLOSE_WAIT = 7, 8
_BYTES_ACKED = slice(120, 128)
"""Of `struct tcp_info` in linux/tcp.h."""


def has_left(transport: Any) -> bool:
    """Tell whether the other end has closed a TCP connection that is not being read.

    The reactor notices an end only by reading. Where reading is paused, the kernel knows: on Linux it is asked,
    elsewhere the answer is always no.

    Args:
        transport: of a server protocol, wrapped (TLS, PROXY protocol) or not.
    """
    info = _tcp_info(transport, 1)
    return len(info) == 1 and info[0] in (_CLOSE, _CLOSE_WAIT)


def bytes_taken(transport: Any) -> int | None:
    """Give how many bytes the other end of a TCP connection has acknowledged.

    A full buffer tells nothing of a slow reader's progress; this does.

    Args:
        transport: as for `has_left`.

    Returns:
        None where it is not known.
    """
    info = _tcp_info(transport, _BYTES_ACKED.stop)
    return int.from_bytes(info[_BYTES_ACKED], sys.byteorder) if len(info) == _BYTES_ACKED.stop else None


def _tcp_info(transport: Any, size: int) -> bytes:
    while hasattr(transport, "wrappedProtocol"):
        transport = transport.transport
    handle = getattr(transport, "getHandle", None)
    if _TCP_INFO is None or handle is None:
        return b""
    try:
        info: bytes = handle().getsockopt(socket.IPPROTO_TCP, _TCP_INFO, size)
    except (AttributeError, OSError):  # no socket any more, or one of another family
        return b""
    return info
