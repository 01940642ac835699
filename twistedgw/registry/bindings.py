"""Which plugin serves which API in which environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from twistedgw.config.plugins import PLUGIN_TYPES

if TYPE_CHECKING:
    from twistedgw.config.model import Api, Backend, Binding, Config, Environment, Plugin, Service
    from twistedgw.errors import Problem

__all__ = ["Bound", "bind", "environment_backend"]

Bound = Mapping["tuple[str, str, str, str]", "Plugin"]
"""(plugin type, service, environment, API) to the plugin that is bound there."""


def environment_backend(config: Config, environment: Environment, api: Api) -> Backend:
    """Give the backend of an API in an environment, which may have its own."""
    return config.backends[environment.backend or api.backend]


def bind(config: Config) -> tuple[Bound, list[Problem]]:
    """Resolve every binding.

    Returns:
        the plugins that are bound, and what is wrong: a second plugin of one type for an API in an environment, a
        plugin bound by name to an API that it can do nothing for.
    """
    bound: dict[tuple[str, str, str, str], Plugin] = {}
    owners: dict[tuple[str, str, str, str], Binding] = {}
    problems: list[Problem] = []
    for binding in config.bindings.values():
        plugin, service = config.plugins[binding.plugin], config.services[binding.service]
        environment = service.environments[binding.environment]
        for api in _apis(service, binding.apis):
            grpc = environment_backend(config, environment, api).protocol.is_grpc
            if not grpc and PLUGIN_TYPES[plugin.type].grpc_only:
                if binding.apis is not None:
                    problems.append(_no_grpc(binding, plugin, api))
                continue
            key = (plugin.type, service.name, environment.name, api.name)
            other = bound.setdefault(key, plugin)
            if other is plugin:
                owners.setdefault(key, binding)
            else:
                problems.append(_second(binding, plugin, api, owners[key], other))
    return bound, problems


def _apis(service: Service, names: Iterable[str] | None) -> Iterable[Api]:
    return service.apis.values() if names is None else [service.apis[name] for name in names]


def _no_grpc(binding: Binding, plugin: Plugin, api: Api) -> Problem:
    return binding.place.problem(
        "apis",
        f"API {binding.service}/{api.name} goes to an HTTP backend in environment {binding.environment},"
        f" so plugin {plugin.name} of type {plugin.type} has nothing to convert",
        "leave it out of 'apis'",
    )


def _second(binding: Binding, plugin: Plugin, api: Api, owner: Binding, other: Plugin) -> Problem:
    return binding.place.problem(
        "plugin",
        f"API {binding.service}/{api.name} in environment {binding.environment} has two plugins of type"
        f" {plugin.type}: {other.name} by [{owner.place.section}] ({owner.place.file}:{owner.place.line})"
        f" and {plugin.name} by this binding",
        "keep one of the two",
    )
