from __future__ import annotations

from pathlib import Path

import pytest

from llmitm_pricing import PriceFileError
from llmitm_pricing.files import read
from llmitm_pricing.names import Names
from pricing.files import write

PRICE = "[[model.price]]\nmtok = { input = 1 }\n"


def names(folder: Path, text: str) -> Names:
    path = write(folder, text)
    return Names(read(path), path)


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
    found = names(tmp_path, FAMILY).find(name)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize("key", ["match", "regex"])
def test_a_name_is_claimed_once(tmp_path: Path, key: str) -> None:
    with pytest.raises(PriceFileError, match=r"'b.*' is claimed by two models, 'a' and 'c'"):
        names(tmp_path, model("a", **{key: '["b*"]'}) + model("c", **{key: '["b*"]'}))


def test_a_name_may_not_differ_by_case_alone(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="claimed by two models"):
        names(tmp_path, model("a") + model("A"))


def test_prefixes_are_taken_off(tmp_path: Path) -> None:
    text = 'strip = ["models/", "publishers/*/models/", "arn:*/"]\n' + model("a")
    found = names(tmp_path, text)
    for name in ("models/a", "publishers/acme/models/a", "arn:aws:x:eu:1:profile/models/a"):
        assert found.find(name), name
    assert not found.find("publishers/models/a")
    assert not found.find("models/")


def test_an_alias_goes_before_everything(tmp_path: Path) -> None:
    text = '[alias]\nmine = "gpt-large"\ngpt = "gpt-large"\n' + FAMILY
    found = names(tmp_path, text)
    assert [found.find(name).id for name in ("mine", "gpt")] == ["gpt-large", "gpt-large"]  # type: ignore[union-attr]


def test_an_alias_leads_somewhere(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="alias > mine: no model here is called 'yours'"):
        names(tmp_path, '[alias]\nmine = "yours"\n' + FAMILY)
