"""A real gRPC server of ``flow.v1.Flow`` (the .proto of `stream_world`), whose answers a test writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from grpc_backend import compile_proto
from stream_world import PROTO
from twisted.internet.defer import DeferredQueue

SERVICE = "flow.v1.Flow"
Answer = Callable[[Iterator[Any], Any], Iterator[Any]]


class FlowBackend:
    """Answers each method of `answers` with what it yields; all are streams both ways on the wire.

    Attributes:
        over: hears of each call that is over, on the reactor thread.
        written: messages that gRPC has taken of the answers.
    """

    def __init__(self, folder: Path, **answers: Answer) -> None:
        self.answers = answers
        self.over: DeferredQueue[str] = DeferredQueue()
        self.metadata: list[dict[str, Any]] = []
        self.written = 0
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(16)
        self._server = grpc.server(self._pool, options=[("grpc.max_receive_message_length", -1)])
        schema = compile_proto(PROTO, folder, "flow.proto")
        self.methods = {method.name: method for method in schema.services[SERVICE].methods}
        handlers = {name: self._handler(method) for name, method in self.methods.items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def message(self, method: str, **fields: Any) -> Any:
        """Make an answer."""
        return message_factory.GetMessageClass(self.methods[method].output_type)(**fields)

    def _handler(self, method: Any) -> Any:
        def run(requests: Iterator[Any], context: Any) -> Iterator[Any]:
            from twisted.internet import reactor

            self.metadata.append(dict(context.invocation_metadata()))
            context.add_callback(lambda: self._stopping.is_set() or reactor.callFromThread(self.over.put, method.name))
            for answer in self.answers[method.name](requests, context):
                yield answer
                self.written += 1

        return grpc.stream_stream_rpc_method_handler(
            run,
            message_factory.GetMessageClass(method.input_type).FromString,
            lambda message: message.SerializeToString(),
        )

    def stop(self) -> None:
        self._stopping.set()
        self._server.stop(None).wait()
        self._pool.shutdown()
