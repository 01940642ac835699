"""protoc's complaints as `Problem`s."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse"]

LONGEST_MESSAGE = 500

_PLACE = re.compile(r":(\d{1,9}):(\d{1,9}): ")
_LOG = re.compile(r"[WIEF]\d{4} |WARNING: All log messages before absl")
_WARNING = "warning: "


def parse(text: str, shown: Mapping[str, str]) -> list[Problem]:
    """Read what protoc wrote to its standard error.

    Args:
        text: all of it.
        shown: for each file's import name, the path that a person would write.

    Returns:
        The errors in protoc's order; warnings and log lines are left out.
    """
    problems: list[Problem] = []
    in_warning = False
    for line in text.split("\n"):
        if not line.strip() or _LOG.match(line):
            continue
        problem = _read(line, shown)
        if problem is None:
            if problems and not in_warning:
                problems[-1] = _continued(problems[-1], line)
            continue
        in_warning = problem.message.startswith(_WARNING)
        if not in_warning:
            problems.append(problem)
    return problems


def _read(line: str, shown: Mapping[str, str]) -> Problem | None:
    for place in _PLACE.finditer(line):  # a file's name may itself look like this
        file, message = line[: place.start()], line[place.end() :]
        if file in shown:
            return Problem(shown[file], int(place[1]), int(place[2]), message=_cut(message))
    file, colon, message = line.partition(": ")
    if colon and file in shown:
        return Problem(file=shown[file], line=0, message=_cut(message))
    return None


def _continued(problem: Problem, line: str) -> Problem:
    return Problem(problem.file, problem.line, problem.column, message=_cut(f"{problem.message} {line.strip()}"))


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
