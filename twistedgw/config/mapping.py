"""Converters for the parts of an API's mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.scalars import IDENTIFIER, listing
from twistedgw.transcoding.template import Literal, Template, TemplateError

__all__ = ["BODY", "FIELD", "METHOD", "METHOD_NAMES", "PATH_TEMPLATE", "PLACE", "PREFIX", "RPC", "Rpc"]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")
_RPC = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/([A-Za-z_]\w*|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rpc:
    """The value of the option ``rpc``.

    Attributes:
        service: the full name.
        method: ``*`` for the whole service.
    """

    service: str
    method: str


def _rpc(text: str, _: Context) -> Rpc:
    match = _RPC.fullmatch(text)
    if match:
        return Rpc(match[1], match[2])
    bare = text.strip("/")
    for guess in (bare, "/".join(bare.rsplit(".", 1))):
        if _RPC.fullmatch(guess):
            raise RefusedError("is not an RPC", f"write {guess}")
    raise RefusedError("is not an RPC", "write package.Service/Method, or package.Service/* for the whole service")


def _method(text: str, _: Context) -> str:
    if text != "*" and not _TOKEN.fullmatch(text):
        raise RefusedError("is not an HTTP method")
    return text.upper()


def _template(text: str, _: Context) -> str:
    try:
        Template.parse(text)
    except TemplateError as error:
        raise RefusedError("is not a path template", f"column {error.column}: {error.message}") from None
    return text


def _prefix(text: str, _: Context) -> str:
    try:
        template = Template.parse(text.rstrip("/") or "/")
    except TemplateError as error:
        raise RefusedError("is not a prefix", f"column {error.column}: {error.message}") from None
    if template.verb is not None or not all(isinstance(part, Literal) for part in template.segments):
        raise RefusedError("is not a prefix", "a prefix has no '*', no '{variable}' and no ':'")
    if any(isinstance(part, Literal) and part.text in (".", "..") for part in template.segments):
        raise RefusedError("is not a prefix", "clients take '.' and '..' out of a path")
    return text.rstrip("/")


def _place(text: str, context: Context) -> str:
    path = _prefix(text, context)
    if not path:
        raise RefusedError("is not a path of its own", "write /docs, for example")
    return path


def _body(text: str, context: Context) -> str:
    if text in ("", "*"):
        return text
    try:
        return str(IDENTIFIER.convert(text, context))
    except RefusedError:
        raise RefusedError(
            "is not a body", "write *, the name of a field of the request, or nothing for no body"
        ) from None


RPC = Type("`package.Service/Method` or `package.Service/*`", _rpc)
METHOD = Type("HTTP method", _method)
PATH_TEMPLATE = Type("path template", _template)
PREFIX = Type("path", _prefix)
PLACE = Type("path, not `/`", _place)
BODY = Type("`*`, a field's name, or empty", _body, takes_empty=True)
FIELD = Type("field's name", IDENTIFIER.convert)
METHOD_NAMES = listing(IDENTIFIER, "list of method names")
