"""What must hold between the options of one section, apart from those of APIs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from twistedgw.config.model import Protocol
from twistedgw.config.network import grpc_target, http_target
from twistedgw.config.option import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.config.section import Section

__all__ = ["RULES", "http2_installed"]

_DESCRIPTORS = ("proto", "descriptor_set", "reflection")


def http2_installed() -> bool:
    """Tell whether the extra ``http2`` is there."""
    return find_spec("h2") is not None and find_spec("priority") is not None


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
    allowed = section.kind.variants.get(section.values.get("type", ""))
    if allowed is not None:
        others = sorted(section.written - allowed)
        _refuse_written(section, *others, reason=f"does not go with type = {section.values['type']}")
    if section.values.get("type") == "backend-grpc":
        _backend_grpc(section)


def _backend_grpc(section: Section) -> None:
    sources = [option for option in _DESCRIPTORS if option in section.written]
    if not sources:
        section.problem("", "needs one of proto, descriptor_set and reflection")
    for extra in sources[1:]:
        section.problem(extra, f"cannot stand beside {sources[0]}", "write one of proto, descriptor_set and reflection")
    if sources and "proto" not in sources:
        _refuse_written(section, "import_path", reason="goes with proto only")


def _need(section: Section, *options: str, reason: str) -> None:
    for option in options:
        if option not in section.written:
            section.problem(option, reason)


def _refuse_written(section: Section, *options: str, reason: str) -> None:
    for option in options:
        if option in section.written:
            section.problem(option, reason)


RULES: Mapping[str, Callable[[Section], None]] = {"listener": _listener, "backend": _backend, "plugin": _plugin}
"""By kind of section."""
