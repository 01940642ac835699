"""The API's own description, and a page to read it on: nothing in it is secret, so it needs no token."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from twistedgw.admin.gateway_methods import own_document
from twistedgw.admin.static import StaticFile
from twistedgw.openapi import page
from twistedgw.openapi.text import to_json, to_yaml

if TYPE_CHECKING:
    from twistedgw.registry.snapshot import Snapshot

__all__ = ["Manual"]

_POLICY = (b"content-security-policy", page.CONTENT_SECURITY_POLICY.encode("ascii"))


class Manual:
    """Files that are made when somebody asks for them. One thread."""

    def __init__(self, world: Snapshot) -> None:
        """Take the API's own snapshot."""
        self._world = world

    @cached_property
    def _made(self) -> dict[str, StaticFile]:
        document = own_document(self._world)
        made = {
            "/openapi.json": StaticFile.of("application/json", to_json(document).encode("utf-8")),
            "/openapi.yaml": StaticFile.of("application/yaml", to_yaml(document).encode("utf-8")),
        }
        if page.installed():
            html = page.page("twistedgw admin API", "openapi.json")
            made["/docs"] = StaticFile.of("text/html; charset=utf-8", html, [_POLICY])
        return made

    def find(self, path: str) -> StaticFile | None:
        """Give the file at the path of a URL; None where there is none."""
        if path.startswith("/docs/"):
            found = page.asset(path.removeprefix("/docs/"))
            return None if found is None else StaticFile.of(*found)
        return self._made.get(path) if path.startswith(("/openapi.", "/docs")) else None
