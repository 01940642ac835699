"""What streams are tested against: RPCs of all four kinds made from descriptors, a real gRPC server, a receiver."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from twisted.internet.defer import Deferred, DeferredQueue

from twistedgw.backends.call import StreamCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twistedgw.backends.failures import CallError

SERVICE = "test.v1.Flow"
OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0))
"""Without the last one a server reads megabytes of requests that nobody asks for."""


def make_service() -> Any:
    """Make the descriptor of ``test.v1.Flow`` in a pool of its own."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="flow.proto", package="test.v1", syntax="proto2")
    words = file.message_type.add(name="Words")
    words.field.add(name="text", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    words.field.add(name="data", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    words.field.add(name="number", number=3, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    strict = file.message_type.add(name="Strict")
    strict.field.add(name="must", number=1, type=field.TYPE_STRING, label=field.LABEL_REQUIRED)
    service = file.service.add(name="Flow")
    for name, up, down in (("Down", False, True), ("Up", True, False), ("Both", True, True), ("One", False, False)):
        service.method.add(
            name=name,
            input_type=".test.v1.Words",
            output_type=".test.v1.Words",
            client_streaming=up,
            server_streaming=down,
        )
    service.method.add(name="Demand", input_type=".test.v1.Strict", output_type=".test.v1.Words", server_streaming=True)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


FLOW = make_service()
DOWN, UP, BOTH, ONE, DEMAND = (FLOW.methods_by_name[name] for name in ("Down", "Up", "Both", "One", "Demand"))
WORDS = message_factory.GetMessageClass(DOWN.input_type)


def flow(upstream: Any, method: Any = DOWN, *, timeout: float | None = None, metadata: Any = ()) -> StreamCall:
    return StreamCall(upstream=upstream, method=method, timeout=timeout, metadata=metadata)


def words(number: int = 0, text: str = "", data: bytes = b"") -> Any:
    return WORDS(number=number, text=text, data=data)


def echo(requests: Iterator[Any], context: Any) -> Iterator[Any]:
    """Answer each request with itself."""
    yield from requests


class FlowServer:
    """A gRPC server that answers every RPC of ``test.v1.Flow`` with what `answer(requests, context)` yields.

    Whatever the RPC's own kind, the server takes it as a stream both ways: on the wire these are the same.
    """

    def __init__(self, answer: Callable[[Iterator[Any], Any], Iterator[Any]] = echo, *, threads: int = 16) -> None:
        self.answer = answer
        self.calls = 0
        self.written = 0
        """Messages that gRPC has taken of the answers."""
        self.over: DeferredQueue[None] = DeferredQueue()
        """Hears of each call that is over."""
        self._pool = ThreadPoolExecutor(threads)
        self._server = grpc.server(self._pool, options=list(OPTIONS))
        handler = grpc.stream_stream_rpc_method_handler(self._flow, WORDS.FromString, self._serialize)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, dict.fromkeys(FLOW.methods_by_name, handler)),)
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.target = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _flow(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        from twisted.internet import reactor

        self.calls += 1
        if not context.add_callback(lambda: reactor.callFromThread(self.over.put, None)):
            reactor.callFromThread(self.over.put, None)
        for answer in self.answer(requests, context):
            yield answer
            self.written += 1

    @staticmethod
    def _serialize(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else answer.SerializeToString()


class Taker:
    """A receiver that writes down what it hears, and lets it be awaited."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.messages: list[Any] = []
        self.end: Deferred[tuple[CallError | None, Any]] = Deferred()
        self.ends = 0
        self.on_message: Callable[[Any], None] = lambda message: None
        self.on_headers: Callable[[Any], None] = lambda metadata: None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def headers(self, metadata: Any) -> None:
        self._hear("headers", metadata)
        self.on_headers(metadata)

    def message(self, message: Any) -> None:
        self.messages.append(message)
        self._hear("message", message)
        self.on_message(message)

    def ready(self) -> None:
        self._hear("ready", None)
        self.on_ready()

    def ended(self, error: CallError | None, trailing: Any) -> None:
        self._hear("ended", error)
        self.ends += 1
        self.on_end()
        if self.ends == 1:
            self.end.callback((error, trailing))

    def count(self, kind: str) -> int:
        return sum(1 for heard, _ in self.heard if heard == kind)

    def at(self, heard: int) -> Deferred[None]:
        """Give a Deferred that fires when so many things have been heard."""
        deferred: Deferred[None] = Deferred()
        self._waiting.append((heard, deferred))
        self._wake()
        return deferred

    def _hear(self, kind: str, what: Any) -> None:
        assert not self.ends, f"{kind} after the end"
        assert threading.current_thread() is threading.main_thread()
        self.heard.append((kind, what))
        self._wake()

    def _wake(self) -> None:
        for count, deferred in tuple(self._waiting):
            if len(self.heard) >= count:
                self._waiting.remove((count, deferred))
                deferred.callback(None)
