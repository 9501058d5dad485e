"""docs/database.md says what is there: its commands run, and it names every view, table and column."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from llmitm.store.migrations import migrations
from llmitm.store.writer import Writer
from store.records import START, agent_session, chat, identified

PAGE = (Path(__file__).parents[2] / "docs" / "database.md").read_text("utf-8")
COMMANDS = re.findall(r"^sqlite-utils .*$", PAGE, re.MULTILINE)
*QUERIES, SCHEMA = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
NAMES = set(re.findall(r"`(\w+)`", PAGE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log in which every command finds something."""
    folder = tmp_path_factory.mktemp("home")
    refund = chat("May I have a refund?", "Of course.", at=START)
    failed = chat("Are you there?", at=START + 1, outcome="error", status=503)
    with closing(Writer(folder / "llmitm.db")) as writer:
        writer.write([identified(refund, properties={"Project": "shop"}), failed])
        writer.write(list(agent_session(3)))
        while writer.tidy():
            pass
    return folder


def test_there_are_ten_commands() -> None:
    assert len(COMMANDS) == 10


@pytest.mark.parametrize("command", COMMANDS, ids=range(1, len(COMMANDS) + 1))
def test_a_command_shows_something(folder: Path, command: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout or (folder / "requests.jsonl").read_text("utf-8")
    # A table without rows is its header and a line.
    rows = shown.splitlines()[2:] if "--table" in command else shown.strip("[] \n")
    assert rows


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_understood(folder: Path, query: str) -> None:
    with closing(sqlite3.connect(folder / "llmitm.db")) as connection:
        assert connection.execute(query).description


def test_the_search_finds_what_was_said(folder: Path) -> None:
    (command,) = (command for command in COMMANDS if "MATCH" in command)
    query = re.findall(r'"(.*?)"', command)[0]
    with closing(sqlite3.connect(folder / "llmitm.db")) as connection:
        found = connection.execute(query, {"words": "refund"}).fetchall()
    assert [prompt for _, _, prompt in found] == ["May I have a refund?"]


def _described() -> Iterator[str]:
    """Yield what the page has to name: our tables and views, and the columns of `calls`."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Database(connection))
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        for (name,) in connection.execute(query):
            if not name.startswith(("sqlite_", "search_")) and name != "part_text":
                yield name
        for column in connection.execute("SELECT name FROM pragma_table_info('calls')"):
            yield column[0]


@pytest.mark.parametrize("name", list(_described()))
def test_the_page_names(name: str) -> None:
    assert name in NAMES


def test_the_schema_is_the_one_that_is_made() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Database(connection))
        query = """SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL
            AND name NOT LIKE 'search_%' AND name NOT LIKE '%sqlite%' ORDER BY rowid"""
        made = [sql for (sql,) in connection.execute(query)]
    assert ";\n".join(made) + ";\n" == SCHEMA
