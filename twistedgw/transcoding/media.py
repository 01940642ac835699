"""What a Content-Type says about a request's body."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache

from multipart import parse_options_header

__all__ = ["JSON", "Kind", "MediaType", "media_type"]

_MAX_LENGTH = 1024
_UTF8 = ("utf-8", "utf8")
_PROTOBUF = ("application/protobuf", "application/x-protobuf")


class Kind(enum.Enum):
    """The kinds of body that are told apart."""

    JSON = "JSON"
    FORM = "a form"
    MULTIPART = "a multipart form"
    PROTOBUF = "a protobuf message"
    OTHER = "of another type"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type, understood.

    Attributes:
        kind: what it is.
        foreign_charset: it names a charset other than UTF-8.
        boundary: of a multipart form; empty where there is none.
    """

    kind: Kind
    foreign_charset: bool = False
    boundary: str = ""


JSON = MediaType(Kind.JSON)
_OTHER = MediaType(Kind.OTHER)


def media_type(content_type: str | None) -> MediaType:
    """Read a Content-Type; none or an empty one means JSON."""
    if not content_type or content_type == "application/json":
        return JSON
    return _OTHER if len(content_type) > _MAX_LENGTH else _parsed(content_type)


@lru_cache(maxsize=256)
def _parsed(content_type: str) -> MediaType:
    name, parameters = parse_options_header(content_type)
    charset = parameters.get("charset", "utf-8").lower()
    return MediaType(_kind(name), charset not in _UTF8, parameters.get("boundary", ""))


def _kind(name: str) -> Kind:
    if name == "application/json" or (name.endswith("+json") and "/" in name):
        return Kind.JSON
    if name == "application/x-www-form-urlencoded":
        return Kind.FORM
    if name == "multipart/form-data":
        return Kind.MULTIPART
    return Kind.PROTOBUF if name in _PROTOBUF else Kind.OTHER
