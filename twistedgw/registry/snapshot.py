"""The immutable whole that one generation of configuration means."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.config.model import Config
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.registry.hosts import HostTable
    from twistedgw.registry.route import Route
    from twistedgw.schema.schema import Schema
    from twistedgw.transcoding.codec import Codec
    from twistedgw.transcoding.router import Match

__all__ = ["Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One generation. Immutable, and safe to read from any thread.

    Attributes:
        generation: counts from 1.
        digest: a hash of all that the configuration says, files that it names included.
        hosts: which routes are served for a host.
        routes: all of them, in the order of services, environments and APIs.
        schemas: by plugin.
        codecs: by plugin.
        upstreams: by backend.
        stages: by plugin, of those that do something to requests by themselves.
        trusted: networks whose ``X-Forwarded-*`` fields are believed.
    """

    generation: int
    config: Config
    digest: str
    hosts: HostTable
    routes: tuple[Route, ...]
    schemas: Mapping[str, Schema]
    codecs: Mapping[str, Codec]
    upstreams: Mapping[str, Any]
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(default=())
    stages: Mapping[str, Stage] = field(default_factory=dict)

    def match(self, host: str, secure: bool, method: str, path: bytes) -> Match[Route]:
        """Find the route of a request.

        Args:
            host: lower case, without a port; empty where the request names none.
            secure: whether the client speaks HTTPS.
            method: the HTTP method.
            path: raw, percent-encoded, without the query.

        Raises:
            NoRoute, MethodNotAllowed, MalformedPath: as `Router.match` does.
        """
        return self.hosts.router(host, secure).match(method, path)

    def matches(self, host: str, secure: bool, path: bytes) -> dict[str, Match[Route]]:
        """Find the routes of a path, whatever the method; see `Router.matches`."""
        return self.hosts.router(host, secure).matches(path)

    def trusts(self, peer: str) -> bool:
        """Whether an address is one of the proxies whose word is taken."""
        if not self.trusted:
            return False
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)
