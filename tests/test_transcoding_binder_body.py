"""Bodies: what the rule takes, media types, JSON, protobuf and HttpBody."""

from __future__ import annotations

import pytest
from binder_types import bind, binder, message, method, refused

from twistedgw.transcoding.httpbody import http_body_of

BOOK = {"title": "T", "page_count": 3}
BOOK_JSON = '{"title":"T","pageCount":3}'


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ; charset=utf8; x=y",
        "application/merge-patch+json",
        "application/vnd.api+json",
    ],
)
def test_json(content_type: str | None) -> None:
    data = '{"text":"é","author":{"firstName":"A"}}'
    bound = bind(binder(verb="POST", body="*"), data=data, content_type=content_type).message
    assert bound == message("lib.Everything", text="é", author={"first_name": "A"})


@pytest.mark.parametrize(
    ("content_type", "description"),
    [
        ("text/plain", "'text/plain' is not taken here; send application/json"),
        ("application/xml", "'application/xml' is not taken here; send application/json"),
        ("application/jsonp", "'application/jsonp' is not taken here; send application/json"),
        ("+json", "'+json' is not taken here; send application/json"),
        ("application/json, application/json", None),
        ("nonsense", "'nonsense' is not taken here; send application/json"),
        ("a" * 5000, "'" + "a" * 100 + "...' is not taken here; send application/json"),
        ("application/json; charset=latin-1", "the charset must be UTF-8"),
        ("application/x-www-form-urlencoded; charset=utf-16", "the charset must be UTF-8"),
    ],
)
def test_other_media_types_are_415(content_type: str, description: str | None) -> None:
    error = refused(binder(verb="POST", body="*"), data="{}", content_type=content_type)
    assert (error.http_status, error.reason, error.source) == (415, "UNSUPPORTED_MEDIA_TYPE", "header")
    assert description in (None, error.description)


def test_an_empty_body_is_an_empty_message_whatever_its_type() -> None:
    assert bind(binder(verb="POST", body="*"), content_type="text/plain").message == message("lib.Everything")
    assert not bind(binder("Update", "POST", body="book"), content_type="application/json").message.HasField("book")


def test_no_body_is_taken_without_a_rule_for_it() -> None:
    error = refused(binder(), data="{}")
    assert (error.message, error.reason, error.http_status) == ("body: this method takes no body", "INVALID_BODY", 400)


@pytest.mark.parametrize("data", [" ", "{", "[]", "1", "null", '{"text":1}', "{} {}", b"\xff", b'{"text":"\xff"}'])
def test_bad_json_is_400(data: str | bytes) -> None:
    error = refused(binder(verb="POST", body="*"), data=data)
    assert (error.http_status, error.source) == (400, "body")
    assert error.reason == "INVALID_JSON"


def test_unknown_fields() -> None:
    assert refused(binder(verb="POST", body="*"), data='{"nosuch":1}').http_status == 400
    made = binder(verb="POST", body="*", ignore_unknown_fields=True)
    assert bind(made, data='{"nosuch":1,"small":2}').message.small == 2


@pytest.mark.parametrize("data", [BOOK_JSON, "{}"])
def test_a_field_as_the_body(data: str) -> None:
    bound = bind(binder("Update", "POST", body="book"), query="note=n", data=data).message
    assert bound.HasField("book")
    expected = message("lib.UpdateBook", note="n", book=BOOK if data == BOOK_JSON else {})
    assert bound == expected


@pytest.mark.parametrize(
    ("field", "data", "value"),
    [
        ("books", f"[{BOOK_JSON},{{}}]", [BOOK, {}]),
        ("books", "[]", []),
        ("counts", '{"a":1}', {"a": 1}),
        ("number", "5", 5),
        ("number", '"5"', 5),
        ("note", '"text"', "text"),
        ("time", '"1970-01-01T00:00:01Z"', {"seconds": 1}),
    ],
)
def test_a_field_of_any_type_as_the_body(field: str, data: str, value: object) -> None:
    bound = bind(binder("Update", "POST", body=field), data=data).message
    assert bound == message("lib.UpdateBook", **{field: value})


@pytest.mark.parametrize("field", ["book", "number", "note", "time"])
def test_null_leaves_a_field_unset(field: str) -> None:
    assert bind(binder("Update", "POST", body=field), data="null").message == message("lib.UpdateBook")


@pytest.mark.parametrize(
    ("field", "data"), [("book", "[]"), ("book", "1"), ("books", "{}"), ("books", "[null]"), ("number", "{}")]
)
def test_a_field_of_another_shape(field: str, data: str) -> None:
    assert refused(binder("Update", "POST", body=field), data=data).reason == "INVALID_JSON"


def test_the_path_of_an_error_is_that_in_the_body() -> None:
    error = refused(binder("Update", "POST", body="book"), data='{"author":{"born":"x"}}')
    assert error.field == "author.born"
    error = refused(binder("Update", "POST", body="books"), data='[{},{"pageCount":"x"}]')
    assert error.field == "[1].pageCount"
    error = refused(binder("Update", "POST", body="number"), data='"x"')
    assert error.field == ""


def test_a_well_known_type_as_the_whole_request() -> None:
    assert bind(binder("Struct", "POST", body="*"), data='{"a":1}').message["a"] == 1


@pytest.mark.parametrize("content_type", ["application/protobuf", "application/x-protobuf", "Application/Protobuf;a=b"])
def test_protobuf(content_type: str) -> None:
    sent = message("lib.Everything", text="a", author={"born": 1})
    made = binder(verb="POST", body="*")
    assert bind(made, data=sent.SerializeToString(), content_type=content_type).message == sent


def test_protobuf_as_a_field() -> None:
    made = binder("Update", "POST", body="book")
    data = message("lib.Book", **BOOK).SerializeToString()
    bound = bind(made, query="note=n", data=data, content_type="application/protobuf").message
    assert bound == message("lib.UpdateBook", note="n", book=BOOK)


def test_protobuf_as_a_well_known_field() -> None:
    made = binder("Update", "POST", body="time")
    assert bind(made, data=b"\x08\x05", content_type="application/protobuf").message.time.seconds == 5


def test_protobuf_keeps_unknown_fields() -> None:
    data = b"\xf8\x3f\x01"
    bound = bind(binder(verb="POST", body="*"), data=data, content_type="application/protobuf").message
    assert bound.SerializeToString() == data


def test_a_path_variable_wins_over_protobuf() -> None:
    sent = message("lib.Everything", text="body", small=1).SerializeToString()
    made = binder(verb="POST", path="/x/{text}", body="*")
    bound = bind(made, "path", data=sent, content_type="application/protobuf").message
    assert bound == message("lib.Everything", text="path", small=1)


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x07", b"\xe2\x03\x02\x12\x00" * 3 + b"\x0a"]
)
def test_malformed_protobuf(data: bytes) -> None:
    error = refused(binder(verb="POST", body="*"), data=data, content_type="application/protobuf")
    assert (error.message, error.reason, error.http_status) == ("body: malformed protobuf", "INVALID_BODY", 400)


@pytest.mark.parametrize("field", ["books", "counts", "number", "note"])
def test_protobuf_does_not_fit_what_is_no_message(field: str) -> None:
    error = refused(binder("Update", "POST", body=field), data=b"\x08\x01", content_type="application/protobuf")
    assert error.http_status == 415
    assert error.description == "the body of this method cannot be a protobuf message; send application/json"


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [("image/png", "image/png"), ("application/json", "application/json"), (None, ""), ("x\udcff", "x?")],
)
def test_http_body_takes_anything(content_type: str | None, kept: str) -> None:
    raw = bind(binder("Raw", "POST", body="*"), data=b"\xff{", content_type=content_type).message
    assert (raw.content_type, raw.data) == (kept, b"\xff{")
    made = binder("Upload", "POST", "/{name}", "file")
    bound = bind(made, "n", data=b"\xff{", content_type=content_type).message
    assert (bound.name, bound.file.content_type, bound.file.data) == ("n", kept, b"\xff{")


def test_http_body_left_out() -> None:
    made = binder("Upload", "POST", body="file")
    assert not bind(made).message.HasField("file")
    assert bind(made, content_type="text/plain").message.file.content_type == "text/plain"


def test_http_body_in_a_list_is_json() -> None:
    bound = bind(binder("Upload", "POST", body="files"), data='[{"contentType":"a/b","data":"AQ=="}]').message
    assert bound == message("lib.Upload", files=[{"content_type": "a/b", "data": b"\x01"}])


@pytest.mark.parametrize(
    ("content_type", "given"),
    [
        ("image/png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("", "application/octet-stream"),
        ("a\r\nx: y", "application/octet-stream"),
        ("é", "application/octet-stream"),
    ],
)
def test_http_body_answers(content_type: str, given: str) -> None:
    whole = http_body_of(method("Raw").output_type)
    assert whole is not None
    body = message("google.api.HttpBody", content_type=content_type, data=b"\xff")
    assert whole(body) == (given, b"\xff")
    part = http_body_of(method("Upload").output_type, "file")
    assert part is not None
    assert part(message("lib.Upload", file=body)) == (given, b"\xff")
    assert part(message("lib.Upload")) == ("application/octet-stream", b"")


@pytest.mark.parametrize("response_body", ["", "name", "files", "nosuch"])
def test_ordinary_answers(response_body: str) -> None:
    assert http_body_of(method("Upload").output_type, response_body) is None


def test_protobuf_nested_too_deeply() -> None:
    data = b""
    for _ in range(150):
        size = len(data)
        data = b"\x1a" + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + data
    error = refused(
        binder("Update", "POST", body="book"),
        data=b"\x22" + bytes([len(data) & 127 | 128, len(data) >> 7]) + data,
        content_type="application/protobuf",
    )
    assert error.message == "body: malformed protobuf"
