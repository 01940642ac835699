"""A stream between a client and a backend: each side at the pace of the other."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedgw.backends.call import Result
from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import INTERNAL
from twistedgw.status import Code
from twistedgw.web.gathering import GATHER_BYTES, GATHER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message
    from twisted.internet.interfaces import IDelayedCall

    from twistedgw.backends.call import Bridge, Metadata, Stream, StreamCall
    from twistedgw.backends.failures import CallError
    from twistedgw.frontends.exchange import Ending, Reply, StreamExchange
    from twistedgw.web.gathering import Gathering
    from twistedgw.web.request import Request

__all__ = ["Outcome", "Relay"]

_LEFT = 499
"""The status that is logged for a client that left before its answer began."""
_TURN_SECONDS = 0.005
"""How long one part of a body may keep the reactor; small messages are many."""


class Outcome(NamedTuple):
    """How a stream ended.

    Attributes:
        status: of HTTP.
        code: of gRPC.
        received: bytes of the request's body.
        sent: bytes of the answer's body.
        messages: how many came from the client, and how many went to it.
    """

    status: int
    code: int
    received: int
    sent: int
    messages: tuple[int, int]


@implementer(IPushProducer)
class Relay:
    """One request that becomes a stream: a `BodySink` for its body and a `Receiver` for the backend's messages.

    Reactor thread only. Nothing is collected: of the request there is held what has been read of one part of its body,
    while the backend takes no more; of the answer nothing, since the backend is paused when the connection is full.
    """

    __slots__ = (
        "_backlog",
        "_begun",
        "_bridge",
        "_call",
        "_came",
        "_code",
        "_complete",
        "_cutting",
        "_end",
        "_exchange",
        "_fed",
        "_full",
        "_gathered",
        "_gathered_size",
        "_gathering",
        "_initial",
        "_items",
        "_message",
        "_over",
        "_received",
        "_request",
        "_request_id",
        "_seconds",
        "_sent",
        "_size",
        "_starved",
        "_status",
        "_stream",
        "_timer",
        "_written",
    )
    _log = Logger(namespace="twistedgw.relay")
    _call: StreamCall

    def __init__(
        self,
        request: Request,
        exchange: StreamExchange,
        bridge: Bridge,
        request_id: str,
        end: Callable[[Outcome], None],
    ) -> None:
        """Take a request over; `begin` is next.

        Args:
            request: its body is fed here.
            exchange: reads and writes the wire format.
            bridge: makes the call.
            request_id: for the answer's fields and the log.
            end: called once.
        """
        self._request = request
        self._exchange = exchange
        self._bridge = bridge
        self._request_id = request_id
        self._end: Callable[[Outcome], None] | None = end
        self._seconds: Callable[[], float] = request.site.reactor.seconds
        self._stream: Stream | None = None
        self._items: Iterator[Message] | None = None
        self._backlog: deque[bytes] = deque()
        self._message: Message | None = None
        self._initial: Metadata = ()
        self._timer: IDelayedCall | None = None
        self._written = -inf
        self._gathering: Gathering | None = request.site.gathering
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._code = int(Code.CANCELLED)
        self._status = self._came = self._size = self._received = self._sent = 0
        self._complete = self._fed = self._starved = False
        self._begun = self._full = self._over = self._cutting = False

    def begin(self, max_message: int) -> None:
        """Read the head, and begin the call if its requests stream.

        Args:
            max_message: bytes that one message of the request may have.
        """
        try:
            self._request.on_disconnect = self._left
            self._call = self._exchange.open(max_message=max_message)
            if self._call.method.client_streaming:
                self._gathering = None  # a client may wait for one message before it sends another
                self._call_backend()
        except GatewayError as error:
            self._give_up(error)
        except Exception:  # noqa: BLE001 - nothing may escape into a page of Twisted's own
            self._bug()

    def _call_backend(self) -> Stream:
        stream = self._stream = self._bridge.stream(self._call, self)
        within = self._exchange.start_within
        if within is not None and not self._exchange.single:
            self._timer = self._request.site.reactor.callLater(within, self._start_late)
        return stream

    # -- BodySink: what the client sends

    @property
    def patient(self) -> bool:
        """Whether the client may be silent: once its answer has begun, it may have come to listen (`BodySink`)."""
        return self._begun and not self._over

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the request's body."""
        self._came += len(data)
        if not self._over:
            self._backlog.append(data)
            if not self._starved:
                self._pump()

    def finished(self) -> None:
        """Learn that the request's body is complete."""
        self._complete = True
        if not self._over and not self._starved:
            self._pump()

    def aborted(self, reason: Failure) -> None:
        """Learn that the rest of the body will not come."""
        if isinstance(reason.value, GatewayError):
            self._give_up(reason.value)
        else:
            self._left(reason)

    def ready(self) -> None:
        """Learn that the backend takes more requests (`Receiver`)."""
        if self._over or not self._starved:
            return
        self._starved = False
        self._pump()
        if not self._starved and not self._over and not self._complete:
            self._request.resume_body()

    def _pump(self) -> None:
        """Send the requests that have come, as many as the backend takes."""
        try:
            while not self._over and self._send_items() and self._next_items():
                pass
        except GatewayError as error:
            self._give_up(error)
        except Exception:  # noqa: BLE001 - as in begin
            self._bug()

    def _next_items(self) -> bool:
        """Read the next part of the body; give whether there was one."""
        if self._backlog:
            self._items = iter(self._exchange.feed(self._backlog.popleft()))
        elif self._complete and not self._fed:
            self._fed = True
            self._items = iter(self._exchange.feed_end())
        else:
            if self._fed:
                (self._stream or self._call_backend()).half_close()
            return False
        return True

    def _send_items(self) -> bool:
        """Send what was read of a part of the body; give whether it was all."""
        items = self._items
        if items is not None:
            until = self._seconds() + _TURN_SECONDS
            for message in items:
                stream = self._stream or self._call_backend()
                self._received += 1
                if not stream.send(message):
                    self._starve()
                    return False
                if self._over:
                    return False
                if self._seconds() >= until:
                    self._starve()
                    self._request.site.reactor.callLater(0, self.ready)
                    return False
            self._items = None
        return True

    def _starve(self) -> None:
        """Let the client wait until `ready` is called."""
        if not self._over:
            self._starved = True
            if not self._complete:
                self._request.pause_body()

    # -- Receiver: what the backend sends

    def headers(self, metadata: Metadata) -> None:
        """Take the backend's headers (`Receiver`)."""
        if self._over:
            return
        self._initial = metadata
        if self._exchange.start_within is not None:
            self._start_late()

    def message(self, message: Message) -> None:
        """Write a message (`Receiver`)."""
        if self._over:
            return
        try:
            if self._exchange.single:
                self._message = message
                return
            data = self._exchange.message(message)
            if not self._begun:
                self._start()
            self._sent += 1
            self._gather(data)
        except GatewayError as error:
            self._give_up(error)
        except Exception:  # noqa: BLE001 - as in begin
            self._bug()

    def ended(self, error: CallError | None, trailing: Metadata) -> None:
        """Learn that the call is over (`Receiver`)."""
        if self._over:
            return
        try:
            if error is not None:
                self._tell(error)
            elif self._exchange.single:
                self._reply(trailing)
            else:
                self._close(trailing)
        except GatewayError as problem:
            self._give_up(problem)
        except Exception:  # noqa: BLE001 - as in begin
            self._bug()

    def _reply(self, trailing: Metadata) -> None:
        assert self._message is not None, "a call that ended with OK has a message"
        reply = self._exchange.reply(Result(self._message, self._initial, trailing))
        self._sent = 1
        self._code = Code.OK
        self._respond(reply)

    def _close(self, trailing: Metadata) -> None:
        if not self._begun:
            self._start()
        ending = self._exchange.end(trailing)
        if ending.data or self._gathered:
            self._write(ending.data)
        self._code = Code.OK
        self._finish(ending)

    # -- the answer

    def _start_late(self) -> None:
        """Send the head though no message has come."""
        if self._over or self._begun or self._exchange.single:
            return
        try:
            self._start()
        except Exception:  # noqa: BLE001 - as in begin
            self._bug()

    def _start(self) -> None:
        status, fields, data = self._exchange.start(self._initial)
        self._stop_timer()
        self._status = status
        self._request.start(status, [*fields, (b"x-request-id", self._request_id.encode("ascii"))])
        self._begun = True
        if data:
            self._request.write(data)
            self._size += len(data)
        heartbeat = self._exchange.heartbeat
        if heartbeat is not None:
            self._timer = self._request.site.reactor.callLater(heartbeat[0], self._beat)
        self._request.registerProducer(self, True)

    def _gather(self, data: bytes) -> None:
        """Write a message: at once after some silence, otherwise with those that follow."""
        gathered = self._gathered
        if gathered:
            gathered.append(data)
            self._gathered_size += len(data)
            if self._gathered_size >= GATHER_BYTES:
                self._write(b"")
            return
        if self._gathering is None or len(data) >= GATHER_BYTES:
            self._write(data)
            return
        now = self._seconds()
        if now - self._written >= GATHER_SECONDS:
            self._written = now
            self._size += len(data)
            self._request.write(data)
        else:
            gathered.append(data)
            self._gathered_size = len(data)
            self._gathering.add(self._flush)

    def _flush(self) -> None:
        if self._gathered and self._end is not None:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        """Write, after all that was gathered."""
        if self._gathered:
            self._gathered.append(data)
            data = b"".join(self._gathered)
            self._gathered.clear()
        self._written = self._seconds()
        self._size += len(data)
        self._request.write(data)

    def _beat(self) -> None:
        """Write a sign of life where nothing else was written for a while; one timer looks again and again."""
        self._timer = None
        heartbeat = self._exchange.heartbeat
        assert heartbeat is not None
        seconds, data = heartbeat
        now = self._seconds()
        if self._full:
            self._written = now
        elif now >= self._written + seconds:
            self._write(data)
        self._timer = self._request.site.reactor.callLater(self._written + seconds - now, self._beat)

    def pauseProducing(self) -> None:
        """Let the backend wait: the connection has enough (`IPushProducer`)."""
        self._full = True
        if self._stream is not None:
            self._stream.pause()

    def resumeProducing(self) -> None:
        """Let the backend go on (`IPushProducer`)."""
        self._full = False
        if self._cutting:
            self._cut()
        elif self._stream is not None:
            self._stream.resume()

    def stopProducing(self) -> None:
        """Give the call up: nothing can be written any more (`IPushProducer`)."""
        self._left(None)

    # -- the end

    def _left(self, _reason: Failure | None) -> None:
        """Learn that the client has left."""
        over, self._over = self._over, True
        if not over and self._stream is not None:
            self._stream.cancel()
        self._conclude(self._status or _LEFT, self._code)

    def _give_up(self, error: GatewayError) -> None:
        """End the call for a reason of this side."""
        if self._over:
            return
        self._over = True
        if self._stream is not None:
            self._stream.cancel()
        try:
            self._tell(error)
        except Exception:  # noqa: BLE001 - as in begin
            self._bug()

    def _bug(self) -> None:
        self._log.failure("bug while relaying a stream (request {id})", Failure(), id=self._request_id)
        if not self._over:
            self._give_up(INTERNAL)
        elif self._end is not None:  # it is in the way of telling the error
            self._code = INTERNAL.code
            self._cut()

    def _tell(self, error: GatewayError | CallError) -> None:
        """Tell the client of an error."""
        self._over = True
        self._code = error.code
        if not self._begun:
            self._respond(self._exchange.failure(error))
            return
        ending = self._exchange.break_off(error)
        self._write(ending.data)
        if not ending.cut:
            self._finish(ending)
        elif self._full:
            self._cutting = True  # once the client has read what there is
        else:
            self._cut()

    def _respond(self, reply: Reply) -> None:
        self._let_go()
        self._size += len(reply.body)
        fields = [*reply.fields, (b"x-request-id", self._request_id.encode("ascii"))]
        self._request.respond(reply.status, fields, reply.body, reply.trailers)
        self._conclude(reply.status, self._code)

    def _finish(self, ending: Ending) -> None:
        self._let_go()
        self._request.finish_stream(ending.trailers)
        self._conclude(self._status, self._code)

    def _cut(self) -> None:
        self._let_go()
        self._conclude(self._status or INTERNAL.http_status, self._code)
        self._request.abort()

    def _let_go(self) -> None:
        """Neither read nor wait for the client any more."""
        self._over = True
        if self._begun:
            self._request.unregisterProducer()
        if self._starved and not self._complete:  # a channel of Twisted's own ends no answer before the body has come
            self._request.resume_body()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _conclude(self, status: int, code: int) -> None:
        """Forget everything, and tell of the end, once."""
        self._stop_timer()
        self._items = self._stream = self._message = None
        self._backlog.clear()
        self._gathered.clear()
        end, self._end = self._end, None
        if end is not None:
            end(Outcome(status, code, self._came, self._size, (self._received, self._sent)))
