"""Where problems are gathered while a configuration is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.errors import PROBLEMS_PER_FILE, ConfigError, Problem

if TYPE_CHECKING:
    from twistedgw.config.option import Hint

__all__ = ["Report"]


class Report:
    """All problems so far; those of one file are told together and in the order of its lines."""

    def __init__(self) -> None:
        self._by_file: dict[str, list[Problem]] = {}
        self.unread = False
        """Whether a file could not be read, so that what it declares is not known."""

    def begin(self, file: str) -> None:
        """Give a file its place in the order of the report."""
        self._by_file.setdefault(file, [])

    def add(self, file: str, line: int, message: str, *, section: str = "", option: str = "", hint: Hint = "") -> None:
        """Take note of a problem. Its hint is made only where the report will show it."""
        problems = self._by_file.setdefault(file, [])
        if callable(hint):
            hint = hint() if len(problems) < PROBLEMS_PER_FILE else ""
        problems.append(Problem(file, line, section=section, option=option, message=message, hint=hint))

    def check(self) -> None:
        """Raise `ConfigError` if there is any problem."""
        problems = [
            problem
            for of_file in self._by_file.values()
            for problem in sorted(of_file, key=lambda problem: problem.line)
        ]
        if problems:
            raise ConfigError(problems)
