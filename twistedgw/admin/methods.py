"""All methods of the API by their full names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twistedgw.admin.backends import Backends
from twistedgw.admin.bindings import Bindings
from twistedgw.admin.gateway_methods import GatewayMethods
from twistedgw.admin.plugins import Plugins
from twistedgw.admin.services import Services
from twistedgw.admin.tryout import Try
from twistedgw.admin.world import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twistedgw.admin.core import Asked, Core
    from twistedgw.backends.call import Receiver, Stream, StreamCall
    from twistedgw.registry.snapshot import Snapshot

__all__ = ["methods"]


def methods(
    core: Core, world: Snapshot
) -> tuple[dict[str, Callable[[Any, Asked], Awaitable[Any]]], dict[str, Callable[[StreamCall, Receiver], Stream]]]:
    """Give the methods that answer once, and those that stream.

    Raises:
        AttributeError: the .proto has a method that there is none of.
    """
    rooms: dict[str, Any] = {
        "Plugins": Plugins(core),
        "Services": Services(core),
        "Backends": Backends(core),
        "Bindings": Bindings(core),
        "Gateway": GatewayMethods(core, world),
    }
    unary: dict[str, Callable[[Any, Asked], Awaitable[Any]]] = {}
    for name, room in rooms.items():
        for method in world.schemas["admin"].services[f"{PACKAGE}.{name}"].methods:
            if not method.server_streaming:
                unary[method.full_name] = getattr(room, method.name)
    return unary, {f"{PACKAGE}.Gateway.Try": partial(Try, core)}
