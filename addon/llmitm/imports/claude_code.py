"""Claude Code's own session files, `~/.claude/projects/*/*.jsonl`: its messages with their usage.

An answer stands there once for each block of its content, each time with the usage so far; a session that is resumed
begins with a copy of what it goes on from. So what counts is the id of the message.
Seen in the files of Claude Code 2.1 (November 2026).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from llmitm.callers import PROPERTIES
from llmitm.calls import Exchange, Json
from llmitm.exchanges import Fault
from llmitm.imports.base import Told, exchange, lines, moment
from llmitm.providers.fields import filled, mapping

PATTERN = "**/*.jsonl"
_SYNTHETIC = "<synthetic>"
"""The model of what Claude Code says itself."""
_LONGEST_WALK = 100
_STILL_SECONDS = 60


def folder(home: Path) -> Path:
    """Return where Claude Code keeps its sessions."""
    return home / ".claude" / "projects"


class _Line(NamedTuple):
    """A line, as far as those after it need it."""

    parent: str | None
    said: Json
    """What the user or a tool said; None in other lines."""
    at: float | None


@dataclass(slots=True)
class _Message:
    """An answer, put together of its lines."""

    at: float
    asked: _Line | None
    line: dict[str, Json]
    """The first of its lines."""
    message: dict[str, Json]
    """As the last of its lines has it."""
    content: list[Json] = field(default_factory=list)
    ended_at: float = 0.0


def read(file: BinaryIO, name: str) -> Iterator[Exchange | Fault]:
    """Yield the calls of a session file."""
    messages: dict[str, _Message] = {}
    above: dict[str, _Line] = {}
    for item in lines(file, name):
        if isinstance(item, Fault):
            yield item
            continue
        place, line = item
        at, message = moment(line.get("timestamp")), mapping(line.get("message"))
        is_question = line.get("type") == "user" and bool(message.get("content"))
        if uuid := filled(line.get("uuid")):
            said = message["content"] if is_question else None
            above[uuid] = _Line(filled(line.get("parentUuid")), said, at)
        if line.get("type") != "assistant" or not _is_answer(message):
            continue
        if at is None:
            yield Fault(place, "timestamp is no time in ISO 8601")
            continue
        identity = message["id"]
        found = messages.get(identity)
        if found is None:
            asked = _asked(above, filled(line.get("parentUuid")))
            found = messages[identity] = _Message(at, asked, line, message)
        _add(found, message, at)
    last = len(messages) - 1
    for number, found in enumerate(messages.values()):
        if number < last or found.message.get("stop_reason") or not _is_being_written(file):
            yield _exchange(found)


def _asked(above: dict[str, _Line], parent: str | None) -> _Line | None:
    """Return what an answer answers: agents that work at the same time write into one file, each a chain of its own."""
    for _ in range(_LONGEST_WALK):
        line = above.get(parent) if parent else None
        if line is None or line.said is not None:
            return line
        parent = line.parent
    return None


def _is_being_written(file: BinaryIO) -> bool:
    """Return whether a session goes on: what its last answer will have used is then not known yet."""
    try:
        return time.time() - os.fstat(file.fileno()).st_mtime < _STILL_SECONDS
    except OSError:
        return False


def _is_answer(message: dict[str, Json]) -> bool:
    return (
        bool(filled(message.get("id")))
        and message.get("model") != _SYNTHETIC
        and bool(mapping(message.get("usage")))
    )


def _add(found: _Message, message: dict[str, Json], at: float) -> None:
    """Add a line of an answer: its content is a part, its usage the whole so far."""
    content = message.get("content")
    for block in content if isinstance(content, list) else ():
        if block not in found.content:
            found.content.append(block)
    before, now = found.message, message
    if _output(now) >= _output(before):
        found.message = now
    found.ended_at = max(found.ended_at, at)


def _output(message: dict[str, Json]) -> int:
    count = mapping(message.get("usage")).get("output_tokens")
    return count if isinstance(count, int) else 0


def _exchange(found: _Message) -> Exchange:
    line, message = found.line, found.message
    # The first line is written when its block has come: the call began with what was asked.
    asked = found.asked
    began = found.at
    if asked is not None and asked.at is not None and asked.at <= found.at:
        began = asked.at
    version = filled(line.get("version"))
    facts = {"directory": line.get("cwd"), "branch": line.get("gitBranch")}
    properties = {
        PROPERTIES[fact]: text for fact, value in facts.items() if (text := filled(value))
    }
    if agent := filled(line.get("agentId")):
        properties["claude_code.agent"] = agent
    told = Told(
        "claude-code",
        message["id"],
        began,
        "api.anthropic.com",
        "/v1/messages",
        {
            "user-agent": f"claude-cli/{version}" if version else "claude-cli",
            "x-claude-code-session-id": filled(line.get("sessionId")) or "",
        },
        properties,
        latency_ms=round((found.ended_at - began) * 1000),
        notes=("imported from a session file of Claude Code's, which has the last question only",),
    )
    request = None
    if asked is not None:
        messages = [{"role": "user", "content": asked.said}]
        request = {"model": message.get("model"), "messages": messages}
    answer = {"type": "message", "role": "assistant", **message, "content": found.content}
    return exchange(told, request, answer)
