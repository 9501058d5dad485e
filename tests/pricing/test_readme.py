from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm_pricing import Cost, PriceTable
from llmitm_pricing.units import ATTRIBUTES, FEE_UNITS, ITEM_UNITS, TOKEN_UNITS

README = (Path(__file__).parents[2] / "pricing" / "README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    return found[number]


def test_the_example_of_a_call_gives_what_it_says() -> None:
    names: dict[str, object] = {}
    exec(block("python"), names)
    cost = names["cost"]
    assert isinstance(cost, Cost)
    assert f"cost.usd       # Decimal('{cost.usd.normalize()}')" in README
    assert f"cost.price_id  # '{cost.price_id}'" in README


@pytest.mark.parametrize(
    ("model", "usage", "facts", "usd"),
    [
        ("acme-large", {"input": 1000}, {}, "0.004"),
        ("our-deployment", {"input": 1000}, {"inference_geo": "us"}, "0.0044"),
        ("publishers/acme/acme-large-2026-05", {"input": 200_001}, {"tier": "bulk"}, "0.800004"),
        ("acme-large-20260501", {"input": 1000, "web_search": 1}, {}, "0.014"),
        ("acme-paint", {"image": 2}, {"quality": "hd"}, "0.16"),
        ("acme-listen", {"audio_second": 3}, {}, "0.001"),
        ("acme-tiny", {}, {}, "0"),
    ],
)
def test_the_example_of_a_file_is_one(
    tmp_path: Path, model: str, usage: dict[str, int], facts: dict[str, str], usd: str
) -> None:
    (tmp_path / "acme.toml").write_text(block("toml"), encoding="utf-8")
    cost = PriceTable.load(tmp_path).price(
        usage,
        model=model,
        provider="acme",
        at=datetime(2026, 11, 20, 12, tzinfo=UTC),
        geo=facts.pop("inference_geo", None),
        tier=facts.pop("tier", None),
        attributes=facts,
    )
    assert isinstance(cost, Cost)
    assert cost.usd == Decimal(usd)


@pytest.mark.parametrize(
    ("model", "usage", "provider", "usd"),
    [
        ("our-deployment", {"input": 1_000_000}, "openai", "2.2"),
        ("gpt-4o-2024-08-06", {"input": 1_000_000}, "openai", "2.2"),
        ("gpt-4o-2024-08-06", {"input": 0, "web_search": 1000}, "openai", "8"),
        ("ft:gpt-4o-mini:acme", {"input": 1_000_000}, "openai", "0.264"),
        ("gpt-4o-2024-08-06", {"input": 1_000_000}, "azure", "2.5"),
    ],
)
def test_the_example_of_an_own_file_is_one(
    tmp_path: Path, model: str, usage: dict[str, int], provider: str, usd: str
) -> None:
    (tmp_path / "openai.toml").write_text(block("toml", 1), encoding="utf-8")
    prices = PriceTable.load(own=tmp_path)
    prices.check()
    cost = prices.price(
        usage, model=model, provider=provider, at=datetime(2026, 11, 20, 12, tzinfo=UTC)
    )
    assert isinstance(cost, Cost)
    assert cost.usd == Decimal(usd)


@pytest.mark.parametrize("name", [*TOKEN_UNITS, *FEE_UNITS, *ITEM_UNITS, *ATTRIBUTES])
def test_every_name_is_explained(name: str) -> None:
    assert f"`{name}`" in README
