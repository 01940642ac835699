"""The sections of a configuration by kind and name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.model import Protocol
from twistedgw.config.options import ENVIRONMENTS, KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from twistedgw.config.section import Section

__all__ = ["Declared"]


class Declared:
    """Every section that counts: of those that declare the same thing, the first.

    Attributes:
        duplicates: pairs of a section that does not count and the one that does.
    """

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections: dict[str, dict[str, Section]] = {kind: {} for kind in KINDS}
        self._members: dict[tuple[str, str], dict[str, Section]] = {}
        self.duplicates: list[tuple[Section, Section]] = []
        for section in sections:
            first = self._sections[section.kind.name].setdefault(section.name, section)
            if first is not section:
                self.duplicates.append((section, first))
            elif len(section.names) == 2:
                service, name = section.names
                self._members.setdefault((section.kind.name, service), {})[name] = section

    def of(self, kind: str) -> Mapping[str, Section]:
        """Give the sections of a kind by name."""
        return self._sections[kind]

    def within(self, kind: str, service: str) -> Mapping[str, Section]:
        """Give the sections ``[KIND:SERVICE/NAME]`` of a service by NAME."""
        return self._members.get((kind, service), {})

    def environments(self, service: str) -> tuple[str, ...]:
        """Give the names of a service's environments, those first that always exist."""
        return tuple(dict.fromkeys([*ENVIRONMENTS, *self.within("environment", service)]))

    def names(self) -> Mapping[str, Collection[str]]:
        """Give the declared names for each kind of section."""
        return self._sections

    def protocols(self) -> Mapping[str, Protocol]:
        """Give the protocol of each backend that has a valid one; after the sections are converted."""
        words = {name: section.values.get("protocol") for name, section in self.of("backend").items()}
        return {name: Protocol(word) for name, word in words.items() if word is not None}
