"""A gateway's resource on a site in memory, in front of a bridge that does what a test tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from channel_world import Wire
from google.protobuf import message_factory
from small_snapshots import BACKEND, LISTENER, SERVICE, build
from twisted.internet.task import Clock

from twistedgw.backends.failures import CallError, cancelled
from twistedgw.registry.registry import Registry
from twistedgw.status import Code
from twistedgw.web.limits import Limits
from twistedgw.web.resource import GatewayResource
from twistedgw.web.site import GatewaySite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROTO = """
syntax = "proto3";
package flow.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/struct.proto";

service Flow {
  rpc Watch(Item) returns (stream Item) {
    option (google.api.http) = {
      get: "/v1/watch/{name}"
      additional_bindings { post: "/v1/watch" body: "*" }
      additional_bindings { get: "/v1/tags/{name}" response_body: "tags" }
    };
  }
  rpc Collect(stream Item) returns (Item) {
    option (google.api.http) = {
      post: "/v1/collect" body: "*"
      additional_bindings { post: "/v1/collect/{name}" body: "*" }
      additional_bindings { post: "/v1/collect/{name}/inner" body: "inner" }
      additional_bindings { post: "/v1/collect/{name}/tags" body: "tags" }
      additional_bindings { post: "/v1/collect/{name}/any" body: "any" }
      additional_bindings { get: "/v1/collect/{name}" }
    };
  }
  rpc Chat(stream Item) returns (stream Item) {
    option (google.api.http) = { post: "/v1/chat" body: "*" };
  }
  rpc Download(Item) returns (stream google.api.HttpBody) {
    option (google.api.http) = { get: "/v1/download/{name}" };
  }
  rpc Upload(stream Blob) returns (Item) {
    option (google.api.http) = { post: "/v1/upload/{name}" body: "blob" };
  }
  rpc Copy(stream google.api.HttpBody) returns (stream google.api.HttpBody) {
    option (google.api.http) = { post: "/v1/copy" body: "*" };
  }
}

enum Mood { MOOD_UNSPECIFIED = 0; GLAD = 1; }

message Inner { string text = 1; int32 count = 2; }

message Item {
  string name = 1;
  int32 number = 2;
  Inner inner = 3;
  repeated string tags = 4;
  Mood mood = 5;
  google.protobuf.Value any = 6;
  bytes data = 7;
}

message Blob { string name = 1; google.api.HttpBody blob = 2; string note = 3; }
"""
PLUGIN = "[plugin:p]\ntype = backend-grpc\nproto = echo.proto\n{options}"
API = "[api:s/all]\nrpc = flow.v1.Flow/*\nbackend = b\n{api}"
BINDING = "[binding:r]\nplugin = p\nservice = s\nenvironment = release\napis = *\n"
LIMITS = Limits(
    max_request_body=1000, max_header_size=2000, max_headers=20, header_timeout=10, body_timeout=30, idle_timeout=60
)


GATEWAY = "[gateway]\nmax_request_body = 1000\n"


def ini(options: str = "", api: str = "") -> str:
    return GATEWAY + LISTENER + SERVICE + BACKEND + PLUGIN.format(options=options) + API.format(api=api) + BINDING


class Scripted:
    """A stream whose backend is the test: it keeps what was sent, and tells the receiver what the test says.

    Attributes:
        sent: the messages.
        room: how many more it takes before it says that it is enough; None for all.
        done: what was asked of it besides, in order.
    """

    def __init__(self, call: Any, receiver: Any, room: int | None) -> None:
        self.call = call
        self.receiver = receiver
        self.room = room
        self.sent: list[Any] = []
        self.done: list[str] = []
        self.over = False
        self.on_send: Callable[[], object] = lambda: None

    # -- for the relay

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        self.on_send()
        if self.room is not None:
            self.room -= 1
        return self.room is None or self.room > 0

    def half_close(self) -> None:
        self.done.append("half_close")

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def cancel(self) -> None:
        if not self.over:
            self.done.append("cancel")
            self.end(cancelled())

    # -- for the test

    def give(self, *messages: Any, **fields: Any) -> None:
        make = message_factory.GetMessageClass(self.call.method.output_type)
        for message in messages or (make(**fields),):
            assert not self.paused
            self.receiver.message(message)

    @property
    def paused(self) -> bool:
        return next((word == "pause" for word in reversed(self.done) if word in ("pause", "resume")), False)

    def more(self, room: int | None = None) -> None:
        self.room = room
        self.receiver.ready()

    def end(self, error: CallError | None = None, trailing: Any = ()) -> None:
        assert not self.over
        self.over = True
        self.receiver.ended(error, trailing)

    def break_down(self) -> None:
        self.end(CallError(Code.UNAVAILABLE, "the connection to the backend was lost", reason="BACKEND_UNAVAILABLE"))


class ScriptedBridge:
    def __init__(self) -> None:
        self.streams: list[Scripted] = []
        self.room: int | None = None

    def stream(self, call: Any, receiver: Any) -> Scripted:
        stream = Scripted(call, receiver, self.room)
        self.streams.append(stream)
        return stream

    @property
    def one(self) -> Scripted:
        (stream,) = self.streams
        return stream


class World:
    """A site, its clock, and connections to it.

    Attributes:
        clock: of the site; it stands still.
        bridge: makes the streams.
        registry: its leases show what is under way.
    """

    def __init__(self, folder: Path, text: str | None = None, *, llhttp: bool = True) -> None:
        self.clock = Clock()
        self.folder = folder
        self.bridge = ScriptedBridge()
        self.registry = Registry()
        self.load(ini() if text is None else text)
        self.resource = GatewayResource(self.registry, self.bridge)  # type: ignore[arg-type]
        self.site = GatewaySite(self.resource, lambda: LIMITS, _page, llhttp=llhttp, reactor=self.clock)

    def load(self, text: str) -> None:
        self.registry.swap(build(self.folder, text, PROTO))

    def connect(self, reads: int | None = None) -> Wire:
        return Wire(self.site.buildProtocol(None), reads)

    def post(self, path: str, body: bytes = b"", *fields: str) -> Wire:
        """Send a request with its whole body."""
        return self.connect().send(request("POST", path, *fields, f"Content-Length: {len(body)}") + body)

    def get(self, path: str, *fields: str, reads: int | None = None) -> Wire:
        return self.connect(reads).send(request("GET", path, *fields))

    def open(self, path: str, *fields: str) -> Wire:
        """Send the head of a request whose body comes in chunks."""
        return self.connect().send(request("POST", path, *fields, "Transfer-Encoding: chunked"))


def _page(error: Any) -> Any:
    from twistedgw.frontends.failure import error_reply

    reply = error_reply(error, None)
    return reply.status, reply.fields, reply.body


def request(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: h", *fields, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"
