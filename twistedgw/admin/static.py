"""The console's files, as they are in the package."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.frontends.negotiation import gzip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["StaticFile", "StaticFiles"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PACKED = ("text/", "application/json", "image/svg")
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served.

    Attributes:
        packed: compressed; None where that is not worth it.
        etag: in quotes.
        fields: further header fields.
    """

    content_type: bytes
    body: bytes
    packed: bytes | None
    etag: bytes
    fields: Sequence[tuple[bytes, bytes]] = ()

    @classmethod
    def of(cls, content_type: str, body: bytes, fields: Sequence[tuple[bytes, bytes]] = ()) -> StaticFile:
        """Make one of its content."""
        packed = gzip(body) if content_type.startswith(_PACKED) else None
        etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:20].encode("ascii")
        return cls(content_type.encode("ascii"), body, packed, etag, fields)


class StaticFiles:
    """Files below a few folders, each read once while it does not change. One thread; no listings, no links out."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Name the folders by the paths that they are served at, each beginning and ending with ``/``."""
        self._folders = sorted(folders.items(), key=lambda each: -len(each[0]))
        self._known: dict[str, tuple[object, StaticFile]] = {}

    def find(self, path: str) -> StaticFile | None:
        """Give the file at the path of a URL; None where there is none."""
        for prefix, folder in self._folders:
            if path.startswith(prefix):
                name = path[len(prefix) :] or _INDEX
                return self._file(folder, name) if _PATH.fullmatch(name) else None
        return None

    def _file(self, folder: Path, name: str) -> StaticFile | None:
        file = folder / name
        content_type = _TYPES.get(file.suffix)
        real = os.path.realpath(file)
        if content_type is None or not real.startswith(os.path.realpath(folder) + os.sep) or not os.path.isfile(real):
            return None
        status = os.stat(real)
        signature = (status.st_mtime_ns, status.st_size)
        known = self._known.get(real)
        if known is None or known[0] != signature:
            known = self._known[real] = (signature, StaticFile.of(content_type, file.read_bytes()))
        return known[1]
