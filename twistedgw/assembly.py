"""Puts the rooms together: from the path of a configuration to everything that a generation serves."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twistedgw.backends.bridges import make_bridge
from twistedgw.backends.http import HttpUpstream
from twistedgw.config.load import load
from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
from twistedgw.errors import ConfigError, Problem
from twistedgw.material import Contents, Material
from twistedgw.reflecting import reflect_in_child
from twistedgw.registry.build import Builder
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.descriptor_set import DescriptorSetSource
from twistedgw.schema.protos import ProtoSource, load_all
from twistedgw.schema.reflection import ReflectionSource
from twistedgw.schema.source import Origin, Source
from twistedgw.web.listeners import Listening, check_listeners
from twistedgw.web.site import acceptable_protocols

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.backends.call import Bridge
    from twistedgw.config.model import Backend, Config
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.schema.schema import Schema

__all__ = ["Assembled", "Assembly", "gateway_bridge"]


@dataclass(frozen=True, slots=True)
class Assembled:
    """All that one generation needs.

    Attributes:
        listening: by endpoint description.
        files: the contents of certificates and keys.
    """

    snapshot: Snapshot
    listening: Mapping[str, Listening]
    files: Mapping[Path, bytes] = field(default_factory=dict, repr=False)

    def material(self) -> Material:
        """Give what another process needs to build this generation. Blocks for a moment: runs in a worker."""
        snapshot = self.snapshot
        return Material(
            generation=snapshot.generation,
            digest=snapshot.digest,
            config=snapshot.config,
            schemas={name: schema.digest for name, schema in snapshot.schemas.items()},
            parts={schema.digest: schema.parts() for schema in snapshot.schemas.values()},
            files=self.files,
        )


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

    @property
    def bridge(self) -> Bridge:
        """The bridge. There is one once a configuration was loaded."""
        assert self._bridge is not None, "nothing was loaded"
        return self._bridge

    @property
    def cache(self) -> SchemaCache:
        """What was compiled. Any thread."""
        return self._cache

    def load(self, previous: Snapshot | None = None, texts: Mapping[Path, str] = MappingProxyType({})) -> Assembled:
        """Read, compile and build the next generation, off to the side. Blocks: runs in a worker.

        Args:
            previous: whatever has not changed is taken over from it.
            texts: what is read in place of INI files, to see what would be if they were written.

        Raises:
            ConfigError: everything that is wrong.
        """
        contents = Contents()
        config = load(self.path, self._environ, texts)
        builder = Builder(self._schemas(config), self._upstreams(contents))
        return self._assemble(config, previous, builder, contents, 0)

    def rebuild(self, material: Material, previous: Snapshot | None = None) -> Assembled:
        """Build the generation that another process has read. Blocks: runs in a worker.

        Raises:
            ConfigError: what it is made of does not fit together; the parent would have found that.
            RuntimeError: it came out different from the parent's.
        """
        parts, schemas = material.parts, material.schemas
        builder = Builder(
            lambda plugin, _: self._cache.restore(parts[schemas[plugin.name]]), self._upstreams(material.content)
        )
        made = self._assemble(material.config, previous, builder, material.content, material.generation)
        if made.snapshot.digest != material.digest:
            raise RuntimeError(f"generation {material.generation} came out different from the parent's")
        return made

    def _assemble(
        self,
        config: Config,
        previous: Snapshot | None,
        builder: Builder,
        read: Callable[[Path], bytes],
        generation: int,
    ) -> Assembled:
        if self._bridge is None:
            self._bridge = self._make_bridge(config)
        self._bridge.max_response_message = config.gateway.max_response_message
        problems: list[Problem] = []
        listening: dict[str, Listening] = {}
        try:
            # Only the process that listens can parse all endpoints: `systemd:` belongs to one process.
            parser = None if generation else self._reactor
            listening = check_listeners(config.listeners, parser, acceptable_protocols, read)
        except ConfigError as error:
            problems += error.problems
        try:
            snapshot = builder.build(config, previous, generation)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
        return Assembled(snapshot, listening, read.found if isinstance(read, Contents) else {})

    def _upstreams(self, read: Callable[[Path], bytes]) -> Callable[[Backend], Any]:
        def make(backend: Backend) -> Any:
            if backend.protocol.is_grpc:
                return self.bridge.upstream(backend, read)
            return HttpUpstream(backend, self._reactor, read)

        return make

    def _schemas(self, config: Config) -> Callable[[BackendGrpcPlugin, Mapping[str, Backend]], Schema]:
        """Give what loads the types of a plugin; with the first, the `.proto` files of all are compiled together."""
        compiled: dict[str, Schema | ConfigError] = {}

        def schema(plugin: BackendGrpcPlugin, backends: Mapping[str, Backend]) -> Schema:
            if plugin.proto and not compiled:
                compiled.update(self._compiled(config))
            outcome = compiled[plugin.name] if plugin.proto else self._source(plugin, backends).load()
            if isinstance(outcome, ConfigError):
                raise outcome
            return outcome

        return schema

    def _compiled(self, config: Config) -> dict[str, Schema | ConfigError]:
        sources = {
            plugin.name: source
            for plugin in config.plugins.values()
            if isinstance(plugin, BackendGrpcPlugin)
            and isinstance(source := self._source(plugin, config.backends), ProtoSource)
        }
        return dict(zip(sources, load_all(list(sources.values())), strict=True))

    def _source(self, plugin: BackendGrpcPlugin, backends: Mapping[str, Backend]) -> Source:
        origin = Origin(plugin.place, Path.cwd())
        if plugin.descriptor_set is not None:
            return DescriptorSetSource(plugin.descriptor_set, cache=self._cache, origin=origin)
        if plugin.reflection is not None:
            backend = backends[plugin.reflection]
            return ReflectionSource(
                lambda timeout: reflect_in_child(backend, timeout), backend.name, cache=self._cache, origin=origin
            )
        return ProtoSource(plugin.proto, plugin.import_path, cache=self._cache, origin=origin)


def gateway_bridge(config: Config, reactor: Any) -> Bridge:
    """Make the bridge that a configuration asks for; starts nothing.

    Raises:
        ConfigError: it cannot work on this reactor.
    """
    gateway = config.gateway
    return make_bridge(
        gateway.bridge,
        threads=gateway.threads,
        max_in_flight=gateway.max_in_flight,
        max_response_message=gateway.max_response_message,
        reactor=reactor,
    )
