"""Streams of an `EventChannel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]

from twistedgw.backends.failures import ConnectError, call_error, status_error
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stream_flight import OVERHEAD, READ_AHEAD, StreamFlight
from twistedgw.backends.stubs import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.backends.call import Metadata
    from twistedgw.backends.event_channel import EventChannel

__all__ = ["EventStream"]


class EventStream(StreamFlight):
    """A stream of an `EventChannel`: methods with a name in ``_back`` run in its thread, all others in the reactor's.

    gRPC's operations run in batches; `_due` counts those that are under way. The one that waits for the status is under
    way from the first to the last, so a call is over when none is due.
    """

    __slots__ = (
        "_call",
        "_channel",
        "_channels",
        "_code",
        "_details",
        "_due",
        "_initial",
        "_metadata",
        "_opening",
        "_reading",
        "_trailing",
        "_writing",
    )

    _channel: EventChannel
    _channels: Iterator[EventChannel]

    def depart(self) -> None:
        """Start the call, soon: what is sent and closed at once goes with it."""
        self._call: Any = None
        self._opening: Any = self._reactor.callLater(0, self._open)
        self._reading = self._writing = True

    def half_close(self) -> None:
        """Say that no more messages will be sent."""
        super().half_close()
        if self._opening is not None:
            self._opening.cancel()
            self._open()

    def _open(self) -> None:
        self._opening = None
        try:
            self._metadata = sendable(self.call.metadata)
            self._channels = iter([line.events for line in self.call.upstream.lines()])
        except Exception as problem:  # noqa: BLE001  # whatever it is, the receiver gets a CallError
            self._end_came(call_error(problem), ())
        else:
            self._try(next(self._channels))

    def _try(self, channel: EventChannel) -> None:
        self._channel = channel
        self._code, self._details = cygrpc.StatusCode.unknown, ""
        self._initial: tuple[Any, ...] = ()
        self._trailing: tuple[Any, ...] = ()
        self._reading = True
        self._writing = True
        self._due = 3
        batches = (
            ((cygrpc.SendInitialMetadataOperation(self._metadata, 0), *self._outbound()), self._written_back),
            ((cygrpc.ReceiveInitialMetadataOperation(0),), self._headers_back),
            ((cygrpc.ReceiveStatusOnClientOperation(0),), self._status_back),
        )
        try:
            name = path(self.call.method.full_name).encode("ascii")
            channel.call(name, self._time_left(), batches, self._began)
        except Exception as problem:  # noqa: BLE001  # as in _open
            self._end_came(call_error(problem), ())

    def _began(self, call: Any) -> None:
        self._call = call

    def _cut(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
            self._leave()
        elif self._call is not None:
            self._call.cancel(cygrpc.StatusCode.cancelled, "cancelled")

    def _fetch(self) -> None:
        if not self._reading and (self._single or self._took - self._given < READ_AHEAD // 2):
            self._reading = True
            self._operate((cygrpc.ReceiveMessageOperation(0),), self._read_back)

    def _flush(self) -> None:
        if not self._writing:
            batch = self._outbound()
            if batch:
                self._writing = True
                self._operate(batch, self._written_back)

    def _outbound(self) -> tuple[Any, ...]:
        """Give what is to be sent next."""
        batch = (cygrpc.SendMessageOperation(self._outgoing[0], 0),) if self._outgoing else ()
        return (
            (*batch, cygrpc.SendCloseFromClientOperation(0)) if self._half_closed and len(self._outgoing) < 2 else batch
        )

    def _operate(self, batch: tuple[Any, ...], back: Any) -> None:
        with self._channel.lock:
            if self._due and self._call.operate(batch, back):
                self._due += 1

    def _headers_told(self, metadata: Metadata) -> None:
        self._headers_came(metadata)

    def _read_told(self, _: None) -> None:
        if self._receiver is not None:
            self._deliver()

    def _written_told(self, operations: tuple[Any, ...]) -> None:
        """Learn that a batch was written; where one was not, the status tells why."""
        self._writing = False
        for operation in operations:
            kind = operation.type()
            if kind == cygrpc.OperationType.send_message:
                self._sent_came(len(self._outgoing.popleft()))
            elif kind == cygrpc.OperationType.send_close_from_client:
                self._writing = True
        if self._receiver is not None:
            self._flush()

    def _over_told(self, _: None) -> None:
        self._call = None
        error = None
        if self._code:
            error = status_error(self._code, self._details, self._initial, self._trailing)
        if isinstance(error, ConnectError) and self._receiver is not None:
            channel = next(self._channels, None)
            if channel is not None:
                self._try(channel)
                return
        self._end_came(error, self._trailing)

    # In the thread of the channel. What they give is whether the call is over.

    def _headers_back(self, event: Any) -> bool:
        if not event.success:
            return self._back()
        with self._channel.lock:  # which is held until _began was called
            self._initial = event.batch_operations[0].initial_metadata() or ()
        self._channel.tell(self._headers_told, self._initial)
        return self._read_on()

    def _read_back(self, event: Any) -> bool:
        data = event.batch_operations[0].message()
        if data is None:
            return self._back()
        self._took += len(data) + OVERHEAD
        self._channel.tell(self._message_came, data)
        return self._read_on()

    def _read_on(self) -> bool:
        room = not self._paused and self._took - self._given < READ_AHEAD
        if room and self._call.operate((cygrpc.ReceiveMessageOperation(0),), self._read_back):
            return False
        self._reading = False
        self._channel.tell(self._read_told, None)
        return self._back()

    def _written_back(self, event: Any) -> bool:
        if event.success:
            self._channel.tell(self._written_told, event.batch_operations)
        return self._back()

    def _status_back(self, event: Any) -> bool:
        status = event.batch_operations[0]
        self._code, self._details = status.code(), status.details() or ""
        self._trailing = status.trailing_metadata() or ()
        return self._back()

    def _back(self) -> bool:
        with self._channel.lock:
            self._due -= 1
            over = not self._due
        if over:
            self._channel.tell(self._over_told, None)
        return over
