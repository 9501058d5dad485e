"""A prompt, an answer, a user and a model full of escapes are shown harmless by every verb, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cli.conftest import CommandLine
from llmitm.calls import Identity, ToolCall
from llmitm.store.writer import Writer
from store.records import call, user

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b5m\u202eback\u2066\r\x08\u200b"
MARKS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\x1b\]8;[^\x1b]*\x1b\\")
"""Colours, the cursor of a progress bar, and nothing else."""
VERBS = [
    [],
    ["ls", "--ids"],
    ["ls", "--json"],
    ["ls", "--csv"],
    ["show", "last"],
    ["show", "last", "--conversation"],
    ["show", "last", "--diff"],
    ["show", "last", "--events"],
    ["show", "last", "--raw"],
    ["show", "last", "--json"],
    ["show", "last", "--curl"],
    ["stats", "--by", "model,user"],
    ["stats", "--by", "model,user", "--cross"],
    ["stats", "--by", "user", "--since", "1d", "--compare", "prev"],
    ["users"],
    ["sessions"],
    ["sessions", "--json"],
    ["threads"],
    ["threads", "last"],
    ["workflows", "--by", "Workflow"],
    ["top", "--once"],
    ["price", "check"],
    ["cache", "advise"],
    ["db", "sql", "SELECT * FROM requests"],
    ["db", "export"],
]


@pytest.fixture
def hostile(llmitm: CommandLine) -> CommandLine:
    who = Identity(
        user=f"u{EVIL}",
        session_id=f"s{EVIL}",
        session_name=f"n{EVIL}",
        session_path=f"/p{EVIL}",
        client=f"c{EVIL}",
        properties={"Workflow": f"w{EVIL}"},
    )
    body = {"model": f"m{EVIL}", "messages": [user(f"ask {EVIL}")]}
    more = {
        **body,
        "messages": [
            *body["messages"],
            {"role": "assistant", "content": f"said {EVIL}"},
            user(EVIL),
        ],
    }
    now = datetime.now(UTC).timestamp()
    calls = [
        call(each, f"said {EVIL}", at=now - 60 + number, model=f"m{EVIL}", usd=None, identity=who)
        for number, each in enumerate((body, more))
    ]
    tool = ToolCall(f"tool{EVIL}", "{}")
    calls = [replace(each, answer=replace(each.answer, tool_calls=[tool])) for each in calls]
    writer = Writer(llmitm.home.database)
    writer.write(calls)
    writer.close()
    return llmitm


def on_terminal(line: CommandLine, *arguments: str) -> str:
    """Return what a terminal gets."""
    ours, theirs = pty.openpty()
    environ = line.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        line.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    got = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 30)
        try:
            chunk = os.read(ours, 65_536) if ready else b""
        except OSError:  # Linux says so when the other end is closed
            chunk = b""
        if not chunk:
            break
        got += chunk
    os.close(ours)
    assert process.wait(timeout=30) in (0, 1)
    return got.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_terminal_is_never_steered(hostile: CommandLine, verb: list[str]) -> None:
    shown = on_terminal(hostile, *verb)
    assert "Traceback" not in shown
    left = OURS.sub("", shown).replace("\r\n", "\n").replace("\r", "")
    assert not MARKS.search(left), repr(MARKS.search(left))
    assert "\x1b" not in left


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS if "--raw" not in verb and "--csv" not in verb], ids=" ".join
)
def test_a_pipe_gets_nothing_that_steers_the_terminal_behind_it(
    hostile: CommandLine, verb: list[str]
) -> None:
    done = hostile(*verb)
    assert done.returncode in (0, 1), done.stderr
    assert not MARKS.search(done.stdout)
    assert "\x1b" not in done.stdout
