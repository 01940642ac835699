"""Puts the rooms together: from the path of a configuration to everything that a generation serves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twistedgw.backends.http import HttpUpstream
from twistedgw.config.load import load
from twistedgw.errors import ConfigError, Problem
from twistedgw.reflecting import reflect_in_child
from twistedgw.registry.build import Builder
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.descriptor_set import DescriptorSetSource
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.reflection import ReflectionSource
from twistedgw.schema.source import Origin, Source
from twistedgw.web.listeners import Listening, check_listeners
from twistedgw.web.site import acceptable_protocols

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.backends.call import Bridge
    from twistedgw.config.model import Backend, Config, Plugin
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.schema.schema import Schema

__all__ = ["Assembled", "Assembly"]


@dataclass(frozen=True, slots=True)
class Assembled:
    """All that one generation needs.

    Attributes:
        listening: by endpoint description.
    """

    snapshot: Snapshot
    listening: Mapping[str, Listening]


class Assembly:
    """Reads a configuration again and again, keeping what is dear from one time to the next."""

    def __init__(
        self, path: Path, bridge: Callable[[Config], Bridge], reactor: Any, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Make one; reads nothing yet.

        Args:
            path: of the main INI file.
            bridge: makes the bridge, once, from the first configuration that is right.
            environ: what ``${NAME}`` stands for.
        """
        self.path = path
        self._environ = environ
        self._reactor = reactor
        self._make_bridge = bridge
        self._bridge: Bridge | None = None
        self._cache = SchemaCache()
        self._builder = Builder(self._schema, self._upstream)

    @property
    def bridge(self) -> Bridge:
        """The bridge. There is one once a configuration was loaded."""
        assert self._bridge is not None, "nothing was loaded"
        return self._bridge

    def load(self, previous: Snapshot | None = None) -> Assembled:
        """Read, compile and build the next generation, off to the side. Blocks: runs in a worker.

        Raises:
            ConfigError: everything that is wrong.
        """
        config = load(self.path, self._environ)
        if self._bridge is None:
            self._bridge = self._make_bridge(config)
        self._bridge.max_response_message = config.gateway.max_response_message
        problems: list[Problem] = []
        listening: dict[str, Listening] = {}
        try:
            listening = check_listeners(config.listeners, self._reactor, acceptable_protocols)
        except ConfigError as error:
            problems += error.problems
        try:
            snapshot = self._builder.build(config, previous)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
        return Assembled(snapshot, listening)

    def _upstream(self, backend: Backend) -> Any:
        return self.bridge.upstream(backend) if backend.protocol.is_grpc else HttpUpstream(backend, self._reactor)

    def _schema(self, plugin: Plugin, backends: Mapping[str, Backend]) -> Schema:
        return self._source(plugin, backends).load()

    def _source(self, plugin: Plugin, backends: Mapping[str, Backend]) -> Source:
        origin = Origin(plugin.place, Path.cwd())
        if plugin.descriptor_set is not None:
            return DescriptorSetSource(plugin.descriptor_set, cache=self._cache, origin=origin)
        if plugin.reflection is not None:
            backend = backends[plugin.reflection]
            return ReflectionSource(
                lambda timeout: reflect_in_child(backend, timeout), backend.name, cache=self._cache, origin=origin
            )
        return ProtoSource(plugin.proto, plugin.import_path, cache=self._cache, origin=origin)
