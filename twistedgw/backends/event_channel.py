"""Channels whose streams share one thread.

What a stream of `grpc.aio` costs is mostly wake-ups: for each message a thread of gRPC's wakes the event loop through a
socket. The blocking side of grpcio has under its stubs a "managed call", whose events can be taken one after the other
by one thread for all calls of a channel. That thread starts the next read itself and wakes the reactor once for
everything that has come meanwhile, which more than halves a message's CPU time (the figures are in
``bench/streams.py``). All this is private to grpcio, so `supported` tries it before it is used.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]
from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["EventChannel", "supported"]

log = Logger()

TURN = 200
"""Events that are told in one turn of the reactor."""


class EventChannel:
    """A channel, and the thread that takes its events: it sleeps while there is no call, and ends after `close`.

    Attributes:
        lock: guards the counts of what is due.
    """

    def __init__(self, channel: grpc.Channel, wake: Callable[[Callable[[], None]], Any]) -> None:
        """Take the events of a channel.

        Args:
            channel: no calls are made by its stubs.
            wake: has a function called on the reactor thread, soon; called on any thread.
        """
        self.lock = threading.Lock()
        self._channel = channel
        self._core: Any = channel._channel  # type: ignore[attr-defined]  # noqa: SLF001
        self._rest = _last_arguments()
        self._wake = wake
        self._calls = 0
        self._started = self._closed = False
        self._due = threading.Lock()
        self._due.acquire()
        self._told: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._woken = False

    def call(
        self,
        name: bytes,
        timeout: float | None,
        batches: Sequence[tuple[Any, Callable[[Any], bool]]],
        began: Callable[[Any], None],
    ) -> None:
        """Begin a call.

        Args:
            name: its ``:path``.
            timeout: seconds.
            batches: gRPC operations, and for each batch what is called with the event of its end, in the thread: it
                gives whether the call is over.
            began: gets the call, while `lock` is held.

        Raises:
            ValueError: the channel is closed.
        """
        deadline = None if timeout is None else time.time() + timeout
        with self.lock:
            if self._closed:
                raise ValueError("the channel is closed")
            began(self._core.integrated_call(0, name, None, deadline, (), None, batches, *(self._rest or ())))
            self._calls += 1
            if self._calls == 1:
                self._start()

    def _start(self) -> None:
        if self._started:
            self._due.release()
        else:
            self._started = True
            threading.Thread(target=self._take, name="twistedgw-events", daemon=True).start()

    def close(self) -> None:
        """Close the channel, whose calls end; so does its thread, soon."""
        with self.lock:
            closed, self._closed = self._closed, True
            if not closed and self._started and not self._calls:
                self._due.release()
        self._channel.close()

    def tell(self, function: Callable[[Any], None], argument: Any) -> None:
        """Have a function called on the reactor thread. In the thread."""
        self._told.append((function, argument))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop was closed: there is nobody left to be told
                self._wake(self._tell)

    def _take(self) -> None:
        """Take events until the channel is closed. Runs in the thread.

        The channel must not be asked for events when none is due.
        """
        next_event = self._core.next_call_event
        while True:
            if self._was_last(next_event()):  # without a name for the event: it would keep its call from going
                self._due.acquire()
                with self.lock:
                    if self._closed and not self._calls:
                        return

    def _was_last(self, event: Any) -> bool:
        """Hand an event over; give whether there is no call any more."""
        if not event.tag(event):
            return False
        with self.lock:
            self._calls -= 1
            if not self._calls and self._closed:
                self._due.release()
            return not self._calls

    def _tell(self) -> None:
        self._woken = False
        told = self._told
        for _ in range(TURN):
            if not told:
                return
            function, argument = told.popleft()
            try:
                function(argument)
            except Exception:  # noqa: BLE001  # the other calls of this channel go on
                log.failure("what a call was told failed")
        if told and not self._woken:
            self._woken = True
            self._wake(self._tell)


def supported() -> bool:
    """Tell whether this grpcio has what is needed. Not before a fork."""
    return _last_arguments() is not None


@cache
def _last_arguments() -> tuple[None, ...] | None:
    """Try whether this grpcio has what is needed, with a call to nowhere whose deadline has passed. After a fork.

    Returns:
        the last arguments of a managed call; None where it cannot be used.
    """
    known: tuple[tuple[None, ...], ...] = ((None, None), (None,))
    for rest in known:  # a context, and in later versions a registered handle
        channel: Any = grpc.insecure_channel("ipv4:127.0.0.1:1")
        with suppress(Exception), channel:
            core = channel._channel  # noqa: SLF001
            sent = (
                cygrpc.SendInitialMetadataOperation((), 0),
                cygrpc.SendMessageOperation(b"", 0),
                cygrpc.SendCloseFromClientOperation(0),
            )
            received = (
                cygrpc.ReceiveInitialMetadataOperation(0),
                cygrpc.ReceiveMessageOperation(0),
                cygrpc.ReceiveStatusOnClientOperation(0),
            )
            call = core.integrated_call(0, b"/", None, time.time(), (), None, ((sent + received, rest),), *rest)
            event = core.next_call_event()
            call.operate, call.cancel, event.success  # noqa: B018
            kinds = cygrpc.OperationType.send_message, cygrpc.OperationType.send_close_from_client
            status = event.batch_operations[-1]
            if (
                event.tag is rest
                and tuple(operation.type() for operation in event.batch_operations[1:3]) == kinds
                and status.code() in (cygrpc.StatusCode.deadline_exceeded, cygrpc.StatusCode.unavailable)
            ):
                found: tuple[None, ...] = rest
                return found
    return None
