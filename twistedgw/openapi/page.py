"""A page to read a document on, and to try it: Swagger UI, as the package ``flask-swagger-ui`` ships it.

Nothing of Flask is imported; only the files of that package are read, and all of them come from the gateway itself.
"""

from __future__ import annotations

import html
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["CONTENT_SECURITY_POLICY", "asset", "installed", "page"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page's answer should carry in ``Content-Security-Policy``. Swagger UI writes styles into its elements."""

_PACKAGE = "flask_swagger_ui"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".png": "image/png"}
_SHIPPED = frozenset(("favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui.css"))
_START = """\
"use strict";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: document.getElementById("document").href,
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    withCredentials: true,
  });
});
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="{assets}favicon-32x32.png">
<link rel="stylesheet" href="{assets}swagger-ui.css">
<link rel="alternate" type="application/json" id="document" href="{document}">
<script src="{assets}swagger-ui-bundle.js" defer></script>
<script src="{assets}start.js" defer></script>
</head>
<body>
<div id="swagger-ui"></div>
<noscript><p>This page needs scripts. The document itself is <a href="{document}">here</a>.</p></noscript>
</body>
</html>
"""


def page(title: str, document_url: str, assets_url: str = "docs/") -> bytes:
    """Give the page, in UTF-8. It has no scripts of its own in it.

    Args:
        title: of the page.
        document_url: where the document is, as seen from the page.
        assets_url: what comes before the names of assets, as seen from the page.
    """
    found = _PAGE.format(title=html.escape(title), document=html.escape(document_url), assets=html.escape(assets_url))
    return found.encode("utf-8")


def installed() -> bool:
    """Tell whether the extra ``docs`` is there."""
    return find_spec(_PACKAGE) is not None


@lru_cache
def asset(name: str) -> tuple[str, bytes] | None:
    """Give one of the page's files. Blocks the first time that it is asked for.

    Args:
        name: without a folder.

    Returns:
        Its media type and its bytes; None where there is no such file, or the extra ``docs`` is not installed.
    """
    media_type = _TYPES.get(Path(name).suffix, "")
    if name == "start.js":
        return media_type, _START.encode("utf-8")
    spec = find_spec(_PACKAGE) if name in _SHIPPED else None
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            return media_type, Path(folder, "dist", name).read_bytes()
        except OSError:
            continue
    return None
