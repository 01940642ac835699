"""How a worker's process begins: what must happen before the reactor may be imported."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

from twistedgw.reactors import install_reactor

__all__ = ["main"]


def main() -> None:
    """Run a worker: its number, how many there are, and the reactor's name are in `sys.argv`."""
    # These may be sent to the whole process group; they are the parent's to act on.
    for signal_number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signal_number, signal.SIG_IGN)
    number, count, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    install_reactor(name)
    from twisted.internet import reactor

    _run(reactor, number, count)


def _run(reactor: Any, number: int, count: int) -> None:
    from twisted.internet.protocol import Factory
    from twisted.logger import globalLogBeginner

    from twistedgw.garbage import tune_garbage_collection
    from twistedgw.workers.child import Child
    from twistedgw.workers.commands import CONNECTION_FD
    from twistedgw.workers.logs import Shipper

    shipper = Shipper(reactor)
    globalLogBeginner.beginLoggingTo([shipper], redirectStandardIO=False)
    os.set_blocking(CONNECTION_FD, False)
    reactor.adoptStreamConnection(
        CONNECTION_FD, socket.AF_UNIX, Factory.forProtocol(lambda: Child(reactor, shipper, number, count))
    )
    os.close(CONNECTION_FD)  # the transport has a duplicate
    tune_garbage_collection()
    reactor.run(installSignalHandlers=False)
