"""What a configuration says, as frozen dataclasses.

The words are those of the INI contract; durations are seconds, sizes are bytes, paths are absolute. Nothing here reads
a file, and nothing is checked beyond what a single file can tell: names that must exist elsewhere, such as an RPC in a
`.proto`, are the registry's to check.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twistedgw.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "Admin",
    "Api",
    "Backend",
    "Binding",
    "Bridge",
    "Config",
    "Environment",
    "Gateway",
    "Listener",
    "Place",
    "Plugin",
    "Protocol",
    "Service",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a section stands, so that a later check can point at it.

    Attributes:
        file: the path as the operator wrote or would write it.
        section: without brackets.
        line: of the section's header, 1-based.
        options: the line of each option that is written there.
    """

    file: str
    section: str
    line: int
    options: Mapping[str, int] = field(default_factory=dict, hash=False)

    def problem(self, option: str, message: str, hint: str = "") -> Problem:
        """Make a `Problem` about an option of this section (or the section itself where `option` is empty)."""
        line = self.options.get(option, self.line)
        return Problem(file=self.file, line=line, section=self.section, option=option, message=message, hint=hint)


class Bridge(enum.Enum):
    """Which bridge carries calls from the reactor to gRPC."""

    AUTO = "auto"
    ASYNCIO = "asyncio"
    THREAD = "thread"


class Protocol(enum.Enum):
    """What a backend speaks."""

    GRPC = "grpc"
    GRPCS = "grpcs"
    HTTP = "http"
    HTTPS = "https"

    @property
    def is_grpc(self) -> bool:
        """Whether this is gRPC, with or without TLS."""
        return self in (Protocol.GRPC, Protocol.GRPCS)

    @property
    def is_tls(self) -> bool:
        """Whether the server's certificate is verified."""
        return self in (Protocol.GRPCS, Protocol.HTTPS)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ``[gateway]`` section."""

    place: Place = field(compare=False, repr=False)
    state_dir: Path
    bridge: Bridge
    threads: int
    workers: int
    request_timeout: float
    drain_timeout: float
    max_request_body: int
    max_response_message: int
    max_in_flight: int
    max_header_size: int
    max_headers: int
    header_timeout: float
    body_timeout: float
    idle_timeout: float
    access_log: bool
    trusted_proxies: tuple[str, ...]

    @property
    def unary_timeout(self) -> float | None:
        """`request_timeout`; None where it says that there is none."""
        return self.request_timeout or None


@dataclass(frozen=True, slots=True)
class Listener:
    """A ``[listener:NAME]`` section; `tls` listeners have a certificate and its key."""

    name: str
    place: Place = field(compare=False, repr=False)
    endpoint: str
    tls: bool
    certificate: Path | None
    private_key: Path | None
    client_ca: Path | None
    http2: bool


@dataclass(frozen=True, slots=True)
class Admin:
    """The ``[admin]`` section."""

    place: Place = field(compare=False, repr=False)
    endpoint: str
    token_file: Path
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment of one service, written or implied (``release``, ``prepub`` and ``test`` always exist).

    Attributes:
        prefix: starts with ``/`` and has no ``/`` at its end; empty for the root.
        backend: overrides the APIs' backend; None where it does not.
    """

    name: str
    place: Place = field(compare=False, repr=False)
    prefix: str
    published: bool
    backend: str | None


@dataclass(frozen=True, slots=True)
class Api:
    """An ``[api:SERVICE/NAME]`` section.

    Attributes:
        method: upper case; ``*`` is any method (HTTP backends only); None for a whole gRPC service.
        path: the path template; None for a whole gRPC service.
        rpc_service: ``package.Service``; None where the backend is HTTP.
        rpc_method: the method's name, ``*`` for the whole service, None where the backend is HTTP.
        body: ``*``, a field's name, or empty for none. The default by method is filled in already.
        response_body: a field's name, or empty for the whole message.
        timeout: seconds; None where the gateway's ``request_timeout`` holds.
        exclude: method names left out of a whole service (the option ``except``).
    """

    name: str
    place: Place = field(compare=False, repr=False)
    method: str | None
    path: str | None
    rpc_service: str | None
    rpc_method: str | None
    backend: str
    body: str
    response_body: str
    timeout: float | None
    exclude: tuple[str, ...]

    @property
    def whole_service(self) -> bool:
        """Whether this stands for all methods of a gRPC service."""
        return self.rpc_method == "*"


@dataclass(frozen=True, slots=True)
class Service:
    """A ``[service:NAME]`` section with its environments and APIs.

    Attributes:
        hosts: lower case, ``*.`` at the front for a wildcard; empty for any host.
        openapi: the path, behind an environment's prefix, of its OpenAPI document; None for nowhere.
        docs: the path, behind an environment's prefix, of the page to read that document on; None for nowhere.
    """

    name: str
    place: Place = field(compare=False, repr=False)
    description: str
    hosts: tuple[str, ...]
    http: bool
    https: bool
    environments: Mapping[str, Environment]
    apis: Mapping[str, Api]
    openapi: str | None = None
    docs: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A ``[backend:NAME]`` section.

    Attributes:
        targets: gRPC names or ``host:port``; one URL for ``http`` and ``https``.
        max_in_flight: calls at a time; None where only the gateway's own limit holds.
        server_name: the name verified and sent as ``:authority``; None where the target's own is.
    """

    name: str
    place: Place = field(compare=False, repr=False)
    protocol: Protocol
    targets: tuple[str, ...]
    load_balancing: str
    max_in_flight: int | None
    ca: Path | None
    certificate: Path | None
    private_key: Path | None
    server_name: str | None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A ``[plugin:NAME]`` section; each type has its own subclass (`twistedgw.config.plugins`)."""

    name: str
    place: Place = field(compare=False, repr=False)
    type: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A ``[binding:NAME]`` section; `apis` is None for ``*``."""

    name: str
    place: Place = field(compare=False, repr=False)
    plugin: str
    service: str
    environment: str
    apis: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration.

    Attributes:
        files: every INI file that was read, in order.
    """

    gateway: Gateway
    listeners: Mapping[str, Listener]
    admin: Admin | None
    services: Mapping[str, Service]
    backends: Mapping[str, Backend]
    plugins: Mapping[str, Plugin]
    bindings: Mapping[str, Binding]
    files: tuple[Path, ...]
