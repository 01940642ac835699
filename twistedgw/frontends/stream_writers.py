"""The forms that a stream of messages has over REST."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from twistedgw.errors import InvalidArgument
from twistedgw.frontends.exchange import Ending
from twistedgw.frontends.negotiation import parse_accept

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from twistedgw.registry.route import GrpcRoute
    from twistedgw.transcoding.binder import SystemParameters
    from twistedgw.transcoding.printer import Printer

    Print = Callable[[Message], bytes]

__all__ = ["Writer", "make_writer", "wanted_type"]

_EVENTS = "text/event-stream"
_JSON = "application/json"
_JSON_SEQ = "application/json-seq"
_NDJSON = "application/x-ndjson"
_LINES = (_NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonl", "application/x-jsonlines")
_TYPES = (*_LINES, _EVENTS, _JSON_SEQ, _JSON)
"""The best first, where a client leaves the choice."""
_ALTS = {"json": _JSON, "sse": _EVENTS}
_HEARTBEAT_SECONDS = 15.0
_START_SECONDS = 1.0
"""After which a client gets the head of its answer in any case."""
_UNBUFFERED = (b"x-accel-buffering", b"no")
_FIELDS = ((b"vary", b"Accept"), _UNBUFFERED)


class Writer(Protocol):
    """Writes the messages of one stream.

    Attributes:
        heartbeat, start_within: as in `StreamExchange`.
        opening: the bytes before the first message.
    """

    heartbeat: tuple[float, bytes] | None
    start_within: float | None
    opening: bytes

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Give the fields that say what the body is."""
        ...

    def message(self, message: Message) -> bytes:
        """Write a message.

        Raises:
            GatewayError: it has no JSON form.
        """
        ...

    def end(self) -> bytes:
        """Write the end of a stream that ended with OK."""
        ...

    def error(self, status: bytes, wrapped: bytes) -> Ending:
        """Write an error.

        Args:
            status: JSON text, as in an answer that is an error.
            wrapped: the same as the member ``error`` of an object.
        """
        ...


class _JsonWriter:
    """What the writers of JSON have in common."""

    heartbeat: tuple[float, bytes] | None = None
    start_within: float | None = _START_SECONDS
    opening = b""

    def __init__(self, media_type: str, write: Print, before: bytes, after: bytes) -> None:
        """Make one.

        Args:
            media_type: of the whole.
            write: gives a message's JSON text, which has no line ends.
            before, after: what stands around each text; empty for no envelope.
        """
        self._media_type = media_type
        self._print = write
        self._before = before
        self._after = after

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", self._media_type.encode("ascii")), *_FIELDS]

    def message(self, message: Message) -> bytes:
        raise NotImplementedError

    def end(self) -> bytes:
        return b""

    def error(self, status: bytes, wrapped: bytes) -> Ending:
        raise NotImplementedError


class _Lines(_JsonWriter):
    """A JSON text a line; as ``application/json-seq`` each with a mark before it (RFC 7464)."""

    def __init__(self, media_type: str, write: Print, before: bytes, after: bytes) -> None:
        self._mark = b"\x1e" if media_type == _JSON_SEQ else b""
        super().__init__(media_type, write, self._mark + before, after + b"\n")

    def message(self, message: Message) -> bytes:
        return self._before + self._print(message) + self._after

    def error(self, status: bytes, wrapped: bytes) -> Ending:  # noqa: ARG002
        return Ending(self._mark + wrapped + b"\n")


class _Events(_JsonWriter):
    """Server-sent events (WHATWG HTML section 9.2)."""

    heartbeat: tuple[float, bytes] | None = (_HEARTBEAT_SECONDS, b":\n\n")
    _count = 0

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [*super().fields(), (b"cache-control", b"no-cache")]

    def message(self, message: Message) -> bytes:
        self._count += 1
        return b"id: %d\ndata: %b%b%b\n\n" % (self._count, self._before, self._print(message), self._after)

    def error(self, status: bytes, wrapped: bytes) -> Ending:
        return Ending(b"event: error\ndata: %b\n\n" % (wrapped if self._before else status))


class _Array(_JsonWriter):
    """One JSON array; after an error it has no end."""

    opening = b"["
    _comma = b""

    def message(self, message: Message) -> bytes:
        comma, self._comma = self._comma, b",\n"
        return comma + self._before + self._print(message) + self._after

    def end(self) -> bytes:
        return b"]\n"

    def error(self, status: bytes, wrapped: bytes) -> Ending:  # noqa: ARG002
        return Ending(self._comma + wrapped if self._before else b"", cut=True)


class _Octets:
    """The data of ``google.api.HttpBody``, and nothing between; the first message says what it is."""

    heartbeat: tuple[float, bytes] | None = None
    start_within: float | None = None
    opening = b""
    _content_type = b"application/octet-stream"
    _first = True

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", self._content_type), _UNBUFFERED]

    def message(self, message: Message) -> bytes:
        body = self._printer.http_body(message)
        assert body is not None
        if self._first:
            self._first = False
            self._content_type = body[0]
        return body[1]

    def end(self) -> bytes:
        return b""

    def error(self, status: bytes, wrapped: bytes) -> Ending:  # noqa: ARG002
        return Ending(cut=True)


_WRITERS: dict[str, type[_JsonWriter]] = {
    **dict.fromkeys((*_LINES, _JSON_SEQ), _Lines),
    _EVENTS: _Events,
    _JSON: _Array,
}


def make_writer(route: GrpcRoute, accept: str | None, system: SystemParameters) -> Writer:
    """Make the writer of one answer.

    Args:
        route: says how messages are printed, and whether each has an envelope.
        accept: the request's field.
        system: what the query asks for, which goes before Accept.

    Raises:
        InvalidArgument: the query asks for protobuf.
    """
    printer = route.printer
    if printer.raw:
        return _Octets(printer)
    if system.alt == "proto":
        raise InvalidArgument(
            "$alt",
            "a stream cannot be had as protobuf here: ask for json or sse, or use gRPC-Web or Connect",
            source="query parameter",
            reason="INVALID_QUERY",
        )
    media_type = wanted_type(accept) if system.alt is None else _ALTS[system.alt]
    before, after = (b'{"result":', b"}") if route.plugin.stream_envelope == "result" else (b"", b"")
    return _WRITERS[media_type](media_type, printer.encoder(enums_as_numbers=system.enums_as_numbers), before, after)


@lru_cache(256)
def wanted_type(accept: str | None) -> str:
    """Give the media type of a stream of JSON for an Accept field.

    The highest quality decides, then whether a type is named rather than in a range, then the order of `_TYPES`. A
    client that takes none of them gets NDJSON, as one that says nothing: a client that cannot read it can ignore it.
    """
    ranges = parse_accept(accept) if accept else {}
    best, chosen = (0.0, False), _NDJSON
    for name in _TYPES:
        family = ranges.get(f"{name.partition('/')[0]}/*", ranges.get("*/*", 0.0))
        rank = (ranges.get(name, family), name in ranges)
        if rank[0] > 0 and rank > best:
            best, chosen = rank, name
    return chosen
