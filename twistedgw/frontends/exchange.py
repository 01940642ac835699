"""What a frontend reads and what it writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from twistedgw.backends.call import Call, Metadata, Result, StreamCall
    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError

__all__ = ["Ending", "FieldBlock", "Fields", "Head", "Reply", "StreamExchange", "UnaryExchange"]

Fields = Sequence[tuple[bytes, bytes]]
"""HTTP header fields in order, names in lower case."""


class FieldBlock(tuple[tuple[bytes, bytes], ...]):
    """All header fields of a request, in order, with what was learned of them.

    A client says the same fields again and again, so the channel gives equal blocks as one object, and whatever is
    learned of it once is kept: nothing may be that depends on anything else.
    """

    @cached_property
    def texts(self) -> dict[bytes, str]:
        """Each field as text (ISO-8859-1, RFC 9110 section 5.5), its values joined by commas."""
        texts: dict[bytes, str] = {}
        for name, value in self:
            text = value.decode("latin-1")
            texts[name] = f"{texts[name]}, {text}" if name in texts else text
        return texts

    @cached_property
    def learned(self) -> dict[Any, Any]:
        """What others keep here, each by a key of its own."""
        return {}


@dataclass(slots=True)
class Head:
    """A request's head, after trusted proxies have had their say.

    Attributes:
        method: as sent.
        path: raw, percent-encoded, without the query.
        query: raw, without the question mark.
        fields: all header fields; given as any sequence, kept as a `FieldBlock`.
        client: the client's address, as text.
        chain: the value of ``x-forwarded-for`` for the backend.
        host: lower case, without a port; empty where none was sent.
        authority: the host as the client wrote it, with its port.
        secure: whether the client speaks HTTPS.
        request_id: the client's own where it is well-formed, otherwise a new one.
    """

    method: str
    path: bytes
    query: bytes
    fields: Any
    client: str
    chain: str
    host: str
    authority: str
    secure: bool
    request_id: str

    def __post_init__(self) -> None:
        if type(self.fields) is not FieldBlock:
            self.fields = FieldBlock(self.fields)

    def field(self, name: bytes) -> bytes | None:
        """Give the first field of that (lower-case) name."""
        key: bytes
        value: bytes
        for key, value in self.fields:
            if key == name:
                return value
        return None

    def text(self, name: bytes) -> str | None:
        """Give a field as text (ISO-8859-1, RFC 9110 section 5.5), its values joined by commas."""
        texts: dict[bytes, str] = self.fields.texts
        return texts.get(name)


@dataclass(slots=True)
class Reply:
    """A whole answer."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes
    trailers: Sequence[tuple[bytes, bytes]] = ()


@dataclass(slots=True)
class Ending:
    """How an answer that has begun comes to its end.

    Attributes:
        data: the last of the body.
        trailers: HTTP trailers.
        cut: whether the connection (HTTP/2: the stream) is aborted after `data`, so that the end is visibly none.
    """

    data: bytes = b""
    trailers: Sequence[tuple[bytes, bytes]] = ()
    cut: bool = False


class UnaryExchange(Protocol):
    """One request that becomes a unary call, in one wire format: `open`, then `reply` or `failure`. Sans-I/O."""

    def open(self, body: bytes, *, max_body: int, request_timeout: float | None) -> Call:
        """Read the request into a call.

        Args:
            body: as it came, with its Content-Encoding.
            max_body: bytes that it may decode to.
            request_timeout: seconds; the gateway's default for an API that sets none; None for none.

        Raises:
            GatewayError: the request cannot be taken.
        """
        ...

    def reply(self, result: Result) -> Reply:
        """Write the answer of a call that ended with OK.

        Raises:
            GatewayError: the message has no form that the client takes.
        """
        ...

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the answer of a request that failed."""
        ...


class StreamExchange(Protocol):
    """One request that becomes a stream, in one wire format. Sans-I/O; one request at a time.

    `open` comes first. Then, as they arrive: `feed` for each part of the body and `feed_end` for its end; `start`,
    `message` and `end` for what the backend gives. `failure` stands in for everything before `start`, `break_off` for
    an error after it. For an RPC whose answer does not stream (`single`) there is `reply` instead of these four.

    The backend is called at once where the RPC takes a stream, and otherwise when `feed` or `feed_end` has given its
    one request. `start` is called when the backend's headers came, or else with the first message: then `message` has
    been called before it (so that the error of a message that cannot be written still has a status of its own).

    Attributes:
        single: whether the backend's answer is one message, which `reply` writes as a whole.
        heartbeat: what is written after so many seconds of silence, to keep proxies from closing; None for nothing.
        start_within: seconds after which the head is sent though nothing has come from the backend; None where the head
            waits for the first message or the end, though the backend's headers have come.
    """

    single: bool
    heartbeat: tuple[float, bytes] | None
    start_within: float | None

    def open(self, *, max_message: int) -> StreamCall:
        """Read the head into a call.

        Args:
            max_message: bytes that one message of the request may have, decoded.

        Raises:
            GatewayError: the request cannot be taken.
        """
        ...

    def feed(self, data: bytes) -> Iterable[Message]:
        """Take a part of the body; give the messages that it completes.

        What is given may be an iterator that reads on as it is asked: the next part is not fed before it has come to
        its end, and it is not asked while the backend takes no more.

        Raises:
            GatewayError: it is malformed, or too large; the error names the item's index. An iterator may raise it too.
        """
        ...

    def feed_end(self) -> Iterable[Message]:
        """Learn that the body is complete; give the messages that are left.

        Raises:
            GatewayError: as `feed`.
        """
        ...

    def start(self, initial: Metadata) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give the answer's status, its fields, and the bytes before the first message."""
        ...

    def message(self, message: Message) -> bytes:
        """Write one message.

        Raises:
            GatewayError: the message has no form that the client takes; it goes to `break_off`.
        """
        ...

    def end(self, trailing: Metadata) -> Ending:
        """Write the end of a stream that ended with OK."""
        ...

    def break_off(self, error: GatewayError | CallError) -> Ending:
        """Write an error after the answer has begun."""
        ...

    def reply(self, result: Result) -> Reply:
        """Write the whole answer of a call with one message."""
        ...

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the whole answer of a request that failed before the answer has begun."""
        ...
