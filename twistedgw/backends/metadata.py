"""Metadata that can be sent: checked here, since gRPC's core writes what it does not take to the process's stderr."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.backends.failures import CallError
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.backends.call import Metadata

__all__ = ["Sendable", "sendable"]

_KEY = re.compile(r"[0-9a-z_.-]+").fullmatch
_TEXT = re.compile(r"[ -~]*").fullmatch


class Sendable(tuple[tuple[str, "str | bytes"], ...]):
    """Metadata that whoever made it knows to be what gRPC takes."""

    __slots__ = ()


def sendable(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """Give metadata as gRPC takes it.

    Raises:
        CallError: INVALID_ARGUMENT: a key or a value is not what gRPC's protocol allows.
    """
    if isinstance(metadata, Sendable):
        return tuple(metadata)
    for key, value in metadata:
        if _KEY(key) is None:
            raise _refused(key, "this is no name for metadata")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise _refused(key, "its value must be binary")
        elif not isinstance(value, str) or _TEXT(value) is None:
            raise _refused(key, "its value must be of printable ASCII characters")
    return tuple(metadata)


def _refused(key: str, why: str) -> CallError:
    return CallError(
        Code.INVALID_ARGUMENT, f"header {key!r} cannot be sent as metadata: {why}", reason="INVALID_METADATA"
    )
