"""The log events of workers, on their way to the parent's log."""

from __future__ import annotations

import contextlib
import pickle
import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any

from twisted.logger import (
    ILogObserver,
    LogLevel,
    eventAsJSON,
    eventFromJSON,
    formatEvent,
    formatEventAsClassicLogText,
)
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LARGEST_PACK", "Shipper", "pack", "unpack"]

LARGEST_PACK = 60_000
"""Bytes; AMP's values end a little above."""

_MOST_WAITING = 20_000
_LONGEST_TEXT = 20_000
_AT_A_TIME = 200
_DELAY = 0.02
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_DROPPED = frozenset({"log_logger", "log_source", "log_trace"})

Packed = "dict[str, Any] | str"
"""An event of plain values with its level's name in place of the level, or the JSON form of any other."""


def pack(event: dict[str, Any]) -> dict[str, Any] | str:
    """Give an event as something that can be pickled, cheaply where all of its values are plain."""
    plain: dict[str, Any] = {}
    for key, value in event.items():
        if type(value) in _PLAIN:
            plain[key] = value
        elif key == "log_level":
            plain[key] = getattr(value, "name", str(value))
        elif key not in _DROPPED:
            return _as_json(event)
    if "{log_" in str(event.get("log_format")):
        return _as_json(event)
    return plain


def _as_json(event: dict[str, Any]) -> str:
    try:
        return eventAsJSON(event)
    except Exception:  # noqa: BLE001 - a value may do anything when it is looked at
        level = getattr(event.get("log_level"), "name", "error")
        text = formatEventAsClassicLogText(event) or "an event that cannot be written"
        return eventAsJSON({"log_format": "{text}", "text": text, "log_level": LogLevel.levelWithName(level)})


def unpack(data: bytes, worker: int) -> list[dict[str, Any]]:
    """Give the events of a worker as the parent publishes them: with the worker's number, their levels as they were."""
    events: list[dict[str, Any]] = []
    for packed in pickle.loads(data):  # noqa: S301 - written by our own child
        if isinstance(packed, str):
            event: dict[str, Any] = eventFromJSON(packed)
        else:
            event = packed
            level = event.get("log_level")
            if level is not None:
                event["log_level"] = LogLevel.levelWithName(level)
        level = event.get("log_level")
        system = event.get("log_system") or f"{event.get('log_namespace', '-')}#{getattr(level, 'name', 'info')}"
        event["log_system"] = f"{system} worker {worker}"
        event["worker"] = worker
        events.append(event)
    return events


@implementer(ILogObserver)
class Shipper:
    """Sends log events in batches. Called from any thread; sends on the reactor thread.

    Where the parent does not take them, so many are kept; what is lost beyond that is counted, and told.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._thread = get_ident()
        self._waiting: list[dict[str, Any]] = []
        self._planned = False
        self._paused = False
        self._lost = 0
        self._alone = False
        self._send: Callable[[bytes], None] | None = None

    def connect(self, transport: Any, send: Callable[[bytes], None]) -> None:
        """Begin to send.

        Args:
            transport: tells when to pause.
            send: sends one pack.
        """
        self._send = send
        transport.registerProducer(self, True)
        self._plan()

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event (`ILogObserver`)."""
        if event.get("log_namespace") == "log_legacy" and event.get("log_level") is LogLevel.info:
            return  # Twisted's own chatter on ports and factories, which each worker would repeat
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(event)
        if not self._planned:
            self._planned = True
            if get_ident() == self._thread:
                self._reactor.callLater(_DELAY, self._flush)
            else:
                self._reactor.callFromThread(self._reactor.callLater, _DELAY, self._flush)

    def flush(self) -> None:
        """Send all that waits, now."""
        if self._alone:
            self._write()
        if self._send is None or self._paused:
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            event = {"log_format": "{lost} log events were lost: too many at a time", "lost": lost}
            self._waiting.append({**event, "log_level": LogLevel.warn, "log_namespace": "twistedgw.workers"})
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _AT_A_TIME):
            self._ship(waiting[start : start + _AT_A_TIME])

    def _write(self) -> None:
        """Write what waits to standard error, which the parent still reads if it lives."""
        waiting, self._waiting = self._waiting, []
        with contextlib.suppress(OSError):
            for event in waiting:
                sys.stderr.write(f"{formatEventAsClassicLogText(event)}")
            sys.stderr.flush()

    def _plan(self) -> None:
        if self._waiting and not self._planned:
            self._planned = True
            self._reactor.callLater(_DELAY, self._flush)

    def _flush(self) -> None:
        self._planned = False
        self.flush()

    def _ship(self, events: list[dict[str, Any]]) -> None:
        data = pickle.dumps([pack(event) for event in events], pickle.HIGHEST_PROTOCOL)
        if len(data) <= LARGEST_PACK:
            assert self._send is not None
            self._send(data)
        elif len(events) > 1:
            middle = len(events) // 2
            self._ship(events[:middle])
            self._ship(events[middle:])
        else:
            text = formatEvent(events[0])[:_LONGEST_TEXT]
            kept: dict[str, Any] = {key: events[0].get(key) for key in ("log_time", "log_level", "log_namespace")}
            self._ship([{**kept, "log_format": "{text}", "text": text}])

    # -- IPushProducer

    def pauseProducing(self) -> None:
        """Keep events until the parent has taken what was sent."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on sending."""
        self._paused = False
        self._plan()

    def stopProducing(self) -> None:
        """Learn that the connection is gone."""
        self._send = None
        self._alone = True
        self.flush()
