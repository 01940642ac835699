"""What holds for both bridges: one suite, run over each."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import grpc
from bridge_case import THREADS, BridgeCase
from bridge_servers import (
    SAY,
    DeadPort,
    Server,
    backend,
    framed,
    headers,
    in_turn,
    make_method,
    message,
    say,
    trailers,
)
from google.protobuf.message_factory import GetMessageClass
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twistedgw.backends.asyncio_bridge import AsyncioBridge
from twistedgw.backends.bridges import make_bridge
from twistedgw.backends.call import Call
from twistedgw.backends.failures import CallError
from twistedgw.backends.thread_bridge import ThreadBridge
from twistedgw.config.model import Bridge
from twistedgw.status import Code


class BothBridges:
    """The suite. `kind` says over which bridge."""

    async def test_answer(self) -> None:
        """The answer is a message of the output type, of the very pool that the descriptor belongs to."""
        bridge, upstream = self.up()
        result = await bridge.unary(say(upstream, "grüße"))
        self.assertEqual("grüße", result.message.text)
        self.assertIs(SAY.output_type, result.message.DESCRIPTOR)

    async def test_another_generation(self) -> None:
        """The same RPC by a descriptor of another pool uses the same channel, and gives messages of that pool."""
        bridge, upstream = self.up()
        await bridge.unary(say(upstream))
        method = make_method()
        result = await bridge.unary(say(upstream, method=method))
        self.assertIs(method.output_type, result.message.DESCRIPTOR)

    async def test_metadata_both_ways(self) -> None:
        """Metadata goes out and comes back, as headers and as trailers, text as str and -bin as bytes."""
        seen: list[tuple[str, str | bytes]] = []

        def answer(request: Any, context: Any) -> Any:
            seen.extend(tuple(pair) for pair in context.invocation_metadata())
            context.send_initial_metadata((("x-head", "h"), ("x-head-bin", b"\x00\xff")))
            context.set_trailing_metadata((("x-tail", "t"), ("x-tail-bin", b"\xfe\x01"), ("x-tail", "u")))
            return request

        bridge, upstream = self.up(answer)
        sent = [("x-a", "1"), ("x-bytes-bin", b"\x00\x01\xff"), ("x-a", "2")]
        result = await bridge.unary(say(upstream, metadata=sent))
        for pair in sent:
            self.assertIn(pair, seen)
        self.assertIn(("x-head", "h"), result.initial_metadata)
        self.assertIn(("x-head-bin", b"\x00\xff"), result.initial_metadata)
        self.assertEqual(
            [("x-tail", "t"), ("x-tail", "u"), ("x-tail-bin", b"\xfe\x01")], sorted(result.trailing_metadata)
        )

    async def test_error_of_the_backend(self) -> None:
        """A status of the backend comes through as it is, with details and metadata."""

        def answer(request: Any, context: Any) -> Any:
            context.send_initial_metadata((("x-head", "h"),))
            context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x05"), ("x-tail", "t")))
            context.abort(grpc.StatusCode.NOT_FOUND, "no such shelf: grüße\n")

        bridge, upstream = self.up(answer)
        error = await self.error(bridge.unary(say(upstream)))
        self.check(error, Code.NOT_FOUND, "", "no such shelf: grüße\n")
        self.assertTrue(error.from_backend)
        self.assertEqual(b"\x08\x05", error.details)
        self.assertIn(("x-head", "h"), error.initial_metadata)
        self.assertIn(("x-tail", "t"), error.trailing_metadata)
        self.assertIsNone(error.retry_after)

    async def test_every_code(self) -> None:
        """Each of the sixteen error codes comes through, even those that gRPC also makes on this side."""

        def answer(request: Any, context: Any) -> Any:
            code = next(code for code in grpc.StatusCode if code.name == request.text)
            context.abort(code, "my words")

        bridge, upstream = self.up(answer)
        for code in list(Code)[1:]:
            error = await self.error(bridge.unary(say(upstream, code.name)))
            self.check(error, code, "", "my words")
            self.assertTrue(error.from_backend)

    async def test_deadline(self) -> None:
        """Past the deadline the call ends, at the server too."""
        gate = self.gate()
        bridge, upstream = self.up(
            lambda request, context: gate(request, context) if request.text == "wait" else request
        )
        await bridge.unary(say(upstream))
        error = await self.error(bridge.unary(say(upstream, "wait", timeout=0.5)))
        self.check(error, Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the backend did not answer before the deadline")
        self.assertFalse(error.from_backend)
        await gate.ended.get()

    async def test_no_time_at_all(self) -> None:
        """A call whose time is up already is not made."""
        bridge = self.bridge(self.kind)
        server = self.server()
        error = await self.error(bridge.unary(say(bridge.upstream(backend(server.target)), timeout=0)))
        self.check(
            error, Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the deadline passed before the backend was called"
        )
        self.assertEqual(0, server.calls)

    async def test_deadline_is_sent(self) -> None:
        """The backend knows how long it has."""
        left: list[Any] = []
        bridge, upstream = self.up(lambda request, context: left.append(context.time_remaining()) or request)
        await bridge.unary(say(upstream, timeout=50))
        await bridge.unary(say(upstream, timeout=None))
        self.assertTrue(30 < left[0] <= 50.1, left)
        # gRPC's way to say that there is none is a time in the distant future.
        self.assertTrue(left[1] is None or left[1] > 1e6, left)

    async def test_cancel(self) -> None:
        """Cancelling ends the Deferred at once, and the call at the server."""
        gate = self.gate()
        bridge, upstream = self.up(gate)
        outcome = bridge.unary(say(upstream))
        await gate.arrived.get()
        outcome.cancel()
        self.check(self.failureResultOf(outcome).value, Code.CANCELLED, "CANCELLED", "the call was cancelled")
        await gate.ended.get()

    async def test_cancel_at_once(self) -> None:
        """A call may be cancelled before anything of it has happened; the places come back."""
        bridge, upstream = self.up()
        outcome = bridge.unary(say(upstream))
        outcome.cancel()
        self.check(self.failureResultOf(outcome).value, Code.CANCELLED, "CANCELLED", "the call was cancelled")
        await self.idle(bridge, upstream)

    async def test_cancel_after_the_end(self) -> None:
        """Cancelling what is over changes nothing."""
        bridge, upstream = self.up()
        outcome = bridge.unary(say(upstream))
        result = await outcome
        outcome.cancel()
        self.assertEqual("hello", result.message.text)
        await self.idle(bridge, upstream)

    async def test_too_many_for_the_gateway(self) -> None:
        """The call beyond the gateway's limit is refused at once; a place that comes back is used again."""
        gate = self.gate()
        bridge, upstream = self.up(gate, max_in_flight=2)
        other = bridge.upstream(backend(self.server().target))
        calls = [bridge.unary(say(upstream)) for _ in range(2)]
        refused = self.failureResultOf(bridge.unary(say(other))).value
        self.check(refused, Code.UNAVAILABLE, "TOO_MANY_IN_FLIGHT", "the gateway has too many calls in flight")
        self.assertEqual(1, refused.retry_after)
        self.assertEqual(2, bridge.places.in_flight)
        gate.open()
        await gatherResults(calls)
        self.assertEqual(0, bridge.places.in_flight)
        await bridge.unary(say(other))

    async def test_too_many_for_a_backend(self) -> None:
        """A backend's own limit does not touch the others, and may be raised under way."""
        gate = self.gate()
        bridge = self.bridge(self.kind)
        slow = bridge.upstream(backend(self.server(gate).target, max_in_flight=1))
        quick = bridge.upstream(backend(self.server().target))
        calls = [bridge.unary(say(slow))]
        refused = self.failureResultOf(bridge.unary(say(slow))).value
        self.check(refused, Code.UNAVAILABLE, "TOO_MANY_IN_FLIGHT", "the backend has too many calls in flight")
        self.assertEqual(1, refused.retry_after)
        self.assertEqual(1, slow.in_flight)
        await bridge.unary(say(quick))
        slow.max_in_flight = 2
        calls.append(bridge.unary(say(slow)))
        self.assertEqual(2, slow.in_flight)
        gate.open()
        await gatherResults(calls)
        self.assertEqual(0, slow.in_flight)

    async def test_a_place_is_free_when_the_answer_is_there(self) -> None:
        """Who has an answer may call again at once, even where there is but one place."""
        bridge, upstream = self.up(max_in_flight=1, threads=1)
        for _ in range(20):
            await bridge.unary(say(upstream))

    async def test_no_place_is_lost(self) -> None:
        """2,000 calls that end in every way leave all places free, and no thread that was not there."""

        def answer(request: Any, context: Any) -> Any:
            if request.text == "fail":
                context.abort(grpc.StatusCode.ABORTED, "no")
            return b"\xff" if request.text == "garble" else request

        bridge, upstream = self.up(answer)
        dead = DeadPort()
        self.addCleanup(dead.stop)
        nowhere = bridge.upstream(backend(dead.target))
        await bridge.unary(say(upstream))
        endings: dict[str, int] = {}

        async def one(number: int) -> None:
            text = ("fine", "fail", "garble", "dead", "cancel")[number % 5]
            outcome = bridge.unary(say(nowhere if text == "dead" else upstream, text))
            if text == "cancel":
                outcome.cancel()
            try:
                await outcome
                ending = "OK"
            except CallError as error:
                ending = error.code.name
            endings[ending] = endings.get(ending, 0) + 1

        for start in range(0, 2000, THREADS):
            await gatherResults([Deferred.fromCoroutine(one(start + number)) for number in range(THREADS)])
            await self.idle(bridge, upstream)
        self.assertEqual({"OK": 400, "ABORTED": 400, "INTERNAL": 400, "UNAVAILABLE": 400, "CANCELLED": 400}, endings)
        self.assertEqual((0, 0, 0), (bridge.places.in_flight, upstream.in_flight, nowhere.in_flight))

    async def test_backend_down_and_up_again(self) -> None:
        """A backend that nobody listens for is UNAVAILABLE, and found again when somebody does."""
        dead = DeadPort()
        bridge = self.bridge(self.kind)
        upstream = bridge.upstream(backend(dead.target))
        error = await self.error(bridge.unary(say(upstream)))
        self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend cannot be reached")
        self.assertFalse(error.from_backend)
        dead.stop()
        self.server(address=dead.target)
        while True:
            try:
                result = await bridge.unary(say(upstream))
            except CallError as again:
                self.assertEqual("BACKEND_UNAVAILABLE", again.reason)
            else:
                break
        self.assertEqual("hello", result.message.text)

    async def test_backend_restarted(self) -> None:
        """A backend that goes away and comes back at the same address is found again."""
        bridge = self.bridge(self.kind)
        first = Server()
        upstream = bridge.upstream(backend(first.target))
        await bridge.unary(say(upstream))
        first.stop()
        self.server(address=first.target)
        while True:
            try:
                await bridge.unary(say(upstream))
            except CallError as error:
                self.assertEqual("BACKEND_UNAVAILABLE", error.reason)
            else:
                break

    async def test_state(self) -> None:
        """The state of a channel can be told at any time."""
        bridge, upstream = self.up()
        self.assertEqual("idle", upstream.state())
        await bridge.unary(say(upstream))
        self.assertEqual("ready", upstream.state())
        upstream.close()
        self.assertEqual("shutdown", upstream.state())

    async def test_closed_upstream(self) -> None:
        """Closing ends the calls on their way, and refuses later ones; twice is once."""
        gate = self.gate()
        bridge, upstream = self.up(gate)
        other = bridge.upstream(backend(self.server().target))
        calls = [bridge.unary(say(upstream)) for _ in range(3)]
        for _ in calls:
            await gate.arrived.get()
        upstream.close()
        upstream.close()
        for outcome in calls:
            error = self.failureResultOf(outcome).value
            self.check(error, Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", "the backend was taken out of service")
        for _ in calls:
            await gate.ended.get()
        later = self.failureResultOf(bridge.unary(say(upstream))).value
        self.assertEqual((Code.UNAVAILABLE, "BACKEND_UNAVAILABLE"), (later.code, later.reason))
        await bridge.unary(say(other))

    async def test_one_connection(self) -> None:
        """Calls share one connection, which stays until the upstream is closed, and not longer."""
        bridge = self.bridge(self.kind)
        server = self.raw(in_turn(headers(), message(framed(b"")), trailers(("grpc-status", "0"))))
        upstream = bridge.upstream(backend(server.target))
        for _ in range(3):
            await bridge.unary(say(upstream))
        kept = upstream.lines()
        self.assertEqual((1, []), (len(server._connections), server.hung_up.pending))
        upstream.close()
        await server.hung_up.get()
        self.assertEqual(1, len(kept))

    async def test_closed_before_its_first_call(self) -> None:
        """An upstream that was never used closes as well."""
        bridge, upstream = self.up()
        upstream.close()
        error = self.failureResultOf(bridge.unary(say(upstream))).value
        self.assertEqual(Code.UNAVAILABLE, error.code)

    async def test_stop_with_calls_in_flight(self) -> None:
        """At the end of stop() every Deferred has fired, and calls are refused."""
        gate = self.gate()
        bridge, upstream = self.up(gate)
        calls = [bridge.unary(say(upstream)) for _ in range(3)]
        for _ in calls:
            await gate.arrived.get()
        await bridge.stop()
        for outcome in calls:
            error = self.failureResultOf(outcome).value
            self.check(error, Code.UNAVAILABLE, "GATEWAY_STOPPING", "the gateway is stopping")
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))
        later = self.failureResultOf(bridge.unary(say(upstream))).value
        self.assertEqual("GATEWAY_STOPPING", later.reason)
        await bridge.stop()

    async def test_stop_just_after_a_cancel(self) -> None:
        """stop() waits for what was cancelled and has not ended yet."""
        gate = self.gate()
        bridge, upstream = self.up(gate)
        outcome = bridge.unary(say(upstream))
        await gate.arrived.get()
        outcome.cancel()
        self.failureResultOf(outcome)
        await bridge.stop()
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))

    async def test_not_started(self) -> None:
        """A bridge that was not started makes no call."""
        kind = make_bridge(self.kind, threads=1, max_in_flight=1, max_response_message=1, reactor=reactor)
        error = self.failureResultOf(kind.unary(say(kind.upstream(backend("127.0.0.1:1"))))).value
        self.assertEqual("GATEWAY_STOPPING", error.reason)

    async def test_callback_that_calls_again(self) -> None:
        """A call may be made from the failure of another, even while the channel is being closed."""
        gate = self.gate()
        bridge, upstream = self.up(gate)
        outcome = bridge.unary(say(upstream)).addErrback(lambda _: bridge.unary(say(upstream)))
        await gate.arrived.get()
        upstream.close()
        self.assertEqual(Code.UNAVAILABLE, self.failureResultOf(outcome).value.code)

    async def test_missing_required_field(self) -> None:
        """A request that lacks a required field is refused, naming the field."""
        bridge, upstream = self.up()
        method = SAY.containing_service.methods_by_name["Demand"]
        request = GetMessageClass(method.input_type)()
        error = await self.error(bridge.unary(Call(upstream, method, request, 20)))
        self.check(error, Code.INVALID_ARGUMENT, "INVALID_REQUEST", "required fields are missing: must")
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))

    async def test_metadata_that_cannot_be_sent(self) -> None:
        """Metadata that gRPC does not take is an error of the request, and no place is lost."""
        bridge, upstream = self.up()
        text, binary = "its value must be of printable ASCII characters", "its value must be binary"
        table: list[tuple[str, Any, str]] = [
            ("UPPER", "x", "this is no name for metadata"),
            ("two words", "x", "this is no name for metadata"),
            ("", "x", "this is no name for metadata"),
            ("x-newline", "a\nb", text),
            ("x-umlaut", "ü", text),
            ("x-nul", "\0", text),
            ("x-bytes", b"x", text),
            ("x-text-bin", "text", binary),
        ]
        for key, value, why in table:
            error = await self.error(bridge.unary(say(upstream, metadata=[("x-fine", "1"), (key, value)])))
            message = f"header {key!r} cannot be sent as metadata: {why}"
            self.check(error, Code.INVALID_ARGUMENT, "INVALID_METADATA", message)
        await self.idle(bridge, upstream)

    async def test_nothing_of_a_call_is_kept(self) -> None:
        """When a call is over, its descriptor pool may go: a reload that changes types leaks none."""
        bridge, upstream = self.up()
        request = say(upstream, method=make_method())
        request.metadata = Watched()
        watching = weakref.ref(request.metadata)
        await bridge.unary(request)
        del request
        # What runs now was called by the flight itself.
        await deferLater(reactor, 0, gc.collect)
        self.assertIsNone(watching())


class Watched(list[Any]):
    """A list that takes weak references."""


class AsyncioBridgeTests(BothBridges, BridgeCase):
    kind = Bridge.ASYNCIO

    async def test_it_is(self) -> None:
        self.assertIsInstance(self.bridge(self.kind), AsyncioBridge)
        self.assertIsInstance(self.bridge(Bridge.AUTO), AsyncioBridge)

    async def test_cancel_gives_the_place_back_at_once(self) -> None:
        gate = self.gate()
        bridge, upstream = self.up(gate)
        outcome = bridge.unary(say(upstream))
        await gate.arrived.get()
        outcome.cancel()
        self.assertEqual((0, 0), (bridge.places.in_flight, upstream.in_flight))
        self.failureResultOf(outcome)


class ThreadBridgeTests(BothBridges, BridgeCase):
    kind = Bridge.THREAD

    async def test_it_is(self) -> None:
        self.assertIsInstance(self.bridge(self.kind), ThreadBridge)

    async def test_full_pool(self) -> None:
        """With every thread taken a call is refused at once, not queued."""
        gate = self.gate()
        bridge, upstream = self.up(gate, threads=2)
        calls = [bridge.unary(say(upstream)) for _ in range(2)]
        refused = self.failureResultOf(bridge.unary(say(upstream))).value
        self.check(refused, Code.UNAVAILABLE, "TOO_MANY_IN_FLIGHT", "all threads for calls to backends are busy")
        self.assertEqual(1, refused.retry_after)
        gate.open()
        await gatherResults(calls)
        await bridge.unary(say(upstream))

    async def test_no_call_starts_a_thread_of_the_pool(self) -> None:
        """All threads are there from the start."""
        before = threading.active_count()
        self.bridge(self.kind, threads=5)
        self.assertEqual(before + 5, threading.active_count())

    async def test_stop_ends_the_threads(self) -> None:
        bridge, upstream = self.up(threads=3)
        await bridge.unary(say(upstream))
        names = [thread.name for thread in threading.enumerate() if "twistedgw-backends" in thread.name]
        self.assertEqual(3, len(names))
        await bridge.stop()
        self.assertEqual([], [thread for thread in threading.enumerate() if thread.name in names])

    async def test_a_cancelled_call_keeps_its_thread_until_it_ended(self) -> None:
        """The place comes back when the thread is free, and not before: the pool is never overrun."""
        gate = self.gate()
        bridge, upstream = self.up(gate, threads=1)
        outcome = bridge.unary(say(upstream))
        await gate.arrived.get()
        outcome.cancel()
        self.failureResultOf(outcome)
        self.assertEqual((1, 1), (bridge.workers.in_flight, upstream.in_flight))
        await bridge._traffic.cleared()
        self.assertEqual((0, 0), (bridge.workers.in_flight, upstream.in_flight))


class ManualPool:
    """A thread pool without threads: `run_one` does what a worker would."""

    def __init__(self) -> None:
        self.work: list[Any] = []

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def callInThreadWithCallback(self, on_result: Any, function: Any, *args: Any, **kwargs: Any) -> None:
        self.work.append((on_result, function, args, kwargs))

    def run_one(self) -> None:
        on_result, function, args, kwargs = self.work.pop(0)
        on_result(True, function(*args, **kwargs))


class AtOnce:
    """A reactor for a pool without threads."""

    def callFromThread(self, function: Any, *args: Any) -> None:
        function(*args)


class WaitingForAThreadTests(BridgeCase):
    """What may happen between the reactor and the worker, step by step."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.pool = ManualPool()
        self.bridge_ = ThreadBridge(
            AtOnce(),
            threads=2,
            max_in_flight=9,
            max_response_message=9,
            pool=self.pool,
            clock=lambda: self.now,
        )
        self.bridge_.start()
        self.served = self.server()
        self.upstream = self.bridge_.upstream(backend(self.served.target))
        self.addCleanup(self.upstream.close)

    def test_expired_before_a_thread_took_it(self) -> None:
        """Time spent waiting counts: a call that expired meanwhile is not made."""
        outcome = self.bridge_.unary(say(self.upstream, timeout=5))
        self.now += 5
        self.pool.run_one()
        error = self.failureResultOf(outcome).value
        self.assertEqual((Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"), (error.code, error.reason))
        self.assertEqual(0, self.served.calls)
        self.assertEqual(0, self.bridge_.workers.in_flight)

    def test_cancelled_before_a_thread_took_it(self) -> None:
        """The Deferred fires at once, the call is never made, the place comes back with the worker."""
        outcome = self.bridge_.unary(say(self.upstream))
        outcome.cancel()
        self.assertEqual(Code.CANCELLED, self.failureResultOf(outcome).value.code)
        self.assertEqual(1, self.bridge_.workers.in_flight)
        self.pool.run_one()
        self.assertEqual(0, self.bridge_.workers.in_flight)
        self.assertEqual({}, self.upstream.lines()[0]._stubs)

    def test_closed_before_a_thread_took_it(self) -> None:
        outcome = self.bridge_.unary(say(self.upstream))
        self.upstream.close()
        self.assertEqual("BACKEND_UNAVAILABLE", self.failureResultOf(outcome).value.reason)
        self.pool.run_one()
        self.assertEqual((0, 0), (self.bridge_.workers.in_flight, self.served.calls))

    def test_bug_in_a_worker(self) -> None:
        """Even a bug comes out as a CallError, is logged, and costs no place."""
        outcome = self.bridge_.unary(say(self.upstream))
        flight = self.bridge_._traffic.to(self.upstream)[0]
        flight._lines = None
        on_result, function, args, kwargs = self.pool.work.pop()
        try:
            function(*args, **kwargs)
        except TypeError:
            on_result(False, Failure())
        error = self.failureResultOf(outcome).value
        self.check(error, Code.INTERNAL, "BACKEND_CALL_FAILED", "the call to the backend failed")
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))
        self.assertEqual(0, self.bridge_.workers.in_flight)
