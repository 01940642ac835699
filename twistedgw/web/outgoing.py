"""What goes out on one HTTP/1 connection, at the pace of the client."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twistedgw.web.limits import SLICE
from twistedgw.web.peer import bytes_taken

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outgoing", "hasten"]


@implementer(IPushProducer)
class Outgoing:
    """Gives the transport no more than it takes, and lets whoever makes an answer wait. Reactor thread only.

    Attributes:
        full: the transport has enough.
        stalled: when to lose patience with a client that does not read; seconds of the reactor.
        socket: the transport, where it is a socket without any wrapper.
    """

    __slots__ = (
        "_drained",
        "_patience",
        "_producer",
        "_pulls",
        "_queue",
        "_taken",
        "_transport",
        "full",
        "socket",
        "stalled",
    )

    def __init__(self, transport: Any, patience: Callable[[], float], drained: Callable[[], None]) -> None:
        """Begin with a connection.

        Args:
            transport: where everything goes.
            patience: gives the time until which a client may take nothing, counted from now.
            drained: called when the transport takes more again.
        """
        self.full = False
        self.stalled = inf
        self.socket: Connection | None = None
        if isinstance(transport, Connection) and not transport.TLS:
            self.socket = transport
        else:
            hasten(transport)
        self._transport = transport
        self._patience = patience
        self._drained = drained
        self._queue: list[memoryview] = []
        self._producer: Any = None
        self._pulls = False
        self._taken: int | None = None
        transport.registerProducer(self, True)

    @property
    def pending(self) -> bool:
        """Whether there are slices that wait for the transport."""
        return bool(self._queue)

    def send(self, data: bytes) -> None:
        """Write bytes after all others.

        They go to the socket at once where nothing is waiting: the reactor would ask for two more system calls and
        another turn. What does not fit is given to the transport in slices.
        """
        if self._queue:
            self._queue.append(memoryview(data))
            return
        socket = self.socket
        sent = 0
        if socket is not None and not socket.dataBuffer and not socket._tempDataBuffer and socket.connected:  # noqa: SLF001
            taken = socket.writeSomeData(data)
            if taken == len(data):
                return
            sent = _send_rest(socket, data, taken)
        if len(data) - sent <= SLICE:
            if sent < len(data):
                self._transport.write(data[sent:])
        else:
            self._queue.append(memoryview(data)[sent:])
            self._pump()

    def _pump(self) -> None:
        """Give the transport as much as it takes."""
        queue = self._queue
        while queue and not self.full:
            first = queue[0]
            if len(first) > SLICE:
                queue[0] = first[SLICE:]
                first = first[:SLICE]
            else:
                del queue[0]
            self._transport.write(bytes(first))

    # -- IPushProducer, for the transport

    def pauseProducing(self) -> None:
        """Learn that the transport has enough."""
        if not self.full:
            self.full = True
            self._taken = bytes_taken(self._transport)
            self.stalled = self._patience()
            if self._producer is not None:
                self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Learn that the transport takes more."""
        self.full = False
        self._pump()
        if self.full:
            return
        self.stalled = inf
        if self._producer is not None:
            self._producer.resumeProducing()
        self._drained()

    def stopProducing(self) -> None:
        """Learn that nothing can be written any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    # -- for whoever makes an answer

    def register(self, producer: Any, *, streaming: bool) -> None:
        """Let the client's pace govern a producer.

        Args:
            producer: told to pause and to resume where it is `streaming`, else asked for each part.
            streaming: whether it goes on by itself.
        """
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        self._pulls = not streaming
        self._producer = producer
        if self._pulls:
            self._producer = producer = _PullToPush(producer, _Consumer(self))
            producer.startStreaming()
        if self.full:
            producer.pauseProducing()

    def unregister(self) -> None:
        """Forget the producer."""
        producer, self._producer = self._producer, None
        if producer is not None and self._pulls:
            producer.stopStreaming()

    # -- the end

    def has_patience(self) -> bool:
        """Tell whether a client that was given its time has taken anything; if so, give it more."""
        taken = bytes_taken(self._transport)
        if taken == self._taken:
            return False
        self._taken = taken
        self.stalled = self._patience()
        return True

    def release(self) -> None:
        """Let the transport go; it may still have something to write."""
        self.stalled = inf
        self.unregister()
        self._transport.unregisterProducer()

    def drop(self) -> None:
        """Forget what has not been given to the transport."""
        self.stalled = inf
        self.socket = None
        self._queue = []
        self.stopProducing()


def hasten(transport: Any) -> None:
    """Let TLS give its bytes to the socket at once where nothing is waiting, as `Outgoing.send` does without TLS.

    Args:
        transport: of a server protocol; nothing changes where it is not TLS right above a socket.
    """
    socket = getattr(transport, "transport", None)
    if isinstance(transport, TLSMemoryBIOProtocol) and isinstance(socket, Connection) and not socket.TLS:
        socket.write = partial(_write, socket)  # type: ignore[method-assign]


def _write(socket: Connection, data: bytes) -> None:
    if socket.connected and not socket.disconnecting and not socket.dataBuffer and not socket._tempDataBuffer:  # noqa: SLF001
        taken = socket.writeSomeData(data)
        if taken == len(data):
            return
        if isinstance(taken, int) and taken > 0:
            data = data[taken:]
    type(socket).write(socket, data)


class _Consumer:
    """What a pull producer's adapter asks of its consumer."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    def unregisterProducer(self) -> None:
        self._outgoing.unregister()


def _send_rest(socket: Connection, data: bytes, taken: Any) -> int:
    """Go on as long as the socket takes whole portions; give how many bytes it has taken in all."""
    sent = 0
    view = memoryview(data)
    while isinstance(taken, int) and taken > 0:  # an error will be met again, and dealt with, by the reactor
        sent += taken
        if taken < socket.SEND_LIMIT or sent == len(data):
            break
        taken = socket.writeSomeData(view[sent:])  # type: ignore[arg-type]
    return sent
