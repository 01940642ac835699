"""The query string: its pieces, its decoding, and the system parameters of Google's API clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.transcoding import percent
from twistedgw.transcoding.parameters import Origin, Parameters, fields_by_any_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from twistedgw.errors import InvalidArgument
    from twistedgw.transcoding.codec import Codec

__all__ = ["MAX_PARAMETERS", "NO_SYSTEM_PARAMETERS", "Query", "SystemParameters", "pairs"]

MAX_PARAMETERS = 5000
"""How many parameters a query or a form may have."""

SYSTEM_NAMES = frozenset(["$alt", "alt", "$.xgafv", "key", "prettyPrint", "quotaUser", "fields"])
"""The system parameters that are recognised. Only ``$alt`` and ``alt`` have an effect."""

_ORIGIN = Origin("query parameter", "INVALID_QUERY")
_ALTS = ("json", "proto", "sse")
_ENUM_ENCODINGS = {"enum-encoding=int": True, "enum-encoding=string": False}


@dataclass(frozen=True, slots=True)
class SystemParameters:
    """What the system parameters of a request ask for.

    Attributes:
        alt: the form of the answer, ``json``, ``proto`` or ``sse``; None where the client leaves it open.
        enums_as_numbers: whether enums are printed as numbers; None where the client leaves it open.
    """

    alt: str | None = None
    enums_as_numbers: bool | None = None


NO_SYSTEM_PARAMETERS = SystemParameters()


def pairs(text: bytes, origin: Origin) -> Iterator[tuple[str, str]]:
    """Give the names and values of a query or of an urlencoded form, decoded; empty pieces are passed over.

    Raises:
        InvalidArgument: a malformed percent escape, octets that are not UTF-8, or too many pieces.
    """
    if text.count(b"&") >= MAX_PARAMETERS:
        raise origin.error("", f"more than {MAX_PARAMETERS} parameters")
    for piece in text.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            yield _decoded(name, name, origin), _decoded(value, name, origin)


def _decoded(raw: bytes, name: bytes, origin: Origin) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    try:
        return percent.decode(raw)
    except percent.MalformedPath:
        where = name.decode("utf-8", "replace")
        raise origin.error(where, "a malformed percent escape, or not UTF-8 once decoded") from None


class Query:
    """What the query parameters of one rule mean."""

    def __init__(
        self,
        descriptor: Descriptor,
        codec: Codec,
        *,
        covered: Mapping[str, str],
        closed: bool,
        ignore_unknown: bool,
    ) -> None:
        """Take the types.

        Args:
            descriptor: the RPC's input message.
            codec: of the values.
            covered: as for `Parameters`.
            closed: whether the body covers the whole message, so that every name is unknown.
            ignore_unknown: whether unknown names are passed over.
        """
        self._parameters = Parameters(descriptor, codec, _ORIGIN, covered=covered, ignore_unknown=ignore_unknown)
        self._closed = closed
        self._ignore_unknown = ignore_unknown
        self._system = SYSTEM_NAMES - fields_by_any_name(descriptor).keys()

    def bind(self, message: Message, query: bytes) -> SystemParameters:
        """Put the parameters of `query` into `message`.

        Raises:
            InvalidArgument: anything that is wrong with them.
        """
        system = NO_SYSTEM_PARAMETERS
        seen: set[str] = set()
        for name, text in pairs(query, _ORIGIN):
            if name in self._system:
                if name.endswith("alt"):
                    if system is not NO_SYSTEM_PARAMETERS:
                        raise _ORIGIN.error(name, "given more than once")
                    system = _read_alt(name, text)
            elif not self._closed:
                self._parameters.put(message, name, text, seen, plus=True)
            elif not self._ignore_unknown:
                raise _ORIGIN.unknown(name, "unknown name: the path and the body set all fields")
        return system


def _read_alt(name: str, text: str) -> SystemParameters:
    alt, *options = text.split(";")
    if alt not in _ALTS:
        raise _alt_error(name)
    enums: bool | None = None
    for option in options:
        if alt != "json" or option not in _ENUM_ENCODINGS:
            raise _alt_error(name)
        enums = _ENUM_ENCODINGS[option]
    return SystemParameters(alt, enums)


def _alt_error(name: str) -> InvalidArgument:
    return _ORIGIN.error(name, "expected json, json;enum-encoding=int, proto or sse")
