"""Connect, streams: envelopes, the last with an EndStreamResponse (Connect, "Streaming RPCs"). Sans-I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from twistedgw.backends.call import StreamCall
from twistedgw.frontends.connect import asked_timeout, check_version, supported_types
from twistedgw.frontends.connect_error import error_object, error_reply, metadata_object, own_fields
from twistedgw.frontends.deadline import rpc_timeout
from twistedgw.frontends.envelope import envelope
from twistedgw.frontends.exchange import Ending, Reply
from twistedgw.frontends.metadata import response_fields
from twistedgw.frontends.rpc_compression import Compression, packed_envelope
from twistedgw.frontends.rpc_error import rpc_error, unsupported_type
from twistedgw.frontends.rpc_metadata import rpc_metadata
from twistedgw.frontends.rpc_requests import RequestReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from twistedgw.backends.call import Metadata, Result
    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError
    from twistedgw.frontends.exchange import Fields, Head
    from twistedgw.frontends.rpc_error import RpcError
    from twistedgw.registry.route import GrpcRoute

__all__ = ["CONNECT_STREAM", "ConnectStream"]

CONNECT_STREAM = "application/connect+"
"""How the media types of streams begin."""

_END = 2
"""The flag of the last envelope, which holds an EndStreamResponse."""
_HEAD_WITHIN = 60.0
"""Seconds; metadata that a backend sends later than that would be lost, but so would be the connection."""


class ConnectStream:
    """A call of an RPC that streams in either direction: a `StreamExchange`."""

    single = False
    heartbeat: tuple[float, bytes] | None = None
    start_within: float | None = _HEAD_WITHIN

    def __init__(self, head: Head, route: GrpcRoute) -> None:
        """Take a head that speaks Connect, and the route to the RPC."""
        self._head = head
        self._route = route
        self._content_type = (head.text(b"content-type") or "").partition(";")[0].strip().lower()
        self._form = self._content_type.removeprefix(CONNECT_STREAM)
        self._compression: Compression | None = None
        self._requests: RequestReader | None = None

    def open(self, *, max_message: int) -> StreamCall:
        """Read the head into a call; see `StreamExchange`."""
        head, route = self._head, self._route
        if self._form not in route.messages.read or not route.streaming:
            raise unsupported_type(self._content_type, route.rpc, supported_types(route))
        check_version(head)
        compression = Compression.of(head, b"connect-content-encoding", b"connect-accept-encoding")
        self._compression = compression
        self._requests = RequestReader(route, self._form, compression, max_message)
        timeout = rpc_timeout(asked_timeout(head), route.timeout)
        return StreamCall(route.upstream, route.method, timeout, rpc_metadata(head))

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take a part of the body; see `StreamExchange`."""
        assert self._requests is not None, "open() comes first"
        return self._requests.feed(data)

    def feed_end(self) -> Iterator[Message]:
        """Learn that the body is complete; see `StreamExchange`."""
        assert self._requests is not None, "open() comes first"
        return self._requests.finish()

    def start(self, initial: Metadata) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give the answer's status, its fields, and the bytes before the first message."""
        return 200, [*own_fields(response_fields(initial)), *self._fields()], b""

    def message(self, message: Message) -> bytes:
        """Write one message; see `StreamExchange`."""
        assert self._compression is not None, "open() comes first"
        return packed_envelope(self._route.messages.write[self._form](message), self._compression)

    def end(self, trailing: Metadata) -> Ending:
        """Write the end of a stream that ended with OK."""
        return Ending(_last(response_fields(trailing)))

    def break_off(self, error: GatewayError | CallError) -> Ending:
        """Write an error after the answer has begun."""
        made = rpc_error(error)
        return Ending(_last(made.trailing, made, self._route))

    def reply(self, result: Result) -> Reply:
        """Write the whole answer of a call with one message."""
        message = self.message(result.message)
        status, fields, before = self.start(result.initial_metadata)
        return Reply(status, fields, before + message + self.end(result.trailing_metadata).data)

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the whole answer of a request that failed before the answer has begun."""
        made = rpc_error(error)
        if made.http_status is not None:
            return error_reply(made, self._route)
        fields = [*made.fields, *own_fields(made.initial), *self._fields()]
        return Reply(200, fields, _last(made.trailing, made, self._route))

    def _fields(self) -> list[tuple[bytes, bytes]]:
        fields = [(b"content-type", self._content_type.encode("latin-1", "replace"))]
        if self._compression is not None and self._compression.wanted:
            fields.append((b"connect-content-encoding", b"gzip"))
        return fields


def _last(trailing: Fields, error: RpcError | None = None, route: GrpcRoute | None = None) -> bytes:
    """Give the last envelope of an answer."""
    made: dict[str, Any] = {}
    if error is not None:
        made["error"] = error_object(error, route)
    metadata = metadata_object(trailing)
    if metadata:
        made["metadata"] = metadata
    return envelope(_END, orjson.dumps(made))
