"""Bindings, one by one and many at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import Kind, changed_fields, check_etag, given_fields, take
from twistedgw.admin.deletion import delete_binding
from twistedgw.admin.names import chosen_name, parts
from twistedgw.admin.paging import matching, page
from twistedgw.admin.refusal import RefusalError, missing
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twistedgw.admin.changing import Draft
    from twistedgw.admin.core import Asked, Core
    from twistedgw.admin.view import Use, View
    from twistedgw.config.model import Binding

__all__ = ["Bindings", "bind", "binding_message", "unbind"]

KIND = Kind("binding", {"plugin": "plugin", "service": "service", "environment": "environment", "apis": "apis"})
_LONGEST = 128


def binding_message(view: View, name: str) -> Any:
    """Give a binding.

    Raises:
        RefusalError: there is none.
    """
    binding = view.config.bindings.get(name)
    if binding is None:
        raise missing(f"bindings/{name}")
    message = view.types.Binding(
        name=f"bindings/{name}",
        plugin=binding.plugin,
        service=binding.service,
        environment=binding.environment,
        apis=["*"] if binding.apis is None else binding.apis,
    )
    return view.dress(message, binding.place, binding)


def _searched(binding: Binding) -> str:
    apis = ["*"] if binding.apis is None else binding.apis
    return " ".join([binding.name, binding.plugin, binding.service, binding.environment, *apis])


class Bindings:
    """The methods of the service, by their names in the .proto."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def ListBindings(self, request: Any, _asked: Asked) -> Any:
        """List them."""

        def make(view: View) -> Any:
            bindings = sorted(view.config.bindings.values(), key=lambda each: each.name)
            found = matching(bindings, request.filter, _searched)
            chosen, token = page(found, request, lambda each: each.name)
            messages = [binding_message(view, each.name) for each in chosen]
            return view.types.ListBindingsResponse(bindings=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetBinding(self, request: Any, _asked: Asked) -> Any:
        """Give one."""
        (name,) = parts(request.name, "bindings/*")
        return await self._core.read(lambda view: binding_message(view, name))

    async def CreateBinding(self, request: Any, asked: Asked) -> Any:
        """Create one."""
        wanted = request.binding
        made = new_name({}, wanted.plugin, wanted.service, wanted.environment)
        given = request.binding_id or ("" if wanted.name else made)
        name = chosen_name(given, wanted.name, "bindings", "binding_id")

        def plan(draft: Draft) -> None:
            draft.create(KIND, name, f"bindings/{name}", name in draft.view.config.bindings)
            _write(draft, name, wanted, given_fields(wanted, KIND))

        return await self._core.change(
            asked, request, f"bindings/{name}", plan, lambda view: binding_message(view, name)
        )

    async def UpdateBinding(self, request: Any, asked: Asked) -> Any:
        """Change one."""
        (name,) = parts(request.binding.name, "bindings/*", "binding.name")

        def plan(draft: Draft) -> None:
            check_etag(binding_message(draft.view, name), request.binding.etag)
            draft.update(KIND, name, draft.view.config.bindings[name].place)
            _write(draft, name, request.binding, changed_fields(request.update_mask, request.binding, KIND))

        return await self._core.change(
            asked, request, request.binding.name, plan, lambda view: binding_message(view, name)
        )

    async def DeleteBinding(self, request: Any, asked: Asked) -> Any:
        """Delete one."""
        (name,) = parts(request.name, "bindings/*")

        def plan(draft: Draft) -> None:
            check_etag(binding_message(draft.view, name), request.etag)
            delete_binding(draft, name)

        return await self._core.change(asked, request, request.name, plan, None)


def _write(draft: Draft, name: str, wanted: Any, fields: list[str]) -> None:
    section = KIND.section(name)
    draft.name_field(section, "", "binding")
    for field in fields:
        take(draft, section, field, f"binding.{field}", getattr(wanted, field) or None)
    draft.expect(lambda view: binding_message(view, name), wanted, fields, "binding")


# -- many at once


def bind(draft: Draft, plugin: str, request: Any) -> list[str]:
    """Bind a plugin to APIs of a service in an environment; give the bindings that this changes.

    Raises:
        RefusalError: there is no such thing, or another plugin of the type is bound there.
    """
    view = draft.view
    wanted, is_all = _apis(view, request)
    uses = _uses(view, plugin, request)
    plugin_type = view.config.plugins[plugin].type
    bound = {use.api for use in uses if use.plugin == plugin}
    missing_apis = [api for api in wanted if api not in bound]
    others = [use for use in uses if use.plugin != plugin and use.type == plugin_type and use.api in missing_apis]
    changed = _replaced(draft, others, replace=request.replace)
    mine = _mine(view, plugin, request)
    if is_all:
        if any(binding.apis is None for binding in mine):
            return changed
        return [*changed, _bind_all(draft, plugin, request, mine)]
    if not missing_apis:
        return changed
    ours = next((each for each in mine if view.section(each.place) is not None and each.apis is not None), None)
    if ours is None:
        return [*changed, _new(draft, plugin, request, missing_apis)]
    section = KIND.section(ours.name)
    draft.name_field(section, "apis", "apis")
    take(draft, section, "apis", "apis", [*(ours.apis or ()), *missing_apis])
    return [*changed, ours.name]


def _bind_all(draft: Draft, plugin: str, request: Any, mine: list[Binding]) -> str:
    for binding in mine:
        if draft.view.section(binding.place) is not None:
            draft.put(KIND.section(binding.name), "apis", "*")
            return binding.name
    return _new(draft, plugin, request, ["*"])


def _new(draft: Draft, plugin: str, request: Any, apis: list[str]) -> str:
    taken = {
        *draft.view.config.bindings,
        *(name.partition(":")[2] for name in draft.sections if name[:8] == "binding:"),
    }
    name = new_name(taken, plugin, request.service, request.environment)
    section = draft.create(KIND, name, f"bindings/{name}", False)
    for option, value in (("plugin", plugin), ("service", request.service), ("environment", request.environment)):
        draft.name_field(section, option, "name" if option == "plugin" else option)
        draft.put(section, option, value)
    take(draft, section, "apis", "apis", apis)
    return name


def _replaced(draft: Draft, others: list[Use], *, replace: bool) -> list[str]:
    if not others:
        return []
    if not replace:
        raise RefusalError(
            Code.FAILED_PRECONDITION,
            f"another plugin of the same type is bound already: {others[0].plugin}, to API"
            f" {others[0].service}/{others[0].api} in environment {others[0].environment};"
            " unbind it, or ask to replace it",
            reason="ALREADY_BOUND",
            users=[
                (f"bindings/{use.binding}", f"binds plugin {use.plugin} to API {use.service}/{use.api}")
                for use in others
            ],
        )
    changed: dict[str, None] = {}
    by_binding: dict[str, list[str]] = {}
    for use in others:
        by_binding.setdefault(use.binding, []).append(use.api)
    for name, apis in by_binding.items():
        _take_out(draft, name, apis)
        changed[name] = None
    return list(changed)


def unbind(draft: Draft, plugin: str, request: Any) -> list[str]:
    """Unbind a plugin from APIs of a service in an environment; give the bindings that this changes or removes.

    Raises:
        RefusalError: there is no such thing, it is not bound there, or a binding is the operator's.
    """
    view = draft.view
    wanted, is_all = _apis(view, request)
    uses = [use for use in _uses(view, plugin, request) if use.plugin == plugin and use.api in wanted]
    bound = {use.api for use in uses}
    unbound = [api for api in wanted if api not in bound]
    if unbound and not (is_all and bound):
        raise RefusalError(
            Code.FAILED_PRECONDITION,
            f"plugin {plugin} is not bound to {', '.join(unbound[:5])} of service {request.service}"
            f" in environment {request.environment}",
            reason="NOT_BOUND",
            violations=[("apis", f"{api} is not bound") for api in unbound],
        )
    changed = []
    for binding in _mine(view, plugin, request):
        apis = [api for api in wanted if binding.apis is None or api in binding.apis]
        if apis:
            _take_out(draft, binding.name, list(view.config.services[request.service].apis) if is_all else apis)
            changed.append(binding.name)
    return changed


def _take_out(draft: Draft, name: str, apis: Iterable[str]) -> None:
    """Take APIs out of a binding; one without any is removed."""
    binding = draft.view.config.bindings[name]
    section = draft.update(KIND, name, binding.place)
    service = draft.view.config.services[binding.service]
    gone = set(apis)
    left = [api for api in (service.apis if binding.apis is None else binding.apis) if api not in gone]
    environment = service.environments[binding.environment]
    plugin_type = draft.view.config.plugins[binding.plugin].type
    if binding.apis is None:  # what a `*` passes over may not be named
        left = [api for api in left if draft.view.takes(plugin_type, environment, service.apis[api])]
    if left:
        take(draft, section, "apis", "apis", left)
    else:
        draft.remove(section)


def _apis(view: View, request: Any) -> tuple[list[str], bool]:
    """Give the APIs that a request names, and whether it means all there will ever be.

    Raises:
        RefusalError: one of the names is none.
    """
    service = view.config.services.get(request.service)
    if service is None:
        raise missing(f"services/{request.service}")
    if request.environment not in service.environments:
        raise missing(f"services/{request.service}/environments/{request.environment}")
    names = list(dict.fromkeys(request.apis))
    if not names:
        raise RefusalError(
            Code.INVALID_ARGUMENT,
            "apis: at least one is needed, or * for all",
            reason="INVALID_FIELD",
            violations=[("apis", "at least one is needed, or * for all")],
        )
    if names == ["*"]:
        return list(service.apis), True
    for name in names:
        if name not in service.apis:
            raise missing(f"services/{request.service}/apis/{name}")
    return names, False


def _uses(view: View, plugin: str, request: Any) -> list[Use]:
    if plugin not in view.config.plugins:
        raise missing(f"plugins/{plugin}")
    place = (request.service, request.environment)
    return [use for use in view.uses if (use.service, use.environment) == place]


def _mine(view: View, plugin: str, request: Any) -> list[Binding]:
    wanted = (plugin, request.service, request.environment)
    return [
        binding
        for binding in view.config.bindings.values()
        if (binding.plugin, binding.service, binding.environment) == wanted
    ]


def new_name(taken: Iterable[str], plugin: str, service: str, environment: str) -> str:
    """Make a name for a binding that nothing has."""
    known = set(taken)
    base = f"{plugin}.{service}.{environment}"
    if len(base) > _LONGEST - 4:
        base = f"{base[:100]}.{hashlib.sha256(base.encode()).hexdigest()[:16]}"
    name, number = base, 1
    while name in known:
        number += 1
        name = f"{base}.{number}"
    return name
