"""The bytes that a client gets through the proxy are those it would have got without."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import ProxyProcess
from llmitm.calls import Json
from llmitm.demo.provider import LocalProvider

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not on PATH")

# What a provider itself changes from one answer to the next, and what frames a message for one hop.
UNSTEADY = ("date", "request-id", "x-request-id", "connection", "transfer-encoding")
UNSTEADY_ENDS = ("-reset",)


@dataclass(frozen=True)
class Asked:
    """One request."""

    url: str
    body: Json
    key: str = "authorization: Bearer none"


def chat(**more: Json) -> Asked:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hellö"}], **more}
    return Asked("https://api.openai.com/v1/chat/completions", body)


def messages(**more: Json) -> Asked:
    talk = [{"role": "user", "content": "Hellö"}]
    body = {"model": "claude-opus-4-6", "max_tokens": 99, "messages": talk, **more}
    return Asked("https://api.anthropic.com/v1/messages", body, "x-api-key: none")


def gemini(method: str) -> Asked:
    url = f"https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:{method}"
    body = {"contents": [{"parts": [{"text": "Hellö"}]}]}
    return Asked(url, body, "x-goog-api-key: none")


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CASES = {
    "chat": chat(),
    "chat stream": chat(stream=True),
    "chat stream, usage asked": chat(stream=True, stream_options={"include_usage": True}),
    "chat stream, options": chat(stream=True, stream_options={"include_obfuscation": False}),
    "chat stream, three choices": chat(stream=True, n=3),
    "chat stream, tools": chat(stream=True, tools=[TOOL]),
    "chat stream cut": chat(stream=True, model="demo-cut"),
    "chat stream error": chat(stream=True, model="demo-stream-error"),
    "chat cut": chat(model="demo-cut"),
    "error 429": chat(model="demo-error-429+retry-after-3"),
    "error 500": chat(model="demo-error-500"),
    "messages": messages(),
    "messages stream": messages(stream=True),
    "messages stream error": messages(stream=True, model="demo-stream-error"),
    "gemini": gemini("generateContent"),
    "gemini events": gemini("streamGenerateContent?alt=sse"),
    "gemini array": gemini("streamGenerateContent"),
    "not JSON": Asked("https://api.openai.com/v1/chat/completions", "nothing"),
    "unknown path": Asked("https://api.openai.com/v1/unheard-of", {}),
}


def fetch(asked: Asked, more: list[str], folder: Path, environment: dict[str, str]) -> Json:
    """Return exit code, status, steady headers and body of a request by curl."""
    folder.mkdir()
    command = [
        *(str(CURL), "-sS", "-N", "-D", str(folder / "head"), "-o", str(folder / "body")),
        *("-d", json.dumps(asked.body), "-H", "content-type: application/json", "-H", asked.key),
        *more,
        asked.url,
    ]
    done = subprocess.run(command, env=environment, timeout=60, check=False, capture_output=True)
    # Through a proxy the answer to CONNECT comes first.
    head = (folder / "head").read_bytes().split(b"\r\n\r\n")[-2].decode().split("\r\n")
    headers = [line.split(": ", 1) for line in head[1:]]
    steady = [
        (name.lower(), value)
        for name, value in headers
        if name.lower() not in UNSTEADY and not name.lower().endswith(UNSTEADY_ENDS)
    ]
    body = folder / "body"
    content = body.read_bytes() if body.exists() else b""
    return done.returncode, head[0].split()[1], sorted(steady), content


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("name", CASES)
def test_same_bytes(
    name: str, version: str, proxy: ProxyProcess, upstream: LocalProvider, tmp_path: Path
) -> None:
    asked = CASES[name]
    host = asked.url.split("/")[2]
    straight = [version, "--cacert", str(upstream.ca_file)]
    straight += ["--connect-to", f"{host}:443:{upstream.address}"]
    direct = fetch(asked, straight, tmp_path / "direct", dict(proxy.base))
    through = fetch(asked, [version], tmp_path / "through", proxy.environment())
    assert through == direct
    if "cut" not in name:
        assert direct[0] == 0


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
@pytest.mark.parametrize("name", ["chat", "chat stream", "messages stream", "gemini events"])
def test_same_bytes_compressed(
    name: str, encoding: str, proxy: ProxyProcess, upstream: LocalProvider, tmp_path: Path
) -> None:
    asked = CASES[name]
    host = asked.url.split("/")[2]
    more = ["-H", f"accept-encoding: {encoding}", "-H", f"x-demo: {encoding}"]
    straight = ["--cacert", str(upstream.ca_file)]
    straight += ["--connect-to", f"{host}:443:{upstream.address}"]
    direct = fetch(asked, more + straight, tmp_path / "direct", dict(proxy.base))
    through = fetch(asked, more, tmp_path / "through", proxy.environment())
    assert ("content-encoding", encoding) in direct[2]
    if name == "chat stream":
        # llmitm asks for this stream's usage itself and, to take it out again, for no compression.
        assert ("content-encoding", encoding) not in through[2]
    else:
        assert through == direct
    (row,) = proxy.wait_for_rows(1)
    assert row["response"] == upstream.log[-1].text
