"""A real gRPC server of ``talk.v1.Talk``, with all four kinds of RPCs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_backend import compile_proto
from rpc_wire import TALK_PROTO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "talk.v1.Talk"
INI = """
[gateway]
{gateway}
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
{listener}
[service:talk]
[backend:talk]
protocol = grpc
target = {target}
[api:talk/all]
rpc = talk.v1.Talk/*
backend = talk
[plugin:talk]
type = backend-grpc
proto = talk.proto
[binding:talk]
plugin = talk
service = talk
environment = release
apis = *
[binding:talk-test]
plugin = talk
service = talk
environment = test
apis = *
{more}
"""


def ini(backend: Talk, gateway: str = "", more: str = "", listener: str = "") -> str:
    return INI.format(target=backend.target, gateway=gateway, more=more, listener=listener)


class Talk:
    """Echoes.

    The text ``fail`` makes any RPC fail, ``fail`` after a message a stream; ``big`` tells Hear how often to answer, and
    without it Hear answers once and then waits until the call is over. ``acme-id`` comes back as ``x-seen``.
    """

    def __init__(self, folder: Path) -> None:
        self.schema = compile_proto(TALK_PROTO, folder, "talk.proto")
        self.cancelled = threading.Event()
        self.metadata: dict[str, Any] = {}
        functions = {
            "Ask": (grpc.unary_unary_rpc_method_handler, self._echo),
            "Tell": (grpc.unary_unary_rpc_method_handler, self._echo),
            "Peek": (grpc.unary_unary_rpc_method_handler, self._echo),
            "Hear": (grpc.unary_stream_rpc_method_handler, self._hear),
            "Send": (grpc.stream_unary_rpc_method_handler, self._send),
            "Chat": (grpc.stream_stream_rpc_method_handler, self._chat),
        }
        self.words: Any = message_factory.GetMessageClass(self.schema.pool.FindMessageTypeByName("talk.v1.Words"))
        handlers = {
            name: make(
                function,
                request_deserializer=self.words.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (make, function) in functions.items()
        }
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _begin(self, context: Any) -> None:
        self.metadata = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-seen", self.metadata.get("acme-id", "none"))])
        context.set_trailing_metadata([("x-trailer", "t"), ("x-raw-bin", b"\0\1\2\3")])

    def _check(self, request: Any, context: Any) -> None:
        if request.text == "fail":
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": 30}))
            status = status_pb2.Status(code=9, message="it f\u00e4iled", details=[detail]).SerializeToString()
            context.set_trailing_metadata([("x-trailer", "t"), ("grpc-status-details-bin", status)])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it f\u00e4iled")

    def _echo(self, request: Any, context: Any) -> Any:
        self._begin(context)
        self._check(request, context)
        return request

    def _hear(self, request: Any, context: Any) -> Iterator[Any]:
        self._begin(context)
        for index in range(request.big or 1):
            yield self.words(text=f"{request.text}{index}")
        self._check(request, context)
        if not request.big:
            over = threading.Event()
            if context.add_callback(over.set):
                over.wait(60)
            self.cancelled.set()

    def _send(self, requests: Iterator[Any], context: Any) -> Any:
        self._begin(context)
        texts = []
        for request in requests:
            self._check(request, context)
            texts.append(request.text)
        return self.words(text=" ".join(texts), big=len(texts))

    def _chat(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self._begin(context)
        for request in requests:
            self._check(request, context)
            yield request
