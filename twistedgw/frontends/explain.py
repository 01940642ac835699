"""What a request would become, without sending it.

Each step is the gateway's own: the router, the REST exchange, the routes' own refusals, the one way from an error to an
answer.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from twistedgw.errors import GatewayError
from twistedgw.frontends.explanation import Explanation, Matched, NearMiss, Outgoing, Refusal
from twistedgw.frontends.failure import error_reply
from twistedgw.frontends.head import read_head
from twistedgw.frontends.negotiation import check_size
from twistedgw.frontends.rest import RestExchange, find_route
from twistedgw.frontends.rest_stream import RestStreamExchange
from twistedgw.registry.bindings import environment_backend
from twistedgw.registry.route import DocumentRoute, GrpcRoute, ProxyRoute
from twistedgw.transcoding.codec import JsonOptions
from twistedgw.transcoding.router import MalformedPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.message import Message

    from twistedgw.backends.call import Call, StreamCall
    from twistedgw.config.model import Backend, Gateway
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match, Router

__all__ = ["explain"]

_PLACES_SHOWN = 5
_MESSAGES_SHOWN = 20
_LOOPBACK = "127.0.0.1"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE = re.compile(r"(https?)://([^\s/?#@\\]+)((?:[/?][^#]*)?)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
"""What goes on the wire as it is; a client percent-encodes all else in a URL."""


def explain(
    snapshot: Snapshot,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    peer: str = _LOOPBACK,
) -> Explanation:
    """Tell what a request would become. Any thread; slow is fine.

    Args:
        snapshot: what is served.
        method: the HTTP method.
        url: absolute, or a path and query alone, which asks for no host unless `headers` has a Host.
        headers: names and values.
        body: as the client sends it.
        peer: the address that the request comes from.

    Raises:
        ValueError: no client can send this; the text says why.
    """
    head = _read(snapshot, method, url, headers, peer)
    query = f"?{head.query.decode('ascii')}" if head.query else ""
    found = Explanation(head.method, f"{head.path.decode('ascii')}{query}", head.authority, head.secure)
    try:
        match = find_route(snapshot, head)
    except GatewayError as error:
        return replace(
            found,
            refusal=Refusal.of(error_reply(error, None)),
            near_misses=_near_misses(snapshot, head),
            elsewhere=_elsewhere(snapshot, head),
        )
    found = replace(found, matched=_matched(snapshot, match))
    route, gateway = match.target, snapshot.config.gateway
    if isinstance(route, DocumentRoute):
        return replace(found, notes=("the gateway answers this itself, with the service's documentation",))
    if isinstance(route, GrpcRoute):
        if route.streaming:
            return _stream(found, RestStreamExchange(head, route, match), body, gateway)
        return _call(found, RestExchange(head, route, match), body, gateway)
    try:
        check_size(len(body), gateway.max_request_body)
        if not isinstance(route, ProxyRoute):
            route.refuse()
        url = route.upstream.url + route.target(head.path, head.query).decode("ascii")
    except GatewayError as error:
        return replace(found, refusal=Refusal.of(error_reply(error, None)))
    timeout = gateway.unary_timeout if route.timeout is None else route.timeout
    return replace(found, outgoing=Outgoing(url, None, None, (), timeout))


# -- the request


def _read(snapshot: Snapshot, method: str, url: str, headers: Iterable[tuple[str, str]], peer: str) -> Head:
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"{method!r} is not an HTTP method")
    fields = [_field(name, value) for name, value in headers]
    secure, authority, path, query = _split(url)
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1:
        raise ValueError("there is more than one Host header")
    return read_head(
        method.encode("ascii"),
        path,
        query,
        fields,
        authority=hosts[0] if hosts else authority,
        peer=peer,
        secure=secure,
        trusts=snapshot.trusts,
    )


def _field(name: str, value: str) -> tuple[bytes, bytes]:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")
    if _CONTROL.search(value):
        raise ValueError(f"the value of header {name} has a control character")
    return name.lower().encode("ascii"), value.strip(" \t").encode("utf-8", "surrogateescape")


def _split(url: str) -> tuple[bool, bytes | None, bytes, bytes]:
    """Give whether it is HTTPS, the authority, the path and the query."""
    secure, authority, target = False, None, url.partition("#")[0]
    if not url.startswith("/"):
        absolute = _ABSOLUTE.fullmatch(url)
        if absolute is None:
            raise ValueError(f"{url!r} is not a URL: expected http://HOST/PATH, https://HOST/PATH or /PATH")
        secure, target = absolute[1].lower() == "https", absolute[3]
        authority = absolute[2].encode("idna")
    path, _, query = target.partition("?")
    return secure, authority, _on_the_wire(path or "/"), _on_the_wire(query)


def _on_the_wire(text: str) -> bytes:
    return quote(text, safe=_VISIBLE, errors="surrogateescape").encode("ascii")


# -- the route


def _matched(snapshot: Snapshot, match: Match[Route]) -> Matched:
    route = match.target
    origin, config = route.origin, snapshot.config
    service = config.services[origin.service]
    backend: Backend | None = None
    if not isinstance(route, DocumentRoute):
        backend = environment_backend(config, service.environments[origin.environment], service.apis[origin.api])
    return Matched(
        method=route.rule.method,
        template=route.template.text,
        rpc=_rpc(route),
        kind=route.kind,
        written=route.written,
        service=origin.service,
        environment=origin.environment,
        api=origin.api,
        backend=backend.name if backend else "",
        targets=backend.targets if backend else (),
        plugin=route.plugin.name if isinstance(route, GrpcRoute) else None,
        streaming=_streaming(route) if isinstance(route, GrpcRoute) else "",
        variables=tuple(zip((variable.name for variable in route.template.variables), match.values, strict=True)),
    )


def _rpc(route: Route) -> str:
    return "" if isinstance(route, ProxyRoute | DocumentRoute) else route.rpc


def _streaming(route: GrpcRoute) -> str:
    requests, responses = route.method.client_streaming, route.method.server_streaming
    return "both" if requests and responses else "request" if requests else "response" if responses else ""


def _near_misses(snapshot: Snapshot, head: Head) -> tuple[NearMiss, ...]:
    try:
        found = snapshot.hosts.router(head.host, head.secure).near_misses(head.method, head.path)
    except MalformedPath:
        return ()
    return tuple(
        NearMiss(
            method=route.rule.method,
            template=route.template.text,
            rpc=_rpc(route),
            written=route.written,
            service=route.origin.service,
            environment=route.origin.environment,
            api=route.origin.api,
            why=why,
        )
        for route, why in found
    )


def _elsewhere(snapshot: Snapshot, head: Head) -> tuple[str, ...]:
    """Give where the same request would find a route, each host once, under the scheme of the request if it can."""
    here = snapshot.hosts.router(head.host, head.secure)
    tables = [("http", snapshot.hosts.http), ("https", snapshot.hosts.https)]
    schemes: dict[str, str] = {}
    for scheme, table in reversed(tables) if head.secure else tables:
        for pattern, router in table.items():
            if router is not here and pattern not in schemes and _takes(router, head):
                schemes[pattern] = scheme
    return tuple(f"{scheme}://{pattern or '*'}" for pattern, scheme in list(schemes.items())[:_PLACES_SHOWN])


def _takes(router: Router[Route], head: Head) -> bool:
    try:
        router.match(head.method, head.path)
    except (LookupError, MalformedPath):
        return False
    return True


# -- the call


def _call(found: Explanation, rest: RestExchange, body: bytes, gateway: Gateway) -> Explanation:
    try:
        check_size(len(body), gateway.max_request_body)
        call = rest.open(body, max_body=gateway.max_request_body, request_timeout=gateway.unary_timeout)
    except GatewayError as error:
        return replace(found, refusal=Refusal.of(rest.failure(error)))
    text, notes = _text(rest.route, call.request)
    outgoing = Outgoing(None, _input(call), text, tuple(call.metadata), call.timeout)
    return replace(found, outgoing=outgoing, notes=notes)


def _stream(found: Explanation, rest: RestStreamExchange, body: bytes, gateway: Gateway) -> Explanation:
    """Tell of a call that streams, as far as it would come before an error in the body."""
    call: StreamCall | None = None
    messages: list[Message] = []
    try:
        call = rest.open(max_message=gateway.max_request_body)
        parts = itertools.chain(rest.feed(body) if body else (), _lazily(rest.feed_end))
        messages.extend(parts)
    except GatewayError as error:
        found = replace(found, refusal=Refusal.of(rest.failure(error)))
    if call is None or not (messages or call.method.client_streaming):
        return found
    texts: list[str] = []
    notes: list[str] = []
    for message in messages[:_MESSAGES_SHOWN]:
        text, problems = _text(rest.route, message)
        texts += [] if text is None else [text]
        notes += problems
    if len(messages) > _MESSAGES_SHOWN:
        notes.append(f"{len(messages)} messages in all")
    first = None if call.method.client_streaming or not texts else texts[0]
    stream = tuple(texts) if call.method.client_streaming else ()
    outgoing = Outgoing(None, _input(call), first, tuple(call.metadata), call.timeout, stream)
    return replace(found, outgoing=outgoing, notes=tuple(notes))


def _lazily(give: Callable[[], Iterable[Message]]) -> Iterator[Message]:
    yield from give()


def _input(call: Call | StreamCall) -> str:
    name: str = call.method.input_type.full_name
    return name


def _text(route: GrpcRoute, message: Message) -> tuple[str | None, tuple[str, ...]]:
    """Give a request message as JSON, or the reason for which it has none."""
    encode = route.codec.with_options(JsonOptions()).encoder(route.method.input_type)
    try:
        return encode(message).decode("utf-8"), ()
    except GatewayError as error:
        return None, (error.message,)
