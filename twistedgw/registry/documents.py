"""Where a service has its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.config.model import Service

__all__ = ["document_paths"]


def document_paths(service: Service) -> Iterator[tuple[str, str, str]]:
    """Give the paths behind an environment's prefix: the option that asks for each, its form, and its template.

    The forms are those of `DocumentRoute`.
    """
    if service.openapi is not None:
        yield "openapi", "json", service.openapi
        yield "openapi", "yaml", f"{service.openapi.removesuffix('.json')}.yaml"
    if service.docs is not None:
        yield "docs", "page", service.docs
        yield "docs", "asset", f"{service.docs}/{{name}}"
