"""Finished calls for the tests of the store, made as the reader makes them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from llmitm import pricing
from llmitm.calls import (
    Answer,
    Charge,
    Endpoint,
    Exchange,
    Finished,
    Identity,
    Outcome,
    Prompt,
    Usage,
)
from llmitm.ids import new_id
from llmitm_pricing import PriceTable

START = 1_700_000_000.0
"""A fixed time of the first call, so that tests do not depend on the day they run."""

_FIRST = (
    "ban",
    "cor",
    "del",
    "fil",
    "gar",
    "ham",
    "ket",
    "lan",
    "mer",
    "pol",
    "ran",
    "sil",
    "tor",
    "vel",
)
_LAST = (
    "a",
    "der",
    "en",
    "et",
    "il",
    "ing",
    "ler",
    "low",
    "ner",
    "o",
    "old",
    "ster",
    "ter",
    "um",
    "y",
)
_WORDS = [first + last for first in _FIRST for last in _LAST]


def prose(chance: random.Random, words: int) -> str:
    """Return words in sentences, as little compressible as speech is."""
    picked = [
        f"{word}{chance.randrange(100)}" if chance.random() < 0.1 else word
        for word in chance.choices(_WORDS, k=words)
    ]
    return " ".join(picked)


def prose_of(words: int, seed: int) -> str:
    """Return the same words for the same seed."""
    return prose(random.Random(seed), words)


def call(
    request: object,
    said: str | None = "Hello.",
    *,
    at: float = START,
    model: str = "gpt-5.4",
    provider: str = "openai",
    response: object = None,
    usd: Decimal | None = Decimal("0.000125"),
    usage: Usage | None = None,
    outcome: Outcome = "ok",
    status: int = 200,
    identity: Identity | None = None,
    latency_ms: float = 812.4,
) -> Finished:
    """Return a chat call. `request` is the body: a text as it is, anything else as compact JSON."""
    name = new_id(at)
    text = request if isinstance(request, str) else json.dumps(request, separators=(",", ":"))
    if response is None:
        response = chat_response(name, model, said)
    answer_text = response if isinstance(response, str) else json.dumps(response)
    exchange = Exchange(
        id=name,
        started_at=at,
        method="POST",
        scheme="https",
        host=f"api.{provider}.com",
        port=443,
        path="/v1/chat/completions",
        request_headers=[("content-type", "application/json")],
        request_body=text.encode(errors="surrogatepass"),
        status=status,
        response_headers=[("content-type", "application/json")],
        chunks=[answer_text.encode(errors="surrogatepass")],
        chunk_times=[latency_ms],
        first_byte_ms=latency_ms,
        latency_ms=latency_ms,
    )
    endpoint, prompt = Endpoint(provider, "chat", "openai_chat"), Prompt(model=model)
    answer = Answer(
        model=model,
        response_id=f"chatcmpl-{name}",
        text=said,
        finish_reason="stop" if outcome == "ok" else None,
        usage=usage or Usage("reported", input_tokens=120, output_tokens=30),
    )
    who = identity or Identity(client="OpenAI/Python 2.54.0", api_key_fingerprint="00c0ffee0000")
    return Finished(
        exchange,
        endpoint,
        prompt,
        answer,
        who,
        Charge(
            usd,
            f"{provider}/{model}/2026-01-01" if usd is not None else None,
            {"input": usd} if usd is not None else {},
            None if usd is not None else "the model is not in the price table",
            table_usd=usd,
            basis=pricing.basis(endpoint, exchange, prompt, answer, outcome, who),
        ),
        outcome,
        request_text=text,
        response_text=answer_text,
        request_bytes=len(exchange.request_body),
        response_bytes=len(exchange.chunks[0]),
    )


def chat_response(name: str, model: str, said: str | None) -> dict[str, Any]:
    """Return a response in the form of OpenAI's chat completions."""
    return {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
    }


def chat(words: str, said: str = "Hello.", **options: Any) -> Finished:
    """Return a call with one question."""
    return call({"model": "gpt-5.4", "messages": [user(words)]}, said, **options)


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def agent_session(turns: int, seed: int = 1, *, marked: bool = False) -> Iterator[Finished]:
    """Yield the calls of a coding agent: each sends all that went before, a tool's result last.

    `marked` moves a `cache_control` mark to the newest message, as Anthropic's clients do.
    """
    chance = random.Random(seed)
    system = [{"type": "text", "text": prose(chance, 2_000)}]
    tools = [
        {"name": name, "description": prose(chance, 60), "input_schema": {"type": "object"}}
        for name in _WORDS[:20]
    ]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": prose(chance, 60)}]}
    ]
    for turn in range(turns):
        said = prose(chance, 40)
        tool = {"type": "tool_use", "id": f"toolu_{turn}", "name": "search"}
        tool["input"] = {"query": prose(chance, 8)}  # type: ignore[assignment]
        content = [{"type": "text", "text": said}, tool]
        body = {
            "model": "claude-opus-5",
            "max_tokens": 32_000,
            "system": system,
            "tools": tools,
            "messages": _with_mark(messages) if marked else messages,
            "stream": True,
        }
        response = {
            "id": f"msg_{seed}_{turn}",
            "type": "message",
            "role": "assistant",
            "model": "claude-opus-5",
            "content": content,
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 12, "output_tokens": 90, "cache_read_input_tokens": 9_000},
        }
        yield call(
            body,
            said,
            at=START + turn * 7,
            model="claude-opus-5",
            provider="anthropic",
            response=response,
        )
        result = {"type": "tool_result", "tool_use_id": f"toolu_{turn}"}
        result["content"] = prose(chance, 150)
        messages = [
            *messages,
            {"role": "assistant", "content": content},
            {"role": "user", "content": [result]},
        ]


def _with_mark(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    *before, last = messages
    *blocks, block = last["content"]
    marked = {**block, "cache_control": {"type": "ephemeral"}}
    return [*before, {**last, "content": [*blocks, marked]}]


def identified(call_: Finished, **who: Any) -> Finished:
    """Return a call with another identity."""
    return replace(call_, identity=replace(call_.identity, **who))


def priced(call_: Finished, table: PriceTable, **answer: Any) -> Finished:
    """Return a call priced as the reader prices it; `answer` is what its answer says otherwise."""
    said = replace(call_.answer, **answer)
    charge = pricing.charge(
        call_.endpoint,
        call_.exchange,
        call_.prompt,
        said,
        call_.outcome,
        call_.identity,
        table,
    )
    return replace(call_, answer=said, charge=charge)
