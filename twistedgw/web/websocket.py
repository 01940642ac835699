"""A WebSocket between a client and a backend: each side at the pace of the other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import INTERNAL
from twistedgw.frontends.websocket import GOING_AWAY, Event, WebSocketExchange
from twistedgw.status import Code
from twistedgw.web import wire
from twistedgw.web.outgoing import Outgoing
from twistedgw.web.relay import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message
    from twisted.internet.interfaces import IDelayedCall

    from twistedgw.backends.call import Bridge, Metadata, Stream, StreamCall
    from twistedgw.backends.failures import CallError
    from twistedgw.config.model import Gateway
    from twistedgw.frontends.exchange import Head
    from twistedgw.frontends.websocket_handshake import Handshake
    from twistedgw.registry.route import GrpcRoute
    from twistedgw.transcoding.router import Match
    from twistedgw.web.request import Request
    from twistedgw.web.wire import Fields

__all__ = ["WebSocketRelay", "open_websocket"]

_LAST_SECONDS = 1.0
"""How long it may take to get rid of the last bytes where the gateway stops."""
_SWITCHING = 101
_SILENT = 1011
"""The close code for a client that does not answer pings, as other servers have it."""


def open_websocket(
    request: Request,
    head: Head,
    match: Match[GrpcRoute],
    handshake: Handshake,
    gateway: Gateway,
    bridge: Bridge,
    end: Callable[[Outcome], None],
) -> None:
    """Accept a handshake.

    Args:
        request: the handshake; its connection is taken over.
        head: the same.
        match: of the path.
        handshake: what it agrees on.
        gateway: the limits.
        bridge: makes the call.
        end: called once where nothing is raised, when the call is over.

    Raises:
        GatewayError: it cannot be accepted; nothing has happened then.
    """
    exchange = WebSocketExchange(head, match.target, match, handshake)
    call = exchange.open(max_message=gateway.max_request_body)
    relay = WebSocketRelay(
        exchange,
        call,
        bridge,
        request.site.reactor,
        idle=gateway.idle_timeout,
        patience=gateway.body_timeout,
        request_id=head.request_id,
        end=end,
    )
    relay.begin(request, [*handshake.fields, (b"x-request-id", head.request_id.encode("ascii"))])


@implementer(IProtocol, IPushProducer)
class WebSocketRelay:
    """Has the connection after the handshake: its `IProtocol`, and a `Receiver` for the backend's messages.

    Reactor thread only. Nothing is collected: what the client has sent is read one message at a time, and the
    connection is not read while the backend takes no more, or while the client does not take what is sent; the backend
    is paused while the connection is full.
    """

    __slots__ = (
        "_backlog",
        "_bridge",
        "_call",
        "_closing",
        "_code",
        "_end",
        "_exchange",
        "_gone",
        "_hanging_up",
        "_heard",
        "_idle",
        "_items",
        "_messages",
        "_out",
        "_patience",
        "_pumping",
        "_reactor",
        "_reading",
        "_received",
        "_request_id",
        "_sent",
        "_starved",
        "_stream",
        "_timer",
        "_transport",
    )
    _log = Logger(namespace="twistedgw.websocket")
    factory = None
    _out: Outgoing

    def __init__(
        self,
        exchange: WebSocketExchange,
        call: StreamCall,
        bridge: Bridge,
        reactor: Any,
        *,
        idle: float,
        patience: float,
        request_id: str,
        end: Callable[[Outcome], None],
    ) -> None:
        """Make one; `begin` is next.

        Args:
            exchange: opened.
            call: what `exchange.open` gave.
            bridge: makes the call.
            reactor: tells the time.
            idle: seconds of silence after which a client is given up; in half of that it is asked for a sign of life.
            patience: seconds for which a client may read nothing.
            request_id: for the log.
            end: called once.
        """
        self._exchange = exchange
        self._call = call
        self._bridge = bridge
        self._reactor = reactor
        self._idle = idle
        self._patience = patience
        self._request_id = request_id
        self._end: Callable[[Outcome], None] | None = end
        self._transport: Any = None
        self._stream: Stream | None = None
        self._items: Iterator[Message | Event] | None = None
        self._backlog: deque[bytes] = deque()
        self._timer: IDelayedCall | None = None
        self._heard = reactor.seconds()
        self._code = int(Code.CANCELLED)
        self._received = self._sent = 0
        self._messages = [0, 0]
        self._starved = self._closing = self._hanging_up = self._gone = self._pumping = False
        self._reading = True

    def begin(self, request: Request, fields: Fields) -> None:
        """Take the connection over, accept the handshake, and begin the call.

        Args:
            request: the handshake.
            fields: those of the 101.

        Raises:
            GatewayError: the connection cannot be taken over.
        """
        fields = fields if request.amend is None else request.amend(fields)
        try:
            _, leftover = request.take_over(self)
        except RuntimeError:
            raise GatewayError(
                Code.UNIMPLEMENTED, "no WebSocket can be opened on this connection", reason="WEBSOCKET_HANDSHAKE"
            ) from None
        self._out.send(wire.opening(_SWITCHING) + wire.field_lines(fields) + b"\r\n")
        self._look_in(min(self._idle / 2, self._patience))
        self._stream = self._bridge.stream(self._call, self)
        self._items = self._exchange.first()
        if leftover:
            self._backlog.append(leftover)
        self._pump()

    # -- IProtocol: what the client sends

    def makeConnection(self, transport: Any) -> None:
        """Learn of the connection (`IProtocol`)."""
        self._transport = transport
        self._out = Outgoing(transport, lambda: float(self._reactor.seconds() + self._patience), self._drained)
        self._out.register(self, streaming=True)

    def connectionMade(self) -> None:
        """Do nothing more (`IProtocol`)."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client (`IProtocol`)."""
        self._heard = self._reactor.seconds()
        self._received += len(data)
        self._backlog.append(data)
        self._pump()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """Learn that the connection is gone (`IProtocol`)."""
        self._gone = True
        self._stop_timer()
        self._out.drop()
        self._backlog.clear()
        self._cancel()

    def ready(self) -> None:
        """Learn that the backend takes more requests (`Receiver`)."""
        self._starved = False
        self._pump()

    def _pump(self) -> None:
        """Read on as far as the backend and the client let us."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while not (self._starved or self._out.full or self._gone) and self._step():
                pass
        except GatewayError as error:
            self._items = None
            self._give_up(error)
        except Exception:  # noqa: BLE001 - a bug must not leave the client waiting
            self._items = None
            self._bug()
        finally:
            self._pumping = False
        self._regulate()

    def _step(self) -> bool:
        """Take one message or event; give whether there may be more."""
        if self._items is None:
            if not self._backlog:
                return False
            self._items = self._exchange.feed(self._backlog.popleft())
        item = next(self._items, None)
        if item is None:
            self._items = None
            self._answer()
        elif item is Event.LEFT:
            self._cancel()
        elif self._stream is not None:
            self._pass_on(self._stream, item)
        return True

    def _pass_on(self, stream: Stream, item: Any) -> None:
        if item is Event.HALF_CLOSE:
            stream.half_close()
            return
        self._messages[0] += 1
        more = stream.send(item)
        self._starved = not more and self._stream is not None

    def _answer(self) -> None:
        """Send pongs; hang up once the client has closed too, or broke the protocol."""
        self._send(self._exchange.outgoing())
        if self._exchange.is_closed:
            self._backlog.clear()
            self._hang_up()

    def _regulate(self) -> None:
        """Let the client wait, or go on."""
        reading = not (self._starved or self._out.full)
        if reading is not self._reading and not self._gone:
            self._reading = reading
            if reading:
                self._heard = self._reactor.seconds()
                self._transport.resumeProducing()
            else:
                self._transport.pauseProducing()

    # -- Receiver: what the backend sends

    def headers(self, metadata: Metadata) -> None:
        """Do nothing: the head of the answer is long gone (`Receiver`)."""

    def message(self, message: Message) -> None:
        """Write a message (`Receiver`)."""
        if self._stream is None:
            return
        try:
            data = self._exchange.message(message)
        except GatewayError as error:
            self._give_up(error)
        except Exception:  # noqa: BLE001 - as in _pump
            self._bug()
        else:
            self._messages[1] += 1
            self._send(data)

    def ended(self, error: CallError | None, trailing: Metadata) -> None:  # noqa: ARG002
        """Learn that the call is over (`Receiver`)."""
        if self._stream is None:
            return
        self._stream = None
        self._code = int(Code.OK if error is None else error.code)
        try:
            self._close(self._exchange.end() if error is None else self._exchange.error(error))
        except Exception:  # noqa: BLE001 - as in _pump
            self._bug()

    # -- IPushProducer: what the client takes

    def pauseProducing(self) -> None:
        """Let the backend and the client wait: the connection has enough (`IPushProducer`)."""
        if self._stream is not None:
            self._stream.pause()
        self._regulate()

    def resumeProducing(self) -> None:
        """Let the backend go on (`IPushProducer`)."""
        if self._stream is not None:
            self._stream.resume()

    def stopProducing(self) -> None:
        """Give the call up: nothing can be written any more (`IPushProducer`)."""
        self._cancel()

    def _drained(self) -> None:
        if self._hanging_up:
            self._hang_up()
        self._pump()

    def _send(self, data: bytes) -> None:
        if data and not self._gone:
            self._sent += len(data)
            self._out.send(data)

    # -- the end

    def _cancel(self) -> None:
        """Give the call up: nobody waits for it."""
        stream, self._stream = self._stream, None
        self._starved = False
        if stream is not None:
            stream.cancel()
        self._conclude()

    def _give_up(self, error: GatewayError) -> None:
        """End the call for a reason of this side."""
        if self._stream is None:
            return
        self._code = int(error.code)
        self._cancel()
        self._close(self._exchange.error(error))

    def _bug(self) -> None:
        self._log.failure("bug while relaying a WebSocket (request {id})", Failure(), id=self._request_id)
        if self._stream is not None:
            self._give_up(INTERNAL)
        else:
            self.abort()

    def _close(self, data: bytes) -> None:
        """Send the last that there is, a close frame in the end, and wait for the client's."""
        self._starved = False
        self._send(data)
        self._conclude()
        self._closing = True
        self._look_in(self._patience)
        self._pump()

    def _conclude(self) -> None:
        """Tell of the call's end, once."""
        end, self._end = self._end, None
        if end is not None:
            end(Outcome(_SWITCHING, self._code, self._received, self._sent, (self._messages[0], self._messages[1])))

    def _hang_up(self) -> None:
        """Close the connection after all that was sent."""
        self._hanging_up = True
        self._closing = True
        if not self._out.pending and not self._gone:
            self._out.release()
            self._transport.loseConnection()

    def going_away(self) -> None:
        """Close at once, as politely as that goes: the gateway stops."""
        self._cancel()
        self._send(self._exchange.close(GOING_AWAY, "the gateway stops"))
        self._hanging_up = self._closing = True
        self._out.release()
        self._transport.loseConnection()
        self._look_in(_LAST_SECONDS)

    def abort(self) -> None:
        """Cut the connection."""
        self._cancel()
        if not self._gone:
            self._transport.abortConnection()

    # -- time

    def _look_in(self, seconds: float) -> None:
        self._stop_timer()
        if not self._gone:
            self._timer = self._reactor.callLater(seconds, self._look)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        """See whether the client is still there."""
        self._timer = None
        now = self._reactor.seconds()
        if self._closing:
            self._look_while_closing()
            return
        silence = now - self._heard
        if self._out.stalled <= now and not self._out.has_patience():
            self.abort()
            return
        if self._reading and silence >= self._idle:
            self._cancel()
            self._close(self._exchange.close(_SILENT, "no sign of life"))
            return
        if self._reading and silence >= self._idle / 2:
            self._send(self._exchange.ping())
        self._look_in(min(self._idle / 2, self._patience))

    def _look_while_closing(self) -> None:
        """Wait on for a client that is still reading; let go of one that is not, first gently."""
        if not self._out.has_patience():
            if self._hanging_up:
                self.abort()
                return
            self._hang_up()
        self._look_in(self._patience)
