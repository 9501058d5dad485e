from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmitm_pricing import Cost, PriceFileError, PriceTable
from pricing.files import table

PRICE = "[[model.price]]\nmtok = { input = 1 }\n"


def found(prices: PriceTable, name: str) -> str | None:
    model = prices.find(name, "acme")
    return model.entry.id if model else None


def model(name: str, **keys: str) -> str:
    lines = [f'id = "{name}"', *(f"{key} = {value}" for key, value in keys.items())]
    return "[[model]]\n" + "\n".join(lines) + "\n" + PRICE


FAMILY = (
    model("gpt", match='["gpt-*"]')
    + model("gpt-large", match='["gpt-large-*"]')
    + model("gpt-large-2024", match='["gpt-large-2024"]')
    + model("dated", regex=r"['x-\d{4}']")
    + model("any-x", match='["x-99*"]')
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt", "gpt"),
        ("gpt-small", "gpt"),
        ("gpt-large", "gpt-large"),
        ("gpt-large-2025", "gpt-large"),
        ("gpt-large-2024", "gpt-large-2024"),
        ("GPT-Large-2024", "gpt-large-2024"),
        ("x-2024", "dated"),
        ("x-9924", "any-x"),
        ("x-20245", None),
        ("ungpt", None),
        ("", None),
    ],
)
def test_exact_before_longest_pattern_before_expression(
    tmp_path: Path, name: str, expected: str | None
) -> None:
    assert found(table(tmp_path, FAMILY), name) == expected


def notes(prices: PriceTable, name: str) -> tuple[str, ...]:
    cost = prices.price({"input": 1}, model=name, provider="acme", at=datetime.now(UTC))
    assert isinstance(cost, Cost)
    return cost.notes


def check(folder: Path, text: str) -> str:
    """Return what is wrong with a file."""
    with pytest.raises(PriceFileError) as error:
        table(folder, text).check()
    return str(error.value)


@pytest.mark.parametrize("key", ["match", "regex"])
def test_a_name_is_claimed_once(tmp_path: Path, key: str) -> None:
    told = check(tmp_path, model("a", **{key: '["b*"]'}) + model("c", **{key: '["x", "b*"]'}))
    assert told == (
        f"{tmp_path}/acme.toml:10: model > 'c' > {key} > 2: "
        "the name 'b*' is claimed by two models, 'a' in line 3 and 'c' in line 8"
    )


def test_a_name_may_not_differ_by_case_alone(tmp_path: Path) -> None:
    told = check(tmp_path, model("a") + model("A"))
    assert "acme.toml:8: model > 'A' > id: the name 'a' is claimed by two models" in told


def test_of_equally_long_patterns_that_with_the_longer_beginning_goes_first(tmp_path: Path) -> None:
    text = model("end", match='["*-turbo"]') + model("whole", match='["x-*urbo"]')
    prices = table(tmp_path, text)
    assert found(prices, "x-turbo") == "whole"
    assert found(prices, "y-turbo") == "end"


ALIKE = {
    "patterns": model("a", match='["x-*a*"]') + model("b", match='["x-*b*"]'),
    "expressions": model("a", regex="['x-.*a.*']") + model("b", regex="['x-.*b.*']"),
}


@pytest.mark.parametrize("text", ALIKE.values(), ids=ALIKE.keys())
def test_a_name_that_fits_two_models_alike_is_the_first_ones_with_a_note(
    tmp_path: Path, text: str
) -> None:
    prices = table(tmp_path, text)
    assert notes(prices, "x-ba") == ("the name fits 'b' as well as 'a'",)
    assert notes(prices, "x-a") == ()
    assert found(prices, "x-ba") == "a"


@pytest.mark.parametrize("text", ALIKE.values(), ids=ALIKE.keys())
def test_an_alias_leads_to_one_model(tmp_path: Path, text: str) -> None:
    told = check(tmp_path, '[alias]\nfine = "x-a"\nmine = "x-ba"\n' + text)
    assert told == (
        f"{tmp_path}/acme.toml:5: alias > mine: 'x-ba' fits two models, 'a' in line 6 and 'b' in line 11"
    )


def test_prefixes_are_taken_off(tmp_path: Path) -> None:
    text = 'strip = ["models/", "publishers/*/models/", "arn:*/", "*"]\n' + model("a")
    prices = table(tmp_path, text)
    for name in ("models/a", "Publishers/acme/models/A", "arn:aws:x:eu:1:profile/models/a"):
        assert found(prices, name) == "a", name
    assert found(prices, "publishers/models/b") is None
    assert found(prices, "models/") is None


def test_an_alias_goes_before_everything(tmp_path: Path) -> None:
    text = '[alias]\nMine = "gpt-large"\ngpt = "gpt-large"\n' + FAMILY
    prices = table(tmp_path, text)
    assert [found(prices, name) for name in ("mine", "gpt")] == ["gpt-large", "gpt-large"]


def test_an_alias_leads_to_a_model_and_not_to_another_alias(tmp_path: Path) -> None:
    text = '[alias]\nmine = "yours"\nother = "mine"\nfine = "x-2024"\n' + FAMILY
    assert check(tmp_path, text).splitlines() == [
        f"{tmp_path}/acme.toml:4: alias > mine: no model is called 'yours'",
        f"{tmp_path}/acme.toml:5: alias > other: no model is called 'mine'",
    ]
    with pytest.raises(PriceFileError, match=r"acme.toml:4: alias > mine: no model"):
        table(tmp_path, text).find("MINE", "acme")
