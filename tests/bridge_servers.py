"""What the bridges are tested against: an RPC made from descriptors, real gRPC servers, and one of bare HTTP/2."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from twisted.internet import reactor
from twisted.internet.defer import DeferredQueue

from twistedgw.backends.call import Call
from twistedgw.config.model import Backend, Place, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = Place(
    file="grpcgw.ini", section="backend:echo", line=7, options={"ca": 9, "certificate": 10, "private_key": 11}
)


def make_method() -> Any:
    """Make the descriptor of ``test.v1.Echo/Say`` in a pool of its own."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="echo.proto", package="test.v1", syntax="proto2")
    words = file.message_type.add(name="Words")
    words.field.add(name="text", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    words.field.add(name="data", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    strict = file.message_type.add(name="Strict")
    strict.field.add(name="must", number=1, type=field.TYPE_STRING, label=field.LABEL_REQUIRED)
    service = file.service.add(name="Echo")
    service.method.add(name="Say", input_type=".test.v1.Words", output_type=".test.v1.Words")
    service.method.add(name="Demand", input_type=".test.v1.Strict", output_type=".test.v1.Words")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("test.v1.Echo").methods_by_name["Say"]


SAY = make_method()
WORDS = message_factory.GetMessageClass(SAY.input_type)


def say(
    upstream: Any, text: str = "hello", *, timeout: float | None = None, metadata: Any = (), method: Any = SAY
) -> Call:
    request = message_factory.GetMessageClass(method.input_type)(text=text)
    return Call(upstream=upstream, method=method, request=request, timeout=timeout, metadata=metadata)


def backend(*targets: str, protocol: Protocol = Protocol.GRPC, **changes: Any) -> Backend:
    options: dict[str, Any] = {
        "name": "echo",
        "place": PLACE,
        "protocol": protocol,
        "targets": targets,
        "load_balancing": "round_robin",
        "max_in_flight": None,
        "ca": None,
        "certificate": None,
        "private_key": None,
        "server_name": None,
    }
    return Backend(**(options | changes))


class Server:
    """A gRPC server that answers ``test.v1.Echo/Say`` with what `answer(request, context)` gives: bytes or Words."""

    def __init__(
        self,
        answer: Callable[[Any, Any], Any] = lambda request, context: request,
        *,
        credentials: grpc.ServerCredentials | None = None,
        address: str = "127.0.0.1:0",
    ) -> None:
        self.answer = answer
        self.calls = 0
        self._pool = ThreadPoolExecutor(16)
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(self._say, WORDS.FromString, self._serialize)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.v1.Echo", {"Say": handler}),))
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self.target = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _say(self, request: Any, context: Any) -> Any:
        self.calls += 1
        return self.answer(request, context)

    @staticmethod
    def _serialize(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else answer.SerializeToString()


class Gate:
    """An answer that waits until `open`: reactor-side queues hear when a call is at the server, and when it is over."""

    def __init__(self) -> None:
        self.arrived: DeferredQueue[None] = DeferredQueue()
        self.ended: DeferredQueue[None] = DeferredQueue()
        self._is_open = False
        self._held: list[threading.Event] = []
        self._lock = threading.Lock()

    def __call__(self, request: Any, context: Any) -> Any:
        over = threading.Event()

        def end() -> None:
            over.set()
            reactor.callFromThread(self.ended.put, None)

        with self._lock:
            self._held.append(over)
            if self._is_open:
                over.set()
        if context.add_callback(end):
            reactor.callFromThread(self.arrived.put, None)
            over.wait(60)
        return request

    def open(self) -> None:
        with self._lock:
            self._is_open = True
            for over in self._held:
                over.set()


class RawServer:
    """Speaks HTTP/2 and lets `behave(connection, stream_id, socket)` do what no gRPC library would."""

    def __init__(self, behave: Callable[[Any, int, socket.socket], Any]) -> None:
        self.greet: bytes | None = None
        """Where set: all that a connection gets, before it is closed."""
        self.seen: list[dict[str, str]] = []
        """The header fields of each request."""
        self.hung_up: DeferredQueue[None] = DeferredQueue()
        """Hears when a client closes its connection."""
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.target = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._threads[0].start()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listening.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        config = h2.config.H2Configuration(
            client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        http = h2.connection.H2Connection(config)
        http.initiate_connection()
        with connection, contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            if self.greet is not None:
                connection.recv(100)
                connection.sendall(self.greet)
                return
            connection.sendall(http.data_to_send())
            while data := connection.recv(65536):
                for event in http.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.seen.append({name.decode(): value.decode() for name, value in event.headers})
                    if isinstance(event, h2.events.StreamEnded):
                        self._behave(http, event.stream_id, connection)
                connection.sendall(http.data_to_send())
        reactor.callFromThread(self.hung_up.put, None)


def framed(data: bytes, *, compressed: bool = False) -> bytes:
    """Give a message as gRPC frames it."""
    return struct.pack(">BI", compressed, len(data)) + data


def headers(*extra: tuple[str, str], status: str = "200", last: bool = False) -> Callable[[Any, int, Any], None]:
    """Give a behaviour: answer with these headers."""

    def behave(http: Any, stream: int, _: Any) -> None:
        fields = [(":status", status), ("content-type", "application/grpc"), *extra]
        http.send_headers(stream, fields, end_stream=last)

    return behave


def message(data: bytes, *, last: bool = False) -> Callable[[Any, int, Any], None]:
    """Give a behaviour: send these bytes."""
    pieces = [data[start : start + 16_384] for start in range(0, len(data), 16_384)]

    def behave(http: Any, stream: int, _: Any) -> None:
        for piece in pieces:
            http.send_data(stream, piece, end_stream=last and piece is pieces[-1])

    return behave


def trailers(*fields: tuple[str, str]) -> Callable[[Any, int, Any], None]:
    """Give a behaviour: end with these trailers."""
    return lambda http, stream, _: http.send_headers(stream, list(fields), end_stream=True)


def in_turn(*behaviours: Callable[[Any, int, Any], None]) -> Callable[[Any, int, Any], None]:
    """Give a behaviour: these, one after the other."""

    def behave(http: Any, stream: int, connection: Any) -> None:
        for each in behaviours:
            each(http, stream, connection)

    return behave


class DeadPort:
    """A port of this machine where nobody listens, and nobody else will."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.target = f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._socket.close()


def write_pem(folder: Path, name: str, *pems: Any) -> Path:
    """Write trustme's blobs to a file."""
    path = folder / name
    path.write_bytes(b"".join(pem.bytes() for pem in pems))
    return path
