"""What is asked of every gateway, and what it must answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from bench import messages
from bench.messages import make

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

JSON = "application/json"


class WrongAnswerError(Exception):
    """A gateway answers something else than it should."""


@dataclass(frozen=True)
class Workload:
    """One request.

    Attributes:
        name: what ``--workload`` takes.
        title: for tables.
        target: path and query.
        body: None for no body.
        status: of HTTP, expected.
        answer: what the answer's body means: a message, a list of them for a stream, bytes for no JSON.
        secure: over TLS.
        headers: besides Host, Content-Type and Content-Length.
    """

    name: str
    title: str
    method: str
    target: str
    answer: Any
    body: bytes | None = None
    status: int = 200
    secure: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> bool:
        return isinstance(self.answer, list)

    def fields(self) -> dict[str, str]:
        content = {} if self.body is None else {"Content-Type": JSON, "Content-Length": str(len(self.body))}
        return {"Accept": "*/*", **self.headers, **content}

    def raw(self, port: int) -> bytes:
        """Give the request as it goes over the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.fields().items()]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")

    def verify(self, status: int, body: bytes) -> None:
        """Compare an answer with what was expected.

        Raises:
            WrongAnswerError: it differs.
        """
        if status != self.status:
            raise WrongAnswerError(f"HTTP {status} instead of {self.status}: {body[:200]!r}")
        if isinstance(self.answer, bytes):
            same = body == self.answer
        elif self.streams:
            same = _stream(body, self.answer)
        else:
            same = _same(_json(body), self.answer)
        if not same:
            raise WrongAnswerError(f"another answer than the backend's: {body[:300]!r}")


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise WrongAnswerError(f"not JSON: {text[:200]!r}") from None


def _same(value: Any, expected: Message) -> bool:
    try:
        found = json_format.ParseDict(value, type(expected)(), descriptor_pool=messages.pool())
    except json_format.ParseError as error:
        raise WrongAnswerError(str(error)) from None
    return found == expected


def _stream(body: bytes, expected: list[Message]) -> bool:
    """Lines of JSON; grpc-gateway wraps each into an object with the one name `result`."""
    values = [_json(line) for line in body.splitlines() if line.strip()]
    values = [value["result"] if list(value) == ["result"] else value for value in values]
    if len(values) != len(expected):
        raise WrongAnswerError(f"{len(values)} messages instead of {len(expected)}")
    return all(_same(value, message) for value, message in zip(values, expected, strict=True))


def _text(message: Message) -> bytes:
    return json_format.MessageToJson(message, indent=None, descriptor_pool=messages.pool()).encode()


def all_workloads() -> dict[str, Workload]:
    """Give them by name."""
    echo, order = make("Echo", **messages.echo()), make("Order", **messages.order())
    search = make("Search", shelf=7, author="Ann Author", page_size=50)
    failure = make("google.rpc.Status")
    failure.ParseFromString(messages.failure().SerializeToString())
    post = {"method": "POST", "target": "/v1/echo", "answer": echo, "body": _text(echo)}
    found = [
        Workload("echo", "small echo (POST)", **post),
        Workload(
            "get",
            "GET with path variable and query",
            "GET",
            "/v1/shelves/7/books?author=Ann%20Author&page_size=50",
            search,
        ),
        Workload("order", "order of 10 items (GET)", "GET", "/v1/orders/4711", order),
        Workload(
            "list",
            "list of 500 items (170 KB)",
            "GET",
            "/v1/books?page_size=500",
            make("ListBooksResponse", **messages.book_list()),
        ),
        Workload(
            "post-order",
            "POST of the 10-item order",
            "POST",
            "/v1/orders",
            make("Receipt", name="orders/4711", size=order.ByteSize()),
            _text(order),
        ),
        Workload(
            "stream",
            "stream of 1,000 messages (NDJSON)",
            "GET",
            f"/v1/ticks?count={messages.TICKS}",
            messages.ticks(),
            headers={"Accept": "application/x-ndjson"},
        ),
        Workload("bytes", "64 KiB of bytes (HttpBody)", "GET", "/v1/blobs/one", messages.BLOB),
        Workload("error", "NOT_FOUND with details", "GET", "/v1/missing/8", failure, status=404),
        Workload("tls", "small echo over HTTPS", **post, secure=True),
    ]
    return {each.name: each for each in found}


def proof() -> Workload:
    """Give a request that is not measured: it shows that every field of a posted order arrives."""
    order = make("Order", **messages.order())
    return Workload("proof", "the order back", "POST", "/v1/orders:check", order, _text(order))
