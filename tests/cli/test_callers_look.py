"""Reports by who called: program, directory, repository, branch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing

import pytest

from llmitm.callers import NOT_SUMMED, PROPERTIES, Caller, properties
from llmitm.calls import Identity
from llmitm.cli import main
from llmitm.home import Home
from llmitm.settings import CallerSettings
from llmitm.store.writer import Writer
from store.records import START, call


def caller(number: int, **facts: str) -> Mapping[str, str]:
    return properties(Caller(number, arguments=f"python x.py {number}", **facts), PROPERTIES)


@pytest.fixture
def log(home: Home) -> Home:
    """Four calls: three of two programs, and one of nobody's."""
    project = {"directory": "/home/ada/agents", "repository": "agents"}
    callers = [
        caller(1, program="my_agent.py", branch="main", **project),
        caller(2, program="my_agent.py", branch="feature/x", **project),
        caller(2, program="tests.py", branch="feature/x", **project),
        {},
    ]
    body = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hi"}]}
    calls = [
        call(body, "ho", at=START + number, identity=Identity(properties=dict(found)))
        for number, found in enumerate(callers)
    ]
    with closing(Writer(home.database)) as writer:
        writer.write(calls)
    return home


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("program", {"my_agent.py": 2, "tests.py": 1}),
        ("branch", {"main": 1, "feature/x": 2}),
        ("repository", {"agents": 3}),
        ("directory", {"/home/ada/agents": 3}),
        ("property:vcs.ref.head.name", {"main": 1, "feature/x": 2}),
        ("pid", {"1": 1, "2": 2}),
        ("arguments", {"python x.py 1": 1, "python x.py 2": 2}),
        ("property:Process.PID", {"1": 1, "2": 2}),
    ],
)
def test_stats(
    log: Home, capsys: pytest.CaptureFixture[str], by: str, expected: dict[str, int]
) -> None:
    found = json.loads(ask(capsys, "stats", "--by", by, "--json"))
    assert {row[by]: row["calls"] for row in found} == expected
    among = json.loads(ask(capsys, "stats", "--by", by, "--errors", "--json"))
    assert among == []


def test_stats_by_two(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(ask(capsys, "stats", "--by", "program,branch", "--json"))
    assert {(row["program"], row["branch"]): row["calls"] for row in found} == {
        ("my_agent.py", "main"): 1,
        ("my_agent.py", "feature/x"): 1,
        ("tests.py", "feature/x"): 1,
    }


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (["--program", "my_agent.py"], 2),
        (["--branch", "feature/x"], 2),
        (["--branch", "feature/x", "--program", "tests.py"], 1),
        (["--repository", "agents"], 3),
        (["--directory", "/home/ada/agents"], 3),
        (["--directory", "/home/ada"], 0),
        (["-t", "process.pid=2"], 2),
    ],
)
def test_filters(
    log: Home, capsys: pytest.CaptureFixture[str], options: list[str], number: int
) -> None:
    assert len(json.loads(ask(capsys, "ls", "--json", *options))) == number
    sums = json.loads(ask(capsys, "stats", "--json", *options))
    assert sum(row["calls"] for row in sums) == number


def test_show(log: Home, capsys: pytest.CaptureFixture[str]) -> None:
    about = ask(capsys, "show", "@2").partition("about\n")[2].splitlines()
    assert [line.split(maxsplit=1) for line in about[1:]] == [
        ["program", "tests.py"],
        ["directory", "/home/ada/agents"],
        ["repository", "agents"],
        ["branch", "feature/x"],
        ["pid", "2"],
        ["arguments", "python x.py 2"],
    ]


def test_what_is_another_each_time_is_not_summed(log: Home) -> None:
    with closing(sqlite3.connect(log.database)) as database:
        summed = {name for (name,) in database.execute("SELECT DISTINCT dimension FROM days")}
        stored = {name for (name,) in database.execute("SELECT DISTINCT name FROM properties")}
    assert stored == set(PROPERTIES.values())
    assert {"process.pid", "process.command_args"} == NOT_SUMMED
    assert {f"property:{name}" for name in stored} - summed == {
        f"property:{name}" for name in NOT_SUMMED
    }


def test_what_is_kept() -> None:
    known = Caller(7, "my_agent.py", "python my_agent.py", None, "agents")
    assert properties(known, CallerSettings().keep) == {
        "process.program": "my_agent.py",
        "vcs.repository.name": "agents",
        "process.pid": "7",
    }
    assert properties(None, CallerSettings().keep) == {}
    assert len(properties(Caller(7, "x" * 5_000), ["program"])["process.program"]) == 1_000
