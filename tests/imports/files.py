"""Session files and exports as their programs write them, shortened."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CLAUDE_SESSION = "0f0e9d1c-0000-4000-8000-000000000001"
CODEX_SESSION = "019a9d1c-0000-7000-8000-000000000002"


def write_lines(path: Path, lines: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def claude_line(
    kind: str, uuid: str, parent: str | None, second: int, message: dict[str, Any], **more: Any
) -> dict[str, Any]:
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "cwd": "/home/ada/shop",
        "sessionId": CLAUDE_SESSION,
        "version": "2.1.50",
        "gitBranch": "main",
        "type": kind,
        "message": message,
        "uuid": uuid,
        "timestamp": f"2026-11-20T10:00:{second:02}.000Z",
        **more,
    }


def claude_answer(
    identity: str, block: dict[str, Any], output: int, stop: str | None = None
) -> dict[str, Any]:
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5-20251101",
        "content": [block],
        "stop_reason": stop,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 2_000,
            "cache_read_input_tokens": 15_000,
            "output_tokens": output,
            "service_tier": "standard",
            "cache_creation": {
                "ephemeral_5m_input_tokens": 500,
                "ephemeral_1h_input_tokens": 1_500,
            },
        },
    }


def claude_session() -> list[dict[str, Any]]:
    """Two calls: the first in two lines; a sub-agent's question between, and what Claude Code says itself."""
    text = {"type": "text", "text": "I will look."}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "pytest"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1 failed"}
    own = claude_answer("own", {"type": "text", "text": "API Error"}, 0) | {"model": "<synthetic>"}
    return [
        {"type": "summary", "summary": "A test that fails", "leafUuid": "u9"},
        claude_line("user", "u1", None, 0, {"role": "user", "content": "Why does it fail?"}),
        claude_line("assistant", "u2", "u1", 4, claude_answer("msg_01A", text, 3)),
        claude_line("user", "s1", None, 5, {"role": "user", "content": "A side question"}, isSidechain=True),
        claude_line("assistant", "u3", "u2", 6, claude_answer("msg_01A", tool, 120, "tool_use")),
        claude_line("user", "u4", "u3", 9, {"role": "user", "content": [result]}),
        claude_line("assistant", "u5", "u4", 10, own),
        claude_line(
            "assistant", "u6", "u4", 15,
            claude_answer("msg_01B", {"type": "text", "text": "It is the clock."}, 50, "end_turn"),
        ),
    ]  # fmt: skip


def codex_line(second: float, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": f"2026-11-20T09:00:{second:06.3f}Z", "type": kind, "payload": payload}


def codex_count(
    second: float,
    total: tuple[int, int, int, int],
    last: tuple[int, int, int, int],
    plan: str | None,
) -> dict[str, Any]:
    def usage(counts: tuple[int, int, int, int]) -> dict[str, int]:
        given, cached, output, reasoning = counts
        return {
            "input_tokens": given,
            "cached_input_tokens": cached,
            "output_tokens": output,
            "reasoning_output_tokens": reasoning,
            "total_tokens": given + output,
        }

    info = {"total_token_usage": usage(total), "last_token_usage": usage(last)}
    limits = {"plan_type": plan} if plan else None
    return codex_line(
        second, "event_msg", {"type": "token_count", "info": info, "rate_limits": limits}
    )


def codex_session(plan: str | None = None) -> list[dict[str, Any]]:
    """Two calls; the count of the first is written twice."""
    first = (8_000, 1_000, 200, 128)
    question = [{"type": "input_text", "text": "Fix the build."}]
    done = [{"type": "output_text", "text": "Done."}]
    meta = {
        "id": CODEX_SESSION,
        "cwd": "/home/ada/shop",
        "originator": "codex_cli_rs",
        "cli_version": "0.169.0",
        "git": {"branch": "main"},
    }
    call = {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"}
    return [
        codex_line(0, "session_meta", meta),
        codex_line(1, "turn_context", {"cwd": "/home/ada/shop", "model": "gpt-5.1-codex"}),
        codex_line(1.1, "response_item", {"type": "message", "role": "user", "content": question}),
        codex_line(2, "event_msg", {"type": "token_count", "info": None, "rate_limits": {"plan_type": plan}}),
        codex_line(5, "response_item", call),
        codex_count(5.2, first, first, plan),
        codex_count(5.3, first, first, plan),
        codex_line(6, "response_item", {"type": "function_call_output", "call_id": "c1", "output": "ok"}),
        codex_line(9, "response_item", {"type": "message", "role": "assistant", "content": done}),
        codex_count(9.5, (17_000, 9_000, 250, 128), (9_000, 8_000, 50, 0), plan),
    ]  # fmt: skip


def codex_session_with_records() -> list[dict[str, Any]]:
    """The same as Codex 0.171 writes it: a record with the response's id; a tool's result before the count."""
    lines = codex_session("plus")
    first, second = (lines[number] for number in (5, 9))
    records = [
        codex_line(
            second,
            "token_usage_record",
            {
                "session_id": CODEX_SESSION,
                "response_id": identity,
                "usage": count["payload"]["info"]["last_token_usage"],
                "thread_token_usage": count["payload"]["info"]["total_token_usage"],
            },
        )
        for count, identity, second in ((first, "resp_1", 5.1), (second, "resp_2", 9.4))
    ]
    counts, result = lines[5:7], lines[7]
    return [*lines[:5], records[0], result, *counts, lines[8], records[1], lines[9]]


def helicone_rows() -> list[dict[str, Any]]:
    """A call with its bodies, and one without."""
    return [
        {
            "response_id": "r1",
            "response_status": 200,
            "response_created_at": "2025-06-01T12:00:00.812Z",
            "request_id": "7d0b6f0e-5b1c-4f2f-9d51-0a6f0a8b9c01",
            "request_created_at": "2025-06-01T12:00:00.000Z",
            "request_body": {"model": "gpt-4o", "messages": [{"role": "user", "content": 'Say "hi"'}]},
            "response_body": {
                "id": "chatcmpl-helicone-1",
                "object": "chat.completion",
                "model": "gpt-4o-2024-08-06",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100},
            },
            "request_path": "https://oai.helicone.ai/v1/chat/completions",
            "request_user_id": "ada",
            "request_properties": {"Workflow": "support", "Helicone-Session-Id": "s1"},
            "provider": "OPENAI",
            "delay_ms": 812,
            "prompt_tokens": 1_000,
            "completion_tokens": 100,
            "cost": 0.0035,
            "model": "gpt-4o",
        },
        {
            "response_id": "r2",
            "response_status": 200,
            "request_id": "7d0b6f0e-5b1c-4f2f-9d51-0a6f0a8b9c02",
            "request_created_at": "2025-06-01T12:00:10.000Z",
            "request_path": "https://anthropic.helicone.ai/v1/messages",
            "provider": "ANTHROPIC",
            "model": "claude-3-5-sonnet-20241022",
            "prompt_tokens": 100,
            "prompt_cache_read_tokens": 50,
            "completion_tokens": 20,
            "delay_ms": 900,
        },
    ]  # fmt: skip


def helicone_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as Helicone's tool writes CSV: the quotes of JSON are doubled before the quotes of the cell are."""
    columns = (
        "response_id", "response_created_at", "response_status", "request_created_at", "request_body",
        "request_properties", "request_user_id", "model", "prompt_tokens", "completion_tokens", "latency", "cost",
    )  # fmt: skip

    def cell(value: Any) -> str:
        if value is None:
            return ""
        text = json.dumps(value).replace('"', '""') if isinstance(value, dict) else str(value)
        return '"' + text.replace('"', '""') + '"'

    return (
        "\n".join(
            [
                ",".join(columns),
                *(",".join(cell(row.get(name)) for name in columns) for row in rows),
            ]
        )
        + "\n"
    )
