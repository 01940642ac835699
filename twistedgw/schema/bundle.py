"""The `google/*` files that every plugin may import: those of grpcio-tools and of googleapis-common-protos."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from twistedgw.schema.imports import Import, imports

__all__ = ["ALIASES", "FIXED", "imports_of", "names", "read"]

FIXED = "google/protobuf/"
"""Below this the bundled file is always taken: the runtime knows these types by heart."""

ALIASES = {"google/longrunning/operations.proto": "google/longrunning/operations_proto.proto"}
"""Files that googleapis-common-protos ships under another name than the one that everybody imports."""

_ROOMS = ("api", "cloud", "gapic", "logging", "longrunning", "rpc", "type")
_DEPTH_IN_CLOUD = ("google/cloud/*.proto", "google/cloud/location/*.proto")


def read(name: str) -> bytes | None:
    """Give the text of the bundled file that is imported as `name`; None where the bundle has no such file."""
    path = _files().get(name)
    return None if path is None else _content(path)


@functools.cache
def imports_of(name: str) -> tuple[Import, ...]:
    """Give what a bundled file imports."""
    return tuple(imports(read(name) or b""))


def names() -> tuple[str, ...]:
    """Give the import names of all bundled files, sorted."""
    return tuple(sorted(_files()))


@functools.cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def _files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in _folders("grpc_tools"):
        _collect(found, folder / "_proto", "google/protobuf/**/*.proto")
    for room in _ROOMS:
        # google.cloud is a namespace that many distributions share.
        patterns = _DEPTH_IN_CLOUD if room == "cloud" else (f"google/{room}/**/*.proto",)
        for folder in _folders(f"google.{room}"):
            for pattern in patterns:
                _collect(found, folder.parent.parent, pattern)
    for name, shipped_as in ALIASES.items():
        if shipped_as in found:
            found.setdefault(name, found[shipped_as])
    return found


def _collect(found: dict[str, Path], root: Path, pattern: str) -> None:
    for path in sorted(root.glob(pattern)):
        found.setdefault(path.relative_to(root).as_posix(), path)


def _folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or ()) if folder] if spec else []
