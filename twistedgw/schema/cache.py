"""Schemas kept by content, so that a reload that changes nothing compiles nothing and builds no pool."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING

from twistedgw.schema.compile import Compiler
from twistedgw.schema.schema import Schema, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from twistedgw.errors import Problem
    from twistedgw.schema.schema import Parts

__all__ = ["SchemaCache"]


class SchemaCache:
    """Every schema that somebody still uses, and the last few that nobody does; safe from any thread.

    Attributes:
        compiler: what the sources of `.proto` files compile with.
    """

    def __init__(self, compiler: Compiler | None = None, *, keep: int = 32) -> None:
        """Start empty.

        Args:
            compiler: with the usual limits where None.
            keep: how many keys to hold on to although nobody else uses their schemas.
        """
        self.compiler = compiler or Compiler()
        self._keep = keep
        self._lock = threading.Lock()
        self._alive: weakref.WeakValueDictionary[str, Schema] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[str, Schema] = OrderedDict()

    def get(self, key: str) -> Schema | None:
        """Give the schema that was put under this key, if it is still there."""
        with self._lock:
            schema = self._alive.get(key)
            if schema is not None:
                self._touch(key, schema)
            return schema

    def put(self, key: str, schema: Schema) -> Schema:
        """Keep a schema under a hash of whatever it was made from; give the one that was there already, if any."""
        with self._lock:
            schema = self._alive.setdefault(key, schema)
            self._touch(key, schema)
            return schema

    def share(
        self,
        file_set: FileDescriptorSet,
        own_files: frozenset[str],
        places: Mapping[str, str] | None = None,
        *,
        origin: str = "",
        notes: tuple[Problem, ...] = (),
    ) -> Schema:
        """Give the schema of this content: the one that exists, or a new one. The arguments are those of `Schema`.

        Raises:
            ConfigError: as `Schema` does.
        """
        digest = digest_of(file_set, own_files, places or {}, notes)
        found = self.get(digest)
        if found is not None:
            return found
        return self.put(digest, Schema(file_set, own_files, places, origin=origin, notes=notes))

    def restore(self, parts: Parts) -> Schema:
        """Give the schema of these parts: the one that exists, or a new one."""
        return self.get(parts.digest) or self.put(parts.digest, Schema.restored(parts))

    def _touch(self, key: str, schema: Schema) -> None:
        self._recent[key] = schema
        self._recent.move_to_end(key)
        while len(self._recent) > self._keep:
            self._recent.popitem(last=False)
