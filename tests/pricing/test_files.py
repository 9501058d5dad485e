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
        [":5: model > 'a' > colour: no such key"],
    ),
    "a unit that is not known": (
        MODEL + "[[model.price]]\nmtok = { inptu = 1 }",
        [
            ":6: model > 'a' > price > 1 > mtok > inptu: 'inptu' is not known here",
            "input, cached_input",
        ],
    ),
    "a negative price": (
        MODEL + "[[model.price]]\nmtok = { input = -1 }",
        [":6: model > 'a' > price > 1 > mtok > input: ", "greater than or equal to 0 (is -1)"],
    ),
    "no price": (MODEL, [":3: model > 'a' > price: Field required"]),
    "an empty price": (
        MODEL + "[[model.price]]\nfrom = 2026-01-01",
        [":5: model > 'a' > price > 1: has no prices: needs mtok, item, or free with the reason"],
    ),
    "free and yet priced": (
        MODEL + '[[model.price]]\nfree = "why not"\nmtok = { input = 1 }',
        [":5: model > 'a' > price > 1: is free, and yet has prices"],
    ),
    "a time without offset": (
        MODEL + "[[model.price]]\nfrom = 2026-01-01T10:00:00\nmtok = { input = 1 }",
        [":6: model > 'a' > price > 1 > from: a time needs its offset"],
    ),
    "blocks out of order": (
        MODEL
        + "[[model.price]]\nfrom = 2026-02-01\nmtok = { input = 1 }\n"
        + "[[model.price]]\nfrom = 2026-01-01\nmtok = { input = 1 }",
        [":9: model > 'a' > price > 2 > from: is no later than that of the price before"],
    ),
    "a block that begins before the last one ends": (
        MODEL
        + "[[model.price]]\nuntil = 2026-02-01\nmtok = { input = 1 }\n"
        + "[[model.price]]\nfrom = 2026-01-01\nmtok = { input = 1 }",
        [":9: model > 'a' > price > 2 > from: is before the price before it ends"],
    ),
    "a second block without a date": (
        MODEL + "[[model.price]]\nmtok = { input = 1 }\n[[model.price]]\nmtok = { input = 2 }",
        [":7: model > 'a' > price > 2: needs `from`"],
    ),
    "a variant without condition": (
        MODEL + "[[model.price]]\nmtok = { input = 1 }\n[[model.price.variant]]\ntimes = 2",
        [":7: model > 'a' > price > 1 > variant > 1: needs a condition"],
    ),
    "a calendar that is not there": (
        MODEL
        + '[[model.price]]\nmtok = { input = 1 }\n[[model.price.variant]]\ncalendar = "peek"\ntimes = 2',
        [":8: model > 'a' > price > 1 > variant > 1 > calendar: there is no 'peek' here"],
    ),
    "an item that depends on nothing": (
        MODEL + '[[model.price]]\n[[model.price.item]]\nunit = "image"\nusd = { "hd" = 1 }',
        [":6: model > 'a' > price > 1 > item > 1: `usd`", "`by`"],
    ),
    "an item's key with a word too few": (
        MODEL
        + '[[model.price]]\n[[model.price.item]]\nunit = "image"\nby = ["quality", "size"]\n'
        + 'usd = { "hd" = 1 }',
        [
            ":9: model > 'a' > price > 1 > item > 1 > usd > hd: 'hd' should have one word for each of quality, size"
        ],
    ),
    "an item's price that is none": (
        MODEL
        + '[[model.price]]\n[[model.price.item]]\nunit = "image"\nby = ["size"]\nusd = { big = -1 }',
        [":9: model > 'a' > price > 1 > item > 1 > usd > big: Input should be greater"],
    ),
    "a regular expression that is none": (
        MODEL + "regex = ['a(']\n[[model.price]]\nmtok = { input = 1 }",
        [":5: model > 'a' > regex > 1: is no regular expression", "'a('"],
    ),
    "another currency": ('currency = "EUR"\n', [":3: currency: Input should be 'USD' (is 'EUR')"]),
    "no TOML": ("[[model]\n", [":3: ", "at line 3"]),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_told_by_file_line_and_key(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PriceFileError) as error:
        read(path)
    first, *others = told
    assert str(error.value).startswith(f"{path}{first}")
    for part in others:
        assert part in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_is_called_after_its_provider(tmp_path: Path) -> None:
    path = write(tmp_path, "").rename(tmp_path / "other.toml")
    with pytest.raises(
        PriceFileError, match=":2: provider: is 'acme', the file's name says 'other'"
    ):
        read(path)


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, MODEL + "colour = 1\nshape = 2\n[[model.price]]\nmtok = { input = 1 }")
    with pytest.raises(PriceFileError) as error:
        read(path)
    assert str(error.value).splitlines() == [
        f"{path}:5: model > 'a' > colour: no such key",
        f"{path}:6: model > 'a' > shape: no such key",
    ]


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="no price files"):
        PriceTable.load(tmp_path)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_that_come_along_are_right(path: Path) -> None:
    file = read(path).file
    # A price that nobody can check again is no price.
    charged = any(not price.free for model in file.model for price in model.price)
    assert not charged or (file.page and file.checked)


def test_the_whole_table_loads() -> None:
    table = PriceTable.load()
    table.check()
    assert {"openai", "anthropic", "gemini"} <= set(table.providers())
