"""What is asked for in one call and answered by others is charged once, also when the proxy was started again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

from harness import ProxyProcess, running_proxy
from llmitm.calls import Json
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

LINES = [
    {
        "custom_id": f"r{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Hi {number}"}]},
    }
    for number in range(20)
]
BOUNDARY = "a-boundary"


def fetch(
    proxy: ProxyProcess, path: str, data: bytes | None = None, kind: str = "application/json"
) -> bytes:
    """Make one call through the gateway, and return what was answered."""
    headers = {"authorization": "Bearer none", "x-api-key": "none", "content-type": kind}
    request = urllib.request.Request(f"{proxy.url}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def send(proxy: ProxyProcess, path: str, document: Json) -> Json:
    return json.loads(fetch(proxy, path, json.dumps(document).encode()))


def upload(proxy: ProxyProcess, content: bytes) -> str:
    parts = [
        b'content-disposition: form-data; name="purpose"\r\n\r\nbatch',
        b'content-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + content,
    ]
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts)
    body += b"--%s--\r\n" % BOUNDARY.encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    identity: str = json.loads(fetch(proxy, "/openai/v1/files", body, kind))["id"]
    return identity


def costs(
    provider: LocalProvider, home: Home, ask: Callable[[ProxyProcess], str], times: int
) -> list[tuple[int, int, int | None]]:
    """Ask for a job, look at its result through proxies that follow one another, and return what these cost."""
    with running_proxy("llmitm", home, provider) as proxy:
        path = ask(proxy)
        fetch(proxy, path)
        fetch(proxy, path)
        assert proxy.stop() == 0
    with running_proxy("llmitm", home, provider) as proxy:
        for _ in range(times - 2):
            fetch(proxy, path)
        assert proxy.stop() == 0
        rows = proxy.all_rows()
    assert sum(row["cost_nanousd"] or 0 for row in rows[:-times]) == 0
    return [(row["counted"], row["cost_nanousd"], row["batch_requests"]) for row in rows[-times:]]


def test_the_results_of_a_batch(local_provider: LocalProvider, tmp_path: Path) -> None:
    def ask(proxy: ProxyProcess) -> str:
        source = upload(proxy, b"\n".join(json.dumps(line).encode() for line in LINES))
        batch = send(proxy, "/openai/v1/batches", {"input_file_id": source})
        done = json.loads(fetch(proxy, f"/openai/v1/batches/{batch['id']}"))
        return f"/openai/v1/files/{done['output_file_id']}/content"

    first, *again = costs(local_provider, Home(tmp_path / "home"), ask, 4)
    assert first[0] == 1
    assert first[1]
    assert first[2] == len(LINES)
    assert again == [(0, 0, len(LINES))] * 3


def test_the_results_of_a_batch_of_messages(local_provider: LocalProvider, tmp_path: Path) -> None:
    message = {
        "model": "claude-haiku-4-5",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hi"}],
    }

    def ask(proxy: ProxyProcess) -> str:
        requests = [{"custom_id": f"r{number}", "params": message} for number in range(3)]
        batch = send(proxy, "/anthropic/v1/messages/batches", {"requests": requests})
        return f"/anthropic/v1/messages/batches/{batch['id']}/results"

    first, *again = costs(local_provider, Home(tmp_path / "home"), ask, 3)
    assert first[0] == 1
    assert first[1]
    assert first[2] == 3
    assert again == [(0, 0, 3)] * 2


def test_a_response_in_the_background(local_provider: LocalProvider, tmp_path: Path) -> None:
    def ask(proxy: ProxyProcess) -> str:
        document = {"model": "gpt-4o-mini", "input": "Hi", "background": True}
        response = send(proxy, "/openai/v1/responses", document)
        assert response["status"] == "queued"
        path = f"/openai/v1/responses/{response['id']}"
        while json.loads(fetch(proxy, path))["status"] != "completed":
            pass
        return path

    home = Home(tmp_path / "home")
    with running_proxy("llmitm", home, local_provider) as proxy:
        path = ask(proxy)
        fetch(proxy, path)
        assert proxy.stop() == 0
    with running_proxy("llmitm", home, local_provider) as proxy:
        fetch(proxy, path)
        assert proxy.stop() == 0
        charged = [row["cost_nanousd"] for row in proxy.all_rows()]
    assert [bool(cost) for cost in charged].count(True) == 1
    assert all(cost is not None for cost in charged)
    assert charged[-2:] == [0, 0]


def test_results_that_are_too_long_for_memory(
    local_provider: LocalProvider, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    message = {"message": {"role": "assistant", "content": "x" * 100_000}}
    body = {
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [message],
        "usage": usage,
    }
    line = {"custom_id": "r", "response": {"status_code": 200, "body": body}, "error": None}
    content = (json.dumps(line).encode() + b"\n") * 200
    with running_proxy("llmitm", Home(tmp_path / "home"), local_provider) as proxy:
        path = f"/openai/v1/files/{upload(proxy, content)}/content"
        assert fetch(proxy, path).rstrip(b"\r\n") == content.rstrip(b"\n")
        row = proxy.wait_for_rows(2)[-1]
    assert (row["batch_requests"], row["input_tokens"]) == (200, 20_000)
    assert row["cost_nanousd"] == 200 * (100 * 75 + 10 * 300)
    assert row["response_bytes"] >= len(content) - 1
    assert "too large to be kept in the log" in row["notes"]
