"""Completions that a shell takes, and that know every verb."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from cli.test_look import ask


def completed(words: str, script: str) -> list[str]:
    """Return what bash would offer after some words, the last of them begun."""
    made = words.split(" ")
    asked = f"{script}\nCOMP_WORDS=({' '.join(repr(word) for word in made)})\nCOMP_CWORD={len(made) - 1}\n_llmitm\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("llmitm se", ["sessions"]),
        ("llmitm ls --fol", ["--follow"]),
        ("llmitm price wh", ["whatif"]),
        ("llmitm price whatif --ti", ["--tier"]),
        ("llmitm stats --by day --comp", ["--compare"]),
        ("llmitm completions z", ["zsh"]),
    ],
)
def test_bash(words: str, offered: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert completed(words, ask(capsys, "completions", "bash")) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = ask(capsys, "completions", shell)
    for word in ("workflows", "whatif", "min-cost", "advise"):
        assert word in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
