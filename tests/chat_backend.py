"""A real gRPC server whose methods stream, behind rules of every sort, and the INI of a gateway in front of it."""

from __future__ import annotations

import queue
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from grpc_backend import compile_proto

CHAT_PROTO = """
syntax = "proto3";
package chat.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";

service Chat {
  rpc Both(stream Note) returns (stream Note) {
    option (google.api.http) = {
      post: "/v1/both/{room}" body: "*"
      additional_bindings { get: "/v1/chat/{room}" }
      additional_bindings { put: "/v1/inner/{room}" body: "inner" response_body: "inner" }
    };
  }
  rpc Up(stream Note) returns (Note) { option (google.api.http) = { post: "/v1/up/{room}" body: "*" }; }
  rpc Down(Note) returns (stream Note) {
    option (google.api.http) = {
      post: "/v1/down/{room}" body: "*"
      additional_bindings { get: "/v1/watch/{room}" }
    };
  }
  rpc One(Note) returns (Note) { option (google.api.http) = { get: "/v1/one/{room}" }; }
  rpc Octets(stream google.api.HttpBody) returns (stream google.api.HttpBody) {
    option (google.api.http) = { post: "/v1/octets" body: "*" };
  }
}

enum Mood { MOOD_UNSPECIFIED = 0; GLAD = 1; }
message Inner { string text = 1; }
message Note { string room = 1; string text = 2; int32 count = 3; bytes data = 4; Inner inner = 5; Mood mood = 6; }
"""

INI = """
    [gateway]
    bridge = {bridge}
    {gateway}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:chat]
    [backend:chat]
    protocol = grpc
    target = {target}
    [api:chat/all]
    rpc = chat.v1.Chat/*
    backend = chat
    {api}
    [plugin:chat]
    type = backend-grpc
    proto = chat.proto
    {plugin}
    [binding:chat]
    plugin = chat
    service = chat
    environment = release
    {more}
"""


class ChatServer:
    """Answers each method with what `answer(name, requests, context)` yields; see `talk`.

    Attributes:
        calls: method, metadata, and the requests as far as they were read.
        over: hears of each call that is over: its method's name.
    """

    def __init__(self, folder: Path, answer: Any = None) -> None:
        service = compile_proto(CHAT_PROTO, folder, "chat.proto").services["chat.v1.Chat"]
        self.answer = answer or talk
        self.calls: list[tuple[str, dict[str, Any], list[Any]]] = []
        self.over: queue.Queue[str] = queue.Queue()
        self.note = message_factory.GetMessageClass(service.methods_by_name["One"].input_type)
        self._server = grpc.server(ThreadPoolExecutor(16))
        handlers = {method.name: self._handler(method) for method in service.methods}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _handler(self, method: Any) -> Any:
        def run(requests: Any, context: Any) -> Any:
            seen: list[Any] = []
            self.calls.append((method.name, dict(context.invocation_metadata()), seen))

            def kept() -> Any:
                for request in requests:
                    seen.append(request)
                    yield request

            context.add_callback(lambda: self.over.put(method.name))
            yield from self.answer(method.name, kept(), context, self.note)

        take = message_factory.GetMessageClass(method.input_type).FromString
        return grpc.stream_stream_rpc_method_handler(run, take, lambda message: message.SerializeToString())

    def stop(self) -> None:
        self._server.stop(None).wait()

    def ini(
        self, *, bridge: str = "asyncio", gateway: str = "", api: str = "", plugin: str = "", more: str = ""
    ) -> str:
        text = INI.format(
            bridge=bridge,
            target=self.target,
            gateway=gateway,
            api=api,
            plugin=plugin,
            more=textwrap.indent(more, "    ").lstrip(),
        )
        return textwrap.dedent(text)


def talk(name: str, requests: Any, context: Any, note: Any) -> Any:
    """Echo; count what goes up; give `count` notes down; a text ``fail`` ends in an error."""
    if name == "Up":
        found = list(requests)
        yield note(room=found[0].room if found else "", count=len(found), text="".join(each.text for each in found))
        return
    for request in requests:
        if getattr(request, "text", "") == "fail":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more of this, " + "x" * 200)
        if name == "Down":
            for number in range(request.count):
                yield note(room=request.room, text=request.text, count=number)
        else:
            yield request
