"""Which of the two bridges it is."""

from __future__ import annotations

from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from twistedgw.backends.asyncio_bridge import AsyncioBridge
from twistedgw.backends.thread_bridge import ThreadBridge
from twistedgw.config.model import Bridge
from twistedgw.errors import ConfigError, Problem

__all__ = ["make_bridge"]


def make_bridge(
    kind: Bridge, *, threads: int, max_in_flight: int, max_response_message: int, reactor: Any
) -> AsyncioBridge | ThreadBridge:
    """Make the bridge for a reactor. Starts and opens nothing, so it may be done before a fork.

    Args:
        kind: `Bridge.AUTO` is asyncio where Twisted's asyncio reactor runs, threads elsewhere.
        threads: size of the thread bridge's pool, and of the one for streams that need a thread each.
        max_in_flight: calls at a time, over all backends.
        max_response_message: bytes.
        reactor: the one that will run.

    Raises:
        ConfigError: the asyncio bridge cannot work on this reactor.
    """
    on_asyncio = isinstance(reactor, AsyncioSelectorReactor)
    if kind is Bridge.ASYNCIO and not on_asyncio:
        message = f"the asyncio bridge needs Twisted's asyncio reactor, and this is {type(reactor).__name__}"
        hint = "start twistd with --reactor=asyncio, or set bridge = auto"
        raise ConfigError([Problem(file="", line=0, section="gateway", option="bridge", message=message, hint=hint)])
    if kind is Bridge.THREAD or not on_asyncio:
        return ThreadBridge(
            reactor, threads=threads, max_in_flight=max_in_flight, max_response_message=max_response_message
        )
    return AsyncioBridge(
        reactor, threads=threads, max_in_flight=max_in_flight, max_response_message=max_response_message
    )
