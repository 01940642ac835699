"""What must hold between sections."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from twistedgw.config.option import RefusedError
from twistedgw.config.options import ENVIRONMENTS
from twistedgw.config.words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twistedgw.config.declared import Declared
    from twistedgw.config.model import Protocol
    from twistedgw.config.section import Section

__all__ = ["check_duplicates", "check_links", "check_names", "default_prefix"]


def default_prefix(environment: str) -> str:
    """Give the prefix of an environment where none is written; empty for the root."""
    return "" if environment == ENVIRONMENTS[0] else f"/{environment}"


def check_duplicates(declared: Declared, main: str) -> None:
    """Report what is declared more than once, and a ``[gateway]`` outside of the main file."""
    for section, first in declared.duplicates:
        same_file = first.place.file == section.place.file
        where = f"on line {first.place.line}" if same_file else f"in {first.place.file}:{first.place.line}"
        section.problem("", f"is declared twice: first {where}")
    for section in declared.of("gateway").values():
        if section.place.file != main:
            section.problem("", f"may stand in the main file only, which is {main}")


def check_names(declared: Declared) -> None:
    """Report names of what is not declared, where a single option cannot tell it."""
    services = declared.of("service")
    for kind in ("environment", "api"):
        for section in declared.of(kind).values():
            if section.names[0] not in services:
                _unknown_service(section, services)
    for section in declared.of("binding").values():
        if section.values.get("service") is not None:
            _check_binding(section, declared)


def _unknown_service(section: Section, services: Iterable[str]) -> None:
    service, name = section.names
    form = f"[{section.kind.name}:{{}}/{name}]"
    section.problem(
        "", f"belongs to a service that is not declared: {service!r}", lambda: did_you_mean(service, services, form)
    )


def _check_binding(section: Section, declared: Declared) -> None:
    service = section.values["service"]
    environment = section.values.get("environment")
    environments = declared.environments(service)
    if environment is not None and environment not in environments:
        section.refuse("environment", _not_among(environment, "environment", environments))
    apis = declared.within("api", service)
    for api in section.values.get("apis") or ():
        if api not in apis:
            section.refuse("apis", _not_among(api, "API", apis))


def _not_among(name: str, what: str, known: Iterable[str]) -> RefusedError:
    return RefusedError(f"names no {what} of the service", lambda: did_you_mean(name, known), name)


def check_links(declared: Declared) -> None:
    """Report sections that do not go together."""
    protocols = declared.protocols()
    for section in declared.of("plugin").values():
        protocol = protocols.get(section.values.get("reflection") or "")
        if protocol is not None and not protocol.is_grpc:
            reason = f"names a backend whose protocol is {protocol.value}; reflection needs grpc or grpcs"
            section.refuse("reflection", RefusedError(reason))
    for section in declared.of("environment").values():
        _check_override(section, declared, protocols)
    for service in declared.of("service"):
        _check_prefixes(service, declared)


def _check_override(section: Section, declared: Declared, protocols: Mapping[str, Protocol]) -> None:
    """A backend that takes the place of others must be of their sort, as the sort decides what an API is."""
    override = protocols.get(section.values.get("backend") or "")
    if override is None:
        return
    for api in declared.within("api", section.names[0]).values():
        protocol = protocols.get(api.values.get("backend") or "")
        if protocol is not None and protocol.is_grpc != override.is_grpc:
            sort = "a gRPC" if protocol.is_grpc else "an HTTP"
            reason = f"names a backend whose protocol is {override.value}, but [{api.place.section}] has {sort} backend"
            section.refuse("backend", RefusedError(reason))
            return


def _check_prefixes(service: str, declared: Declared) -> None:
    sections = declared.within("environment", service)
    owners: dict[str, str] = {}
    for environment in declared.environments(service):
        section = sections.get(environment)
        prefix = _prefix(environment, section)
        if prefix is None:
            continue
        other = owners.setdefault(unquote(prefix), environment)
        if other == environment:
            continue
        if section is not None and (section.values["prefix"] is not None or other not in sections):
            section.problem("prefix", f"is the same as that of environment {other!r}")
        else:
            sections[other].problem("prefix", f"is the same as that of environment {environment!r}")


def _prefix(environment: str, section: Section | None) -> str | None:
    """Give an environment's prefix, or None where it has none that counts."""
    if section is None:
        return default_prefix(environment)
    if not section.values.get("published") or "prefix" not in section.values:
        return None
    written: str | None = section.values["prefix"]
    return default_prefix(environment) if written is None else written
