"""A request on our own channel: the cheap way from a resource to the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.web import wire
from twistedgw.web.request import Request

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IProtocol, ITransport

    from twistedgw.web.channel import Channel
    from twistedgw.web.head import Head
    from twistedgw.web.wire import Fields

__all__ = ["LeanRequest"]

_PROTOCOLS = (b"HTTP/1.0", b"HTTP/1.1")


class LeanRequest(Request):
    """Made from a head that is complete. Twisted's own constructor is not called: nobody may ask for what it makes."""

    _streamed = False
    _chunks = False
    _silent = False
    _missing: int | None = None

    def __init__(self, channel: Channel, head: Head) -> None:
        self.channel = self._connection = channel
        self.method = head.method
        self.uri = head.target
        self.path = head.path
        if head.query is not None:
            self.query = head.query
            self.has_query = True
        self.fields = head.fields
        self.clientproto = _PROTOCOLS[head.minor]
        self.host_header = head.host
        self.peer_host = channel.peer_host

    # -- what http.Request would have copied from its channel

    @property
    def transport(self) -> Any:  # type: ignore[override]
        """The connection."""
        return self._connection.transport

    @property
    def client(self) -> IAddress:
        """The address at the other end."""
        return self._connection.getPeer()

    @property
    def host(self) -> IAddress:
        """The address at this end."""
        return self._connection.getHost()

    @property
    def site(self) -> Any:  # type: ignore[override]
        """The site."""
        return self._connection.site

    def isSecure(self) -> bool:
        """Whether the connection has TLS."""
        return self._connection.isSecure()

    # -- the answer

    def respond(self, status: int, fields: Fields, body: bytes, trailers: Fields = ()) -> None:
        """Give the whole answer in one write; see `Request.respond`."""
        if self.finished or self._disconnected:
            return
        if self.startedWriting:
            raise RuntimeError("the answer has begun already")
        if self.amend is not None:
            fields = self.amend(fields)
        channel = self.channel
        lines, framing = wire.head_lines(status, fields)
        parts = [lines]
        if framing:
            self._apply(status, framing, parts)
        head_only = self.method == b"HEAD"
        if status in wire.BODILESS:
            body = b""
        elif trailers and not head_only and self.clientproto == b"HTTP/1.1":
            names = b", ".join([name for name, _ in trailers])
            parts.append(b"Trailer: %b\r\nTransfer-Encoding: chunked\r\n" % names)
            body = _chunk(body) + b"0\r\n" + wire.field_lines(trailers) + b"\r\n"
        elif not (head_only and b"content-length" in framing):
            parts.append(b"Content-Length: %d\r\n" % len(body))
        parts.append(channel.connection_line(final=True))
        self.code = status
        self.startedWriting = 1
        if head_only:
            body = b""
        self.sentLength = len(body)
        parts.append(body)
        channel.send(b"".join(parts))
        self._end()

    def start(self, status: int, fields: Fields) -> None:
        """Send the head of an answer; see `Request.start`."""
        if self._is_over():
            return
        if self.startedWriting:
            raise RuntimeError("the answer has begun already")
        if self.amend is not None:
            fields = self.amend(fields)
        channel = self.channel
        lines, framing = wire.head_lines(status, fields)
        parts = [lines]
        if framing:
            self._apply(status, framing, parts)
        self._silent = not self._has_body(status)
        if not self._silent:
            length = framing.get(b"content-length")
            if length is not None:
                self._missing = int(length)
                parts.append(b"Content-Length: %d\r\n" % self._missing)
            elif self.clientproto == b"HTTP/1.1":
                self._chunks = True
                parts.append(b"Transfer-Encoding: chunked\r\n")
            else:
                channel.close_afterwards()
        parts.append(channel.connection_line(final=False))
        self.code = status
        self.startedWriting = 1
        self._streamed = True
        channel.send(b"".join(parts))

    def _apply(self, status: int, framing: dict[bytes, bytes], parts: list[bytes]) -> None:
        """Do what fields about framing ask for, where it may be done."""
        length = framing.get(b"content-length")
        if length is not None:
            if not length.isdigit():
                raise ValueError(f"{length!r} is not a number of bytes")
            if not self._has_body(status):
                parts.append(b"Content-Length: %b\r\n" % length)
        if b"close" in framing.get(b"connection", b"").lower():
            self._close_afterwards()

    def write(self, data: bytes) -> None:
        """Write a part of the body: of an answer begun by `start`, or else of one made by `setHeader` and the like."""
        if not self._streamed:
            super().write(data)
            if self.channel is not None:
                self.channel.flush()
            return
        if self.finished or self._disconnected or self._silent or not data:
            return
        self.sentLength += len(data)
        if self._chunks:
            data = _chunk(data)
        elif self._missing is not None:
            self._missing -= len(data)
            if self._missing < 0:
                self.abort()
                return
        self.channel.send(data)

    def finish_stream(self, trailers: Fields = ()) -> None:
        """End an answer that was begun with `start`; one that is shorter than its Content-Length is cut."""
        if self._is_over():
            return
        if not self._streamed:
            super().finish_stream(trailers)
            return
        if self._missing:
            self.abort()
            return
        if self._chunks:
            self.channel.send(b"0\r\n" + wire.field_lines(trailers) + b"\r\n")
        self._end()

    def finish(self) -> None:
        """End the answer."""
        if self._streamed:
            self.finish_stream()
        else:
            super().finish()

    def _end(self) -> None:
        self.finished = 1
        self._cleanup()

    def _cleanup(self) -> None:
        """Leave the channel to the next request."""
        channel, self.channel = self.channel, None
        if self.producer is not None:
            channel.unregisterProducer()
            self.producer = None
        self.on_disconnect = None
        for waiting in self.__dict__.pop("notifications", ()):
            waiting.callback(None)
        channel.requestDone(self)

    def abort(self) -> None:
        """Cut the connection, so that the answer is visibly incomplete."""
        if not self._is_over():
            self._disconnected = True
            self.channel.abort()

    def _close_afterwards(self) -> None:
        self.channel.close_afterwards()

    # -- the body

    def pause_body(self) -> None:
        """Let the client wait with the rest of the body: nothing more reaches the sink, nothing more is read."""
        if not self._is_over():
            self.channel.pause_body()

    def resume_body(self) -> None:
        """Let the client go on with the body."""
        if not self._is_over():
            self.channel.resume_body()

    def take_over(self, protocol: IProtocol) -> tuple[ITransport, bytes]:
        """Let `protocol` have the connection; see `Request.take_over`."""
        if self._is_over() or self.startedWriting:
            raise RuntimeError("there is an answer already")
        self.channel = None
        self.finished = 1
        return self._connection.take_over(protocol)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
