"""The whole body of a request that answers for itself when there is too much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import GatewayError
from twistedgw.frontends.negotiation import body_too_large

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

__all__ = ["Collector"]


class Collector:
    """Collects a body: a `BodySink`. Reactor thread only."""

    patient = False
    __slots__ = ("_complete", "_limit", "_pieces", "_refuse", "_size")

    def __init__(
        self, limit: int | None, complete: Callable[[bytes], object], refuse: Callable[[GatewayError], object]
    ) -> None:
        """Make one.

        Args:
            limit: bytes that it may have; None where whatever comes is dropped.
            complete: takes the body.
            refuse: takes what is wrong with it instead.
        """
        self._limit = limit
        self._complete = complete
        self._refuse = refuse
        self._pieces: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the body."""
        if self._limit is None:
            return
        self._size += len(data)
        if self._size <= self._limit:
            self._pieces.append(data)
        else:
            self._give_up(body_too_large(self._limit))

    def finished(self) -> None:
        """Learn that the body is complete."""
        if self._limit is not None:
            self._complete(b"".join(self._pieces))

    def aborted(self, reason: Failure) -> None:
        """Learn that the rest of the body will not come."""
        if self._limit is not None and isinstance(reason.value, GatewayError):
            self._give_up(reason.value)

    def _give_up(self, error: GatewayError) -> None:
        self._limit = None
        self._pieces = []
        self._refuse(error)
