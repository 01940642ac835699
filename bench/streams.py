"""What a stream costs in a bridge: ``python -m bench.streams``.

Measures this process alone, with the gateway's bridges and no web around them: the CPU time of each message of a
server stream, against the benchmark's backend (``python -m bench`` builds it), and the memory of idle streams with the
time until a message to all of them has arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
MESSAGES = 1000
WAYS = ("event", "thread")


class Reading:
    """Counts the messages of one stream."""

    # ruff: noqa: ARG002

    def __init__(self, done: Callable[[int], None]) -> None:
        self.messages = 0
        self.done = done

    def headers(self, metadata: Any) -> None:
        pass

    def message(self, message: Any) -> None:
        self.messages += 1

    def ready(self) -> None:
        pass

    def ended(self, error: Any, trailing: Any) -> None:
        if error is not None:
            raise error
        self.done(self.messages)


def make_bridge(way: str, reactor: Any) -> Any:
    """Make one of the bridges, started."""
    from twistedgw.backends.asyncio_bridge import AsyncioBridge
    from twistedgw.backends.thread_bridge import ThreadBridge

    limits = {"max_in_flight": 100_000, "max_response_message": 4 << 20}
    bridge: Any
    bridge = ThreadBridge(reactor, threads=64, **limits) if way == "thread" else AsyncioBridge(reactor, **limits)
    bridge.start()
    return bridge


def backend(target: str) -> Any:
    """Make a backend's configuration."""
    from twistedgw.config.model import Backend, Place, Protocol

    return Backend(
        name="bench",
        place=Place(file="", section="backend:bench", line=0, options={}),
        protocol=Protocol.GRPC,
        targets=(target,),
        load_balancing="round_robin",
        max_in_flight=None,
        ca=None,
        certificate=None,
        private_key=None,
        server_name=None,
    )


def watch_method() -> Any:
    """Give the benchmark's streaming RPC."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    files = descriptor_pb2.FileDescriptorSet.FromString((HERE / "built" / "bench.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool.FindServiceByName("bench.v1.Bench").methods_by_name["Watch"]


def open_stream(bridge: Any, upstream: Any, method: Any, receiver: Any) -> Any:
    """Begin a server stream."""
    from google.protobuf.message_factory import GetMessageClass

    from twistedgw.backends.call import StreamCall

    stream = bridge.stream(StreamCall(upstream, method, None), receiver)
    stream.send(GetMessageClass(method.input_type)())
    stream.half_close()
    return stream


async def message_cost(way: str, reactor: Any, calls: int, at_once: int) -> None:
    """Read many streams; print the CPU time of a message, the best of five rounds."""
    server = subprocess.Popen(
        [HERE / "built" / "bin" / "backend", "-data", HERE / "built" / "data"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = server.stdout.readline().split()[-1]
    bridge, method = make_bridge(way, reactor), watch_method()
    upstream = bridge.upstream(backend(f"127.0.0.1:{port}"))

    async def read(count: int) -> None:
        for _ in range(count):
            done = asyncio.get_running_loop().create_future()
            open_stream(bridge, upstream, method, Reading(done.set_result))
            assert await done == MESSAGES

    best = cost = float("inf")
    for _ in range(5):
        before, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(read(calls // at_once) for _ in range(at_once)))
        cost = time.process_time() - before
        if cost < best:
            best, wall = cost, time.perf_counter() - began
    messages = calls // at_once * at_once * MESSAGES
    print(
        f"{way}: {best / messages * 1e6:.1f} µs CPU a message, {wall / messages * 1e6:.1f} µs wall, {at_once} at once"
    )
    server.kill()
    server.wait()


IDLE_SERVER = """
import asyncio, sys, grpc.aio
async def main():
    say = asyncio.Event()
    async def watch(request, context):
        await context.send_initial_metadata(())
        await say.wait()
        yield b""
        await asyncio.sleep(3600)
    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(watch)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.v1.Bench", {"Watch": handler}),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    say.set()
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def resident() -> int:
    """Give the bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def idle_cost(way: str, reactor: Any, streams: int) -> None:
    """Hold many idle streams; print the memory of each, and the time of a message to all."""

    server = subprocess.Popen(
        [sys.executable, "-c", IDLE_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    bridge, method = make_bridge(way, reactor), watch_method()
    upstream = bridge.upstream(backend(f"127.0.0.1:{server.stdout.readline().strip()}"))

    class Idle(Reading):
        def headers(self, metadata: Any) -> None:
            heads.append(self)
            if len(heads) == wanted:
                ready.set()

        def message(self, message: Any) -> None:
            told.append(self)
            if len(told) == len(held):
                everyone.set()

        def ended(self, error: Any, trailing: Any) -> None:
            pass

    heads: list[Any] = []
    told: list[Any] = []
    held: list[Any] = []
    ready, everyone = asyncio.Event(), asyncio.Event()

    async def hold(count: int) -> None:
        nonlocal wanted
        wanted += count
        ready.clear()
        held.extend(open_stream(bridge, upstream, method, Idle(lambda _: None)) for _ in range(count))
        await ready.wait()

    wanted = 0
    await hold(20)
    before, threads = resident(), len(os.listdir("/proc/self/task"))
    await hold(streams)
    each = (resident() - before) / streams
    more = len(os.listdir("/proc/self/task")) - threads
    began = time.perf_counter()
    server.stdin.write("\n")
    server.stdin.flush()
    await everyone.wait()
    print(
        f"{way}: {streams} idle streams of {each / 1024:.1f} KiB, {more} threads more; "
        f"a message to all in {time.perf_counter() - began:.2f} s"
    )
    server.kill()
    server.wait()


def main() -> None:
    """Run one measurement of one way in this process, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--idle", type=int, default=0, help="so many idle streams, rather than messages")
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--asyncio", action="store_true", help="asyncio's own loop rather than uvloop's")
    options = parser.parse_args()
    if options.way is None:
        for way in WAYS:
            subprocess.run([sys.executable, "-m", "bench.streams", "--way", way, *sys.argv[1:]], check=True)
        for way in WAYS[:1]:
            subprocess.run([sys.executable, "-m", "bench.streams", "--way", way, "--idle", "1000"], check=True)
        return
    loop: Any = asyncio.new_event_loop()
    if not options.asyncio:
        import uvloop

        loop = uvloop.new_event_loop()
    from twisted.internet import asyncioreactor

    asyncioreactor.install(loop)
    from twisted.internet import reactor, task
    from twisted.internet.defer import Deferred

    async def run() -> None:
        if options.idle:
            await idle_cost(options.way, reactor, options.idle)
        else:
            await message_cost(options.way, reactor, options.calls, options.at_once)
        sys.stdout.flush()
        os._exit(0)

    task.react(lambda _: Deferred.fromFuture(asyncio.ensure_future(run(), loop=loop)))


if __name__ == "__main__":
    main()
