"""Retries of live streams, over HTTP/1.1 and HTTP/2 on both sides, with a real proxy between."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal

import h2.events
import pytest

from e2e.peers import H2, HOST, Upstream, Wire, both_ends, client, client_h2
from e2e.scripted import JSON, Scripted, answering
from harness import OLDER, ProxyProcess, until

CHAT = "/v1/chat/completions"
STREAMED = json.dumps(
    {
        "model": "gpt-4o-mini",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Hi"}],
    }
).encode()
RETRY = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Min-Timeout": "1"}
LIMITED = Scripted(
    429,
    {**JSON, "x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-requests": "9"},
    [b'{"error":{"message":"Slow down","type":"requests","code":"rate_limit_exceeded"}}'],
)
QUOTA = Scripted(
    429,
    JSON,
    [b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota",'
     b'"code":"insufficient_quota"}}'],
)  # fmt: skip


def event(delta: dict[str, str], finish: str | None = None, usage: Any = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    document = {"id": "c1", "model": "gpt-4o-mini", "choices": choices, "usage": usage}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
HELLO = event({"content": "Hello"})
END = event(
    {}, "stop", {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
) + b"data: [DONE]\n\n"  # fmt: skip
ERROR = (
    b'data: {"error":{"message":"The server is overloaded","type":"server_error","code":null}}\n\n'
)

Way = Literal["h1", "h2", "h2 to h1"]
"""What the client speaks, and what the provider."""


@pytest.fixture(scope="module", params=["h1", "h2", "h2 to h1", "older h1", "older h2"])
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Way, ProxyProcess, Upstream]]:
    """A proxy for each pair of protocols, and each of mitmproxy's versions that are supported."""
    way: Way = request.param.removeprefix("older ")
    python = str(OLDER) if request.param.startswith("older") else sys.executable
    if request.param.startswith("older") and not OLDER.exists():
        pytest.skip("scripts/test makes the environment with the oldest mitmproxy")
    protocols = ["h2"] if way == "h2" else ["http/1.1"]
    kind: Any = "addon" if way == "h1" else "llmitm"
    keys = {"ANTHROPIC_API_KEY": "sk-ant-api03-0123456789"}
    with both_ends(kind, tmp_path_factory, protocols, python, keys) as (proxy, upstream):
        yield way, proxy, upstream


@pytest.fixture
def way(ends: tuple[Way, ProxyProcess, Upstream]) -> Way:
    return ends[0]


@pytest.fixture
def proxy(ends: tuple[Way, ProxyProcess, Upstream]) -> ProxyProcess:
    ends[1].skip()
    return ends[1]


@pytest.fixture
def upstream(ends: tuple[Way, ProxyProcess, Upstream]) -> Upstream:
    return ends[2]


class Reply:
    """An answer as the client gets it, piece by piece."""

    def __init__(self, peer: Wire | H2, stream: int) -> None:
        self._peer, self._stream = peer, stream
        if isinstance(peer, Wire):
            first, fields = peer.head()
            self.status, self.headers = int(first.split()[1]), dict(fields)
        else:
            fields = peer.until(h2.events.ResponseReceived, stream).headers
            self.headers = dict(fields)
            self.status = int(self.headers[":status"])

    def pieces(self) -> Iterator[bytes]:
        if isinstance(self._peer, Wire):
            yield from self._peer.chunks()
            self._peer.fields()
            return
        while True:
            found = self._peer.event()
            if isinstance(found, h2.events.DataReceived):
                yield found.data
            elif isinstance(found, h2.events.StreamEnded):
                return
            elif isinstance(found, h2.events.StreamReset):
                raise ConnectionResetError

    def body(self) -> bytes:
        return b"".join(self.pieces())


@contextlib.contextmanager
def connected(way: Way, proxy: ProxyProcess) -> Iterator[Wire | H2]:
    with client(proxy) if way == "h1" else client_h2(proxy) as peer:
        yield peer


def send(peer: Wire | H2, headers: dict[str, str], body: bytes = STREAMED) -> int:
    fields = {**JSON, "authorization": "Bearer sk-test", **headers}
    if isinstance(peer, Wire):
        lines = [f"POST {CHAT} HTTP/1.1", f"host: {HOST}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        peer.send("\r\n".join([*lines, "", ""]).encode() + body)
        return 0
    lower = {name.lower(): value for name, value in fields.items()}
    stream = peer.open(CHAT, headers={**lower, "content-length": str(len(body))})
    peer.send(stream, body, end=True)
    return stream


def test_a_stream_that_is_tried_three_times_is_live(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    """429, 429, 200: the first piece arrives while the provider still waits to send the second."""
    got_first = threading.Event()
    good = Scripted(pieces=[ROLE + HELLO, END], waits=[got_first])
    with answering(upstream, LIMITED, LIMITED, good) as script, connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, RETRY))
        pieces = reply.pieces()
        first = next(pieces)
        got_first.set()
        body = first + b"".join(pieces)
    assert (reply.status, body) == (200, ROLE + HELLO + END)
    assert reply.headers["helicone-retry-count"] == "2"
    assert [asked.body for asked in script.asked] == [STREAMED] * 3
    assert not any(name.startswith("helicone") for name in script.asked[2].headers)
    row = proxy.wait_for_rows()[0]
    assert (row["status"], row["attempts"], row["outcome"]) == (200, 3, "ok")
    query = "SELECT number, status, error_type, error_message FROM attempts WHERE call_id = ?"
    found = sorted(proxy.query(query, (row["id"],)))
    assert [each[:2] for each in found] == [(1, 429), (2, 429), (3, 200)]
    assert found[0][2:] == ("requests", "Slow down")


def test_an_error_before_content_is_retried(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    bad = Scripted(pieces=[ROLE, ERROR])
    with (
        answering(upstream, bad, Scripted(pieces=[ROLE, HELLO, END])) as script,
        connected(way, proxy) as peer,
    ):
        reply = Reply(peer, send(peer, RETRY))
        assert reply.body() == ROLE + HELLO + END
    assert len(script.asked) == 2


def test_an_error_after_content_passes(way: Way, proxy: ProxyProcess, upstream: Upstream) -> None:
    bad = Scripted(pieces=[ROLE, HELLO, ERROR])
    with answering(upstream, bad) as script, connected(way, proxy) as peer:
        assert Reply(peer, send(peer, RETRY)).body() == ROLE + HELLO + ERROR
    assert len(script.asked) == 1


def test_a_stream_cut_before_content_is_retried(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    cut, nothing = Scripted(pieces=[ROLE], cut=True), Scripted(cut=True)
    good = Scripted(pieces=[ROLE, HELLO, END])
    with answering(upstream, cut, nothing, good) as script, connected(way, proxy) as peer:
        assert Reply(peer, send(peer, RETRY)).body() == ROLE + HELLO + END
    assert len(script.asked) == 3
    row = proxy.wait_for_rows()[0]
    assert (row["attempts"], row["outcome"]) == (3, "ok")


def test_the_beginning_of_a_stream_is_not_held_for_ever(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    """A provider that thinks for long after its first event: the client sees that event before any content."""
    got_first = threading.Event()
    good = Scripted(pieces=[ROLE, HELLO + END], waits=[got_first])
    with answering(upstream, good), connected(way, proxy) as peer:
        pieces = Reply(peer, send(peer, RETRY)).pieces()
        first = next(pieces)
        got_first.set()
        assert first + b"".join(pieces) == ROLE + HELLO + END


def test_what_cannot_pass_by_itself_is_not_retried(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    with answering(upstream, QUOTA) as script, connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, RETRY))
        assert (reply.status, reply.body()) == (429, b"".join(QUOTA.pieces))
    assert len(script.asked) == 1
    assert "not retried: insufficient_quota" in proxy.wait_for_rows()[0]["notes"]


def test_the_last_failure_passes(way: Way, proxy: ProxyProcess, upstream: Upstream) -> None:
    with answering(upstream, LIMITED) as script, connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, {**RETRY, "Helicone-Retry-Num": "2"}))
        assert (reply.status, reply.body()) == (429, b"".join(LIMITED.pieces))
        assert reply.headers["helicone-retry-count"] == "2"
    assert len(script.asked) == 3


def test_a_client_that_goes_while_we_wait(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    later = Scripted(429, {**JSON, "retry-after": "2"}, LIMITED.pieces)
    with answering(upstream, later) as script:
        with connected(way, proxy) as peer:
            stream = send(peer, RETRY)
            until(lambda: len(script.asked) == 1)
            if isinstance(peer, H2):
                peer.reset(stream)
        row = proxy.wait_for_rows()[0]
        gone_at = time.monotonic()
        until(lambda: time.monotonic() > gone_at + 2.5)  # what would have been the next attempt
        assert len(script.asked) == 1
    assert row["outcome"] == "cancelled"


def test_without_being_asked_nothing_is_retried(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    with answering(upstream, LIMITED) as script, connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, {}))
        assert (reply.status, reply.body()) == (429, b"".join(LIMITED.pieces))
    assert len(script.asked) == 1


def test_a_stream_goes_elsewhere_on_its_way(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    """Twice refused, then another provider's host, whose stream is live and whose price counts."""
    got_first = threading.Event()
    good = Scripted(pieces=[ROLE + HELLO, END], waits=[got_first])
    asked = {**RETRY, "Helicone-Retry-Num": "1", "Helicone-Fallback-Model": "claude-sonnet-4-6"}
    with answering(upstream, LIMITED, LIMITED, good) as script, connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, asked))
        pieces = reply.pieces()
        first = next(pieces)
        got_first.set()
        assert first + b"".join(pieces) == ROLE + HELLO + END
    hosts = [each.host for each in script.asked]
    assert hosts == [HOST, HOST, "api.anthropic.com"]
    sent = script.asked[2]
    assert sent.headers["authorization"] == "Bearer sk-ant-api03-0123456789"
    assert sent.document == {**json.loads(STREAMED), "model": "claude-sonnet-4-6"}
    assert reply.headers["helicone-fallback-model"] == "claude-sonnet-4-6"
    row = proxy.wait_for_rows()[0]
    found = {name: row[name] for name in ("provider", "provider_requested", "model_requested")}
    assert found == {
        "provider": "anthropic",
        "provider_requested": "openai",
        "model_requested": "gpt-4o-mini",
    }
    assert (row["attempts"], row["fallback_index"]) == (3, 0)


def test_connections_that_fail_are_tried_again(
    way: Way, proxy: ProxyProcess, upstream: Upstream
) -> None:
    upstream.drop_next(2)
    with (
        answering(upstream, Scripted(pieces=[ROLE, HELLO, END])) as script,
        connected(way, proxy) as peer,
    ):
        assert Reply(peer, send(peer, RETRY)).body() == ROLE + HELLO + END
    assert len(script.asked) == 1
    row = proxy.wait_for_rows()[0]
    assert (row["attempts"], row["outcome"]) == (3, "ok")
    query = "SELECT error_type FROM attempts WHERE call_id = ? AND status IS NULL"
    assert proxy.query(query, (row["id"],)) == [("no_answer",), ("no_answer",)]


def test_connections_that_always_fail(way: Way, proxy: ProxyProcess, upstream: Upstream) -> None:
    upstream.drop_next(2)
    with connected(way, proxy) as peer:
        reply = Reply(peer, send(peer, {**RETRY, "Helicone-Retry-Num": "1"}))
    assert reply.status == 502
    row = proxy.wait_for_rows()[0]
    assert (row["attempts"], row["outcome"], row["error_type"]) == (2, "error", "no_answer")
