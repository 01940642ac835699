"""Every test runs on Twisted's asyncio reactor, on which both bridges work. It has to be chosen before any import."""

import asyncio

from hypothesis import settings
from twisted.internet import asyncioreactor

LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)
asyncioreactor.install(LOOP)

# How long an example takes is the machine's matter.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
