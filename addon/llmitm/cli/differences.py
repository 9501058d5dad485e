"""`llmitm show --diff`: what a prompt has that another had not, message by message."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from llmitm import harmless
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.store.reader import Reader, Record
    from llmitm.wire.changes import Change

_TITLES = {"tools": "tool", "system": "system", "messages": "message", "options": "option"}
_LONGEST = 40
"""Lines of a text that is new or gone."""
_LONG = 300
"""Characters of a line from which only what changed in it is shown."""


def show(log: Reader, call: Record, request: str | None, previous: str) -> None:
    """Print the differences; without `previous` to the call that this one goes on from. Raises `LlmitmError`."""
    from llmitm.wire import changes

    name = previous or call["parent_id"] or log.before(call)
    if name is None:
        raise LlmitmError("nothing was asked before it; name the call: --diff CALL")
    other = log.call(name)
    before = changes.read(log.bodies(other["id"])[0] or "")
    after = changes.read(request or "")
    if before is None or after is None:
        raise LlmitmError("the body of one of them is not kept, or is no JSON")
    _print(f"--- {other['id']}", "red")
    _print(f"+++ {call['id']}", "green")
    found = list(changes.changes(before, after))
    for change in found:
        _one(change)
    same = len(after.messages) - sum(change.place == "messages" for change in found)
    _print(f"{max(same, 0)} of {len(after.messages)} messages are as they were", "dim")


def _one(change: Change) -> None:
    _print(f"@@ {_TITLES[change.place]} {change.name}", "cyan")
    before, after = (_lines(text) for text in (change.before, change.after))
    if change.before is None or change.after is None:
        sign, style = ("+", "green") if change.before is None else ("-", "red")
        shown = after or before
        for line in shown[:_LONGEST]:
            _print(f"{sign}{line}", style)
        if len(shown) > _LONGEST:
            _print(f"{sign}… {len(shown) - _LONGEST} more lines", "dim")
        return
    if max(map(len, (*before, *after))) > _LONG:
        from llmitm.wire.changes import told

        old, new = told(change)
        _print(f"-{old}", "red")
        _print(f"+{new}", "green")
        return
    for line in list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]:
        if not line.startswith("@@"):
            _print(line, {"+": "green", "-": "red"}.get(line[0], ""))


def _lines(text: str | None) -> list[str]:
    """Return a message in lines: who speaks, and what."""
    from llmitm.wire import jsontext, turns

    if text is None:
        return []
    value = jsontext.parse_or_none(text) if text.startswith("{") else None
    if isinstance(value, dict) and ("role" in value or value.get("type")):
        if isinstance(value.get("text"), str):
            return str(value["text"]).splitlines()
        who, said = turns.said(value)
        return f"{who}: {said}".splitlines()
    return text.splitlines()


def _print(line: str, style: str) -> None:
    """Print a line, in colour on a terminal."""
    line = harmless.line(line)
    if not sys.stdout.isatty():
        print(line)
        return
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text(line, style=style), soft_wrap=True)
