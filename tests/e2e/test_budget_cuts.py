"""Streams that are cut where their budget ends: each SDK ends normally, and the provider is told to stop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.peers import Upstream, Wire
from harness import ProxyProcess, running_proxy, until
from llmitm.calls import Json
from llmitm.home import Home

HOSTS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
PIECE = "tick"
"""A token of four bytes."""
LAST = 5_000
LIMIT = 0.0001
SETTINGS = f"""
[[budget]]
name = "hard"
limit = {LIMIT}
per = "total"
cut_streams = true
"""


def chat() -> Iterator[bytes]:
    for number in range(LAST):
        delta = {"role": "assistant", "content": PIECE} if number == 0 else {"content": PIECE}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield event(
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "gpt-4o-mini",
                "choices": [choice],
            }
        )


def responses() -> Iterator[bytes]:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o-mini",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    item = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    for kind, more in (
        ("response.created", {"response": response}),
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.content_part.added", {**place, "part": part}),
    ):
        yield event({"type": kind, "sequence_number": 0, **more}, kind)
    kind = "response.output_text.delta"
    for number in range(LAST):
        yield event(
            {"type": kind, "sequence_number": number + 3, **place, "delta": PIECE, "logprobs": []},
            kind,
        )


def anthropic() -> Iterator[bytes]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-3-haiku-20240307",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield event({"type": "message_start", "message": message}, "message_start")
    block = {"type": "text", "text": ""}
    yield event(
        {"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"
    )
    for _ in range(LAST):
        delta = {"type": "text_delta", "text": PIECE}
        yield event(
            {"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta"
        )


def gemini() -> Iterator[bytes]:
    for number in range(LAST):
        candidate = {"content": {"parts": [{"text": PIECE}], "role": "model"}, "index": 0}
        usage = {
            "promptTokenCount": 10,
            "candidatesTokenCount": number + 1,
            "totalTokenCount": number + 11,
        }
        yield event(
            {
                "candidates": [candidate],
                "usageMetadata": usage,
                "modelVersion": "gemini-2.0-flash",
                "responseId": "r1",
            }
        )


def event(document: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document)}\n\n".encode()


@dataclass
class Streaming:
    """Streams a token at a time until nobody listens, and counts."""

    events: Callable[[], Iterator[bytes]] = chat
    sent: int = 0
    is_stopped: bool = False

    def __call__(self, peer: Wire) -> None:
        while True:
            _, headers = peer.head()
            peer.body(headers)
            peer.send(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            try:
                for data in self.events():
                    peer.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                    self.sent += PIECE.encode() in data
                    time.sleep(0.001)
            except OSError:
                self.is_stopped = True
                raise
            peer.send(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    found = Upstream(tmp_path_factory.mktemp("upstream"), ["http/1.1"], HOSTS)
    yield found
    found.close()


@pytest.fixture
def proxy(upstream: Upstream, tmp_path: Path) -> Iterator[ProxyProcess]:
    home = Home(tmp_path / "llmitm")
    home.create()
    home.settings.write_text(SETTINGS)
    with running_proxy("llmitm", home, upstream) as found:
        yield found


def openai_chat(proxy: ProxyProcess) -> tuple[str, str | None]:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="none", base_url=f"{proxy.url}/openai/v1") as client:
        messages = [{"role": "user", "content": "Go on"}]
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, max_tokens=LAST
        )
        chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    return said, chunks[-1].choices[0].finish_reason


def openai_responses(proxy: ProxyProcess) -> tuple[str, str | None]:
    openai = pytest.importorskip("openai")
    with (
        openai.OpenAI(api_key="none", base_url=f"{proxy.url}/openai/v1") as client,
        client.responses.stream(
            model="gpt-4o-mini", input="Go on", max_output_tokens=LAST
        ) as stream,
    ):
        *_, last = stream
    assert last.type == "response.incomplete"
    assert last.response.status == "incomplete"
    return last.response.output_text, last.response.incomplete_details.reason


def anthropic_messages(proxy: ProxyProcess) -> tuple[str, str | None]:
    library = pytest.importorskip("anthropic")
    with (
        library.Anthropic(api_key="none", base_url=f"{proxy.url}/anthropic") as client,
        client.messages.stream(
            model="claude-3-haiku-20240307",
            max_tokens=LAST,
            messages=[{"role": "user", "content": "Go on"}],
        ) as stream,
    ):
        message = stream.get_final_message()
    return message.content[0].text, message.stop_reason


def google(proxy: ProxyProcess) -> tuple[str, str | None]:
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="none", http_options={"base_url": f"{proxy.url}/gemini"})
    config = {"max_output_tokens": LAST}
    chunks = list(
        client.models.generate_content_stream(
            model="gemini-2.0-flash", contents="Go on", config=config
        )
    )
    client.close()
    return "".join(chunk.text or "" for chunk in chunks), chunks[-1].candidates[
        0
    ].finish_reason.value


CASES: list[Any] = [
    pytest.param(openai_chat, chat, "length", (0.15, 0.60), id="openai chat"),
    pytest.param(
        openai_responses, responses, "max_output_tokens", (0.15, 0.60), id="openai responses"
    ),
    pytest.param(anthropic_messages, anthropic, "max_tokens", (0.25, 1.25), id="anthropic"),
    pytest.param(google, gemini, "MAX_TOKENS", (0.10, 0.40), id="google-genai"),
]


@pytest.mark.parametrize(("client", "events", "reason", "prices"), CASES)
def test_a_stream_ends_where_its_budget_does(
    client: Callable[[ProxyProcess], tuple[str, str | None]],
    events: Callable[[], Iterator[bytes]],
    reason: str,
    prices: tuple[float, float],
    proxy: ProxyProcess,
    upstream: Upstream,
) -> None:
    """`prices` are what a million tokens of input and of output cost, USD."""
    streaming = Streaming(events)
    with upstream.serving(streaming):
        said, finish = client(proxy)
        until(lambda: streaming.is_stopped, lambda: streaming)
    assert finish == reason
    tokens = len(said) // len(PIECE)
    assert said == PIECE * tokens
    row = proxy.wait_for_rows(1)[0]
    assert "its budget is used up" in row["notes"]
    given, made = (price / 1e6 for price in prices)
    passed = row["input_tokens"] * given + tokens * made
    # Counted as the log counts: what is left does not pay for another piece.
    assert LIMIT - made < passed <= LIMIT + 1e-9
    assert row["cost_nanousd"] / 1e9 >= passed - 1e-9
    assert tokens <= row["output_tokens"] <= streaming.sent
    assert streaming.sent <= tokens + 50, "what was under way as it was told to stop"
    assert threading.active_count() < 50
    assert "Traceback" not in proxy.said()
