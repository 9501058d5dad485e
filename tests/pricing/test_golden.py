from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm_pricing import Cost, PriceTable

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "golden.toml").read_text(encoding="utf-8"), parse_float=Decimal
)["case"]
TABLE = PriceTable.load()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['provider']}: {case['what']}")
def test_costs_what_the_providers_page_says(case: dict[str, Any]) -> None:
    facts = {
        key: value for key, value in case.items() if key not in ("what", "source", "working", "usd")
    }
    cost = TABLE.price(**facts)

    assert isinstance(cost, Cost), cost
    expected = {unit: (quantity, usd, per) for unit, quantity, usd, per in case["working"]}
    assert {line.unit: (line.quantity, line.price, line.per) for line in cost.working} == expected
    assert cost.usd == case["usd"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['provider']}: {case['what']}")
def test_the_working_adds_up(case: dict[str, Any]) -> None:
    total = sum(
        (
            Decimal(quantity) * Decimal(usd) / Decimal(per)
            for _, quantity, usd, per in case["working"]
        ),
        Decimal(0),
    )
    assert total == case["usd"]
    assert case["source"].startswith("https://")


def test_there_are_enough_cases_and_each_is_another() -> None:
    assert len(CASES) >= 60
    assert len({(case["provider"], case["what"]) for case in CASES}) == len(CASES)
