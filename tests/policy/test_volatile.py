"""Each known client: two calls that ask the same have one key, and what is asked still tells calls apart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from exchanged import exchanged
from llmitm.calls import Json
from llmitm.policy.cache_key import cache_key
from llmitm.policy.directives import CacheDirective
from llmitm.policy.volatile import names


def claude_code(number: int, question: str = "Hello") -> Json:
    billing = (
        f"x-anthropic-billing-header: cc_version=2.1.330; cch={number}; cc_prompt_id=id-{number};"
    )
    user = {"device_id": "d", "account_uuid": "", "session_id": f"s-{number}"}
    return {
        "model": "claude-sonnet-5",
        "system": [{"type": "text", "text": billing}, {"type": "text", "text": "You are Claude"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": question}]}],
        "metadata": {"user_id": json.dumps(user)},
    }


def codex(number: int, question: str = "Hello") -> Json:
    said = f"Chunk ID: abc{number}\nWall time: 0.{number} seconds\nProcess exited with code 0\nOutput:\nx"
    old = json.dumps({"output": "x", "metadata": {"exit_code": 0, "duration_seconds": number}})
    message = [{"type": "input_text", "text": question}]
    return {
        "model": "gpt-5",
        "prompt_cache_key": f"session-{number}",
        "client_metadata": {"x-codex-installation-id": f"{number}"},
        "input": [
            {"type": "message", "id": f"msg_{number}", "role": "user", "content": message},
            {"type": "function_call_output", "call_id": "call_1", "output": said},
            {"type": "function_call_output", "call_id": "call_2", "output": old},
            {"type": "message", "metadata": {"turn_id": f"t{number}", "create_time": number}},
        ],
    }


def opencode(number: int, question: str = "Hello") -> Json:
    return {"model": "gpt-5", "prompt_cache_key": f"ses_{number}", "input": question}


def copilot(number: int, question: str = "Hello") -> Json:
    folder = f"~/.copilot/session-state/0a1b2c3d-0000-4000-8000-{number:012}/files"
    now = f"<current_datetime>2026-11-26T10:00:00.{number:03}Z</current_datetime>"
    return {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": f"Your folder is {folder}."},
            {"role": "user", "content": f"{now}\n{question}"},
            {"role": "user", "content": [{"type": "text", "text": now}]},
        ],
    }


CLIENTS: dict[str, tuple[str, Any]] = {
    "Claude Code": ("claude-cli/2.1.330 (external, cli)", claude_code),
    "Codex": ("codex_exec/0.169.0 (Debian 12; x86_64)", codex),
    "opencode": ("ai-sdk/openai/3.0 opencode/1.18.33", opencode),
    "Copilot": ("copilot/1.0.102 (linux)", copilot),
}


def key(user_agent: str, document: Json, *, volatile: bool = True) -> bytes | None:
    made = exchanged("api.openai.com/v1/responses", {}, document)
    made = replace(made, request_headers=[*made.request_headers, ("user-agent", user_agent)])
    return cache_key(made, CacheDirective(volatile=volatile))


def test_every_known_client_is_here() -> None:
    assert set(names()) == set(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_same_question_has_one_key(name: str) -> None:
    agent, body = CLIENTS[name]
    assert key(agent, body(1)) == key(agent, body(2))
    assert key(agent, body(1)) != key(agent, body(1, "Goodbye"))


@pytest.mark.parametrize("name", CLIENTS)
def test_it_can_be_switched_off(name: str) -> None:
    agent, body = CLIENTS[name]
    assert key(agent, body(1), volatile=False) != key(agent, body(2), volatile=False)


@pytest.mark.parametrize("name", CLIENTS)
def test_other_clients_are_taken_at_their_word(name: str) -> None:
    _, body = CLIENTS[name]
    assert key("OpenAI/Python 3.54.0", body(1)) != key("OpenAI/Python 3.54.0", body(2))


def test_an_output_that_differs_tells_calls_of_codex_apart() -> None:
    one, other = codex(1), codex(1)
    other["input"][1]["output"] += "y"
    assert key("codex_exec/1", one) != key("codex_exec/1", other)
