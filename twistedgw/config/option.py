"""What an option and a kind of section are; `options` has the ones that exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Context", "Hint", "Kind", "Option", "RefusedError", "Type"]


Hint = str | Callable[[], str]


class RefusedError(ValueError):
    """A text that a converter does not take.

    Attributes:
        reason: goes on after the text itself, such as ``is not a duration``.
        hint: what to write instead; may be empty, and may be made only when it is shown.
        item: the part of the text that is meant; empty for the whole.
        others: what is wrong with further items of a list.
    """

    def __init__(self, reason: str, hint: Hint = "", item: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.item = item
        self.others: tuple[RefusedError, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a converter needs to know besides the text.

    Attributes:
        folder: of the file that the text stands in.
        names: the names that are declared for each kind of section; None where a file could not be read, so that
            nobody knows.
    """

    folder: Path
    names: Mapping[str, Collection[str]] | None = None


@dataclass(frozen=True, slots=True)
class Type:
    """What an option's value may be.

    Attributes:
        name: in words, unit included.
        convert: the text, stripped and with its variables expanded, to the value; raises `RefusedError`.
        multiline: whether the text may have several lines.
        takes_empty: whether an empty text is a value.
    """

    name: str
    convert: Callable[[str, Context], Any]
    multiline: bool = False
    takes_empty: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a kind of section.

    Attributes:
        about: one sentence.
        default: as an operator would write it; None where there is none.
        absent: where there is no default: in words, what holds without the option.
        required: whether the section is wrong without it.
        live: whether a reload applies a change; a restart is needed otherwise.
    """

    name: str
    type: Type
    about: str
    default: str | None = None
    absent: str = ""
    required: bool = False
    live: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of section.

    Attributes:
        name: the word before the colon.
        form: the parts of the name after the colon, such as ``("SERVICE", "NAME")``; empty where there is none.
        options: those that may stand in every such section.
        variants: for each value of the option ``type``, the further options that go with it; empty where the kind has
            no types.
    """

    name: str
    form: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    variants: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)

    @property
    def header(self) -> str:
        """The section's name without brackets, such as ``api:SERVICE/NAME``."""
        return ":".join(filter(None, (self.name, "/".join(self.form))))

    @property
    def every(self) -> tuple[Option, ...]:
        """The options of all variants; where two have one of the same name, the first's."""
        further = [option for options in self.variants.values() for option in options]
        return tuple({option.name: option for option in reversed((*self.options, *further))}.values())[::-1]

    def within(self, variant: str) -> tuple[Option, ...]:
        """Give the options that may stand in a section of this variant; those of all where there is no such one."""
        further = self.variants.get(variant)
        return self.every if further is None else (*self.options, *further)
