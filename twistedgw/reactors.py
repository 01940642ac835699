"""Which reactor runs. Must be imported, and asked, before anything that imports the reactor itself."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

__all__ = ["OWN", "install_reactor", "reactor_name"]

OWN = "twistedgw"
"""The name of the reactor that `install_reactor` chooses by itself."""

_chosen: list[str] = []


def install_reactor(name: str = OWN) -> None:
    """Install a reactor, unless one was chosen already.

    Args:
        name: `OWN` for the asyncio reactor, on uvloop where that is installed; otherwise the module of a reactor.
    """
    if "twisted.internet.reactor" in sys.modules:
        return
    if name != OWN:
        importlib.import_module(name).install()
        return
    from twisted.internet import asyncioreactor

    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    _chosen.append(OWN)


def reactor_name(reactor: Any) -> str:
    """Give the name by which another process can install the same reactor as this one has."""
    return _chosen[0] if _chosen else type(reactor).__module__
