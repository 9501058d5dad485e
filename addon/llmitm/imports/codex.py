"""Codex's own session files, `~/.codex/sessions/**/rollout-*.jsonl`: a count of tokens after each call.

A count is written again when nothing but the limits has changed, so one with the same total is no call. The files
have no ids of responses. Seen in the files of Codex 0.169 (November 2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from llmitm.callers import PROPERTIES
from llmitm.calls import Exchange, Json
from llmitm.exchanges import Fault
from llmitm.imports.base import Told, exchange, lines, moment
from llmitm.providers.fields import filled, mapping

PATTERN = "**/rollout-*.jsonl"
_COUNTS = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)

type _Counts = tuple[int, ...]


def folder(home: Path) -> Path:
    """Return where Codex keeps its sessions."""
    return home / ".codex" / "sessions"


@dataclass(slots=True)
class _Session:
    """What has been read of a session so far."""

    identity: str
    client: str = "codex"
    properties: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    total: _Counts = (0, 0, 0, 0, 0)
    asked: list[Json] = field(default_factory=list)
    said: list[Json] = field(default_factory=list)
    began: float | None = None
    is_plan: bool = False
    """True where Codex is signed in with a ChatGPT plan, which has limits of its own."""


def read(file: BinaryIO, name: str) -> Iterator[Exchange | Fault]:
    """Yield the calls of a session file."""
    session = _Session(Path(name).stem)
    for item in lines(file, name):
        if isinstance(item, Fault):
            yield item
            continue
        place, line = item
        payload, at = mapping(line.get("payload")), moment(line.get("timestamp"))
        kind = line.get("type")
        if kind == "session_meta":
            _begin(session, payload)
        elif kind == "turn_context":
            session.model = filled(payload.get("model")) or session.model
            session.began = at
        elif kind == "response_item":
            _item(session, payload, at)
        elif kind == "event_msg" and payload.get("type") == "token_count":
            call = _count(session, payload, at, place)
            if call is not None:
                yield call


def _begin(session: _Session, meta: dict[str, Json]) -> None:
    session.identity = filled(meta.get("id")) or session.identity
    version, program = filled(meta.get("cli_version")), filled(meta.get("originator"))
    session.client = f"{program or 'codex'}/{version}" if version else program or "codex"
    git = mapping(meta.get("git"))
    facts = {"directory": meta.get("cwd"), "branch": git.get("branch")}
    session.properties = {
        PROPERTIES[fact]: text for fact, value in facts.items() if (text := filled(value))
    }


def _item(session: _Session, item: dict[str, Json], at: float | None) -> None:
    """Take note of what was asked and said since the last count."""
    kind, role = item.get("type"), item.get("role")
    if kind in ("function_call_output", "custom_tool_call_output") or role in ("user", "developer"):
        if session.said:
            session.asked, session.said = [], []
        session.asked.append(item)
        session.began = at
    elif kind in ("message", "function_call", "custom_tool_call"):
        session.said.append(item)


def _count(
    session: _Session, payload: dict[str, Json], at: float | None, place: str
) -> Exchange | Fault | None:
    """Return the call that a count of tokens stands for; None where it is none."""
    session.is_plan |= bool(filled(mapping(payload.get("rate_limits")).get("plan_type")))
    info = mapping(payload.get("info"))
    total = _counts(info.get("total_token_usage"))
    if total is None or total == session.total:
        return None
    last = _counts(info.get("last_token_usage"))
    if last is None:
        last = tuple(now - then for now, then in zip(total, session.total, strict=True))
    session.total = total
    if at is None:
        return Fault(place, "timestamp is no time in ISO 8601")
    if min(last) < 0:
        return Fault(place, "counts fewer tokens in all than the line before")
    began = session.began if session.began is not None and session.began <= at else at
    told = Told(
        "codex",
        f"{session.identity} {at} {total}",
        began,
        "chatgpt.com" if session.is_plan else "api.openai.com",
        "/backend-api/codex/responses" if session.is_plan else "/v1/responses",
        {"user-agent": session.client, "session-id": session.identity},
        session.properties,
        latency_ms=round((at - began) * 1000),
        notes=("imported from a session file of Codex's, which has the last question only",),
    )
    asked = {"model": session.model, "input": session.asked} if session.asked else None
    call = exchange(told, asked, _response(session, last))
    session.asked, session.said, session.began = [], [], at
    return call


def _response(session: _Session, counts: _Counts) -> Json:
    """Return the answer as the Responses API has it."""
    given, cached, generated, reasoning, whole = counts
    return {
        "object": "response",
        "status": "completed",
        "model": session.model,
        "output": session.said,
        "usage": {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": generated,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": whole,
        },
    }


def _counts(usage: Json) -> _Counts | None:
    usage = mapping(usage)
    values = [usage.get(name) for name in _COUNTS]
    if not any(isinstance(value, int) for value in values):
        return None
    return tuple(value if isinstance(value, int) else 0 for value in values)
