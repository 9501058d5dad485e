"""What holds for every model of the table that comes along, whatever the usage, the tier, the place and the hour."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm_pricing import Cost, PriceTable, Unpriced
from llmitm_pricing.schema import Item, Price, When
from llmitm_pricing.table import PricedModel
from llmitm_pricing.units import ATTRIBUTES, FEE_UNITS, ITEM_UNITS, TOKEN_UNITS, Leaves

TABLE = PriceTable.load()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARGUMENTS = {"inference_geo": "geo"}
"""What `price` calls a fact otherwise than the files do."""


class Name(NamedTuple):
    provider: str
    model: str


LISTED = [
    Name(provider, model.id)
    for provider in TABLE.providers()
    for file in TABLE.files(provider)
    for model in file.model
]
# One that is like another sells that one's models as well.
SOLD = [
    *LISTED,
    *(
        Name(provider, name.model)
        for provider in TABLE.providers()
        for other in {other for file in TABLE.files(provider) for other in file.like}
        for name in LISTED
        if name.provider == other
    ),
]


@cache
def found(name: Name) -> PricedModel:
    model = TABLE.find(name.model, name.provider)
    assert model is not None
    return model


def conditions(model: PricedModel) -> Iterator[When]:
    """Return the conditions under which a model costs something else."""
    yield from (modifier.when for modifier in model.modifiers)
    yield from (variant.when for price in model.entry.price for variant in price.variant)


def facts_of(models: list[PricedModel]) -> Mapping[str, list[str]]:
    """Return every word that conditions name, by what it is a word for; `*` stands for something."""
    words: dict[str, set[str]] = {}
    for model in models:
        for when in conditions(model):
            for fact, told in when.items():
                words.setdefault(fact, set()).update(word.replace("*", "some") for word in told)
    return {fact: sorted(told) for fact, told in words.items()}


FACTS = facts_of([found(name) for name in SOLD])
BY_TOKENS = [name for name in SOLD if any(price.mtok for price in found(name).entry.price)]
CHARGED = [name for name in SOLD if not any(price.free for price in found(name).entry.price)]

counts = st.integers(min_value=0, max_value=2_000_000)
moments = st.datetimes(datetime(2024, 6, 1), datetime(2027, 6, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
facts = st.fixed_dictionaries(
    {},
    optional={
        fact: st.sampled_from([*told, "unheard of"])
        for fact, told in ({"tier": ["default"]} | dict(FACTS)).items()
    },
)

PARENTS = {
    "cached_input": ("input",),
    "cache_write": ("input",),
    "cache_write_5m": ("input", "cache_write"),
    "cache_write_1h": ("input", "cache_write"),
    "cache_write_12h": ("input", "cache_write"),
    "audio_input": ("input",),
    "image_input": ("input",),
    "video_input": ("input",),
    "audio_cached_input": ("input", "cached_input", "audio_input"),
    "image_cached_input": ("input", "cached_input", "image_input"),
    "video_cached_input": ("input", "cached_input", "video_input"),
    "reasoning": ("output",),
    "audio_output": ("output",),
    "image_output": ("output",),
    "video_output": ("output",),
}
"""Whose total a unit is counted in as well."""
leaves = st.dictionaries(st.sampled_from(TOKEN_UNITS), counts, max_size=5)
fees = st.dictionaries(st.sampled_from(FEE_UNITS), st.integers(0, 50), max_size=2)
items = st.dictionaries(st.sampled_from(ITEM_UNITS), st.integers(0, 5000), max_size=3)


def usage_of(tokens: Mapping[str, int], **others: int) -> dict[str, int]:
    """Return counts as a provider reports them: totals contain their details."""
    usage = dict(others)
    for unit, count in tokens.items():
        for total in (unit, *PARENTS.get(unit, ())):
            usage[total] = usage.get(total, 0) + count
    return usage


def price(
    name: Name, usage: Mapping[str, int], told: Mapping[str, str] = {}, at: datetime = AT
) -> Cost | Unpriced:
    arguments: dict[str, Any] = {
        ARGUMENTS.get(fact, fact): word for fact, word in told.items() if fact not in ATTRIBUTES
    }
    attributes = {fact: word for fact, word in told.items() if fact in ATTRIBUTES}
    return TABLE.price(
        usage, model=name.model, provider=name.provider, at=at, attributes=attributes, **arguments
    )


def test_the_files_name_what_is_tried() -> None:
    assert {"tier", "inference_geo", "speed", "host"} <= FACTS.keys()
    assert {"batch", "flex", "priority"} <= set(FACTS["tier"])
    assert len(SOLD) > len(LISTED) > 500


@given(st.sampled_from(SOLD), leaves, fees, items, facts, moments)
def test_parts_add_up_and_nothing_is_negative(
    name: Name,
    tokens: dict[str, int],
    fee: dict[str, int],
    item: dict[str, int],
    told: dict[str, str],
    at: datetime,
) -> None:
    cost = price(name, usage_of(tokens, **fee, **item), told, at)
    if isinstance(cost, Cost):
        assert sum(cost.parts.values(), Decimal(0)) == cost.usd >= 0
        assert all(amount >= 0 for amount in cost.parts.values())
        assert {line.unit: line.amount for line in cost.working} == cost.parts
        # A third of a cent has no end; everything else is exact.
        assert all(
            abs(line.amount * line.per - line.quantity * line.price) < Decimal("1e-20")
            for line in cost.working
        )
        model = found(name)
        first_day = cost.price_id.removeprefix(f"{model.file.provider}/{model.entry.id}")
        assert re.fullmatch(r"(@\d{4}-\d\d-\d\d)?", first_day)


@given(st.sampled_from(CHARGED), leaves, fees, facts, moments)
def test_nothing_that_was_used_is_left_out(
    name: Name, tokens: dict[str, int], fee: dict[str, int], told: dict[str, str], at: datetime
) -> None:
    """What has no price makes a call unpriced: it is never 0."""
    usage = usage_of(tokens, **fee)
    cost = price(name, usage, told, at)
    if isinstance(cost, Cost):
        used = {unit for unit, count in fee.items() if count}
        if any(line.unit in TOKEN_UNITS for line in cost.working):
            # Citations are charged by one model alone.
            used |= Leaves(usage).counts.keys() - {"citation"}
        lines = {line.unit for line in cost.working if line.quantity}
        noted = {note.partition(" is left out: ")[0] for note in cost.notes}
        assert used <= lines | noted


@given(st.sampled_from(BY_TOKENS), leaves, st.sampled_from(TOKEN_UNITS), counts, facts, moments)
def test_more_of_anything_costs_no_less(
    name: Name,
    tokens: dict[str, int],
    unit: str,
    more: int,
    told: dict[str, str],
    at: datetime,
) -> None:
    less_cost = price(name, usage_of(tokens), told, at)
    more_cost = price(name, usage_of({**tokens, unit: tokens.get(unit, 0) + more}), told, at)
    if isinstance(less_cost, Cost) and isinstance(more_cost, Cost):
        assert less_cost.usd <= more_cost.usd


@given(
    st.sampled_from(CHARGED),
    st.sampled_from([*FEE_UNITS, *ITEM_UNITS]),
    st.integers(0, 5000),
    st.integers(0, 5000),
    facts,
)
def test_more_fees_and_items_cost_no_less(
    name: Name, unit: str, count: int, more: int, told: dict[str, str]
) -> None:
    less_cost = price(name, {"input": 1, "output": 1, unit: count}, told)
    more_cost = price(name, {"input": 1, "output": 1, unit: count + more}, told)
    if isinstance(less_cost, Cost) and isinstance(more_cost, Cost):
        assert less_cost.usd <= more_cost.usd


def names_of(provider: str, names: list[Name]) -> list[Name]:
    return [name for name in names if name.provider == provider]


def combinations(model: PricedModel) -> Iterator[dict[str, str]]:
    """Return each way in which the facts that a model's price depends on can be combined."""
    words = facts_of([model])
    for chosen in product(*([None, *told] for told in words.values())):
        yield {fact: word for fact, word in zip(words, chosen, strict=True) if word}


@pytest.mark.parametrize("provider", TABLE.providers())
def test_a_longer_prompt_costs_no_less_where_another_price_begins(provider: str) -> None:
    for name in names_of(provider, BY_TOKENS):
        model = found(name)
        for entry in model.entry.price:
            borders = {variant.prompt_from for variant in entry.variant if variant.prompt_from}
            for border, told in product(borders, combinations(model)):
                for unit in ("input", "cached_input", "cache_write"):
                    before, after = (
                        price(name, usage_of({unit: count, "output": 1000}), told, moment(entry))
                        for count in (border - 1, border)
                    )
                    if isinstance(before, Cost) and isinstance(after, Cost):
                        assert before.usd < after.usd, (name, unit, border, told)


@pytest.mark.parametrize("provider", TABLE.providers())
def test_every_combination_of_conditions_has_a_price(provider: str) -> None:
    for name in names_of(provider, BY_TOKENS):
        for entry, told in product(found(name).entry.price, combinations(found(name))):
            if entry.mtok:
                usage = usage_of(dict.fromkeys(entry.mtok, 1000))
                cost = price(name, usage, told, moment(entry))
                assert isinstance(cost, Cost), (name, told, cost)
                paid = [unit for unit, usd in entry.mtok.items() if usd]
                assert all(cost.parts[unit] > 0 for unit in paid), (name, told)


@pytest.mark.parametrize("provider", TABLE.providers())
def test_a_unit_that_has_no_price_is_never_zero(provider: str) -> None:
    for name in names_of(provider, BY_TOKENS):
        for unit in (*TOKEN_UNITS, *FEE_UNITS):
            usage = usage_of({unit: 1000}) if unit in TOKEN_UNITS else {"input": 0, unit: 1000}
            cost = price(name, usage, at=moment(found(name).entry.price[-1]))
            if isinstance(cost, Cost) and unit != "citation" and "left out" not in str(cost.notes):
                assert unit in cost.parts, (name, unit)


def moment(entry: Price) -> datetime:
    """Return a moment at which a block holds."""
    return entry.starts or (entry.until or AT).replace(year=2023)


@pytest.mark.parametrize("provider", TABLE.providers())
def test_one_item_costs_what_the_file_says(provider: str) -> None:
    for name in names_of(provider, SOLD):
        for entry in found(name).entry.price:
            for item, (told, usd) in ((each, one) for each in entry.item for one in listed(each)):
                if is_changed(entry, item, told):
                    continue
                quantity = max(int(item.minimum), 1)
                cost = price(name, {item.unit: quantity, "input": 0}, told, moment(entry))
                assert isinstance(cost, Cost), (name, told, cost)
                assert cost.parts[item.unit] == quantity * usd / item.per


def is_changed(entry: Price, item: Item, told: Mapping[str, str]) -> bool:
    """Return whether what was asked for is also a condition, under which an item may cost something else."""
    return any(
        other.unit == item.unit and variant.when.keys() & told.keys()
        for variant in entry.variant
        for other in variant.item
    )


def listed(item: Item) -> Iterator[tuple[dict[str, str], Decimal]]:
    if not isinstance(item.usd, dict):
        yield {}, item.usd
        return
    for key, usd in item.usd.items():
        yield dict(zip(item.by, key.split(" "), strict=True)), usd


@given(st.text(min_size=1), counts, st.sampled_from(TABLE.providers()))
def test_an_unknown_name_is_never_free(model: str, count: int, provider: str) -> None:
    cost = price(Name(provider, model), {"input": count})
    if TABLE.find(model, provider) is None:
        assert isinstance(cost, Unpriced)


@pytest.mark.parametrize("provider", TABLE.providers())
def test_no_usage_is_never_zero(provider: str) -> None:
    for name in names_of(provider, CHARGED):
        assert isinstance(price(name, {}), Unpriced)
        by_request = any(
            item.unit == "request" for entry in found(name).entry.price for item in entry.item
        )
        assert by_request or isinstance(price(name, {"request": 1}), Unpriced)


@pytest.mark.parametrize("provider", TABLE.providers())
def test_one_token_costs_what_the_file_says(provider: str) -> None:
    for name in names_of(provider, BY_TOKENS):
        for entry in found(name).entry.price:
            by_the_hour = any(variant.calendar for variant in entry.variant)
            if "input" in entry.mtok and not by_the_hour:
                cost = price(name, {"input": 1}, at=moment(entry))
                assert isinstance(cost, Cost)
                assert cost.usd * 1_000_000 == entry.mtok["input"]
