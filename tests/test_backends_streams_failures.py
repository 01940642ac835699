"""What becomes of a stream that does not end well, over both bridges."""

from __future__ import annotations

import socket
from typing import Any

import grpc
from bridge_servers import backend, framed, headers, in_turn, message, trailers
from google.rpc import status_pb2
from stream_case import Fallback, Shared, StreamCase, Threads
from stream_servers import BOTH, DOWN, ONE, UP, words
from test_backends_failures import GARBLED, LOST, NO_MESSAGE, OK, SHAPES, TOO_LARGE, WRONG_TYPE, hang_up, reset

from twistedgw.status import Code

LATE = "the backend did not answer before the deadline"


class Suite:
    """Run over both bridges."""

    async def broken(self: Any, behave: Any, method: Any = DOWN, **changes: Any) -> tuple[Any, Any]:
        """Give the error of a stream to a server that behaves so, and the receiver."""
        bridge = self.bridge(self.kind, max_response_message=10_000, **changes)
        upstream = bridge.upstream(backend(self.raw(behave).target))
        _, taker = self.begin(bridge, upstream, method, words(1))
        error, trailing = await taker.end
        self.assertIsNotNone(error)
        self.assertEqual(tuple(error.trailing_metadata), tuple(trailing))
        await self.idle(bridge, upstream)
        return error, taker

    async def test_failures_of_this_side(self: Any) -> None:
        """All that can go wrong with a unary call ends in the same words where the call is made as a stream."""
        for name, (behave, (code, reason), messages) in SHAPES.items():
            error, taker = await self.broken(behave, ONE)
            self.assertEqual((name, code, reason), (name, error.code, error.reason))
            self.assertIn(error.message, messages, name)
            self.assertFalse(error.from_backend, name)
            self.assertEqual([], taker.messages, name)

    async def test_after_a_message(self: Any) -> None:
        """A stream that breaks gives what came before, and then our own words."""
        begun = (headers(), message(framed(b"\x18\x01")))
        for behave, (code, reason), text in (
            (hang_up, (Code.UNAVAILABLE, "BACKEND_UNAVAILABLE"), LOST),
            (reset(8), (Code.UNAVAILABLE, "BACKEND_UNAVAILABLE"), LOST),
            (message(framed(b"\xff\xff")), GARBLED, WRONG_TYPE),
            (message(framed(bytes(20_000))), (Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE"), TOO_LARGE),
        ):
            bridge = self.bridge(self.kind, max_response_message=10_000)
            go_on: list[Any] = []

            def wait(http: Any, stream: int, connection: Any, go_on: list[Any] = go_on) -> None:
                go_on.append((http, stream, connection))

            server = self.raw(in_turn(*begun, wait))
            upstream = bridge.upstream(backend(server.target))
            _, taker = self.begin(bridge, upstream, DOWN, words(1))
            await taker.at(2)
            (http, stream, connection) = go_on[0]
            behave(http, stream, connection)
            if behave is not hang_up:
                connection.sendall(http.data_to_send())
            error, _ = await taker.end
            self.check(error, code, reason, text)
            self.assertEqual([1], [each.number for each in taker.messages])
            await self.idle(bridge, upstream)

    async def test_dies_while_paused(self: Any) -> None:
        """An error is told once what is held was delivered."""

        def answer(requests: Any, context: Any) -> Any:
            yield words(1)
            yield words(2)
            context.abort(grpc.StatusCode.DATA_LOSS, "gone")

        bridge, upstream, server = self.flows(answer)
        stream, taker = self.begin(bridge, upstream, DOWN)
        taker.on_message = lambda _: stream.pause()
        stream.send(words(1))
        stream.half_close()
        await taker.at(2)
        await server.over.get()
        self.assertEqual(0, taker.ends)
        stream.resume()
        taker.on_message = lambda _: None
        stream.resume()
        error, _ = await taker.end
        self.check(error, Code.DATA_LOSS, "", "gone")
        self.assertIn([each.number for each in taker.messages], ([1], [1, 2]))

    async def test_error_of_the_backend(self: Any) -> None:
        status = status_pb2.Status(code=7, message="no").SerializeToString()

        def answer(requests: Any, context: Any) -> Any:
            yield words(1)
            context.set_trailing_metadata((("a", "b"), ("grpc-status-details-bin", status)))
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

        bridge, upstream, _ = self.flows(answer)
        _, taker = self.begin(bridge, upstream, BOTH, words(1))
        error, trailing = await taker.end
        self.check(error, Code.PERMISSION_DENIED, "", "no")
        self.assertEqual((True, status), (error.from_backend, error.details))
        self.assertEqual((("a", "b"), ("grpc-status-details-bin", status)), tuple(trailing))
        self.assertEqual(["headers", "message", "ended"], [kind for kind, _ in taker.heard])

    async def test_error_alone(self: Any) -> None:
        """A backend that answers with an error alone has sent no headers."""
        error, taker = await self.broken(headers(("grpc-status", "5"), ("grpc-message", "m"), last=True))
        self.check(error, Code.NOT_FOUND, "", "m")
        self.assertEqual(["ended"], [kind for kind, _ in taker.heard])

    async def test_unknown_code(self: Any) -> None:
        for code in ("17", "4000000"):
            fields = (("grpc-status", code), ("grpc-message", 'my "words"'), ("grpc-status-details-bin", "CAU"))
            error, _ = await self.broken(in_turn(headers(), message(framed(b"")), trailers(*fields)))
            self.check(error, Code.UNKNOWN, "", 'my "words"')
            self.assertEqual((b"\x08\x05", True), (error.details, error.from_backend))

    async def test_one_answer(self: Any) -> None:
        """An RPC whose answer does not stream has one message, and has it only if the call ends with OK."""
        one = message(framed(b"\x18\x01"))
        for method in (UP, ONE):
            error, taker = await self.broken(in_turn(headers(), one, one, OK), method)
            self.check(error, *GARBLED, "the backend answered with more than one message")
            self.assertEqual([], taker.messages)
            error, taker = await self.broken(in_turn(headers(), OK), method)
            self.check(error, *GARBLED, NO_MESSAGE)
            error, taker = await self.broken(in_turn(headers(), one, trailers(("grpc-status", "9"))), method)
            self.check(error, Code.FAILED_PRECONDITION, "", "")
            self.assertEqual([], taker.messages)

    async def test_no_answer_in_a_stream(self: Any) -> None:
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(self.raw(in_turn(headers(), OK)).target))
        _, taker = self.begin(bridge, upstream, DOWN, words(1))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(["headers", "ended"], [kind for kind, _ in taker.heard])

    async def test_backend_ends_early(self: Any) -> None:
        """A backend may end a call whose requests it has not read: its own status is told."""

        def answer(requests: Any, context: Any) -> Any:
            next(requests)
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "enough")
            yield

        bridge, upstream, _ = self.flows(answer)
        for _ in range(5):
            stream, taker = self.begin(bridge, upstream, BOTH)
            while stream.send(words(data=bytes(10_000))):
                pass
            taker.on_ready = lambda stream=stream: stream.send(words(data=bytes(100_000)))
            error, _ = await taker.end
            self.check(error, Code.OUT_OF_RANGE, "", "enough")
        await self.idle(bridge, upstream)

    async def test_server_stops(self: Any) -> None:
        bridge, upstream, server = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)
        stream.send(words(1))
        await taker.at(2)
        server.stop()
        error, _ = await taker.end
        self.assertEqual((Code.UNAVAILABLE, LOST), (error.code, error.message))

    async def test_deadline(self: Any) -> None:
        """A deadline ends a stream, whatever it waits for."""
        bridge, upstream, server = self.flows(lambda requests, context: (words(1) for _ in requests))
        for paused, held in ((False, False), (True, False), (True, True)):
            stream, taker = self.begin(bridge, upstream, BOTH, timeout=0.3)
            if paused and held:
                stream.pause()
            stream.send(words(1))
            await taker.at(1 if held else 2)
            if paused:
                stream.pause()
            await server.over.get()
            if held:
                await self.idle(bridge, upstream)  # the call is over, and only what is held waits
                stream.resume()
            error, _ = await taker.end
            self.check(error, Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", LATE)
            await self.idle(bridge, upstream)

    async def test_deadline_without_an_answer(self: Any) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(f"127.0.0.1:{listening.getsockname()[1]}"))
        _, taker = self.begin(bridge, upstream, BOTH, words(1), timeout=0.1)
        error, _ = await taker.end
        self.check(error, Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", LATE)


class SharedStreamFailureTests(Shared, Suite, StreamCase):
    pass


class FallbackStreamFailureTests(Fallback, Suite, StreamCase):
    pass


class ThreadStreamFailureTests(Threads, Suite, StreamCase):
    pass
