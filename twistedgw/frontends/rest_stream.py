"""REST: HTTP and JSON to a stream, and its messages as NDJSON, server-sent events or a JSON array. Sans-I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.backends.call import StreamCall
from twistedgw.frontends.deadline import call_timeout
from twistedgw.frontends.exchange import Ending
from twistedgw.frontends.metadata import request_metadata, response_fields
from twistedgw.frontends.rest import RestExchange, takes_trailers
from twistedgw.frontends.stream_intake import make_intake
from twistedgw.frontends.stream_writers import make_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.message import Message

    from twistedgw.backends.call import Metadata, Result
    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError
    from twistedgw.frontends.exchange import Head, Reply
    from twistedgw.frontends.stream_intake import Intake
    from twistedgw.frontends.stream_writers import Writer
    from twistedgw.registry.route import GrpcRoute, Route
    from twistedgw.transcoding.binder import Body
    from twistedgw.transcoding.router import Match

__all__ = ["RestStreamExchange"]


class RestStreamExchange:
    """One REST request that becomes a stream; see `StreamExchange`. Any thread; one request at a time.

    Attributes:
        route: where the request goes.
        single, heartbeat, start_within: as in `StreamExchange`.
    """

    __slots__ = (
        "_head",
        "_intake",
        "_rest",
        "_trailers",
        "_values",
        "_writer",
        "heartbeat",
        "message",
        "route",
        "single",
        "start_within",
    )
    _intake: Intake
    _writer: Writer
    message: Callable[[Message], bytes]

    def __init__(self, head: Head, route: GrpcRoute, match: Match[Route]) -> None:
        self.route = route
        self.single = not route.method.server_streaming
        self.heartbeat: tuple[float, bytes] | None = None
        self.start_within: float | None = None
        self._head = head
        self._values = match.values
        self._rest = RestExchange(head, route, match)
        self._trailers = takes_trailers(head)

    def open(self, *, max_message: int) -> StreamCall:
        """Read the head into a call.

        Args:
            max_message: bytes that the JSON of one message of the request may have, decoded; of a request that does
                not stream, the whole body.

        Raises:
            GatewayError: the request cannot be taken.
        """
        head, route = self._head, self.route
        timeout = call_timeout(head.text(b"grpc-timeout"), route.timeout)
        metadata = request_metadata(head)
        system = route.binder.bind_url(self._values, head.query)
        self._intake = make_intake(route, head, self._bind, max_message)
        if self.single:
            self._rest.opened(system)
        else:
            self._writer = make_writer(route, head.text(b"accept"), system)
            self.message = self._writer.message
            self.heartbeat = self._writer.heartbeat
            self.start_within = self._writer.start_within
        return StreamCall(route.upstream, route.method, timeout, metadata)

    def _bind(self, body: Body) -> Message:
        return self.route.binder.bind(self._values, self._head.query, body).message

    def feed(self, data: bytes) -> Iterable[Message]:
        """Take a part of the body; see `StreamExchange`."""
        return self._intake.feed(data)

    def feed_end(self) -> Iterable[Message]:
        """Learn that the body is complete; see `StreamExchange`."""
        return self._intake.end()

    def start(self, initial: Metadata) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give the answer's status, its fields, and the bytes before the first message."""
        fields = response_fields(initial)
        given = {name for name, _ in fields} - {b"vary"}
        fields += [(name, value) for name, value in self._writer.fields() if name not in given]
        return 200, fields, self._writer.opening

    def end(self, trailing: Metadata) -> Ending:
        """Write the end of a stream that ended with OK."""
        return Ending(self._writer.end(), response_fields(trailing) if self._trailers else ())

    def break_off(self, error: GatewayError | CallError) -> Ending:
        """Write an error after the answer has begun."""
        reply = self._rest.failure(error)
        google = self.route.plugin.error_format == "google"
        ending = self._writer.error(reply.body, reply.body if google else b'{"error":%b}' % reply.body)
        ending.trailers = reply.trailers
        return ending

    def reply(self, result: Result) -> Reply:
        """Write the whole answer of a call with one message."""
        return self._rest.reply(result)

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the whole answer of a request that failed before the answer has begun."""
        return self._rest.failure(error)
