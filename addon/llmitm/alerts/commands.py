"""Run a command with a message: one of the user's, or what shows a note on this desktop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from llmitm.alerts.messages import Message
from llmitm.alerts.sending import SECONDS, NotSentError

_SHOWN = 200
_MAC = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


def desktop() -> Sequence[str]:
    """Return the command that shows a note on this desktop."""
    if sys.platform == "darwin":
        return ("osascript", "-e", _MAC, "{title}", "{facts}")
    return ("notify-send", "--app-name=llmitm", "{title}", "{facts}")


def run(message: Message, command: Sequence[str]) -> str:
    """Run a command to its end and return what it printed. Raises `NotSentError`.

    `{title}`, `{facts}` and `{message}` in its words are replaced; where none is there, the message is its last word.
    The same is in variables, and the whole as JSON in `LLMITM_ALERT`. No shell looks at any of it.
    """
    facts = "\n".join(f"{name}: {value}" for name, value in message.facts)
    parts = {"title": f"{message.mark} {message.title}", "facts": facts, "message": message.text}
    if not any(f"{{{name}}}" in word for word in command for name in parts):
        command = (*command, "{message}")
    words = [_filled(word, parts) for word in command]
    environ = os.environ | {f"LLMITM_ALERT_{name.upper()}": text for name, text in parts.items()}
    environ |= {"LLMITM_ALERT": message.dump(), "LLMITM_ALERT_KIND": message.kind}
    try:
        done = subprocess.run(
            words,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotSentError(f"{command[0]} did not end within {SECONDS:.0f} s") from None
    except (OSError, ValueError) as error:
        raise NotSentError(f"{command[0]} cannot be run: {error}") from error
    said = " ".join(done.stdout.decode("utf-8", "replace").split())[:_SHOWN]
    if done.returncode:
        raise NotSentError(f"{command[0]} ended with {done.returncode}: {said}".rstrip(": "))
    return f"done {said}".strip()


def _filled(word: str, parts: dict[str, str]) -> str:
    """Replace names in one word, once: what is put in is not looked at again."""
    found, at = "", 0
    while at < len(word):
        name = next((name for name in parts if word.startswith(f"{{{name}}}", at)), None)
        found += word[at] if name is None else parts[name]
        at += 1 if name is None else len(name) + 2
    return found
