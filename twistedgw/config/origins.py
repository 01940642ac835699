"""Converters for what CORS is about: origins, and names of methods and header fields."""

from __future__ import annotations

import re

import idna

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.scalars import listing

__all__ = ["FIELD_NAMES", "METHODS", "ORIGINS", "REGEX", "origin_pattern"]

_ORIGIN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(\*\.)?(\[[0-9A-Fa-f:.]+\]|[^/\s:*?#@\[\]]+)(?::([0-9]{1,5}|\*))?(/?)"
)
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_FORM = "write https://HOST, https://HOST:PORT, https://*.DOMAIN or *"


def _origin(text: str, _: Context) -> str:
    """Give an origin as browsers serialize it (RFC 6454 section 6.2): lower case, without a default port."""
    if text == "*":
        return text
    if text == "null":
        raise RefusedError("is not an origin", "it is what every sandboxed page has")
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise RefusedError("is not an origin", _FORM)
    scheme, wildcard, host, port, slash = match.groups(default="")
    plain = f"{scheme.lower()}://{wildcard}{_ascii(host)}"
    if port and port != _DEFAULT_PORTS.get(scheme.lower()):
        plain += f":{port if port == '*' else int(port)}"
    if slash:
        raise RefusedError("is not an origin: it has a path", f"write {plain}")
    return plain


def _ascii(host: str) -> str:
    name = host.lower()
    if not name.isascii():
        try:
            name = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise RefusedError("is not an origin", _FORM) from None
    if not _HOST.fullmatch(name):
        raise RefusedError("is not an origin", _FORM)
    return name


def origin_pattern(origin: str) -> str:
    """Give the regular expression of an origin that was converted; `*` stands for a port or for labels of a host."""
    scheme, _, rest = origin.partition("://")
    labels, rest = (r"[a-z0-9_.-]+\.", rest[2:]) if rest.startswith("*.") else ("", rest)
    rest, port = (rest[:-2], r"(?::[0-9]{1,5})?") if rest.endswith(":*") else (rest, "")
    return f"{re.escape(scheme)}://{labels}{re.escape(rest)}{port}"


def _regex(text: str, _: Context) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise RefusedError(f"is not a regular expression: {error}") from None
    return text


def _field_name(text: str, _: Context) -> str:
    if not _TOKEN.fullmatch(text):
        raise RefusedError("is not the name of a header field")
    return text.lower()


def _method(text: str, _: Context) -> str:
    if text == "*" or not _TOKEN.fullmatch(text):
        raise RefusedError("is not an HTTP method", "leave the option out for those of the routes")
    return text.upper()


ORIGINS = listing(Type("origin", _origin), "list of origins")
METHODS = listing(Type("HTTP method", _method), "list of HTTP methods", takes_empty=False)
FIELD_NAMES = listing(Type("name of a header field", _field_name), "list of names of header fields, or `*`")
REGEX = Type("regular expression", _regex)
