"""How a method of the admin API says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.backends.failures import CallError
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twistedgw.admin.world import Types
    from twistedgw.errors import Problem

__all__ = ["Located", "RefusalError", "call_error", "conflict", "invalid", "missing", "problem_message"]

_TYPE = "type.googleapis.com/"
_DOMAIN = "twistedgw"
_MOST_DETAILS = 200
"""Problems, users or violations of an answer; more would be of no use."""

Located = "tuple[Problem, str]"
"""A problem, and the field of the request that it is about; empty for none."""


class RefusalError(Exception):
    """A request that is refused, with all that its answer needs.

    Attributes:
        code: the gRPC code.
        message: one sentence or more; may name files and sections, since the client has the admin token.
        reason: ``ErrorInfo.reason``.
        metadata: ``ErrorInfo.metadata``.
        violations: pairs of a field of the request and what is wrong with it.
        problems: what is wrong with the configuration, each with the field that it is about.
        users: pairs of a resource name and a sentence: what keeps it from being done.
        details: further messages.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[tuple[str, str]] = (),
        problems: Iterable[tuple[Problem, str]] = (),
        users: Iterable[tuple[str, str]] = (),
        details: Sequence[Any] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.problems = tuple(problems)
        self.users = tuple(users)
        self.details = tuple(details)


def invalid(field: str, description: str, *, reason: str = "INVALID_FIELD") -> RefusalError:
    """Refuse the value of a field."""
    return RefusalError(
        Code.INVALID_ARGUMENT, f"{field}: {description}", reason=reason, violations=[(field, description)]
    )


def missing(name: str) -> RefusalError:
    """Refuse a name that nothing has."""
    return RefusalError(Code.NOT_FOUND, f"there is no {name}", reason="NOT_FOUND", metadata={"resource": name})


def conflict(name: str) -> RefusalError:
    """Refuse an etag that is not that of the object any more."""
    return RefusalError(
        Code.ABORTED,
        f"{name} has been changed since it was read: read it again",
        reason="ETAG_MISMATCH",
        metadata={"resource": name},
    )


def call_error(refusal: RefusalError, types: Types) -> CallError:
    """Turn a refusal into what a bridge fails with."""
    status = types.of("google.rpc.Status")(code=int(refusal.code), message=refusal.message)
    for detail in _details(refusal, types):
        status.details.add(type_url=_TYPE + detail.DESCRIPTOR.full_name, value=detail.SerializeToString())
    return CallError(refusal.code, refusal.message, details=status.SerializeToString(), from_backend=True)


def _details(refusal: RefusalError, types: Types) -> list[Any]:
    info = types.of("google.rpc.ErrorInfo")(reason=refusal.reason, domain=_DOMAIN, metadata=refusal.metadata)
    found = [info]
    about = [(field, _sentence(problem)) for problem, field in refusal.problems if field]
    violations = list(dict.fromkeys([*refusal.violations, *about]))[:_MOST_DETAILS]
    if violations:
        request = types.of("google.rpc.BadRequest")()
        for field, description in violations:
            request.field_violations.add(field=field, description=description)
        found.append(request)
    if refusal.problems:
        problems = [problem_message(types, problem, field) for problem, field in refusal.problems[:_MOST_DETAILS]]
        found.append(types.Problems(problems=problems))
    if refusal.users:
        failure = types.of("google.rpc.PreconditionFailure")()
        for subject, description in refusal.users[:_MOST_DETAILS]:
            failure.violations.add(type=refusal.reason, subject=subject, description=description)
        found.append(failure)
    return [*found, *refusal.details]


def problem_message(types: Types, problem: Problem, field: str = "") -> Any:
    """Give a problem as the API shows it."""
    return types.Problem(
        file=problem.file,
        line=problem.line,
        column=problem.column,
        section=problem.section,
        option=problem.option,
        message=problem.message,
        hint=problem.hint,
        field=field,
    )


def _sentence(problem: Problem) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    text = f"{place}: {problem.message}" if problem.line and not problem.option else problem.message
    return f"{text} ({problem.hint})" if problem.hint else text
