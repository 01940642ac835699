"""The document: routes as paths, types as components."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from twistedgw.openapi.failures import error_components
from twistedgw.openapi.merge import merge, renamed
from twistedgw.openapi.operations import grpc_operation, proxy_operation, slot_name
from twistedgw.openapi.paths import path_of
from twistedgw.openapi.prose import joined, split_comment
from twistedgw.openapi.table import SHOWN_METHODS, Entry, PathTable
from twistedgw.openapi.types import Types
from twistedgw.registry.route import GrpcRoute, ProxyRoute, UnboundRoute
from twistedgw.transcoding.rule import METHODS
from twistedgw.transcoding.template import Rest, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor import ServiceDescriptor

    from twistedgw.openapi.paths import Path
    from twistedgw.openapi.scalars import Json
    from twistedgw.registry.route import Route
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.template import Variable

__all__ = ["Info", "document", "document_of"]

_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta|p)[0-9]*)*")
_ORDER = ("google.api.http", "api", "default", "proxy")
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")
_PROXIES = "HTTP backends"
_WRITTEN = "/%:@!$&'()*+,;=~"
"""What stands in a path as it is, percent-escapes included."""


@dataclass(frozen=True, slots=True)
class Info:
    """What a document says of itself.

    Attributes:
        title: of the API.
        description: in CommonMark; may be empty.
        version: of the API; empty for what the packages of its gRPC services say.
        servers: the server objects; ``/`` alone where there are none.
        bearer: whether every operation needs a bearer token of the gateway's own.
    """

    title: str
    description: str = ""
    version: str = ""
    servers: Sequence[Json] = ()
    bearer: bool = False


def document(
    snapshot: Snapshot,
    service: str,
    environment: str,
    *,
    servers: Sequence[str] = (),
    every_path: bool = False,
) -> Json:
    """Give the OpenAPI 3.1 document of what a service serves in an environment. Any thread.

    Args:
        snapshot: what is served.
        service: its name.
        environment: its name.
        servers: URLs that the environment's prefix is added to, empty for the host that the document comes from; by
            the service's hosts and protocols where there are none.
        every_path: whether ``POST /package.Service/Method`` is shown for RPCs that have another path too.

    Raises:
        KeyError: there is no such service, or it has no such environment.
    """
    about = snapshot.config.services[service]
    place = about.environments[environment]
    routes = [
        route
        for route in snapshot.routes
        if route.origin.service == service and route.origin.environment == environment
    ]
    roots = bool(place.prefix) and any(route.rule.template == "/" for route in routes)
    written = quote(place.prefix, safe=_WRITTEN)
    prefix = "" if roots else written  # an environment's root has no slash at its end: no server's path could be it
    info = Info(
        title=about.description or service,
        description=f"Service `{service}` in environment `{environment}`."
        + ("" if place.published else "\n\nIt is not published there."),
        servers=[{"url": url.rstrip("/") + prefix or "/"} for url in servers]
        or _servers(about.hosts, prefix, http=about.http, https=about.https),
    )
    return document_of(routes, info, prefix=written if roots else "", every_path=every_path)


def document_of(routes: Iterable[Route], info: Info, *, prefix: str = "", every_path: bool = False) -> Json:
    """Give the OpenAPI 3.1 document of any routes. Any thread.

    Args:
        routes: what is served.
        info: what the document says of itself.
        prefix: what comes before the rules' templates in the document's paths.
        every_path: as of `document`.
    """
    return _Writer(list(routes), info, prefix, every_path=every_path).document()


def _servers(hosts: Sequence[str], prefix: str, *, http: bool, https: bool) -> list[Json]:
    found: list[Json] = []
    for scheme, spoken in (("https", https), ("http", http)):
        for host in hosts if spoken else ():
            server: Json = {"url": f"{scheme}://{host.replace('*', '{subdomain}', 1)}{prefix}"}
            if host.startswith("*"):
                server["variables"] = {"subdomain": {"default": "www", "description": "Any name."}}
            found.append(server)
    return found or [{"url": prefix or "/"}]


class _Writer:
    """Writes one document."""

    def __init__(self, routes: list[Route], info: Info, prefix: str, *, every_path: bool) -> None:
        self._info = info
        self._prefix = prefix
        self._grpc = _ordered([route for route in routes if isinstance(route, GrpcRoute)], every_path=every_path)
        self._proxies = [route for route in routes if isinstance(route, ProxyRoute)]
        self._unbound = [route for route in routes if isinstance(route, UnboundRoute)]
        self._services = _services(self._grpc)
        self._tag_names = {service.full_name: tag for tag, service in self._services.items()}
        self._types: dict[object, tuple[str, Types]] = {}
        self._table = PathTable()
        self._ids: set[str] = set()

    def document(self) -> Json:
        routes: list[GrpcRoute | ProxyRoute] = [*self._grpc, *self._proxies]
        served = [(route, Template.parse(route.rule.template)) for route in routes]
        for route, template in sorted(served, key=_yields):
            self._add(route, template)
        schemas: dict[str, Json] = {}
        responses: dict[str, Json] = {}
        for form in sorted({route.plugin.error_format for route in self._grpc}, reverse=True):
            errors, answers = error_components(form)
            schemas |= errors
            responses |= answers
        names = self._merge(schemas)
        found: Json = {"openapi": "3.1.0", "info": self._head(), "servers": list(self._info.servers) or [{"url": "/"}]}
        tags = self._tags()
        if tags:
            found["tags"] = tags
        found["paths"] = {
            item.path.text(self._prefix): {
                method.lower(): renamed(item.entries[method].operation, names.get(id(item.entries[method].types), {}))
                for method in SHOWN_METHODS
                if method in item.entries
            }
            for item in self._table.items
        }
        components = {"schemas": dict(sorted(schemas.items())), "responses": dict(sorted(responses.items()))}
        if self._info.bearer:
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"bearer": []}]
        if any(components.values()):
            found["components"] = {name: part for name, part in components.items() if part}
        if self._unbound:
            found["x-grpcgw-unbound"] = self._unbound_routes()
        return found

    # -- parts

    def _head(self) -> Json:
        packages = {service.file.package for service in self._services.values()}
        said = {part for package in packages for part in package.split(".") if _VERSION.fullmatch(part)}
        version = self._info.version or ", ".join(sorted(said)) or "unversioned"
        description = joined(self._info.description, self._unbound_note())
        return {"title": self._info.title, **({"description": description} if description else {}), "version": version}

    def _unbound_note(self) -> str:
        apis = sorted({route.origin.api for route in self._unbound})
        names = ", ".join(f"`{api}`" for api in apis)
        return f"No plugin is bound to {names}, so a request there is an error (`PLUGIN_NOT_BOUND`)." if apis else ""

    def _unbound_routes(self) -> list[Json]:
        return [
            {
                "api": route.origin.api,
                "method": route.rule.method,
                "path": self._prefix + route.rule.template,
                "rpc": route.rpc,
            }
            for route in self._unbound
        ]

    def _tags(self) -> list[Json]:
        found: list[Json] = []
        types = {route.method.containing_service.full_name: self._types_of(route) for route in self._grpc}
        for tag, service in self._services.items():
            summary, rest = split_comment(types[service.full_name].comment(service.full_name))
            description = joined(summary and f"{summary}.", rest)
            found.append({"name": tag, **({"description": description} if description else {})})
        if self._proxies:
            found.append({"name": _PROXIES, "description": "Passed on as they are."})
        return found

    def _merge(self, schemas: dict[str, Json]) -> dict[int, dict[str, str]]:
        names: dict[int, dict[str, str]] = {}
        for owner, types in self._types.values():
            types.close()
            names[id(types)] = merge(schemas, types.schemas, owner)
        return names

    # -- operations

    def _types_of(self, route: GrpcRoute) -> Types:
        key = (route.schema.digest, route.codec.options)
        if key not in self._types:
            self._types[key] = (route.plugin.name, Types(route.schema, route.codec.options))
        return self._types[key][1]

    def _add(self, route: GrpcRoute | ProxyRoute, template: Template) -> None:
        types = self._types_of(route) if isinstance(route, GrpcRoute) else None
        path = path_of(template, lambda variable: _slot_name(route, types, variable))
        for method in METHODS if route.rule.method == "*" else (route.rule.method,):
            placed = self._table.place(path, method, template) if method in SHOWN_METHODS else None
            if placed is not None:
                item, shown = placed
                if isinstance(route, GrpcRoute):
                    assert types is not None
                    operation = self._grpc_operation(route, types, shown, method)
                else:
                    operation = self._proxy_operation(route, shown, method)
                item.entries[method] = Entry(operation, types, template.shape)

    def _grpc_operation(self, route: GrpcRoute, types: Types, path: Path, method: str) -> Json:
        tag = self._tag_names[_service(route)]
        name = self._id(f"{_NO_NAME.sub('_', tag)}_{route.method.name}")
        return {"tags": [tag], "operationId": name, **grpc_operation(route, types, path, method)}

    def _proxy_operation(self, route: ProxyRoute, path: Path, method: str) -> Json:
        name = self._id(f"{_NO_NAME.sub('_', route.origin.api)}_{method.lower()}")
        return {"tags": [_PROXIES], "operationId": name, **proxy_operation(route, path, method)}

    def _id(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._ids:
            name, number = f"{wanted}_{number}", number + 1
        self._ids.add(name)
        return name


def _ordered(routes: list[GrpcRoute], *, every_path: bool) -> list[GrpcRoute]:
    """Give routes in the order of their methods in the `.proto`, the rules that are written there first."""
    named = {route.rpc for route in routes if route.kind != "default"}
    shown = [route for route in routes if every_path or route.kind != "default" or route.rpc not in named]
    declared = sorted(shown, key=lambda route: route.kind == "api")
    services = {rpc: number for number, rpc in enumerate(dict.fromkeys(_service(route) for route in declared))}
    return sorted(shown, key=lambda route: (services[_service(route)], route.method.index, _ORDER.index(route.kind)))


def _yields(served: tuple[GrpcRoute | ProxyRoute, Template]) -> tuple[bool, bool]:
    """Sort those last that give way to others: a ``**`` to a ``*``, and a rule for any method to one for a method."""
    route, template = served
    return any(isinstance(segment, Rest) for segment in template.segments), route.rule.method == "*"


def _slot_name(route: GrpcRoute | ProxyRoute, types: Types | None, variable: Variable) -> str:
    if types is None or not isinstance(route, GrpcRoute):
        return variable.name.replace(".", "_")
    return slot_name(route, types, variable)


def _service(route: GrpcRoute) -> str:
    return str(route.method.containing_service.full_name)


def _services(routes: Iterable[GrpcRoute]) -> dict[str, ServiceDescriptor]:
    """Give the gRPC services by the names of their tags: short ones, unless two have the same."""
    found = {_service(route): route.method.containing_service for route in routes}
    short: dict[str, int] = {}
    for service in found.values():
        short[service.name] = short.get(service.name, 0) + 1
    return {service.name if short[service.name] == 1 else name: service for name, service in found.items()}
