"""A limit of the user's own, with a real proxy: calls at the same time, its row, and a restart."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from harness import ProxyProcess, running_proxy
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]})
POLICY = "50;w=86400"
"""With a window so long that nothing comes back while the test runs."""


def call(proxy: ProxyProcess, policy: str = POLICY) -> tuple[int, dict[str, str]]:
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer sk-none",
        "Helicone-RateLimit-Policy": policy,
    }
    url = f"{proxy.url}/openai/v1/chat/completions"
    request = urllib.request.Request(url, BODY.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as error:
        with error:
            error.read()
            return error.code, {k.lower(): v for k, v in error.headers.items()}


def test_of_a_hundred_calls_at_once_exactly_fifty_pass_and_a_restart_forgives_nothing(
    tmp_path: Path, upstream: LocalProvider
) -> None:
    folder = Home(tmp_path / "llmitm")
    with running_proxy("llmitm", folder, upstream) as proxy:
        with ThreadPoolExecutor(100) as pool:
            found = [*pool.map(lambda _: call(proxy), range(100))]
        statuses = [status for status, _ in found]
        assert (statuses.count(200), statuses.count(429)) == (50, 50)
        left = {
            headers["helicone-ratelimit-remaining"] for status, headers in found if status == 200
        }
        assert left == {str(number) for number in range(50)}
        assert all("retry-after" in headers for status, headers in found if status == 429)
        rows = proxy.wait_for_rows(100)
        assert [row["outcome"] for row in rows].count("blocked") == 50
        assert {row["error_type"] for row in rows} == {None, "rate_limit_exceeded"}
        proxy.stop()
    with running_proxy("llmitm", folder, upstream) as proxy:
        assert call(proxy)[0] == 429
        assert call(proxy, "50;w=86401")[0] == 200


def test_the_sdk_raises_its_own_error_and_tokens_are_settled(
    tmp_path: Path, upstream: LocalProvider
) -> None:
    folder = Home(tmp_path / "llmitm")
    folder.create()
    folder.settings.write_text("[defaults]\nrate_limit = '4200;w=86400;u=token;s=user'\n")
    with running_proxy("addon", folder, upstream) as proxy:
        client = openai.OpenAI(api_key="sk-none", base_url=f"{proxy.url}/openai/v1", max_retries=0)
        with client:
            for number in range(3):  # each reserves nearly all, uses a few, and is settled in time
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}], user="ann"
                )
                proxy.wait_for_rows(number + 1)
            with pytest.raises(openai.RateLimitError, match="4200 tokens in 86400 s for each user"):
                client.chat.completions.create(  # needs a full bucket
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": "x" * 6000}],
                    user="ann",
                    max_tokens=4000,
                )
            client.models.list()
