"""Everything that is served, as rows of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.admin.schema_tree import method_name
from twistedgw.registry.bindings import environment_backend
from twistedgw.registry.route import GrpcRoute, ProxyRoute

if TYPE_CHECKING:
    from twistedgw.admin.view import View
    from twistedgw.registry.route import Route

__all__ = ["chosen_routes", "route_message", "searched_route"]


def chosen_routes(view: View, request: Any) -> list[Route]:
    """Give the routes of the service, environment and plugin that a request names."""
    return [
        route
        for route in view.snapshot.routes
        if (not request.service or route.origin.service == request.service)
        and (not request.environment or route.origin.environment == request.environment)
        and (not request.plugin or _plugin(route) == request.plugin)
    ]


def _plugin(route: Route) -> str:
    return route.plugin.name if isinstance(route, GrpcRoute) else ""


def searched_route(view: View, route: Route) -> str:
    """Give all of a row that a filter looks at."""
    origin = route.origin
    hosts = view.config.services[origin.service].hosts
    return " ".join(
        [
            f"{route.rule.method} {route.template.text}",
            route.rpc,
            route.kind,
            route.written,
            origin.service,
            origin.environment,
            origin.api,
            _plugin(route),
            *hosts,
        ]
    )


def route_message(view: View, route: Route) -> Any:
    """Give a row."""
    origin = route.origin
    service = view.config.services[origin.service]
    environment, api = service.environments[origin.environment], service.apis[origin.api]
    message = view.types.Route(
        method=route.rule.method,
        path=route.template.text,
        hosts=service.hosts,
        service=origin.service,
        environment=origin.environment,
        api=origin.api,
        rpc="" if isinstance(route, ProxyRoute) else route.rpc,
        kind=route.kind,
        rule=route.written,
        backend=environment_backend(view.config, environment, api).name,
        body=route.rule.body,
        response_body=route.rule.response_body,
    )
    timeout = api.timeout
    if isinstance(route, GrpcRoute):
        message.plugin = route.plugin.name
        message.client_streaming = route.method.client_streaming
        message.server_streaming = route.method.server_streaming
        message.method_name = method_name(route.plugin.name, route.method)
        if timeout is None and not route.streaming:
            timeout = view.config.gateway.request_timeout
    if timeout is not None:
        message.timeout.FromNanoseconds(round(timeout * 1_000_000_000))
    return message
