"""Streams over HTTP/2, in front of a backend that is the test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from channel_sockets import SocketTests
from stream_world import World
from test_web_channel_http2 import H2Caller
from twisted.internet import reactor
from twisted.internet.task import deferLater

from twistedgw.web.http2 import QUEUED

WIDE = 2**24


class Http2StreamTests(SocketTests):
    secure = True
    http2 = True

    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.world = World(folder)
        self.bridge = self.world.bridge

    async def call(self) -> Any:
        await self.serve(self.world.resource.render, self.world.resource.begin)
        caller = await self.connect([b"h2"], H2Caller)
        return caller.begin()

    async def stream(self, count: int = 1) -> Any:
        """Wait until a request has come."""
        while len(self.bridge.streams) < count:
            await deferLater(reactor, 0.001)
        return self.bridge.streams[-1]

    async def test_answer(self) -> None:
        caller = await self.call()
        number = caller.ask(path="/v1/watch/x")
        stream = await self.stream()
        stream.give(number=1)
        answer = caller.streams[number]
        await caller.until(lambda _: answer.body)
        self.assertEqual((answer.status, answer.body, answer.ended), (200, b'{"number":1}\n', False))
        self.assertEqual(answer.field(b"content-type"), b"application/x-ndjson")
        stream.give(number=2)
        stream.end()
        await caller.answer(number)
        self.assertEqual(answer.body, b'{"number":1}\n{"number":2}\n')

    async def test_both_directions_at_once(self) -> None:
        caller = await self.call()
        number = caller.ask("POST", "/v1/chat", end=False)
        stream = await self.stream()
        answer = caller.streams[number]
        for count in (1, 2, 3):
            caller.more(number, b'{"number":%d}' % count)
            while len(stream.sent) < count:
                await deferLater(reactor, 0.001)
            stream.give(number=count)
            await caller.until(lambda _, count=count: answer.body.count(b"\n") == count)
        caller.more(number, b"", end=True)
        while "half_close" not in stream.done:
            await deferLater(reactor, 0.001)
        stream.end()
        await caller.answer(number)
        self.assertEqual(answer.body, b'{"number":1}\n{"number":2}\n{"number":3}\n')

    async def test_an_array_is_cut(self) -> None:
        """The stream is reset, the connection goes on."""
        caller = await self.call()
        number = caller.ask(path="/v1/watch/x", fields=[("accept", "application/json")])
        stream = await self.stream()
        stream.give(number=1)
        await caller.until(lambda _: caller.streams[number].body)
        stream.break_down()
        answer = await caller.answer(number)
        self.assertIsNotNone(answer.reset)
        self.assertFalse(answer.ended)
        other = caller.ask(path="/v1/watch/y")
        (await self.stream(2)).end()
        self.assertEqual((await caller.answer(other)).status, 200)

    async def test_a_client_that_resets_cancels_the_call(self) -> None:
        caller = await self.call()
        number = caller.ask(path="/v1/watch/x")
        stream = await self.stream()
        stream.give(number=1)
        caller.conn.reset_stream(number)
        caller.flush()
        while "cancel" not in stream.done:
            await deferLater(reactor, 0.001)
        self.assertEqual(self.world.registry.in_flight, 0)

    async def fill(self, stream: Any) -> int:
        """Give messages until the backend is paused; give how many bytes."""
        given = 0
        while not stream.paused:
            stream.give(data=bytes(3000))
            given += 4000
            if given % 40_000 == 0:
                await deferLater(reactor, 0)
            self.assertLess(given, WIDE)
        return given

    async def test_a_slow_reader_slows_the_backend(self) -> None:
        caller = await self.call()
        caller.reads = False
        number = caller.ask(path="/v1/watch/x")
        stream = await self.stream()
        self.assertLess(await self.fill(stream), 65_535 + 2 * QUEUED)
        answer = caller.streams[number]
        await caller.until(lambda _: len(answer.body) == 65_535)
        caller.reads = True
        caller.conn.acknowledge_received_data(65_535, number)
        caller.flush()
        while stream.paused:
            await deferLater(reactor, 0.001)
        stream.end()
        await caller.answer(number)

    async def test_a_wide_window_is_not_filled_here(self) -> None:
        """However much a client says it would take, what it does not read stays with the backend."""
        caller = await self.call()
        number = caller.ask(path="/v1/watch/x")
        caller.conn.increment_flow_control_window(WIDE)
        caller.conn.increment_flow_control_window(WIDE, number)
        caller.flush()
        stream = await self.stream()
        caller.transport.pauseProducing()
        stream.give(number=1)
        given = await self.fill(stream)
        (connection,) = self.site._open
        held = sum(len(data) for data in connection._outboundStreamQueues[number])
        self.assertLess(held, 2 * QUEUED)
        caller.transport.resumeProducing()
        answer = caller.streams[number]
        await caller.until(lambda _: len(answer.body) >= given)
        self.assertFalse(stream.paused)
        stream.end()
        await caller.answer(number)

    async def test_a_backend_that_takes_no_more_stops_the_client(self) -> None:
        self.bridge.room = 1
        caller = await self.call()
        number = caller.ask("POST", "/v1/copy", end=False)
        stream = await self.stream()
        caller.more(number, b"x")
        while not stream.sent:
            await deferLater(reactor, 0.001)
        size = window = caller.conn.local_flow_control_window(number)
        while size:
            part = min(size, 16_384)
            caller.more(number, b"x" * part)
            size -= part
        await deferLater(reactor, 0.05)
        self.assertEqual(len(stream.sent), 1)
        self.assertEqual(caller.conn.local_flow_control_window(number), 0)
        stream.more()
        while caller.conn.local_flow_control_window(number) == 0:
            await deferLater(reactor, 0.001)
        caller.more(number, b"x", end=True)
        while "half_close" not in stream.done:
            await deferLater(reactor, 0.001)
        self.assertEqual(sum(len(message.data) for message in stream.sent), window + 2)
        stream.end()
        self.assertEqual((await caller.answer(number)).body, b"")
