"""What a request would become, without sending it.

Each step is the gateway's own: the router, the REST exchange, the routes' own refusals, the one way from an error to an
answer.
"""

from __future__ import annotations

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
from twistedgw.registry.bindings import environment_backend
from twistedgw.registry.route import GrpcRoute, ProxyRoute
from twistedgw.transcoding.codec import JsonOptions
from twistedgw.transcoding.router import MalformedPath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twistedgw.backends.call import Call
    from twistedgw.config.model import Gateway
    from twistedgw.frontends.exchange import Head
    from twistedgw.registry.route import Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match, Router

__all__ = ["explain"]

_PLACES_SHOWN = 5
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
    if isinstance(route, GrpcRoute):
        return _call(found, RestExchange(head, route, match), body, gateway)
    try:
        check_size(len(body), gateway.max_request_body)
        if not isinstance(route, ProxyRoute):
            route.refuse()
        url = route.upstream.url + route.target(head.path, head.query).decode("ascii")
    except GatewayError as error:
        return replace(found, refusal=Refusal.of(error_reply(error, None)))
    timeout = gateway.request_timeout if route.timeout is None else route.timeout
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
        backend=backend.name,
        targets=backend.targets,
        plugin=route.plugin.name if isinstance(route, GrpcRoute) else None,
        streaming=_streaming(route) if isinstance(route, GrpcRoute) else "",
        variables=tuple(zip((variable.name for variable in route.template.variables), match.values, strict=True)),
    )


def _rpc(route: Route) -> str:
    return "" if isinstance(route, ProxyRoute) else route.rpc


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
    errors: list[GatewayError] = []
    call: Call | None = None
    try:
        rest.check_unary()
    except GatewayError as error:
        errors.append(error)
    try:
        check_size(len(body), gateway.max_request_body)
        call = rest.read(body, max_body=gateway.max_request_body, request_timeout=gateway.request_timeout)
    except GatewayError as error:
        errors.append(error)
    found = replace(
        found,
        refusal=Refusal.of(rest.failure(errors[0])) if errors else None,
        notes=tuple(error.message for error in errors[1:]),
    )
    return found if call is None else _outgoing(found, rest.route, call)


def _outgoing(found: Explanation, route: GrpcRoute, call: Call) -> Explanation:
    text, notes = None, found.notes
    try:
        text = route.codec.with_options(JsonOptions()).encoder(call.method.input_type)(call.request).decode("utf-8")
    except GatewayError as error:
        notes = (*notes, error.message)
    outgoing = Outgoing(None, call.method.input_type.full_name, text, tuple(call.metadata), call.timeout)
    return replace(found, outgoing=outgoing, notes=notes)
