"""`llmitm limits` and `llmitm retries`, on a log that was really written."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace

import pytest

from llmitm.calls import RateLimit
from llmitm.cli import main
from llmitm.cli.output import span
from llmitm.home import Home
from llmitm.store.writer import Writer
from store.records import chat, identified


@pytest.fixture
def log(home: Home) -> Home:
    """Calls of just now: one that was told limits, one that was refused, one of a client that tried again."""
    now = time.time()
    limits = (
        RateLimit("requests", 1_000, 250, now + 3_000, "hour"),
        RateLimit("tokens", 40_000, 0, now + 30, "minute"),
        RateLimit("percent", 100, 40, now - 1, "5 hours", "allowed"),
    )
    program = {"process.program": "agent.py"}
    refused = chat("b", at=now - 8, outcome="error", status=429, latency_ms=1_000)
    calls = [
        replace(chat("a", at=now - 10), rate_limits=limits),
        replace(identified(refused, properties=program), retry_after_ms=5_000.0),
        replace(chat("b", at=now - 2), client_retry=1),
    ]
    writer = Writer(home.database)
    writer.write(calls)
    writer.close()
    return home


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert main(arguments) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_what_is_left(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    percent, requests, tokens = ask(capsys, "limits")
    assert requests[:7] == [
        "openai", "00c0ffee0000", "gpt-5.4", "requests a hour", "██░░░░░░  25%", "250/1,000", "250",
    ]  # fmt: skip
    assert requests[7].startswith(("in 49m", "in 50m"))
    assert requests[8] == "within the limit"
    assert tokens[4:6] == ["░░░░░░░░   0%", "0/40.0k"]
    assert tokens[8] == "used up"
    assert percent[4:9] == ["████████ 100%", "100/100", "40", "was reset", "only a share is told"]


def test_as_json_and_csv(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limits", "--json", "--provider", "openai"]) == 0
    found = {limit["name"]: limit for limit in json.loads(capsys.readouterr().out)}
    assert found["requests"]["remaining"] == 250
    assert found["requests"]["used_per_minute"] == 0.6
    assert found["requests"]["lasts_reason"] == "within the limit"
    assert found["tokens"]["lasts_ms"] == 0
    assert main(["limits", "--history", "--by", "program", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["program"], row["refused"], row["longest_asked_ms"]) == ("agent.py", "1", "5000")


def test_who_ran_into_limits(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = ask(capsys, "limits", "--history")
    assert row[1:9] == ["openai", "gpt-5.4", "agent.py", "1", "–", "5.0s", "–", "–"]
    assert ask(capsys, "limits", "--history", "--since", "1s") == [
        ["Nothing was refused for a rate limit, and nothing waited."]
    ]


def test_what_was_tried_again(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = ask(capsys, "retries", "--by", "provider,model")
    assert row[:7] == ["openai", "gpt-5.4", "1", "2", "1", "–", "–"]
    assert row[8:10] == ["5.0s", "6.0s"]
    assert main(["retries", "--by", "model", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["model"], record["questions"], record["by_sdk"]) == ("gpt-5.4", 1, 1)
    assert ask(capsys, "retries", "--user", "nobody") == [["Nothing was tried again."]]


def test_a_log_without_limits_says_so(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    Writer(home.database).close()
    assert ask(capsys, "limits") == [["No provider has told a rate limit yet."]]


@pytest.mark.parametrize("arguments", [["limits"], ["limits", "--history"], ["retries"]])
def test_a_log_of_an_older_version_is_named_as_such(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    writer = Writer(home.database)
    writer.db.execute("DROP INDEX calls_queued")
    writer.close()
    assert main(arguments) == 1
    assert "of an older version" in capsys.readouterr().err


def test_an_unknown_dimension_is_named(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limits", "--history", "--by", "shape"]) == 1
    assert "'shape' is unknown; allowed are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "–"),
        (0, "0.0s"),
        (9_900, "9.9s"),
        (12_345, "12s"),
        (60_000, "1m"),
        (200_000, "3m 20s"),
        (18_720_000, "5h 12m"),
        (86_400_000 + 300_000, "1d"),
    ],
)
def test_lengths_of_time(milliseconds: float | None, shown: str) -> None:
    assert span(milliseconds) == shown
