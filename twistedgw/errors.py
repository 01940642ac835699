"""The errors that this project raises on purpose.

A `GatewayError` becomes an HTTP answer; a `ConfigError` is the whole report about a configuration. Everything else that
is raised is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twistedgw.status import Code, http_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["ConfigError", "GatewayError", "InvalidArgument", "Problem", "escaped"]

PROBLEMS_PER_FILE = 100
"""How many problems of one file a report shows."""


class GatewayError(Exception):
    """A request that ends in an error, with all that its answer needs.

    Attributes:
        code: the gRPC status code.
        message: one sentence for the client; nothing internal (paths, addresses, tracebacks).
        reason: ``ErrorInfo.reason``, in UPPER_SNAKE_CASE.
        http_status: the HTTP status; that of the code where the constructor was given none.
        metadata: ``ErrorInfo.metadata``.
        headers: HTTP header fields that the answer carries besides the usual ones, such as ``Allow``.
        violations: ``BadRequest.field_violations`` as pairs of field path and description.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        reason: str,
        http_status_: int | None = None,
        metadata: Mapping[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.http_status = http_status(code) if http_status_ is None else http_status_
        self.metadata = dict(metadata or {})
        self.headers = tuple(headers)
        self.violations = tuple(violations)


class InvalidArgument(GatewayError):  # noqa: N818 - the name of its gRPC code
    """Something in the request cannot be taken: HTTP 400 (or another 4xx where `http_status_` says so).

    Attributes:
        field: the path of the field in the message, such as ``items[3].price``; empty for the whole.
        description: what was expected, and what came.
        source: the part of the request at fault: ``body``, ``query parameter``, ``path variable``, ``header``.
    """

    def __init__(
        self,
        field: str,
        description: str,
        *,
        source: str = "body",
        reason: str = "INVALID_BODY",
        http_status_: int | None = None,
    ) -> None:
        place = (
            f"{source} {field!r}" if field and source != "body" else f"{source} field {field!r}" if field else source
        )
        super().__init__(
            Code.INVALID_ARGUMENT,
            f"{place}: {description}",
            reason=reason,
            http_status_=http_status_,
            violations=((field or source, description),),
        )
        self.field = field
        self.description = description
        self.source = source

    def within(self, prefix: str) -> InvalidArgument:
        """Give the same error as seen from a message that holds this one in its field `prefix`."""
        inner = self.field
        path = f"{prefix}{inner}" if inner.startswith("[") else f"{prefix}.{inner}" if inner else prefix
        return InvalidArgument(
            path, self.description, source=self.source, reason=self.reason, http_status_=self.http_status
        )


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in the configuration, and where.

    Attributes:
        file: the file's path as a person would write it; empty where there is none.
        line: 1-based; 0 where unknown.
        column: 1-based; 0 where unknown (INI problems have none).
        section: the INI section without its brackets, such as ``api:bookstore/all``; empty for a `.proto`.
        option: the INI option; empty where the section as a whole is meant.
        message: what is wrong.
        hint: what to do about it, such as ``did you mean 'timeout'?``; may be empty.
    """

    file: str
    line: int
    column: int = 0
    section: str = ""
    option: str = ""
    message: str = field(default="")
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)]) if self.file else ""
        section = f"[{self.section}]" if self.section else ""
        where = " ".join(part for part in (f"{place}:" if place else "", section, self.option) if part)
        text = f"{where}: {self.message}" if section or self.option else f"{where} {self.message}"
        if self.hint:
            text += f" ({self.hint})"
        return escaped(text.strip())


class ConfigError(Exception):
    """A configuration that cannot be served: every problem that was found, in the order of files and lines.

    Attributes:
        problems: all of them; `str()` shows at most 100 for each file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(self.report())

    def report(self) -> str:
        """Give the report, a problem a line, with at most 100 lines for each file."""
        lines: list[str] = []
        shown: dict[str, int] = {}
        for problem in self.problems:
            count = shown[problem.file] = shown.get(problem.file, 0) + 1
            if count <= PROBLEMS_PER_FILE:
                lines.append(str(problem))
        for file, count in shown.items():
            if count > PROBLEMS_PER_FILE:
                lines.append(f"{escaped(file)}: and {count - PROBLEMS_PER_FILE} more problems")
        return "\n".join(lines)


def escaped(text: str) -> str:
    """Escape what is not printable, so that a hostile file cannot write to a terminal or forge a log line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
