"""What the API shows: one generation, and what the store knows of its objects besides."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.registry.bindings import environment_backend
from twistedgw.registry.route import GrpcRoute
from twistedgw.registry.store import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twistedgw.admin.world import Types
    from twistedgw.config.model import Api, Binding, Config, Environment, Place, Service
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.registry.store import Store
    from twistedgw.registry.store_text import Stored

__all__ = ["Use", "View"]


@dataclass(frozen=True, slots=True)
class Use:
    """A plugin that is bound to an API in an environment."""

    plugin: str
    type: str
    service: str
    environment: str
    api: str
    binding: str


class View:
    """One generation, as the API shows it. Immutable, and safe from any thread.

    Attributes:
        snapshot: of the generation.
        config: its configuration.
        types: the API's message classes.
        store: for the files of its objects.
        stored: the store's sections by name.
    """

    def __init__(self, snapshot: Snapshot, types: Types, store: Store, stored: Mapping[str, Stored], file: str) -> None:
        """Make one.

        Args:
            file: the store's file, as places show it.
        """
        self.snapshot = snapshot
        self.config: Config = snapshot.config
        self.types = types
        self.store = store
        self.stored = stored
        self.file = file

    # -- where objects come from

    def section(self, place: Place) -> Stored | None:
        """Give an object's section where the store has it; None where it is the operator's.

        No name is declared twice, so what the store has is nobody else's; the folder may be shown in several ways.
        """
        return self.stored.get(place.section) if os.path.basename(place.file) == FILE else None

    def origin(self, place: Place, *, implied: bool = False) -> Any:
        """Give where an object is declared, as a message."""
        if implied:
            return self.types.Origin(implied=True)
        return self.types.Origin(file=place.file, line=place.line, read_only=self.section(place) is None)

    def dress(self, message: Any, place: Place, *content: object, implied: bool = False) -> Any:
        """Fill in what all objects have: origin, times and etag.

        Args:
            content: what the etag stands for, besides the section's revision.
        """
        section = None if implied else self.section(place)
        message.origin.CopyFrom(self.origin(place, implied=implied))
        if section is not None and section.created:
            message.create_time.FromMicroseconds(round(section.created * 1_000_000))
        if section is not None and section.changed:
            message.update_time.FromMicroseconds(round(section.changed * 1_000_000))
        revision = 0 if section is None else section.revision
        digest = hashlib.sha256(repr((type(message).__name__, message.name, revision, content)).encode())
        message.etag = digest.hexdigest()[:16]
        return message

    # -- who uses what

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every plugin that is bound, by binding, in the order of the configuration."""
        return tuple(use for binding in self.config.bindings.values() for use in self.uses_of(binding))

    def uses_of(self, binding: Binding) -> Iterator[Use]:
        """Give what a binding binds."""
        plugin, service = self.config.plugins[binding.plugin], self.config.services[binding.service]
        environment = service.environments[binding.environment]
        for name in service.apis if binding.apis is None else binding.apis:
            if self.takes(plugin.type, environment, service.apis[name]):
                yield Use(plugin.name, plugin.type, service.name, environment.name, name, binding.name)

    def takes(self, plugin_type: str, environment: Environment, api: Api) -> bool:
        """Whether a plugin of this type can do something for an API there."""
        return self.is_grpc(environment, api) or not PLUGIN_TYPES[plugin_type].grpc_only

    def is_grpc(self, environment: Environment, api: Api) -> bool:
        """Whether the calls of an API go to a gRPC backend there."""
        return environment_backend(self.config, environment, api).protocol.is_grpc

    @cached_property
    def by_plugin(self) -> Mapping[str, list[Use]]:
        """The uses of each plugin, each API and environment once."""
        found: dict[str, dict[tuple[str, str, str], Use]] = {}
        for use in self.uses:
            found.setdefault(use.plugin, {}).setdefault((use.service, use.environment, use.api), use)
        return {plugin: list(uses.values()) for plugin, uses in found.items()}

    @cached_property
    def by_api(self) -> Mapping[tuple[str, str, str], Mapping[str, Use]]:
        """By service, environment and API: the use of each type of plugin."""
        found: dict[tuple[str, str, str], dict[str, Use]] = {}
        for use in self.uses:
            found.setdefault((use.service, use.environment, use.api), {}).setdefault(use.type, use)
        return found

    def unbound(self, service: Service, environment: Environment) -> list[str]:
        """Give the APIs with a gRPC backend that no plugin converts for."""
        return [
            name
            for name, api in service.apis.items()
            if self.is_grpc(environment, api)
            and "backend-grpc" not in self.by_api.get((service.name, environment.name, name), {})
        ]

    @cached_property
    def backend_users(self) -> Mapping[str, list[str]]:
        """By backend, the resource names of what names it."""
        found: dict[str, list[str]] = {}
        for service in self.config.services.values():
            for environment in service.environments.values():
                if environment.backend is not None:
                    name = f"services/{service.name}/environments/{environment.name}"
                    found.setdefault(environment.backend, []).append(name)
            for api in service.apis.values():
                found.setdefault(api.backend, []).append(f"services/{service.name}/apis/{api.name}")
        for plugin in self.config.plugins.values():
            reflection = getattr(plugin, "reflection", None)
            if reflection is not None:
                found.setdefault(reflection, []).append(f"plugins/{plugin.name}")
        return found

    @cached_property
    def route_counts(self) -> Mapping[tuple[str, str], int]:
        """By service and environment, how many routes are served."""
        found: dict[tuple[str, str], int] = {}
        for route in self.snapshot.routes:
            key = (route.origin.service, route.origin.environment)
            found[key] = found.get(key, 0) + 1
        return found

    @cached_property
    def grpc_routes(self) -> Mapping[str, list[GrpcRoute]]:
        """By plugin, the routes that it converts for."""
        found: dict[str, list[GrpcRoute]] = {}
        for route in self.snapshot.routes:
            if isinstance(route, GrpcRoute):
                found.setdefault(route.plugin.name, []).append(route)
        return found
