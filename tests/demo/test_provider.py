"""The local provider as a client meets it on the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
import zlib
from typing import Any

import brotli
import pytest
import zstandard

from harness import until
from llmitm.calls import Json
from llmitm.demo.log import Entry
from llmitm.demo.message import Tokens
from llmitm.demo.provider import LocalProvider

TALK = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"
KEY = {"authorization": "Bearer none"}


def ask(
    provider: LocalProvider, path: str, body: Json = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request over TLS; keyword `x_demo` is the header `x-demo`."""
    context = ssl.create_default_context(cafile=str(provider.ca_file))
    host, port = provider.address.split(":")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, content, KEY | named)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def events(body: bytes, newline: str = "\n") -> list[Json]:
    """Return the JSON of each event's data."""
    blocks = body.decode().split(newline * 2)
    assert blocks.pop() == ""
    lines = [line for block in blocks for line in block.split(newline) if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def test_chat_stream(upstream: LocalProvider) -> None:
    answer, body = ask(upstream, CHAT, {"model": "gpt-4o", "messages": TALK, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert body.endswith(b"data: [DONE]\n\n")
    assert b"event:" not in body
    assert b'"usage"' not in body
    chunks = events(body)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    entry = upstream.log[-1]
    assert (entry.text, entry.end, entry.tokens) == (text, "complete", None)
    assert b"".join(entry.sent) == body
    assert len(entry.sent) == len(chunks) + 1


def test_usage_is_in_the_last_chunk_alone(upstream: LocalProvider) -> None:
    options = {"include_usage": True}
    body = {"model": "gpt-4o", "messages": TALK, "stream": True, "stream_options": options, "n": 2}
    _, answer = ask(upstream, CHAT, body)
    *chunks, last = events(answer)
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert last["choices"] == []
    tokens = upstream.log[-1].tokens
    assert tokens is not None
    assert last["usage"]["prompt_tokens"] == tokens.input == 1
    deltas = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert last["usage"]["completion_tokens"] == tokens.output == len(list(filter(None, deltas)))


def test_asking_for_usage_changes_nothing_else(upstream: LocalProvider) -> None:
    body: dict[str, Any] = {"model": "gpt-4o", "messages": TALK, "stream": True}
    _, without = ask(upstream, CHAT, body)
    _, asked = ask(upstream, CHAT, body | {"stream_options": {"include_usage": True}})
    *chunks, usage, done = [f"{block}\n\n".encode() for block in asked.decode().split("\n\n")[:-1]]
    assert b'"choices":[]' in usage
    assert b"".join([*chunks, done]).replace(b',"usage":null', b"") == without


def test_anthropic_stream(upstream: LocalProvider) -> None:
    system = [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral"}}]
    body = {"model": "claude-opus-4-6", "max_tokens": 50, "messages": TALK, "system": system}
    _, whole = ask(upstream, "/v1/messages", body)
    answer, stream = ask(upstream, "/v1/messages", body | {"stream": True}, x_demo="reasoning")
    documents = events(stream)
    names = [line[7:] for line in stream.decode().split("\n") if line.startswith("event: ")]
    assert names == [document["type"] for document in documents]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-1] == "message_stop"
    assert b"} \n" in stream, "data lines are padded"
    assert upstream.log[-1].text == json.loads(whole)["content"][0]["text"]
    usage = json.loads(whole)["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"]) == (1, 100)
    assert upstream.log[0].tokens == Tokens(
        input=101, output=usage["output_tokens"], cache_write=100
    )
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_gemini_framings(upstream: LocalProvider) -> None:
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "Hi"}]}]}
    _, crlf = ask(upstream, f"{path}?alt=sse", body)
    documents = events(crlf, "\r\n")
    assert "candidatesTokenCount" not in documents[0]["usageMetadata"]
    tokens = upstream.log[-1].tokens
    assert tokens is not None
    assert documents[-1]["usageMetadata"]["candidatesTokenCount"] == tokens.output
    _, array = ask(upstream, path, body)
    assert b"}\n,\r\n{" in array
    elements = json.loads(array)
    assert len(elements) == len(documents)
    parts = [each["candidates"][0]["content"]["parts"][0]["text"] for each in elements]
    assert "".join(parts) == upstream.log[-1].text


def test_responses_are_kept(upstream: LocalProvider) -> None:
    body = {"model": "gpt-5-mini", "input": "one", "background": True}
    _, queued = ask(upstream, "/v1/responses", body)
    made = json.loads(queued)
    assert (made["status"], made["usage"], upstream.log[-1].tokens) == ("queued", None, None)
    _, fetched = ask(upstream, f"/v1/responses/{made['id']}")
    assert json.loads(fetched)["status"] == "completed"
    chained = {"model": "gpt-5-mini", "input": "two", "previous_response_id": made["id"]}
    _, second = ask(upstream, "/v1/responses", chained)
    assert json.loads(second)["usage"]["input_tokens"] > 20
    chained["previous_response_id"] = "resp_unheard_of"
    answer, _ = ask(upstream, "/v1/responses", chained)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("br", brotli.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_encodings(name: str, decode: Any, upstream: LocalProvider) -> None:
    body = {"model": "gpt-4o", "messages": TALK, "stream": True}
    _, plain = ask(upstream, CHAT, body)
    answer, packed = ask(upstream, CHAT, body, x_demo=name, accept_encoding=f"x, {name};q=0.5")
    assert answer.headers["content-encoding"] == name
    assert decode(packed) == plain
    answer, unpacked = ask(upstream, CHAT, body, x_demo=name, accept_encoding="identity")
    assert "content-encoding" not in answer.headers
    assert unpacked == plain


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (CHAT, ("error", "type")),
        ("/v1/messages", ("error", "type")),
        ("/v1beta/models/m:generateContent", ("error", "status")),
    ],
)
def test_errors_have_the_shape_of_their_provider(
    path: str, kind: tuple[str, str], upstream: LocalProvider
) -> None:
    body = {"model": "x", "messages": TALK, "max_tokens": 5}
    answer, content = ask(upstream, path, body, x_demo="error-429 retry-after-7")
    error = json.loads(content)
    assert answer.status == 429
    assert error[kind[0]][kind[1]] in ("requests", "rate_limit_error", "RESOURCE_EXHAUSTED")
    if "Content" in path:
        assert error["error"]["details"][0]["retryDelay"] == "7s"
    else:
        assert answer.headers["retry-after"] == "7"


def test_requests_that_do_not_fit(upstream: LocalProvider) -> None:
    for body in ([], {}, {"model": "m"}, {"model": "m", "messages": [3]}, {"model": 3}):
        answer, content = ask(upstream, CHAT, body)
        assert (answer.status, "message" in json.loads(content)["error"]) == (400, True)
    answer, content = ask(upstream, CHAT, {"model": "demo-unheard-of", "messages": TALK})
    assert answer.status == 404
    assert "gap-20" in json.loads(content)["error"]["message"]
    answer, _ = ask(upstream, CHAT, {"model": "m", "messages": TALK}, authorization="")
    assert answer.status == 401
    answer, _ = ask(upstream, "/v1/unheard-of", {})
    assert answer.status == 404


def test_faults_on_the_wire(upstream: LocalProvider) -> None:
    body: dict[str, Any] = {"messages": TALK, "stream": True}
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(upstream, CHAT, body | {"model": "demo-cut-2"})
    assert cut.value.partial.count(b"data: ") == 2
    with pytest.raises(http.client.RemoteDisconnected):
        ask(upstream, CHAT, body | {"model": "demo-drop"})
    with pytest.raises(http.client.IncompleteRead):
        ask(upstream, CHAT, {"messages": TALK, "model": "demo-cut"})
    ends = [entry.end for entry in upstream.log]
    assert ends == ["cut", "dropped", "cut"]
    _, broken = ask(upstream, CHAT, body | {"model": "demo-stream-error-1"})
    assert [*map(list, events(broken))][-1] == ["error"]
    assert b"[DONE]" not in broken


def test_faults_that_end(upstream: LocalProvider) -> None:
    body = {"messages": TALK, "model": "demo-error-503+times-2", "user": "test_faults_that_end"}
    assert [ask(upstream, CHAT, body)[0].status for _ in range(3)] == [503, 503, 200]


def test_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "llmitm.demo.provider", "--host", "llm.internal"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        body = json.dumps({"model": "m", "messages": TALK}).encode()
        url = f"http://{ready['plain']}{CHAT}"
        with urllib.request.urlopen(urllib.request.Request(url, body, KEY), timeout=20) as answer:
            sent = answer.read()

        def log() -> list[Entry]:
            with urllib.request.urlopen(ready["log"], timeout=20) as answer:
                return [Entry.from_json(each) for each in json.load(answer)]

        (entry,) = until(lambda: [each for each in log() if each.end == "complete"])
        assert (entry.body, b"".join(entry.sent), entry.method) == (body, sent, "POST")
        assert entry.tokens is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


def test_http2_streams_at_once(upstream: LocalProvider) -> None:
    """A long answer that overflows the flow-control window arrives whole, beside another one."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not on PATH")
    body = json.dumps({"model": "demo-long-3000", "messages": TALK, "stream": True})
    one = ["--http2", "--cacert", str(upstream.ca_file), "-H", "authorization: x", "-d", body]
    url = f"https://{upstream.address}{CHAT}"
    command = [curl, "-sS", "-Z", *one, "-o", "-", url, "--next", "-sS", *one, "-o", "-", url]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert [entry.http_version for entry in upstream.log] == ["HTTP/2.0", "HTTP/2.0"]
    assert len(done.stdout) == 2 * sum(map(len, upstream.log[0].sent)) > 1_000_000
