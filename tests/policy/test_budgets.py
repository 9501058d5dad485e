"""Budgets: how they are written, and which calls they hold for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from llmitm.policy.budgets import Budget, Budgets, Held, Who, merged

ANN = Who(
    "openai",
    "gpt-4o-mini",
    user="ann",
    session="s1",
    run="01RUN",
    key="abc123",
    client="OpenAI/Python 2.1",
    properties={"Team": "red", "user": "a property"},
)


def budget(**fields: Any) -> Budget:
    return Budget.model_validate({"name": "b", "limit": 20, **fields})


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({}, True),
        ({"provider": "openai"}, True),
        ({"provider": "anthropic"}, False),
        ({"model": ("claude-*", "gpt-4o*")}, True),
        ({"model": "gpt-4o"}, False),
        ({"user": "ANN"}, True),
        ({"session": "s2"}, False),
        ({"run": "01RUN"}, True),
        ({"run": "01RUX"}, False),
        ({"run": "01*"}, True),
        ({"key": "abc123"}, True),
        ({"client": "OpenAI/*"}, True),
        ({"property": {"team": "r*"}}, True),
        ({"property": {"team": "blue"}}, False),
        ({"property": {"user": "ann"}}, False),
        ({"property": {"absent": "*"}}, False),
        ({"provider": "openai", "user": "bob"}, False),
    ],
)
def test_which_calls_it_is_for(fields: dict[str, Any], holds: bool) -> None:
    assert bool(Budgets([budget(**fields)]).holding(ANN)) == holds


@pytest.mark.parametrize(
    ("each", "value"), [("user", "ann"), ("model", "gpt-4o-mini"), ("team", "red"), ("absent", "")]
)
def test_each_has_it_to_itself(each: str, value: str) -> None:
    one = budget(each=each)
    assert Budgets([one]).holding(ANN) == [Held(one, value)]


@pytest.mark.parametrize(
    ("given", "usd"), [(20, "20"), (0.1, "0.1"), ("$2.50", "2.50"), ("0", "0")]
)
def test_amounts(given: Any, usd: str) -> None:
    assert budget(limit=given).limit == Decimal(usd)


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"limit": -1}, "an amount in USD"),
        ({"limit": True}, "an amount in USD"),
        ({"limit": "much"}, "an amount in USD"),
        ({"per": "year"}, "sliding length"),
        ({"on_limit": "stop"}, "block, warn or fallback:MODEL"),
        ({"on_limit": "fallback:"}, "block, warn or fallback:MODEL"),
        ({"unpriced": "maybe"}, "block, warn, or the USD"),
        ({"warn_at": (0,)}, "percentages from 1 to 100"),
        ({"name": "a b"}, "pattern"),
        ({"users": "ann"}, "not permitted"),
    ],
)
def test_what_is_wrong_is_told(fields: dict[str, Any], allowed: str) -> None:
    with pytest.raises(ValidationError, match=allowed):
        budget(**fields)


def test_another_limit_keeps_the_account_and_another_period_does_not() -> None:
    assert budget(limit=1).identity == budget(limit=2, on_limit="warn").identity
    assert len({budget().identity, budget(per="day").identity, budget(user="a").identity}) == 3


def test_what_is_made_by_hand_goes_before_the_settings() -> None:
    made = budget(limit=1)
    assert merged([budget(limit=2), budget(name="other")], [made]) == (made, budget(name="other"))


def test_it_outlives_being_written_down() -> None:
    one = budget(limit="0.123456789", unpriced="0.5", property={"team": ("a", "b")}, each="user")
    assert Budget.model_validate_json(one.model_dump_json(exclude_defaults=True)) == one
