"""One plugin's world of types."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from twistedgw.errors import ConfigError, Problem
from twistedgw.schema.comments import comments as comments_in
from twistedgw.schema.fileset import ordered
from twistedgw.schema.http_rules import RuleReader
from twistedgw.schema.places import places as places_in
from twistedgw.schema.standard import EXTRAS, standard_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

    from twistedgw.transcoding.rule import HttpRule

__all__ = ["Parts", "Schema", "digest_of"]

_REFUSED = (TypeError, ValueError, KeyError, DecodeError)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a schema is made of, as plain values that another process can make it from again.

    Attributes:
        file_set: a serialized ``FileDescriptorSet`` of all files of the pool.
        own_files, places, notes: as for `Schema`.
        digest: that of the schema.
    """

    file_set: bytes
    own_files: frozenset[str]
    places: Mapping[str, str]
    notes: tuple[Problem, ...]
    digest: str


class Schema:
    """The types and services of one plugin, in a descriptor pool of their own; immutable, and safe from any thread.

    The pool has `google.rpc`'s error details and ``google.api.HttpBody`` even where nothing imports them, unless the
    plugin defines these names itself.

    Attributes:
        pool: never the default pool, so two plugins may define one name differently.
        files: all files of the pool, by import name.
        own_files: the names of those that are the plugin's own.
        services: the services of the plugin's own files, by full name, in the order of their files.
        digest: equal for equal content.
    """

    def __init__(
        self,
        file_set: FileDescriptorSet,
        own_files: frozenset[str],
        places: Mapping[str, str] | None = None,
        *,
        origin: str = "",
        notes: tuple[Problem, ...] = (),
        digest: str = "",
    ) -> None:
        """Build the pool. Blocks for a moment: runs in a worker.

        Args:
            file_set: in any order; imports that it lacks are taken from the bundle.
            own_files: the names of the plugin's own files.
            places: for files by their import names, the paths that a person would write.
            origin: the file that a fault of the set is blamed on; each `.proto` for itself where empty.
            notes: problems of the source that do not keep the schema from being used.
            digest: for a schema that is made from its `Parts` again; taken from the content where empty.

        Raises:
            ConfigError: imports are missing or go in circles, or the definitions contradict each other.
        """
        self._shown = dict(places or {})
        self._notes = notes
        self.own_files = own_files
        self.digest = digest or digest_of(file_set, own_files, self._shown, notes)
        self._sources = {
            file.name: file.SerializeToString()
            for file in file_set.file
            if file.name in own_files and file.HasField("source_code_info")
        }
        self.pool = DescriptorPool()
        self.files: Mapping[str, FileDescriptor] = MappingProxyType(self._build(file_set, origin))
        self.services: Mapping[str, ServiceDescriptor] = MappingProxyType(
            {
                service.full_name: service
                for name, file in self.files.items()
                if name in own_files
                for service in file.services_by_name.values()
            }
        )
        self._reader = RuleReader(self.pool)
        self._rules: dict[str, tuple[HttpRule, ...]] = {}
        self._faults: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, dict[str, tuple[int, int]]] = {}
        self._comments: dict[str, dict[str, str]] = {}

    @classmethod
    def restored(cls, parts: Parts) -> Schema:
        """Make a schema from its parts. Blocks for a moment: runs in a worker."""
        file_set = FileDescriptorSet.FromString(parts.file_set)
        return cls(file_set, parts.own_files, parts.places, notes=parts.notes, digest=parts.digest)

    def parts(self) -> Parts:
        """Give all that another process needs to make this schema again."""
        file_set = FileDescriptorSet()
        for name, file in self.files.items():
            file_set.file.add().ParseFromString(self._sources.get(name) or file.serialized_pb)
        return Parts(file_set.SerializeToString(), self.own_files, self._shown, self._notes, self.digest)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong but does not keep the schema from being used, such as a rule that cannot be read."""
        found = list(self._notes)
        for service in self.services.values():
            for method in service.methods:
                self.rules(method)
                file, line, column = self.place(method.full_name) or (self._show(service.file.name), 0, 0)
                found += [Problem(file, line, column, message=fault) for fault in self._faults[method.full_name]]
        return tuple(found)

    def service(self, full_name: str) -> ServiceDescriptor | None:
        """Find a service in any file of the pool."""
        try:
            return self.pool.FindServiceByName(full_name)
        except KeyError:
            return None

    def method(self, service: str, method: str) -> MethodDescriptor | None:
        """Find a method by ``package.Service`` and its own name, in any file of the pool."""
        found = self.service(service)
        return None if found is None else found.methods_by_name.get(method)

    def message(self, full_name: str) -> Descriptor | None:
        """Find a message type in any file of the pool."""
        try:
            return self.pool.FindMessageTypeByName(full_name)
        except KeyError:
            return None

    def rules(self, method: MethodDescriptor) -> tuple[HttpRule, ...]:
        """Give a method's ``google.api.http`` rules: its own first, then its additional bindings.

        A rule that cannot be read is left out, and told of in `problems`.
        """
        name = method.full_name
        if name not in self._faults:
            self._rules[name], self._faults[name] = self._reader.read(method)
        return self._rules[name]

    def place(self, full_name: str) -> tuple[str, int, int] | None:
        """Tell where a service, method, message, field, enum or value of the plugin's own files stands.

        Returns:
            The file as the operator would write it, line and column, both 1-based; None where that is not known.
        """
        name = self._file_of(full_name)
        if name is None:
            return None
        if name not in self._places:
            self._places[name] = places_in(FileDescriptorProto.FromString(self._sources[name]))
        found = self._places[name].get(full_name)
        return None if found is None else (self._show(name), *found)

    def comment(self, full_name: str) -> str:
        """Give the comment on a service, method, message, field, enum, value or oneof of the plugin's own files.

        Returns:
            The text, without comment signs and margin; empty where there is none.
        """
        name = self._file_of(full_name)
        if name is None:
            return ""
        if name not in self._comments:
            self._comments[name] = comments_in(FileDescriptorProto.FromString(self._sources[name]))
        return self._comments[name].get(full_name, "")

    def _file_of(self, full_name: str) -> str | None:
        # Not every pool finds members by their names; their service or message is one step up.
        for symbol in (full_name, full_name.rpartition(".")[0]):
            with contextlib.suppress(KeyError):
                name = self.pool.FindFileContainingSymbol(symbol).name
                return name if name in self._sources else None
        return None

    def _show(self, name: str) -> str:
        return self._shown.get(name, name)

    def _build(self, file_set: FileDescriptorSet, origin: str) -> dict[str, FileDescriptor]:
        standard = standard_files()
        files, faults = ordered(file_set.file, standard)
        problems = [
            Problem(origin or self._show(name), 0, message=message, hint=hint) for name, message, hint in faults
        ]
        if problems:
            raise ConfigError(problems)
        built = {file.name: self._add(file, origin) for file in files}
        extras, _ = ordered([standard[name] for name in EXTRAS if name in standard], standard)
        for file in (file for file in extras if file.name not in built):
            # Where the plugin defines one of these names in a file of its own, that one holds.
            with contextlib.suppress(*_REFUSED):
                built[file.name] = _add(self.pool, file)
        return built

    def _add(self, file: FileDescriptorProto, origin: str) -> FileDescriptor:
        try:
            return _add(self.pool, file)
        except _REFUSED as error:
            reason = _reason(error)
            message = f'"{file.name}" contradicts itself or another file: {reason}'
            hint = "this edition needs a newer protobuf" if reason.startswith("Edition ") else ""
            raise ConfigError([Problem(origin or self._show(file.name), 0, message=message, hint=hint)]) from None


def digest_of(
    file_set: FileDescriptorSet,
    own_files: Iterable[str],
    places: Mapping[str, str],
    notes: Iterable[Problem] = (),
) -> str:
    """Hash all that a schema is made of; the order of the files does not matter."""
    digest = hashlib.sha256()
    for file in sorted(file_set.file, key=lambda file: file.name):
        data = file.SerializeToString(deterministic=True)
        digest.update(f"{len(data)} {file.name!r}\n".encode())
        digest.update(data)
    digest.update(repr((sorted(own_files), sorted(places.items()), [str(note) for note in notes])).encode())
    return digest.hexdigest()


def _add(pool: DescriptorPool, file: FileDescriptorProto) -> FileDescriptor:
    if file.HasField("source_code_info"):
        bare = FileDescriptorProto()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        file = bare
    # upb's pool does not find a file by a name outside of ASCII; the pure Python one gives nothing here.
    added: object = pool.AddSerializedFile(file.SerializeToString())
    return added if isinstance(added, FileDescriptor) else pool.FindFileByName(file.name)


def _reason(error: Exception) -> str:
    text = " ".join(str(error.args[0] if error.args else error).split())
    return text.removeprefix("Couldn't build proto file into descriptor pool: ")[:500]
