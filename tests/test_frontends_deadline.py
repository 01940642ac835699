"""How long a call may take."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twistedgw.errors import InvalidArgument
from twistedgw.frontends.deadline import call_timeout, grpc_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("3S", 3),
        ("4m", 0.004),
        ("5u", 5e-6),
        ("6n", 6e-9),
        ("0S", 0),
        ("007S", 7),
        ("99999999H", 99999999 * 3600),
    ],
)
def test_digits_and_a_unit(text: str, seconds: float) -> None:
    assert grpc_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "S", "1", "1s", "1h", "1 S", " 1S", "1S ", "1S\n", "-1S", "+1S", "1.5S", "123456789S", "١S", "1S, 2S"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        grpc_timeout(text)
    error = caught.value
    assert (error.field, error.source, error.reason, error.http_status) == (
        "grpc-timeout",
        "header",
        "INVALID_TIMEOUT",
        400,
    )
    assert error.description.startswith("expected 1 to 8 digits and one of H, M, S, m, u, n, got ")


@pytest.mark.parametrize(
    ("asked", "longest", "timeout"),
    [
        (None, None, None),
        (None, 30.0, 30.0),
        ("1S", None, 1.0),
        ("1S", 30.0, 1.0),
        ("1H", 30.0, 30.0),
        ("0n", 30.0, 0.0),
        ("30S", 30.0, 30.0),
    ],
)
def test_the_shorter_one_holds(asked: str | None, longest: float | None, timeout: float | None) -> None:
    assert call_timeout(asked, longest) == timeout


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{0,10}[HMSmunh]?", fullmatch=True))
@example("1" * 100_000)
@example("1S\n")
def test_any_text_is_a_timeout_or_refused(text: str) -> None:
    if re.fullmatch("[0-9]{1,8}[HMSmun]", text):
        timeout = call_timeout(text, 10.0)
        assert timeout is not None
        assert 0 <= timeout <= 10
    else:
        with pytest.raises(InvalidArgument) as caught:
            call_timeout(text, 10.0)
        assert len(caught.value.message) < 300
