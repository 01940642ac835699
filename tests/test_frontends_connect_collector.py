"""The body of a unary call by an RPC protocol: collected within a limit of its own, or refused once."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from twistedgw.errors import GatewayError
from twistedgw.web.collector import Collector
from twistedgw.web.refusals import body_timeout


class Outcome:
    def __init__(self, limit: int | None) -> None:
        self.bodies: list[bytes] = []
        self.errors: list[GatewayError] = []
        self.collector = Collector(limit, self.bodies.append, self.errors.append)


@pytest.mark.parametrize("parts", [[], [b"a"], [b"ab", b"c", b"de"]])
def test_a_body_within_the_limit(parts: list[bytes]) -> None:
    outcome = Outcome(5)
    for part in parts:
        outcome.collector.dataReceived(part)
    outcome.collector.finished()
    assert (outcome.bodies, outcome.errors) == ([b"".join(parts)], [])


def test_a_body_over_the_limit_is_refused_once() -> None:
    outcome = Outcome(5)
    for part in (b"abc", b"def", b"ghi"):
        outcome.collector.dataReceived(part)
    outcome.collector.finished()
    assert outcome.bodies == []
    assert [error.reason for error in outcome.errors] == ["REQUEST_TOO_LARGE"]


@pytest.mark.parametrize(("problem", "told"), [(body_timeout(), 1), (ConnectionDone(), 0)])
def test_a_body_that_does_not_come(problem: Any, told: int) -> None:
    outcome = Outcome(5)
    outcome.collector.dataReceived(b"a")
    outcome.collector.aborted(Failure(problem))
    assert (outcome.bodies, outcome.errors) == ([], [problem] * told)


def test_a_body_that_nobody_wants() -> None:
    outcome = Outcome(None)
    outcome.collector.dataReceived(b"a")
    outcome.collector.finished()
    outcome.collector.aborted(Failure(body_timeout()))
    assert (outcome.bodies, outcome.errors) == ([], [])
