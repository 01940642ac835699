"""REST streams, sans-I/O: which form an answer has, what each form looks like, and what a body may be."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import stream_world
from google.protobuf import json_format, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from small_snapshots import build

from twistedgw.backends.call import Result
from twistedgw.backends.failures import CallError
from twistedgw.errors import GatewayError
from twistedgw.frontends.exchange import Ending
from twistedgw.frontends.head import read_head
from twistedgw.frontends.inflate import make_decoder
from twistedgw.frontends.rest import find_route
from twistedgw.frontends.rest_stream import RestStreamExchange
from twistedgw.frontends.stream_writers import wanted_type
from twistedgw.registry.snapshot import Snapshot
from twistedgw.status import Code

LIMIT = 1000
BROKEN = CallError(Code.ABORTED, "no more", from_backend=True, trailing_metadata=(("x-why", "b"),))
STATUS = {"code": 10, "message": "no more", "details": []}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(tmp_path_factory.mktemp("flow"), stream_world.ini(), stream_world.PROTO)


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(tmp_path_factory.mktemp("flow"), stream_world.ini("stream_envelope = result\n"), stream_world.PROTO)


def exchange(snapshot: Snapshot, method: str, target: str, **fields: str) -> RestStreamExchange:
    path, _, query = target.partition("?")
    head = read_head(
        method.encode(),
        path.encode(),
        query.encode(),
        [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
        authority=b"h",
        peer="192.0.2.1",
        secure=False,
        trusts=lambda _: False,
    )
    match = find_route(snapshot, head)
    return RestStreamExchange(head, match.target, match)  # type: ignore[arg-type]


def opened(snapshot: Snapshot, target: str = "/v1/watch/x", **fields: str) -> RestStreamExchange:
    made = exchange(snapshot, "GET", target, **fields)
    made.open(max_message=LIMIT)
    return made


def answer(rest: RestStreamExchange, *numbers: int, error: Any = None) -> tuple[dict[str, str], bytes, Ending]:
    """Give the fields, what comes before the end, and the end."""
    item = message_factory.GetMessageClass(rest.route.method.output_type)
    status, fields, data = rest.start(())
    assert status == 200
    data += b"".join(rest.message(item(number=number)) for number in numbers)
    ending = rest.end(()) if error is None else rest.break_off(error)
    return {name.decode(): value.decode() for name, value in fields}, data, ending


def requests(rest: RestStreamExchange, *parts: bytes) -> list[dict[str, Any]]:
    rest.open(max_message=LIMIT)
    found = [message for part in parts for message in rest.feed(part)]
    return [json_format.MessageToDict(message) for message in (*found, *rest.feed_end())]


def refused(rest: RestStreamExchange, *parts: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        requests(rest, *parts)
    return caught.value


# -- which form


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/x-ndjson"),
        ("", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("application/*", "application/x-ndjson"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/jsonl", "application/jsonl"),
        ("application/json-seq", "application/json-seq"),
        ("text/event-stream", "text/event-stream"),
        ("text/*", "text/event-stream"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/json;charset=utf-8", "application/json"),
        # A name goes before a range: this is what axios sends.
        ("application/json, text/plain, */*", "application/json"),
        ("text/event-stream, */*", "text/event-stream"),
        # Quality goes before everything.
        ("application/json;q=0.5, text/event-stream;q=0.6, */*;q=0.1", "text/event-stream"),
        ("application/json;q=0.6, text/event-stream;q=0.5", "application/json"),
        ("application/json;q=0.5, */*;q=0.6", "application/x-ndjson"),
        ("application/x-ndjson;q=0, */*", "application/ndjson"),
        ("application/*;q=0.1, text/*", "text/event-stream"),
        # Equal ones: the form that fits a stream best.
        ("application/json, text/event-stream", "text/event-stream"),
        ("application/json, application/x-ndjson", "application/x-ndjson"),
        # Nothing that fits.
        ("text/html", "application/x-ndjson"),
        ("application/protobuf", "application/x-ndjson"),
        ("application/json;q=0", "application/x-ndjson"),
    ],
)
def test_form_by_accept(snapshot: Snapshot, accept: str | None, media_type: str) -> None:
    assert wanted_type(accept) == media_type
    fields = {} if accept is None else {"accept": accept}
    assert answer(opened(snapshot, **fields))[0]["content-type"] == media_type


@pytest.mark.parametrize(
    ("query", "media_type"),
    [("$alt=json", "application/json"), ("alt=sse", "text/event-stream"), ("%24alt=sse", "text/event-stream")],
)
def test_form_by_alt(snapshot: Snapshot, query: str, media_type: str) -> None:
    rest = opened(snapshot, f"/v1/watch/x?{query}", accept="application/x-ndjson")
    assert answer(rest)[0]["content-type"] == media_type


def test_no_protobuf(snapshot: Snapshot) -> None:
    error = refused(exchange(snapshot, "GET", "/v1/watch/x?$alt=proto"))
    assert (error.http_status, error.reason) == (400, "INVALID_QUERY")
    assert "gRPC-Web or Connect" in error.message


# -- the forms


def test_ndjson(snapshot: Snapshot) -> None:
    fields, data, ending = answer(opened(snapshot), 1, 2)
    assert fields == {"content-type": "application/x-ndjson", "vary": "Accept", "x-accel-buffering": "no"}
    assert data == b'{"number":1}\n{"number":2}\n'
    assert ending == Ending()


def test_ndjson_error(snapshot: Snapshot) -> None:
    _, _, ending = answer(opened(snapshot), 1, error=BROKEN)
    assert json.loads(ending.data) == {"error": STATUS}
    assert ending.data.endswith(b"}\n")
    assert not ending.cut


def test_json_seq(snapshot: Snapshot) -> None:
    _, data, ending = answer(opened(snapshot, accept="application/json-seq"), 1, 2, error=BROKEN)
    assert data == b'\x1e{"number":1}\n\x1e{"number":2}\n'
    assert ending.data.startswith(b'\x1e{"error":')


def test_events(snapshot: Snapshot) -> None:
    rest = opened(snapshot, accept="text/event-stream")
    fields, data, ending = answer(rest, 1, 2)
    assert fields["cache-control"] == "no-cache"
    assert data == b'id: 1\ndata: {"number":1}\n\nid: 2\ndata: {"number":2}\n\n'
    assert ending == Ending()
    assert rest.heartbeat == (15.0, b":\n\n")


def test_events_error(snapshot: Snapshot) -> None:
    _, _, ending = answer(opened(snapshot, accept="text/event-stream"), 1, error=BROKEN)
    event, data, *rest = ending.data.split(b"\n")
    assert (event, rest) == (b"event: error", [b"", b""])
    assert json.loads(data.removeprefix(b"data: ")) == STATUS
    assert not ending.cut


def test_array(snapshot: Snapshot) -> None:
    _, data, ending = answer(opened(snapshot, accept="application/json"), 1, 2)
    assert json.loads(data + ending.data) == [{"number": 1}, {"number": 2}]
    _, data, ending = answer(opened(snapshot, accept="application/json"))
    assert json.loads(data + ending.data) == []


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2)])
def test_array_error(snapshot: Snapshot, numbers: tuple[int, ...]) -> None:
    """It is no JSON, wherever it is broken off."""
    _, data, ending = answer(opened(snapshot, accept="application/json"), *numbers, error=BROKEN)
    assert ending.cut
    with pytest.raises(json.JSONDecodeError):
        json.loads(data + ending.data)


def test_envelope(wrapped: Snapshot) -> None:
    """grpc-gateway's."""
    _, data, _ = answer(opened(wrapped), 1, 2)
    assert data == b'{"result":{"number":1}}\n{"result":{"number":2}}\n'
    _, _, ending = answer(opened(wrapped), 1, error=BROKEN)
    assert json.loads(ending.data) == {"error": STATUS}
    _, data, ending = answer(opened(wrapped, accept="application/json"), 1)
    assert json.loads(data + ending.data) == [{"result": {"number": 1}}]
    _, data, ending = answer(opened(wrapped, accept="application/json"), 1, error=BROKEN)
    assert json.loads(data + ending.data + b"]") == [{"result": {"number": 1}}, {"error": STATUS}]
    assert ending.cut
    _, data, ending = answer(opened(wrapped, accept="text/event-stream"), 1, error=BROKEN)
    assert data == b'id: 1\ndata: {"result":{"number":1}}\n\n'
    assert json.loads(ending.data.split(b"data: ")[1]) == {"error": STATUS}


def test_errors_as_google_has_them(tmp_path: Path) -> None:
    snapshot = build(tmp_path, stream_world.ini("error_format = google\n"), stream_world.PROTO)
    expected = {"error": {"code": 409, "message": "no more", "status": "ABORTED", "details": []}}
    assert json.loads(answer(opened(snapshot), 1, error=BROKEN)[2].data) == expected
    ending = answer(opened(snapshot, accept="text/event-stream"), 1, error=BROKEN)[2]
    assert json.loads(ending.data.split(b"data: ")[1]) == expected
    assert json.loads(opened(snapshot).failure(BROKEN).body) == expected


def test_response_body(snapshot: Snapshot) -> None:
    rest = opened(snapshot, "/v1/tags/x")
    item: Any = message_factory.GetMessageClass(rest.route.method.output_type)
    assert rest.message(item(tags=["a", "b"])) == b'["a","b"]\n'
    assert rest.message(item()) == b"[]\n"


def test_enums_as_numbers(snapshot: Snapshot) -> None:
    rest = opened(snapshot, "/v1/watch/x?$alt=json;enum-encoding=int")
    item: Any = message_factory.GetMessageClass(rest.route.method.output_type)
    assert rest.message(item(mood=1)) == b'{"mood":1}'
    assert opened(snapshot).message(item(mood=1)) == b'{"mood":"GLAD"}\n'


def test_fields_of_the_backend(snapshot: Snapshot) -> None:
    """Its own `cache-control` goes before ours; `vary` is added to."""
    rest = opened(snapshot, accept="text/event-stream")
    _, fields, _ = rest.start((("cache-control", "private"), ("vary", "Cookie"), ("content-type", "application/grpc")))
    assert [value for name, value in fields if name == b"cache-control"] == [b"private"]
    assert [value for name, value in fields if name == b"vary"] == [b"Cookie", b"Accept"]
    assert [value for name, value in fields if name == b"content-type"] == [b"text/event-stream"]


def test_trailers_where_they_are_asked_for(snapshot: Snapshot) -> None:
    trailing = (("x-count", "1"), ("grpc-status", "0"))
    assert opened(snapshot).end(trailing).trailers == ()
    assert opened(snapshot, te="trailers").end(trailing).trailers == [(b"x-count", b"1")]
    assert opened(snapshot).break_off(BROKEN).trailers == ()
    assert opened(snapshot, te="trailers").break_off(BROKEN).trailers == [(b"x-why", b"b")]


def test_no_gzip(snapshot: Snapshot) -> None:
    """A stream goes out as it is: a compressor would hold messages back."""
    assert "content-encoding" not in answer(opened(snapshot, accept_encoding="gzip"), 1)[0]


def test_single(snapshot: Snapshot) -> None:
    """An answer that does not stream is written as that of any unary call."""
    rest = exchange(snapshot, "POST", "/v1/collect?$alt=json;enum-encoding=int", te="trailers")
    rest.open(max_message=LIMIT)
    item: Any = message_factory.GetMessageClass(rest.route.method.output_type)
    reply = rest.reply(Result(item(mood=1), (("x-a", "1"),), (("x-b", "2"),)))
    assert rest.single
    assert (reply.status, reply.body) == (200, b'{"mood":1}')
    assert (b"x-a", b"1") in reply.fields
    assert reply.trailers == [(b"x-b", b"2")]


# -- bodies


COLLECT = "/v1/collect/n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b'{"number":1}{"number":2}'),
        ("application/json", b'[{"number":1},{"number":2}]'),
        ("application/json; charset=utf-8", b'{"number":1}\n{"number":2}'),
        ("application/vnd.x+json", b'{"number":1}\n{"number":2}'),
        ("application/x-ndjson", b'{"number":1}\n{"number":2}\n'),
        ("application/x-ndjson; charset=utf-8", b'{"number":1}\r\n{"number":2}\r\n'),
        ("application/jsonl", b'\n\n{"number":1}\n\n{"number":2}'),
        ("application/json-seq", b'\x1e{"number":1}\n\x1e{"number":2}\n'),
        ("application/x-www-form-urlencoded", b' {"number":1}\n{"number":2}'),
        ("application/x-www-form-urlencoded", b'[{"number":1},{"number":2}]'),
    ],
)
def test_bodies(snapshot: Snapshot, content_type: str | None, body: bytes) -> None:
    fields = {} if content_type is None else {"content_type": content_type}
    expected = [{"name": "n", "number": 1}, {"name": "n", "number": 2}]
    assert requests(exchange(snapshot, "POST", COLLECT, **fields), body) == expected
    parts = [body[index : index + 1] for index in range(len(body))]
    assert requests(exchange(snapshot, "POST", COLLECT, **fields), *parts) == expected


@pytest.mark.parametrize(
    ("content_type", "why"),
    [
        ("application/protobuf", "a stream of messages cannot be a protobuf message"),
        ("application/x-protobuf", "a stream of messages cannot be a protobuf message"),
        ("multipart/form-data; boundary=x", "a stream of messages cannot be a multipart form"),
        ("application/json; charset=latin-1", "the charset must be UTF-8"),
        ("text/html", "'text/html' is not taken here"),
        ("application/x-www-form-urlencoded", "a form cannot be a stream of messages"),
    ],
)
def test_other_bodies_are_415(snapshot: Snapshot, content_type: str, why: str) -> None:
    error = refused(exchange(snapshot, "POST", COLLECT, content_type=content_type), b"  ", b"a=b")
    assert (error.http_status, error.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert why in error.message
    assert "application/x-ndjson" in error.message


def test_path_and_query_are_in_each_message(snapshot: Snapshot) -> None:
    rest = exchange(snapshot, "POST", "/v1/collect/a%2Fb/inner?number=3")
    assert requests(rest, b'{"count":1} null {"text":"x"}') == [
        {"name": "a/b", "number": 3, "inner": {"count": 1}},
        {"name": "a/b", "number": 3},
        {"name": "a/b", "number": 3, "inner": {"text": "x"}},
    ]


def test_the_path_wins_over_each_message(snapshot: Snapshot) -> None:
    rest = exchange(snapshot, "POST", COLLECT)
    assert requests(rest, b'{"name":"other"}{"name":"another","number":1}') == [
        {"name": "n"},
        {"name": "n", "number": 1},
    ]


def test_items_that_are_arrays(snapshot: Snapshot) -> None:
    """Then an array is one item, and not all of them."""
    rest = exchange(snapshot, "POST", "/v1/collect/n/tags")
    assert requests(rest, b'["a","b"]["c"]') == [{"name": "n", "tags": ["a", "b"]}, {"name": "n", "tags": ["c"]}]
    rest = exchange(snapshot, "POST", "/v1/collect/n/any")
    assert requests(rest, b'[1] 2 "x"') == [
        {"name": "n", "any": [1.0]},
        {"name": "n", "any": 2.0},
        {"name": "n", "any": "x"},
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"number":1}\n{"number":"x"}', "body field '[1].number': expected a 32-bit integer, got \"x\""),
        (b'[{},{},{"nope":1}]', "body field '[2].nope': there is no such field"),
        (b"{} 7", "body field '[1]': expected an object, got 7"),
        (b"{}\n{'a':1}", "body field '[1]': not valid JSON at line 1, column 2"),
        (b'{}\n{"number":1,"number":2}', "body field '[1].number': given twice"),
        (b"{}\n\xff", "body field '[1]': not valid UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "body field '[0]': not valid JSON at line 1, column 1"),
    ],
)
def test_what_is_wrong_is_told_with_the_index(snapshot: Snapshot, body: bytes, message: str) -> None:
    error = refused(exchange(snapshot, "POST", "/v1/collect"), body)
    assert (error.http_status, error.reason) == (400, "INVALID_JSON")
    assert error.message.startswith(message)


def test_a_path_variable_that_fits_no_message(snapshot: Snapshot) -> None:
    """The URL is looked at before the call is made."""
    rest = exchange(snapshot, "POST", "/v1/collect/n/inner?number=x")
    with pytest.raises(GatewayError) as caught:
        rest.open(max_message=LIMIT)
    assert caught.value.reason == "INVALID_QUERY"


def test_a_request_that_does_not_stream(snapshot: Snapshot) -> None:
    rest = exchange(snapshot, "POST", "/v1/watch", content_type="application/x-www-form-urlencoded")
    assert requests(rest, b"name=a&", b"number=2") == [{"name": "a", "number": 2}]
    packed = gzip.compress(b'{"number":2}')
    assert requests(exchange(snapshot, "POST", "/v1/watch", content_encoding="gzip"), packed) == [{"number": 2}]
    assert requests(exchange(snapshot, "POST", "/v1/watch")) == [{}]
    bomb = gzip.compress(b" " * (LIMIT + 1))
    assert refused(exchange(snapshot, "POST", "/v1/watch", content_encoding="gzip"), bomb).http_status == 413


# -- gzip


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.lists(st.integers(0, 500), max_size=8))
def test_gzip_wherever_it_is_cut(members: list[bytes], places: list[int]) -> None:
    packed = b"".join(map(gzip.compress, members))
    edges = [0, *sorted(min(place, len(packed)) for place in places), len(packed)]
    decoder = make_decoder("gzip")
    found = b"".join(piece for start, end in itertools.pairwise(edges) for piece in decoder.feed(packed[start:end]))
    decoder.end()
    assert found == b"".join(members)


def test_gzip_is_decoded_as_it_is_asked_for() -> None:
    pieces = make_decoder("gzip").feed(gzip.compress(bytes(10_000_000)))
    assert len(next(iter(pieces))) == 64 * 1024


def test_gzip_of_just_a_slice() -> None:
    """What zlib holds back when its output is full is not lost."""
    for size in (64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024):
        decoder = make_decoder("gzip")
        assert sum(map(len, decoder.feed(gzip.compress(bytes(size))))) == size
        decoder.end()


def test_gzip_of_many_members() -> None:
    decoder = make_decoder("gzip")
    with pytest.raises(GatewayError, match="more than 1000 members"):
        list(decoder.feed(gzip.compress(b"") * 1001))
