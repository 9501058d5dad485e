"""`llmitm runaways` and `llmitm resume`, on what a proxy has taken down."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from llmitm.cli import main
from llmitm.home import Home
from llmitm.store.runaways import Runaway, RunawayFile


@pytest.fixture
def file(home: Home) -> RunawayFile:
    """Runs of just now: one that was warned of, one that is held, and one whose hold is over."""
    file, now = RunawayFile(home.runaways), time.time()
    look = ("--run r1", "--session 'nightly fix'", "--run r0")
    for run, at, action, options in zip(
        ("r1", "nightly fix", "r0"), (now - 9, now - 5, now - 90_000), ("warn", "hold", "hold"), look, strict=True
    ):  # fmt: skip
        file.add(Runaway(run, "spend", at, "spent $9.00", options, action))  # type: ignore[arg-type]
    return file


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert main(arguments) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_what_was_seen_and_what_to_do(
    file: RunawayFile, capsys: pytest.CaptureFixture[str]
) -> None:
    over, held, warned = ask(capsys, "runaways")
    assert [warned[0], *warned[2:]] == ["r1", "spent $9.00", "warned", "llmitm ls --run r1"]
    assert [held[0], *held[2:]] == [
        "nightly fix", "spent $9.00", "held", "llmitm resume 'nightly fix'",
    ]  # fmt: skip
    assert over[3:] == ["over", "llmitm ls --run r0"]
    assert len(ask(capsys, "runaways", "-n", "1")) == 1
    assert [row[0] for row in ask(capsys, "holds", "--held")] == ["nightly fix"]


def test_as_json_and_csv(file: RunawayFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runaways", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["is_held"] for each in found] == [False, True, False]
    assert main(["runaways", "--csv", "--held"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["run"], row["kind"]) == ("nightly fix", "spend")


def test_a_run_goes_on_once(file: RunawayFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "resume", "nightly fix") == [["nightly fix goes on"]]
    assert ask(capsys, "runaways")[1][3:] == ["resumed", "llmitm ls --session 'nightly fix'"]
    assert main(["resume", "nightly fix"]) == 1
    assert "no run 'nightly fix' is held; held are: none" in capsys.readouterr().err
    assert ask(capsys, "resume", "--all") == [["No run is held."]]


def test_an_unknown_run_is_named_with_those_that_are_held(
    file: RunawayFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", "r1"]) == 1
    assert "no run 'r1' is held; held are: nightly fix" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["r1", "--all"]])
def test_one_or_all_have_to_be_named(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["resume", *arguments])
    assert ended.value.code == 2


def test_without_a_file_it_says_so(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "runaways") == [["No run has run away."]]
    assert ask(capsys, "holds", "--held") == [["No run is held."]]
