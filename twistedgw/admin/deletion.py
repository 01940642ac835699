"""What must go, or must not, when an object is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.admin.changing import read_only
from twistedgw.admin.refusal import RefusalError
from twistedgw.config.options import ENVIRONMENTS
from twistedgw.registry.store_text import joined
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from twistedgw.admin.changing import Draft
    from twistedgw.config.model import Binding, Place

__all__ = ["delete_api", "delete_backend", "delete_binding", "delete_environment", "delete_plugin", "delete_service"]


def delete_plugin(draft: Draft, name: str, *, force: bool) -> None:
    """Delete a plugin; by force with its bindings.

    Raises:
        RefusalError: it is in use, or the operator's.
    """
    _Deletion(draft).run(f"plugins/{name}", draft.view.config.plugins[name].place, force, lambda it: it.plugin(name))


def delete_backend(draft: Draft, name: str, *, force: bool) -> None:
    """Delete a backend; by force with its APIs, and plugins that ask it. Otherwise as `delete_plugin`."""
    _Deletion(draft).run(f"backends/{name}", draft.view.config.backends[name].place, force, lambda it: it.backend(name))


def delete_service(draft: Draft, name: str, *, force: bool) -> None:
    """Delete a service; by force with all that is in it. Otherwise as `delete_plugin`."""
    _Deletion(draft).run(f"services/{name}", draft.view.config.services[name].place, force, lambda it: it.service(name))


def delete_environment(draft: Draft, service: str, name: str, *, force: bool) -> None:
    """Delete an environment's section; by force with bindings there. Otherwise as `delete_plugin`."""
    place = draft.view.config.services[service].environments[name].place
    resource = f"services/{service}/environments/{name}"
    _Deletion(draft).run(resource, place, force, lambda it: it.environment(service, name))


def delete_api(draft: Draft, service: str, name: str, *, force: bool) -> None:
    """Delete an API; by force also out of bindings that name it. Otherwise as `delete_plugin`."""
    place = draft.view.config.services[service].apis[name].place
    _Deletion(draft).run(f"services/{service}/apis/{name}", place, force, lambda it: it.api(service, name))


def delete_binding(draft: Draft, name: str) -> None:
    """Delete a binding.

    Raises:
        RefusalError: it is the operator's.
    """
    place = draft.view.config.bindings[name].place
    _Deletion(draft).run(f"bindings/{name}", place, True, lambda it: it.remove(f"binding:{name}", place))


class _Deletion:
    """Collects what a deletion takes along."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._config = draft.view.config
        self._removed: set[str] = set()
        self._edits: dict[tuple[str, str], str | None] = {}
        self._users: dict[str, str] = {}
        self._fixed: dict[str, str] = {}
        self._apis: dict[str, list[str]] = {}

    def run(self, resource: str, place: Place, force: bool, collect: Callable[[_Deletion], None]) -> None:
        if self._draft.view.section(place) is None:
            raise read_only(place.section, place)
        collect(self)
        if self._users and not force:
            raise self._in_use(resource, self._users)
        if self._fixed:
            raise self._in_use(resource, self._fixed)
        for (section, option), text in self._edits.items():
            self._draft.put(section, option, text)
        for section in self._removed:
            self._draft.remove(section)

    def _in_use(self, resource: str, users: dict[str, str]) -> RefusalError:
        shown = ", ".join(list(users)[:5])
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        return RefusalError(
            Code.FAILED_PRECONDITION,
            f"{resource} is in use by {shown}{more}",
            reason="IN_USE",
            metadata={"resource": resource},
            users=users.items(),
        )

    def _use(self, resource: str, place: Place, sentence: str) -> bool:
        """Take note of a user; give whether it is ours to change."""
        self._users.setdefault(resource, sentence)
        if self._draft.view.section(place) is None:
            self._fixed.setdefault(resource, f"{sentence}; it is declared in {place.file}:{place.line}, read-only here")
            return False
        return True

    # -- what depends on what

    def remove(self, section: str, place: Place) -> None:
        if self._draft.view.section(place) is not None:
            self._removed.add(section)

    def plugin(self, name: str) -> None:
        self._removed.add(f"plugin:{name}")
        for binding in self._config.bindings.values():
            if binding.plugin == name:
                self._binding(binding, f"binds plugin {name}")

    def backend(self, name: str) -> None:
        self._removed.add(f"backend:{name}")
        for service in self._config.services.values():
            for api in service.apis.values():
                if api.backend == name:
                    resource = f"services/{service.name}/apis/{api.name}"
                    if self._use(resource, api.place, f"sends its calls to backend {name}"):
                        self.api(service.name, api.name)
            for environment in service.environments.values():
                resource = f"services/{service.name}/environments/{environment.name}"
                if environment.backend == name and self._use(
                    resource, environment.place, f"has backend {name} in place of the APIs' own"
                ):
                    self._edits[f"environment:{service.name}/{environment.name}", "backend"] = None
        for plugin in self._config.plugins.values():
            if getattr(plugin, "reflection", None) == name and self._use(
                f"plugins/{plugin.name}", plugin.place, f"asks backend {name} for its descriptors"
            ):
                self.plugin(plugin.name)

    def service(self, name: str) -> None:
        service = self._config.services[name]
        self._removed.add(f"service:{name}")
        for binding in self._config.bindings.values():
            if binding.service == name:
                self._binding(binding, f"binds APIs of service {name}")
        for api in service.apis.values():
            if self._use(f"services/{name}/apis/{api.name}", api.place, f"is an API of service {name}"):
                self._removed.add(f"api:{name}/{api.name}")
        for environment in service.environments.values():
            section = f"environment:{name}/{environment.name}"
            resource = f"services/{name}/environments/{environment.name}"
            if environment.place.section == section and self._use(
                resource, environment.place, f"is an environment of service {name}"
            ):
                self._removed.add(section)

    def environment(self, service: str, name: str) -> None:
        self._removed.add(f"environment:{service}/{name}")
        if name in ENVIRONMENTS:
            return
        for binding in self._config.bindings.values():
            if (binding.service, binding.environment) == (service, name):
                self._binding(binding, f"binds APIs in environment {name}")

    def api(self, service: str, name: str) -> None:
        self._removed.add(f"api:{service}/{name}")
        for binding in self._config.bindings.values():
            if binding.service != service or binding.apis is None or name not in binding.apis:
                continue
            if self._use(f"bindings/{binding.name}", binding.place, f"names API {service}/{name}"):
                left = self._apis.setdefault(binding.name, list(binding.apis))
                left.remove(name)
                section = f"binding:{binding.name}"
                if left:
                    self._edits[section, "apis"] = joined(left)
                else:
                    self._edits.pop((section, "apis"), None)
                    self._removed.add(section)

    def _binding(self, binding: Binding, sentence: str) -> None:
        if self._use(f"bindings/{binding.name}", binding.place, sentence):
            self._removed.add(f"binding:{binding.name}")
