"""The cache with a real proxy and a real provider: what is asked once is not asked again, and nothing else is."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import httpx
import pytest

from harness import ProxyProcess, running_proxy, until
from llmitm.demo.provider import LocalProvider, in_thread
from llmitm.home import Home
from llmitm.modes import OFFLINE, TTL

CHAT = "/openai/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cache(self) -> str | None:
        return self.headers.get("helicone-cache")


def chat(question: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}], **more}


def ask(
    proxy: ProxyProcess, body: Any, path: str = CHAT, key: str = "sk-one", **headers: str
) -> Got:
    """Call through the gateway, which needs no TLS."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content-type": "application/json", "authorization": f"Bearer {key}", **headers}
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    try:
        connection.request("POST", path, data, told)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, names, answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module", params=["addon", "llmitm"])
def cached(
    request: pytest.FixtureRequest,
    local_provider: LocalProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ProxyProcess]:
    home = Home(tmp_path_factory.mktemp("cached") / "llmitm")
    environment = {TTL: "3600"}
    with running_proxy(request.param, home, local_provider, environment=environment) as proxy:
        yield proxy
    assert "fault in" not in proxy.said()
    assert "Traceback" not in proxy.said()


def test_the_same_is_asked_once(cached: ProxyProcess, upstream: LocalProvider) -> None:
    first = ask(cached, chat("the same"))
    second = ask(cached, chat("the same"))
    assert (first.cache, second.cache) == ("MISS", "HIT")
    assert second.status == 200
    assert second.body == first.body
    assert len(upstream.log) == 1
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["helicone-cache-bucket-idx"] == "0"
    assert int(second.headers["helicone-cache-latency"]) >= 0
    assert not {"date", "set-cookie", "x-ratelimit-remaining-requests"} & set(second.headers)
    assert "x-ratelimit-remaining-requests" in first.headers


@pytest.mark.parametrize(
    "other",
    [
        chat("differs", model="gpt-4o"),
        chat("differs", temperature=0.5),
        chat("differs", stream=True),
        chat("differs!"),
    ],
)
def test_what_differs_is_asked(
    other: dict[str, Any], cached: ProxyProcess, upstream: LocalProvider
) -> None:
    ask(cached, chat("differs"))
    upstream.log.clear()
    assert ask(cached, other).cache == "MISS"
    assert len(upstream.log) == 1
    assert ask(cached, chat("differs")).cache == "HIT"


def test_keys_do_not_share(cached: ProxyProcess, upstream: LocalProvider) -> None:
    assert ask(cached, chat("whose"), key="sk-one").cache == "MISS"
    assert ask(cached, chat("whose"), key="sk-two").cache == "MISS"
    assert ask(cached, chat("whose"), key="sk-two").cache == "HIT"
    assert len(upstream.log) == 2


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br", "zstd"])
def test_a_stream_is_the_same_byte_for_byte(
    options: dict[str, Any], encoding: str, cached: ProxyProcess, upstream: LocalProvider
) -> None:
    model = "gpt-4o-mini" if encoding == "identity" else f"demo-{encoding}"
    body = chat("a stream", stream=True, model=model, **options)
    accept = {"accept-encoding": encoding}
    first = ask(cached, body, **accept)
    second = ask(cached, body, **accept)
    assert (first.cache, second.cache) == ("MISS", "HIT")
    assert second.body == plain(first)
    assert second.body.endswith(b"data: [DONE]\n\n")
    assert (b'"usage":' in second.body) == bool(options)
    assert "content-encoding" not in second.headers
    assert len(upstream.log) == 1


def plain(got: Got) -> bytes:
    return httpx.Response(200, headers=dict(got.headers), content=got.body).content


def test_a_stream_of_messages(cached: ProxyProcess, upstream: LocalProvider) -> None:
    body = chat("Hallo", model="claude-opus-4-6", max_tokens=50, stream=True)
    told = {"anthropic-version": "2023-06-01", "x-api-key": "sk-ant"}
    first = ask(cached, body, MESSAGES, **told)
    second = ask(cached, body, MESSAGES, **told)
    assert (first.cache, second.cache) == ("MISS", "HIT")
    assert first.body == second.body
    assert len(upstream.log) == 1


def test_sound_and_forms(cached: ProxyProcess, upstream: LocalProvider) -> None:
    wanted = {"model": "tts-1", "input": "speak", "voice": "alloy"}
    spoken = [ask(cached, wanted, "/openai/v1/audio/speech") for _ in range(2)]
    assert [each.cache for each in spoken] == ["MISS", "HIT"]
    assert spoken[0].body == spoken[1].body
    assert not spoken[0].body.startswith(b"{")

    def form(boundary: str, sound: bytes) -> Got:
        lines = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'.encode(),
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode(),
            sound,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return ask(cached, b"".join(lines), "/openai/v1/audio/transcriptions", **kind)

    upstream.log.clear()
    large = b"RIFF" + bytes(2_000_000)  # more than is held of a form where the cache is off
    assert form("one", large).cache == "MISS"
    assert form("two", large).cache == "HIT"
    assert form("two", large[:-1] + b"x").cache == "MISS"
    assert len(upstream.log) == 2
    assert [len(entry.body) > 2_000_000 for entry in upstream.log] == [True, True]


@pytest.mark.parametrize(
    "model",
    ["demo-error-429", "demo-error-500", "demo-stream-error-2", "demo-cut-2"],
)
def test_what_failed_is_not_kept(model: str, cached: ProxyProcess, upstream: LocalProvider) -> None:
    for _ in range(2):
        try:
            assert ask(cached, chat("fails", model=model, stream=True)).cache == "MISS"
        except http.client.IncompleteRead:
            assert "cut" in model
    assert len(upstream.log) == 2


def test_identical_calls_share_one(cached: ProxyProcess, upstream: LocalProvider) -> None:
    cached.skip()
    number = 500

    body = json.dumps(chat("at once")).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1:{cached.port}\r\nconnection: close\r\n"
        "content-type: application/json\r\nauthorization: Bearer sk-one\r\nx-demo: slow-5000\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )

    async def asked() -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", cached.port)
        writer.write(head.encode() + body)
        told, _, content = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return told, content

    async def ask_all() -> list[tuple[bytes, bytes]]:
        return await asyncio.gather(*(asked() for _ in range(number)))

    answers = asyncio.run(ask_all())
    assert len(upstream.log) == 1
    assert {content for _, content in answers} == {b"".join(upstream.log[0].sent)}
    assert sum(b"Helicone-Cache: MISS" in told for told, _ in answers) == 1
    assert sum(b"Helicone-Cache: HIT" in told for told, _ in answers) == number - 1
    rows = cached.wait_for_rows(number, 60)
    assert len(rows) == number
    (paid,) = (row for row in rows if row["cache"] == "miss")
    hits = [row for row in rows if row["cache"] == "hit"]
    assert len(hits) == number - 1
    assert paid["cost_usd"] or paid["unpriced_reason"]
    assert {row["cache_source"] for row in hits} == {paid["id"]}
    assert {row["saved_usd"] for row in hits} == {paid["cost_usd"]}
    assert {row["cost_usd"] for row in hits} == {0}


def test_who_leaves_while_waiting_is_no_matter(
    cached: ProxyProcess, upstream: LocalProvider
) -> None:
    body = chat("leaves", model="demo-slow-1500")

    async def ask_all() -> httpx.Response:
        url, told = f"{cached.url}{CHAT}", {"authorization": "Bearer sk-one"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            first = asyncio.ensure_future(client.post(url, json=body, headers=told))
            await asyncio.to_thread(until, lambda: upstream.log)
            with pytest.raises(httpx.ReadTimeout):
                await client.post(url, json=body, headers=told, timeout=0.3)
            return await first

    answer = asyncio.run(ask_all())
    assert answer.headers["helicone-cache"] == "MISS"
    assert ask(cached, body).cache == "HIT"
    assert len(upstream.log) == 1


def test_when_the_first_leaves_the_others_go_on(
    cached: ProxyProcess, upstream: LocalProvider
) -> None:
    body = chat("first leaves", model="demo-slow-1500")

    async def ask_all() -> httpx.Response:
        url, told = f"{cached.url}{CHAT}", {"authorization": "Bearer sk-one"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            first = asyncio.ensure_future(client.post(url, json=body, headers=told, timeout=0.8))
            await asyncio.to_thread(until, lambda: upstream.log)
            second = asyncio.ensure_future(client.post(url, json=body, headers=told))
            with pytest.raises(httpx.ReadTimeout):
                await first
            return await second

    answer = asyncio.run(ask_all())
    assert (answer.status_code, answer.headers["helicone-cache"]) == (200, "MISS")
    assert len(upstream.log) == 2


def test_when_the_first_fails_all_go_on(cached: ProxyProcess, upstream: LocalProvider) -> None:
    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            url, told = f"{cached.url}{CHAT}", {"authorization": "Bearer sk-one"}
            body = chat(f"fails at first {cached.kind}", model="demo-slow-700+error-500+times-1")
            return await asyncio.gather(
                *(client.post(url, json=body, headers=told) for _ in range(5))
            )

    answers = asyncio.run(ask_all())
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 500]
    assert len(upstream.log) == 5


def test_a_hit_needs_no_network_and_survives_a_restart(tmp_path: Path) -> None:
    home = Home(tmp_path / "llmitm")
    with in_thread() as provider:
        with running_proxy("llmitm", home, provider, environment={TTL: "60"}) as proxy:
            first = ask(proxy, chat("kept"))
            assert first.cache == "MISS"
        gone = provider
    assert home.cache.stat().st_mode & 0o777 == 0o600
    with running_proxy("llmitm", home, gone, environment={TTL: "60"}) as proxy:
        assert ask(proxy, chat("kept")).body == first.body
        assert ask(proxy, chat("not kept")).status == 502
    with running_proxy("llmitm", home, gone, environment={OFFLINE: "1"}) as proxy:
        assert ask(proxy, chat("kept")).cache == "HIT"
        missed = ask(proxy, chat("not kept"))
        assert missed.status == 504
        assert json.loads(missed.body)["error"]["code"] == "cache_miss"
        rows = proxy.wait_for_rows(5)
        assert rows[-1]["status"] == 504
        uncached = Request(f"{proxy.url}/openai/v1/models", headers={"authorization": "Bearer x"})
        with pytest.raises(Exception, match="504"):
            urlopen(uncached, timeout=10)


def test_killed_while_it_keeps_answers(tmp_path: Path, upstream: LocalProvider) -> None:
    home, moments = Home(tmp_path / "llmitm"), Random(5)
    whole: dict[str, bytes] = {}
    for round_ in range(4):
        asked: dict[str, bytes] = {}
        with running_proxy("llmitm", home, upstream, environment={TTL: "3600"}) as proxy:

            def keep(
                thread: int, proxy: ProxyProcess = proxy, asked: dict[str, bytes] = asked
            ) -> None:
                with suppress(OSError, http.client.HTTPException):  # the proxy is gone
                    for number in range(1000):
                        question = f"{thread} {number}"
                        got = ask(proxy, chat(question, stream=number % 2 == 0))
                        whole.setdefault(question, got.body)
                        asked[question] = got.body
                        assert got.body == whole[question]

            threads = [Thread(target=keep, args=(thread,)) for thread in range(3)]
            for thread in threads:
                thread.start()
            until(lambda: len(asked) > 30 + moments.randint(0, 30), proxy.said)  # noqa: B023
            proxy.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
        with running_proxy("llmitm", home, upstream, environment={TTL: "3600"}) as proxy:
            answers = [
                ask(proxy, chat(question, stream=int(question.split()[1]) % 2 == 0))
                for question in asked
            ]
        assert [answer.body for answer in answers] == list(asked.values()), round_
        assert "HIT" in {answer.cache for answer in answers}


def test_expired_is_asked_again(tmp_path: Path, upstream: LocalProvider) -> None:
    home = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", home, upstream, environment={TTL: "1"}) as proxy:
        assert ask(proxy, chat("short")).cache == "MISS"
        assert ask(proxy, chat("short")).cache == "HIT"
        until(lambda: ask(proxy, chat("short")).cache == "MISS")
