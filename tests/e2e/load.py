"""Many small calls through a proxy, each with a prompt of its own and the time at which its last byte came."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness import ProxyProcess

HOST = "api.openai.com"


@contextlib.contextmanager
def connected(proxy: ProxyProcess) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(proxy.home.ca_certificate))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=30)
    connection.set_tunnel(HOST, 443)
    with contextlib.closing(connection):
        yield connection


def ask(connection: http.client.HTTPSConnection, prompt: str, *, stream: bool = False) -> bytes:
    body = {
        "model": "gpt-4o-mini",
        "stream": stream,
        "messages": [{"role": "user", "content": prompt}],
    }
    headers = {"content-type": "application/json", "authorization": "Bearer sk-none"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse().read()
    assert answer.rstrip().endswith((b"}", b"[DONE]"))
    return answer


@dataclass
class Load:
    """Threads that call one after the other until they are stopped or the proxy is gone."""

    proxy: ProxyProcess
    name: str
    threads: int = 4
    ended: dict[str, float] = field(default_factory=dict)
    """Prompts whose answer came whole, with the time of its last byte."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._running = [
            threading.Thread(target=self._call, args=(n,)) for n in range(self.threads)
        ]

    def __enter__(self) -> Load:
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()

    def _call(self, thread: int) -> None:
        number = 0
        with (
            connected(self.proxy) as connection,
            contextlib.suppress(OSError, http.client.HTTPException),  # the proxy is gone
        ):
            while not self._stop.is_set():
                prompt = f"{self.name} {thread} {number}"
                if ask(connection, prompt, stream=number % 3 == 0):
                    self.ended[prompt] = time.time()
                number += 1
