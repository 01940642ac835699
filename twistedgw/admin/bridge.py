"""A bridge whose backend is in this process: a method of the API is a coroutine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedgw.admin.core import Asked
from twistedgw.admin.refusal import RefusalError, call_error
from twistedgw.backends.call import Result
from twistedgw.backends.failures import CallError, cancelled, stopping, too_many
from twistedgw.backends.places import Places
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from twistedgw.admin.world import Types
    from twistedgw.backends.call import Call, Metadata, Receiver, Stream, StreamCall
    from twistedgw.config.model import Backend

__all__ = ["LocalBridge"]

_LONGEST_NAME = 100


class LocalBridge:
    """Makes calls of methods of this process. Reactor thread only."""

    _log = Logger(namespace="twistedgw.admin")

    def __init__(
        self,
        methods: Mapping[str, Callable[[Any, Asked], Awaitable[Any]]],
        streams: Mapping[str, Callable[[StreamCall, Receiver], Stream]],
        types: Types,
        max_in_flight: int,
    ) -> None:
        """Take the methods by full name: ``package.Service.Method``."""
        self.places = Places(max_in_flight)
        self.max_response_message = 0
        self._methods = methods
        self._streams = streams
        self._types = types
        self._running = False

    def upstream(self, backend: Backend, read: Callable[[Path], bytes] | None = None) -> Any:
        """Do not make any: there is one (`world.LocalUpstream`)."""
        raise NotImplementedError

    def start(self) -> None:
        """Take calls from now on."""
        self._running = True

    async def stop(self) -> None:
        """Take no more calls."""
        self._running = False

    def unary(self, call: Call) -> Deferred[Result]:
        """Call a method. Who gives it up is told so, but the method goes on: half a change would be worse."""
        outcome: Deferred[Result] = Deferred(lambda waiting: waiting.errback(cancelled()))
        if not self._running:
            outcome.errback(stopping())
        elif self.places.full:
            outcome.errback(too_many("too many requests at a time"))
        else:
            self.places.in_flight += 1
            method = self._methods[call.method.full_name]
            asked = asked_by(call.method.name, call.metadata)
            Deferred.fromCoroutine(self._answer(method, call.request, asked)).addBoth(self._ended, outcome)
        return outcome

    async def _answer(self, method: Callable[[Any, Asked], Awaitable[Any]], request: Any, asked: Asked) -> Result:
        return Result(await method(request, asked), (), ())

    def _ended(self, result: Result | Failure, outcome: Deferred[Result]) -> None:
        self.places.in_flight -= 1
        if outcome.called:
            return
        if isinstance(result, Failure):
            outcome.errback(self._error(result))
        else:
            outcome.callback(result)

    def _error(self, failure: Failure) -> CallError:
        error = failure.value
        if isinstance(error, RefusalError):
            return call_error(error, self._types)
        if isinstance(error, CallError):
            return error
        if isinstance(error, CancelledError):
            return cancelled()
        self._log.failure("bug in the admin API", failure)
        return CallError(Code.INTERNAL, "internal error", reason="INTERNAL")

    def stream(self, call: StreamCall, receiver: Receiver) -> Stream:
        """Begin a stream."""
        return self._streams[call.method.full_name](call, receiver)


def asked_by(method: str, metadata: Metadata) -> Asked:
    """Tell who makes a call."""
    known = {key: value for key, value in metadata if isinstance(value, str)}
    name = known.get("x-actor", "")[:_LONGEST_NAME]
    address = known.get("x-forwarded-for", "") or "unix socket"
    return Asked(method, f"{address} ({name})" if name else address, known.get("x-request-id", ""))
