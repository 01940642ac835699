"""The dataclasses of `model` out of sections in which nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.links import default_prefix
from twistedgw.config.model import (
    Admin,
    Api,
    Backend,
    Binding,
    Bridge,
    Config,
    Environment,
    Gateway,
    Listener,
    Plugin,
    Protocol,
    Service,
)
from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.rules import http2_installed

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.config.declared import Declared
    from twistedgw.config.mapping import Rpc
    from twistedgw.config.section import Section

__all__ = ["build"]

_BODY_METHODS = ("POST", "PUT", "PATCH")


def build(gateway: Section, declared: Declared, files: tuple[Path, ...]) -> Config:
    """Make the configuration."""
    admin = declared.of("admin").get("")
    return Config(
        gateway=_gateway(gateway),
        listeners={name: _listener(section) for name, section in declared.of("listener").items()},
        admin=None if admin is None else Admin(place=admin.place, **admin.values),
        services={name: _service(section, declared) for name, section in declared.of("service").items()},
        backends={name: _backend(section) for name, section in declared.of("backend").items()},
        plugins={name: _plugin(section) for name, section in declared.of("plugin").items()},
        bindings={
            name: Binding(name, section.place, **section.values) for name, section in declared.of("binding").items()
        },
        files=files,
    )


def _gateway(section: Section) -> Gateway:
    values = {name: value for name, value in section.values.items() if name != "include"}
    values["bridge"] = Bridge(values["bridge"])
    return Gateway(place=section.place, **values)


def _listener(section: Section) -> Listener:
    values = dict(section.values)
    tls = values.pop("protocol") == "https"
    if values["http2"] is None:
        values["http2"] = tls and http2_installed()
    return Listener(name=section.name, place=section.place, tls=tls, **values)


def _service(section: Section, declared: Declared) -> Service:
    protocols = section.values["protocols"]
    written = declared.within("environment", section.name)
    apis = declared.within("api", section.name)
    return Service(
        name=section.name,
        place=section.place,
        description=section.values["description"],
        hosts=section.values["hosts"],
        http="http" in protocols,
        https="https" in protocols,
        environments={
            name: _environment(name, written.get(name), section) for name in declared.environments(section.name)
        },
        apis={name: _api(name, api) for name, api in apis.items()},
        openapi=section.values["openapi"],
        docs=section.values["docs"],
    )


def _environment(name: str, section: Section | None, service: Section) -> Environment:
    if section is None:
        return Environment(name, service.place, default_prefix(name), published=True, backend=None)
    values = dict(section.values)
    if values["prefix"] is None:
        values["prefix"] = default_prefix(name)
    return Environment(name=name, place=section.place, **values)


def _api(name: str, section: Section) -> Api:
    values = dict(section.values)
    rpc: Rpc | None = values.pop("rpc")
    if values["body"] is None:
        single = rpc is not None and rpc.method != "*"
        values["body"] = "*" if single and values["method"] in _BODY_METHODS else ""
    values["response_body"] = values["response_body"] or ""
    return Api(
        name=name,
        place=section.place,
        rpc_service=rpc.service if rpc else None,
        rpc_method=rpc.method if rpc else None,
        exclude=values.pop("except"),
        **values,
    )


def _backend(section: Section) -> Backend:
    values = dict(section.values)
    protocol = Protocol(values.pop("protocol"))
    return Backend(name=section.name, place=section.place, protocol=protocol, targets=values.pop("target"), **values)


def _plugin(section: Section) -> Plugin:
    return PLUGIN_TYPES[section.values["type"]].build(section)
