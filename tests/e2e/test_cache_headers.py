"""The cache as control headers and settings ask for it, and beside what else is done with calls."""

from __future__ import annotations

import contextlib
import http.client
import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.test_cache import CHAT, MESSAGES, ask, chat
from harness import ProxyProcess, running_proxy, until
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

ON = {"helicone-cache-enabled": "true"}

SETTINGS = """
[[rule]]
model = "demo-gap-*"
cache = true
cache_pace = "recorded"

[[rule]]
model = "gpt-4o-2024-*"
cache = true
cache_share_between_keys = true
"""


@pytest.fixture(scope="module", params=["addon", "llmitm"])
def plain(
    request: pytest.FixtureRequest,
    local_provider: LocalProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ProxyProcess]:
    home = Home(tmp_path_factory.mktemp("plain") / "llmitm")
    home.create()
    home.settings.write_text(SETTINGS)
    environment = {"ANTHROPIC_API_KEY": "sk-ant-own", "OPENAI_API_KEY": "sk-own"}
    with running_proxy(request.param, home, local_provider, environment=environment) as proxy:
        yield proxy
    assert "fault in" not in proxy.said()
    assert "Traceback" not in proxy.said()


@pytest.fixture
def proxy(plain: ProxyProcess, upstream: LocalProvider) -> ProxyProcess:
    return plain


def states(proxy: ProxyProcess, *calls: dict[str, Any]) -> list[str | None]:
    return [ask(proxy, **call).cache for call in calls]


def test_without_a_word_nothing_is_kept(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("no word")}
    assert states(proxy, call, call) == [None, None]
    assert len(upstream.log) == 2


def test_enabled(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("enabled"), **ON}
    assert states(proxy, call, call) == ["MISS", "HIT"]
    (entry,) = upstream.log
    assert not [name for name, _ in entry.headers if name.lower().startswith("helicone")]


def test_halves(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    read = {"body": chat("halves"), "helicone-cache-read": "true"}
    save = {"body": chat("halves"), "helicone-cache-save": "true"}
    assert states(proxy, read, read, save, save, read) == ["MISS", "MISS", "MISS", "MISS", "HIT"]
    assert len(upstream.log) == 4


@pytest.mark.parametrize("control", ["no-store", "max-age=0"])
def test_no_store(control: str, proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat(f"not kept {control}"), **ON, "cache-control": control}
    assert states(proxy, call, call) == [None, None]


def test_no_cache_asks_again_and_keeps(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("fresh"), **ON}
    fresh = {**call, "cache-control": "no-cache"}
    assert states(proxy, fresh, fresh, call) == ["MISS", "MISS", "HIT"]


def test_max_age(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("ages"), **ON, "cache-control": "max-age = 1"}
    assert states(proxy, call, call) == ["MISS", "HIT"]
    assert "cache-control" not in dict(upstream.log[0].headers)
    until(lambda: states(proxy, call) == ["MISS"])


def test_seeds_and_ignored_keys(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    one = {"body": chat("seeds"), **ON, "helicone-cache-seed": "one"}
    two = {**one, "helicone-cache-seed": "two"}
    assert states(proxy, one, two, one, two) == ["MISS", "MISS", "HIT", "HIT"]
    ignoring = {**ON, "helicone-cache-ignore-keys": "user,metadata.trace"}
    calls = [
        {"body": chat("ignored", user=user, metadata={"trace": user, "other": other}), **ignoring}
        for user, other in (("a", "x"), ("b", "x"), ("b", "y"))
    ]
    assert states(proxy, *calls) == ["MISS", "HIT", "MISS"]


def most_kept(proxy: ProxyProcess) -> int:
    """Return how many answers the cache's file has of the call of which it has most."""
    uri = f"file:{proxy.home.cache}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
        query = "SELECT count(*) FROM answers GROUP BY key ORDER BY 1 DESC LIMIT 1"
        return int((database.execute(query).fetchone() or (0,))[0])


def test_a_bucket(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("bucket"), **ON, "helicone-cache-bucket-max-size": "3"}
    for _ in range(3):
        assert states(proxy, call) == ["MISS"]
    until(lambda: most_kept(proxy) == 3)  # of all others it has one
    indexes = set()
    for _ in range(60):
        got = ask(proxy, **call)
        assert got.cache == "HIT"
        indexes.add(got.headers["helicone-cache-bucket-idx"])
    assert indexes == {"0", "1", "2"}
    assert len(upstream.log) == 3


def test_api_keys_share_where_the_settings_say_so(
    proxy: ProxyProcess, upstream: LocalProvider
) -> None:
    body = chat("shared", model="gpt-4o-2024-11-20")
    assert states(proxy, {"body": body, "key": "sk-a"}, {"body": body, "key": "sk-b"}) == [
        "MISS",
        "HIT",
    ]


def test_a_stream_at_its_recorded_pace(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    body = chat("pace", model="demo-gap-40", stream=True)
    first = ask(proxy, body)
    assert first.cache == "MISS"
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    told = {"content-type": "application/json", "authorization": "Bearer sk-one"}
    began = time.monotonic()
    connection.request("POST", CHAT, json.dumps(body), told)
    answer = connection.getresponse()
    assert answer.headers["helicone-cache"] == "HIT"
    parts, times = [], []
    while part := answer.read1(65536):
        parts.append(part)
        times.append(time.monotonic() - began)
    connection.close()
    assert b"".join(parts) == first.body
    events = len(upstream.log[0].sent)
    assert len(parts) > events / 2  # some may have come together
    assert times[-1] - times[0] > 0.030 * (events - 2)
    assert len(upstream.log) == 1


def test_usage_that_stays_in_the_stream(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    call = {"body": chat("usage", stream=True), **ON}
    with_usage = {**call, "helicone-stream-usage": "true"}
    bodies = [ask(proxy, **each).body for each in (call, with_usage, call, with_usage)]
    assert [b'"usage":{' in body for body in bodies] == [False, True, False, True]
    assert bodies[:2] == bodies[2:]
    assert len(upstream.log) == 2


def test_what_is_translated(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    """A model of Anthropic's, asked for in Anthropic's dialect of a model of OpenAI's."""
    for streamed in (False, True):
        upstream.log.clear()
        body = chat("translated", model="gpt-4o-mini", max_tokens=50, stream=streamed)
        told = {**ON, "anthropic-version": "2023-06-01", "x-api-key": "sk-ant"}
        first = ask(proxy, body, MESSAGES, key="sk-own", **told)
        second = ask(proxy, body, MESSAGES, key="sk-own", **told)
        assert (first.status, first.cache, second.cache) == (200, "MISS", "HIT")
        assert b'"type":"message' in second.body.replace(b" ", b"")
        assert len(upstream.log) == 1
        assert upstream.log[0].host == "api.openai.com"
        if not streamed:
            assert json.loads(first.body)["content"] == json.loads(second.body)["content"]
        else:
            assert first.body.count(b"text_delta") == second.body.count(b"text_delta") > 0


def test_the_answer_of_a_fallback_is_not_kept(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    body = chat("falls back", model="demo-error-500")
    call = {"body": body, **ON, "helicone-fallback-model": "gpt-4o-mini"}
    answers = [ask(proxy, **call) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert [answer.cache for answer in answers] == ["MISS", "MISS"]
    assert len(upstream.log) == 4


def test_an_answer_that_was_retried_is_kept(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    body = chat(f"retried {proxy.kind}", model="demo-error-500+times-1")
    retry = {"helicone-retry-enabled": "true", "helicone-retry-min-timeout": "1"}
    call = {"body": body, **ON, **retry}
    assert states(proxy, call, call) == ["MISS", "HIT"]
    assert len(upstream.log) == 2


def test_what_a_hit_saved(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    proxy.skip()
    call = {"body": chat("saved"), **ON}
    states(proxy, call, call)
    paid, free = proxy.wait_for_rows(2)
    assert (paid["cache"], free["cache"]) == ("miss", "hit")
    assert paid["cost_usd"] > 0
    assert (free["cost_usd"], free["saved_usd"]) == (0, paid["cost_usd"])
    assert free["cache_source"] == paid["id"]
    assert free["output_tokens"] == paid["output_tokens"]
