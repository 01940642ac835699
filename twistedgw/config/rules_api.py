"""What must hold between the options of an API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.option import RefusedError
from twistedgw.config.words import did_you_mean
from twistedgw.transcoding.rule import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.config.mapping import Rpc
    from twistedgw.config.model import Protocol
    from twistedgw.config.section import Section

__all__ = ["check_api"]


def check_api(section: Section, protocols: Mapping[str, Protocol]) -> None:
    """Report what does not fit together.

    Args:
        section: of the kind ``api``, converted.
        protocols: those of the backends whose protocol is known.
    """
    protocol = protocols.get(section.values.get("backend") or "")
    rpc: Rpc | None = section.values.get("rpc")
    if protocol is not None and not protocol.is_grpc:
        reason = f"does not go with the backend's protocol, which is {protocol.value}"
        _refuse(section, ("rpc", "body", "response_body", "except"), reason)
        _need_route(section)
        return
    if protocol is not None and "rpc" not in section.written:
        section.problem("rpc", f"is missing, and the backend's protocol is {protocol.value}")
    if rpc is not None and rpc.method == "*":
        reason = "does not go with a whole service"
        _refuse(section, ("method", "path", "body", "response_body"), reason, "its .proto says it for each method")
        return
    if "rpc" not in section.written or rpc is not None:
        _need_route(section)
        _refuse(section, ("except",), "goes with a whole service only", "rpc = package.Service/*")
    if protocol is not None or rpc is not None:
        _check_method(section)


def _need_route(section: Section) -> None:
    for option in ("method", "path"):
        if option not in section.written:
            section.problem(option, "is missing")


def _check_method(section: Section) -> None:
    method = section.values.get("method")
    if method is not None and method not in METHODS:
        section.refuse(
            "method", RefusedError(f"is not one of {', '.join(METHODS)}", lambda: did_you_mean(method, METHODS))
        )


def _refuse(section: Section, options: tuple[str, ...], reason: str, hint: str = "") -> None:
    for option in options:
        if option in section.written:
            section.problem(option, reason, hint)
