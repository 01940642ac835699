"""An `Explanation` as text for a terminal."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from twistedgw.errors import escaped
from twistedgw.frontends.explanation import plain_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.frontends.explanation import Explanation, Matched, NearMiss, Outgoing, Refusal

__all__ = ["explain_text"]

_WIDTH = 11
_STREAMS = {
    "request": "the client sends a stream of messages",
    "response": "the backend answers with a stream of messages",
    "both": "both sides send a stream of messages",
}
_RULES = {
    "api": "an API of its own",
    "default": "the path that every RPC has",
    "unbound": "known, but no plugin is bound",
    "proxy": "passed on as it is",
    "openapi": "the gateway's own documentation",
}


def explain_text(found: Explanation) -> str:
    """Give the text, without a line end at its end. What came from outside is escaped where it is not printable."""
    return "\n".join(map(escaped, _lines(found)))


def _lines(found: Explanation) -> Iterator[str]:
    scheme = "https" if found.secure else "http"
    yield f"{found.method} {f'{scheme}://{found.host}' if found.host else ''}{found.target}"
    if found.matched is not None:
        yield from _matched(found.matched)
    if found.outgoing is not None:
        yield from _outgoing(found.outgoing)
    if found.refusal is not None:
        yield from _refusal(found.refusal)
    for note in found.notes:
        yield from _entry("note", note)
    for place in found.elsewhere:
        yield from _entry("elsewhere", f"it is served at {place}")
    if found.near_misses:
        yield from ("", "near misses")
        for near_miss in found.near_misses:
            yield from _near_miss(near_miss)


def _matched(matched: Matched) -> Iterator[str]:
    yield from _entry("route", f"{matched.method} {matched.template}")
    yield from _entry("RPC", matched.rpc)
    yield from _entry("rule", f"{_RULES.get(matched.kind, matched.kind)}, {matched.written}")
    yield from _entry("API", f"{matched.service}/{matched.api} in environment {matched.environment}")
    yield from _entry("plugin", matched.plugin or "")
    if matched.backend:
        yield from _entry("backend", f"{matched.backend} ({', '.join(matched.targets)})")
    yield from _entry("streaming", _STREAMS.get(matched.streaming, ""))
    for name, value in matched.variables:
        yield from _entry("variable", f"{name} = {json.dumps(value, ensure_ascii=False)}")


def _outgoing(outgoing: Outgoing) -> Iterator[str]:
    yield from _entry("goes to", outgoing.url or "")
    for key, value in outgoing.metadata:
        yield from _entry("metadata", f"{key}: {plain_value(value)}")
    deadline = "none" if outgoing.timeout is None else f"{outgoing.timeout:g} s"
    yield from _entry("deadline", deadline)
    if outgoing.messages:
        for number, message in enumerate(outgoing.messages):
            yield from _entry("message", f"{outgoing.type} [{number}]")
            yield from _json(message)
        return
    yield from _entry("message", outgoing.type or "")
    if outgoing.message is not None:
        yield from _json(outgoing.message)


def _refusal(refusal: Refusal) -> Iterator[str]:
    yield from _entry("refused", f"{refusal.status} {_phrase(refusal.status)}".rstrip())
    for name, value in refusal.fields:
        yield f"  {name.lower()}: {value}"
    yield from _json(refusal.body)


def _near_miss(near_miss: NearMiss) -> Iterator[str]:
    place = f"{near_miss.service}/{near_miss.api} {near_miss.environment}"
    yield f"  {near_miss.method} {near_miss.template}  {near_miss.rpc}  {near_miss.written} [{place}]"
    yield f"    {near_miss.why}"


def _entry(name: str, text: str) -> Iterator[str]:
    if text:
        yield f"{name:{_WIDTH}}{text}"


def _json(text: str) -> Iterator[str]:
    value: Any = json.loads(text)
    for line in json.dumps(value, ensure_ascii=False, indent=2).split("\n"):
        yield f"  {line}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
