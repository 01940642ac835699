"""Unary calls of an `EventChannel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]

from twistedgw.backends.call import Result
from twistedgw.backends.failures import CallError, ConnectError, call_error, status_error
from twistedgw.backends.flight import Flight
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stubs import parse, path, serialize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.backends.event_channel import EventChannel

__all__ = ["EventFlight"]

_send_head: Any = cygrpc.SendInitialMetadataOperation
_write: Any = cygrpc.SendMessageOperation
_close: Any = cygrpc.SendCloseFromClientOperation
_head: Any = cygrpc.ReceiveInitialMetadataOperation
_read: Any = cygrpc.ReceiveMessageOperation
_status: Any = cygrpc.ReceiveStatusOnClientOperation


class EventFlight(Flight):
    """A unary call: one batch of operations, and one event at its end.

    `_back` runs in the channel's thread, all else in the reactor's.
    """

    __slots__ = ("_call", "_channel", "_channels", "_data", "_metadata")

    _channel: EventChannel
    _channels: Iterator[EventChannel]

    def depart(self) -> None:
        """Start the call."""
        self._call: Any = None
        try:
            self._data = serialize(self.call.request)
            self._metadata = sendable(self.call.metadata)
            self._channels = iter(self.call.upstream.lines())
        except Exception as problem:  # noqa: BLE001  # whatever it is, the caller gets a CallError
            self._end(call_error(problem))
        else:
            self._try(next(self._channels))

    def _cut(self) -> None:
        if self._call is not None:
            self._call.cancel(cygrpc.StatusCode.cancelled, "cancelled")
        self._give_back()

    def _try(self, channel: EventChannel) -> None:
        self._channel = channel
        batch = (
            _send_head(self._metadata, 0),
            _write(self._data, 0),
            _close(0),
            _head(0),
            _read(0),
            _status(0),
        )
        try:
            name = path(self.call.method.full_name).encode("ascii")
            channel.call(name, self._time_left(), ((batch, self._back),), self._began)
        except Exception as problem:  # noqa: BLE001  # as in depart
            self._end(call_error(problem))

    def _began(self, call: Any) -> None:
        self._call = call

    def _back(self, event: Any) -> bool:
        self._channel.tell(self._told, event.batch_operations)
        return True

    def _told(self, operations: tuple[Any, ...]) -> None:
        self._call = None
        try:
            arrival = self._landed(*operations[3:])
        except Exception as problem:  # noqa: BLE001  # as in depart
            arrival = call_error(problem)
        if isinstance(arrival, Result):
            self._leave()
            self._succeed(arrival)
            return
        if isinstance(arrival, ConnectError) and not self.outcome.called:
            channel = next(self._channels, None)
            if channel is not None:
                self._try(channel)
                return
        self._end(arrival)

    def _landed(self, head: Any, answer: Any, status: Any) -> Result | CallError:
        code, initial = status.code(), head.initial_metadata() or ()
        trailing = status.trailing_metadata() or ()
        if code != 0:
            return status_error(code, status.details() or "", initial, trailing)
        return Result(parse(self.call.method, answer.message()), initial, trailing)

    def _end(self, error: CallError) -> None:
        self._leave()
        self._fail(error)
