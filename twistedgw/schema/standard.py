"""The bundled `google/*` files as descriptors, compiled once in a process.

Used to complete descriptor sets that were made without their imports, and to give every schema the types of
`google.rpc` error details and ``google.api.HttpBody``.
"""

from __future__ import annotations

import functools
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from twistedgw.errors import ConfigError
from twistedgw.schema import bundle
from twistedgw.schema.compile import Compiler
from twistedgw.schema.files import ProtoFile

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXTRAS", "standard_files", "standard_set"]

EXTRAS = (
    "google/rpc/status.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/api/httpbody.proto",
)
"""What every schema has, imported or not."""

_lock = threading.Lock()
_files: Mapping[str, FileDescriptorProto] = MappingProxyType({})


def standard_files() -> Mapping[str, FileDescriptorProto]:
    """Give the descriptors of all bundled files, by import name and without source info.

    Blocks: starts a child process when called for the first time.

    Raises:
        ConfigError: grpcio-tools or googleapis-common-protos is not whole.
    """
    global _files
    with _lock:
        if not _files:
            _files = MappingProxyType(_compile())
        return _files


@functools.lru_cache(64)
def standard_set(names: frozenset[str]) -> bytes:
    """Give the descriptors of some bundled files as a serialized ``FileDescriptorSet``.

    Raises:
        ConfigError: as `standard_files` does.
        KeyError: one is not in the bundle.
    """
    files = standard_files()
    return FileDescriptorSet(file=[files[name] for name in sorted(names)]).SerializeToString()


def _compile() -> dict[str, FileDescriptorProto]:
    texts = {name: data for name in bundle.names() if (data := bundle.read(name)) is not None}
    sources = {name: ProtoFile(name, name, data, False) for name, data in texts.items()}
    # One content under two names would define everything twice.
    roots = [name for name in sources if name not in bundle.ALIASES.values() or name in bundle.ALIASES]
    compiled = Compiler().compile(sources, roots)
    if compiled.file_set is None:
        raise ConfigError(compiled.problems)
    files = {file.name: file for file in compiled.file_set.file}
    for file in files.values():
        file.ClearField("source_code_info")
    for name, shipped_as in bundle.ALIASES.items():
        if name in files and shipped_as not in files:
            copy = FileDescriptorProto()
            copy.CopyFrom(files[name])
            copy.name = shipped_as
            files[shipped_as] = copy
    return files
