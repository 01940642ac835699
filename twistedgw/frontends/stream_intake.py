"""The body of a REST request that becomes messages as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twistedgw.errors import InvalidArgument
from twistedgw.frontends.inflate import make_decoder
from twistedgw.frontends.negotiation import check_size, decode_body
from twistedgw.transcoding.binder import Body
from twistedgw.transcoding.json_values import JsonValues
from twistedgw.transcoding.media import Kind, media_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.message import Message

    from twistedgw.frontends.exchange import Head
    from twistedgw.frontends.inflate import Decoder
    from twistedgw.registry.route import GrpcRoute

    Bind = Callable[[Body], Message]

__all__ = ["CHUNK", "Intake", "make_intake"]

CHUNK = 64 * 1024
"""Bytes that one HttpBody of a streamed request has at the most."""
_LINES = frozenset(
    (
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/x-jsonlines",
        "application/stream+json",
    )
)
_JSON_SEQ = "application/json-seq"
_SPACE = b" \t\r\n"


class Intake(Protocol):
    """Makes the messages of one request's body; see `StreamExchange`."""

    def feed(self, data: bytes) -> Iterable[Message]:
        """Take a part of the body."""
        ...

    def end(self) -> Iterable[Message]:
        """Learn that the body is complete."""
        ...


def make_intake(route: GrpcRoute, head: Head, bind: Bind, limit: int) -> Intake:
    """Make what reads the body of a request.

    Args:
        route: says whether requests stream, and what the body is.
        head: the request's.
        bind: makes a message of a body, a JSON value, or a part of an HttpBody.
        limit: bytes that one JSON value, or the one body of an RPC whose requests do not stream, may have.

    Raises:
        GatewayError: 415.
    """
    body = route.binder.body
    content_type, encoding = head.text(b"content-type"), head.text(b"content-encoding")
    if not route.method.client_streaming or not body.taken:
        return _One(content_type, encoding, bind, limit)
    decoder = make_decoder(encoding)
    if body.raw:
        return _Octets(decoder, content_type, min(CHUNK, limit), bind)
    values = JsonValues(limit, array=not body.listed)
    return _Items(decoder, values, bind, form=_read_type(content_type), marked=_name(content_type) == _JSON_SEQ)


class _One:
    """A request that does not stream: its body is collected."""

    def __init__(self, content_type: str | None, encoding: str | None, bind: Bind, limit: int) -> None:
        self._content_type = content_type
        self._encoding = encoding
        self._limit = limit
        self._bind = bind
        self._body = bytearray()

    def feed(self, data: bytes) -> Iterable[Message]:
        check_size(len(self._body) + len(data), self._limit)
        self._body += data
        return ()

    def end(self) -> Iterable[Message]:
        body = bytes(self._body)
        if body:
            body = decode_body(body, self._encoding, self._limit)
        return (self._bind(Body(self._content_type, body)),)


class _Items:
    """JSON values, each of which is a message's body."""

    def __init__(self, decoder: Decoder, values: JsonValues, bind: Bind, *, form: bool, marked: bool) -> None:
        self._decoder = decoder
        self._values = values
        self._bind = bind
        self._form = form
        self._marked = marked

    def feed(self, data: bytes) -> Iterator[Message]:
        for piece in self._decoder.feed(data):
            if self._form:
                self._check_form(piece)
            text = piece.replace(b"\x1e", b"\n") if self._marked else piece  # no JSON has that octet (RFC 7464)
            for value in self._values.feed(text):
                yield self._message(value)

    def end(self) -> Iterator[Message]:
        self._decoder.end()
        for value in self._values.end():
            yield self._message(value)

    def _message(self, text: bytes) -> Message:
        try:
            return self._bind(Body(None, text))
        except InvalidArgument as error:
            if error.source != "body":
                raise
            raise error.within(f"[{self._values.count - 1}]") from None

    def _check_form(self, piece: bytes) -> None:
        """Refuse a form, but not what ``curl --data`` says is one."""
        start = piece.lstrip(_SPACE)
        if start:
            self._form = False
            if start[:1] not in (b"{", b"["):
                raise _unsupported("a form cannot be a stream of messages")


class _Octets:
    """The octets of an HttpBody, in parts as they come; the first part has the content type."""

    def __init__(self, decoder: Decoder, content_type: str | None, size: int, bind: Bind) -> None:
        self._decoder = decoder
        self._content_type = content_type
        self._size = size
        self._bind = bind
        self._begun = False

    def feed(self, data: bytes) -> Iterator[Message]:
        for piece in self._decoder.feed(data):
            for start in range(0, len(piece), self._size):
                yield self._message(piece[start : start + self._size])

    def end(self) -> Iterator[Message]:
        self._decoder.end()
        if not self._begun:
            yield self._message(b"")

    def _message(self, data: bytes) -> Message:
        content_type = None if self._begun else self._content_type
        self._begun = True
        return self._bind(Body(content_type, data))


def _read_type(content_type: str | None) -> bool:
    """Give whether a body calls itself a form, which may be JSON all the same.

    Raises:
        GatewayError: it is neither JSON nor a form.
    """
    name = _name(content_type)
    kind = media_type(content_type)
    if name in _LINES or name == _JSON_SEQ:
        return False
    if kind.foreign_charset:
        raise _unsupported("the charset must be UTF-8")
    if kind.kind in (Kind.JSON, Kind.FORM):
        return kind.kind is Kind.FORM
    if kind.kind is Kind.OTHER:
        raise _unsupported(f"{(content_type or '')[:100]!r} is not taken here")
    raise _unsupported(f"a stream of messages cannot be {kind.kind.value}")


def _name(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _unsupported(description: str) -> InvalidArgument:
    return InvalidArgument(
        "Content-Type",
        f"{description}; send JSON values one after the other (application/x-ndjson), or an array of them",
        source="header",
        reason="UNSUPPORTED_MEDIA_TYPE",
        http_status_=415,
    )
