"""What is right in a configuration and still hardly meant. Nothing here keeps a snapshot from being served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from twistedgw.registry.bindings import Bound, bind, environment_backend
from twistedgw.registry.lint_rules import RuleUse, rule_warnings
from twistedgw.transcoding.rule import HttpRule
from twistedgw.transcoding.template import Template

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twistedgw.config.model import Api, Config, Service
    from twistedgw.errors import Problem
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.schema.schema import Schema

__all__ = ["lint"]

_Paths = Mapping["tuple[str, Hashable]", "Api"]


def lint(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give the warnings about a snapshot, each once, in the order of files and lines. Any thread; slow is fine."""
    config = snapshot.config
    bound, _ = bind(config)
    found = [problem for schema in snapshot.schemas.values() for problem in schema.problems]
    found += _rules(snapshot, bound)
    found += _unserved_services(config)
    found += _unbound_apis(config, bound)
    found += _unused(config)
    found += _unpublished_bindings(config)
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.file, each.line, each.column)))


def _rules(snapshot: Snapshot, bound: Bound) -> Iterator[Problem]:
    for service in snapshot.config.services.values():
        own = _own_paths(service)
        for api in service.apis.values():
            for plugin in _plugins(service, api, bound):
                for use in _uses(api, snapshot.schemas[plugin]):
                    yield from rule_warnings(use)
                    if use.annotated:
                        yield from _replaced(use, own)


def _plugins(service: Service, api: Api, bound: Bound) -> Iterable[str]:
    """Give the names of the plugins that convert for an API in environments that are published, each once."""
    published = [environment.name for environment in service.environments.values() if environment.published]
    found = [bound.get(("backend-grpc", service.name, name, api.name)) for name in published]
    return dict.fromkeys(plugin.name for plugin in found if plugin is not None)


def _uses(api: Api, schema: Schema) -> Iterator[RuleUse]:
    service = schema.services.get(api.rpc_service or "")
    for method in service.methods if service else ():
        if api.whole_service:
            if method.name not in api.exclude:
                yield from (RuleUse(api, schema, method, rule, annotated=True) for rule in schema.rules(method))
        elif method.name == api.rpc_method and api.method is not None and api.path is not None:
            rule = HttpRule(api.method, api.path, api.body, api.response_body)
            yield RuleUse(api, schema, method, rule, annotated=False)


def _own_paths(service: Service) -> _Paths:
    """Give the APIs that are declared by themselves, by method and shape: they come before a whole service's rules."""
    return {
        (api.method, Template.parse(api.path).shape): api
        for api in service.apis.values()
        if api.method is not None and api.path is not None
    }


def _replaced(use: RuleUse, own: _Paths) -> Iterator[Problem]:
    """Tell of a rule whose place APIs of other RPCs have taken.

    This is the one way for a template never to be matched. Two of one shape in one environment are an error otherwise,
    and no number of templates takes all paths of another one: for a ``*`` they would need a literal for every text,
    and what they leave of a ``**`` is at least the paths with an empty segment, since neither ``*`` nor a literal
    takes one; a verb is looked for only where a path has a colon, which ``%3A`` is not.
    """
    shape = Template.parse(use.rule.template).shape if use.methods else None
    takers = [own.get((method, shape)) for method in use.methods]
    for api in {id(api): api for api in takers if api is not None}.values() if None not in takers else ():
        if f"{api.rpc_service}.{api.rpc_method}" != use.method.full_name:
            yield api.place.problem(
                "path",
                f"takes the place of {use.rule.method} {use.rule.template} of {use.method.full_name} ({use.written}),"
                " which is never matched",
                f"if that is meant, [{use.api.place.section}] can leave the method out: except = {use.method.name}",
            )


# -- what the configuration alone tells


def _unserved_services(config: Config) -> Iterator[Problem]:
    protocols = {listener.tls for listener in config.listeners.values()}
    for service in config.services.values():
        place = service.place
        if not service.apis:
            yield place.problem("", "has no APIs", f"add [api:{service.name}/NAME]")
        if not any(environment.published for environment in service.environments.values()):
            yield place.problem("", "is published in no environment, so nothing of it is served")
        # A trusted proxy may say with X-Forwarded-Proto that the other protocol was spoken.
        taken = {tls for tls, wanted in ((False, service.http), (True, service.https)) if wanted}
        if not taken & protocols and not config.gateway.trusted_proxies:
            name = "HTTPS" if service.https else "HTTP"
            yield place.problem("protocols", f"wants {name}, which no listener speaks, so nothing of it is served")


def _unbound_apis(config: Config, bound: Bound) -> Iterator[Problem]:
    for service in config.services.values():
        published = [environment for environment in service.environments.values() if environment.published]
        for api in service.apis.values():
            grpc = any(environment_backend(config, each, api).protocol.is_grpc for each in published)
            if grpc and not _plugins(service, api, bound):
                yield api.place.problem(
                    "",
                    "has no backend-grpc plugin in any environment that is published, so every request to it is an"
                    " error (PLUGIN_NOT_BOUND)",
                    f"add a [binding:NAME] with service = {service.name} and apis = {api.name}",
                )


def _unused(config: Config) -> Iterator[Problem]:
    plugins = {binding.plugin for binding in config.bindings.values()}
    for plugin in config.plugins.values():
        if plugin.name not in plugins:
            yield plugin.place.problem("", "is bound nowhere")
    backends = {
        *(getattr(plugin, "reflection", None) for plugin in config.plugins.values()),
        *_named_backends(config.services.values()),
    }
    for backend in config.backends.values():
        if backend.name not in backends:
            yield backend.place.problem("", "is used by no API, no environment and no plugin")


def _named_backends(services: Iterable[Service]) -> Iterator[str | None]:
    for service in services:
        for api in service.apis.values():
            yield api.backend
        for environment in service.environments.values():
            yield environment.backend


def _unpublished_bindings(config: Config) -> Iterator[Problem]:
    for binding in config.bindings.values():
        environment = config.services[binding.service].environments[binding.environment]
        if not environment.published:
            message = f"is {binding.environment}, which is not published for service {binding.service}"
            yield binding.place.problem("environment", f"{message}, so the binding has no effect")
