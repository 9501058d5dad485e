"""Conditions of alerts: what may be written, what it means, and what is said of the rest."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.alert_conditions import Condition, parse, shown
from llmitm.policy.alert_windows import Window

DAY = Window(calendar="day")
HOUR = Window(seconds=3_600)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("spend > 50 / day", Condition("spend", ">", Decimal(50), DAY)),
        ("spend 50/day", Condition("spend", ">", Decimal(50), DAY)),
        ("spend > $1,000.50 per day", Condition("spend", ">", Decimal("1000.5"), DAY)),
        ("spend >= 0.5", Condition("spend", ">=", Decimal("0.5"), DAY)),
        (
            "error rate > 5% / 15m by provider, model if calls >= 20",
            Condition(
                "error_rate",
                ">",
                Decimal("0.05"),
                Window(seconds=900),
                by=("provider", "model"),
                least_calls=20,
            ),
        ),
        ("429-rate > 1%", Condition("429_rate", ">", Decimal("0.01"), HOUR, least_calls=10)),
        (
            'p99.9 first_content > 800ms / 24h where model=gpt-*, property:Project="a b"',
            Condition(
                "first_content",
                ">",
                Decimal(800),
                Window(seconds=86_400),
                where={"model": "gpt-*", "property:Project": "a b"},
                least_calls=10,
                percentile=Decimal("99.9"),
            ),
        ),
        ("tokens > 1.5M / week", Condition("tokens", ">", Decimal(1_500_000), Window("week"))),
        (
            "budget_use >= 80% where budget=nightly",
            Condition(
                "budget_use",
                ">=",
                Decimal("0.8"),
                None,
                by=("budget",),
                where={"budget": "nightly"},
            ),
        ),
        ("calls < 1 / 1h", Condition("calls", "<", Decimal(1), HOUR)),
        (
            "cache hit rate < 20% / month",
            Condition("cache_hit_rate", "<", Decimal("0.2"), Window("month"), least_calls=10),
        ),
    ],
)
def test_what_may_be_written(text: str, condition: Condition) -> None:
    assert parse(text) == condition
    assert parse(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"is no condition: METRIC \[OP\] VALUE"),
        ("spend", "is no condition"),
        ("spend > much", "is no condition"),
        ("spent > 50", "metric 'spent': allowed is spend, calls"),
        ("latency > 5s", "metric 'latency': allowed is .*p95 latency"),
        ("p95 spend > 5", "metric 'p95 spend'"),
        ("p0 latency > 5s", "p0: allowed is p1 to p99.9"),
        ("spend > 50s", "spend is measured as 50 or \\$50"),
        ("calls > \\$5", "is no condition"),
        ("calls > $5", "calls is measured as 100, 10k or 1.5M"),
        ("error rate > 5", "error_rate is measured as 5%"),
        ("error rate > 120%", "error_rate is 100% at most"),
        ("p50 latency > 5", "latency is measured as 10s or 800ms"),
        ("spend > 50 / fortnight", "window 'fortnight': allowed is hour, day"),
        ("spend > 50 / 59d", "window '59d'"),
        ("spend > 50 / 0m", "window '0m'"),
        ("spend > 50 by colour", "by 'colour': allowed is user, model"),
        ("spend > 50 by property:", "by 'property:'"),
        ("spend > 50 by user, user", "each once"),
        ("spend > 50 where colour=red", "where 'colour': allowed with spend is user"),
        ("spend > 50 where user", "KEY=VALUE"),
        ("spend > 50 where user=a, user=b", "where 'user': once"),
        ("calls < 5 / day", "a day always begins with nothing"),
        ("calls < 5 / 1h by user", "groups without calls are not known"),
        ("cache hit rate < 0%", "is never so"),
        ("budget use > 80% / day", "a budget has a window of its own"),
        ("budget use > 80% by user", "allowed with budget_use is budget"),
        ("budget use > 80% where user=a", "allowed with budget_use is budget"),
    ],
)
def test_what_is_said_of_the_rest(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


PIECES = (
    *(
        "spend",
        "calls",
        "error rate",
        "429 rate",
        "p95 latency",
        "budget use",
        ">",
        "<=",
        "50",
        "$1,0.5",
        "5%",
    ),
    *(
        "10s",
        "/ day",
        "/ 90m",
        "/ 7d",
        "by user",
        "by property:a, model",
        "where",
        "user=a",
        "model='b c'",
    ),
    *("if calls >= 3", "p", "..", "=", ",", "\n", "０"),
)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=7).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse(text)
    except ValueError:
        return
    assert parse(str(condition)) == condition


@given(st.decimals(0, 10**9, places=9))
def test_money_is_shown_with_all_its_digits(amount: Decimal) -> None:
    text = shown(amount, "usd")
    assert Decimal(text.removeprefix("$").replace(",", "")) == amount


@given(
    st.sampled_from([">", ">=", "<", "<="]),
    st.decimals(0, 1, places=4),
    st.decimals(0, 1, places=4),
    st.sampled_from(["error_rate", "spend"]),
)
def test_nothing_is_crossed_and_back_at_once(
    operator: str, threshold: Decimal, value: Decimal, metric: str
) -> None:
    condition = Condition(metric, operator, threshold, HOUR)  # type: ignore[arg-type]
    assert not (condition.crossed(value) and condition.is_back(value))


@given(st.decimals(0, 1, places=4), st.sampled_from([">", "<"]))
def test_a_rate_can_always_come_back(threshold: Decimal, operator: str) -> None:
    condition = Condition("error_rate", operator, threshold, HOUR)  # type: ignore[arg-type]
    assert condition.is_back(Decimal(0) if operator == ">" else Decimal(1))


@pytest.mark.parametrize(
    ("text", "back", "not_back"),
    [
        ("spend > 50", "45", "45.01"),
        ("spend >= 50", "45", "49.99"),
        ("calls < 10 / 1h", "11", "10"),
        ("cache hit rate < 95%", "0.955", "0.954"),
        ("unpriced > 0", "0", "1"),
    ],
)
def test_how_far_a_value_has_to_go_back(text: str, back: str, not_back: str) -> None:
    condition = parse(text)
    assert condition.is_back(Decimal(back))
    assert not condition.is_back(Decimal(not_back))
