"""What a resource sees of a request, whichever channel it came by."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import parse_qs, unquote_to_bytes

from twisted.logger import Logger
from twisted.web import server
from twisted.web.error import UnsupportedMethod
from twisted.web.http import RESPONSES
from twisted.web.http_headers import Headers

from twistedgw.web import refusals, wire
from twistedgw.web.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IProtocol, ITransport
    from twisted.python.failure import Failure

    from twistedgw.errors import GatewayError
    from twistedgw.web.wire import Fields

__all__ = ["BodySink", "Request"]


class BodySink(Protocol):
    """Takes the body of a request as it arrives.

    Attributes:
        patient: whether the client may be silent now for as long as it likes; otherwise there is a limit to it.
    """

    @property
    def patient(self) -> bool:
        """See the class."""
        ...

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the body; never empty."""
        ...

    def finished(self) -> None:
        """Learn that the body is complete."""
        ...

    def aborted(self, reason: Failure) -> None:
        """Learn that the rest of the body will not come.

        The client left (a connection error), or sent what is no body, or nothing for too long (a `GatewayError`; the
        channel answers it unless the sink does now, or has begun to).
        """
        ...


class Request(server.Request):
    """A request, with all that an ordinary twisted.web resource may ask of it, and cheaper ways to the same.

    Reactor thread only. This class writes through the interface of Twisted's own channels, over HTTP/1 and HTTP/2; our
    own channel has `twistedgw.web.lean.LeanRequest`.

    Attributes:
        method: as sent.
        path: percent-encoded as sent, without the query; ``*`` for ``OPTIONS *``; the authority for CONNECT.
        query: after the ``?``, as sent.
        has_query: whether there is a ``?``.
        host_header: the authority of an absolute target, of HTTP/2, or the Host field.
        body: all of it, once it is complete and no sink took it.
        exchange: for the resource to keep what belongs to this request.
        on_disconnect: called when the client leaves before the answer is complete; a cheaper `notifyFinish`.
        amend: gives the fields of whatever answer is made by `respond` or `start`, in place of those given there.
    """

    query = b""
    has_query = False
    host_header: bytes | None = None
    body = b""
    exchange: Any = None
    on_disconnect: Callable[[Failure], object] | None = None
    amend: Callable[[Fields], Fields] | None = None
    channel: Any = None
    site: Any = None
    queued = False
    _log = Logger(namespace="twistedgw.web")
    _trailers: Fields = ()

    # -- what is made only where somebody asks

    @lazy
    def requestHeaders(self) -> Headers:
        """The fields, as Twisted has them."""
        headers = Headers()
        for name, value in self.fields:
            headers.addRawHeader(name, value)
        return headers

    @lazy
    def responseHeaders(self) -> Headers:
        """The answer's fields, where it is given by `setHeader`."""
        return Headers()

    @lazy
    def fields(self) -> Fields:
        """Lower-case names and values, in the order of their arrival as far as the channel keeps it."""
        return [(name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values]

    @lazy
    def _first_fields(self) -> dict[bytes, bytes]:
        return dict(reversed(self.fields))

    def field(self, name: bytes) -> bytes | None:
        """Give the first value of a field.

        Args:
            name: in lower case.
        """
        return self._first_fields.get(name)

    @lazy
    def content(self) -> BytesIO:
        """The body as a file."""
        return BytesIO(self.body)

    @lazy
    def args(self) -> dict[bytes, list[bytes]]:
        """The query taken apart; forms in bodies are not."""
        return cast("dict[bytes, list[bytes]]", parse_qs(self.query, keep_blank_values=True))

    @lazy
    def notifications(self) -> list[Deferred[None]]:
        """Those of `notifyFinish`."""
        return []

    @lazy
    def cookies(self) -> list[bytes]:
        """The answer's."""
        return []

    @lazy
    def received_cookies(self) -> dict[bytes, bytes]:
        """The client's."""
        pairs = (part.partition(b"=") for name, value in self.fields if name == b"cookie" for part in value.split(b";"))
        return {name.strip(): value for name, mark, value in pairs if mark}

    @lazy
    def prepath(self) -> list[bytes]:
        """Segments of the path that a resource tree has gone."""
        return []

    @lazy
    def postpath(self) -> list[bytes]:
        """Segments of the path that are left, decoded."""
        return [unquote_to_bytes(segment) for segment in self.path[1:].split(b"/")]

    @lazy
    def _adapterCache(self) -> dict[Any, Any]:
        return {}

    @lazy
    def peer_host(self) -> str:
        """The address at the other end of the connection; empty for a UNIX socket."""
        return getattr(self.getClientAddress(), "host", "")

    def parseCookies(self) -> None:
        """Do nothing yet: see `received_cookies`."""

    # -- the answer

    @property
    def disconnected(self) -> bool:
        """Whether the client has left, or the connection was cut; whatever is written is dropped."""
        return self._disconnected

    def _is_over(self) -> bool:
        return bool(self.finished or self._disconnected)

    def respond(self, status: int, fields: Fields, body: bytes, trailers: Fields = ()) -> None:
        """Give the whole answer. Nothing happens where the client has left already.

        Args:
            status: of HTTP.
            fields: all but those about framing. ``Connection: close`` closes afterwards; a Content-Length counts only
                where there is no body, as for HEAD.
            body: not sent for HEAD, 204 and 304.
            trailers: sent after the body where the protocol can (HTTP/1.1, and not HEAD).

        Raises:
            RuntimeError: the answer has begun already.
            ValueError: the name of a field is malformed.
        """
        if self._is_over():
            return
        if self.startedWriting:
            raise RuntimeError("the answer has begun already")
        length = self._set_head(status, fields)
        if self._has_body(status) and trailers and self.clientproto == b"HTTP/1.1":
            self.responseHeaders.setRawHeaders(b"trailer", [b", ".join([name for name, _ in trailers])])
        elif status not in wire.BODILESS and (length is None or self.method != b"HEAD"):
            self.responseHeaders.setRawHeaders(b"content-length", [b"%d" % len(body)])
        self.write(body)
        self.finish_stream(trailers)

    def start(self, status: int, fields: Fields) -> None:
        """Send the head of an answer whose body will follow by `write` and `finish_stream`.

        Args:
            status: of HTTP.
            fields: as for `respond`. With a Content-Length the body must have just that length; without, it comes in
                chunks (HTTP/1.1), frames (HTTP/2), or ends with the connection (HTTP/1.0).

        Raises:
            RuntimeError: the answer has begun already.
            ValueError: the name of a field is malformed.
        """
        if self._is_over():
            return
        if self.startedWriting:
            raise RuntimeError("the answer has begun already")
        length = self._set_head(status, fields)
        if length is not None:
            self.responseHeaders.setRawHeaders(b"content-length", [length])
        self.write(b"")

    def write(self, data: bytes) -> None:
        """Write a part of the body. Unlike Twisted's, it does nothing after the end."""
        if not self._is_over():
            super().write(data)

    def finish_stream(self, trailers: Fields = ()) -> None:
        """End an answer that was begun with `start`."""
        if not self._is_over():
            self._trailers = wire.clean_fields(trailers)
            self.finish()

    def _has_body(self, status: int) -> bool:
        return self.method != b"HEAD" and status not in wire.BODILESS

    def _set_head(self, status: int, fields: Fields) -> bytes | None:
        """Take over an answer's head; give its Content-Length, which stands only where there is no body."""
        if self.amend is not None:
            fields = self.amend(fields)
        others, framing = wire.split_framing(wire.clean_fields(fields))
        self.setResponseCode(status, RESPONSES.get(status, b"Unknown"))
        self.defaultContentType = None
        headers = self.responseHeaders = Headers()
        for name, value in others:
            headers.addRawHeader(name, value)
        headers.setRawHeaders(b"date", [framing.get(b"date") or wire.date_now()])
        length = framing.get(b"content-length")
        if length is not None and not self._has_body(status):
            headers.setRawHeaders(b"content-length", [length])
        if b"close" in framing.get(b"connection", b"").lower():
            self._close_afterwards()
        return length

    def finish(self) -> None:
        """End the answer. Unlike Twisted's, it does nothing where the client has left already."""
        if self._is_over():
            return
        if self._trailers and self.startedWriting and self.chunked:
            self.channel.write(b"0\r\n" + wire.field_lines(self._trailers) + b"\r\n")
            self.chunked = 0
        super().finish()

    def abort(self) -> None:
        """Cut the connection (HTTP/2: the stream), so that the answer is visibly incomplete."""
        raise NotImplementedError

    def _close_afterwards(self) -> None:
        """Let this be the last request of its connection."""
        raise NotImplementedError

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace govern a producer; it is stopped at once where the client has left already."""
        if self._is_over():
            producer.stopProducing()
        else:
            super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Tell that no more will be produced; also after the connection was lost."""
        if self.channel is not None:
            super().unregisterProducer()
        self.producer = None

    def connectionLost(self, reason: Failure) -> None:
        """Learn that the answer can go nowhere any more."""
        self._disconnected = True
        self.channel = None
        left, self.on_disconnect = self.on_disconnect, None
        if left is not None and not self.finished:
            try:
                left(reason)
            except Exception:  # noqa: BLE001 - a bug in a resource must not keep others from learning of it
                self._log.failure("bug in a resource")
        for waiting in self.__dict__.pop("notifications", ()):
            waiting.errback(reason)

    def fail(self, error: GatewayError) -> None:
        """Answer with the site's page for an error; an answer that has begun is cut instead."""
        if self._is_over():
            return
        if self.startedWriting:
            self.abort()
            return
        try:
            self.respond(*self.channel.site.error(error))
        except Exception:  # noqa: BLE001 - the last resort
            self._log.failure("cannot tell of an error")
            self.abort()

    def serve(self) -> None:
        """Let the site's resource answer; the body is complete."""
        resource = self.channel.site.resource
        try:
            body = resource.render(self)
            if body is not server.NOT_DONE_YET:
                self._finish_with(body)
        except UnsupportedMethod as error:
            self.fail(refusals.method_not_allowed(error.allowedMethods))
        except Exception:  # noqa: BLE001 - a bug in a resource must not become a page with a traceback
            self._log.failure("bug in a resource")
            self.fail(refusals.internal())

    def _finish_with(self, body: bytes) -> None:
        """Answer with what an ordinary resource has given."""
        if not isinstance(body, bytes):
            raise TypeError(f"render() gave {type(body).__name__}, not bytes")
        if self._is_over():
            return
        self.setHeader(b"content-length", b"%d" % len(body))
        self.write(b"" if self.method == b"HEAD" else body)
        self.finish()

    # -- the body

    def pause_body(self) -> None:
        """Let the client wait with the rest of the body. For a `BodySink`."""
        raise NotImplementedError

    def resume_body(self) -> None:
        """Let the client go on with the body."""
        raise NotImplementedError

    def take_over(self, protocol: IProtocol) -> tuple[ITransport, bytes]:  # noqa: ARG002
        """Let `protocol` have the connection, as after an upgrade.

        It gets what the client sends from now on, and the loss of the connection; its `makeConnection` is called here.
        The request is over: nothing has been written for it, so the answer (101) is the protocol's to write.

        Returns:
            the connection, and the bytes that came after the request already.

        Raises:
            RuntimeError: the channel cannot, or an answer has begun.
        """
        raise RuntimeError("this connection cannot be taken over")


def join(pieces: Sequence[bytes]) -> bytes:
    """Put a body together."""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
