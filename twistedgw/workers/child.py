"""One worker: serves what its parent tells it to, and ends when the parent says so or is gone."""

from __future__ import annotations

import os
import pickle
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import connectionDone
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from twistedgw.assembly import Assembly, gateway_bridge
from twistedgw.errors import ConfigError
from twistedgw.material import Material
from twistedgw.metrics import Tally
from twistedgw.serving import Serving
from twistedgw.workers import commands
from twistedgw.workers.sockets import Adopting

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from twisted.python.failure import Failure

    from twistedgw.assembly import Assembled
    from twistedgw.gateway import BackendState
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.workers.logs import Shipper

__all__ = ["Child", "Self"]

_LONGEST_REASON = 15_000
"""Characters; an answer over AMP has at most 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Self:
    """What a worker knows of itself.

    Attributes:
        generation: 0 where it serves none yet.
    """

    generation: int = 0
    in_flight: int = 0
    connections: int = 0
    tally: Tally = field(default_factory=Tally)
    backends: Sequence[BackendState] = ()


class Child(commands.Conversation):
    """The worker's end of the connection to its parent. Reactor thread only."""

    _log = Logger(namespace="twistedgw.workers")

    def __init__(self, reactor: Any, shipper: Shipper, number: int, count: int) -> None:
        super().__init__()
        self._reactor = reactor
        self._shipper = shipper
        self._number = number
        self._count = count
        self._assembly = Assembly(Path(), lambda config: gateway_bridge(config, reactor), reactor, {})
        self._opening = Adopting(reactor)
        self._pool = ThreadPool(0, 1, "twistedgw-build")
        self._serving: Serving | None = None
        self._prepared: tuple[Assembled, Any] | None = None
        self._ending: list[Deferred[int]] | None = None
        self._over = False

    def connectionMade(self) -> None:
        """Begin (`IProtocol`)."""
        self._pool.start()
        self._shipper.connect(self.transport, lambda events: self.callRemote(commands.Logs, events=events))
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._leave))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End, since the parent is gone (`IProtocol`)."""
        super().connectionLost(reason)
        if self._over:
            self._reactor.stop()
        else:
            self._end(None)

    # -- generations

    @commands.Take.responder
    def take(self, endpoint: str, unix: bool, socket: int) -> dict[str, Any]:
        """Keep a listening socket for the next generation."""
        self._opening.take(endpoint, socket, unix_socket=unix)
        return {}

    @commands.Prepare.responder
    @inlineCallbacks
    def prepare(self, material: int, size: int) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """Build a generation beside the one that serves."""
        live = self._serving.registry.live if self._serving is not None else []
        previous = live[-1] if live else None
        try:
            fresh = yield deferToThreadPool(self._reactor, self._pool, self._build, material, size, previous)
            bound = yield self._started().listeners.bind(fresh.listening)
        except ConfigError as error:
            raise commands.Refused(error.report()[:_LONGEST_REASON]) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the old generation goes on
            self._log.failure("bug while a worker builds a generation")
            raise commands.Refused(f"{type(error).__name__}: {error}"[:_LONGEST_REASON]) from None
        self._prepared = (fresh, bound)
        return {}

    def _build(self, descriptor: int, size: int, previous: Snapshot | None) -> Assembled:
        try:
            data = commands.read_file(descriptor, size)
        finally:
            os.close(descriptor)
        return self._assembly.rebuild(Material.unpack(data), previous)

    def _started(self) -> Serving:
        if self._serving is None:
            bridge = self._assembly.bridge
            self._serving = Serving(
                bridge, self._reactor, opening=self._opening, number=self._number, count=self._count
            )
            bridge.start()
        return self._serving

    @commands.Commit.responder
    def commit(self) -> dict[str, Any]:
        """Serve what was prepared."""
        assert self._prepared is not None, "nothing was prepared"
        (fresh, bound), self._prepared = self._prepared, None
        if self._ending is None:
            self._started().publish(fresh, bound)
        return {}

    @commands.Abandon.responder
    def abandon(self) -> dict[str, Any]:
        """Forget what was prepared; nothing of it has opened a channel."""
        self._opening.forget()
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._started().listeners.discard(prepared[1])
        return {}

    # -- looking

    @commands.Report.responder
    def report(self, into: int) -> dict[str, Any]:
        """Write a `Self` into a file."""
        try:
            return {"size": commands.write_file(into, pickle.dumps(self._self()))}
        finally:
            os.close(into)

    def _self(self) -> Self:
        serving = self._serving
        if serving is None or not serving.registry.live:
            return Self()
        return Self(
            generation=serving.registry.snapshot.generation,
            in_flight=serving.registry.in_flight,
            connections=serving.connections,
            tally=serving.metrics.tally,
            backends=serving.backends(),
        )

    # -- the end

    def _leave(self) -> None:
        self._log.info("a signal tells this worker to end")
        self.callRemote(commands.Leaving).addErrback(lambda _: None)
        self._end(None)

    @commands.Close.responder
    @inlineCallbacks
    def close(self) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """Accept no more connections."""
        if self._serving is not None:
            yield self._serving.listeners.close()
        return {}

    @commands.Drain.responder
    @inlineCallbacks
    def drain(self, timeout: float) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        """Answer what is on its way, then end."""
        cut = yield self._end(timeout)
        return {"cut": cut}

    def _end(self, timeout: float | None) -> Deferred[int]:
        """Drain and end, once, however often it is asked for; gives how many requests were cut off."""
        waiting: Deferred[int] = Deferred()
        if self._ending is not None:
            self._ending.append(waiting)
            return waiting
        self._ending = asked = [waiting]

        def ended(cut: int) -> None:
            for each in asked:
                each.callback(cut)
            self._reactor.callLater(0, self._say_goodbye)

        self._run_down(timeout).addCallback(ended)
        return waiting

    @inlineCallbacks
    def _run_down(self, timeout: float | None) -> Generator[Deferred[Any], Any, int]:
        cut = 0
        serving = self._serving
        try:
            if serving is not None and serving.registry.live:
                if timeout is None:
                    timeout = serving.registry.snapshot.config.gateway.drain_timeout
                yield serving.listeners.close()
                cut = yield serving.drain(timeout)
                yield serving.stop()
        except Exception:  # noqa: BLE001 - it ends whatever happens
            self._log.failure("bug while a worker ends")
        return cut

    def _say_goodbye(self) -> None:
        """Let the last log events out; the process ends when they have gone."""
        self._shipper.flush()
        self._pool.stop()
        self._over = True
        transport: Any = self.transport
        if transport is None or not transport.connected:
            self._reactor.stop()
            return
        transport.unregisterProducer()
        transport.loseConnection()
