"""The programs of the demo: what an app does, with the vendors' SDKs where they are installed.

Nothing here knows of a proxy; the environment alone decides that. Without an SDK the same request is made with
the standard library.
"""

from __future__ import annotations

import importlib
import json
import sys
import urllib.request
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmitm.calls import Json

QUESTION = "Why is the sky blue?"
TOOL = {
    "name": "get_weather",
    "description": "Today's weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def sdk(name: str) -> ModuleType | None:
    """Import an SDK, if it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def post(url: str, key: dict[str, str], body: Json) -> bytes:
    """Send a request with the standard library and return the answer's body."""
    headers = {"content-type": "application/json", **key}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def openai() -> None:
    """Ask OpenAI: a stream, a tool, and a model that nobody has a price for."""
    talk = [{"role": "user", "content": QUESTION}]
    tool = {"type": "function", "function": TOOL}
    requests: list[Json] = [
        {"model": "gpt-4o-mini", "messages": talk, "stream": True},
        {"model": "gpt-4o", "messages": talk, "tools": [tool]},
        {"model": "demo-reasoning", "messages": talk},
    ]
    library: Any = sdk("openai")
    if library is None:
        url = "https://api.openai.com/v1/chat/completions"
        for request in requests:
            post(url, {"authorization": "Bearer none"}, request)
        return
    with library.OpenAI(api_key="none") as client:
        for request in requests:
            answer = client.chat.completions.create(**request)
            if request.get("stream"):
                list(answer)


def anthropic() -> None:
    """Ask Anthropic: a stream with a cached system prompt, and a second turn."""
    system = "You are a patient physicist. " * 40
    cached = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    talk: list[Json] = [{"role": "user", "content": QUESTION}]
    request: Json = {"model": "claude-opus-4-6", "max_tokens": 200, "system": cached}
    library: Any = sdk("anthropic")
    if library is None:
        url = "https://api.anthropic.com/v1/messages"
        headers = {"x-api-key": "none", "anthropic-version": "2023-06-01"}
        post(url, headers, {**request, "messages": talk, "stream": True})
        return
    with library.Anthropic(api_key="none") as client:
        with client.messages.stream(**request, messages=talk) as stream:
            text = "".join(stream.text_stream)
        talk += [
            {"role": "assistant", "content": text},
            {"role": "user", "content": "And at sunset?"},
        ]
        client.messages.create(**request, messages=talk, extra_headers={"x-demo": "cached-290"})


def google() -> None:
    """Ask Gemini for a stream."""
    model = "gemini-2.5-flash"
    library: Any = sdk("google.genai")
    if library is None:
        base = "https://generativelanguage.googleapis.com/v1beta/models"
        body = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
        url = f"{base}/{model}:streamGenerateContent?alt=sse"
        post(url, {"x-goog-api-key": "none"}, body)
        return
    client = library.Client(api_key="none")
    list(client.models.generate_content_stream(model=model, contents=QUESTION))


PROGRAMS: dict[str, Callable[[], None]] = {
    "openai": openai,
    "anthropic": anthropic,
    "google.genai": google,
}
"""Programs by the SDK that they prefer."""

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
