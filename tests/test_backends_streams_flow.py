"""Backpressure both ways, and streams under whatever is done to them, over both bridges."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from stream_case import Fallback, Shared, StreamCase, Threads
from stream_servers import BOTH, DOWN, echo, words
from twisted.internet.defer import Deferred

from twistedgw.backends.stream_flight import READ_AHEAD, SEND_AHEAD
from twistedgw.status import Code

MEBIBYTE = 1 << 20
STEPS = st.lists(st.sampled_from(["send", "send", "large", "pause", "resume", "turn", "wait"]), max_size=30)


class Suite:
    """Run over both bridges."""

    async def test_paused(self: Any) -> None:
        """A paused stream stops its backend: below a mebibyte is under way, socket buffers and all."""
        for size in (100, 10_000, 200_000):

            def answer(requests: Any, context: Any, size: int = size) -> Any:
                number = 0
                while context.is_active():
                    yield words(number, data=bytes(size))
                    number += 1

            bridge, upstream, server = self.flows(answer, max_response_message=300_000)
            stream, taker = self.begin(bridge, upstream, DOWN)
            taker.on_message = lambda _, stream=stream: stream.pause()
            stream.send(words(1))
            stream.half_close()
            await taker.at(2)
            written = await self.settled(lambda server=server: server.written)
            self.assertEqual(1, len(taker.messages))
            self.assertLess(written * size, MEBIBYTE)
            self.assertLessEqual(stream._took - stream._given, READ_AHEAD + size + 100)
            taker.on_message = lambda _: None
            stream.resume()
            await taker.at(written + 100)
            self.assertEqual(list(range(100)), [each.number for each in taker.messages][:100])
            stream.cancel()
            await server.over.get()
            await self.idle(bridge, upstream)

    async def test_paused_from_the_start(self: Any) -> None:
        def answer(requests: Any, context: Any) -> Any:
            for number in range(1000):
                yield words(number, data=bytes(10_000))

        bridge, upstream, server = self.flows(answer)
        stream, taker = self.begin(bridge, upstream, DOWN)
        stream.pause()
        stream.send(words(1))
        stream.half_close()
        self.assertLess(await self.settled(lambda: server.written), 100)
        self.assertEqual([], taker.messages)
        stream.resume()
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(1000)), [each.number for each in taker.messages])

    async def test_backend_that_does_not_read(self: Any) -> None:
        """`send` says when it is enough, and the receiver hears when there is room again."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def answer(requests: Any, context: Any) -> Any:
            go_on.wait(20)
            yield from (words(request.number) for request in requests)

        bridge, upstream, _ = self.flows(answer)
        stream, taker = self.begin(bridge, upstream, BOTH)
        sent = 0

        def send() -> None:
            nonlocal sent
            more = True
            while more and sent < 500:
                more = stream.send(words(sent, data=bytes(10_000)))
                sent += 1
            if sent == 500:
                stream.half_close()

        taker.on_ready = send
        send()
        self.assertLessEqual(stream._outgoing_size, SEND_AHEAD + 11_000)
        taken = await self.settled(lambda: sent)
        self.assertLess(taken * 10_000, MEBIBYTE)
        self.assertEqual(0, len(taker.messages))
        go_on.set()
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(500)), [each.number for each in taker.messages])

    async def test_sent_all_the_same(self: Any) -> None:
        """What is sent though there is no room is kept, and sent."""
        bridge, upstream, _ = self.flows()
        stream, taker = self.begin(bridge, upstream, BOTH)
        answers = [stream.send(words(number, data=bytes(20_000))) for number in range(100)]
        self.assertEqual({False}, set(answers[2:]))
        stream.half_close()
        self.assertEqual((None, ()), await taker.end)
        self.assertEqual(list(range(100)), [each.number for each in taker.messages])

    async def test_slow_reader_beside_a_fast_one(self: Any) -> None:
        """A paused stream holds up no other, though they share a connection."""

        def answer(requests: Any, context: Any) -> Any:
            for number in range(300):
                yield words(number, data=bytes(10_000))

        bridge, upstream, _ = self.flows(answer)
        paused, waiting = self.begin(bridge, upstream, DOWN)
        paused.pause()
        paused.send(words(1))
        paused.half_close()
        for _ in range(3):
            _, taker = self.begin(bridge, upstream, DOWN, words(1))
            self.assertEqual((None, ()), await taker.end)
            self.assertEqual(300, len(taker.messages))
        self.assertEqual([], waiting.messages)
        paused.resume()
        self.assertEqual((None, ()), await waiting.end)

    def random_steps(self: Any, examples: int) -> Any:
        """Do whatever comes to an echo: what was sent comes back in order, once, and then the end."""
        bridge, upstream, server = self.flows(max_in_flight=1000)

        async def run(steps: list[str], cancel: bool) -> None:
            server.answer = echo
            stream, taker = self.begin(bridge, upstream, BOTH)
            paused = False

            def on(_: Any) -> None:
                self.assertFalse(paused)

            taker.on_message = on
            sent = 0
            for step in steps:
                if step in ("send", "large"):
                    stream.send(words(sent, data=bytes(50_000 if step == "large" else 10)))
                    sent += 1
                elif step == "pause":
                    stream.pause()
                    paused = True
                elif step == "resume":
                    paused = False
                    stream.resume()
                else:
                    await self.later(0 if step == "turn" else 0.002)
            if cancel:
                stream.cancel()
                self.assertEqual(1, taker.ends)
            else:
                stream.half_close()
                paused = False
                stream.resume()
            error, _ = await taker.end
            numbers = [each.number for each in taker.messages]
            self.assertEqual(Code.CANCELLED if cancel else None, error and error.code)
            self.assertEqual(list(range(len(numbers) if cancel else sent)), numbers)
            await self.idle(bridge, upstream)

        drawn: list[tuple[list[str], bool]] = []

        @settings(max_examples=examples, deadline=None, database=None)
        @given(STEPS, st.booleans())
        def draw(steps: list[str], cancel: bool) -> None:
            drawn.append((steps, cancel))

        draw()

        async def all_of_them() -> None:
            for steps, cancel in drawn:
                try:
                    await run(steps, cancel)
                except BaseException:
                    print("steps", steps, "cancel", cancel)
                    raise

        return Deferred.fromCoroutine(all_of_them())

    def test_random(self: Any) -> Any:
        return self.random_steps(60)


class SharedStreamFlowTests(Shared, Suite, StreamCase):
    pass


class FallbackStreamFlowTests(Fallback, Suite, StreamCase):
    pass


class ThreadStreamFlowTests(Threads, Suite, StreamCase):
    pass
