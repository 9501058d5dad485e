"""Ten processes, and a provider that allows 60 calls in a while: without the governor 429s, with it none and no less work."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from e2e.peers import Upstream, Wire
from harness import ProxyProcess, running_proxy, until
from llmitm.home import Home

LIMIT, PERIOD = 60, 6.0
"""Sixty calls a minute, ten times as fast."""
PERIODS = 2
PROCESSES = 10
ANSWER = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
).encode()
REFUSAL = b'{"error":{"message":"Slow down","type":"requests","code":"rate_limit_exceeded"}}'
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}'
PROGRAM = """
import sys, time, urllib.error, urllib.request
url, seconds, body = sys.argv[1], float(sys.argv[2]), sys.argv[3].encode()
headers = {"authorization": "Bearer k", "content-type": "application/json"}
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60).read()
    except urllib.error.HTTPError as error:
        error.read()
        time.sleep(0.05)
"""

Kind = Literal["evenly", "at once"]


@dataclass
class LimitedProvider:
    """Allows so many calls in a period, and fills up evenly or all at once, as its answers tell."""

    kind: Kind = "evenly"
    tells: bool = True
    limit: int = LIMIT
    period: float = PERIOD
    began: float | None = None
    level: float = LIMIT
    at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    statuses: list[tuple[float, int, str]] = field(default_factory=list)
    """When a call was counted, what it got, and what it said of itself."""

    def take(self, mark: str) -> tuple[int, int, float]:
        """Count a call; return its status, how many are left, and the seconds until all are."""
        with self.lock:
            now = time.monotonic()
            if self.began is None:
                self.began = self.at = now
                self.level = self.limit
            if self.kind == "evenly":
                came = (now - self.at) * self.limit / self.period
                self.level, self.at = min(self.limit, self.level + came), now
            elif now >= self.at + self.period:
                self.at += (now - self.at) // self.period * self.period
                self.level = self.limit
            status = 200 if self.level >= 1 else 429
            self.level -= status == 200
            self.statuses.append((now, status, mark))
            full = (self.limit - self.level) * self.period / self.limit
            resets = full if self.kind == "evenly" else self.at + self.period - now
            return status, int(self.level), resets

    def serve(self, wire: Wire) -> None:
        """Answer the calls of a connection."""
        while True:
            _, headers = wire.head()
            mark = json.loads(wire.body(headers)).get("user", "")
            status, left, resets = self.take(mark)
            body = ANSWER if status == 200 else REFUSAL
            told = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            if self.tells:
                told += (
                    f"x-ratelimit-limit-requests: {self.limit}\r\n"
                    f"x-ratelimit-remaining-requests: {left}\r\n"
                    f"x-ratelimit-reset-requests: {resets:.3f}s\r\n"
                )
            wire.send(f"HTTP/1.1 {status} x\r\n{told}\r\n".encode() + body)

    def count(self) -> Counter[int]:
        """Return how many calls were answered how."""
        with self.lock:
            return Counter(status for _, status, _ in self.statuses)


type Started = Callable[[str], ProxyProcess]


@pytest.fixture
def upstream_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    upstream = Upstream(tmp_path_factory.mktemp("upstream"), ["http/1.1"])
    yield upstream
    upstream.close()


@pytest.fixture
def start(
    upstream_of: Upstream, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Started:
    """Start a proxy with settings of its own; it ends with the test."""

    def started(settings: str) -> ProxyProcess:
        home = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
        home.create()
        home.settings.write_text(settings)
        running = running_proxy("llmitm", home, upstream_of)
        proxy = running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        return proxy

    return started


def url_of(proxy: ProxyProcess) -> str:
    return f"{proxy.url}/openai/v1/chat/completions"


def work(proxy: ProxyProcess, seconds: float) -> None:
    """Have ten processes make calls, each one after the other, for so long."""
    command = [sys.executable, "-c", PROGRAM, url_of(proxy), str(seconds), BODY.decode()]
    processes = [subprocess.Popen(command) for _ in range(PROCESSES)]
    assert [process.wait(60 + seconds) for process in processes] == [0] * PROCESSES


GOVERNED = "[governor]\nenabled = true\n"


def test_without_the_governor_calls_are_refused(start: Started, upstream_of: Upstream) -> None:
    provider = LimitedProvider()
    with upstream_of.serving(provider.serve):
        work(start(""), PERIOD)
    assert provider.count()[429] > 10


@pytest.mark.parametrize("kind", ["evenly", "at once"])
def test_with_it_none_is_and_the_limit_is_used(
    start: Started, upstream_of: Upstream, kind: Kind
) -> None:
    provider, seconds = LimitedProvider(kind), PERIODS * PERIOD
    with upstream_of.serving(provider.serve):
        proxy = start(GOVERNED)
        work(proxy, seconds)
        assert provider.began is not None
        in_time = sum(at <= provider.began + seconds for at, _, _ in provider.statuses)
        assert provider.count()[429] == 0
        assert in_time >= 0.95 * LIMIT * PERIODS
        rows = proxy.wait_for_rows(in_time)
    queued = [row for row in rows if row["queued_ms"]]
    assert queued
    assert any("s for the provider's limit of requests" in (row["notes"] or "") for row in queued)


def test_a_limit_of_ones_own_holds_where_the_provider_tells_nothing(
    start: Started, upstream_of: Upstream
) -> None:
    provider = LimitedProvider(tells=False, limit=12, period=60.0)
    limit = '[[governor.limit]]\nprovider = "openai"\nrequests_per_minute = 12\n'
    waits = "longest_wait = 2\nthen = 'refuse'\n"
    with upstream_of.serving(provider.serve):
        proxy = start(GOVERNED + waits + limit)
        work(proxy, 3)
        assert provider.count() == {200: 12}
        refused = until(lambda: [row for row in proxy.rows() if row["outcome"] == "blocked"])
    assert "has to wait for 12 requests in a minute" in refused[0]["error_message"]
    assert {row["status"] for row in refused} == {429}


def call(proxy: ProxyProcess, mark: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Make a call, and return its status and headers."""
    body = json.dumps({**json.loads(BODY), "user": mark}).encode()
    told = {"authorization": "Bearer k", "content-type": "application/json", **headers}
    request = urllib.request.Request(url_of(proxy), body, told)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code, dict(error.headers)


def waiting(proxy: ProxyProcess) -> int:
    found: Any = proxy.health()["queued"]
    return int(found)


def test_the_urgent_go_first_and_users_take_turns(start: Started, upstream_of: Upstream) -> None:
    provider = LimitedProvider("at once", limit=2, period=4.0)
    with upstream_of.serving(provider.serve):
        proxy = start(GOVERNED)
        assert call(proxy, "a")[0] == call(proxy, "a")[0] == 200
        urgent = {"X-llmitm-Priority": "high"}
        threads = []
        comers: list[tuple[str, dict[str, str]]] = [
            ("a", {}), ("a", {}), ("b", {}), ("c", urgent)
        ]  # fmt: skip
        for number, (mark, headers) in enumerate(comers, 1):
            threads.append(threading.Thread(target=call, args=(proxy, mark), kwargs=headers))
            threads[-1].start()
            until(lambda number=number: waiting(proxy) == number)
        for thread in threads:
            thread.join()
    marks = [mark for _, _, mark in provider.statuses]
    # The two of a period are let go together, and may be counted in any order.
    assert [sorted(marks[at : at + 2]) for at in (0, 2, 4)] == [["a", "a"], ["a", "c"], ["a", "b"]]
    assert provider.count()[429] == 0


def test_a_call_whose_client_has_gone_takes_no_turn(start: Started, upstream_of: Upstream) -> None:
    provider = LimitedProvider("at once", limit=1, period=2.0)
    with upstream_of.serving(provider.serve):
        proxy = start(GOVERNED)
        call(proxy, "first")
        command = [sys.executable, "-c", PROGRAM, url_of(proxy), "9", BODY.decode()]
        process = subprocess.Popen(command)
        until(lambda: waiting(proxy) == 1)
        process.kill()
        process.wait()
        until(lambda: waiting(proxy) == 0)
        assert call(proxy, "last")[0] == 200
    assert [mark for _, _, mark in provider.statuses] == ["first", "last"]
    (gone,) = [row for row in proxy.wait_for_rows(3) if row["outcome"] == "cancelled"]
    assert gone["status"] is None


def test_attempts_of_the_proxy_wait_for_their_turn_too(
    start: Started, upstream_of: Upstream
) -> None:
    provider = LimitedProvider("at once", limit=1, period=2.0)
    with upstream_of.serving(provider.serve):
        proxy = start(GOVERNED)
        provider.take("somebody else")
        retry = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Min-Timeout": "1"}
        status, headers = call(proxy, "mine", **retry)
        assert status == 200
        assert headers["Helicone-Retry-Count"] == "1"
    assert [status for _, status, _ in provider.statuses] == [200, 429, 200]
    (row,) = proxy.wait_for_rows()
    assert row["queued_ms"] > 500


@pytest.mark.parametrize("only_here", [True, False])
def test_clients_are_told_not_to_retry_what_was_retried_here(
    start: Started, upstream_of: Upstream, only_here: bool
) -> None:
    provider = LimitedProvider("at once", tells=False, limit=1, period=60.0)
    with upstream_of.serving(provider.serve):
        proxy = start(f"[retries]\nonly_here = {str(only_here).lower()}\n")
        retry = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Num": "1"}
        assert "x-should-retry" not in call(proxy, "m", **retry)[1]
        status, headers = call(proxy, "m", **retry, **{"Helicone-Retry-Min-Timeout": "1"})
        assert (status, headers.get("x-should-retry")) == (429, "false" if only_here else None)
        assert "x-should-retry" not in call(proxy, "m")[1], "nobody but the client retries this"
