from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from llmitm.cli import price
from llmitm.errors import SettingsError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMITM_HOME", str(tmp_path))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    price.register(parser.add_subparsers())
    arguments = parser.parse_args(["price", *words])
    return int(arguments.run(arguments))


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(*words) == 0
    return capsys.readouterr().out


def test_the_list_is_columns_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "ls", "--provider", "anthropic", "claude-opus-4-6").splitlines()
    assert lines == ["anthropic\tclaude-opus-4-6\t5\t0.5\t6.25\t25"]


def test_the_list_has_all_providers(capsys: pytest.CaptureFixture[str]) -> None:
    providers = {line.split("\t")[0] for line in printed(capsys, "ls").splitlines()}
    assert {"openai", "anthropic", "gemini", "ollama"} <= providers


def test_the_list_of_another_day(capsys: pytest.CaptureFixture[str]) -> None:
    def cost(day: str) -> Any:
        listed = printed(capsys, "ls", "gpt-5.6-sol", "--provider", "openai", "--at", day, "--json")
        return json.loads(listed)[0]

    assert (cost("2026-08-20")["input"], cost("2026-08-20")["since"]) == (5, None)
    assert (cost("2026-08-21")["input"], cost("2026-08-21")["since"]) == (4, "2026-08-21")


def test_a_model_with_its_history(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", "claude-opus-4-6-20260205", "--at", "2026-03-01")
    assert text.splitlines()[0] == "claude-opus-4-6  anthropic"
    now, before = text.index("○ from 2026-03-13"), text.index("● from the beginning")
    assert now < before
    for part in ("prompt from 200,001", "tier batch", "× 0.5", "times 1.1 where inference geo us"):
        assert part in text


def test_an_item_with_all_its_prices(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", "dall-e-3")
    assert "image: 0.04 to 0.12 USD" in text
    assert "hd 1792x1024" in text


def test_a_model_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (document,) = json.loads(printed(capsys, "show", "o3", "--json"))
    assert document["provider"] == "openai"
    assert [block["mtok"]["input"] for block in document["price"]] == [10, 2]


def test_a_model_of_one_provider(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", "gpt-4o", "--provider", "azure")
    assert text.splitlines()[0] == "gpt-4o  azure, priced as openai's"


def test_a_name_that_is_nearly_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "claude-opus-46") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("no price for model 'claude-opus-46'; near it: claude-opus-4-6")


def test_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "no such model") == 1
    assert capsys.readouterr().out == ""


def test_a_day_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("ls", "--at", "yesterday")
    assert "'yesterday' is no date, such as 2026-05-01" in capsys.readouterr().err


def test_the_users_own_price_goes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "prices"
    own.mkdir()
    (own / "openai.toml").write_text(
        'schema = 1\nprovider = "openai"\n[[model]]\nid = "gpt-4o"\n'
        "[[model.price]]\nmtok = { input = 1, output = 2 }\n"
    )
    lines = printed(capsys, "ls", "--provider", "openai", "gpt-4o").splitlines()
    assert lines.count("openai\tgpt-4o\t1\t–\t–\t2") == 1
    assert sum(line.startswith("openai\tgpt-4o\t") for line in lines) == 1


def test_a_wrong_file_of_the_user_is_told(tmp_path: Path) -> None:
    own = tmp_path / "prices"
    own.mkdir()
    (own / "openai.toml").write_text('schema = 1\nprovider = "openai"\ncolour = 1\n')
    with pytest.raises(SettingsError, match="colour: no such key"):
        run("show", "gpt-4o")
