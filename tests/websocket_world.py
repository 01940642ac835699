"""WebSocket exchanges without sockets, and the client's side of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chat_backend import CHAT_PROTO
from grpc_backend import CACHE
from small_snapshots import LISTENER, Upstream
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from twistedgw.config.load import load
from twistedgw.frontends.exchange import FieldBlock, Head
from twistedgw.frontends.websocket import Event, WebSocketExchange
from twistedgw.frontends.websocket_handshake import check_handshake, find_stream
from twistedgw.registry.build import Builder
from twistedgw.schema.protos import ProtoSource

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.registry.snapshot import Snapshot

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
INI = (
    LISTENER
    + "[service:chat]\n[backend:chat]\nprotocol = grpc\ntarget = 127.0.0.1:1\n"
    + "[api:chat/all]\nrpc = chat.v1.Chat/*\nbackend = chat\n"
    + "[plugin:chat]\ntype = backend-grpc\nproto = chat.proto\n"
)
BOUND = "[binding:chat]\nplugin = chat\nservice = chat\nenvironment = release\n"


def build(folder: Path, options: str = "", more: str = "") -> Snapshot:
    """Build the snapshot of the chat service."""
    (folder / "chat.proto").write_text(CHAT_PROTO)
    (folder / "g.ini").write_text(INI + options + BOUND + more)
    builder = Builder(lambda plugin, _: ProtoSource(plugin.proto, plugin.import_path, cache=CACHE).load(), Upstream)
    return builder.build(load(folder / "g.ini", {}))


def head(path: str = "/v1/both/hall", *, query: str = "", method: str = "GET", **fields: str | None) -> Head:
    """A handshake; `fields` replaces fields, and None leaves one out."""
    known: dict[str, str | None] = {
        "host": "gw.example",
        "connection": "keep-alive, Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": KEY,
    }
    known.update({name.replace("_", "-"): value for name, value in fields.items()})
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in known.items() if value is not None]
    authority = known["host"] or ""
    return Head(
        method=method,
        path=path.encode(),
        query=query.encode(),
        fields=FieldBlock(pairs),
        client="192.0.2.1",
        chain="192.0.2.1",
        host=authority.partition(":")[0],
        authority=authority,
        secure=False,
        request_id="id",
    )


class Talk:
    """An exchange and its client."""

    def __init__(self, snapshot: Snapshot, asked: Head, max_message: int = 1000) -> None:
        match = find_stream(snapshot, asked)
        assert match is not None
        handshake = check_handshake(asked, match.target.stages)
        self.exchange = WebSocketExchange(asked, match.target, match, handshake)
        self.call = self.exchange.open(max_message=max_message)
        self.first = self.shown(self.exchange.first())
        self.client = Protocol(Side.CLIENT, state=State.OPEN)
        self.note: Any = match.target.codec.message_class(match.target.method.output_type)

    @staticmethod
    def shown(items: Any) -> list[Any]:
        return [item if isinstance(item, Event) else {f.name: v for f, v in item.ListFields()} for item in items]

    def text(self, text: str | bytes, *, fin: bool = True) -> Talk:
        self.client.send_text(text.encode() if isinstance(text, str) else text, fin)
        return self

    def binary(self, data: bytes) -> Talk:
        self.client.send_binary(data)
        return self

    def written(self) -> bytes:
        """What the client has to send now."""
        return b"".join(self.client.data_to_send())

    def feed(self) -> list[Any]:
        """Feed what the client has to send; give what comes of it."""
        return self.shown(self.exchange.feed(self.written()))

    def taken(self, data: bytes) -> list[tuple[str, Any]]:
        """Let the client read; give its frames as pairs of opcode and data."""
        self.client.receive_data(data)
        return [(frame.opcode.name, bytes(frame.data)) for frame in self.client.events_received()]

    def closed(self) -> tuple[int, str] | None:
        received = self.client.close_rcvd
        return None if received is None else (int(received.code), received.reason)


__all__ = ["BOUND", "INI", "KEY", "Event", "Opcode", "Talk", "build", "head"]
