"""The options of a section as they are written, be it the store's or one of the operator's files."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from twistedgw.config.ini import NotIniError, parse
from twistedgw.config.paths import shown_path
from twistedgw.schema.reading import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.admin.view import View
    from twistedgw.config.model import Place

__all__ = ["written_options"]

_LARGEST = 16 << 20


def written_options(view: View, place: Place) -> Mapping[str, str]:
    """Give the options of a section by name, environment variables not expanded; nothing where the file has changed."""
    section = view.section(place)
    if section is not None:
        return section.options
    for path in view.config.files:
        if shown_path(path) == place.file:
            try:
                status = path.stat()
                sections = _sections(str(path), status.st_mtime_ns, status.st_size)
            except (OSError, UnreadableError, NotIniError, UnicodeDecodeError):
                return {}
            return sections.get(place.section, {})
    return {}


@functools.lru_cache(64)
def _sections(path: str, _modified: int, _size: int) -> Mapping[str, Mapping[str, str]]:
    raw, _ = parse(read(path, _LARGEST).decode("utf-8-sig"))
    return {section.name: {name: entry.text for name, entry in section.entries.items()} for section in raw}
