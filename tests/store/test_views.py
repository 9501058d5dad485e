"""What people read: the views, over bodies in the forms of the dialects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmitm.store.writer import Writer
from store.records import START, call, chat


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with closing(Writer(tmp_path / "llmitm.db")) as opened:
        yield opened


PROMPTS: dict[str, tuple[Any, str]] = {
    "chat": (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "Zeile 1\nü 😀"},
            ]
        },
        "Zeile 1\nü 😀",
    ),
    "chat in parts": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    ],
                }
            ]
        },
        "what is this?",
    ),
    "a tool's result": (
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "tool", "tool_call_id": "c", "content": "42"},
            ]
        },
        "42",
    ),
    "Anthropic's tool results": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "ok"}],
                        },
                        {"type": "text", "text": "go on"},
                    ],
                }
            ]
        },
        "ok\ngo on",
    ),
    "responses, a text": ({"input": "hello", "instructions": "be brief"}, "hello"),
    "responses, items": (
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]},
        "hello",
    ),
    "responses, a tool's output": (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "42"}]},
        "42",
    ),
    "Gemini": ({"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}, "a\nb"),
    "completions": ({"prompt": "once upon"}, "once upon"),
    "texts to embed": ({"input": ["a", "b"]}, "a\nb"),
    "no JSON": ("plain words", "plain words"),
    "no object": ("[1, 2]", "[1, 2]"),
    "nothing said": ({"messages": [{"role": "user"}]}, '{"role":"user"}'),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_the_prompt_is_what_was_said_last(writer: Writer, name: str) -> None:
    body, prompt = PROMPTS[name]
    writer.write([call(body)])
    for ascii_only in (True, False):
        text = (
            body if isinstance(body, str) else json.dumps(body, ensure_ascii=ascii_only, indent=2)
        )
        writer.write([call(text, at=START + 1 + ascii_only)])
    found = [text for (text,) in writer.db.conn.execute("SELECT prompt FROM requests")]
    if name == "nothing said":
        found = [json.dumps(json.loads(text), separators=(",", ":")) for text in found]
    assert found == [prompt] * 3


@pytest.mark.parametrize(
    ("said", "response"),
    [
        ('Grüße, "you"\n', {"content": 'Grüße, "you"\n'}),
        ("in two blocks", {"content": [{"text": "in two"}, {"text": " blocks"}]}),
        ("", {"content": ""}),
        (None, {"data": []}),
    ],
)
def test_the_response_is_what_was_answered(
    writer: Writer, said: str | None, response: object
) -> None:
    writer.write([call({}, said, response=response)])
    (found,) = writer.db.conn.execute("SELECT response FROM requests")
    assert found == (said,)


def test_a_row_reads_well(writer: Writer) -> None:
    writer.write([chat("first", at=START), chat("second", at=START + 61.123)])
    writer.write([chat("third", at=START + 30, outcome="error", status=429, usd=None)])
    rows = list(writer.db["requests"].rows)
    assert [row["prompt"] for row in rows] == ["second", "third", "first"]
    assert list(rows[0])[:6] == ["id", "timestamp", "provider", "model", "prompt", "response"]
    assert re.fullmatch(r"2023-11-\d\dT\d\d:\d\d:\d\d\.123Z", rows[0]["timestamp"])
    assert rows[0]["cost_usd"] == 0.000125
    assert rows[1]["cost_usd"] is None
    assert rows[1]["unpriced_reason"]
    assert rows[0]["latency_ms"] == 812


def test_an_error_is_said_in_one_column(writer: Writer) -> None:
    made = [chat("hello", at=START + number) for number in range(3)]
    made[0].error_type, made[0].error_message = "rate_limit", "slow down"
    made[1].error_message = "connection reset"
    writer.write(made)
    found = [row[0] for row in writer.db.conn.execute("SELECT error FROM requests")]
    assert found == [None, "connection reset", "rate_limit: slow down"]


def test_hours_days_and_threads(writer: Writer) -> None:
    day = 86_400
    start = START // day * day
    for hours in (0, 0.5, 1, 25):
        writer.write([chat("hello", at=start + hours * 3_600)])
    hourly = list(writer.db.query("SELECT hour, calls, cost_usd FROM hourly"))
    assert [row["calls"] for row in hourly] == [1, 1, 2]
    assert re.fullmatch(r"2023-11-\d\dT00:00Z", hourly[-1]["hour"])
    daily = list(writer.db.query("SELECT day, calls, input_tokens, cost_usd FROM daily"))
    assert [(row["calls"], row["input_tokens"]) for row in daily] == [(1, 120), (3, 360)]
    assert daily[1]["cost_usd"] == pytest.approx(0.000375)
    threads = list(writer.db.query("SELECT * FROM threads"))
    assert [row["calls"] for row in threads] == [1, 1, 1, 1]
    assert {row["thread"] for row in threads} == {row["id"] for row in writer.db["calls"].rows}


def test_the_views_look_only_at_what_they_show(writer: Writer) -> None:
    """The latest rows of a large log cost no more than those of a small one."""
    for view in ("requests", "exchanges"):
        plan = writer.db.conn.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {view} LIMIT 3").fetchall()
        steps = [step[3] for step in plan]
        assert steps[0] == "SCAN calls USING INDEX calls_by_time"
        assert not [
            step for step in steps if "B-TREE" in step and "ORDER BY" in step and view == "requests"
        ]
        assert not [
            step for step in steps if step.startswith(("SCAN parts", "SCAN nodes", "SCAN bodies"))
        ]
