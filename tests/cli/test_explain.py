from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmitm.cli import explain

REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bonn"}'},
}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "tool_calls": [TOOL_CALL]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
}
CHAT: dict[str, Any] = {
    "id": "chat",
    "timestamp": "2026-05-01T12:00:00Z",
    "host": "api.openai.com",
    "method": "POST",
    "path": "/v1/chat/completions",
    "request_headers": [["content-type", "application/json"]],
    "request_body": json.dumps(REQUEST),
    "status": 200,
    "response_headers": [
        ["content-type", "application/json"],
        ["x-ratelimit-limit-requests", "500"],
        ["x-ratelimit-remaining-requests", "499"],
        ["x-ratelimit-reset-requests", "120ms"],
    ],
    "response_body": json.dumps(ANSWER),
}
FAILED = {
    **CHAT,
    "id": "failed",
    "status": 429,
    "response_body": '{"error":{"message":"Slow down","type":"tokens","code":"rate_limit_exceeded"}}',
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMITM_HOME", str(tmp_path))
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    explain.register(parser.add_subparsers())
    arguments = parser.parse_args(["explain", *words])
    return int(arguments.run(arguments))


def write(folder: Path, *documents: Any) -> str:
    path = folder / "calls.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in documents), "utf-8")
    return str(path)


def explained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, *documents: Any
) -> list[dict[str, Any]]:
    assert run("--json", write(tmp_path, *documents)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_that_is_known_of_a_call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (call,) = explained(capsys, tmp_path, CHAT)
    usage = {name: count for name, count in call.pop("usage").items() if count is not None}
    assert usage == {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cached_input_tokens": 400,
        "reasoning_tokens": 0,
        "other": {},
        "billed": {},
    }
    assert call == {
        "id": "chat",
        "timestamp": "2026-05-01T12:00:00.000Z",
        "provider": "openai",
        "operation": "chat",
        "model_requested": "gpt-4o-mini",
        "model": "gpt-4o-mini-2024-07-18",
        "streaming": False,
        "status": 200,
        "outcome": "ok",
        "finish_reason": "tool_calls",
        "text": "Hi",
        "tool_calls": [{"name": "weather", "arguments": '{"city":"Bonn"}'}],
        "error_type": None,
        "error_message": None,
        "as_reported": {
            "input": 1_000,
            "output": 100,
            "cached_input": 400,
            "cache_write": None,
            "reasoning": 0,
        },
        "usage_source": "reported",
        # 600 at 0.15, 400 at 0.075 and 100 at 0.60 USD per million
        "cost_usd": "0.00018",
        "cost_parts": {"input": "0.00009", "cached_input": "0.00003", "output": "0.00006"},
        "price_id": call["price_id"],
        "unpriced_reason": None,
        "provider_cost_usd": None,
        "table_cost_usd": "0.00018",
        "rate_limits": [
            {
                "name": "requests",
                "limit": 500,
                "remaining": 499,
                "resets_at": "2026-05-01T12:00:00.120Z",
                "period": None,
                "status": None,
            }
        ],
        "retry_after_ms": None,
        "notes": [],
    }
    assert call["price_id"].startswith("openai/gpt-4o-mini")


def test_the_order_is_that_of_the_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    calls = explained(capsys, tmp_path, FAILED, CHAT, {**CHAT, "id": "again"})
    assert [call["id"] for call in calls] == ["failed", "chat", "again"]
    assert (calls[0]["outcome"], calls[0]["error_type"]) == ("error", "tokens")
    assert (calls[0]["error_message"], calls[0]["cost_usd"]) == ("Slow down", "0")


def test_the_price_is_that_of_the_day(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def at(day: str) -> dict[str, Any]:
        answer = {**ANSWER, "model": "gpt-5.6-sol"}
        return {**CHAT, "timestamp": day, "response_body": json.dumps(answer)}

    before, after = explained(capsys, tmp_path, at("2026-08-20"), at("2026-08-21"))
    assert float(before["cost_parts"]["input"]) == 600 * 5e-6
    assert float(after["cost_parts"]["input"]) == 600 * 4e-6


def test_a_body_that_was_decompressed_already(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    headers = [*CHAT["response_headers"], ["content-encoding", "gzip"]]
    (call,) = explained(capsys, tmp_path, {**CHAT, "response_headers": headers})
    assert call["text"] == "Hi"


def test_a_host_outside_the_table_is_read_with_a_note(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (call,) = explained(capsys, tmp_path, {**CHAT, "host": "llm.example.com"})
    assert (call["provider"], call["text"], call["cost_usd"]) == ("unknown", "Hi", None)
    assert "not in the table of LLM hosts" in call["notes"][0]
    assert call["unpriced_reason"]


def test_a_socket_is_a_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    socket = {
        **CHAT,
        "method": "GET",
        "path": "/v1/realtime?model=gpt-realtime",
        "status": 101,
        "request_body": "",
        "response_body": "",
        "ws_messages": [{"direction": "sent", "type": "text", "text": "{}"}],
    }
    (call,) = explained(capsys, tmp_path, socket)
    assert (call["operation"], call["status"], call["outcome"]) == ("realtime", 101, "ok")


def test_a_malformed_line_is_named_and_the_rest_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write(tmp_path, CHAT, {"host": "api.openai.com"}, FAILED)
    assert run("--json", path) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["chat", "failed"]
    assert err == f"llmitm: {path}:2: method is missing: allowed is text\n"


def test_a_missing_file_is_named_and_the_rest_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(str(tmp_path / "none.har"), write(tmp_path, CHAT)) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == f"llmitm: {tmp_path / 'none.har'}: cannot be read: No such file or directory\n"


def test_columns_in_a_pipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hostile = {**CHAT, "request_body": '{"model":"a\\u001b[2J\\tb"}', "response_body": "{}"}
    assert run(write(tmp_path, CHAT, hostile)) == 0
    first, second = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert first[:9] == [
        "chat",
        "openai",
        "chat",
        "gpt-4o-mini → gpt-4o-mini-2024-07-18",
        "200 tool_calls",
        "1,000",
        "100",
        "400",
        "$0.000180",
    ]
    assert second[3] == "a·[2J·b"
    assert second[5].startswith("~")


def test_a_table_on_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(write(tmp_path, CHAT, FAILED)) == 0
    text = capsys.readouterr().out
    assert "price, or why there is none" in text
    assert text.splitlines()[-1] == "2 calls · 1,100 tokens · $0.000180 · 0 unpriced"


def test_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(json.dumps(CHAT).encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "chat"


def test_its_module_loads_nothing_heavy() -> None:
    code = "import sys, llmitm.cli.explain; print(sorted({'pydantic', 'rich', 'tiktoken'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(explain.__file__).parents[2])},
    )
    assert done.stdout.strip() == "[]"
