"""RPC protocols in tests: a service with all kinds of RPCs, heads of requests, and decoders that are not the product's."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import struct
from typing import TYPE_CHECKING, Any

from small_snapshots import HEAD, build

from twistedgw.backends.call import Result
from twistedgw.frontends.exchange import Head

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.frontends.exchange import Reply
    from twistedgw.registry.snapshot import Snapshot

TALK_PROTO = """
syntax = "proto3";
package talk.v1;
import "google/api/annotations.proto";

service Talk {
  rpc Ask(Words) returns (Words) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Tell(Words) returns (Words);
  rpc Peek(Words) returns (Words) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = { get: "/talk.v1.Talk/Peek" };
  }
  rpc Hear(Words) returns (stream Words) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Send(stream Words) returns (Words);
  rpc Chat(stream Words) returns (stream Words);
}
service Rest {
  rpc Any(Words) returns (Words) { option (google.api.http) = { get: "/{text=**}" }; }
}
message Words { string text = 1; int64 big = 2; bytes data = 3; repeated Words inner = 4; }
"""

WHOLE = "[api:s/all]\nrpc = talk.v1.Talk/*\nbackend = b\n"
BINDING = "[binding:r]\nplugin = p\nservice = s\nenvironment = release\napis = *\n"
TALK = HEAD + WHOLE + BINDING


def talk(folder: Path, ini: str = TALK) -> Snapshot:
    return build(folder, ini, TALK_PROTO)


def route(snapshot: Snapshot, rpc: str) -> Any:
    return snapshot.match("", False, "POST", f"/talk.v1.Talk/{rpc}".encode()).target


def head(rpc: str, content_type: str | None = None, *fields: tuple[str, str], query: str = "", **changes: Any) -> Head:
    """A request's head; names of fields may have capitals here."""
    found = [] if content_type is None else [(b"content-type", content_type.encode())]
    found += [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
    given: dict[str, Any] = {"method": "POST", "path": f"/talk.v1.Talk/{rpc}".encode(), "host": "h"}
    given.update(query=query.encode(), fields=found, client="1.2.3.4", chain="1.2.3.4", authority="h:1", secure=False)
    return Head(**{**given, "request_id": "id", **changes})


def words(route: Any, **fields: Any) -> Any:
    return route.codec.message_class(route.method.output_type)(**fields)


def result(route: Any, initial: Any = (), trailing: Any = (), **fields: Any) -> Result:
    return Result(words(route, **fields), initial, trailing)


def field(reply: Reply | list[tuple[bytes, bytes]], name: str) -> str | None:
    fields = reply if isinstance(reply, list) else reply.fields
    found = [value.decode() for key, value in fields if key == name.encode()]
    assert len(found) < 2, found
    return found[0] if found else None


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Take envelopes apart; all of the body must be envelopes."""
    found = []
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        assert len(body) >= 5 + length, "the last envelope is cut"
        found.append((flags, body[5 : 5 + length]))
        body = body[5 + length :]
    return found


def frame(payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(payload)) + payload


def plain(flags: int, payload: bytes) -> bytes:
    return gzip.decompress(payload) if flags & 1 else payload


def connect_parts(body: bytes) -> tuple[list[bytes], Any]:
    """Give the messages of a Connect stream, and the object at its end."""
    *messages, (flags, last) = frames(body)
    assert flags == 2
    assert all(flags in (0, 1) for flags, _ in messages)
    return [plain(*each) for each in messages], json.loads(last)


def grpc_web_parts(body: bytes) -> tuple[list[bytes], dict[str, str]]:
    """Give the messages of a gRPC-Web answer, and its trailers."""
    *messages, (flags, last) = frames(body)
    assert flags == 0x80
    assert all(flags in (0, 1) for flags, _ in messages)
    assert last.endswith(b"\r\n")
    lines = [line.decode("ascii").split(": ", 1) for line in last[:-2].split(b"\r\n")]
    assert len({name for name, _ in lines}) == len(lines)
    return [plain(*each) for each in messages], dict(lines)  # type: ignore[arg-type]


def from_text(body: bytes) -> bytes:
    """Decode base64 with padding in the middle, a group of four at a time."""
    assert len(body) % 4 == 0
    return b"".join(base64.b64decode(body[i : i + 4]) for i in range(0, len(body), 4))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut at places, which need not be in order nor within."""
    at = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at) if a < b]


def feed(exchange: Any, parts: list[bytes]) -> list[Any]:
    """Feed a body to a StreamExchange as a relay does; give the messages."""
    found = []
    for part in parts:
        found.extend(exchange.feed(part))
    found.extend(exchange.feed_end())
    return found
