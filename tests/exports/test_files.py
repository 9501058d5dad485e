"""Exports are read by the programs that they are for, with what the log has."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from exports.logs import HOSTILE, records, write
from llmitm.cli import main
from llmitm.exports import har, parquet, tables
from llmitm.home import Home
from llmitm.store.migrations import migrations


@pytest.fixture
def log(home: Home) -> Home:
    write(home.database)
    return home


def exported(log: Home, form: str, *options: str) -> bytes:
    path = log.folder / f"out.{form}"
    assert main(["export", form, "-o", str(path), *options]) == 0
    assert path.stat().st_mode & 0o077 == 0
    return path.read_bytes()


def test_json_lines(log: Home) -> None:
    lines = [json.loads(line) for line in exported(log, "jsonl").splitlines()]
    assert lines == records(log.database)
    assert lines[0]["properties"]["Workflow"] == "support"
    assert json.loads(lines[1]["request_body"])["messages"][2]["content"] == HOSTILE


def test_filters_and_the_latest(log: Home) -> None:
    assert len(exported(log, "jsonl", "--user", "ada").splitlines()) == 1
    (line,) = exported(log, "jsonl", "-n", "1", "--no-bodies").splitlines()
    assert json.loads(line)["model"] == "mystery-1"
    assert "request_body" not in json.loads(line)


def test_a_conversation(log: Home) -> None:
    first, second, *_ = records(log.database)
    found = [
        json.loads(line)["id"]
        for line in exported(log, "jsonl", "--conversation", second["id"]).splitlines()
    ]
    assert found == [first["id"], second["id"]]
    assert b"<title>Conversation last</title>" in exported(log, "html", "--conversation", "last")


def test_the_older_verb_does_the_same(log: Home, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["db", "export", "--csv", "--errors"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert [row["status"] for row in rows] == ["429"]


def test_csv_runs_nothing_in_a_spreadsheet(log: Home) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(log, "csv").decode())))
    assert [row["cost_nanousd"] for row in rows] == ["250000000", "125000", "0", ""]
    assert rows[1]["user"] == f"'=1+1{HOSTILE}"
    assert json.loads(rows[0]["properties"])["Workflow"] == "support"


@given(
    st.dictionaries(
        st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()), min_size=1
    )
)
def test_a_row_of_csv_is_a_row(record: dict[str, Any]) -> None:
    file = io.BytesIO()
    tables.comma_separated(file, [record, record])
    rows = list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))
    assert [len(row) for row in rows] == [len(record)] * 3
    assert not any(cell.startswith(("=", "@", "\t", "\r")) for row in rows[1:] for cell in row)


def test_har_is_read_back_with_the_same_price(
    log: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log.folder / "calls.har"
    with path.open("wb") as file:
        har.write(file, records(log.database))
    entries = json.loads(path.read_bytes())["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [200, 200, 429, 200]
    assert entries[0]["timings"]["wait"] + entries[0]["timings"]["receive"] == entries[0]["time"]
    assert main(["explain", "--json", str(path)]) == 0
    explained = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for call, back in zip(records(log.database), explained, strict=True):
        assert (back["id"], back["status"], back["model_requested"]) == (
            call["id"],
            call["status"],
            "gpt-5.4",
        )
        assert back["text"] == call["response"]


def test_har_without_calls() -> None:
    file = io.BytesIO()
    har.write(file, [])
    assert json.loads(file.getvalue())["log"]["entries"] == []


def test_parquet(log: Home) -> None:
    table = read_parquet(io.BytesIO(exported(log, "parquet", "--bodies"))).read_all()
    expected = records(log.database)
    assert table.num_rows == len(expected)
    for name in expected[0]:
        column = [value.as_py() for value in table[name]]
        wanted = [
            json.dumps(call[name], ensure_ascii=False)
            if isinstance(call[name], list | dict)
            else call[name]
            for call in expected
        ]
        assert column == wanted, name


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "input_tokens": st.none() | st.integers(-(2**63), 2**63 - 1),
                "model": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
            }
        ),
        min_size=1,
        max_size=300,
    )
)
def test_any_values_in_parquet(rows: list[dict[str, Any]]) -> None:
    file = io.BytesIO()
    parquet.write(file, rows)
    table = read_parquet(io.BytesIO(file.getvalue())).read_all()
    for name in ("input_tokens", "model"):
        assert [value.as_py() for value in table[name]] == [row[name] for row in rows]


def test_parquet_in_several_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_CALLS_A_GROUP", 7)
    file = io.BytesIO()
    parquet.write(file, ({"key": number, "id": str(number)} for number in range(100)))
    table = read_parquet(io.BytesIO(file.getvalue())).read_all()
    assert [value.as_py() for value in table["key"]] == list(range(100))
    assert [value.as_py() for value in table["id"]] == [str(number) for number in range(100)]


def test_columns_of_parquet_are_those_of_the_schema() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Database(connection))
        kinds = dict(connection.execute("SELECT name, type FROM pragma_table_info('calls')"))
    wrong = [name for name, kind in kinds.items() if parquet._is_whole(name) != (kind == "INTEGER")]
    assert wrong == []


def test_a_page_has_bounds(
    log: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from llmitm.cli import export

    monkeypatch.setattr(export, "_MOST_ON_A_PAGE", 3)
    assert main(["export", "html"]) == 1
    assert "4 calls are too many for a page" in capsys.readouterr().err


def test_a_file_that_cannot_be_written(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "csv", "-o", str(log.folder / "none" / "x.csv")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_reader_that_is_gone_is_no_fault(log: Home) -> None:
    command = f"{sys.executable} -m llmitm.cli export jsonl | head -c 10"
    environ = {"LLMITM_HOME": str(log.folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": _paths()}
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=environ, check=False)
    assert (len(done.stdout), done.stderr) == (10, b"")


def _paths() -> str:
    root = Path(__file__).parents[2]
    return f"{root / 'addon'}:{root / 'pricing'}"
