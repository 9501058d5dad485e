from __future__ import annotations

from pathlib import Path

import pytest

from llmitm_pricing import PriceFileError, PriceTable
from llmitm_pricing.files import DATA, read
from pricing.files import write

MODEL = '[[model]]\nid = "a"\n'

WRONG = {
    "a key that is not known": (
        MODEL + "colour = 1\n[[model.price]]\nmtok = { input = 1 }",
        ["model > 'a' > colour: no such key"],
    ),
    "a unit that is not known": (
        MODEL + "[[model.price]]\nmtok = { inptu = 1 }",
        [
            "model > 'a' > price > 1 > mtok > inptu: 'inptu' is not known here",
            "input, cached_input",
        ],
    ),
    "a negative price": (
        MODEL + "[[model.price]]\nmtok = { input = -1 }",
        ["model > 'a' > price > 1 > mtok > input: ", "greater than or equal to 0 (is -1)"],
    ),
    "no price": (MODEL, ["model > 'a' > price: Field required"]),
    "an empty price": (
        MODEL + "[[model.price]]\nfrom = 2026-01-01",
        ["model > 'a' > price > 1: has no prices: needs mtok, item, or free with the reason"],
    ),
    "free and yet priced": (
        MODEL + '[[model.price]]\nfree = "why not"\nmtok = { input = 1 }',
        ["is free, and yet has prices"],
    ),
    "a time without offset": (
        MODEL + "[[model.price]]\nfrom = 2026-01-01T10:00:00\nmtok = { input = 1 }",
        ["model > 'a' > price > 1 > from: a time needs its offset"],
    ),
    "blocks out of order": (
        MODEL
        + "[[model.price]]\nfrom = 2026-02-01\nmtok = { input = 1 }\n"
        + "[[model.price]]\nfrom = 2026-01-01\nmtok = { input = 1 }",
        ["model > 'a': price 2 begins no later than the one before it"],
    ),
    "a block that begins before the last one ends": (
        MODEL
        + "[[model.price]]\nuntil = 2026-02-01\nmtok = { input = 1 }\n"
        + "[[model.price]]\nfrom = 2026-01-01\nmtok = { input = 1 }",
        ["price 2 begins before the one before it ends"],
    ),
    "a second block without a date": (
        MODEL + "[[model.price]]\nmtok = { input = 1 }\n[[model.price]]\nmtok = { input = 2 }",
        ["price 2 needs `from`"],
    ),
    "a variant without condition": (
        MODEL + "[[model.price]]\nmtok = { input = 1 }\n[[model.price.variant]]\ntimes = 2",
        ["model > 'a' > price > 1 > variant > 1: needs a condition"],
    ),
    "a calendar that is not there": (
        MODEL
        + '[[model.price]]\nmtok = { input = 1 }\n[[model.price.variant]]\ncalendar = "peek"\ntimes = 2',
        ["model 'a' names the calendar 'peek'; there is none"],
    ),
    "an item that depends on nothing": (
        MODEL + '[[model.price]]\n[[model.price.item]]\nunit = "image"\nusd = { "hd" = 1 }',
        ["model > 'a' > price > 1 > item > 1", "`by`"],
    ),
    "an item's key with a word too few": (
        MODEL
        + '[[model.price]]\n[[model.price.item]]\nunit = "image"\nby = ["quality", "size"]\n'
        + 'usd = { "hd" = 1 }',
        ["'hd' should have one word for each of quality, size"],
    ),
    "a regular expression that is none": (
        MODEL + "regex = ['a(']\n[[model.price]]\nmtok = { input = 1 }",
        ["model > 'a' > regex > 1: is no regular expression", "'a('"],
    ),
    "another currency": ('currency = "EUR"\n', ["currency", "'USD'", "'EUR'"]),
    "no TOML": ("[[model]\n", ["at line 3"]),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_told_by_file_and_key(tmp_path: Path, text: str, told: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PriceFileError) as error:
        read(path)
    for part in (str(path), *told):
        assert part in str(error.value)


def test_a_file_is_called_after_its_provider(tmp_path: Path) -> None:
    path = write(tmp_path, "").rename(tmp_path / "other.toml")
    with pytest.raises(PriceFileError, match="provider is 'acme', the file's name says 'other'"):
        read(path)


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, MODEL + "colour = 1\nshape = 2\n[[model.price]]\nmtok = { input = 1 }")
    with pytest.raises(PriceFileError) as error:
        read(path)
    assert [line.partition(": ")[2] for line in str(error.value).splitlines()] == [
        "model > 'a' > colour: no such key",
        "model > 'a' > shape: no such key",
    ]


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="no price files"):
        PriceTable.load(tmp_path)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_that_come_along_are_right(path: Path) -> None:
    file = read(path)
    whole = PriceTable.load()
    kin = [file, *(entry for other in file.like for entry in whole.files(other))]
    ids = {model.id for entry in kin for model in entry.model}
    for modifier in file.modifier:
        for name in modifier.models:
            assert "*" in name or name in ids, f"the modifier names {name}, which has no price here"
    # A price that nobody can check again is no price.
    charged = any(not price.free for model in file.model for price in model.price)
    assert not charged or (file.page and file.checked)


def test_the_whole_table_loads() -> None:
    table = PriceTable.load()
    table.check()
    assert {"openai", "anthropic", "gemini"} <= set(table.providers())
