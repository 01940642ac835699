"""The running gateway, as the API shows it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from twistedgw import __version__
from twistedgw.admin.examples import put_value
from twistedgw.admin.paging import matching, page
from twistedgw.admin.refusal import RefusalError, invalid, missing, problem_message
from twistedgw.admin.routes import chosen_routes, route_message, searched_route
from twistedgw.errors import ConfigError
from twistedgw.explain_text import explain_text
from twistedgw.frontends.explain import explain
from twistedgw.openapi.document import Info, document, document_of
from twistedgw.openapi.text import to_json, to_yaml
from twistedgw.registry.changes import changes
from twistedgw.registry.lint import lint
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twistedgw.admin.core import Asked, Core
    from twistedgw.admin.view import View
    from twistedgw.registry.snapshot import Snapshot

__all__ = ["GatewayMethods"]

_SHOWN_RELOADS = 20
_REQUESTS = "twistedgw_requests_total"


class GatewayMethods:
    """The methods of the service ``Gateway``, by their names in the .proto."""

    def __init__(self, core: Core, world: Snapshot) -> None:
        """Take the core, and the API's own snapshot, which it describes itself by."""
        self._core = core
        self._world = world
        self._warnings: tuple[Snapshot | None, list[Any]] = (None, [])

    # -- status

    async def GetStatus(self, _request: Any, _asked: Asked) -> Any:
        """Tell how it is."""
        gateway = self._core.gateway
        workers = await gateway.workers()
        metrics = await gateway.metrics()
        listeners = self._listeners()
        history = list(gateway.history)
        message = await self._core.read(lambda view: self._status(view, metrics))
        message.state = "serving" if gateway.ready else "draining"
        message.bridge = type(gateway.assembly.bridge).__name__.removesuffix("Bridge").lower()
        message.start_time.FromMicroseconds(round(gateway.started * 1_000_000))
        message.in_flight = sum(worker.in_flight for worker in workers)
        message.workers.extend(self._worker(each) for each in workers)
        message.listeners.extend(listeners)
        message.reloads.extend(self._reloaded(each) for each in reversed(history[-_SHOWN_RELOADS:]))
        accepted = [each for each in history if each.outcome.accepted]
        since = accepted[-1].at if accepted else gateway.started
        message.since.FromMicroseconds(round(since * 1_000_000))
        return message

    def _status(self, view: View, metrics: bytes) -> Any:
        config, snapshot = view.config, view.snapshot
        message = view.types.Status(
            version=__version__,
            generation=snapshot.generation,
            digest=snapshot.digest,
            route_count=len(snapshot.routes),
            service_count=len(config.services),
            api_count=sum(len(service.apis) for service in config.services.values()),
            plugin_count=len(config.plugins),
            backend_count=len(config.backends),
            binding_count=len(config.bindings),
            files=[str(path) for path in config.files],
            state_dir=str(config.gateway.state_dir),
            read_only_reason=self._core.store.obstacle(),
            warnings=self._warned(view),
        )
        _add_counts(message, metrics)
        return message

    def _warned(self, view: View) -> list[Any]:
        known, found = self._warnings
        if known is not view.snapshot:
            found = [problem_message(view.types, each) for each in lint(view.snapshot)]
            self._warnings = (view.snapshot, found)
        return found

    def _worker(self, worker: Any) -> Any:
        message = self._core.types.Worker(
            number=worker.number,
            pid=worker.pid or 0,
            state="starting" if worker.started is None else "serving",
            generation=worker.generation,
            in_flight=worker.in_flight,
            restarts=worker.restarts,
        )
        if worker.started is not None:
            message.start_time.FromMicroseconds(round(worker.started * 1_000_000))
        return message

    def _listeners(self) -> Iterable[Any]:
        gateway = self._core.gateway
        ports = gateway.listeners.ports if gateway.ready else {}  # one that is closed has no address
        for listener in gateway.snapshot.config.listeners.values():
            port = ports.get(listener.endpoint)
            yield self._core.types.Listener(
                name=listener.name,
                endpoint=listener.endpoint,
                url=_url(port.getHost(), tls=listener.tls) if port is not None else "",
                tls=listener.tls,
            )

    def _reloaded(self, reloaded: Any) -> Any:
        return self._reload_message(reloaded.outcome, reloaded.at, ", ".join(reloaded.by))

    def _reload_message(self, outcome: Any, at: float, cause: str) -> Any:
        message = self._core.types.ReloadResult(
            accepted=outcome.accepted, generation=outcome.generation, message=outcome.message, cause=cause
        )
        message.time.FromMicroseconds(round(at * 1_000_000))
        message.duration.FromNanoseconds(round(outcome.seconds * 1_000_000_000))
        problems = getattr(outcome, "problems", ())
        message.problems.extend(problem_message(self._core.types, each) for each in problems)
        return message

    # -- reload and check

    async def Reload(self, _request: Any, asked: Asked) -> Any:
        """Read the configuration again."""
        outcome = await self._core.reload()
        generation = self._core.gateway.snapshot.generation
        refusal = None
        if not outcome.accepted:
            refusal = RefusalError(Code.FAILED_PRECONDITION, outcome.message, reason="RELOAD_REFUSED")
        await self._core.in_thread(self._core.audit.add, asked, "", None, refusal, generation)
        return self._reload_message(outcome, time.time(), "admin")

    async def Check(self, _request: Any, _asked: Asked) -> Any:
        """Tell what is wrong with the configuration on disk."""
        return await self._core.read(self._checked)

    def _checked(self, view: View) -> Any:
        answer = view.types.CheckResponse()
        try:
            made = self._core.gateway.assembly.load(view.snapshot).snapshot
        except ConfigError as error:
            answer.problems.extend(problem_message(view.types, each) for each in error.problems)
            return answer
        answer.ok = True
        answer.warnings.extend(problem_message(view.types, each) for each in lint(made))
        answer.route_count = len(made.routes)
        answer.changes = changes(view.snapshot, made)
        return answer

    # -- explain, routes, documentation

    async def Explain(self, request: Any, _asked: Asked) -> Any:
        """Tell what a request would become."""
        if request.body and request.body_bytes:
            raise invalid("body_bytes", "goes without body")
        body = request.body_bytes or request.body.encode("utf-8")
        headers = [(each.name, each.value) for each in request.headers]

        def make(view: View) -> Any:
            try:
                found = explain(view.snapshot, request.method, request.url, headers, body)
            except ValueError as error:
                raise invalid("url", str(error)) from None
            answer = view.types.ExplainResponse(text=explain_text(found))
            plain = json.loads(json.dumps(found.to_json()))
            for key, value in plain.items():
                put_value(answer.explanation.fields[key], value)
            return answer

        return await self._core.read(make)

    async def ListRoutes(self, request: Any, _asked: Asked) -> Any:
        """List what is served."""

        def make(view: View) -> Any:
            routes = chosen_routes(view, request)
            found = matching(routes, request.filter, lambda route: searched_route(view, route))
            chosen, token = page(found, request)
            messages = [route_message(view, route) for route in chosen]
            return view.types.ListRoutesResponse(routes=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetOpenApi(self, request: Any, _asked: Asked) -> Any:
        """Give a document in OpenAPI 3.1."""
        if request.format not in ("", "json", "yaml"):
            raise invalid("format", f"{request.format[:50]!r} is neither json nor yaml")

        def make(view: View) -> Any:
            found = self._document(view, request.service, request.environment or "release")
            if request.format == "yaml":
                return view.types.of("google.api.HttpBody")(
                    content_type="application/yaml", data=to_yaml(found).encode("utf-8")
                )
            return view.types.of("google.api.HttpBody")(
                content_type="application/json", data=to_json(found).encode("utf-8")
            )

        return await self._core.read(make)

    def _document(self, view: View, service: str, environment: str) -> Any:
        if not service:
            return own_document(self._world)
        try:
            return document(view.snapshot, service, environment)
        except KeyError:
            raise missing(f"services/{service}/environments/{environment}") from None

    # -- audit

    async def ListAuditEntries(self, request: Any, _asked: Asked) -> Any:
        """List what was changed."""

        def make(view: View) -> Any:
            entries = matching(self._core.audit.entries(), request.filter, json.dumps)
            chosen, token = page(entries, request)
            messages = [_entry(view, each) for each in chosen]
            return view.types.ListAuditEntriesResponse(entries=messages, next_page_token=token, total_size=len(entries))

        return await self._core.read(make)


def own_document(world: Snapshot) -> Any:
    """Give the description of the API itself."""
    info = Info(title="twistedgw admin API", version=__version__)
    found = document_of(world.routes, info)
    found.setdefault("components", {})["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "What is in the file that [admin] token_file names.",
        }
    }
    found["security"] = [{"token": []}]
    return found


def _entry(view: View, entry: dict[str, Any]) -> Any:
    texts = {
        name: str(entry.get(name, "")) for name in ("actor", "method", "resource", "result", "request_id", "message")
    }
    changed = entry.get("changes")
    generation = entry.get("generation")
    message = view.types.AuditEntry(
        **texts,
        changes=[str(each) for each in changed] if isinstance(changed, list) else [],
        generation=generation if isinstance(generation, int) else 0,
    )
    message.time.FromMicroseconds(round(entry["time"] * 1_000_000))
    return message


def _url(address: Any, *, tls: bool) -> str:
    host = getattr(address, "host", None)
    if host is None:
        return f"unix:{getattr(address, 'name', b'') or ''}"
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{address.port}"


def _add_counts(message: Any, metrics: bytes) -> None:
    """Add what was answered, by class of status, and what went wrong."""
    for family in text_string_to_metric_families(metrics.decode("utf-8")):
        for sample in family.samples:
            if sample.name != _REQUESTS:
                continue
            labels, count = sample.labels, int(sample.value)
            message.responses[labels["status"]] += count
            if labels["status"] == "5xx" and count:
                message.errors.add(
                    service=labels["service"],
                    environment=labels["environment"],
                    api=labels["api"],
                    code=labels["code"],
                    count=count,
                )
