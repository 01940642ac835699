"""What is different between two configurations, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.registry.snapshot import Snapshot

__all__ = ["changes"]

_NAMES_SHOWN = 5


def changes(old: Snapshot, new: Snapshot) -> str:
    """Tell what a new snapshot changes; ``nothing changed`` where it means the same."""
    if old.digest == new.digest:
        return "nothing changed"
    parts = [
        part
        for kind, before, after in (
            ("gateway settings", {"": old.config.gateway}, {"": new.config.gateway}),
            ("listener", old.config.listeners, new.config.listeners),
            ("service", _services(old), _services(new)),
            ("API", _apis(old), _apis(new)),
            ("backend", _backends(old), _backends(new)),
            ("plugin", _plugins(old), _plugins(new)),
            ("binding", old.config.bindings, new.config.bindings),
        )
        for part in _difference(kind, before, after)
    ]
    return "; ".join(parts) or "only [admin] changed"


def _services(snapshot: Snapshot) -> Mapping[str, Any]:
    return {
        name: (service.hosts, service.http, service.https, service.description, service.environments)
        for name, service in snapshot.config.services.items()
    }


def _apis(snapshot: Snapshot) -> Mapping[str, Any]:
    return {
        f"{service.name}/{name}": api
        for service in snapshot.config.services.values()
        for name, api in service.apis.items()
    }


def _backends(snapshot: Snapshot) -> Mapping[str, Any]:
    return {name: (backend, snapshot.upstreams[name].identity) for name, backend in snapshot.config.backends.items()}


def _plugins(snapshot: Snapshot) -> Mapping[str, Any]:
    schemas = snapshot.schemas
    return {
        name: (plugin, schemas[name].digest if name in schemas else None)
        for name, plugin in snapshot.config.plugins.items()
    }


def _difference(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    groups = (
        ("added", [name for name in after if name not in before]),
        ("removed", [name for name in before if name not in after]),
        ("changed", [name for name in after if name in before and after[name] != before[name]]),
    )
    return [f"{kind} {_listed(names)}{word}" for word, names in groups if names]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{shown}{more} " if shown else ""
