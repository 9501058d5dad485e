"""A provider that costs next to nothing: fixed answers over TLS, the clock written into every chunk.

The chunk's `t` is the monotonic clock in ns, which all processes of a machine share, so the reader of a chunk
knows how long it was under way.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from llmitm.demo.certificates import issue

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PLAN = re.compile(rb"x-plan: *(\d+),(\d+)", re.IGNORECASE)
_FAIL = re.compile(rb"x-fail: *(\S+)", re.IGNORECASE)
"""The first call with a value of it is refused."""
_HEADERS = (
    "date: Tue, 24 Nov 2026 12:00:00 GMT\r\nserver: cloudflare\r\nx-request-id: req_0123456789abcdef0123\r\n"
    "openai-organization: someone\r\nopenai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\n"
    "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 200000\r\n"
    "x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 199980\r\n"
    "x-ratelimit-reset-requests: 8.64s\r\nx-ratelimit-reset-tokens: 6ms\r\n"
)
_HEAD = {
    "id": "chatcmpl-0123456789",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_0123456789",
}
_USAGE = {"prompt_tokens": 180, "completion_tokens": 120, "total_tokens": 300}
_MESSAGE = {"role": "assistant", "content": "The sky scatters blue light. " * 16, "refusal": None}
_CHOICE = {"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}
_BODY = json.dumps({**_HEAD, "choices": [_CHOICE], "usage": _USAGE}).encode()
_WHOLE = (
    f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{_HEADERS}content-length: {len(_BODY)}\r\n\r\n"
).encode() + _BODY
_LIMITED = b'{"error":{"message":"Slow down","type":"requests","code":"rate_limit_exceeded"}}'
_REFUSED = (
    "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after-ms: 1\r\n"
    f"content-length: {len(_LIMITED)}\r\n\r\n"
).encode() + _LIMITED
_STREAM = (
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    f"{_HEADERS}transfer-encoding: chunked\r\n\r\n"
).encode()


def _event(choices: object, usage: object = None) -> str:
    body = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"


_DELTA = _event([{"index": 0, "delta": {"content": "blue "}, "finish_reason": None}])
_CLOCKED = _DELTA.replace('"created":1790000000', '"t":"%020d","created":1790000000')
_END = (
    _event([{"index": 0, "delta": {}, "finish_reason": "stop"}]).encode(),
    _event([], _USAGE).encode(),
    b"data: [DONE]\n\n",
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """One connection."""

    failed: ClassVar[set[bytes]] = set()

    def __init__(self) -> None:
        self._input = b""
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._input += data
        while (end := self._input.find(b"\r\n\r\n")) >= 0:
            head = self._input[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._input) < whole:
                return
            self._input = self._input[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if (fail := _FAIL.search(head)) is not None and fail[1] not in self.failed:
            self.failed.add(fail[1])
            self._transport.write(_REFUSED)
            return
        plan = _PLAN.search(head)
        if plan is None:
            self._transport.write(_WHOLE)
            return
        task = asyncio.get_running_loop().create_task(self._stream(int(plan[1]), int(plan[2])))
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

    async def _stream(self, chunks: int, gap_ms: int) -> None:
        self._transport.write(_STREAM)
        for _ in range(chunks):
            await asyncio.sleep(gap_ms / 1000)
            event = (_CLOCKED % time.monotonic_ns()).encode()
            self._transport.write(_chunk(event))
        for event in _END:
            self._transport.write(_chunk(event))
        self._transport.write(b"0\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._streams:
            task.cancel()


async def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ca_file, context = issue(Path(folder), ["api.openai.com", "127.0.0.1"])
        context.set_alpn_protocols(["http/1.1"])
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Upstream, "127.0.0.1", 0, ssl=context, backlog=512)
        port = server.sockets[0].getsockname()[1]
        print(json.dumps({"address": f"127.0.0.1:{port}", "ca_file": str(ca_file)}), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        sys.exit(0)
