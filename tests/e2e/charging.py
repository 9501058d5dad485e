"""A provider that keeps count of what it charges, and clients that call it at once, again and again."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.peers import Closed, Wire

INPUT, OUTPUT = 20, 1_000
"""Tokens of each call, as the provider counts them."""
NANO = INPUT * 150 + OUTPUT * 600
"""What a call of gpt-4o-mini with so many costs, nano-dollars: 0.15 and 0.60 USD a million."""


def body(**more: Any) -> bytes:
    """Return a call that asks for so much."""
    message = {"role": "user", "content": "Hi"}
    document = {"model": "gpt-4o-mini", "max_tokens": OUTPUT, "messages": [message], **more}
    return json.dumps(document).encode()


@dataclass
class Charging:
    """Answers, and charges what it was asked for as soon as it was asked."""

    latency: tuple[float, float] = (0.05, 0.4)
    charged: int = 0
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spent(self) -> int:
        """All that was charged, nano-dollars."""
        return self.charged * NANO

    def __call__(self, peer: Wire) -> None:
        chance = random.Random(id(peer))
        while True:
            _, headers = peer.head()
            peer.body(headers)
            with self.lock:
                self.charged += 1
            time.sleep(chance.uniform(*self.latency))
            usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT}
            choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}}
            document = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": "gpt-4o-mini",
                "choices": [choice | {"finish_reason": "length"}],
                "usage": usage | {"total_tokens": INPUT + OUTPUT},
            }
            data = json.dumps(document).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            peer.send(head.encode() + data)
            with self.lock:
                self.answered += 1


@dataclass
class Crowd:
    """So many calls, of which so many are made at once, until all are made or `stop` is set."""

    calls: int = 1_000
    at_once: int = 100
    statuses: Counter[int | str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    headers: dict[str, str] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, port: int) -> None:
        self.stop.clear()
        self._threads = [
            threading.Thread(target=self._run, args=(port,), daemon=True)
            for _ in range(self.at_once)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _next(self) -> bool:
        with self._lock:
            if self.calls <= 0 or self.stop.is_set():
                return False
            self.calls -= 1
            return True

    def _run(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        fields = {"content-type": "application/json", "authorization": "Bearer none"}
        while self._next():
            status: int | str
            try:
                connection.request(
                    "POST", "/openai/v1/chat/completions", body(), fields | self.headers
                )
                answer = connection.getresponse()
                told, status = answer.read(), answer.status
            except (OSError, http.client.HTTPException, Closed):
                connection.close()
                told, status = b"", "broken"
            with self._lock:
                self.statuses[status] += 1
                if status == 429:
                    self.refusals.append(json.loads(told)["error"]["message"])
        connection.close()
