"""Every way in which a call can fail becomes a clean `CallError`, over both bridges."""

from __future__ import annotations

import asyncio
import gzip
import socket
from typing import Any

import grpc
import grpc.aio
import pytest
from bridge_case import BridgeCase
from bridge_servers import backend, framed, headers, in_turn, message, say, trailers
from twisted.internet.defer import CancelledError
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twistedgw.backends.core_status import local_status
from twistedgw.backends.failures import CallError, call_error, status_error
from twistedgw.config.model import Bridge
from twistedgw.status import Code

LOST = "the connection to the backend was lost"
NOT_GRPC = "the backend's answer is not valid gRPC"
TOO_LARGE = "the backend's answer is larger than the gateway accepts"
WRONG_TYPE = "the backend's answer is not of the type that its RPC declares"
NO_MESSAGE = "the backend answered without a message"
OK = trailers(("grpc-status", "0"))


def reset(code: int) -> Any:
    return lambda http, stream, _: http.reset_stream(stream, code)


def hang_up(http: Any, stream: int, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def go_away(http: Any, stream: int, connection: socket.socket) -> None:
    http.close_connection(11, b"too_many_pings", last_stream_id=0)


def http_status(status: str) -> Any:
    return headers(("server", "nginx"), status=status, last=True)


UNAVAILABLE = (Code.UNAVAILABLE, "BACKEND_UNAVAILABLE")
GARBLED = (Code.INTERNAL, "BACKEND_PROTOCOL_ERROR")
ZEROS = framed(gzip.compress(bytes(1_000_000)), compressed=True)

SHAPES: dict[str, tuple[Any, tuple[Code, str], set[str]]] = {
    "reset: internal": (reset(2), GARBLED, {NOT_GRPC}),
    "reset: refused": (reset(7), UNAVAILABLE, {LOST}),
    "reset: cancel": (reset(8), UNAVAILABLE, {LOST}),
    "reset: calm": (reset(11), (Code.RESOURCE_EXHAUSTED, "BACKEND_CALL_FAILED"), {"the call to the backend failed"}),
    "reset after headers": (in_turn(headers(), reset(8)), UNAVAILABLE, {LOST}),
    "connection closed": (hang_up, UNAVAILABLE, {LOST}),
    "goaway": (go_away, UNAVAILABLE, {LOST}),
    "http 503": (
        http_status("503"),
        UNAVAILABLE,
        {"the backend answered with HTTP status 503 and no gRPC status"},
    ),
    "http 404": (
        http_status("404"),
        (Code.UNIMPLEMENTED, "BACKEND_PROTOCOL_ERROR"),
        {"the backend answered with HTTP status 404 and no gRPC status"},
    ),
    "http 401": (
        http_status("401"),
        (Code.UNAUTHENTICATED, "BACKEND_PROTOCOL_ERROR"),
        {"the backend answered with HTTP status 401 and no gRPC status"},
    ),
    "no status": (in_turn(headers(), message(framed(b""), last=True)), GARBLED, {NOT_GRPC}),
    "no status in trailers": (in_turn(headers(), message(framed(b"")), trailers(("x", "y"))), GARBLED, {NOT_GRPC}),
    "html": (in_turn(headers(), message(b"<html>" * 9, last=True)), GARBLED, {NOT_GRPC}),
    "status is no number": (headers(("grpc-status", "abc"), last=True), GARBLED, {NOT_GRPC}),
    "no base64": (headers(("grpc-status", "5"), ("x-bin", "!!!"), last=True), GARBLED, {NOT_GRPC}),
    "no message": (in_turn(headers(), OK), GARBLED, {NO_MESSAGE}),
    "half a message": (in_turn(headers(), message(framed(b"abc")[:6]), OK), GARBLED, {NO_MESSAGE}),
    "not of the type": (in_turn(headers(), message(framed(b"\xff\xff")), OK), GARBLED, {WRONG_TYPE}),
    "compressed by nothing": (
        in_turn(headers(), message(framed(b"\xff", compressed=True)), OK),
        GARBLED,
        {NOT_GRPC, WRONG_TYPE},
    ),
    "no gzip": (
        in_turn(headers(("grpc-encoding", "gzip")), message(framed(b"abc", compressed=True)), OK),
        GARBLED,
        {NOT_GRPC},
    ),
    "too large": (
        in_turn(headers(), message(framed(bytes(20_000))), OK),
        (Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE"),
        {TOO_LARGE},
    ),
    "too large when unpacked": (
        in_turn(headers(("grpc-encoding", "gzip")), message(ZEROS), OK),
        (Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE"),
        {TOO_LARGE},
    ),
    "too much metadata": (
        headers(("grpc-status", "5"), *[(f"x{number}", "y" * 3000) for number in range(10)], last=True),
        (Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE"),
        {TOO_LARGE},
    ),
}


class Failures:
    """The suite. `kind` says over which bridge."""

    async def fail(self, behave: Any, **changes: Any) -> CallError:
        """Give the error of a call to a server that behaves so."""
        bridge = self.bridge(self.kind, max_response_message=10_000, **changes)
        upstream = bridge.upstream(backend(self.raw(behave).target))
        error = await self.error(bridge.unary(say(upstream)))
        await self.idle(bridge, upstream)
        return error

    async def test_failures_of_this_side(self) -> None:
        """What gRPC's core says is replaced: no addresses, no HTTP/2, and a code and a reason that fit."""
        for name, (behave, (code, reason), messages) in SHAPES.items():
            error = await self.fail(behave)
            self.assertEqual((name, code, reason), (name, error.code, error.reason))
            self.assertIn(error.message, messages, name)
            self.assertFalse(error.from_backend, name)
            self.assertEqual(b"", error.details)

    async def test_unknown_code(self) -> None:
        """A code outside of the table is UNKNOWN, with the backend's message and details."""
        for code in ("17", "99", "4000000"):
            fields = (("grpc-status", code), ("grpc-message", 'my "words"'), ("grpc-status-details-bin", "CAU"))
            error = await self.fail(headers(*fields, last=True))
            self.check(error, Code.UNKNOWN, "", 'my "words"')
            self.assertEqual((b"\x08\x05", True), (error.details, error.from_backend))

    async def test_message_that_is_not_utf8(self) -> None:
        """Any grpc-message comes out as text."""
        for sent, text in {"%ff%fe a%zz": "ÿþ a%zz", "a%00b%0Ac": "a\x00b\nc", "gr%C3%BC%C3%9Fe": "grüße"}.items():
            error = await self.fail(headers(("grpc-status", "5"), ("grpc-message", sent), last=True))
            self.check(error, Code.NOT_FOUND, "", text)

    async def test_no_message(self) -> None:
        error = await self.fail(headers(("grpc-status", "9"), last=True))
        self.check(error, Code.FAILED_PRECONDITION, "", "")
        self.assertTrue(error.from_backend)

    async def test_grpc_status_beats_the_http_status(self) -> None:
        error = await self.fail(headers(("grpc-status", "5"), ("grpc-message", "m"), status="500", last=True))
        self.check(error, Code.NOT_FOUND, "", "m")

    async def test_words_of_a_core_with_details(self) -> None:
        """A status with details is the backend's own, even where its message is as gRPC's core has it."""
        fields = (("grpc-status", "14"), ("grpc-message", "Socket closed"), ("grpc-status-details-bin", "CA4"))
        error = await self.fail(headers(*fields, last=True))
        self.check(error, Code.UNAVAILABLE, "", "Socket closed")
        self.assertEqual((b"\x08\x0e", True), (error.details, error.from_backend))

    async def test_words_of_the_backends_own_core(self) -> None:
        """A backend that passes on what its own core said about its own backend does not leak that either."""
        text = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:443: Connection refused"
        error = await self.fail(headers(("grpc-status", "14"), ("grpc-message", text), last=True))
        self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")

    async def test_not_http2(self) -> None:
        """A server of something else is a backend that cannot be reached."""
        for greeting in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
            server = self.raw(None)
            server.greet = greeting
            bridge = self.bridge(self.kind)
            error = await self.error(bridge.unary(say(bridge.upstream(backend(server.target)))))
            self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")

    async def test_names_that_cannot_be_reached(self) -> None:
        """Whatever the target is, the message is the same clean one."""
        bridge = self.bridge(self.kind)
        for target in (self.dead().target, "dns:///no-such-name.invalid:443", "unix:/nowhere/at/all.sock", "ipv4:junk"):
            error = await self.error(bridge.unary(say(bridge.upstream(backend(target)))))
            self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")
            self.assertFalse(error.from_backend)

    async def test_answer_over_the_limit(self) -> None:
        """An answer may be as large as the limit, and not a byte larger."""
        bridge = self.bridge(self.kind, max_response_message=1000)
        # One byte of tag and two of length come before the data.
        server = self.server(lambda request, context: b"\x12" + b"\xe5\x07" + bytes(int(request.text)))
        upstream = bridge.upstream(backend(server.target))
        result = await bridge.unary(say(upstream, "997"))
        self.assertEqual(997, len(result.message.data))
        error = await self.error(bridge.unary(say(upstream, "998")))
        self.check(error, Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE", TOO_LARGE)

    async def test_deadline_without_an_answer(self) -> None:
        """A backend that takes the connection and says nothing runs into the deadline."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(f"127.0.0.1:{listening.getsockname()[1]}"))
        error = await self.error(bridge.unary(say(upstream, timeout=0.1)))
        self.check(error, Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the backend did not answer before the deadline")


class AsyncioFailureTests(Failures, BridgeCase):
    kind = Bridge.ASYNCIO


class ThreadFailureTests(Failures, BridgeCase):
    kind = Bridge.THREAD


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.UNAVAILABLE, "x"),
        (Code.UNAVAILABLE, ""),
        (Code.UNAVAILABLE, "connection pool exhausted"),
        (Code.UNAVAILABLE, "the Socket closed"),
        (Code.INTERNAL, "Illegal argument: -1"),
        (Code.INTERNAL, "Deadline Exceeded"),
        (Code.UNKNOWN, "Exception calling application: 'shelf'"),
        (Code.NOT_FOUND, "failed to connect to all addresses"),
        (Code.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (5000 vs. 1000)"),
        (Code.CANCELLED, "bye"),
        (Code.DEADLINE_EXCEEDED, "the database took too long"),
        (Code.UNIMPLEMENTED, "Method not found!"),
    ],
)
def test_words_of_a_backend(code: Code, text: str) -> None:
    """What a backend says for itself is not taken for the core's."""
    assert local_status(code, text) is None


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (Code.UNAVAILABLE, "Stream removed (something new)", "BACKEND_UNAVAILABLE"),
        (Code.INTERNAL, "Stream removed (something new)", "BACKEND_PROTOCOL_ERROR"),
        (Code.UNAVAILABLE, "something new about ipv4:10.0.0.7:443", "BACKEND_UNAVAILABLE"),
        (Code.UNKNOWN, "something new about ipv6:%5B::1%5D:443", "BACKEND_PROTOCOL_ERROR"),
        (Code.PERMISSION_DENIED, "something new about unix:/run/secret.sock", "BACKEND_CALL_FAILED"),
        (Code.INTERNAL, "Exception deserializing response!", "BACKEND_CALL_FAILED"),
        (Code.CANCELLED, "Channel closed!", "CANCELLED"),
        (Code.UNAVAILABLE, "keepalive timeout", "BACKEND_UNAVAILABLE"),
    ],
)
def test_words_of_the_core(code: Code, text: str, reason: str) -> None:
    """What is a core's, known or not, gets a sentence of ours that repeats nothing of it."""
    status = local_status(code, text)
    assert status is not None
    assert status.reason == reason
    assert "new" not in status.message


class CallErrorTests(SynchronousTestCase):
    """The one function that folds failures."""

    def test_cancellations(self) -> None:
        """Three libraries have three words for it."""
        for problem in (grpc.FutureCancelledError(), asyncio.CancelledError(), CancelledError()):
            error = call_error(problem)
            self.assertEqual((Code.CANCELLED, "CANCELLED"), (error.code, error.reason))

    def test_closed_channels(self) -> None:
        for problem in (ValueError("Cannot invoke RPC on closed channel!"), grpc.aio.UsageError("Channel is closed.")):
            error = call_error(problem)
            self.assertEqual((Code.UNAVAILABLE, "BACKEND_UNAVAILABLE"), (error.code, error.reason))

    def test_one_of_ours(self) -> None:
        error = CallError(Code.ABORTED, "no")
        self.assertIs(error, call_error(error))

    def test_anything_else(self) -> None:
        """What nobody has thought of is INTERNAL, says nothing to the client, and is in the log."""
        for problem in (RuntimeError("secret"), grpc.RpcError("secret"), grpc.aio.InternalError("secret")):
            error = call_error(problem)
            self.assertEqual((Code.INTERNAL, "BACKEND_CALL_FAILED"), (error.code, error.reason))
            self.assertNotIn("secret", error.message)
            self.assertEqual([problem], [failure.value for failure in self.flushLoggedErrors()])

    def test_the_log(self) -> None:
        """What the core said is to be found at debug; the backend's own words are not logged at all."""
        with capturedLogs() as events:
            status_error(14, "failed to connect to all addresses; last error: ipv4:10.0.0.7:443", (), ())
            status_error(14, "my words", (), ())
        self.assertEqual([LogLevel.debug], [event["log_level"] for event in events])
        self.assertIn("ipv4:10.0.0.7:443", formatEvent(events[0]))

    def test_text(self) -> None:
        self.assertEqual("ABORTED: no", str(CallError(Code.ABORTED, "no")))
