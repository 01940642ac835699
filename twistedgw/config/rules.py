"""What must hold between the options of one section, apart from those of APIs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from twistedgw.config.model import Protocol
from twistedgw.config.network import grpc_target, http_target
from twistedgw.config.option import RefusedError
from twistedgw.config.plugins import PLUGIN_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.config.section import Section

__all__ = ["RULES", "docs_installed", "http2_installed"]


def http2_installed() -> bool:
    """Tell whether the extra ``http2`` is there."""
    return find_spec("h2") is not None and find_spec("priority") is not None


def docs_installed() -> bool:
    """Tell whether the extra ``docs`` is there."""
    return find_spec("flask_swagger_ui") is not None


def _service(section: Section) -> None:
    if section.values.get("docs") and not docs_installed():
        section.problem("docs", "needs a package that is not installed", "pip install 'twistedgw[docs]'")


def _listener(section: Section) -> None:
    protocol = section.values.get("protocol")
    if protocol == "https":
        _need(section, "certificate", "private_key", reason="is needed where protocol = https")
        if section.values.get("http2") and not http2_installed():
            section.problem("http2", "needs a package that is not installed", "pip install 'twistedgw[http2]'")
    elif protocol == "http":
        _refuse_written(section, "certificate", "private_key", "client_ca", reason="goes with protocol = https only")
        if section.values.get("http2"):
            section.problem("http2", "goes with protocol = https only")


def _backend(section: Section) -> None:
    word = section.values.get("protocol")
    if word is None:
        return
    protocol = Protocol(word)
    if not protocol.is_tls:
        tls = ("ca", "certificate", "private_key", "server_name")
        _refuse_written(section, *tls, reason="goes with protocol = grpcs or https only")
    else:
        _check_key_pair(section)
    if not protocol.is_grpc:
        _refuse_written(section, "load_balancing", reason="goes with protocol = grpc or grpcs only")
    if section.values.get("target"):
        _check_targets(section, protocol)


def _check_key_pair(section: Section) -> None:
    for one, other in (("certificate", "private_key"), ("private_key", "certificate")):
        if one in section.written and other not in section.written:
            section.problem(one, f"goes together with {other}, which is missing")


def _check_targets(section: Section, protocol: Protocol) -> None:
    targets: tuple[str, ...] = section.values["target"]
    if not protocol.is_grpc and len(targets) > 1:
        section.problem("target", f"has {len(targets)} URLs, where protocol = {protocol.value} takes one")
        return
    section.values["target"] = tuple(_target(section, target, protocol) for target in targets)


def _target(section: Section, target: str, protocol: Protocol) -> str:
    try:
        if protocol.is_grpc:
            return grpc_target(target, section.folder)
        return http_target(target, protocol.value)
    except RefusedError as refused:
        section.refuse("target", refused)
        return target


def _plugin(section: Section) -> None:
    plugin_type = PLUGIN_TYPES.get(section.values.get("type", ""))
    if plugin_type is not None:
        plugin_type.check(section)


def _need(section: Section, *options: str, reason: str) -> None:
    for option in options:
        if option not in section.written:
            section.problem(option, reason)


def _refuse_written(section: Section, *options: str, reason: str) -> None:
    for option in options:
        if option in section.written:
            section.problem(option, reason)


RULES: Mapping[str, Callable[[Section], None]] = {
    "service": _service,
    "listener": _listener,
    "backend": _backend,
    "plugin": _plugin,
}
"""By kind of section."""
