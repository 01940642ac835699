"""From a ``[backend:NAME]`` section to gRPC channels: their names, their options, how they are opened."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from twistedgw import __version__
from twistedgw.backends.credentials import Tls, read_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twistedgw.config.model import Backend

__all__ = ["Dial", "Recipe", "blocking_state", "open_aio", "open_blocking", "open_channel", "recipe"]


Option = tuple[str, "str | int"]

INT_MAX = 2**31 - 1
INITIAL_BACKOFF_MS = 100
MAX_BACKOFF_MS = 5_000
CONNECT_TIMEOUT_MS = 5_000
KEEPALIVE_TIME_MS = 310_000
"""Just above the five minutes that servers tolerate by default. It matters less for the pings than because it makes
the kernel give up a connection whose sent bytes stay unacknowledged for `KEEPALIVE_TIMEOUT_MS`."""
KEEPALIVE_TIMEOUT_MS = 20_000
_STATES = {state.value[0]: state.name.lower() for state in grpc.ChannelConnectivity}


@dataclass(frozen=True, slots=True)
class Dial:
    """One gRPC channel that is to be opened.

    Attributes:
        target: the name that gRPC resolves.
        options: channel arguments.
    """

    target: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes the channels of a backend; equal recipes make equal channels.

    Attributes:
        dials: one channel, or several where gRPC has no single name for all targets.
        round_robin: whether calls go to the channels in turn, rather than to the first that is healthy.
        tls: None for plain text.
    """

    dials: tuple[Dial, ...]
    round_robin: bool
    tls: Tls | None


def recipe(backend: Backend, max_response_message: int, read: Callable[[Path], bytes] = Path.read_bytes) -> Recipe:
    """Make the recipe of a gRPC backend, reading its certificate files. Any thread; opens nothing.

    Args:
        backend: of protocol ``grpc`` or ``grpcs``.
        max_response_message: bytes.
        read: gives the content of a file, or raises OSError.

    Raises:
        ConfigError: a certificate file cannot be read or used.
    """
    tls = read_tls(backend, read) if backend.protocol.is_tls else None
    common = _options(backend, max_response_message)
    dials = []
    for target, authority in _targets(backend):
        name = (("grpc.default_authority", authority),) if authority else ()
        dials.append(Dial(target, (*common, *name)))
    return Recipe(tuple(dials), backend.load_balancing == "round_robin", tls)


def open_blocking(dial: Dial, tls: Tls | None) -> grpc.Channel:
    """Open a channel for threads. Never before a fork."""
    if tls is None:
        return grpc.insecure_channel(dial.target, dial.options)
    return grpc.secure_channel(dial.target, tls.credentials(), dial.options)


def open_aio(dial: Dial, tls: Tls | None) -> grpc.aio.Channel:
    """Open a channel for the running event loop. Never before a fork."""
    if tls is None:
        return grpc.aio.insecure_channel(dial.target, dial.options)
    return grpc.aio.secure_channel(dial.target, tls.credentials(), dial.options)


def blocking_state(channel: grpc.Channel, *, connect: bool = False) -> str:
    """Give the state of a blocking channel; with `connect`, wake it where it is idle. Any thread.

    The public way, ``subscribe()``, costs a thread for each channel that wakes up five times a second.
    """
    core = getattr(channel, "_channel", None)
    try:
        return _STATES[core.check_connectivity_state(connect)]  # type: ignore[union-attr]
    except AttributeError:
        return "idle"  # a grpcio that keeps it elsewhere; calls go on all the same


def open_channel(backend: Backend, max_response_message: int = INT_MAX) -> grpc.Channel:
    """Open a blocking channel to a backend (its first target where gRPC has no name for all): for server reflection.

    Any thread, but never before a fork. The caller closes it.

    Raises:
        ConfigError: a certificate file cannot be read or used.
    """
    made = recipe(backend, max_response_message)
    return open_blocking(made.dials[0], made.tls)


def _options(backend: Backend, max_response_message: int) -> tuple[Option, ...]:
    service_config = json.dumps({"loadBalancingConfig": [{backend.load_balancing: {}}]})
    options: list[Option] = [
        ("grpc.primary_user_agent", f"twistedgw/{__version__}"),
        ("grpc.max_receive_message_length", min(max_response_message, INT_MAX)),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_http_proxy", 0),
        # The bandwidth probe lets a stalled stream read megabytes ahead of its client.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.initial_reconnect_backoff_ms", INITIAL_BACKOFF_MS),
        ("grpc.max_reconnect_backoff_ms", MAX_BACKOFF_MS),
        # In spite of its name this is the time that one attempt to connect, handshake included, is given at least.
        ("grpc.min_reconnect_backoff_ms", CONNECT_TIMEOUT_MS),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.service_config", service_config),
        ("grpc.service_config_disable_resolution", 1),
    ]
    if backend.server_name and backend.protocol.is_tls:
        options.append(("grpc.ssl_target_name_override", backend.server_name))
    return tuple(options)


def _targets(backend: Backend) -> list[tuple[str, str | None]]:
    """Give each channel's name and ``:authority`` (None for gRPC's own choice)."""
    targets = backend.targets
    if len(targets) > 1 and (backend.server_name or not backend.protocol.is_tls):
        joined = _joined(targets)
        if joined is not None:
            return [(joined[0], backend.server_name or joined[1])]
    return [(target, backend.server_name) for target in targets]


def _joined(targets: Sequence[str]) -> tuple[str, str] | None:
    """Give gRPC's one name for a list of addresses of one family, and its first address; None where there is none.

    Not for TLS without a `server_name`: gRPC would look for the whole list in the server's certificate.
    """
    found = [_address(target) for target in targets]
    addresses = [address for address in found if address is not None]
    families = {family for family, _ in addresses}
    if len(addresses) < len(targets) or len(families) != 1:
        return None
    return f"{families.pop()}:" + ",".join(text for _, text in addresses), addresses[0][1]


def _address(target: str) -> tuple[str, str] | None:
    """Give family and ``address:port`` of a target that is an IP address; None for any other."""
    text = target
    for scheme in ("ipv4:", "ipv6:", "dns:///"):
        text = text.removeprefix(scheme)
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or "%" in host:
        return None
    try:
        if host.startswith("[") and host.endswith("]"):
            return "ipv6", f"[{ipaddress.IPv6Address(host[1:-1])}]:{port}"
        return "ipv4", f"{ipaddress.IPv4Address(host)}:{port}"
    except ValueError:
        return None
