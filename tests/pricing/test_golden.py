from __future__ import annotations

from decimal import Decimal

import pytest

from llmitm_pricing import PriceTable
from pricing.golden_cases import KEYS, Case, cases, charged, name, parts

CASES = cases()
TABLE = PriceTable.load()
RULES = range(1, 15)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_costs_what_the_providers_page_says(case: Case) -> None:
    charge = charged(case, TABLE)

    if "unpriced" in case:
        assert charge.usd is None
        assert case["unpriced"] in str(charge.unpriced_reason)
        return
    assert charge.unpriced_reason is None
    told = " ".join((str(charge.price_id), *charge.notes))
    assert case.get("note", "") in told
    if "free" in case:
        assert charge.usd == 0
        assert case["free"] in told
        return
    if "reported_usd" in case:
        assert charge.usd == charge.provider_usd == case["reported_usd"]
        assert charge.table_usd == case["usd"]
        return
    assert charge.usd == charge.table_usd == case["usd"]
    assert dict(charge.parts) == parts(case)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_case_is_well_made(case: Case) -> None:
    assert set(case) - {"file"} <= KEYS
    assert case["source"].startswith("https://")
    outcomes = [key for key in ("usd", "free", "unpriced") if key in case]
    assert len(outcomes) == 1
    if "usd" in case:
        assert sum(parts(case).values(), Decimal(0)) == case["usd"]


def test_there_are_enough_cases_and_each_is_another() -> None:
    assert len({(case["file"], case["what"]) for case in CASES}) == len(CASES) >= 300


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_its_cases(rule: int) -> None:
    assert sum(case.get("rule") == rule for case in CASES) >= 2
