"""Services, their environments and their APIs, as the API shows and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import Kind, changed_fields, check_etag, duration_text, given_fields, take
from twistedgw.admin.deletion import delete_api, delete_environment, delete_service
from twistedgw.admin.names import chosen_name, parts
from twistedgw.admin.paging import matching, page
from twistedgw.admin.refusal import invalid, missing
from twistedgw.config.options import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twistedgw.admin.changing import Draft
    from twistedgw.admin.core import Asked, Core
    from twistedgw.admin.view import View
    from twistedgw.config.model import Api, Environment, Service

__all__ = ["Services", "api_message", "environment_message", "service_message", "service_of"]

SERVICE = Kind("service", {"description": "description", "hosts": "hosts", "protocols": "protocols"})
ENVIRONMENT = Kind("environment", {"prefix": "prefix", "published": "published", "backend": "backend"})
API = Kind(
    "api",
    {
        "backend": "backend",
        "rpc": "rpc",
        "method": "method",
        "path": "path",
        "body": "body",
        "response_body": "response_body",
        "timeout": "timeout",
        "except": "except",
    },
)
_ANY = "-"


def service_of(view: View, name: str) -> Service:
    """Give a service.

    Raises:
        RefusalError: there is none.
    """
    service = view.config.services.get(name)
    if service is None:
        raise missing(f"services/{name}")
    return service


def service_message(view: View, name: str) -> Any:
    """Give a service as a message; otherwise as `service_of`."""
    service = service_of(view, name)
    message = view.types.Service(
        name=f"services/{name}",
        description=service.description,
        hosts=service.hosts,
        protocols=[word for word, is_on in (("http", service.http), ("https", service.https)) if is_on],
        api_count=len(service.apis),
    )
    for environment in service.environments.values():
        message.environments.add(
            environment=environment.name,
            published=environment.published,
            prefix=environment.prefix or "/",
            route_count=view.route_counts.get((name, environment.name), 0),
            unbound_apis=view.unbound(service, environment) if environment.published else (),
        )
    return view.dress(message, service.place, service.description, service.hosts, service.http, service.https)


def _is_implied(environment: Environment) -> bool:
    return not environment.place.section.startswith("environment:")


def environment_of(service: Service, name: str) -> Environment:
    """Give an environment.

    Raises:
        RefusalError: there is none.
    """
    environment = service.environments.get(name)
    if environment is None:
        raise missing(f"services/{service.name}/environments/{name}")
    return environment


def environment_message(view: View, service_name: str, name: str) -> Any:
    """Give an environment as a message; otherwise as `environment_of`."""
    service = service_of(view, service_name)
    environment = environment_of(service, name)
    message = view.types.Environment(
        name=f"services/{service_name}/environments/{name}",
        prefix=environment.prefix or "/",
        published=environment.published,
        backend=environment.backend or "",
        route_count=view.route_counts.get((service_name, name), 0),
        unbound_apis=view.unbound(service, environment),
    )
    return view.dress(message, environment.place, environment, implied=_is_implied(environment))


def api_of(service: Service, name: str) -> Api:
    """Give an API.

    Raises:
        RefusalError: there is none.
    """
    api = service.apis.get(name)
    if api is None:
        raise missing(f"services/{service.name}/apis/{name}")
    return api


def api_message(view: View, service_name: str, name: str) -> Any:
    """Give an API as a message; otherwise as `api_of`."""
    service = service_of(view, service_name)
    api = api_of(service, name)
    message = view.types.Api(
        name=f"services/{service_name}/apis/{name}",
        backend=api.backend,
        rpc=f"{api.rpc_service}/{api.rpc_method}" if api.rpc_service else "",
        method=api.method or "",
        path=api.path or "",
        response_body=api.response_body,
        **{"except": api.exclude},
    )
    if api.rpc_service and not api.whole_service:
        message.body = api.body
    if api.timeout is not None:
        message.timeout.FromNanoseconds(round(api.timeout * 1_000_000_000))
    for environment in service.environments:
        for use in view.by_api.get((service_name, environment, name), {}).values():
            message.plugins.add(
                environment=environment, plugin=use.plugin, type=use.type, binding=f"bindings/{use.binding}"
            )
    return view.dress(message, api.place, api)


class Services:
    """The methods of the service, by their names in the .proto."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- services

    async def ListServices(self, request: Any, _asked: Asked) -> Any:
        """List services."""

        def make(view: View) -> Any:
            services = sorted(view.config.services.values(), key=lambda each: each.name)
            found = matching(
                services, request.filter, lambda each: " ".join([each.name, each.description, *each.hosts])
            )
            chosen, token = page(found, request, lambda each: each.name)
            messages = [service_message(view, each.name) for each in chosen]
            return view.types.ListServicesResponse(services=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetService(self, request: Any, _asked: Asked) -> Any:
        """Give a service."""
        (name,) = parts(request.name, "services/*")
        return await self._core.read(lambda view: service_message(view, name))

    async def CreateService(self, request: Any, asked: Asked) -> Any:
        """Create a service."""
        name = chosen_name(request.service_id, request.service.name, "services", "service_id")
        resource = f"services/{name}"

        def plan(draft: Draft) -> None:
            draft.create(SERVICE, name, resource, name in draft.view.config.services)
            _write_service(draft, name, request.service, given_fields(request.service, SERVICE))

        return await self._core.change(asked, request, resource, plan, lambda view: service_message(view, name))

    async def UpdateService(self, request: Any, asked: Asked) -> Any:
        """Change a service."""
        (name,) = parts(request.service.name, "services/*", "service.name")

        def plan(draft: Draft) -> None:
            check_etag(service_message(draft.view, name), request.service.etag)
            draft.update(SERVICE, name, service_of(draft.view, name).place)
            _write_service(draft, name, request.service, changed_fields(request.update_mask, request.service, SERVICE))

        return await self._core.change(
            asked, request, request.service.name, plan, lambda view: service_message(view, name)
        )

    async def DeleteService(self, request: Any, asked: Asked) -> Any:
        """Delete a service."""
        (name,) = parts(request.name, "services/*")

        def plan(draft: Draft) -> None:
            check_etag(service_message(draft.view, name), request.etag)
            delete_service(draft, name, force=request.force)

        return await self._core.change(asked, request, request.name, plan, None)

    # -- environments

    async def ListEnvironments(self, request: Any, _asked: Asked) -> Any:
        """List environments."""
        (parent,) = parts(request.parent, "services/*", "parent")

        def make(view: View) -> Any:
            pairs = [
                (service.name, each) for service in _chosen(view, parent) for each in service.environments.values()
            ]
            found = matching(
                pairs, request.filter, lambda it: f"{it[0]} {it[1].name} {it[1].prefix} {it[1].backend or ''}"
            )
            chosen, token = page(found, request)
            messages = [environment_message(view, service, each.name) for service, each in chosen]
            return view.types.ListEnvironmentsResponse(
                environments=messages, next_page_token=token, total_size=len(found)
            )

        return await self._core.read(make)

    async def GetEnvironment(self, request: Any, _asked: Asked) -> Any:
        """Give an environment."""
        service, name = parts(request.name, "services/*/environments/*")
        return await self._core.read(lambda view: environment_message(view, service, name))

    async def CreateEnvironment(self, request: Any, asked: Asked) -> Any:
        """Create an environment."""
        (service,) = parts(request.parent, "services/*", "parent")
        collection = f"services/{service}/environments"
        name = chosen_name(request.environment_id, request.environment.name, collection, "environment_id")
        resource = f"{collection}/{name}"

        def plan(draft: Draft) -> None:
            exists = name in service_of(draft.view, service).environments
            draft.create(ENVIRONMENT, f"{service}/{name}", resource, exists)
            fields = given_fields(request.environment, ENVIRONMENT)
            _write_environment(draft, service, name, request.environment, fields)

        return await self._core.change(
            asked, request, resource, plan, lambda view: environment_message(view, service, name)
        )

    async def UpdateEnvironment(self, request: Any, asked: Asked) -> Any:
        """Change an environment; one that exists without a section gets one."""
        service, name = parts(request.environment.name, "services/*/environments/*", "environment.name")

        def plan(draft: Draft) -> None:
            check_etag(environment_message(draft.view, service, name), request.environment.etag)
            environment = environment_of(service_of(draft.view, service), name)
            if _is_implied(environment):
                draft.create(ENVIRONMENT, f"{service}/{name}", request.environment.name, False)
            else:
                draft.update(ENVIRONMENT, f"{service}/{name}", environment.place)
            fields = changed_fields(request.update_mask, request.environment, ENVIRONMENT)
            _write_environment(draft, service, name, request.environment, fields)

        return await self._core.change(
            asked, request, request.environment.name, plan, lambda view: environment_message(view, service, name)
        )

    async def DeleteEnvironment(self, request: Any, asked: Asked) -> Any:
        """Delete an environment's section."""
        service, name = parts(request.name, "services/*/environments/*")

        def plan(draft: Draft) -> None:
            check_etag(environment_message(draft.view, service, name), request.etag)
            environment = environment_of(service_of(draft.view, service), name)
            if _is_implied(environment):
                words = ", ".join(ENVIRONMENTS)
                raise invalid("name", f"{words} always exist; take it offline by published = false")
            delete_environment(draft, service, name, force=request.force)

        return await self._core.change(asked, request, request.name, plan, None)

    # -- APIs

    async def ListApis(self, request: Any, _asked: Asked) -> Any:
        """List APIs."""
        (parent,) = parts(request.parent, "services/*", "parent")

        def make(view: View) -> Any:
            pairs = [
                (service.name, api)
                for service in _chosen(view, parent)
                for api in sorted(service.apis.values(), key=lambda each: each.name)
            ]
            found = matching(pairs, request.filter, _searched_api)
            chosen, token = page(found, request, lambda it: f"{it[0]}\0{it[1].name}")
            messages = [api_message(view, service, api.name) for service, api in chosen]
            return view.types.ListApisResponse(apis=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetApi(self, request: Any, _asked: Asked) -> Any:
        """Give an API."""
        service, name = parts(request.name, "services/*/apis/*")
        return await self._core.read(lambda view: api_message(view, service, name))

    async def CreateApi(self, request: Any, asked: Asked) -> Any:
        """Create an API."""
        (service,) = parts(request.parent, "services/*", "parent")
        name = chosen_name(request.api_id, request.api.name, f"services/{service}/apis", "api_id")
        resource = f"services/{service}/apis/{name}"

        def plan(draft: Draft) -> None:
            draft.create(API, f"{service}/{name}", resource, name in service_of(draft.view, service).apis)
            _write_api(draft, service, name, request.api, given_fields(request.api, API))

        return await self._core.change(asked, request, resource, plan, lambda view: api_message(view, service, name))

    async def UpdateApi(self, request: Any, asked: Asked) -> Any:
        """Change an API."""
        service, name = parts(request.api.name, "services/*/apis/*", "api.name")

        def plan(draft: Draft) -> None:
            check_etag(api_message(draft.view, service, name), request.api.etag)
            draft.update(API, f"{service}/{name}", api_of(service_of(draft.view, service), name).place)
            _write_api(draft, service, name, request.api, changed_fields(request.update_mask, request.api, API))

        return await self._core.change(
            asked, request, request.api.name, plan, lambda view: api_message(view, service, name)
        )

    async def DeleteApi(self, request: Any, asked: Asked) -> Any:
        """Delete an API."""
        service, name = parts(request.name, "services/*/apis/*")

        def plan(draft: Draft) -> None:
            check_etag(api_message(draft.view, service, name), request.etag)
            delete_api(draft, service, name, force=request.force)

        return await self._core.change(asked, request, request.name, plan, None)


def _chosen(view: View, name: str) -> Iterable[Service]:
    if name == _ANY:
        return sorted(view.config.services.values(), key=lambda each: each.name)
    return [service_of(view, name)]


def _searched_api(pair: tuple[str, Api]) -> str:
    service, api = pair
    rpc = f"{api.rpc_service}/{api.rpc_method}" if api.rpc_service else ""
    return " ".join([service, api.name, api.method or "", api.path or "", rpc, api.backend])


# -- from messages to options


def _write_service(draft: Draft, name: str, wanted: Any, fields: list[str]) -> None:
    section = SERVICE.section(name)
    draft.name_field(section, "", "service")
    for field in fields:
        take(draft, section, field, f"service.{field}", getattr(wanted, field) or None)
    draft.expect(lambda view: service_message(view, name), wanted, fields, "service")


def _write_environment(draft: Draft, service: str, name: str, wanted: Any, fields: list[str]) -> None:
    section = ENVIRONMENT.section(f"{service}/{name}")
    draft.name_field(section, "", "environment")
    for field in fields:
        value = wanted.published if field == "published" and wanted.HasField("published") else None
        if field != "published":
            value = getattr(wanted, field) or None
        take(draft, section, field, f"environment.{field}", value)
    draft.expect(lambda view: environment_message(view, service, name), wanted, fields, "environment")


def _write_api(draft: Draft, service: str, name: str, wanted: Any, fields: list[str]) -> None:
    section = API.section(f"{service}/{name}")
    draft.name_field(section, "", "api")
    special: dict[str, Callable[[], Any]] = {
        "timeout": lambda: duration_text(wanted.timeout) if wanted.HasField("timeout") else None,
        "body": lambda: wanted.body if wanted.HasField("body") else None,
    }
    for field in fields:
        make = special.get(field)
        take(draft, section, field, f"api.{field}", (getattr(wanted, field) or None) if make is None else make())
    draft.expect(lambda view: api_message(view, service, name), wanted, fields, "api")
