"""The status line: right, quick, and never an error."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cli.conftest import CommandLine
from llmitm.calls import Identity, Usage
from llmitm.store.writer import Writer
from store.records import call, user

NOT_LOADED = (
    "rich",
    "sqlite_utils",
    "pydantic",
    "pydantic_core",
    "csv",
    "mitmproxy",
    "llmitm.store.reader",
)


@pytest.fixture
def line(llmitm: CommandLine) -> CommandLine:
    now = datetime.now(UTC).timestamp()
    usage = Usage("reported", input_tokens=1_000, cached_input_tokens=750, output_tokens=5)
    first = call(
        {"messages": [user("?")]},
        at=now,
        usd=Decimal("0.25"),
        usage=usage,
        identity=Identity(session_id="s-1"),
    )
    other = call({"messages": [user("!")]}, at=now, usd=Decimal("1.5"))
    yesterday = call({"messages": [user(".")]}, at=now - 2 * 86_400, usd=Decimal(9))
    writer = Writer(llmitm.home.database)
    writer.write([first, other, yesterday])
    writer.close()
    return llmitm


def said(line: CommandLine, told: object) -> str:
    done = line("statusline", input=told if isinstance(told, str) else json.dumps(told))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_session_that_is_logged(line: CommandLine) -> None:
    told = {"session_id": "s-1", "model": {"display_name": "Opus"}, "cost": {"total_cost_usd": 3}}
    told["context_window"] = {"used_percentage": 33.4}
    assert said(line, told) == "Opus · $0.25 session · 75% cached · $1.75 today · context 33%\n"


def test_a_session_that_is_not_logged_has_the_clients_own_figure(line: CommandLine) -> None:
    told = {"session_id": "other", "cost": {"total_cost_usd": 0.5}}
    assert said(line, told) == "~$0.50 session · $1.75 today\n"


@pytest.mark.parametrize(
    "told", ["", "no json", "[]", "null", '{"model": 1, "cost": [], "session_id": {}}', "\xff" * 10]
)
def test_whatever_comes_it_is_one_line(line: CommandLine, told: str) -> None:
    assert said(line, told) == "$1.75 today\n"


def test_names_are_harmless(line: CommandLine) -> None:
    assert "\x1b" not in said(line, {"model": {"display_name": "\x1b[2J\nOpus"}})


def test_without_a_log(llmitm: CommandLine) -> None:
    assert said(llmitm, {"model": {"display_name": "Opus"}}) == "Opus · llmitm: no log\n"


def test_what_goes_into_the_settings(llmitm: CommandLine) -> None:
    told = json.loads(llmitm("statusline", "--install").stdout)
    assert told["statusLine"] == {"type": "command", "command": "llmitm statusline"}


def test_it_loads_nothing_that_is_slow(line: CommandLine) -> None:
    script = (
        "import sys\nfrom llmitm.cli import main\nmain(['statusline'])\n"
        f"print(sorted(set({NOT_LOADED!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=line.environ, capture_output=True, text=True, check=True, input="{}"
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", [["ls"], ["stats"], ["users"], ["sessions"], ["threads"], []])
def test_looking_loads_nothing_that_a_pipe_does_not_need(
    line: CommandLine, verb: list[str]
) -> None:
    heavy = ("rich", "sqlite_utils", "pydantic", "pydantic_core", "mitmproxy", "tiktoken")
    script = (
        f"import sys\nfrom llmitm.cli import main\nmain({verb!r})\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=line.environ, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
