"""The turns of a chat as Anthropic and Bedrock want them: user and assistant in turn, results of tools first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmitm.translate.chat import Part, Reasoning, Role, Text, ToolResult, ToolUse, Turn
from llmitm.translate.sides import Notes, Untranslatable

_BEGINNING = "Continue."


def alternating(turns: Iterable[Turn], notes: Notes) -> list[Turn]:
    """Return turns of which no two that follow each other are of one side; the first is the user's."""
    merged: list[tuple[Role, list[Part]]] = []
    for turn in turns:
        role, parts = _spoken(turn, notes)
        if not parts:
            continue
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(parts)
        else:
            merged.append((role, parts))
    if not merged:
        raise Untranslatable("a chat without any message")
    if merged[0][0] == "assistant":
        notes.add("a first turn of the user is added: the chat began with the assistant's")
        merged.insert(0, ("user", [Text(_BEGINNING)]))
    _trim_end(merged[-1])
    return [Turn(role, tuple(_results_first(parts))) for role, parts in merged]


def tool_names(turns: Iterable[Turn]) -> list[str]:
    """Return the names of the tools that were called, each once."""
    calls = (part for turn in turns for part in turn.parts if isinstance(part, ToolUse))
    return list(dict.fromkeys(call.name for call in calls))


def has_tools(turns: Iterable[Turn]) -> bool:
    """Return whether tools were called, or gave results."""
    return any(isinstance(part, ToolUse | ToolResult) for turn in turns for part in turn.parts)


def thinks_before_tools(turns: Sequence[Turn]) -> bool:
    """Return whether each assistant's turn since the user last spoke begins with signed thinking, if it calls a tool.

    Anthropic refuses to think on where its earlier thoughts are missing.
    """
    for turn in reversed(turns):
        if turn.role == "user" and not any(isinstance(part, ToolResult) for part in turn.parts):
            break
        if turn.role == "assistant" and has_tools([turn]):
            first = turn.parts[0]
            if not (isinstance(first, Reasoning) and (first.signature or first.redacted)):
                return False
    return True


def _spoken(turn: Turn, notes: Notes) -> tuple[Role, list[Part]]:
    parts = [part for part in turn.parts if not (isinstance(part, Text) and not part.text.strip())]
    if turn.role != "system":
        return turn.role, parts
    notes.add("a system message in the middle of the chat is sent as the user's")
    written = "\n".join(part.text for part in parts if isinstance(part, Text))
    return "user", [Text(f"<system>\n{written}\n</system>")] if written else []


def _results_first(parts: list[Part]) -> Iterator[Part]:
    yield from (part for part in parts if isinstance(part, ToolResult))
    yield from (part for part in parts if not isinstance(part, ToolResult))


def _trim_end(turn: tuple[Role, list[Part]]) -> None:
    """Take white space off an answer that is to be continued, which Anthropic refuses."""
    role, parts = turn
    if role == "assistant" and isinstance(last := parts[-1], Text):
        parts[-1] = Text(last.text.rstrip())
