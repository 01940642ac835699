"""The head of a request, read by llhttp behind a grammar of our own.

llhttp lets through what other parsers on the way may read differently: doubled spaces in the request line, HTTP/0.9 and
2.0, RTSP, fragments, several Host fields, any list of transfer codings that ends in ``chunked``. So a head must first
match the grammar of RFC 9112 as a whole, whatever llhttp's version has to say, and what its fields mean is checked
afterwards. No I/O here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from twistedgw.frontends.exchange import FieldBlock
from twistedgw.web import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CHUNKED", "FIELD_LINE", "Head", "check_beginning", "locate", "read_framing", "read_head"]

CHUNKED = -1
"""The `length` of a body that comes in chunks."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIELD_LINE = _TOKEN + rb":[\t -~\x80-\xff]*\r\n"
"""One field with its line end: no fold, no blank before the colon, no control byte."""

_METHOD_AND_TARGET = rb"(" + _TOKEN + rb") ([!-\"$-~]+) "
_REQUEST_LINE = _METHOD_AND_TARGET + rb"HTTP/1\.([01])\r\n"
_FIELDS = re.compile(rb"(?:" + FIELD_LINE + rb")*\r\n")
_FIRST_LINE = re.compile(_REQUEST_LINE)
_LATER_VERSION = re.compile(_METHOD_AND_TARGET + rb"HTTP/(?:[2-9]|[1-9][0-9]+)(?:\.[0-9]+)?\r\n")
_NOT_TEXT = re.compile(rb"[^ -\xff]|\x7f")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)([^?]*)(?:(\?)(.*))?", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?")
_LENGTH_DIGITS = 18

_REMEMBERED = 512
_LONGEST = 4096
"""How many blocks of fields are remembered at most, and how many bytes one may have."""

_KNOWN_METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE"))
_SPECIAL = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class Head(NamedTuple):
    """A head that is complete and unambiguous.

    Attributes:
        method: as sent.
        target: as sent.
        path: without the query, percent-encoded as sent; the authority of a CONNECT.
        query: after the ``?``; None where there is no ``?``.
        minor: of HTTP/1.
        fields: lower-case names and values, in order.
        host: from the target, else from the Host field; None where HTTP/1.0 has neither.
        length: of the body; `CHUNKED` where it comes in chunks.
        keep_alive: whether the client would use the connection again.
        expects: whether it waits for 100 before it sends the body.
    """

    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    minor: int
    fields: FieldBlock
    host: bytes | None
    length: int
    keep_alive: bool
    expects: bool


class _Block(NamedTuple):
    """What the fields of a request say, whatever its request line; see `Head`."""

    fields: FieldBlock
    host: bytes | None
    length: int
    keep_alive: bool
    expects: bool


_known: dict[bytes, _Block] = {}
"""Blocks of fields of HTTP/1.1 that were read before: a client sends the same one with each request."""


def read_head(data: bytes, max_headers: int) -> Head:
    """Read a whole head: the request line, the fields and the empty line.

    Raises:
        GatewayError: it is malformed or ambiguous (400), has too many fields (431), an expectation other than
            100-continue (417), or a later version of HTTP (505).
    """
    line = _FIRST_LINE.match(data)
    if line is None:
        check_beginning(data)
        raise refusals.malformed("the request line is malformed")
    method, target, version = line.groups()
    minor = 1 if version == b"1" else 0
    text = data[line.end() :]
    block = _known.get(text) if minor else None
    if block is None:
        block = _read_block(data, text, minor, max_headers)
        if minor and len(text) <= _LONGEST:
            if len(_known) >= _REMEMBERED:
                _known.clear()
            _known[text] = block
    elif len(block.fields) > max_headers:
        raise refusals.too_many_fields(max_headers)
    fields, host, length, keep_alive, expects = block
    path, query, authority = locate(method, target)
    if authority is not None:
        host = authority
    if method == b"CONNECT":
        if length:
            raise refusals.malformed("a CONNECT request has no body")
        keep_alive = False
    return Head(method, target, path, query, minor, fields, host, length, keep_alive, expects)


def _read_block(data: bytes, text: bytes, minor: int, max_headers: int) -> _Block:
    if _FIELDS.fullmatch(text) is None:
        check_beginning(data)
        raise refusals.malformed("a header field is malformed")
    # llhttp knows a fixed list of methods, stops at CONNECT, and has its own opinion of targets: `locate` reads these.
    fields = _fields(b"GET / HTTP/1.%d\r\n%b" % (minor, text))
    if len(fields) > max_headers:
        raise refusals.too_many_fields(max_headers)
    host, length, connection, expects = read_framing(fields, minor)
    keep_alive = bool(minor) if connection is None else _keep_alive(connection, bool(minor))
    return _Block(fields, host, length, keep_alive, expects)


class _Callbacks:
    """What llhttp calls; a bound method would cost more at each field."""

    __slots__ = ("on_header",)

    def __init__(self, on_header: Callable[[bytes, bytes], None]) -> None:
        self.on_header = on_header


def _fields(data: bytes) -> FieldBlock:
    fields: list[tuple[bytes, bytes]] = []
    append = fields.append

    def on_header(name: bytes, value: bytes) -> None:
        append((name.lower(), value.rstrip(b" \t")))

    try:
        HttpRequestParser(_Callbacks(on_header)).feed_data(data)
    except HttpParserUpgrade:
        pass  # whether to change the protocol is for the resource to say
    except HttpParserError:
        raise refusals.malformed("the request is malformed") from None
    return FieldBlock(fields)


def read_framing(fields: Sequence[tuple[bytes, bytes]], minor: int) -> tuple[bytes | None, int, bytes | None, bool]:
    """Read the fields that say where a body ends and what becomes of the connection.

    Returns:
        the Host, the body's length, all of Connection, and whether 100 is expected.

    Raises:
        GatewayError: they are malformed or ambiguous (400), or expect something else (417).
    """
    host = length = connection = None
    expects = False
    for name, value in fields:
        if name not in _SPECIAL:
            continue
        if name == b"host":
            if host is not None:
                raise refusals.malformed("there is more than one Host field")
            host = _checked_host(value)
        elif name == b"connection":
            connection = value if connection is None else connection + b"," + value
        elif name == b"expect":
            expects = expects or _expects(value, minor)
        elif length is not None:
            raise refusals.malformed("the length of the body is ambiguous")
        else:
            length = _length(value) if name == b"content-length" else _chunked(value, minor)
    if host is None and minor:
        raise refusals.malformed("the Host field is missing")
    return host, length or 0, connection, expects


def _expects(value: bytes, minor: int) -> bool:
    if minor and value.lower() != b"100-continue":
        raise refusals.expectation_failed()
    return bool(minor)


def _chunked(coding: bytes, minor: int) -> int:
    if not minor or coding.lower() != b"chunked":
        raise refusals.malformed("the only transfer coding is chunked, in HTTP/1.1")
    return CHUNKED


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > _LENGTH_DIGITS:
        raise refusals.malformed("Content-Length is not a number of bytes")
    return int(value)


@lru_cache(maxsize=256)
def _checked_host(value: bytes) -> bytes:
    if _HOST.fullmatch(value) is None:
        raise refusals.malformed("the Host field is malformed")
    return value


def _keep_alive(connection: bytes, default: bool) -> bool:
    tokens = [token.strip(b" \t") for token in connection.lower().split(b",")]
    return b"close" not in tokens and (default or b"keep-alive" in tokens)


def locate(method: bytes, target: bytes) -> tuple[bytes, bytes | None, bytes | None]:
    """Split a request target (RFC 9112 section 3.2).

    Returns:
        the path, the query, and the authority of an absolute form; the last two may be None.

    Raises:
        GatewayError: it has none of the forms that the method may have.
    """
    if target[:1] == b"/" and method != b"CONNECT":
        path, mark, query = target.partition(b"?")
        return path, query if mark else None, None
    if method == b"CONNECT":
        return _checked_host(target), None, None
    if target == b"*" and method == b"OPTIONS":
        return target, None, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise refusals.malformed("the request target is malformed")
    authority, path, mark, query = match.groups()
    if not path:
        path = b"*" if method == b"OPTIONS" and not mark else b"/"
    if not authority or authority.startswith(b":"):
        raise refusals.malformed("the request target is malformed")
    return path, query if mark else None, _checked_host(authority)


def check_beginning(data: bytes) -> None:
    """Look at the first bytes of a head, so that what can never become one is not waited for.

    Raises:
        GatewayError: the request line is malformed (400) or of a later version (505), or a line ends without CR.
    """
    end = data.find(b"\r\n")
    line = data if end < 0 else data[: end + 2]
    if end < 0:
        if _NOT_TEXT.search(line[:-1] if line.endswith(b"\r") else line):
            raise refusals.malformed("the request line is malformed")
    elif _FIRST_LINE.fullmatch(line) is None:
        if _LATER_VERSION.fullmatch(line):
            raise refusals.unsupported_version()
        raise refusals.malformed("the request line is malformed")
    if _BARE_LF.search(data):
        raise refusals.malformed("a line does not end with CR and LF")
