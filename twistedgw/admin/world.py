"""The admin API as the gateway sees it: a configuration of its own, whose one backend is in this process."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory

from twistedgw.config.load import load
from twistedgw.registry.build import Builder
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.source import Origin

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.schema.schema import Schema

__all__ = ["PACKAGE", "LocalUpstream", "Types", "admin_snapshot"]

PACKAGE = "twistedgw.admin.v1"
_FOLDER = Path(__file__).resolve().parent


class LocalUpstream:
    """The upstream of calls that are answered in this process."""

    identity: object = "local"
    in_flight = 0
    max_in_flight: int | None = None

    def state(self) -> str:
        """Give what a channel that is always there would give."""
        return "ready"

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


@functools.cache
def admin_snapshot() -> Snapshot:
    """Build the one generation of the admin API, once in a process. Blocks: runs a compiler, in a child process.

    Raises:
        ConfigError: files of this package are missing or damaged.
    """
    config = load(_FOLDER / "admin.ini", {})
    cache = SchemaCache()
    origin = Origin(base=_FOLDER)
    builder = Builder(
        lambda plugin, _: ProtoSource(plugin.proto, plugin.import_path, cache=cache, origin=origin).load(),
        lambda _: LocalUpstream(),
    )
    return builder.build(config)


class Types:
    """The message classes of the API: ``types.Plugin`` makes a ``twistedgw.admin.v1.Plugin``. Any thread."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._known: dict[str, Any] = {}

    def of(self, full_name: str) -> Any:
        """Give the class of a message by its full name."""
        known = self._known.get(full_name)
        if known is None:
            descriptor = self.schema.pool.FindMessageTypeByName(full_name)
            known = self._known[full_name] = message_factory.GetMessageClass(descriptor)
        return known

    def __getattr__(self, name: str) -> Any:
        if not name[:1].isupper():
            raise AttributeError(name)
        return self.of(f"{PACKAGE}.{name}")
