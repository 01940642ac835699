"""PATCH: the update mask is filled from what the body names."""

from __future__ import annotations

import json

import pytest
from binder_types import FORM, bind, binder, refused


def patched(data: object, *, query: str = "", name: str = "Update", body: str = "book", **options: bool) -> list[str]:
    made = binder(name, "PATCH", "/{book.name}" if body == "book" else "/x", body, **options)  # type: ignore[arg-type]
    values = ["n"] if body == "book" else []
    text = data if isinstance(data, str) else json.dumps(data)
    return list(bind(made, *values, query=query, data=text).message.update_mask.paths)


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({}, []),
        ("", []),
        ("null", []),
        ({"title": "T"}, ["title"]),
        ({"pageCount": 1, "title": ""}, ["page_count", "title"]),
        ({"page_count": 1}, ["page_count"]),
        ({"title": None}, ["title"]),
        ({"author": None}, ["author"]),
        ({"author": {}}, ["author"]),
        ({"author": {"firstName": "A", "born": 1}}, ["author.first_name", "author.born"]),
        ({"author": {"mentor": {"mentor": {"born": 1}}, "mail": "m"}}, ["author.mentor.mentor.born", "author.mail"]),
        ({"author": {"mentor": {}}}, ["author.mentor"]),
        ({"keywords": []}, ["keywords"]),
        ({"keywords": ["a", "b"]}, ["keywords"]),
        ({"editors": [{"born": 1}]}, ["editors"]),
        ({"counts": {"a": 1}}, ["counts"]),
        ({"author": {"labels": {"a": "b"}}}, ["author.labels"]),
        ({"extra": {"a": {"b": 1}}}, ["extra"]),
        ({"any": {"@type": "type.googleapis.com/lib.Author", "born": 1}}, ["any"]),
        ({"published": "1970-01-01T00:00:00Z", "edition": 1, "cover": "AA=="}, ["published", "edition", "cover"]),
    ],
)
def test_paths(data: object, paths: list[str]) -> None:
    assert patched(data) == paths


def test_unknown_fields_give_no_path() -> None:
    data = {"nosuch": 1, "author": {"nosuch": {}}, "title": "T"}
    assert patched(data, ignore_unknown_fields=True) == ["title"]


def test_the_clients_own_mask_is_kept() -> None:
    assert patched({"title": "T"}, query="updateMask=pageCount") == ["page_count"]
    assert patched({"title": "T"}, query="update_mask=") == ["title"]


def test_no_mask_otherwise() -> None:
    assert patched({"book": {"title": "T"}}, body="*") == []
    assert patched({"title": "T"}, name="Masks") == []
    made = binder("Update", "PUT", body="book")
    assert not bind(made, data='{"title":"T"}').message.HasField("update_mask")
    assert patched('"1970-01-01T00:00:00Z"', body="time") == []
    assert patched("[{}]", body="books") == []
    assert patched('{"a":1}', body="counts") == []


def test_a_form_names_fields_too() -> None:
    made = binder("Update", "PATCH", body="book")
    data = "keywords=a&keywords=b&author.firstName=A&counts[a]=1&counts[b]=2"
    bound = bind(made, data=data, content_type=FORM).message
    assert list(bound.update_mask.paths) == ["keywords", "author.first_name", "counts"]


def test_protobuf_names_no_fields() -> None:
    made = binder("Update", "PATCH", body="book")
    assert not bind(made, data=b"\x12\x01T", content_type="application/protobuf").message.HasField("update_mask")


def test_too_many_paths() -> None:
    data: dict[str, object] = {"born": 1}
    for _ in range(14):
        data = {"mentor": data, "nextKin": data}
    error = refused(binder("Update", "PATCH", body="book"), data=json.dumps({"author": data, "title": "T"}))
    assert error.message == "body: names more than 10000 fields, too many for an update mask"
    assert error.http_status == 400
