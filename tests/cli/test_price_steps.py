"""The five steps of pricing/README.md, followed word for word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from harness import ROOT
from llmitm.calls import Usage
from llmitm.cli import main
from llmitm.home import Home
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from store.records import chat, priced

README = (ROOT / "pricing" / "README.md").read_text(encoding="utf-8")
CALLED = datetime(2026, 11, 20, 12, tzinfo=UTC)
USAGE = Usage("reported", input_tokens=1500, output_tokens=500, cached_input_tokens=1000)


def steps() -> Iterator[tuple[str, str]]:
    """Yield the blocks of the section, each with its language."""
    section = README.partition("## A price in five steps")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^\*\*(\d)\.", section, re.M)] == [1, 2, 3, 4, 5]
    yield from re.findall(r"```(\w+)\n(.*?)```", section, re.S)


def words(text: str) -> list[list[str]]:
    """Return the words of each line: how far they are apart is a matter of the terminal."""
    return [line.split() for line in text.splitlines() if line.strip()]


def write(home: Home, block: str) -> None:
    place, text = block.split("\n", 1)
    found = re.fullmatch(r"# ~/\.llmitm/prices/(\w+\.toml)(, at its end)?", place)
    assert found is not None, place
    home.prices.mkdir(exist_ok=True)
    with (home.prices / found[1]).open("a" if found[2] else "w", encoding="utf-8") as file:
        file.write(text)


def test_the_steps_do_what_they_say(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    call = chat("1", at=CALLED.timestamp(), model="acme-large", provider="acme", usage=USAGE)
    writer = Writer(home.database)
    writer.write([priced(call, PriceTable.load(own=home.prices))])
    writer.close()

    for language, block in steps():
        if language == "toml":
            write(home, block)
            continue
        command, expected = block.split("\n", 1)
        program, *arguments = shlex.split(command.removeprefix("$ "))
        assert program == "llmitm"
        assert main(arguments) in (0, 1)
        shown = words(capsys.readouterr().out)
        for line in words(expected):
            assert any(set(line) <= set(found) for found in shown), (line, shown)
