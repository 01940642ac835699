"""Which reactor runs. Must be imported, and asked, before anything that imports the reactor itself."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["install_reactor"]


def install_reactor() -> None:
    """Install the asyncio reactor, on uvloop where that is installed, unless a reactor was chosen already."""
    if "twisted.internet.reactor" in sys.modules:
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
