"""One RPC over a WebSocket: a message a frame. Sans-I/O."""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, cast

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from twistedgw.backends.call import StreamCall
from twistedgw.errors import InvalidArgument
from twistedgw.frontends.deadline import call_timeout
from twistedgw.frontends.failure import error_reply
from twistedgw.frontends.metadata import request_metadata
from twistedgw.frontends.websocket_handshake import JSON, PROTO
from twistedgw.transcoding.binder import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError
    from twistedgw.frontends.exchange import Head
    from twistedgw.frontends.websocket_handshake import Handshake
    from twistedgw.registry.route import GrpcRoute
    from twistedgw.transcoding.router import Match

__all__ = ["GOING_AWAY", "Event", "WebSocketExchange"]

GOING_AWAY = int(CloseCode.GOING_AWAY)

_ERROR_CODES = 4000
"""Close codes from here on are gRPC codes."""
_REASON_BYTES = 123
_SLICE = 4096
"""Bytes that are read at a time: what they inflate to is the most that is held here besides one message."""
_COMPRESSED_FROM = 1024
"""Bytes; shorter messages are not worth it."""
_OCTETS = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"
_PROTOBUF = "application/x-protobuf"

_silent = logging.getLogger("twistedgw.websocket")
_silent.disabled = True


class Event(enum.Enum):
    """What a client does besides sending messages."""

    HALF_CLOSE = "half close"
    """No more messages will come."""
    LEFT = "left"
    """The client closed the WebSocket, or broke its protocol: the call has nobody to answer to."""


class WebSocketExchange:
    """A WebSocket whose handshake was accepted, and the stream that it becomes. Any thread; one at a time.

    `open` and `first` come first. Then `feed` with what the client sends, after which `outgoing` may have something to
    send; `message` for each message of the backend, and `end`, `error` or `close` once.

    Attributes:
        route: where the messages go.
    """

    __slots__ = (
        "_base",
        "_binary",
        "_count",
        "_explicit",
        "_extensions",
        "_half_closed",
        "_head",
        "_opcode",
        "_parts",
        "_print",
        "_protocol",
        "_told",
        "_values",
        "_wrap",
        "route",
    )
    _print: Callable[[Message], bytes]
    _protocol: Protocol

    def __init__(self, head: Head, route: GrpcRoute, match: Match[GrpcRoute], handshake: Handshake) -> None:
        self.route = route
        self._head = head
        self._values = match.values
        self._explicit = handshake.subprotocol in (JSON, PROTO)
        self._binary = handshake.subprotocol == PROTO
        self._extensions = handshake.extensions
        self._wrap = (b'{"result":', b"}") if route.plugin.stream_envelope == "result" else (b"", b"")
        self._base: Message | None = None
        self._parts = bytearray()
        self._opcode = Opcode.TEXT
        self._count = 0
        self._half_closed = False
        self._told = False

    # -- before the 101

    def open(self, *, max_message: int) -> StreamCall:
        """Read the head into a call.

        Args:
            max_message: bytes that one message of the client may have, inflated.

        Raises:
            GatewayError: the request cannot be taken.
        """
        head, route = self._head, self.route
        timeout = call_timeout(head.text(b"grpc-timeout"), route.timeout)
        metadata = request_metadata(head)
        system = route.binder.bind_url(self._values, head.query)
        if not route.binder.body.taken:
            self._base = self._bind(Body(None, b""))
        self._binary = self._binary or system.alt == "proto"
        self._print = route.printer.encoder(enums_as_numbers=system.enums_as_numbers)
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=max_message, logger=_silent)
        self._protocol.extensions = self._extensions
        return StreamCall(route.upstream, route.method, timeout, metadata)

    def first(self) -> Iterator[Message | Event]:
        """Give what is sent without waiting for the client: a request that is in path and query alone."""
        if self._base is not None and not self.route.method.client_streaming:
            yield self._base
            self._half_closed = True
            yield Event.HALF_CLOSE

    # -- what the client sends

    def feed(self, data: bytes) -> Iterator[Message | Event]:
        """Take bytes; give the messages and events that they complete, one by one as they are asked for.

        Raises:
            GatewayError: a message is malformed, or comes where none can; the error names its index.
        """
        protocol = self._protocol
        for start in range(0, len(data), _SLICE):
            protocol.receive_data(data[start : start + _SLICE])
            for frame in cast("list[Frame]", protocol.events_received()):
                if not self._told:
                    yield from self._take(frame)
            if protocol.state is not State.OPEN:
                if not self._told:
                    self._told = True
                    yield Event.LEFT
                if self.is_closed:
                    return

    def _take(self, frame: Frame) -> Iterator[Message | Event]:
        """Put the frames of a message together (RFC 6455 section 5.4)."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            return
        if frame.fin and not self._parts:
            data = bytes(frame.data)
        else:
            self._parts += frame.data
            if not frame.fin:
                return
            data, self._parts = bytes(self._parts), bytearray()
        text = self._opcode is Opcode.TEXT
        if text and not _is_utf8(data):
            self._protocol.fail(CloseCode.INVALID_DATA, "a text frame is not UTF-8")
            self._told = True
            yield Event.LEFT
            return
        yield from self._complete(data, text=text)

    def _complete(self, data: bytes, *, text: bool) -> Iterator[Message | Event]:
        streams = self.route.method.client_streaming
        if text and not data:
            if not self._half_closed:
                self._half_closed = True
                if not streams:
                    yield self._bind(Body(None, b""))
                yield Event.HALF_CLOSE
            return
        if self._half_closed:
            told = "the stream is half-closed" if streams else "this method takes one message"
            raise InvalidArgument("", f"{told}: no other can be sent", reason="UNEXPECTED_MESSAGE")
        if not self._explicit:
            self._explicit = True
            self._binary = self._binary or not text
        yield self._read(data, text=text)
        if not streams:
            self._half_closed = True
            yield Event.HALF_CLOSE

    def _read(self, data: bytes, *, text: bool) -> Message:
        self._count += 1
        try:
            if self._base is not None:
                message = self.route.messages.read["json" if text else "proto"](data)
                message.MergeFrom(self._base)
                return message
            return self._bind(Body(self._content_type(text=text), data))
        except InvalidArgument as error:
            if error.source != "body" or not self.route.method.client_streaming:
                raise
            raise error.within(f"[{self._count - 1}]") from None

    def _content_type(self, *, text: bool) -> str | None:
        if not self.route.binder.body.raw:
            return None if text else _PROTOBUF
        if self._count > 1:
            return None
        return _TEXT if text else _OCTETS

    def _bind(self, body: Body) -> Message:
        return self.route.binder.bind(self._values, self._head.query, body).message

    # -- what the client gets

    def message(self, message: Message) -> bytes:
        """Write one message of the backend.

        Raises:
            GatewayError: it has no JSON form.
        """
        printer = self.route.printer
        http_body = printer.http_body(message)
        if http_body is not None:
            return self._frame(Opcode.BINARY, http_body[1])
        if self._binary:
            data = printer.protobuf(message)
            if data is not None:
                return self._frame(Opcode.BINARY, data)
        before, after = self._wrap
        return self._frame(Opcode.TEXT, before + self._print(message) + after)

    def end(self) -> bytes:
        """Close after a stream that ended with OK."""
        return self.close(int(CloseCode.NORMAL_CLOSURE), "")

    def error(self, error: GatewayError | CallError) -> bytes:
        """Tell of an error in a text frame of its own, since a close frame has no room, and close."""
        body = error_reply(error, self.route).body
        if self.route.plugin.error_format != "google":
            body = b'{"error":%b}' % body
        return self._frame(Opcode.TEXT, body) + self.close(_ERROR_CODES + int(error.code), error.message)

    def close(self, code: int, reason: str) -> bytes:
        """Begin to close; what the client sends from now on is dropped."""
        self._told = True
        try:
            self._protocol.send_close(code, _shortened(reason))
        except InvalidState:  # the client was first
            return b""
        return self.outgoing()

    def ping(self) -> bytes:
        """Ask the client whether it is there."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
        return self.outgoing()

    def outgoing(self) -> bytes:
        """Give what the protocol itself has to say: pongs, and the answer to a close frame."""
        return b"".join(self._protocol.data_to_send())

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be read, so that the connection can go as soon as all is written."""
        return self._protocol.eof_sent

    def _frame(self, opcode: Opcode, data: bytes) -> bytes:
        if self._protocol.state is not State.OPEN:
            return b""
        extensions = self._extensions if len(data) >= _COMPRESSED_FROM else ()
        return Frame(opcode, data).serialize(mask=False, extensions=extensions)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shortened(reason: str) -> str:
    """Cut a text to what a close frame takes (RFC 6455 section 5.5)."""
    data = reason.encode("utf-8", "replace")
    if len(data) <= _REASON_BYTES:
        return data.decode("utf-8")
    return data[: _REASON_BYTES - 3].decode("utf-8", "ignore") + "…"
