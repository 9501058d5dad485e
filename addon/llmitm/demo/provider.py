"""The local provider: an HTTPS server for the LLM hosts, in this process, in a thread, or as a process of its own.

It speaks HTTPS on `address`; on `plain`, without TLS, it answers the same and also `GET /__log`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from llmitm.demo.certificates import issue
from llmitm.demo.connections import Sink, connection
from llmitm.demo.log import Entry
from llmitm.demo.message import Reply, Request, json_reply
from llmitm.demo.router import Router

HOSTS = (
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "api.cohere.com",
    "api.mistral.ai",
    "api.groq.com",
    "api.deepseek.com",
    "api.x.ai",
    "api.together.xyz",
    "api.cerebras.ai",
    "api.perplexity.ai",
    "openrouter.ai",
    "*.openai.azure.com",
    "chatgpt.com",
    "localhost",
    "127.0.0.1",
)
"""The hosts that it has a certificate for unless told otherwise."""


@dataclass
class LocalProvider:
    """A provider on the loopback interface; an async context manager."""

    hosts: Sequence[str] = HOSTS
    port: int = 0
    slow_ms: int = 0
    """The least wait before the first byte, where a request asks for none."""
    gap_ms: int = 0
    """The same between the parts of a stream."""
    address: str = ""
    """`host:port` of the HTTPS side, once running."""
    plain: str = ""
    """`host:port` of the side without TLS."""
    ca_file: Path = field(default_factory=Path)
    """Certificate of the CA that its own certificate is signed with."""
    log: list[Entry] = field(default_factory=list)
    _router: Router = field(default_factory=Router)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def __aenter__(self) -> LocalProvider:
        """Open both ports."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="llmitm-provider-"))
        self.ca_file, context = issue(Path(folder), self.hosts)
        secure = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=context)
        plain = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._stack.push_async_callback(self._end_connections)
        for server in (secure, plain):
            self._stack.callback(server.close)
        self.address = f"127.0.0.1:{secure.sockets[0].getsockname()[1]}"
        self.plain = f"127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both ports and every connection."""
        await self._stack.aclose()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        await connection(reader, writer, self._serve)

    async def _end_connections(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, request: Request, sink: Sink) -> None:
        if request.path == "/__log":
            if request.method == "DELETE":
                self.log.clear()
            reply = json_reply([entry.to_json() for entry in self.log])
            await sink.head(200, reply.headers, len(reply.parts[0]))
            await sink.part(reply.parts[0])
            await sink.end()
            return
        entry = Entry(
            request.method,
            request.host,
            request.target,
            request.http_version,
            list(request.headers),
            request.body,
        )
        self.log.append(entry)
        reply = self._router.answer(request)
        reply.behaviour = replace(
            reply.behaviour,
            slow_ms=reply.behaviour.slow_ms or self.slow_ms,
            gap_ms=reply.behaviour.gap_ms or self.gap_ms,
        )
        entry.status, entry.response_headers = reply.status, reply.headers
        entry.model, entry.text, entry.finish = reply.model, reply.text, reply.finish
        entry.tokens = reply.tokens
        entry.end = "client_gone"
        await _deliver(reply, entry, sink, head_only=request.method == "HEAD")


async def _deliver(reply: Reply, entry: Entry, sink: Sink, *, head_only: bool) -> None:
    """Send a reply at its pace; the entry says how that ended."""
    wanted = reply.behaviour
    if wanted.drop:
        entry.end = "dropped"
        await sink.cut()
        return
    parts = reply.parts
    cut = wanted.cut
    chunked = reply.streamed or any(name == "content-encoding" for name, _ in reply.headers)
    length = None if chunked else sum(map(len, parts))
    if cut is not None and not reply.streamed:
        whole = b"".join(parts)
        parts, cut = [whole[: len(whole) // 2]], 1
    if not reply.streamed:
        await asyncio.sleep(wanted.slow_ms / 1000)
    await sink.head(reply.status, reply.headers, length)
    if reply.streamed:
        await asyncio.sleep(wanted.slow_ms / 1000)
    for number, part in enumerate([] if head_only else parts[:cut]):
        if number and wanted.gap_ms:
            await asyncio.sleep(wanted.gap_ms / 1000)
        # Noted before it is sent: whoever has received it finds it in the log.
        entry.sent.append(part)
        await sink.part(part)
    if cut is not None:
        entry.end = "cut"
        await sink.cut()
    else:
        entry.end = "complete"
        await sink.end()


@contextlib.contextmanager
def in_thread(
    hosts: Sequence[str] = HOSTS, *, slow_ms: int = 0, gap_ms: int = 0
) -> Iterator[LocalProvider]:
    """Run a local provider in a thread with an event loop of its own."""
    provider = LocalProvider(hosts, slow_ms=slow_ms, gap_ms=gap_ms)
    started: Future[Callable[[], object]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with provider:
            started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="local-provider", daemon=True)
    thread.start()
    end = started.result()
    try:
        yield provider
    finally:
        end()
        thread.join()


async def _process(port: int, hosts: Sequence[str], ready_fd: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with LocalProvider(hosts, port) as provider:
        ready = {
            "address": provider.address,
            "plain": provider.plain,
            "ca_file": str(provider.ca_file),
            "log": f"http://{provider.plain}/__log",
        }
        os.write(ready_fd, f"{json.dumps(ready)}\n".encode())
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a local provider until it is told to stop; one line of JSON says where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m llmitm.demo.provider", description=main.__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="of the HTTPS side; 0 takes a free one")
    parser.add_argument("--ready-fd", type=int, default=1, help="where the line goes")
    parser.add_argument("--host", action="append", help="one more name to answer to")
    options = parser.parse_args(arguments)
    hosts = (*HOSTS, *(options.host or ()))
    asyncio.run(_process(options.port, hosts, options.ready_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
