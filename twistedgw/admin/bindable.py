"""The rows of the Bind API dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.admin.services import environment_of, service_of
from twistedgw.registry.bindings import environment_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.admin.view import View
    from twistedgw.config.model import Api, Environment, Plugin, Service

__all__ = ["bindable_apis"]


def bindable_apis(view: View, plugin: Plugin, service: str, environment: str) -> list[Any]:
    """Give every API in every environment, as far as they are asked for, with what is bound there.

    Raises:
        RefusalError: there is no such service or environment.
    """
    return list(_rows(view, plugin, service, environment))


def _rows(view: View, plugin: Plugin, service_name: str, environment_name: str) -> Iterator[Any]:
    services = [service_of(view, service_name)] if service_name else view.config.services.values()
    for service in services:
        if not environment_name:
            environments = list(service.environments.values())
        elif service_name:
            environments = [environment_of(service, environment_name)]
        else:
            environments = [each for each in service.environments.values() if each.name == environment_name]
        for environment in environments:
            for api in service.apis.values():
                yield _row(view, plugin, service, environment, api)


def _row(view: View, plugin: Plugin, service: Service, environment: Environment, api: Api) -> Any:
    row = view.types.BindableApi(
        service=service.name,
        environment=environment.name,
        published=environment.published,
        api=api.name,
        method=api.method or "",
        path=api.path or "",
        rpc=f"{api.rpc_service}/{api.rpc_method}" if api.rpc_service else "",
        backend=environment_backend(view.config, environment, api).name,
        obstacle=_obstacle(view, plugin, environment, api),
    )
    use = view.by_api.get((service.name, environment.name, api.name), {}).get(plugin.type)
    if use is not None:
        row.bound = use.plugin == plugin.name
        row.other_plugin = "" if row.bound else use.plugin
        row.binding = f"bindings/{use.binding}"
        row.read_only = view.section(view.config.bindings[use.binding].place) is None
    return row


def _obstacle(view: View, plugin: Plugin, environment: Environment, api: Api) -> str:
    if not view.takes(plugin.type, environment, api):
        return f"its backend is no gRPC backend, so a plugin of type {plugin.type} has nothing to convert"
    schema = view.snapshot.schemas.get(plugin.name)
    if schema is None or api.rpc_service is None or api.rpc_method is None:
        return ""
    if schema.service(api.rpc_service) is None:
        return f"the plugin has no service {api.rpc_service}"
    if not api.whole_service and schema.method(api.rpc_service, api.rpc_method) is None:
        return f"the plugin has no method {api.rpc_service}/{api.rpc_method}"
    return ""
