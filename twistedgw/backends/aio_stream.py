"""Streams of the asyncio bridge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twistedgw.backends.drive import drive
from twistedgw.backends.failures import ConnectError, call_error, status_error
from twistedgw.backends.metadata import sendable
from twistedgw.backends.stream_flight import StreamFlight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.backends.aio_rpc import AioRpc
    from twistedgw.backends.upstream import Line

__all__ = ["AioStream"]


class AioStream(StreamFlight):
    """A stream of ``grpc.aio``.

    No task awaits its coroutines: their steps are taken by hand, each when the future that the last one gave is done.
    """

    __slots__ = ("_lines", "_metadata", "_reading", "_rpc", "_writing")

    _lines: Iterator[Line]
    _rpc: AioRpc | None

    def depart(self) -> None:
        """Start the call."""
        self._rpc = None
        self._reading = self._writing = False
        try:
            self._metadata = sendable(self.call.metadata)
            self._lines = iter(self.call.upstream.lines())
        except Exception as problem:  # noqa: BLE001  # whatever it is, the receiver gets a CallError
            self._reactor.callLater(0, self._end_came, call_error(problem), ())
        else:
            self._try(next(self._lines))

    def _cut(self) -> None:
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            if not self._reading:
                self._leave()
            rpc.cancel()

    def _try(self, line: Line) -> None:
        try:
            rpc: AioRpc = line.stream_stub(self.call.method.full_name)(self._time_left(), self._metadata)
            begin = rpc.begin(partial(self._may_write, rpc))
            rpc.watch(partial(self._status_came, rpc))
        except Exception as problem:  # noqa: BLE001  # as in depart
            self._reactor.callLater(0, self._end_came, call_error(problem), ())
            return
        self._rpc = rpc
        self._reading = self._writing = True
        drive(begin, self._began)

    def _began(self, _: Any, problem: BaseException | None) -> None:
        rpc = self._rpc
        if problem is not None or rpc is None or rpc.status_known():
            self._read_end()
        else:
            self._reading = False
            self._headers_came(rpc.initial_metadata())
            self._deliver()

    def _fetch(self) -> None:
        if not self._reading and self._rpc is not None:
            self._reading = True
            drive(self._rpc.read(), self._read)

    def _read(self, data: Any, problem: BaseException | None) -> None:
        if problem is None and isinstance(data, bytes):
            self._reading = False
            self._message_came(data)
        else:
            self._read_end()

    def _read_end(self) -> None:
        """Learn that no message comes any more."""
        if self._rpc is None:
            self._leave()
        else:
            drive(self._rpc.status(), self._conclude)

    def _conclude(self, *_: Any) -> None:
        rpc, self._rpc = self._rpc, None
        if rpc is None:
            self._leave()
            return
        code, text, initial, trailing = rpc.ended()
        error = status_error(code, text, initial, trailing) if code else None
        line = next(self._lines, None) if isinstance(error, ConnectError) else None
        if line is not None:
            self._try(line)
        else:
            self._end_came(error, trailing)

    def _status_came(self, rpc: AioRpc) -> None:
        """Learn of the status. While something is being read that tells of the end; OK waits for all to be read."""
        if rpc is self._rpc and not self._reading and rpc.ended()[0]:
            self._conclude()

    def _may_write(self, rpc: AioRpc) -> None:
        if rpc is self._rpc:
            self._writing = False
            self._flush()

    def _flush(self) -> None:
        if not self._writing and self._rpc is not None:
            self._writing = True
            drive(self._write(self._rpc), self._written)

    async def _write(self, rpc: AioRpc) -> bool:
        """Send what there is to send; give whether more may follow."""
        while rpc is self._rpc and self._outgoing:
            data = self._outgoing[0]
            await rpc.write(data)
            if rpc is not self._rpc:
                break
            self._outgoing.popleft()
            self._sent_came(len(data))
        if rpc is not self._rpc or not self._half_closed:
            return rpc is self._rpc
        await rpc.close()
        return False

    def _written(self, more: bool | None, _problem: BaseException | None) -> None:
        # Where it failed the reading side hears why.
        self._writing = not more
