"""Streams, over both bridges, against real gRPC servers."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

from bridge_case import THREADS
from bridge_servers import backend
from google.protobuf import message_factory
from stream_case import Fallback, Shared, StreamCase, Threads
from stream_servers import BOTH, DEMAND, DOWN, ONE, UP, FlowServer, echo, words

from twistedgw.backends import event_channel
from twistedgw.status import Code


def count(requests: Any, context: Any) -> Any:
    """Answer with as many messages as the request says."""
    (request,) = requests
    for number in range(request.number):
        yield words(number, data=request.data)


class Suite:
    """Run over both bridges."""

    async def test_server_streaming(self: Any) -> None:
        bridge, upstream, _ = self.flows(count)
        _, taker = self.begin(bridge, upstream, DOWN, words(1000))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(1000)), [message.number for message in taker.messages])
        self.assertEqual("headers", taker.heard[0][0])
        self.assertEqual(1, taker.count("headers"))
        await self.idle(bridge, upstream)

    async def test_client_streaming(self: Any) -> None:
        def answer(requests: Any, context: Any) -> Any:
            yield words(sum(request.number for request in requests))

        bridge, upstream, _ = self.flows(answer)
        _, taker = self.begin(bridge, upstream, UP, *map(words, range(100)))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual([4950], [message.number for message in taker.messages])

    async def test_unary(self: Any) -> None:
        """An RPC without any stream goes this way too."""
        bridge, upstream, _ = self.flows()
        _, taker = self.begin(bridge, upstream, ONE, words(7))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual([7], [message.number for message in taker.messages])

    async def test_bidirectional(self: Any) -> None:
        """Each answer brings forth the next request, from within the receiver."""
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)

        def on(message: Any) -> None:
            if message.number == 50:
                stream.half_close()
            else:
                self.assertTrue(stream.send(words(message.number + 1)))

        taker.on_message = on
        stream.send(words(0))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(51)), [message.number for message in taker.messages])

    async def test_nothing_is_sent(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)
        stream.half_close()
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual([], taker.messages)

    async def test_large_messages(self: Any) -> None:
        """Messages above every limit for reading ahead and sending ahead."""
        bridge, upstream, _ = self.flows(max_response_message=4_000_000)
        large = words(data=bytes(3_000_000))
        for method in (BOTH, UP, ONE):
            _, taker = self.begin(bridge, upstream, method, *[large] * (3 if method is BOTH else 1))
            self.assertEqual((None, ()), await taker.end)
            self.assertEqual([large] * (3 if method is BOTH else 1), taker.messages)

    async def test_headers_before_any_message(self: Any) -> None:
        """The backend's headers come when they are there, be they empty or not."""
        for sent, expected in (((("a", "b"),), [("headers", (("a", "b"),))]), ((), [("headers", ())])):

            def answer(requests: Any, context: Any, sent: Any = sent) -> Any:
                context.send_initial_metadata(sent)
                yield from requests

            bridge, upstream, _ = self.flows(answer)
            stream, taker = self.begin(bridge, upstream, BOTH)
            await taker.at(1)
            self.assertEqual(expected, taker.heard)
            stream.send(words(1))
            await taker.at(2)
            stream.cancel()

    async def test_metadata_both_ways(self: Any) -> None:
        seen: list[Any] = []

        def answer(requests: Any, context: Any) -> Any:
            seen.append(dict(context.invocation_metadata()))
            context.send_initial_metadata((("first", "1"), ("first-bin", b"\x00")))
            yield from requests
            context.set_trailing_metadata((("last", "2"), ("last-bin", b"\xff")))

        bridge, upstream, _ = self.flows(answer)
        _, taker = self.begin(bridge, upstream, BOTH, words(1), metadata=(("x-a", "b"), ("x-b-bin", b"\x01")))
        self.assertEqual((None, (("last", "2"), ("last-bin", b"\xff"))), await taker.end)
        self.assertEqual(("headers", (("first", "1"), ("first-bin", b"\x00"))), taker.heard[0])
        self.assertEqual(("b", b"\x01"), (seen[0]["x-a"], seen[0]["x-b-bin"]))

    async def test_cancel(self: Any) -> None:
        """The backend hears of it, and the place is given back."""
        bridge, upstream, server = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)
        stream.send(words(0))
        await taker.at(2)
        stream.cancel()
        self.assertEqual(1, taker.ends)
        error, _ = await taker.end
        self.check(error, Code.CANCELLED, "CANCELLED", "the call was cancelled")
        await server.over.get()
        await self.idle(bridge, upstream)

    async def test_cancel_at_once(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)
        stream.cancel()
        self.assertEqual(Code.CANCELLED, (await taker.end)[0].code)
        await self.idle(bridge, upstream)

    async def test_cancel_from_within(self: Any) -> None:
        """A receiver may cancel in whatever it is told; it hears of the end, and of nothing after it."""
        for told in ("on_headers", "on_message", "on_ready"):

            def answer(requests: Any, context: Any) -> Any:
                yield from map(words, range(5))
                for _ in requests:
                    pass

            bridge, upstream, server = self.flows(answer, max_response_message=300_000)
            stream, taker = self.begin(bridge, upstream, BOTH)

            def cancel(*_: Any, stream: Any = stream, taker: Any = taker) -> None:
                stream.cancel()
                self.assertEqual(1, taker.ends)
                self.use(stream)

            setattr(taker, told, cancel)
            server.answer = answer if told != "on_ready" else echo
            self.assertFalse(stream.send(words(data=bytes(200_000))))
            self.assertEqual(Code.CANCELLED, (await taker.end)[0].code)
            await self.idle(bridge, upstream)
            self.assertEqual(1, taker.ends)

    def use(self: Any, stream: Any) -> None:
        """Use all of a stream that has ended: nothing must happen."""
        self.assertFalse(stream.send(words(1)))
        stream.pause()
        stream.resume()
        stream.half_close()
        stream.cancel()

    async def test_after_the_end(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH, words(1))
        taker.on_end = lambda: self.use(stream)
        await taker.end
        self.use(stream)
        await self.later(0.02)
        self.assertEqual(["headers", "message", "ended"], [kind for kind, _ in taker.heard])

    async def test_pause_from_within(self: Any) -> None:
        """One message at a time, each asked for in a turn of its own."""
        bridge, upstream, _ = self.flows(count)
        stream, taker = self.begin(bridge, upstream, DOWN)
        taker.on_message = lambda message: stream.pause()
        stream.send(words(20))
        stream.half_close()
        for number in range(1, 21):
            await taker.at(1 + number)
            await self.later()
            self.assertEqual(number, len(taker.messages))
            if number < 20:
                self.assertEqual(0, taker.ends)
            stream.resume()
        self.assertEqual((None, ()), await taker.end)

    async def test_pause_and_resume_from_within(self: Any) -> None:
        bridge, upstream, _ = self.flows(count)
        stream, taker = self.begin(bridge, upstream, DOWN)

        def on(message: Any) -> None:
            stream.pause()
            stream.resume()

        taker.on_message = on
        stream.send(words(200))
        stream.half_close()
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(200)), [message.number for message in taker.messages])

    async def test_required_field(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, DEMAND)
        self.assertFalse(stream.send(message_factory.GetMessageClass(DEMAND.input_type)()))
        error, _ = await taker.end
        self.check(error, Code.INVALID_ARGUMENT, "INVALID_REQUEST", "required fields are missing: must")
        await self.idle(bridge, upstream)

    async def test_metadata_that_cannot_be_sent(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        _, taker = self.begin(bridge, upstream, BOTH, metadata=(("Ä", "b"),))
        self.assertEqual(0, taker.ends)
        error, _ = await taker.end
        self.assertEqual((Code.INVALID_ARGUMENT, "INVALID_METADATA"), (error.code, error.reason))
        await self.idle(bridge, upstream)

    async def refused(self: Any, bridge: Any, upstream: Any, message: str, **options: Any) -> Any:
        """Open a stream that is refused, but not at once."""
        stream, taker = self.begin(bridge, upstream, BOTH, words(1), **options)
        self.assertEqual(0, taker.ends)
        error, _ = await taker.end
        self.assertEqual(message, error.message)
        self.use(stream)
        return error

    async def test_refusals(self: Any) -> None:
        bridge, upstream, _ = self.flows(max_in_flight=1)
        error = await self.refused(bridge, upstream, "the deadline passed before the backend was called", timeout=0)
        self.assertEqual(Code.DEADLINE_EXCEEDED, error.code)
        stream, _ = self.begin(bridge, upstream, BOTH)
        error = await self.refused(bridge, upstream, "the gateway has too many calls in flight")
        self.assertEqual((Code.UNAVAILABLE, 1), (error.code, error.retry_after))
        bridge.places.max_in_flight, upstream.max_in_flight = 10, 1
        await self.refused(bridge, upstream, "the backend has too many calls in flight")
        stream.cancel()
        await self.idle(bridge, upstream)
        upstream.close()
        await self.refused(bridge, upstream, "the backend was taken out of service")
        await bridge.stop()
        await self.refused(bridge, upstream, "the gateway is stopping")

    async def test_cancel_of_a_refused_stream(self: Any) -> None:
        bridge, upstream, _ = self.flows(max_in_flight=0)
        stream, taker = self.begin(bridge, upstream, BOTH)
        stream.cancel()
        self.assertEqual(Code.CANCELLED, (await taker.end)[0].code)
        await self.idle(bridge, upstream)
        self.assertEqual(1, taker.ends)

    async def test_closed_upstream(self: Any) -> None:
        """What is under way ends at once, even where it is paused with a message held."""
        bridge, upstream, _ = self.flows()
        streams = [self.begin(bridge, upstream, BOTH) for _ in range(3)]
        streams[1][0].pause()
        for stream, _ in streams:
            stream.send(words(1))
        await streams[0][1].at(2)
        upstream.close()
        for _, taker in streams:
            self.assertEqual(1, taker.ends)
            self.check(
                (await taker.end)[0], Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend was taken out of service"
            )
        await self.idle(bridge, upstream)

    async def test_stop(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        streams = [self.begin(bridge, upstream, BOTH) for _ in range(3)]
        for stream, _ in streams:
            stream.send(words(1))
        await streams[0][1].at(2)
        late, unheard = self.begin(bridge, upstream, BOTH)
        await bridge.stop()
        for _, taker in [*streams, (late, unheard)]:
            self.check((await taker.end)[0], Code.UNAVAILABLE, "GATEWAY_STOPPING", "the gateway is stopping")
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))

    async def test_stop_just_after_a_cancel(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        for paused in (False, True):
            stream, taker = self.begin(bridge, upstream, BOTH)
            stream.send(words(1))
            await taker.at(2)
            if paused:
                stream.pause()
            stream.cancel()
        await bridge.stop()
        self.assertEqual(0, bridge.places.in_flight)

    async def test_receiver_that_fails(self: Any) -> None:
        """A bug in a receiver ends its stream, and no other."""
        for told in ("on_headers", "on_message"):
            bridge, upstream, _ = self.flows()
            stream, taker = self.begin(bridge, upstream, BOTH)
            setattr(taker, told, lambda _: 1 / 0)
            _, well = self.begin(bridge, upstream, BOTH, words(1))
            stream.send(words(1))
            error, _ = await taker.end
            self.assertEqual((Code.INTERNAL, "the answer could not be passed on"), (error.code, error.message))
            self.assertIsNone((await well.end)[0])
            self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
            await self.idle(bridge, upstream)

    async def test_nothing_of_a_stream_is_kept(self: Any) -> None:
        bridge, upstream, _ = self.flows()
        gone = []
        for cancel in (False, True):
            stream, taker = self.begin(bridge, upstream, BOTH, words(1))
            if cancel:
                await taker.at(1)
                stream.cancel()
            await taker.end
            await self.idle(bridge, upstream)
            gone.append(weakref.ref(taker))
            del stream, taker
        for _ in range(100):
            await self.later(0.01)
            gc.collect()
            if not any(ref() for ref in gone):
                return
        self.fail("a receiver is still there")

    async def test_many_at_once(self: Any) -> None:
        bridge, upstream, _ = self.flows(threads=16)
        streams = [self.begin(bridge, upstream, BOTH, *map(words, range(50))) for _ in range(16)]
        for _, taker in streams:
            self.assertEqual((None, ()), await taker.end)
            self.assertEqual(list(range(50)), [message.number for message in taker.messages])
        await self.idle(bridge, upstream)

    async def test_next_line(self: Any) -> None:
        """A stream goes to the next target where one cannot be reached, with all that was sent meanwhile."""
        server = FlowServer()
        self.addCleanup(server.stop)
        bridge = self.bridge(self.kind)
        targets = [f"localhost:{port}" for port in (self.dead().port, self.dead().port, server.port)]
        upstream = bridge.upstream(backend(*targets, load_balancing="pick_first"))
        _, taker = self.begin(bridge, upstream, BOTH, *map(words, range(20)))
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(20)), [message.number for message in taker.messages])
        self.assertEqual((1, 1), (server.calls, taker.count("headers")))

    async def test_no_line(self: Any) -> None:
        bridge = self.bridge(self.kind)
        for targets in ([self.dead().target], [f"localhost:{self.dead().port}" for _ in range(2)]):
            upstream = bridge.upstream(backend(*targets))
            _, taker = self.begin(bridge, upstream, BOTH, *map(words, range(20)))
            error, _ = await taker.end
            self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")
            self.assertEqual(["ended"], [kind for kind, _ in taker.heard])
            await self.idle(bridge, upstream)


class SharedStreamTests(Shared, Suite, StreamCase):
    async def test_one_thread(self) -> None:
        """Streams share one thread, which ends with their channel."""
        bridge, upstream, _ = self.flows()
        names = lambda: [thread.name for thread in threading.enumerate()].count("twistedgw-events")  # noqa: E731
        before = names()
        for _ in range(2):
            streams = [self.begin(bridge, upstream, BOTH) for _ in range(12)]
            for stream, taker in streams:
                stream.send(words(1))
                await taker.at(2)
            self.assertEqual(before + 1, names())
            for stream, _ in streams:
                stream.cancel()
            await self.idle(bridge, upstream)
        upstream.close()
        while names() > before:
            await self.later(0.001)

    async def test_state(self) -> None:
        """An upstream of streams alone is as ready as any."""
        bridge, upstream, _ = self.flows()
        self.assertEqual("idle", upstream.state())
        _, taker = self.begin(bridge, upstream, BOTH, words(1))
        await taker.end
        self.assertEqual("ready", upstream.state())

    def test_another_grpcio(self) -> None:
        """What cannot be used is found out before it is."""
        self.assertTrue(event_channel.supported())

        class Other:
            def __enter__(self) -> Other:
                return self

            def __exit__(self, *_: object) -> None: ...

        class Renamed(Other):
            _channel = object()

        for channel in (Other, Renamed):
            event_channel._last_arguments.cache_clear()
            self.addCleanup(event_channel._last_arguments.cache_clear)
            self.patch(event_channel.grpc, "insecure_channel", lambda _, channel=channel: channel())
            self.assertFalse(event_channel.supported())


class FallbackStreamTests(Fallback, Suite, StreamCase):
    pass


class ThreadStreamTests(Threads, Suite, StreamCase):
    async def test_full_pool(self) -> None:
        """Streams have as many threads as unary calls, and these are others."""
        bridge, upstream, _ = self.flows()
        streams = [self.begin(bridge, upstream, BOTH) for _ in range(THREADS)]
        error = await self.refused(bridge, upstream, "all threads for streams are busy")
        self.assertEqual((Code.UNAVAILABLE, 1), (error.code, error.retry_after))
        self.assertEqual(0, bridge.workers.in_flight)
        streams[0][0].cancel()
        while bridge.stream_workers.full:
            await self.later(0.001)
        _, taker = self.begin(bridge, upstream, BOTH, words(1))
        self.assertIsNone((await taker.end)[0])
