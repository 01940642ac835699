"""Why a template did not take a path, in words."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from twistedgw.transcoding.template import Literal, Rest, Single, Template

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Path", "closest"]

_SHOWN = 5
_LONGEST = 60
_LOOKED_AT_CLOSELY = 50
_OTHER_METHOD = 0.25
_OTHER_VERB = 0.5
_SAME_LITERAL = -0.2


@dataclass(frozen=True, slots=True)
class Path:
    """A request path in both its readings.

    Attributes:
        segments: decoded, the last one whole.
        with_verb: the segments with the last one cut, and the verb; None where the path has no such reading.
    """

    segments: list[str]
    with_verb: tuple[list[str], str] | None


@dataclass(slots=True)
class _Miss:
    distance: float = 0.0
    why: str = ""

    def note(self, distance: float, why: str) -> None:
        self.distance += distance
        self.why = self.why or why


def closest(templates: Sequence[tuple[Sequence[str], Template]], method: str, path: Path) -> list[tuple[int, str]]:
    """Give the indexes of the templates that are closest to a request, best first, and why each was not chosen.

    Args:
        templates: each with the methods of its target; the one that was chosen is not among them.
        method: of the request.
        path: of the request.
    """
    rough = ((_miss(entry, method, path, closely=False).distance, index) for index, entry in enumerate(templates))
    candidates = heapq.nsmallest(_LOOKED_AT_CLOSELY, rough)
    misses = [(index, _miss(templates[index], method, path, closely=True)) for _, index in candidates]
    misses.sort(key=lambda item: item[1].distance)
    return [(index, miss.why) for index, miss in misses[:_SHOWN]]


def _miss(entry: tuple[Sequence[str], Template], method: str, path: Path, *, closely: bool) -> _Miss:
    methods, template = entry
    miss = _Miss()
    segments = path.segments
    if template.verb is not None and path.with_verb is not None:
        segments = path.with_verb[0]
    _compare(template, segments, miss, closely=closely)
    if template.verb is not None:
        _compare_verb(template.verb, path, miss)
    if method not in methods and "*" not in methods:
        its = "the method is" if len(methods) == 1 else "its methods are"
        miss.note(_OTHER_METHOD, f"the path fits, but {its} {', '.join(methods)}")
    miss.note(0, "it takes this request too, but one that comes before it was chosen")
    return miss


def _compare(template: Template, segments: list[str], miss: _Miss, *, closely: bool) -> None:
    count = len(segments)
    for index, part in enumerate(template.segments):
        if isinstance(part, Rest):
            return
        if index >= count:
            miss.note(1, f"segment {index + 1} is missing, {_wanted(part)}")
        elif isinstance(part, Single):
            if not segments[index]:
                miss.note(1, f"segment {index + 1} is empty, {_wanted(part)}")
        elif segments[index] == part.text:
            miss.distance += _SAME_LITERAL
        else:
            distance = 1 - 0.5 * _likeness(segments[index], part.text) if closely else 0.5
            miss.note(distance, f"segment {index + 1} is {_short(segments[index])}, {_wanted(part)}")
    extra = count - len(template.segments)
    if extra > 0:
        one_slash = extra == 1 and not segments[-1]
        found = (
            "ends with a '/'"
            if one_slash
            else f"goes on with {_short(segments[-extra])} as segment {count - extra + 1}"
        )
        miss.note(0.5 if one_slash else extra, f"the path {found}, where the template ends")


def _compare_verb(verb: str, path: Path, miss: _Miss) -> None:
    if path.with_verb is None:
        miss.note(_OTHER_VERB, f"the path lacks the verb ':{verb}' at its end")
    elif path.with_verb[1] != verb:
        miss.note(
            _OTHER_VERB, f"the path ends with {_short(':' + path.with_verb[1])}, where the verb ':{verb}' is expected"
        )


def _wanted(part: Literal | Single) -> str:
    return f"where {part.text!r} is expected" if isinstance(part, Literal) else "where '*' takes one that is not empty"


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def _likeness(found: str, expected: str) -> float:
    return SequenceMatcher(None, found[: 2 * _LONGEST].casefold(), expected.casefold(), autojunk=False).ratio()
