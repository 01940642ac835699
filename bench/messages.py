"""The messages that the benchmark sends, and their types, compiled from `bench.proto`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.api
import grpc_tools
from google.protobuf import any_pb2, descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal import encoder
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

from bench.places import BUILT, DATA, PROTO

if TYPE_CHECKING:
    from google.protobuf.message import Message

TICKS = 1_000
BLOB = bytes(range(256)) * 256
INCLUDES = (
    PROTO.parent,
    Path(next(iter(google.api.__path__))).parent.parent,
    Path(grpc_tools.__file__).parent / "_proto",
)
DESCRIPTORS = BUILT / "bench.binpb"


def compile_descriptors(out: Path = DESCRIPTORS) -> Path:
    """Write the descriptor set of `bench.proto` and all it imports."""
    out.parent.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{folder}" for folder in INCLUDES]
    if protoc.main(["protoc", *includes, "--include_imports", f"--descriptor_set_out={out}", PROTO.name]):
        raise SystemExit("bench.proto does not compile")
    return out


@functools.cache
def pool() -> DescriptorPool:
    """Give a pool with everything of `bench.proto`."""
    found = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compile_descriptors().read_bytes()).file:
        found.AddSerializedFile(file.SerializeToString())
    return found


def make(name: str, /, **fields: Any) -> Message:
    """Make a message; `name` is within `bench.v1` or whole."""
    whole = name if "." in name else f"bench.v1.{name}"
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(whole))(**fields)


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


def ticks() -> list[Message]:
    return [
        make(
            "Tick",
            number=index,
            text=f"message number {index}",
            time={"seconds": 1_700_000_000 + index, "nanos": 250_000_000},
            value=index * 0.5,
        )
        for index in range(TICKS)
    ]


def failure() -> status_pb2.Status:
    """NOT_FOUND, with what a well-made API says beside it."""
    details = [
        error_details_pb2.ErrorInfo(reason="NO_SUCH_BOOK", domain="bench", metadata={"shelf": "7"}),
        error_details_pb2.ResourceInfo(resource_type="bench.v1.Book", resource_name="shelves/7/books/8"),
    ]
    found = status_pb2.Status(code=5, message="there is no book 8 on shelf 7")
    for each in details:
        packed = any_pb2.Any()
        packed.Pack(each)
        found.details.append(packed)
    return found


def write_data() -> None:
    """Write what the backend answers to where it reads it."""
    DATA.mkdir(parents=True, exist_ok=True)
    blob = make("google.api.HttpBody", content_type="application/octet-stream", data=BLOB)
    files = {
        "order": make("Order", **order()).SerializeToString(),
        "list": make("ListBooksResponse", **book_list()).SerializeToString(),
        "blob": blob.SerializeToString(),
        "failure": failure().SerializeToString(),
        "ticks": b"".join(_delimited(tick.SerializeToString()) for tick in ticks()),
    }
    for name, data in files.items():
        (DATA / f"{name}.binpb").write_bytes(data)


def _delimited(data: bytes) -> bytes:
    parts: list[bytes] = []
    encoder._EncodeVarint(parts.append, len(data))  # noqa: SLF001 - there is no public one
    return b"".join(parts) + data
