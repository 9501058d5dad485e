"""What tables of calls show beside the columns of the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from llmitm.store.reader import Record

_FASTEST_MS = 50
"""A stream that took less came at once: its speed would say nothing."""


class Badge(NamedTuple):
    """A word on a ground of its own."""

    text: str
    kind: str = ""


def shown(calls: Iterable[Record]) -> list[Record]:
    """Return calls with what tables say of them."""
    return [
        {
            **call,
            "badges": list(_badges(call)),
            "said": _said(call),
            "speed_shown": _speed(call),
        }
        for call in calls
    ]


def _badges(call: Record) -> Iterator[Badge]:
    if call["outcome"] != "ok":
        yield Badge(
            f"{call['status'] or ''} {call['error_type'] or call['outcome']}".strip(), "bad"
        )
    if call["cache"] == "hit":
        yield Badge("cached", "good")
    if call["attempts"] > 1:
        yield Badge(f"{call['attempts']} attempts", "warn")
    if call["fallback_index"] is not None:
        yield Badge("fallback", "warn")
    if call["client_retry"]:
        yield Badge(f"client's retry {call['client_retry']}", "warn")
    if call["usage_source"] == "estimated":
        yield Badge("estimated", "warn")
    if call["operation"] != "chat":
        yield Badge(call["operation"])
    tools = call["tool_calls"]
    tools = json.loads(tools) if isinstance(tools, str) else tools
    if tools:
        yield Badge("→ " + ", ".join(dict.fromkeys(tools)), "accent")


def _said(call: Record) -> str:
    if call["outcome"] != "ok" and call["error_message"]:
        return str(call["error_message"])
    return " ".join((call["prompt"] or "").split())


def _speed(call: Record) -> str:
    """Return tokens a second while the answer came."""
    latency, first = call["latency_ms"], call["first_content_ms"]
    if not call["output_tokens"] or latency is None or first is None:
        return "–"
    if latency - first < _FASTEST_MS:
        return "–"
    return f"{call['output_tokens'] / (latency - first) * 1000:.0f}"
