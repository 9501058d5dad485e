"""The verbs that look at the log, on a log that was really written."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm.calls import Identity, Usage
from llmitm.cli import main
from llmitm.cli.filtering import moment
from llmitm.cli.output import count, money, money_in_short, seconds
from llmitm.home import Home
from llmitm.store.writer import Writer
from store.records import START, call


@pytest.fixture
def log(home: Home) -> Home:
    """Four calls: two of one conversation, one that failed, one without a price."""
    first = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    turns = [
        *first["messages"],
        {"role": "assistant", "content": "Rayleigh."},
        {"role": "user", "content": "And at sunset, Käpt'n?"},
    ]
    nightly = Identity(
        user="ada", run_id="01RUN", properties={"Project": "nightly"}, client="test/1"
    )
    usage = Usage("reported", input_tokens=1000, output_tokens=20, cached_input_tokens=800)
    calls = [
        call(first, "Rayleigh.", usage=usage, usd=Decimal("0.25"), identity=nightly),
        call({**first, "messages": turns}, "It is\nred.", at=START + 60, identity=nightly),
        call(first, None, at=START + 120, outcome="error", status=429, usd=Decimal(0)),
        call(first, "Hm.", at=START + 180, model="mystery-1", usd=None),
    ]
    writer = Writer(home.database)
    writer.write(calls)
    writer.close()
    return home


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_ls_shows_a_line_a_call_the_latest_first(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ask(capsys, "ls", "--utc").splitlines()
    assert len(lines) == 4
    cells = lines[-1].split("\t")
    assert cells[0] == "2023-11-14 22:13"
    assert cells[1:6] == ["gpt-5.4", "1,000", "80%", "20", "$0.2500"]
    assert "unpriced" in lines[0]
    assert "✗ 429 error" in lines[1]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["-n", "1"], 1),
        (["--errors"], 1),
        (["--status", "4xx"], 1),
        (["--status", ">=200"], 4),
        (["--model", "gpt-*"], 3),
        (["--model", "mystery-1"], 1),
        (["--provider", "nobody"], 0),
        (["--user", "ada"], 2),
        (["--run", "01RUN"], 2),
        (["-t", "project=nightly"], 2),
        (["-t", "project=daily"], 0),
        (["--min-cost", "0.1"], 1),
        (["-q", "sunset"], 1),
        (["-q", "käpt"], 1),
        (["-q", "rayleigh"], 1),
        (["--since", "2023-11-14T22:15:00+00:00"], 2),
        (["--until", "2023-11-14T22:15:00+00:00"], 2),
        (["--client", "test"], 2),
    ],
)
def test_filters(
    log: Home, capsys: pytest.CaptureFixture[str], options: list[str], found: int
) -> None:
    calls = json.loads(ask(capsys, "ls", "--json", *options))
    assert len(calls) == found
    if options[0] != "-n":
        (total,) = json.loads(ask(capsys, "stats", "--by", "", "--json", *options)) or [
            {"calls": 0}
        ]
        assert total["calls"] == found


def test_forms(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(ask(capsys, "ls", "--json"))
    lines = [json.loads(line) for line in ask(capsys, "ls", "--jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(ask(capsys, "ls", "--csv"))))
    assert whole == lines
    assert [row["id"] for row in table] == [each["id"] for each in whole]
    assert whole[0]["cost_nanousd"] is None


@pytest.mark.parametrize(
    "options",
    [
        ["ls", "--since", "soon"],
        ["ls", "--min-cost", "cheap"],
        ["ls", "-t", "=x"],
        ["db", "prune", "--older", "0d"],
        ["db", "prune"],
    ],
)
def test_what_is_no_value_is_an_error_of_usage(
    log: Home, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2
    assert "llmitm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["ls", "--status", "odd"], "status 'odd' is not known"),
        (["stats", "--by", "weather"], "'weather' is unknown"),
        (["show", "ZZZZ"], "no call has an id that ends in 'ZZZZ'"),
        (["show", "@9"], "the log has no call @9"),
        (["db", "sql", "SELECT nonsense"], "no such column"),
        (["db", "sql", "DELETE FROM calls"], "readonly"),
    ],
)
def test_errors_are_one_line(
    log: Home, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_without_a_log(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 1
    assert "there is no log yet" in capsys.readouterr().err
    assert "Nothing is logged yet" in ask(capsys)


def test_show(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ask(capsys, "show", "@3")
    for words in (
        "And at sunset, Käpt'n?",
        "It is\nred.",
        "goes on from",
        "gpt-5.4",
        "ada",
        "nightly",
    ):
        assert words in shown
    identity = json.loads(ask(capsys, "ls", "--json"))[2]["id"]
    assert ask(capsys, "show", identity[-8:].lower()) == shown
    whole = json.loads(ask(capsys, "show", "@3", "--json"))[0]
    assert whole["properties"] == {"Project": "nightly"}
    assert len(json.loads(whole["request_body"])["messages"]) == 3
    raw = ask(capsys, "show", "@3", "--raw")
    assert raw.startswith(whole["request_body"])
    curl = ask(capsys, "show", "@3", "--curl")
    assert curl.startswith("curl -X POST https://api.openai.com/v1/chat/completions")
    assert "Käpt'\"'\"'n" in curl
    assert "mystery-1" in ask(capsys, "show")


@pytest.mark.parametrize(
    ("by", "first", "rows"),
    [
        ("model", "gpt-5.4", 2),
        ("provider", "openai", 1),
        ("user", "ada", 2),
        ("property:project", "nightly", 2),
        ("run", "01RUN", 2),
        ("day", "2023-11-14", 1),
        ("month,model", "2023-11", 2),
        ("outcome,user", "ok", 3),
        ("status", "200", 2),
    ],
)
def test_stats(
    log: Home, capsys: pytest.CaptureFixture[str], by: str, first: str, rows: int
) -> None:
    found = json.loads(ask(capsys, "stats", "--by", by, "--utc", "--json"))
    names = by.split(",")
    named = [row for row in found if row[names[0]]]
    assert named[0][names[0]] == first
    # Sums of runs and properties are kept only for calls that have one.
    assert len(found) in (rows, rows - 1)
    if len(found) == rows:
        assert sum(row["calls"] for row in found) == 4
    plain = ask(capsys, "stats", "--by", by, "--utc").splitlines()
    assert len(plain) == len(found)


def test_sums_by_the_hour_and_from_the_calls_agree(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hour = json.loads(ask(capsys, "stats", "--by", "model", "--json"))
    from_calls = json.loads(ask(capsys, "stats", "--by", "model", "--status", ">=100", "--json"))
    assert by_hour == from_calls


def test_what_has_no_price_is_not_free(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("\t") for line in ask(capsys, "stats").splitlines()]
    rows = {cells[0]: cells[6] for cells in lines}
    assert rows["mystery-1"] == "unpriced"
    assert rows["gpt-5.4"].startswith("$0.25")


def test_db(log: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert ask(capsys, "db", "path").strip() == str(log.database)
    assert "CREATE TABLE calls" in ask(capsys, "db", "schema")
    assert json.loads(ask(capsys, "db", "sql", "SELECT count(*) AS n FROM calls", "--json")) == [
        {"n": 4}
    ]
    copy = tmp_path / "copy.db"
    assert main(["db", "backup", str(copy)]) == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert main(["db", "backup", str(copy)]) == 1
    exported = [
        json.loads(line) for line in ask(capsys, "db", "export", "--model", "gpt-*").splitlines()
    ]
    assert len(exported) == 3
    assert all("sky" in each["request_body"] for each in exported)
    assert main(["db", "prune", "--older", "30d"]) == 0
    assert json.loads(ask(capsys, "ls", "--json")) == []
    (kept,) = json.loads(ask(capsys, "stats", "--by", "", "--json"))
    assert kept["calls"] == 4


def test_overview(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no calls yet" in ask(capsys)
    writer = Writer(log.database)
    writer.write([call({"input": "x"}, "y", at=datetime.now(UTC).timestamp(), usd=Decimal("1.5"))])
    writer.close()
    assert "today   $1.5000 · 1 call ·" in ask(capsys)


def test_times_as_people_write_them() -> None:
    now = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    assert moment("2h", now) == now - timedelta(hours=2)
    assert moment("today", now) == now.replace(hour=0, minute=0)
    assert moment("yesterday", now) == now.replace(day=23, hour=0, minute=0)
    assert moment("2026-11-24T08:00:00Z", now) == now.replace(hour=8, minute=0)
    assert moment("2026-11-24", now).tzinfo is not None


def test_numbers_as_people_read_them() -> None:
    assert [money(n) for n in (None, 0, 14_600, 250_000_000, 1_234_500_000_000)] == [
        "unpriced",
        "$0",
        "$0.0000146",
        "$0.2500",
        "$1,234.50",
    ]
    dollars = (None, 9_999.99, 18_848, 999_999, 1_234_567)
    assert [money_in_short(None if usd is None else round(usd * 1e9)) for usd in dollars] == [
        "unpriced",
        "$9,999.99",
        "$18,848",
        "$999,999",
        "$1.23M",
    ]
    assert [count(n) for n in (None, 950, 41_200, 999_960, 1_900_000)] == [
        "–",
        "950",
        "41.2k",
        "1.0M",
        "1.9M",
    ]
    assert [seconds(n) for n in (None, 40, 12_400)] == ["–", "0.04s", "12s"]
