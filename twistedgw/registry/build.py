"""From a configuration to a snapshot, built off to the side. Runs in a worker thread; touches nothing that serves."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import TYPE_CHECKING, Any

from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
from twistedgw.errors import ConfigError, Problem
from twistedgw.registry.bindings import bind
from twistedgw.registry.candidates import GUESSED, OWN, Candidate, Candidates, Worlds
from twistedgw.registry.hosts import HostTable, host_classes
from twistedgw.registry.route import GrpcRoute, Route
from twistedgw.registry.snapshot import Snapshot
from twistedgw.transcoding.codec import Codec, JsonOptions
from twistedgw.transcoding.router import Router, RouterBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twistedgw.config.model import Backend, Config
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.schema.schema import Schema

__all__ = ["Builder"]


class Builder:
    """Builds snapshots, keeping from the one before what has not changed: schemas, codecs, upstreams."""

    def __init__(
        self,
        schema: Callable[[BackendGrpcPlugin, Mapping[str, Backend]], Schema],
        upstream: Callable[[Backend], Any],
    ) -> None:
        """Make one.

        Args:
            schema: loads a plugin's types; raises `ConfigError`.
            upstream: makes a backend's upstream, opening nothing; raises `ConfigError`.
        """
        self._schema = schema
        self._upstream = upstream

    def build(self, config: Config, previous: Snapshot | None = None, generation: int = 0) -> Snapshot:
        """Build the next generation.

        Args:
            config: what it means.
            previous: whatever has not changed is taken over from it.
            generation: its number; 0 for the one after `previous`.

        Raises:
            ConfigError: everything that is wrong, of every room, at once.
        """
        problems: list[Problem] = []
        worlds = self._worlds(config, previous, problems)
        bound, wrong = bind(config)
        problems += wrong
        candidates = Candidates(config, bound, worlds, previous.routes if previous else ())
        by_service = {name: candidates.of(service) for name, service in config.services.items()}
        problems += candidates.problems
        tables = _Tables(config, by_service)
        hosts = tables.hosts()
        problems += tables.problems
        if problems:
            raise ConfigError(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
        return Snapshot(
            generation=generation or (previous.generation + 1 if previous else 1),
            config=config,
            digest=_digest(config, worlds),
            hosts=hosts,
            routes=tables.served(),
            schemas=worlds.schemas,
            codecs=worlds.codecs,
            upstreams=worlds.upstreams,
            stages=worlds.stages,
            trusted=tuple(ipaddress.ip_network(each) for each in config.gateway.trusted_proxies),
        )

    def _worlds(self, config: Config, previous: Snapshot | None, problems: list[Problem]) -> Worlds:
        schemas: dict[str, Schema] = {}
        codecs: dict[str, Codec] = {}
        for name, plugin in config.plugins.items():
            if not isinstance(plugin, BackendGrpcPlugin):
                continue
            try:
                schema = schemas[name] = self._schema(plugin, config.backends)
            except ConfigError as error:
                problems += error.problems
            else:
                codecs[name] = _codec(name, schema, _json_options(plugin), previous)
        return Worlds(schemas, codecs, self._upstreams(config, previous, problems), _stages(config, previous))

    def _upstreams(self, config: Config, previous: Snapshot | None, problems: list[Problem]) -> dict[str, Any]:
        known = previous.upstreams if previous else {}
        found: dict[str, Any] = {}
        for name, backend in config.backends.items():
            try:
                fresh = self._upstream(backend)
            except ConfigError as error:
                problems += error.problems
            else:
                kept = known.get(name)
                found[name] = kept if kept is not None and kept.identity == fresh.identity else fresh
        return found


def _stages(config: Config, previous: Snapshot | None) -> dict[str, Stage]:
    known = previous.stages if previous else {}
    found = {name: PLUGIN_TYPES[plugin.type].stage(plugin, known.get(name)) for name, plugin in config.plugins.items()}
    return {name: stage for name, stage in found.items() if stage is not None}


def _json_options(plugin: BackendGrpcPlugin) -> JsonOptions:
    return JsonOptions(
        always_print_fields=plugin.always_print_fields,
        preserve_proto_field_names=plugin.preserve_proto_field_names,
        enums_as_numbers=plugin.enums_as_numbers,
        case_insensitive_enums=plugin.case_insensitive_enums,
        ignore_unknown_fields=plugin.ignore_unknown_fields,
    )


def _codec(name: str, schema: Schema, options: JsonOptions, previous: Snapshot | None) -> Codec:
    if previous and previous.schemas.get(name) is schema and previous.codecs[name].options == options:
        return previous.codecs[name]
    return Codec(schema.pool, options)


class _Tables:
    """Builds the routers, one for each set of services that answer together, and finds what collides."""

    def __init__(self, config: Config, by_service: Mapping[str, list[Candidate]]) -> None:
        self._config = config
        self._by_service = by_service
        self._routers: dict[frozenset[str], Router[Route]] = {}
        self._told: set[tuple[int, int]] = set()
        self._served: set[int] = set()
        self.problems: list[Problem] = []

    def hosts(self) -> HostTable:
        services = self._config.services.values()
        return HostTable(
            http=self._table([service.name for service in services if service.http]),
            https=self._table([service.name for service in services if service.https]),
        )

    def served(self) -> tuple[Route, ...]:
        """Give the routes that are reachable, in the order of the configuration."""
        return tuple(
            candidate.route
            for group in self._by_service.values()
            for candidate in group
            if id(candidate.route) in self._served
        )

    def _table(self, names: Iterable[str]) -> dict[str, Router[Route]]:
        classes = host_classes({name: self._config.services[name].hosts for name in names})
        for members in classes.values():
            if members not in self._routers:
                self._routers[members] = self._router(members)
        return {pattern: self._routers[members] for pattern, members in classes.items()}

    def _router(self, members: frozenset[str]) -> Router[Route]:
        builder: RouterBuilder[Route] = RouterBuilder()
        candidates: dict[int, Candidate] = {}
        for candidate in _ranked(group for name, group in self._by_service.items() if name in members):
            candidates[id(candidate.route)] = candidate
            for method in candidate.methods:
                route = builder.add(method, candidate.route.template, candidate.route)
                if route is None:
                    self._served.add(id(candidate.route))
                else:
                    self._collide(method, candidate, candidates[id(route)])
        return builder.build()

    def _collide(self, method: str, candidate: Candidate, other: Candidate) -> None:
        pair = (id(other), id(candidate))
        if not _yields(candidate, other) and pair not in self._told:
            self._told.add(pair)
            self.problems.append(_collision(method, candidate, other))


def _ranked(groups: Iterable[list[Candidate]]) -> list[Candidate]:
    return sorted((candidate for group in groups for candidate in group), key=lambda candidate: candidate.rank)


def _yields(candidate: Candidate, other: Candidate) -> bool:
    """Whether a candidate gives way without a word to the one that has its place already."""
    if candidate.rank == GUESSED:
        return True
    mine, its = candidate.route, other.route
    same_place = (mine.origin.service, mine.origin.environment) == (its.origin.service, its.origin.environment)
    if not same_place or candidate.rank == other.rank:
        return False
    same_rpc = isinstance(mine, GrpcRoute) and isinstance(its, GrpcRoute) and mine.method is its.method
    return other.rank == OWN or same_rpc


def _collision(method: str, candidate: Candidate, other: Candidate) -> Problem:
    mine, its = candidate.route, other.route
    message = (
        f"{method} {mine.template.text} ({mine.origin}, {mine.rpc}) is the same as"
        f" {its.template.text} ({its.origin}, {its.rpc}, {its.written})"
    )
    if mine.origin.service != its.origin.service:
        return candidate.problem(
            f"{message}, and the hosts of services {its.origin.service} and {mine.origin.service} overlap",
            "give one of them other hosts, or its environment another prefix",
        )
    return candidate.problem(message, "")


def _digest(config: Config, worlds: Worlds) -> str:
    parts = [
        repr(config),
        *(f"{name}={schema.digest}" for name, schema in sorted(worlds.schemas.items())),
        *(f"{name}={upstream.identity!r}" for name, upstream in sorted(worlds.upstreams.items())),
    ]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
