"""The load generator: keep-alive TLS connections through a proxy's CONNECT, as an SDK would hold them."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

_CLOCK = re.compile(rb'"t":"(\d{20})"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HOST = "api.openai.com"


def request(
    stream: tuple[int, int] | None = None,
    *,
    path: str = "/v1/chat/completions",
    host: str = _HOST,
    headers: Mapping[str, str] | None = None,
    question: str = "Why is the sky blue? Explain it to a child of six.",
) -> bytes:
    """Return a chat call as an SDK sends it; `stream` is the number of chunks and the ms between them."""
    talk = [
        {"role": "system", "content": "You are a patient physicist. " * 20},
        {"role": "user", "content": question},
    ]
    body: dict[str, object] = {"model": "gpt-4o-mini", "messages": talk}
    more = dict(headers or {})
    if stream is not None:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        more["x-plan"] = f"{stream[0]},{stream[1]}"
    content = json.dumps(body).encode()
    added = "".join(f"{name}: {value}\r\n" for name, value in more.items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\n"
        "authorization: Bearer sk-bench-0123456789abcdef0123456789\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        "user-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\nx-stainless-retry-count: 0\r\n"
        f"accept-encoding: gzip, deflate\r\n{added}content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


@dataclass(slots=True)
class Timings:
    """What a generator saw."""

    calls: int = 0
    seconds: float = 0.0
    chunks: int = 0
    first_chunk_ms: list[float] = field(default_factory=list)
    """From the upstream's write of a stream's first chunk to its arrival."""
    chunk_ms: list[float] = field(default_factory=list)
    """The same for every later chunk."""


def insecure() -> ssl.SSLContext:
    """Return a context that trusts any certificate: trust is not what is measured."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


async def connect(
    address: str, *, through_proxy: bool = True, as_gateway: bool = False
) -> Connection:
    """Open one connection to the provider by way of the proxy at `address`, straight to it, or to the gateway."""
    host, port = address.split(":")
    if as_gateway:
        return Connection(*await asyncio.open_connection(host, int(port)))
    context = insecure()
    if not through_proxy:
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname=_HOST
        )
        return Connection(reader, writer)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"CONNECT {_HOST}:443 HTTP/1.1\r\nhost: {_HOST}:443\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise ConnectionError(f"the proxy said {answer!r}")
    await writer.start_tls(context, server_hostname=_HOST)
    return Connection(reader, writer)


@dataclass(slots=True)
class Connection:
    """One connection with one call at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, timings: Timings, sent: bytes) -> None:
        """Make a call."""
        self.writer.write(sent)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"the answer was {head!r}")
        if (length := _LENGTH.search(head)) is not None:
            await self.reader.readexactly(int(length[1]))
        else:
            await self._chunks(timings)
        timings.calls += 1

    async def _chunks(self, timings: Timings) -> None:
        first = True
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            data = await self.reader.read(65536)
            now = time.monotonic_ns()
            if not data:
                raise ConnectionError("the stream broke")
            rest += data
            end = 0
            for match in _CLOCK.finditer(rest):
                late = (now - int(match[1])) / 1e6
                (timings.first_chunk_ms if first else timings.chunk_ms).append(late)
                timings.chunks += 1
                first = False
                end = match.end()
            rest = rest[end:][-4096:]

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


async def load(
    address: str,
    *,
    through_proxy: bool,
    connections: int,
    calls: int,
    stream: tuple[int, int] | None = None,
) -> Timings:
    """Make `calls` calls over each of some connections at once."""
    timings = Timings()
    opened = [await connect(address, through_proxy=through_proxy) for _ in range(connections)]

    async def work(one: Connection) -> None:
        for _ in range(calls):
            await one.call(timings, request(stream))

    for one in opened:
        # The proxy's own connection to the provider is not what is measured.
        await one.call(Timings(), request())
    start = time.monotonic()
    await asyncio.gather(*(work(one) for one in opened))
    timings.seconds = time.monotonic() - start
    for one in opened:
        one.close()
    return timings
