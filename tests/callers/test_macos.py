"""What lsof and ps print on macOS. Only their texts are tested: no Mac was at hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.callers import Caller
from llmitm.callers.looking import Looker
from llmitm.callers.macos import MacOS
from llmitm.callers.processes import Process
from llmitm.redact import Redactor
from llmitm.sockets_table import address

CLIENT, PROXY = address("127.0.0.1", 54321), address("127.0.0.1", 8080)
SOCKETS = """p4711
f11
n127.0.0.1:8080->127.0.0.1:54321
p812
f5
n127.0.0.1:54320->127.0.0.1:8080
f6
n127.0.0.1:54321->127.0.0.1:8080
"""
PYTHON = "/opt/homebrew/Frameworks/Python.framework/Versions/3.13/Resources/Python.app/Contents/MacOS/Python"
FILES = f"""p812
fcwd
n/Users/me/My Projects/agent
ftxt
n{PYTHON}
ftxt
n/usr/lib/dyld
"""


class Mac:
    """Prints what a Mac would."""

    def __init__(self, line: str = f"  700 {PYTHON} -u my_agent.py --token hunter2") -> None:
        self.line = line
        self.asked: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> str:
        """Return what a command prints."""
        self.asked.append(command)
        if command[0] == "/bin/ps":
            return f"{self.line}\n"
        return FILES if "-d" in command else SOCKETS


def test_the_process_at_the_other_end() -> None:
    assert MacOS(Mac()).owner(CLIENT, PROXY) == 812
    assert MacOS(Mac()).owner(PROXY, CLIENT) == 4711
    assert MacOS(Mac()).owner(address("127.0.0.1", 54322), PROXY) is None


def test_what_is_known_of_a_process() -> None:
    assert MacOS(Mac()).process(812) == Process(
        812,
        (PYTHON, "-u", "my_agent.py", "--token", "hunter2"),
        PYTHON,
        "/Users/me/My Projects/agent",
        700,
    )


def test_a_program_with_a_space_in_its_path() -> None:
    line = f"700 {PYTHON.replace('Python.app', 'My Python.app')} x.py"
    process = MacOS(Mac(line)).process(812)
    assert process is not None
    assert process.arguments[-1] == "x.py"


def test_a_caller() -> None:
    kept = ("program", "directory", "pid", "arguments")
    assert Looker(MacOS(Mac()), kept, Redactor()).caller(CLIENT, PROXY) == Caller(
        812,
        "my_agent.py",
        f"{PYTHON} -u my_agent.py --token [redacted]",
        "/Users/me/My Projects/agent",
    )


def test_a_process_that_has_ended() -> None:
    assert MacOS(Mac("")).process(812) is None
    assert Looker(MacOS(lambda _: ""), ("pid",), Redactor()).caller(CLIENT, PROXY) is None


@pytest.mark.parametrize("command", ["/usr/sbin/lsof-of-nobody", "/bin/sh"])
def test_a_command_that_cannot_be_run_gives_nothing(command: str) -> None:
    from llmitm.callers.macos import _output

    assert _output((command, "-c", "exit 1")) == ""


@given(st.text(), st.text())
def test_hostile_texts(files: str, line: str) -> None:
    system = MacOS(lambda command: line if command[0] == "/bin/ps" else files)
    system.owner(CLIENT, PROXY)
    system.process(1)
