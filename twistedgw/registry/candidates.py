"""The routes that one API asks for in one environment, before they meet those of the others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
from twistedgw.errors import Problem
from twistedgw.registry.bindings import Bound, environment_backend
from twistedgw.registry.documents import document_paths
from twistedgw.registry.route import DocumentRoute, GrpcRoute, Origin, ProxyRoute, Route, Stages, UnboundRoute
from twistedgw.transcoding.binder import check_rule
from twistedgw.transcoding.rule import METHODS, HttpRule
from twistedgw.transcoding.template import Template, TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from google.protobuf.descriptor import MethodDescriptor

    from twistedgw.config.model import Api, Config, Environment, Service
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.schema.schema import Schema
    from twistedgw.transcoding.codec import Codec

__all__ = ["Candidate", "Candidates", "Worlds"]

OWN, ANNOTATED, DEFAULT, GUESSED = range(4)
"""The order in which routes are added: an API declared by itself replaces what a whole service brings, and what a whole
service without a plugin is believed to have gives way to everything."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route that wants its place.

    Attributes:
        rank: `OWN`, `ANNOTATED`, `DEFAULT` or `GUESSED`.
        methods: the HTTP methods it asks for.
        problem: makes the `Problem` that points at where it is written.
    """

    rank: int
    methods: tuple[str, ...]
    route: Route
    problem: Callable[[str, str], Problem]


@dataclass(frozen=True, slots=True)
class Worlds:
    """What is known of each plugin that could be loaded, and of each backend that could be used.

    `stages` has the plugins that do something to requests by themselves.
    """

    schemas: Mapping[str, Schema]
    codecs: Mapping[str, Codec]
    upstreams: Mapping[str, Any]
    stages: Mapping[str, Stage]


class Candidates:
    """Collects the candidates of every published API, and what is wrong with them."""

    def __init__(self, config: Config, bound: Bound, worlds: Worlds, known: Iterable[Route] = ()) -> None:
        """Collect nothing yet.

        Args:
            known: the routes of the generation before: their templates are not parsed again.
        """
        self._config = config
        self._bound = bound
        self._worlds = worlds
        self._parsed: dict[str, Template | TemplateError] = {
            # A template with a prefix before it was not parsed as it stands.
            route.template.text: route.template
            for route in known
            if route.template.text == route.rule.template
        }
        self._checked: dict[tuple[HttpRule, MethodDescriptor], list[str]] = {}
        self.problems: list[Problem] = []

    def of(self, service: Service) -> list[Candidate]:
        """Give the candidates of a service, in all of its published environments, by rank."""
        found: list[Candidate] = []
        for environment in service.environments.values():
            if environment.published:
                for api in service.apis.values():
                    found.extend(self._of_api(service, environment, api))
                found.extend(self._documents(service, environment))
        found.sort(key=lambda candidate: candidate.rank)
        return found

    def _of_api(self, service: Service, environment: Environment, api: Api) -> Iterator[Candidate]:
        origin = Origin(service.name, environment.name, api.name)
        backend = environment_backend(self._config, environment, api)
        upstream = self._worlds.upstreams.get(backend.name)
        if upstream is None:
            return  # its own problem has been told
        if not backend.protocol.is_grpc:
            yield from self._proxied(origin, environment, api, upstream)
            return
        plugin = self._bound.get(("backend-grpc", *_key(origin)))
        if plugin is None:
            yield from self._unbound(origin, environment, api)
        elif isinstance(plugin, BackendGrpcPlugin) and plugin.name in self._worlds.schemas:
            yield from _Bound(self, origin, environment, api, plugin, upstream, self.stages(origin)).candidates()

    # -- documentation

    def _documents(self, service: Service, environment: Environment) -> Iterator[Candidate]:
        for option, form, path in document_paths(service):

            def problem(message: str, hint: str, option: str = option) -> Problem:
                return service.place.problem(option, message, hint)

            template = self.template(path, environment, problem)
            if template is not None:
                origin = Origin(service.name, environment.name, option)
                place = service.place
                written = f"{place.file}:{place.options.get(option, place.line)}"
                route = DocumentRoute(origin, HttpRule("GET", path), template, written, form)
                yield Candidate(OWN, ("GET",), route, problem)

    # -- HTTP backends

    def _proxied(self, origin: Origin, environment: Environment, api: Api, upstream: Any) -> Iterator[Candidate]:
        assert api.method is not None
        assert api.path is not None
        template = self.template(api.path, environment, lambda text, hint: api.place.problem("path", text, hint))
        if template is None:
            return
        rule = HttpRule(api.method, api.path)
        prefix = environment.prefix.encode("utf-8")
        route = ProxyRoute(origin, rule, template, _written(api), upstream, prefix, api.timeout, self.stages(origin))
        yield Candidate(OWN, (api.method,), route, _problem(api, "path"))

    # -- no plugin bound

    def _unbound(self, origin: Origin, environment: Environment, api: Api) -> Iterator[Candidate]:
        for rank, rule, rpc in self._known_rules(api):
            template = self.template(rule.template, environment, _problem(api, "path"))
            if template is not None:
                route = UnboundRoute(origin, rule, template, _written(api), rpc, self.stages(origin))
                yield Candidate(rank, _methods(rule.method), route, _problem(api, "path"))

    def _known_rules(self, api: Api) -> Iterator[tuple[int, HttpRule, str]]:
        """Give the paths that an API is known to have without a plugin of its own.

        Those of a whole service are told by any plugin that defines it, and the path of its RPCs is known anyway.
        """
        rpc = f"{api.rpc_service}/{api.rpc_method}"
        if not api.whole_service:
            assert api.method is not None
            assert api.path is not None
            yield OWN, HttpRule(api.method, api.path), rpc
            return
        seen = set()
        for schema in self._worlds.schemas.values():
            service = schema.services.get(api.rpc_service or "")
            for method in service.methods if service else ():
                for rule in schema.rules(method) if method.name not in api.exclude else ():
                    key = (rule.method, rule.template)
                    if key not in seen and isinstance(self.parse(rule.template), Template):
                        seen.add(key)
                        yield GUESSED, rule, f"{api.rpc_service}/{method.name}"
        yield GUESSED, HttpRule("*", f"/{api.rpc_service}/*"), rpc

    # -- shared

    def parse(self, text: str) -> Template | TemplateError:
        """Parse a template, each text once."""
        known = self._parsed.get(text)
        if known is None:
            try:
                known = Template.parse(text)
            except TemplateError as error:
                known = error
            self._parsed[text] = known
        return known

    def template(self, text: str, environment: Environment, problem: Callable[[str, str], Problem]) -> Template | None:
        """Parse a template and put the environment's prefix before it; None where that failed and was told."""
        template = self.parse(text)
        if isinstance(template, TemplateError):
            self.problems.append(problem(f"path template {text!r}, {template}", ""))
            return None
        return template.with_prefix(environment.prefix)

    def check(self, rule: HttpRule, template: Template, method: MethodDescriptor) -> list[str]:
        """Check a rule against its types, each once however many environments have it."""
        known = self._checked.get((rule, method))
        if known is None:
            known = self._checked[rule, method] = check_rule(rule, template, method)
        return known

    def stages(self, origin: Origin) -> Stages:
        """Give what the plugins bound to an API do to its requests, in the order of their types."""
        bound = [self._bound.get((name, *_key(origin))) for name in PLUGIN_TYPES]
        found = [self._worlds.stages.get(plugin.name) for plugin in bound if plugin is not None]
        return tuple(stage for stage in found if stage is not None)

    def route(self, plugin: BackendGrpcPlugin, upstream: Any, api: Api, **parts: Any) -> GrpcRoute:
        """Make a route into a plugin's world."""
        return GrpcRoute(
            plugin=plugin,
            schema=self._worlds.schemas[plugin.name],
            codec=self._worlds.codecs[plugin.name],
            upstream=upstream,
            timeout=api.timeout,
            **parts,
        )

    def schema(self, plugin: BackendGrpcPlugin) -> Schema:
        """Give the schema of a plugin that was loaded."""
        return self._worlds.schemas[plugin.name]


@dataclass(frozen=True, slots=True)
class _Bound:
    """One API that a plugin is bound to."""

    all: Candidates
    origin: Origin
    environment: Environment
    api: Api
    plugin: BackendGrpcPlugin
    upstream: Any
    stages: Stages

    def candidates(self) -> Iterator[Candidate]:
        methods = self._methods()
        if self.api.whole_service:
            for method in methods:
                yield from self._annotated(method)
                yield from self._default(method)
        else:
            for method in methods:
                yield from self._own(method)

    def _methods(self) -> Iterable[MethodDescriptor]:
        schema, api = self.all.schema(self.plugin), self.api
        service = schema.services.get(api.rpc_service or "")
        if service is None:
            self._tell(
                f"plugin {self.plugin.name} defines no service {api.rpc_service}", api.rpc_service, schema.services
            )
            return []
        names = {method.name: method for method in service.methods}
        for name in api.exclude:
            if name not in names:
                message = f"service {service.full_name} has no method {name}"
                self.all.problems.append(api.place.problem("except", message, _nearest(name, names)))
        if api.whole_service:
            return [method for name, method in names.items() if name not in api.exclude]
        if api.rpc_method not in names:
            self._tell(f"service {service.full_name} has no method {api.rpc_method}", api.rpc_method, names)
            return []
        return [names[api.rpc_method]]

    def _tell(self, message: str, name: str | None, known: Iterable[str]) -> None:
        self.all.problems.append(self.api.place.problem("rpc", message, _nearest(name or "", known)))

    def _own(self, method: MethodDescriptor) -> Iterator[Candidate]:
        api = self.api
        assert api.method is not None
        assert api.path is not None
        rule = HttpRule(api.method, api.path, api.body, api.response_body)
        yield from self._ruled(OWN, "api", rule, method, _written(api), _problem(api, "path"))

    def _annotated(self, method: MethodDescriptor) -> Iterator[Candidate]:
        schema = self.all.schema(self.plugin)
        place = schema.place(method.full_name)
        written = f"{place[0]}:{place[1]}" if place else f"plugin {self.plugin.name}"

        def problem(message: str, hint: str) -> Problem:
            hint = hint or f"[{self.api.place.section}] can leave it out: except = {method.name}"
            message = f"{method.full_name}: {message}"
            if place:
                return Problem(file=place[0], line=place[1], column=place[2], message=message, hint=hint)
            return self.api.place.problem("rpc", message, hint)

        for rule in schema.rules(method):
            if _methods(rule.method):
                yield from self._ruled(ANNOTATED, "google.api.http", rule, method, written, problem)

    def _default(self, method: MethodDescriptor) -> Iterator[Candidate]:
        rule = HttpRule("POST", f"/{method.containing_service.full_name}/{method.name}", "*")
        yield from self._ruled(DEFAULT, "default", rule, method, _written(self.api), _problem(self.api, "rpc"))

    def _ruled(
        self,
        rank: int,
        kind: str,
        rule: HttpRule,
        method: MethodDescriptor,
        written: str,
        problem: Callable[[str, str], Problem],
    ) -> Iterator[Candidate]:
        template = self.all.template(rule.template, self.environment, problem)
        if template is None:
            return
        wrong = self.all.check(rule, template, method)
        self.all.problems.extend(problem(sentence, "") for sentence in wrong)
        if wrong:
            return
        route = self.all.route(
            self.plugin,
            self.upstream,
            self.api,
            origin=self.origin,
            stages=self.stages,
            rule=rule,
            template=template,
            written=written,
            kind=kind,
            method=method,
        )
        yield Candidate(rank, _methods(rule.method), route, problem)


def _key(origin: Origin) -> tuple[str, str, str]:
    return (origin.service, origin.environment, origin.api)


def _methods(method: str) -> tuple[str, ...]:
    """Give the methods that an API with a gRPC backend answers for a rule's; none for a custom kind outside of them."""
    if method == "*":
        return METHODS
    return (method,) if method in METHODS else ()


def _written(api: Api) -> str:
    return f"{api.place.file}:{api.place.line}"


def _problem(api: Api, option: str) -> Callable[[str, str], Problem]:
    return lambda message, hint: api.place.problem(option, message, hint)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"it has {', '.join(sorted(names)[:8])}" if names else ""
