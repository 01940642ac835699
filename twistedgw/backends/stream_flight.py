"""Streams on their way, as far as both bridges have them in common."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from google.protobuf.message_factory import GetMessageClass
from twisted.logger import Logger

from twistedgw.backends.failures import CallError, cancelled, unreadable
from twistedgw.backends.flight import Journey
from twistedgw.backends.stubs import parse_as, serialize
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

    from twistedgw.backends.call import Metadata, Receiver, StreamCall
    from twistedgw.backends.flight import Traffic
    from twistedgw.backends.places import Places

__all__ = ["HEADERS_GRACE", "OVERHEAD", "READ_AHEAD", "SEND_AHEAD", "RefusedStream", "StreamFlight"]

HEADERS_GRACE = 0.01
"""Seconds for which empty initial metadata are held back. gRPC's core gives such for a backend that answers with an
error alone (Trailers-Only), immediately before that error."""
READ_AHEAD = 32 * 1024
"""Bytes of messages that are read before they can be delivered, so that messages share wake-ups. One that is larger is
read when there is no other."""
OVERHEAD = 64
"""Bytes that a message counts for besides its own."""
SEND_AHEAD = 32 * 1024
"""Bytes of requests that may wait here before `send` says that it is enough."""
_EACH = 64
"""Bytes that a message counts besides its own, so that there is an end to empty ones too."""

log = Logger()


class StreamFlight(Journey):
    """A `Stream`. Reactor thread only.

    What comes from gRPC is given to the methods with a name in ``_came``; what is to be done is asked of `_fetch` (read
    on), `_flush` (there is something to send) and `_cut`. A bridge adds to `_took` the bytes of messages that it reads,
    on any one thread; `_given` are those that were delivered.
    """

    __slots__ = (
        "_arrived",
        "_count",
        "_delivering",
        "_end",
        "_given",
        "_half_closed",
        "_headers",
        "_headers_timer",
        "_kind",
        "_outgoing",
        "_outgoing_size",
        "_paused",
        "_reactor",
        "_receiver",
        "_single",
        "_starved",
        "_took",
    )

    call: StreamCall

    def __init__(
        self, call: StreamCall, receiver: Receiver, held: Sequence[Places], traffic: Traffic, reactor: Any
    ) -> None:
        """Take the places of a stream.

        Args:
            call: what is to be done.
            receiver: takes what comes back.
            held: places that the stream takes.
            traffic: hears when it is really over.
            reactor: an `IReactorTime`.
        """
        super().__init__(call, held, traffic)
        self._receiver: Receiver | None = receiver
        self._reactor = reactor
        self._kind = GetMessageClass(call.method.output_type)
        self._single = not call.method.server_streaming
        self._paused = False
        self._delivering = False
        self._arrived: deque[bytes] = deque()
        self._count = 0
        self._took = self._given = 0
        self._headers: Metadata | None = None
        self._headers_timer: Any = None
        self._end: tuple[CallError | None, Metadata] | None = None
        self._outgoing: deque[bytes] = deque()
        self._outgoing_size = 0
        self._half_closed = False
        self._starved = False

    # What the caller does.

    def send(self, message: Message) -> bool:
        """Send one message of the RPC's input type; give whether more may be sent at once."""
        if self._receiver is None or self._half_closed:
            return False
        try:
            data = serialize(message)
        except CallError as error:
            self.abort(error)
            return False
        self._outgoing.append(data)
        self._outgoing_size += len(data) + _EACH
        self._flush()
        self._starved = self._outgoing_size >= SEND_AHEAD
        return not self._starved

    def half_close(self) -> None:
        """Say that no more messages will be sent."""
        if self._receiver is not None and not self._half_closed:
            self._half_closed = True
            self._flush()

    def pause(self) -> None:
        """Let the backend wait."""
        self._paused = True

    def resume(self) -> None:
        """Go on delivering messages."""
        if self._paused:
            self._paused = False
            self._deliver()

    def cancel(self) -> None:
        """Give the call up."""
        self.abort(cancelled())

    def abort(self, error: CallError) -> None:
        """End the call now, with this error. Nothing happens where it has ended."""
        if self._receiver is not None:
            if self._end is None:
                self._cut()
            self._finish(error, ())

    # What is asked of a bridge.

    @abstractmethod
    def _fetch(self) -> None:
        """Read on, where nothing is being read yet."""

    @abstractmethod
    def _flush(self) -> None:
        """Send what is outgoing, where nothing is being sent yet."""

    # What comes from a bridge.

    def _headers_came(self, metadata: Metadata) -> None:
        if self._receiver is None:
            return
        self._headers = metadata
        if metadata:
            self._tell_headers()
        else:
            self._headers_timer = self._reactor.callLater(HEADERS_GRACE, self._tell_headers)

    def _message_came(self, data: bytes) -> None:
        self._count += 1
        if self._receiver is None:
            return
        if self._single and self._count > 1:
            self.abort(unreadable("the backend answered with more than one message"))
            return
        self._arrived.append(data)
        self._deliver()

    def _sent_came(self, size: int) -> None:
        """Learn that gRPC has taken so many bytes of requests."""
        self._outgoing_size -= size + _EACH
        if self._starved and not self._outgoing_size and self._receiver is not None:
            self._starved = False
            self._tell(self._receiver.ready)

    def _end_came(self, error: CallError | None, trailing: Metadata) -> None:
        """Learn that nothing of the call is under way any more; nothing comes after this."""
        self._leave()
        if self._receiver is None:
            return
        if self._single:
            if error is None and not self._count:
                error = unreadable("the backend answered without a message")
            if error is not None:
                self._arrived.clear()
        self._end = error, trailing
        self._deliver()

    # What the caller is told.

    def _deliver(self) -> None:
        """Give on what may be given on, then read on."""
        if self._delivering:
            return
        self._delivering = True
        # The one message of an answer that does not stream counts only where the call ends with OK.
        while self._arrived and not self._paused and (self._end is not None or not self._single):
            self._give(self._arrived.popleft())
        self._delivering = False
        if self._receiver is None:
            return
        if self._end is None:
            if self._single or not (self._arrived or self._paused):
                self._fetch()
        elif not self._arrived:
            self._finish(*self._end)

    def _give(self, data: bytes) -> None:
        self._given += len(data) + OVERHEAD
        try:
            message = parse_as(self._kind, data)
        except CallError as error:
            self.abort(error)
            return
        if self._headers is not None:
            self._tell_headers()
        if self._receiver is not None:
            self._tell(self._receiver.message, message)

    def _tell_headers(self) -> None:
        self._forget_timer()
        if self._headers is not None and self._receiver is not None:
            metadata, self._headers = self._headers, None
            self._tell(self._receiver.headers, metadata)

    def _tell(self, say: Callable[..., None], *arguments: Any) -> None:
        try:
            say(*arguments)
        except Exception:  # noqa: BLE001  # it has to end, whatever is wrong with its receiver
            log.failure("the receiver of a stream failed")
            self.abort(CallError(Code.INTERNAL, "the answer could not be passed on", reason="BACKEND_CALL_FAILED"))

    def _finish(self, error: CallError | None, trailing: Metadata) -> None:
        if error is None:
            self._tell_headers()
        self._forget_timer()
        receiver, self._receiver = self._receiver, None
        self._arrived.clear()
        if receiver is not None:
            try:
                receiver.ended(error, trailing)
            except Exception:  # noqa: BLE001  # as in _tell
                log.failure("the receiver of a stream failed at its end")

    def _forget_timer(self) -> None:
        if self._headers_timer is not None:
            timer, self._headers_timer = self._headers_timer, None
            if timer.active():
                timer.cancel()


class RefusedStream(StreamFlight):
    """A stream that cannot be made, which its receiver hears in the next turn of the reactor."""

    __slots__ = ("_error",)

    def __init__(self, call: StreamCall, receiver: Receiver, error: CallError, traffic: Traffic, reactor: Any) -> None:
        super().__init__(call, receiver, (), traffic, reactor)
        self._error = error

    def depart(self) -> None:
        """Say so soon."""
        self._reactor.callLater(0, self._end_came, self._error, ())

    def _cut(self) -> None:
        pass

    def _fetch(self) -> None:
        pass

    def _flush(self) -> None:
        pass
