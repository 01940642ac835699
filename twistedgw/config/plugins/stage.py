"""What a plugin does to the requests of the routes that it is bound to. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Answer", "Asked", "Fields", "Stage"]

Fields = Sequence[tuple[bytes, bytes]]
"""HTTP header fields in order, names in lower case."""


class Asked(Protocol):
    """A request's head as stages see it; `twistedgw.frontends.exchange.Head` is one.

    Attributes:
        method: as sent.
        client: the client's address, as text.
        host: lower case, without a port; empty where none was sent.
        secure: whether the client speaks HTTPS.
    """

    method: str
    client: str
    host: str
    secure: bool

    def text(self, name: bytes) -> str | None:
        """Give a field by its lower-case name as text, its values joined by commas."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stage answers by itself."""

    status: int
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Stage:
    """One plugin at work; each method does nothing unless a type has it do something. Reactor thread only.

    The stages of a route are asked in the order of `PLUGIN_TYPES`: first `enter`, or `preflight` where a browser asks
    whether it may send such a request; later `amend`, whoever made the answer: a stage, a backend, or an error.
    """

    __slots__ = ()

    def enter(self, asked: Asked) -> Answer | None:  # noqa: ARG002
        """Look at a request before anything is done for it.

        Returns:
            an answer that stands in for the backend's; None to go on.

        Raises:
            GatewayError: the request is refused.
        """
        return None

    def preflight(self, asked: Asked, methods: Sequence[str]) -> Answer | None:  # noqa: ARG002
        """Look at a CORS preflight (Fetch, section 3.3): it asks about a request that is bound for this stage's route.

        Args:
            asked: the preflight.
            methods: those that its path is served with by routes that have this stage, sorted.

        Returns:
            as `enter`.

        Raises:
            GatewayError: as `enter`.
        """
        return None

    def amend(self, asked: Asked, fields: Fields) -> Fields:  # noqa: ARG002
        """Give the fields that an answer is to have, in place of those that it has."""
        return fields

    def admits(self, origin: str) -> bool:  # noqa: ARG002
        """Whether pages of this origin (besides the gateway's own) may open a WebSocket here."""
        return False
