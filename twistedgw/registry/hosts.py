"""From a request's host to the routes that are served for it.

Services whose hosts overlap share one router, so that a literal segment of one wins over a wildcard of the other, and
a collision between them is found when the table is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twistedgw.registry.route import Route
    from twistedgw.transcoding.router import Router

__all__ = ["HostTable", "host_classes", "host_matches"]

ANY = ""
"""The class of hosts that nothing more exact names."""


def host_matches(pattern: str, host: str) -> bool:
    """Whether a pattern covers a host, or every host of another pattern."""
    if pattern in (ANY, host):
        return True
    if not pattern.startswith("*."):
        return False
    return host.removeprefix("*").endswith(pattern[1:])


def host_classes(hosts: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Tell which services answer for each pattern.

    Args:
        hosts: the patterns of each service; none at all means any host.

    Returns:
        for every pattern in use, and for `ANY`, the services that serve a host whose closest pattern it is.
    """
    patterns = {name: tuple(own) or (ANY,) for name, own in hosts.items()}
    classes = dict.fromkeys((ANY, *(pattern for own in patterns.values() for pattern in own)))
    return {
        each: frozenset(name for name, own in patterns.items() if any(host_matches(pattern, each) for pattern in own))
        for each in classes
    }


@dataclass(frozen=True, slots=True)
class HostTable:
    """Routers by host pattern, for HTTP and for HTTPS. Immutable."""

    http: Mapping[str, Router[Route]]
    https: Mapping[str, Router[Route]]

    def router(self, host: str, secure: bool) -> Router[Route]:
        """Give the router for a host: an exact name before the longest wildcard before any host."""
        table = self.https if secure else self.http
        if len(table) == 1:
            return table[ANY]
        found = table.get(host)
        rest = host
        while found is None:
            _, dot, rest = rest.partition(".")
            if not dot:
                return table[ANY]
            found = table.get(f"*.{rest}")
        return found
