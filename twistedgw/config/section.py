"""A section of a known kind, its options converted one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twistedgw.config.expand import expand, has_variable
from twistedgw.config.model import Place
from twistedgw.config.option import Context, Hint, Kind, Option, RefusedError
from twistedgw.config.words import did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twistedgw.config.ini import Entry, RawSection
    from twistedgw.config.report import Report

__all__ = ["Section"]


@dataclass(slots=True)
class Section:
    """A section and what its options mean.

    Attributes:
        names: the parts of its name, as many as the kind has.
        folder: of the file, absolute.
        values: by option; defaults included, None where there is no default, nothing for an option that was refused.
        written: the options that stand there with something in them, right or wrong.
        options: those that may stand there; by the section's type where its kind has types.
    """

    kind: Kind
    names: tuple[str, ...]
    place: Place
    folder: Path
    report: Report
    entries: Mapping[str, Entry] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    options: tuple[Option, ...] = ()

    @classmethod
    def of(
        cls, kind: Kind, names: tuple[str, ...], raw: RawSection, file: str, folder: Path, report: Report
    ) -> Section:
        """Make the section that stands in a file."""
        lines = {name: entry.line for name, entry in raw.entries.items()}
        return cls(kind, names, Place(file, raw.name, raw.line, lines), folder, report, raw.entries)

    @property
    def name(self) -> str:
        """The name, such as ``bookstore/release``; empty where the kind has none."""
        return "/".join(self.names)

    def problem(self, option: str, message: str, hint: Hint = "") -> None:
        """Report what is wrong with an option, or with the section where `option` is empty."""
        line = self.place.options.get(option, self.place.line)
        self.report.add(self.place.file, line, message, section=self.place.section, option=option, hint=hint)

    def refuse(self, option: str, refused: RefusedError) -> None:
        """Report a value. What came from the environment may be a secret, so that the text as written stands for it."""
        self.values.pop(option, None)
        text = self._text(option)
        if has_variable(text):
            self.problem(option, f"{quoted(' '.join(text.split()))} {refused.reason}")
            return
        for one in (refused, *refused.others):
            self.problem(option, f"{quoted(one.item or ' '.join(text.split()))} {one.reason}", one.hint)

    def _text(self, name: str) -> str:
        """Give the text of an option as written, or its default."""
        if name in self.entries:
            return self.entries[name].text
        return next((option.default or "" for option in self.options if option.name == name), "")

    def convert(self, context: Context, environ: Mapping[str, str]) -> None:
        """Fill `values`, and report all that is wrong with single options."""
        for option in self.kind.options:
            self._take(option, context, environ)
        variant = self.values.get("type", "") if self.kind.variants else ""
        self.options = self.kind.within(variant)
        for option in self.options[len(self.kind.options) :]:
            if option.name in self.entries or variant:
                self._take(option, context, environ)
        for name in self.entries:
            if not any(option.name == name for option in self.options):
                self._unknown(name, variant)

    def _take(self, option: Option, context: Context, environ: Mapping[str, str]) -> None:
        if option.name in self.entries:
            self._convert(option, context, environ)
        elif option.required:
            self.problem(option.name, "is missing")
        else:
            self.values[option.name] = _default(option, context)

    def _unknown(self, name: str, variant: str) -> None:
        if any(option.name == name for option in self.kind.every):
            self.problem(name, f"does not go with type = {variant}")
            return
        known = [option.name for option in self.options]
        self.problem(name, "is not an option of this section", lambda: did_you_mean(name, known))

    def _convert(self, option: Option, context: Context, environ: Mapping[str, str]) -> None:
        text = self.entries[option.name].text
        self.written.add(option.name)
        try:
            text = expand(text, environ).strip()
        except RefusedError as refused:
            self.problem(option.name, refused.reason, refused.hint)
            return
        if not text:
            self.written.remove(option.name)
        if not text and not option.type.takes_empty:
            self._empty(option)
        elif "\n" in text and not option.type.multiline:
            hint = "a line that starts with whitespace continues the line above"
            self.problem(option.name, "has a value of several lines", hint)
        else:
            try:
                self.values[option.name] = option.type.convert(text, context)
            except RefusedError as refused:
                self.refuse(option.name, refused)

    def _empty(self, option: Option) -> None:
        """An option that has no default may be left empty, which says the same as leaving it out."""
        if option.required or option.default is not None:
            hint = f"leave it out for {option.default}" if option.default else ""
            self.problem(option.name, "has no value", hint)
        else:
            self.values[option.name] = None


def _default(option: Option, context: Context) -> Any:
    return None if option.default is None else option.type.convert(option.default, context)
