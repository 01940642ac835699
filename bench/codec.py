"""The compiled codec against protobuf's json_format, in one run: ``python -m bench.codec``.

Processor time, the best of many runs each, taking turns, so that other work on the machine hardly counts. The last
column is the bar: four times json_format on the order and on the list.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc_tools
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

from twistedgw.transcoding.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

PROTO = """
syntax = "proto3";
package bench;
import "google/protobuf/timestamp.proto";

message Echo { string text = 1; int32 count = 2; }

enum Status { STATUS_UNSPECIFIED = 0; OPEN = 1; PAID = 2; SHIPPED = 3; }
message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }
message Address {
  string recipient = 1;
  string street = 2;
  string city = 3;
  string postal_code = 4;
  string country = 5;
}
message Item {
  string sku = 1;
  string title = 2;
  int32 quantity = 3;
  Money price = 4;
  repeated string tags = 5;
  double weight = 6;
  bool gift = 7;
}
message Order {
  string name = 1;
  int64 order_id = 2;
  Status status = 3;
  google.protobuf.Timestamp create_time = 4;
  Address ship_to = 5;
  repeated Item items = 6;
  map<string, string> labels = 7;
  Money total = 8;
  bytes etag = 9;
}
message Book {
  string name = 1;
  int64 book_id = 2;
  string title = 3;
  repeated string authors = 4;
  Money price = 5;
  Status status = 6;
  google.protobuf.Timestamp create_time = 7;
  double rating = 8;
  int32 page_count = 9;
  bool in_print = 10;
  map<string, string> labels = 11;
}
message ListBooksResponse { repeated Book books = 1; string next_page_token = 2; int32 total_size = 3; }
"""


def compiled(text: str) -> DescriptorPool:
    """Compile one .proto file and what it imports."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "bench.proto", Path(folder) / "bench.pb"
        source.write_text(text)
        include = Path(grpc_tools.__file__).parent / "_proto"
        status = protoc.main(
            ["", f"-I{folder}", f"-I{include}", "--include_imports", f"--descriptor_set_out={out}", str(source)]
        )
        assert status == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def money(units: int) -> dict[str, Any]:
    return {"currency_code": "EUR", "units": units, "nanos": 990_000_000}


def echo() -> dict[str, Any]:
    return {"text": "Hello, world! How are you today?", "count": 42}


def order() -> dict[str, Any]:
    items = [
        {
            "sku": f"SKU-{index:06}",
            "title": f"A product of some sort, number {index}",
            "quantity": index + 1,
            "price": money(10 + index),
            "tags": ["new", "sale"],
            "weight": 1.25 * (index + 1),
            "gift": index % 2 == 0,
        }
        for index in range(10)
    ]
    address = ["Ann Author", "1 Main Street", "Springfield", "12345", "US"]
    return {
        "name": "customers/17/orders/4711",
        "order_id": 9_007_199_254_740_993,
        "status": 2,
        "create_time": {"seconds": 1_700_000_000, "nanos": 123_000_000},
        "ship_to": dict(zip(["recipient", "street", "city", "postal_code", "country"], address, strict=True)),
        "items": items,
        "labels": {"channel": "web", "campaign": "spring"},
        "total": money(145),
        "etag": b"\x00\x01\x02\x03\x04\x05\x06\x07",
    }


def book_list() -> dict[str, Any]:
    books = [
        {
            "name": f"shelves/7/books/{index:05}",
            "book_id": 10**12 + index,
            "title": f"The title of book number {index}",
            "authors": ["Ann Author", "Bob Writer"],
            "price": money(10 + index),
            "status": 1 + index % 3,
            "create_time": {"seconds": 1_700_000_000 + index * 3600, "nanos": index % 2 * 500_000_000},
            "rating": 4.25,
            "page_count": 300 + index,
            "in_print": index % 2 == 0,
            "labels": {"genre": "fiction", "language": "en"},
        }
        for index in range(500)
    ]
    return {"books": books, "next_page_token": "b2Zmc2V0PTUwMA", "total_size": 12_345}


CASES = {"Echo": echo, "Order": order, "ListBooksResponse": book_list}
BAR = 4.0
ROUNDS = 40


def best(functions: Sequence[Callable[[], object]]) -> list[float]:
    """Give the microseconds of the quickest run of each, taking turns."""
    timers = [timeit.Timer(function, timer=time.process_time) for function in functions]
    numbers = [max(1, timer.autorange()[0] // 20) for timer in timers]
    rounds = [
        [timer.timeit(number) / number for timer, number in zip(timers, numbers, strict=True)] for _ in range(ROUNDS)
    ]
    return [min(times) * 1e6 for times in zip(*rounds, strict=True)]


def measure(codec: Codec, name: str, fields: dict[str, Any]) -> tuple[float, float]:
    """Print a line for each direction, and give how many times faster than json_format each is."""
    descriptor = codec.pool.FindMessageTypeByName(f"bench.{name}")
    message_class: type[Message] = codec.message_class(descriptor)
    message = message_class(**fields)
    encode, decode = codec.encoder(descriptor), codec.decoder(descriptor)
    text = encode(message)
    assert json.loads(text) == json_format.MessageToDict(message)
    assert decode(text) == message == json_format.Parse(text, message_class())
    pairs = {
        "encode": (
            lambda: encode(message),
            lambda: json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode(),
        ),
        "decode": (lambda: decode(text), lambda: json_format.Parse(text, message_class())),
    }
    ratios = []
    for direction, (ours, theirs) in pairs.items():
        mine, other = best((ours, theirs))
        ratios.append(other / mine)
        print(f"{name:<18} {len(text):>8,} B  {direction}  {mine:>9,.1f} µs  {other:>9,.1f} µs  {other / mine:>5.1f} ×")
    return ratios[0], ratios[1]


def main() -> int:
    codec = Codec(compiled(PROTO))
    print(f"{'message':<18} {'JSON':>10}  {'':6}  {'twistedgw':>12}  {'json_format':>12}  {'ratio':>7}")
    ratios = {name: measure(codec, name, fields()) for name, fields in CASES.items()}
    failed = [name for name, pair in ratios.items() if name != "Echo" and min(pair) < BAR]
    print(f"\nat least {BAR:g} × on the order and the list: {'no: ' + ', '.join(failed) if failed else 'yes'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
