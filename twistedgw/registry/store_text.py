"""Sections of the store as INI text, in the operator's own format, and back.

What is known of a section besides its options (its revision, when it was made and changed) stands in a comment below
its header, so that one file, replaced in one step, holds everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from twistedgw.config.ini import IniError, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Stored", "UnwritableError", "check_item", "joined", "parse_sections", "render"]

_HEAD = (
    "; What the console and the admin API of twistedgw have created: written by them, read last of all files.\n"
    "; Change it by hand only while the gateway is stopped; comments of yours would be lost.\n"
)
_ABOUT = re.compile(r"; revision ([0-9]{1,9}), created (\S+), changed (\S+)")
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_COMMENT = re.compile(r"(?:^|\s)[#;]")
_BLANKS = re.compile(r"\s{200}")
_LONGEST = 8000
"""Characters of a line; an INI file's may have a few more."""

_ONE_LINE = 80
"""Characters; longer lists stand on several lines."""


class UnwritableError(ValueError):
    """A value that an INI file cannot hold; the text says why, going on after the value."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A section of the store.

    Attributes:
        name: without brackets, such as ``api:bookstore/all``.
        options: as written; the items of a long list are divided by newlines.
        revision: counts its changes.
        created, changed: seconds since 1970; 0 where nobody knows.
        line: of its header, 1-based; 0 for one that is not in a file yet.
    """

    name: str
    options: Mapping[str, str]
    revision: int = 1
    created: float = 0.0
    changed: float = 0.0
    line: int = field(default=0, compare=False)


def check_item(text: str) -> str:
    """Make sure that a text can be a value, or an item of a list, and is read back as it is.

    Raises:
        UnwritableError: it cannot.
    """
    unusable = _UNUSABLE.search(text)
    if unusable:
        what = "a line break" if unusable[0] in "\n\r\u2028\u2029" else "a control character"
        raise UnwritableError(f"has {what}")
    if "${" in text:
        raise UnwritableError("has '${', which stands for an environment variable in an INI file")
    if text != text.strip():
        raise UnwritableError("begins or ends with a blank")
    if _COMMENT.search(text):
        raise UnwritableError("has a '#' or ';' at its start or after a blank, where a comment begins in an INI file")
    if _BLANKS.search(text):
        raise UnwritableError("has too many blanks in a row")
    if len(text) > _LONGEST:
        raise UnwritableError(f"has more than {_LONGEST:,} characters")
    return text


def joined(items: Iterable[str]) -> str:
    """Give the value of an option that is a list.

    Raises:
        UnwritableError: an item cannot be written; or is empty, or has a comma.
    """
    checked = [check_item(item) for item in items]
    for item in checked:
        if not item:
            raise UnwritableError("is empty")
        if "," in item:
            raise UnwritableError("has a comma, which divides the items of a list")
    line = ", ".join(checked)
    return line if len(line) <= _ONE_LINE else "\n".join(checked)


def render(sections: Iterable[Stored]) -> str:
    """Give the text of the store's file."""
    return "\n".join([_HEAD, *(_section(section) for section in sections)])


def _section(section: Stored) -> str:
    about = f"; revision {section.revision}, created {_time(section.created)}, changed {_time(section.changed)}"
    lines = [f"[{section.name}]", about]
    lines += [f"{name} = {text}".replace("\n", "\n    ").rstrip() for name, text in section.options.items()]
    return "\n".join([*lines, ""])


def parse_sections(text: str) -> tuple[dict[str, Stored], list[IniError]]:
    """Read the text of the store's file.

    Returns:
        its sections by name, in their order, and everything that is wrong with its lines.
    """
    raw, errors = parse(text)
    lines = text.splitlines()
    found: dict[str, Stored] = {}
    for section in raw:
        if section.name in found:
            errors.append(IniError(section.line, section.name, "", "is declared twice"))
            continue
        options = {name: entry.text for name, entry in section.entries.items()}
        about = _ABOUT.fullmatch(lines[section.line].strip()) if section.line < len(lines) else None
        known = (int(about[1]), _seconds(about[2]), _seconds(about[3])) if about else (1, 0.0, 0.0)
        found[section.name] = Stored(section.name, options, *known, line=section.line)
    return found, errors


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
