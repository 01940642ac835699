"""Forms as bodies: urlencoded and multipart."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from binder_types import FORM, MULTIPART, bind, binder, message, refused

from twistedgw.errors import InvalidArgument


def part(name: str | None, data: str | bytes, filename: str | None = None, *headers: str) -> bytes:
    disposition = "form-data" if name is None else f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = "\r\n".join([f"Content-Disposition: {disposition}", *headers])
    return b"--XX\r\n" + head.encode() + b"\r\n\r\n" + (data.encode() if isinstance(data, str) else data) + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def test_a_form_is_read_as_a_query() -> None:
    data = "text=a+b%2B&author.firstName=A&texts=1&texts=2&labels[k]=v&time=1970-01-01T00:00:01%2B00:00&data=+/8="
    bound = bind(binder(verb="POST", body="*"), data=data, content_type=FORM + ";charset=UTF-8").message
    expected = message(
        "lib.Everything", text="a b+", author={"first_name": "A"}, texts=["1", "2"], labels={"k": "v"}, data=b"\xfb\xff"
    )
    expected.time.seconds = 1
    assert bound == expected


def test_a_form_fills_the_body_field() -> None:
    made = binder("Update", "POST", "/{book.name}", "book")
    bound = bind(made, "n", data="title=T&name=other&author.born=1", query="note=q", content_type=FORM).message
    assert bound == message("lib.UpdateBook", note="q", book={"title": "T", "name": "n", "author": {"born": 1}})


@pytest.mark.parametrize("data", ['{"text":"a"}', ' \r\n{"text":"a"}'])
def test_json_by_curl(data: str) -> None:
    assert bind(binder(verb="POST", body="*"), data=data, content_type=FORM).message.text == "a"


def test_a_json_list_by_curl() -> None:
    assert len(bind(binder("Update", "POST", body="books"), data="[{},{}]", content_type=FORM).message.books) == 2


@pytest.mark.parametrize(
    ("data", "name", "description"),
    [
        ("nosuch=1", "nosuch", "unknown name"),
        ("text=a&text=b", "text", "given more than once"),
        ("left=a&right=1", "right", "'left' of the same oneof is set already"),
        ("text=%", "text", "a malformed percent escape, or not UTF-8 once decoded"),
        ("authors=a", "authors", "a list of messages cannot be given as text"),
        ("author.labels=a", "author.labels", "a map's entries are named in brackets: labels[key]"),
        ("&" * 5000, "", "more than 5000 parameters"),
    ],
)
def test_faults_of_a_form(data: str, name: str, description: str) -> None:
    error = refused(binder(verb="POST", body="*"), data=data, content_type=FORM)
    assert (error.field, error.description) == (name, description)
    assert (error.source, error.reason, error.http_status) == ("body", "INVALID_BODY", 400)


def test_a_bad_value_in_a_form() -> None:
    assert refused(binder(verb="POST", body="*"), data="small=x", content_type=FORM).field == "small"


@pytest.mark.parametrize("content_type", [FORM, MULTIPART])
def test_unknown_names_follow_the_option_of_bodies(content_type: str) -> None:
    data: str | bytes = "nosuch=1&text=a"
    if content_type == MULTIPART:
        data = multipart(part("nosuch", "1"), part("text", "a"), part("nofile", "1", "f"))
    made = binder(verb="POST", body="*", ignore_unknown_fields=True)
    assert bind(made, data=data, content_type=content_type).message == message("lib.Everything", text="a")
    made = binder(verb="POST", body="*", ignore_unknown_query=True)
    assert refused(made, data=data, content_type=content_type).description == "unknown name"


@pytest.mark.parametrize(
    ("content_type", "kind"), [(FORM, "a form"), (MULTIPART, "a multipart form")], ids=["form", "multipart"]
)
@pytest.mark.parametrize("field", ["books", "counts", "number", "note", "time"])
def test_a_form_does_not_fit_what_has_no_names(field: str, content_type: str, kind: str) -> None:
    error = refused(binder("Update", "POST", body=field), data="a=1", content_type=content_type)
    assert (error.http_status, error.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert error.description == f"the body of this method cannot be {kind}; send application/json"


def test_multipart() -> None:
    data = multipart(
        part("title", "T+é", None, "Content-Type: text/plain; charset=utf-8"),
        part("pageCount", "3"),
        part("author.firstName", "A"),
        part("cover", b"\xff\r\n\x00--XX", "cover.png", "Content-Type: image/png"),
        part("pictures", b"1", "a"),
        part("pictures", b"2", "b"),
        part("pictures", "Mw=="),
        part("counts[a b]", "1"),
        part("keywords", ""),
    )
    bound = bind(binder("Update", "POST", body="book"), data=data, content_type=MULTIPART).message.book
    expected = message(
        "lib.Book",
        title="T+é",
        page_count=3,
        author={"first_name": "A"},
        cover=b"\xff\r\n\x00--XX",
        pictures=[b"1", b"2", b"3"],
        counts={"a b": 1},
        keywords=[""],
    )
    assert bound == expected


def test_files_fill_extensions_and_oneofs_too() -> None:
    made = binder("Do", "POST", body="*")
    data = multipart(part("id", "a"), part("[old.blob]", b"\xff", "f"), part("[old.blobs]", b"\x01", "f"))
    bound = bind(made, data=data, content_type=MULTIPART).message
    pool = bound.DESCRIPTOR.file.pool
    assert bound.Extensions[pool.FindExtensionByName("old.blob")] == b"\xff"
    assert list(bound.Extensions[pool.FindExtensionByName("old.blobs")]) == [b"\x01"]


def test_a_quoted_boundary_and_an_empty_form() -> None:
    made = binder("Update", "POST", body="book")
    bound = bind(made, data=multipart(part("title", "T")), content_type='multipart/form-data;boundary="XX"').message
    assert bound.book.title == "T"
    assert bind(made, data=b"--XX--\r\n", content_type=MULTIPART).message.HasField("book")


@pytest.mark.parametrize(
    ("data", "name", "description"),
    [
        (multipart(part("nosuch", "1")), "nosuch", "unknown name"),
        (multipart(part("nosuch", "1", "f")), "nosuch", "unknown name"),
        (multipart(part(None, "1")), "", "unknown name"),
        (multipart(part("title", "a"), part("title", "b")), "title", "given more than once"),
        (multipart(part("cover", "a", "f"), part("cover", "b", "f")), "cover", "given more than once"),
        (multipart(part("title", b"\xff")), "title", "not UTF-8 (bytes are sent as a file, or in base64)"),
        (multipart(part("title", b"a", "f")), "title", "a file fills a bytes field only"),
        (multipart(part("seal", b"a", "f")), "seal", "a file fills a bytes field only"),
        (multipart(part("author", b"a", "f")), "author", "a message cannot be given as text"),
        (b"", "", None),
        (b"nothing", "", "a malformed multipart form"),
        (part("title", "a"), "", "a malformed multipart form"),
        (b"--XX\r\n\r\n\r\n--XX--\r\n", "", "a malformed multipart form"),
        (b"--XX\r\nContent-Disposition: attachment\r\n\r\n\r\n--XX--\r\n", "", "a malformed multipart form"),
        (
            multipart(*[part("keywords", "a")] * 1001),
            "",
            "a multipart form has at most 1000 parts, with 8 short header fields each",
        ),
        (
            multipart(part("title", "a", None, "X-A: " + "b" * 3000)),
            "",
            "a multipart form has at most 1000 parts, with 8 short header fields each",
        ),
    ],
)
def test_faults_of_a_multipart_form(data: bytes, name: str, description: str | None) -> None:
    made = binder("Update", "POST", body="book")
    if description is None:
        assert not bind(made, data=data, content_type=MULTIPART).message.HasField("book")
        return
    error = refused(made, data=data, content_type=MULTIPART)
    assert (error.field, error.description) == (name, description)
    assert (error.source, error.reason, error.http_status) == ("body", "INVALID_BODY", 400)


@pytest.mark.parametrize("boundary", ["", ";boundary=", ";boundary=" + "b" * 71, ';boundary="é"', ';boundary="a\nb"'])
def test_a_boundary_that_is_none(boundary: str) -> None:
    error = refused(binder("Update", "POST", body="book"), data="x", content_type="multipart/form-data" + boundary)
    assert error.http_status == 400
    assert error.reason == "INVALID_BODY"


def test_a_thousand_parts_are_taken() -> None:
    data = multipart(*[part("keywords", "a")] * 1000)
    bound = bind(binder("Update", "POST", body="book"), data=data, content_type=MULTIPART).message
    assert len(bound.book.keywords) == 1000


def test_hostile_forms_are_cheap() -> None:
    made = binder("Update", "POST", body="book")
    size = 1 << 20
    forms = [
        (FORM, b"title=" + b"%41" * (size // 3)),
        (FORM, b"keywords=a&" * 4999),
        (FORM, b"&".join([b"author." + b"nextKin." * 90 + b"born=1"] * (size // 800))),
        (FORM, b"counts" + b"[" * size),
        (MULTIPART, b"--XX\r\n" * (size // 6)),
        (MULTIPART, b"\r\n--X" * (size // 5)),
        (MULTIPART, b"--XX\r\n" + b"a: b\r\n" * (size // 6)),
        (MULTIPART, multipart(*[part('a";x="' * 250, "")] * 600)),
        (MULTIPART, b"--XX\r\nContent-Disposition: form-data; name=title\r\n\r\n" + b"\r\n--X" * (size // 5)),
    ]
    started = time.process_time()
    for content_type, data in forms:
        with suppress(InvalidArgument):
            bind(made, data=data, content_type=content_type)
    assert time.process_time() - started < 3
