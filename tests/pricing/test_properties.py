"""What holds for every model of the table that comes along, whatever the usage."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from llmitm_pricing import Cost, PriceTable, Unpriced

TABLE = PriceTable.load()
MODELS = [
    (provider, model.id)
    for provider in TABLE.providers()
    for file in TABLE.files(provider)
    for model in file.model
    if any(price.mtok for price in model.price)
]
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)

models = st.sampled_from(MODELS)
tokens = st.integers(min_value=0, max_value=2_000_000)
tiers = st.sampled_from([None, "default", "batch", "flex", "priority", "unheard of"])
moments = st.datetimes(datetime(2025, 6, 1), datetime(2027, 6, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
details = st.dictionaries(
    st.sampled_from(["cached_input", "cache_write", "cache_write_1h", "audio_input", "reasoning"]),
    st.integers(min_value=0, max_value=2_000_000),
)


def price(model: tuple[str, str], usage: dict[str, int], **facts: object) -> Cost | Unpriced:
    return TABLE.price(usage, model=model[1], provider=model[0], **{"at": AT, **facts})  # type: ignore[arg-type]


@given(models, tokens, details, tiers, moments)
def test_parts_add_up_and_nothing_is_negative(
    model: tuple[str, str], count: int, more: dict[str, int], tier: str | None, at: datetime
) -> None:
    cost = price(model, {"input": count, **more}, tier=tier, at=at)
    if isinstance(cost, Cost):
        assert sum(cost.parts.values(), Decimal(0)) == cost.usd >= 0
        assert all(amount >= 0 for amount in cost.parts.values())
        assert all(line.amount * line.per == line.quantity * line.price for line in cost.working)
        assert cost.price_id.partition("@")[0].endswith(f"/{model[1]}")


@given(models, tokens, tokens, tiers)
def test_more_costs_no_less(
    model: tuple[str, str], count: int, more: int, tier: str | None
) -> None:
    less_cost = price(model, {"input": count}, tier=tier)
    more_cost = price(model, {"input": count + more}, tier=tier)
    if isinstance(less_cost, Cost) and isinstance(more_cost, Cost):
        assert less_cost.usd <= more_cost.usd


@given(st.text(min_size=1), tokens)
def test_an_unknown_name_is_never_free(name: str, count: int) -> None:
    for provider in ("openai", "anthropic", "gemini"):
        cost = price((provider, name), {"input": count})
        if TABLE.find(name, provider) is None:
            assert isinstance(cost, Unpriced)


@given(models)
def test_no_usage_is_never_zero(model: tuple[str, str]) -> None:
    assert isinstance(price(model, {}), Unpriced)
    assert isinstance(price(model, {"request": 1}), Unpriced)


@given(models)
def test_one_token_costs_what_the_file_says(model: tuple[str, str]) -> None:
    found = TABLE.find(model[1], model[0])
    assert found is not None
    for entry in found.entry.price:
        by_the_hour = any(variant.calendar for variant in entry.variant)
        if entry.starts and "input" in entry.mtok and not by_the_hour:
            cost = TABLE.price({"input": 1}, model=model[1], provider=model[0], at=entry.starts)
            assert isinstance(cost, Cost)
            assert cost.usd * 1_000_000 == entry.mtok["input"]
