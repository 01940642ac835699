"""The types of plugins that there are. A new one is a file beside this one, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.plugins.backend_grpc import BackendGrpcType
from twistedgw.config.plugins.cors import CorsType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.config.plugins.plugin_type import PluginType

__all__ = ["PLUGIN_TYPES"]

PLUGIN_TYPES: Mapping[str, PluginType] = {kind.name: kind for kind in (BackendGrpcType(), CorsType())}
"""By name; the stages of a route stand in this order."""
