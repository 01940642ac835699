"""gRPC-Web: gRPC's envelopes in HTTP bodies, the trailers in the last of them (grpc/doc/PROTOCOL-WEB.md). Sans-I/O.

Binary and text (base64). The form of the answer is the request's, unless Accept names the other one.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from twistedgw.backends.call import Call, StreamCall
from twistedgw.frontends.base64_stream import Base64Reader
from twistedgw.frontends.deadline import grpc_timeout, rpc_timeout
from twistedgw.frontends.envelope import envelope
from twistedgw.frontends.exchange import Ending, Reply
from twistedgw.frontends.metadata import response_fields
from twistedgw.frontends.rpc_compression import Compression, packed_envelope
from twistedgw.frontends.rpc_error import RpcError, rpc_error, unsupported_type
from twistedgw.frontends.rpc_metadata import rpc_metadata
from twistedgw.frontends.rpc_requests import RequestReader
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from twistedgw.backends.call import Metadata, Result
    from twistedgw.backends.failures import CallError
    from twistedgw.errors import GatewayError
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import GrpcRoute

__all__ = ["GRPC_WEB", "GrpcWebStream", "GrpcWebUnary", "grpc_web_body_limit", "grpc_web_failure"]

GRPC_WEB = "application/grpc-web"
"""How the media types of gRPC-Web begin."""

_TYPE = re.compile(r"application/grpc-web(-text)?(?:\+(proto|json))?")
_TYPES = [f"{GRPC_WEB}{text}+{form}" for text in ("", "-text") for form in ("proto", "json")]
_TRAILERS = 0x80
"""The flag of the last envelope, which holds the trailers."""
_ENVELOPE = 5
_HEAD_WITHIN = 60.0
"""Seconds; metadata that a backend sends later than that would be lost, but so would be the connection."""


class _Form:
    """The forms of a request's and an answer's bodies, by Content-Type and Accept.

    Attributes:
        known: whether the Content-Type is one of gRPC-Web's.
        text_in, text_out: whether the body is base64.
        messages: ``proto`` or ``json``.
        content_type: of the answer.
    """

    __slots__ = ("content_type", "known", "messages", "text_in", "text_out")

    def __init__(self, head: Head) -> None:
        asked = (head.text(b"content-type") or "").partition(";")[0].strip().lower()
        match = _TYPE.fullmatch(asked)
        self.known = match is not None
        self.text_in = match is not None and match[1] is not None
        self.messages = (match[2] if match else None) or "proto"
        accept = (head.text(b"accept") or "").lower()
        self.text_out = f"{GRPC_WEB}-text" in accept or (self.text_in and GRPC_WEB not in accept)
        same = match is not None and self.text_out == self.text_in
        kind = asked if same else f"{GRPC_WEB}{'-text' if self.text_out else ''}+{self.messages}"
        self.content_type = kind.encode("ascii")

    def encoded(self, data: bytes) -> bytes:
        return base64.b64encode(data) if self.text_out else data


class _GrpcWeb:
    """What calls that stream and calls that do not have in common."""

    def __init__(self, head: Head, route: GrpcRoute) -> None:
        """Take a head that speaks gRPC-Web, and the route to the RPC."""
        self._head = head
        self._route = route
        self._form = _Form(head)
        self._compression: Compression | None = None
        self._requests: RequestReader | None = None
        self._text: Base64Reader | None = Base64Reader() if self._form.text_in else None

    def _begin(self, max_message: int, longest: float | None) -> float | None:
        """Read the head but for the metadata; give the timeout."""
        head, route = self._head, self._route
        if not self._form.known:
            raise unsupported_type(head.text(b"content-type") or "", route.rpc, _TYPES)
        accepted = head.text(b"grpc-accept-encoding") or "identity"
        self._compression = Compression(head.text(b"grpc-encoding"), accepted, "grpc-accept-encoding")
        self._requests = RequestReader(route, self._form.messages, self._compression, max_message)
        asked = head.text(b"grpc-timeout")
        return rpc_timeout(None if asked is None else grpc_timeout(asked), longest)

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take a part of the body; see `StreamExchange`."""
        assert self._requests is not None, "open() comes first"
        return self._requests.feed(data if self._text is None else self._text.feed(data))

    def feed_end(self) -> Iterator[Message]:
        """Learn that the body is complete; see `StreamExchange`."""
        assert self._requests is not None, "open() comes first"
        if self._text is not None:
            self._text.finish()
        return self._requests.finish()

    def start(self, initial: Metadata) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give the answer's status, its fields, and the bytes before the first message."""
        fields = response_fields(initial)
        fields.append((b"content-type", self._form.content_type))
        if self._compression is not None and self._compression.wanted:
            fields.append((b"grpc-encoding", b"gzip"))
        return 200, fields, b""

    def message(self, message: Message) -> bytes:
        """Write one message; see `StreamExchange`."""
        assert self._compression is not None, "open() comes first"
        payload = self._route.messages.write[self._form.messages](message)
        return self._form.encoded(packed_envelope(payload, self._compression))

    def end(self, trailing: Metadata) -> Ending:
        """Write the end of a stream that ended with OK."""
        return Ending(self._trailers(RpcError(Code.OK, "", trailing=response_fields(trailing))))

    def break_off(self, error: GatewayError | CallError) -> Ending:
        """Write an error after the answer has begun."""
        return Ending(self._trailers(rpc_error(error)))

    def reply(self, result: Result) -> Reply:
        """Write the whole answer of a call with one message."""
        message = self.message(result.message)
        status, fields, before = self.start(result.initial_metadata)
        return Reply(status, fields, before + message + self.end(result.trailing_metadata).data)

    def failure(self, error: GatewayError | CallError) -> Reply:
        """Write the whole answer of a request that failed before the answer has begun.

        As in gRPC it has trailers only, which then are header fields, unless the backend sent header fields of its own.
        """
        made = rpc_error(error)
        if not made.initial:
            return _trailers_only(made, self._form)
        fields = [*made.fields, *made.initial, (b"content-type", self._form.content_type)]
        return Reply(200, fields, self._trailers(made))

    def _trailers(self, error: RpcError) -> bytes:
        lines = b"".join(b"%b: %b\r\n" % (name, _one_line(value)) for name, value in _status_fields(error))
        return self._form.encoded(envelope(_TRAILERS, lines))


class GrpcWebStream(_GrpcWeb):
    """A call of an RPC that streams: a `StreamExchange`.

    Browsers know no more than streams of answers; the other two kinds work as far as the client's HTTP does.
    """

    single = False
    heartbeat: tuple[float, bytes] | None = None
    start_within: float | None = _HEAD_WITHIN

    def open(self, *, max_message: int) -> StreamCall:
        """Read the head into a call; see `StreamExchange`."""
        timeout = self._begin(max_message, self._route.timeout)
        return StreamCall(self._route.upstream, self._route.method, timeout, rpc_metadata(self._head))


class GrpcWebUnary(_GrpcWeb):
    """A call of an RPC that does not stream: a `UnaryExchange`."""

    def open(self, body: bytes, *, max_body: int, request_timeout: float | None) -> Call:
        """Read the request into a call; see `UnaryExchange`."""
        route = self._route
        timeout = self._begin(max_body, request_timeout if route.timeout is None else route.timeout)
        for _ in self.feed(body):  # the one message comes at the end
            pass
        (message,) = self.feed_end()
        return Call(route.upstream, route.method, message, timeout, rpc_metadata(self._head))


def grpc_web_body_limit(max_message: int) -> int:
    """Give how many bytes a body with one message may have, in an envelope and as text."""
    return (max_message + _ENVELOPE + 2) // 3 * 4


def grpc_web_failure(error: GatewayError | CallError, head: Head) -> Reply:
    """Write the answer of a request for which no route was found."""
    return _trailers_only(rpc_error(error), _Form(head))


def _trailers_only(error: RpcError, form: _Form) -> Reply:
    fields = [*error.fields, *_status_fields(error), (b"content-type", form.content_type)]
    return Reply(error.http_status if error.http_status in (405, 415) else 200, fields, b"")


def _status_fields(error: RpcError) -> list[tuple[bytes, bytes]]:
    """Give the trailers, gRPC's own first."""
    fields = [(b"grpc-status", b"%d" % error.code)]
    if error.message:
        fields.append((b"grpc-message", _percent_encoded(error.message)))
    status = error.status()
    if status:
        fields.append((b"grpc-status-details-bin", base64.b64encode(status).rstrip(b"=")))
    fields.extend(error.trailing)
    return fields


def _percent_encoded(text: str) -> bytes:
    """Encode a message as gRPC has it ("Status-Message"): printable ASCII but for the percent sign stays."""
    octets = text.encode("utf-8", "replace")
    return b"".join(b"%c" % octet if 0x20 <= octet <= 0x7E and octet != 0x25 else b"%%%02X" % octet for octet in octets)


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b" ").replace(b"\n", b" ")
