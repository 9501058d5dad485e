"""How long a limit lasts, and why that is not known where it is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from llmitm.policy.exhaustion import Lasts, lasts
from llmitm.providers.limit_values import seconds_of

ONE = {"requests": 1.0, "tokens": 0.0}


@pytest.mark.parametrize(
    ("name", "period", "limit", "remaining", "resets_in", "used", "found"),
    [
        ("requests", "minute", 60, 30, 40.0, ONE, Lasts(30, "")),
        ("requests", "minute", 60, 30, 10.0, ONE, Lasts(None, "within the limit")),
        # Twice the pace of the limit: of what is left after the reset a second is lost each second.
        ("requests", "minute", 30, 30, 1.0, ONE, Lasts(60, "")),
        ("requests", None, 60, 30, 10.0, ONE, Lasts(None, "reset before that")),
        ("requests", None, None, 30, None, ONE, Lasts(30, "")),
        ("requests", "minute", 60, 0, 40.0, ONE, Lasts(0, "")),
        ("requests", "minute", 60, None, 40.0, ONE, Lasts(None, "what remains is not told")),
        ("tokens", "minute", 60, 5, 40.0, ONE, Lasts(None, "not in use now")),
        ("percent", "5 hours", 100, 5, 40.0, ONE, Lasts(None, "only a share is told")),
        ("opus_percent", "7 days", 100, 5, 4.0, ONE, Lasts(None, "only a share is told")),
        (
            "concurrent_requests",
            None,
            5,
            2,
            None,
            ONE,
            Lasts(None, "the use of concurrent requests is not counted here"),
        ),
    ],
)
def test_how_long_it_lasts(
    name: str,
    period: str | None,
    limit: int | None,
    remaining: int | None,
    resets_in: float | None,
    used: Mapping[str, float],
    found: Lasts,
) -> None:
    assert lasts(name, period, limit, remaining, resets_in, used) == found


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("minute", 60), ("5 hours", 18_000), ("7 days", 604_800), (None, None), ("primary", None)],
)
def test_how_long_a_period_is(span: str | None, seconds: float | None) -> None:
    assert seconds_of(span) == seconds
