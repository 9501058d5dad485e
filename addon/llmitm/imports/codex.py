"""Codex's own session files, `~/.codex/sessions/**/rollout-*.jsonl`: what each call used.

Codex 0.171 (November 2026) writes a record of it with the id of the response, and a count of tokens after it, as older ones do
alone. A count is written again when nothing but the limits has changed, so one with the same total is no call.
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
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)

type _Counts = tuple[int, ...]


def folder(home: Path) -> Path:
    """Return where Codex keeps its sessions."""
    return home / ".codex" / "sessions"


@dataclass(slots=True)
class _Turn:
    """What was asked and answered in a call."""

    asked: list[Json] = field(default_factory=list)
    said: list[Json] = field(default_factory=list)
    began: float | None = None


@dataclass(slots=True)
class _Session:
    """What has been read of a session so far."""

    identity: str
    client: str = "codex"
    properties: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    total: _Counts = (0,) * len(_COUNTS)
    turns: list[_Turn] = field(default_factory=lambda: [_Turn()])
    """Those that no count was seen of yet; a tool's result may be written before the count of the call that asked for it."""
    is_plan: bool = False
    """True where Codex is signed in with a ChatGPT plan, which has limits of its own."""


def read(file: BinaryIO, name: str) -> Iterator[Exchange | Fault]:
    """Yield the calls of a session file."""
    session = _Session(Path(name).stem)
    calls: list[Exchange] = []
    for item in lines(file, name):
        found = item if isinstance(item, Fault) else _line(session, *item)
        if isinstance(found, Fault):
            yield found
        elif found is not None:
            calls.append(found)
    for call in calls:
        if session.is_plan:  # a call's limits, which tell it, are written after the call
            call.host, call.path = "chatgpt.com", "/backend-api/codex/responses"
        yield call


def _line(session: _Session, place: str, line: dict[str, Json]) -> Exchange | Fault | None:
    payload, at = mapping(line.get("payload")), moment(line.get("timestamp"))
    kind = line.get("type")
    if kind == "session_meta":
        _begin(session, payload)
    elif kind == "turn_context":
        session.model = filled(payload.get("model")) or session.model
    elif kind == "response_item":
        _item(session, payload, at)
    elif kind == "token_usage_record":
        total, last = _counts(payload.get("thread_token_usage")), _counts(payload.get("usage"))
        return _used(session, total, last, at, place, filled(payload.get("response_id")))
    elif kind == "event_msg" and payload.get("type") == "token_count":
        session.is_plan |= bool(filled(mapping(payload.get("rate_limits")).get("plan_type")))
        info = mapping(payload.get("info"))
        total, last = _counts(info.get("total_token_usage")), _counts(info.get("last_token_usage"))
        return _used(session, total, last, at, place, None)
    return None


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
    """Take note of what was asked and said."""
    kind, role = item.get("type"), item.get("role")
    turn = session.turns[-1]
    if kind in ("function_call_output", "custom_tool_call_output") or role in ("user", "developer"):
        if turn.said:
            turn = _Turn()
            session.turns.append(turn)
        turn.asked.append(item)
        turn.began = at
    elif kind in ("message", "function_call", "custom_tool_call"):
        turn.said.append(item)


def _used(
    session: _Session,
    total: _Counts | None,
    last: _Counts | None,
    at: float | None,
    place: str,
    response: str | None,
) -> Exchange | Fault | None:
    """Return the call that has used so much; None where it was told before."""
    if total is None or total == session.total:
        return None
    if last is None:
        last = tuple(now - then for now, then in zip(total, session.total, strict=True))
    session.total = total
    turn = _taken(session)
    if at is None:
        return Fault(place, "timestamp is no time in ISO 8601")
    if min(last) < 0:
        return Fault(place, "counts fewer tokens in all than the line before")
    began = turn.began if turn.began is not None and turn.began <= at else at
    told = Told(
        "codex",
        response or f"{session.identity} {at} {total}",
        began,
        "api.openai.com",
        "/v1/responses",
        {"user-agent": session.client, "session-id": session.identity},
        session.properties,
        latency_ms=round((at - began) * 1000),
        notes=("imported from a session file of Codex's, which has the last question only",),
    )
    asked = {"model": session.model, "input": turn.asked} if turn.asked else None
    return exchange(told, asked, _response(session.model, turn.said, last, response))


def _taken(session: _Session) -> _Turn:
    """Return the latest turn that has an answer, and forget it with those before it."""
    number = max((n for n, turn in enumerate(session.turns) if turn.said), default=0)
    turn = session.turns[number]
    session.turns = session.turns[number + 1 :] or [_Turn()]
    return turn


def _response(model: str | None, said: list[Json], counts: _Counts, identity: str | None) -> Json:
    """Return the answer as the Responses API has it."""
    given, cached, written, generated, reasoning, whole = counts
    answer: dict[str, Json] = {
        "object": "response",
        "status": "completed",
        "model": model,
        "output": said,
        "usage": {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "output_tokens": generated,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": whole,
        },
    }
    return answer if identity is None else {"id": identity, **answer}


def _counts(usage: Json) -> _Counts | None:
    usage = mapping(usage)
    values = [usage.get(name) for name in _COUNTS]
    if not any(isinstance(value, int) for value in values):
        return None
    return tuple(value if isinstance(value, int) else 0 for value in values)
