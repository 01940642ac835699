"""Streams through a whole gateway, from real clients to a real backend."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flow_backend import FlowBackend
from gateway import Gateway, Twistd
from stream_world import LAST, PROTO, chunk, request
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

INI = """
[gateway]
bridge = {bridge}
drain_timeout = {drain}
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:s]
[backend:b]
protocol = grpc
target = {target}
[plugin:p]
type = backend-grpc
proto = flow.proto
{plugin}
[api:s/all]
rpc = flow.v1.Flow/*
backend = b
{api}
[binding:r]
plugin = p
service = s
environment = release
apis = *
"""
MIB = 1024 * 1024


class Client:
    """A raw connection, used from a thread; every read has an end."""

    def __init__(self, port: int, buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.data = b""

    def send(self, data: bytes) -> Client:
        self.socket.sendall(data)
        return self

    def until(self, text: bytes) -> bytes:
        """Read until there is such a text; give all up to its end."""
        while text not in self.data:
            part = self.socket.recv(65536)
            assert part, f"the end came before {text!r}: {self.data[-300:]!r}"
            self.data += part
        found, mark, self.data = self.data.partition(text)
        return found + mark

    def rest(self) -> bytes:
        """Read to the end of the connection; a reset is one too."""
        try:
            while part := self.socket.recv(65536):
                self.data += part
        except ConnectionResetError:
            pass
        return self.data

    def close(self) -> None:
        self.socket.close()


class StreamCase(TestCase):
    timeout = 60
    bridge = "asyncio"

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.backend = FlowBackend(self.folder, **{name: getattr(self, f"answer_{name.lower()}") for name in NAMES})
        self.addCleanup(deferToThread, self.backend.stop)
        self.gateway = Gateway(self.folder, self.ini())
        self.gateway.start()
        self.addCleanup(self.gateway.stop)
        self.step = threading.Semaphore(0)

    def ini(self, **parts: str) -> str:
        values = {"bridge": self.bridge, "target": self.backend.target, "drain": "30s", "plugin": "", "api": ""}
        return INI.format(**{**values, **parts})

    def client(self, work: Callable[[Client], Any], buffer: int | None = None) -> Deferred[Any]:
        """Let `work` have a connection, in a thread."""

        def run() -> Any:
            client = Client(self.gateway.port, buffer)
            try:
                return work(client)
            finally:
                client.close()

        return deferToThread(run)

    # -- what the backend does

    def answer_watch(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """Give as many answers as the request says; where it says nothing, one for each step of the test."""
        asked = next(requests)
        for number in range(asked.number or 10**9):
            if not asked.number:
                while not self.step.acquire(timeout=0.05):
                    if not context.is_active():
                        return
            yield self.backend.message("Watch", name=asked.name, number=number + 1, data=asked.data)

    def answer_collect(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        count = sum(1 for _ in requests)
        yield self.backend.message("Collect", number=count)

    def answer_chat(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield from requests

    def answer_download(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        for _ in range(next(requests).number):
            yield self.backend.message("Download", content_type="image/png", data=bytes(64 * 1024))

    def answer_upload(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield self.backend.message("Upload", number=sum(len(each.blob.data) for each in requests))

    answer_copy = answer_chat


NAMES = ("Watch", "Collect", "Chat", "Download", "Upload", "Copy")


class AsyncioTests(StreamCase):
    """On the asyncio bridge."""

    async def test_messages_come_one_by_one(self) -> None:
        def work(client: Client) -> list[bytes]:
            client.send(request("GET", "/v1/watch/x"))
            self.step.release()
            parts = [client.until(b'{"name":"x","number":1}\n')]
            self.step.release()
            parts.append(client.until(b'{"name":"x","number":2}\n'))
            return parts

        first, second = await self.client(work)
        self.assertIn(b"\r\ncontent-type: application/x-ndjson\r\n", first)
        self.assertNotIn(b"number", second[:-24])
        self.assertEqual(await self.backend.over.get(), "Watch")

    async def test_the_head_comes_though_nothing_else_does(self) -> None:
        await self.client(lambda client: client.send(request("GET", "/v1/watch/x")).until(b"\r\n\r\n"))

    async def test_a_thousand_messages(self) -> None:
        answer = await self.gateway.get("/v1/watch/x?number=1000", headers={"Accept": "application/json"})
        self.assertEqual([each["number"] for each in answer.json], list(range(1, 1001)))

    async def test_both_directions_at_once(self) -> None:
        """Each answer comes while the request is still being sent."""

        def work(client: Client) -> bytes:
            client.send(request("POST", "/v1/chat", "Transfer-Encoding: chunked"))
            for number in range(1, 4):
                client.send(chunk(b'{"number":%d}\n' % number)).until(b'{"number":%d}\n' % number)
            return client.send(LAST).until(LAST)

        await self.client(work)
        self.assertEqual(await self.backend.over.get(), "Chat")

    async def test_collect(self) -> None:
        answer = await self.gateway.post("/v1/collect", b"{}\n" * 5000)
        self.assertEqual(answer.json, {"number": 5000})

    async def test_a_client_that_leaves_cancels_the_call(self) -> None:
        self.step.release()
        await self.client(lambda client: client.send(request("GET", "/v1/watch/x")).until(b'"number":1}'))
        self.assertEqual(await self.backend.over.get(), "Watch")

    async def test_a_malformed_message_cancels_the_call(self) -> None:
        got = threading.Event()

        def collect(requests: Iterator[Any], context: Any) -> Iterator[Any]:
            for _ in requests:
                got.set()
            yield self.backend.message("Collect")

        self.backend.answers["Collect"] = collect

        def work(client: Client) -> bytes:
            client.send(request("POST", "/v1/collect", "Transfer-Encoding: chunked"))
            client.send(chunk(b'{"number":1}\n{"number":2}\n'))
            assert got.wait(30)
            return client.send(chunk(b'{"number":"x"}\n{"number":4}\n')).until(b"INVALID_JSON")

        answer = await self.client(work)
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "))
        self.assertIn(b"'[2].number'", answer)
        self.assertEqual(await self.backend.over.get(), "Collect")

    async def test_a_backend_that_dies(self) -> None:
        """An error that nobody can miss, in each form."""
        for accept, last in (
            ("*/*", rb'\{"error":\{"code":14,.*\}\}\n\r\n0\r\n\r\n'),
            ("text/event-stream", rb'event: error\ndata: \{"code":14,.*\}\n\n\r\n0\r\n\r\n'),
            ("application/json", rb'\{"name":"x","number":1\}\r\n'),
        ):
            backend = FlowBackend(self.folder, Watch=self.answer_watch)
            self.gateway.write(self.ini(target=backend.target))
            await self.gateway.reload()
            self.step.release()

            def work(client: Client, accept: str = accept, backend: FlowBackend = backend) -> bytes:
                fields = (f"Accept: {accept}", "Connection: close")
                client.send(request("GET", "/v1/watch/x", *fields)).until(b'"number":1}')
                backend.stop()
                return b'{"name":"x","number":1}' + client.rest()

            rest = await self.client(work)
            self.assertIsNotNone(re.search(last + rb"\Z", rest, re.DOTALL), rest)

    async def test_a_reload_lets_a_stream_finish(self) -> None:
        """By the configuration with which it began, on the backend that is gone from the new one."""
        other = FlowBackend(self.folder, Watch=self.answer_watch)
        self.addCleanup(deferToThread, other.stop)
        ready, reloaded = Deferred[None](), threading.Event()

        def work(client: Client) -> bytes:
            self.step.release()
            client.send(request("GET", "/v1/watch/x")).until(b'"number":1}')
            reactor.callFromThread(ready.callback, None)
            reloaded.wait(30)
            self.step.release()
            return client.until(b"}")

        streaming = self.client(work)
        await ready
        self.gateway.write(self.ini(target=other.target, plugin="stream_envelope = result"))
        self.assertTrue((await self.gateway.reload()).accepted)
        answer = await self.gateway.get("/v1/watch/y?number=1")
        self.assertEqual(answer.body, b'{"result":{"name":"y","number":1}}\n')
        reloaded.set()
        self.assertIn(b'{"name":"x","number":2}', await streaming)

    async def test_a_reload_waits_for_streams_no_longer_than_drain_timeout(self) -> None:
        ready = Deferred[None]()

        def work(client: Client) -> bytes:
            self.step.release()
            client.send(request("GET", "/v1/watch/x", "Connection: close")).until(b'"number":1}')
            reactor.callFromThread(ready.callback, None)
            return client.rest()

        streaming = self.client(work)
        await ready
        other = FlowBackend(self.folder, Watch=self.answer_watch)
        self.addCleanup(deferToThread, other.stop)
        self.gateway.write(self.ini(target=other.target, drain="100ms"))
        await self.gateway.reload()
        self.assertIn(b'{"error":{"code":14,"message":"the backend was taken out of service"', await streaming)

    async def test_a_stop_lets_a_stream_finish(self) -> None:
        ready, stopping = Deferred[None](), threading.Event()

        def work(client: Client) -> bytes:
            self.step.release()
            client.send(request("POST", "/v1/chat", "Transfer-Encoding: chunked"))
            client.send(chunk(b'{"number":1}')).until(b'"number":1}')
            reactor.callFromThread(ready.callback, None)
            stopping.wait(30)
            client.send(chunk(b'{"number":2}') + LAST)
            return client.rest()

        streaming = self.client(work)
        await ready
        stopped = Deferred.fromCoroutine(self.gateway.stop())
        stopping.set()
        rest = await streaming
        self.assertIn(b'"number":2}', rest)
        self.assertTrue(rest.endswith(LAST))
        await stopped

    async def test_a_slow_reader_slows_the_backend(self) -> None:
        """The backend comes to a stand, and goes on when the reader does."""
        body = json.dumps({"data": "A" * 8000, "number": 10**6}).encode()

        def work(client: Client) -> tuple[int, int]:
            client.send(request("POST", "/v1/watch", f"Content-Length: {len(body)}") + body).until(b"\r\n\r\n")
            seen, written = -1, 0
            while written == 0 or seen != written:
                seen, written = written, self.backend.written
                threading.Event().wait(0.3)
            stood = written
            while self.backend.written < stood + 100:
                assert client.socket.recv(65536)
            return stood, self.backend.written

        stood, _ = await self.client(work, 65536)
        self.assertLess(stood * 6000, 16 * MIB)
        self.assertEqual(await self.backend.over.get(), "Watch")

    async def test_trailers(self) -> None:
        def watch(_: Any, context: Any) -> Iterator[Any]:
            context.set_trailing_metadata([("x-count", "1")])
            yield self.backend.message("Watch", number=1)

        self.backend.answers["Watch"] = watch
        found = await self.client(
            lambda client: client.send(request("GET", "/v1/watch/x", "TE: trailers")).until(
                b"\r\n0\r\nx-count: 1\r\n\r\n"
            )
        )
        self.assertIn(b'{"number":1}\n', found)

    async def test_a_deadline_ends_a_stream(self) -> None:
        """That of the client; the gateway's own is for unary calls only."""
        self.step.release()
        found = await self.client(
            lambda client: client.send(request("GET", "/v1/watch/x", "Grpc-Timeout: 300m", "Connection: close")).rest()
        )
        self.assertIn(b'"number":1}\n', found)
        self.assertIn(b'{"error":{"code":4,', found)

    async def test_an_error_instead_of_an_answer(self) -> None:
        """The head has not gone out, though gRPC's core speaks of metadata first."""

        def watch(_: Any, context: Any) -> Iterator[Any]:
            context.abort(context_code("NOT_FOUND"), "no such name")
            yield

        self.backend.answers["Watch"] = watch
        for _ in range(20):
            answer = await self.gateway.get("/v1/watch/x")
            self.assertEqual((answer.status, answer.json["message"]), (404, "no such name"))


def context_code(name: str) -> Any:
    import grpc

    return getattr(grpc.StatusCode, name)


class ThreadTests(AsyncioTests):
    """The same on the thread bridge."""

    bridge = "thread"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
class CurlTests(StreamCase):
    """curl -N shows messages as they come."""

    def curl(self, *arguments: str) -> list[str]:
        self.step.release()
        url = f"http://127.0.0.1:{self.gateway.port}/v1/watch/x"
        command = ["curl", "-sSN", *arguments, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            while "number" not in lines[-1]:
                lines.append(process.stdout.readline())
            self.step.release()
            lines.append(process.stdout.readline())
            process.terminate()
        return lines

    async def test_ndjson(self) -> None:
        lines = await deferToThread(self.curl)
        self.assertEqual(lines, ['{"name":"x","number":1}\n', '{"name":"x","number":2}\n'])

    async def test_events(self) -> None:
        lines = await deferToThread(self.curl, "-H", "Accept: text/event-stream")
        self.assertEqual(lines, ["id: 1\n", 'data: {"name":"x","number":1}\n', "\n"])

    async def test_a_cut_array_is_an_error(self) -> None:
        """Exit status 18 or 56: the transfer is not whole."""

        def watch(_: Any, context: Any) -> Iterator[Any]:
            yield self.backend.message("Watch", number=1)
            context.abort(context_code("ABORTED"), "x")

        self.backend.answers["Watch"] = watch
        url = f"http://127.0.0.1:{self.gateway.port}/v1/watch/x"

        def run() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(["curl", "-sS", "-H", "Accept: application/json", url], capture_output=True)

        done = await deferToThread(run)
        self.assertIn(done.returncode, (18, 56))
        self.assertEqual(done.stdout, b'[{"number":1}')

    async def test_data_of_a_file(self) -> None:
        """What curl calls a form is taken for what it is."""
        (self.folder / "items").write_bytes(b'{"number":1}\n{"number":2}\n')
        url = f"http://127.0.0.1:{self.gateway.port}/v1/collect"

        def run() -> bytes:
            return subprocess.run(
                ["curl", "-sS", "--data-binary", f"@{self.folder / 'items'}", url], capture_output=True, check=True
            ).stdout

        self.assertEqual(await deferToThread(run), b'{"number":2}')


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
class MemoryTests(StreamCase):
    """A gateway of its own process, whose memory is looked at."""

    SIZE = 64 * MIB

    def setUp(self) -> None:
        super().setUp()
        self.gateway.write(self.ini())
        (self.folder / "flow.proto").write_text(PROTO)
        self.process = Twistd("-c", str(self.gateway.path), cwd=self.folder, environ={"MALLOC_ARENA_MAX": "2"})
        self.addCleanup(self.process.stop)
        (self.port,) = self.process.ports()

    def peak(self) -> int:
        text = Path(f"/proc/{self.process.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) * 1024

    def download(self, count: int) -> int:
        client = Client(self.port)
        try:
            client.send(request("GET", f"/v1/download/x?number={count}", "Connection: close"))
            client.until(b"\r\n\r\n")
            total = len(client.data)
            view = bytearray(MIB)
            while part := client.socket.recv_into(view):
                total += part
            return total
        finally:
            client.close()

    def upload(self, count: int) -> bytes:
        client = Client(self.port)
        try:
            client.send(request("POST", "/v1/upload/x", f"Content-Length: {count * 65536}", "Connection: close"))
            for _ in range(count):
                client.send(bytes(65536))
            return client.rest().partition(b"\r\n\r\n")[2]
        finally:
            client.close()

    def test_a_large_download_is_flat(self) -> None:
        self.download(16)
        before = self.peak()
        self.assertGreaterEqual(self.download(self.SIZE // 65536), self.SIZE)
        self.assertLess(self.peak() - before, self.SIZE // 8)

    def test_a_large_upload_is_flat(self) -> None:
        """Over `max_request_body`, which is for one message."""
        self.upload(16)
        before = self.peak()
        self.assertEqual(self.upload(self.SIZE // 65536), b'{"number":%d}' % self.SIZE)
        self.assertLess(self.peak() - before, self.SIZE // 8)
