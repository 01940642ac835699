"""The gateway's own answers at a service's paths: its OpenAPI document, and the page to read it on."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from twisted.internet.threads import deferToThread

from twistedgw.errors import GatewayError
from twistedgw.frontends.exchange import Reply
from twistedgw.frontends.negotiation import accepts_gzip, gzip
from twistedgw.openapi.document import document
from twistedgw.openapi.page import CONTENT_SECURITY_POLICY, asset, page
from twistedgw.openapi.text import to_json, to_yaml
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import DocumentRoute, Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match

__all__ = ["document_reply"]

_Answer = tuple[str, bytes]
"""A media type and the bytes of a body."""

_Written = dict[tuple[str, str, str], _Answer]
"""Documents by service, environment and form."""

_written: WeakKeyDictionary[Snapshot, _Written] = WeakKeyDictionary()
_one_at_a_time = Lock()
_DOCUMENT = "openapi.json"
_WRITERS = {"json": ("application/json", to_json), "yaml": ("application/yaml", to_yaml)}


def document_reply(route: DocumentRoute, match: Match[Route], snapshot: Snapshot, head: Head) -> Deferred[Reply]:
    """Answer a request for a service's documentation. Reactor thread; the work is done in another.

    Args:
        route: what the request is for.
        match: how it was found.
        snapshot: what is served.
        head: the request's.

    Returns:
        The answer; fails with `GatewayError` (404) for a file that the page does not have.
    """
    return deferToThread(_reply, route, match.values, snapshot, head, _written.setdefault(snapshot, {}))


def _reply(route: DocumentRoute, values: Sequence[str], snapshot: Snapshot, head: Head, written: _Written) -> Reply:
    media_type, body = _answer(route, values, snapshot, written)
    tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode("ascii") + b'"'
    fields = [
        (b"content-type", media_type.encode("ascii")),
        (b"cache-control", b"no-cache"),
        (b"etag", tag),
        (b"vary", b"Accept-Encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if route.form == "page":
        fields.append((b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")))
        fields.append((b"referrer-policy", b"no-referrer"))
    if tag.decode("ascii") in (head.text(b"if-none-match") or ""):
        return Reply(304, fields, b"")
    packed = gzip(body) if accepts_gzip(head.text(b"accept-encoding")) else None
    if packed is not None:
        fields.append((b"content-encoding", b"gzip"))
    return Reply(200, fields, body if packed is None else packed)


def _answer(route: DocumentRoute, values: Sequence[str], snapshot: Snapshot, written: _Written) -> _Answer:
    if route.form == "page":
        return "text/html; charset=utf-8", _page(route, snapshot)
    if route.form == "asset" and values[0] != _DOCUMENT:
        return _asset(values[0])
    form = "yaml" if route.form == "yaml" else "json"
    with _one_at_a_time:
        return _document(snapshot, route, form, written)


def _document(snapshot: Snapshot, route: DocumentRoute, form: str, written: _Written) -> _Answer:
    service, environment = route.origin.service, route.origin.environment
    found = written.get((service, environment, form))
    if found is None:
        media_type, write = _WRITERS[form]
        # An empty URL is the host that the document came from, whichever name it was asked for by.
        text = write(document(snapshot, service, environment, servers=[""]))
        found = written[service, environment, form] = media_type, text.encode("utf-8")
    return found


def _page(route: DocumentRoute, snapshot: Snapshot) -> bytes:
    service = snapshot.config.services[route.origin.service]
    here = route.template.text
    return page(service.description or service.name, f"{here}/{_DOCUMENT}", f"{here}/")


def _asset(name: str) -> _Answer:
    found = asset(name)
    if found is None:
        raise GatewayError(Code.NOT_FOUND, "there is no such file", reason="ROUTE_NOT_FOUND")
    return found
