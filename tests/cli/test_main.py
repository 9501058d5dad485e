"""The command line as a whole: help, exit codes, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli.conftest import CommandLine
from llmitm import __version__

HEAVY = ("mitmproxy", "tiktoken", "sqlite_utils", "rich", "pydantic", "cryptography")


def test_help_names_every_verb_in_its_group(llmitm: CommandLine) -> None:
    done = llmitm("--help")
    assert done.returncode == 0
    for word in ("capture", "look", "control", "keep", "run", "proxy", "env", "ca", "doctor"):
        assert word in done.stdout.split()
    assert done.stdout == llmitm("-h").stdout


def test_version(llmitm: CommandLine) -> None:
    assert llmitm("--version").stdout == f"llmitm {__version__}\n"


def test_starts_without_what_is_heavy(llmitm: CommandLine) -> None:
    script = (
        "import sys\nfrom llmitm.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=llmitm.environ, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["env", "--format", "x"], ["proxy", "-p", "70000"]]
)
def test_wrong_usage_exits_with_2(llmitm: CommandLine, arguments: list[str]) -> None:
    done = llmitm(*arguments)
    assert done.returncode == 2
    assert "llmitm" in done.stderr


def test_a_wrong_setting_exits_with_2_on_one_line(llmitm: CommandLine) -> None:
    llmitm.home.settings.write_text("[proxy]\nprt = 1")
    done = llmitm("ca", "path")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"llmitm: {llmitm.home.settings}: proxy.prt is not known")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_fault(llmitm: CommandLine) -> None:
    process = llmitm.start("ca", "show")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")


def test_without_a_log_it_says_how_to_begin(llmitm: CommandLine) -> None:
    done = llmitm()
    assert done.returncode == 0
    assert "llmitm run -- " in done.stdout
