"""Real gRPC servers for tests, made from descriptors: no generated code."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import message_factory

from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.schema.schema import Schema

CACHE = SchemaCache()
"""Shared by all tests, so that each .proto text is compiled once."""

ECHO_PROTO = """
syntax = "proto3";
package echo.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";

service Echo {
  rpc Say(Words) returns (Words) {
    option (google.api.http) = {
      get: "/v1/say/{text}"
      additional_bindings { post: "/v1/say" body: "*" }
      additional_bindings { post: "/v1/inner/{text}" body: "inner" response_body: "inner" }
      additional_bindings { get: "/v1/deep/{inner.text}/{inner.count}" }
      additional_bindings { get: "/v1/names/{text=shelves/*/books/**}" }
      additional_bindings { post: "/v1/say/{text}:shout" body: "*" }
      additional_bindings { post: "/v1/list" body: "list" response_body: "list" }
    };
  }
  rpc Change(Change_) returns (Change_) {
    option (google.api.http) = { patch: "/v1/words/{words.text}" body: "words" };
  }
  rpc Raw(google.api.HttpBody) returns (google.api.HttpBody) {
    option (google.api.http) = { post: "/v1/raw" body: "*" };
  }
  rpc Plain(Words) returns (Words);
  rpc Watch(Words) returns (stream Words) {
    option (google.api.http) = { get: "/v1/watch" };
  }
}

enum Mood { MOOD_UNSPECIFIED = 0; GLAD = 1; SAD = 2; }

message Inner { string text = 1; int32 count = 2; }

message Words {
  string text = 1;
  int64 big = 2;
  Inner inner = 3;
  repeated string list = 4;
  map<string, string> labels = 5;
  Mood mood = 6;
  bytes data = 7;
  google.protobuf.Timestamp at = 8;
  double ratio = 9;
}

message Change_ { Words words = 1; google.protobuf.FieldMask update_mask = 2; }
"""


def compile_proto(text: str, folder: Path, name: str = "echo.proto") -> Schema:
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return ProtoSource([path.absolute()], [Path(folder).absolute()], cache=CACHE).load()


class Backend:
    """A server of one service on a port that the kernel chose.

    `methods` maps a method's name to a function of (request, context).  Everything that came is kept in `calls` as
    (method, request, metadata).
    """

    def __init__(
        self,
        schema: Schema,
        service: str,
        methods: Mapping[str, Callable[[Any, grpc.ServicerContext], Any]],
        *,
        credentials: grpc.ServerCredentials | None = None,
        port: int = 0,
    ) -> None:
        self.schema = schema
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.connections: set[str] = set()
        self.cancelled = threading.Event()
        descriptor = schema.services[service]
        self.server = grpc.server(ThreadPoolExecutor(8))
        handlers = {
            method.name: self._handler(method, methods[method.name])
            for method in descriptor.methods
            if method.name in methods
        }
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
        address = f"127.0.0.1:{port}"
        if credentials is None:
            self.port = self.server.add_insecure_port(address)
        else:
            self.port = self.server.add_secure_port(address, credentials)
        self.server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _handler(self, method: Any, function: Callable[[Any, Any], Any]) -> grpc.RpcMethodHandler:
        def run(request: Any, context: grpc.ServicerContext) -> Any:
            metadata = dict(context.invocation_metadata())
            self.calls.append((method.name, request, metadata))
            self.connections.add(context.peer())
            return function(request, context)

        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        return make(
            run,
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def stop(self) -> None:
        self.server.stop(None).wait()


def echo(request: Any, _context: Any) -> Any:
    return request


def echo_backend(folder: Path, **methods: Callable[[Any, Any], Any]) -> Backend:
    """A server of echo.v1.Echo whose methods give back what they were given, but for those that are named."""
    schema = compile_proto(ECHO_PROTO, folder)
    functions = dict.fromkeys(("Say", "Change", "Raw", "Plain"), echo)
    return Backend(schema, "echo.v1.Echo", {**functions, **methods})
