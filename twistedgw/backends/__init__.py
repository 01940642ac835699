"""Where calls go: channels, and the bridges between the reactor and gRPC."""

from twistedgw.backends.core import prefer_poller

prefer_poller()
