"""How gRPC's core is set up. Must be imported before anything of gRPC is."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["prefer_poller"]

_VARIABLE = "GRPC_EXPERIMENTS"
_POLLER = "-event_engine_client"
_KNOWN = range(74, 86)
"""The minor versions of grpcio 1 that are known to have it."""


def prefer_poller(environ: MutableMapping[str, str] = os.environ, grpcio: str = "") -> None:
    """Let the thread that waits for completions do the connections' reading too.

    By default threads of the core's event engine are woken for each answer besides that one; without them a call takes
    a sixth less of CPU time. It is a switch of the core that later versions may lose (they would complain of it on
    standard error), so it is used only with those that are known to have it. An operator's own setting stands.

    Args:
        environ: of the process.
        grpcio: the version; of the installed one if empty.
    """
    major, minor, *_ = (grpcio or version("grpcio")).split(".")
    if major == "1" and int(minor) in _KNOWN:
        environ.setdefault(_VARIABLE, _POLLER)
