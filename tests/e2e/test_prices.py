"""The user's own price files, changed while the proxy runs."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from harness import ProxyProcess, running_proxy, until
from llmitm.demo.provider import LocalProvider
from llmitm.files import replace
from llmitm.home import Home


def call(proxy: ProxyProcess) -> str | None:
    """Make a call and return what it cost."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
    headers = {"authorization": "Bearer none", "content-type": "application/json"}
    url = f"{proxy.url}/openai/v1/chat/completions"
    number = len(proxy.all_rows())
    with urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10
    ) as answer:
        answer.read()
    until(lambda: len(proxy.all_rows()) > number, proxy.said)
    cost: str | None = proxy.all_rows()[-1]["cost_usd"]
    return cost


def test_prices_change_without_a_restart(local_provider: LocalProvider, tmp_path: Path) -> None:
    home = Home(tmp_path / "llmitm")
    path = home.prices / "openai.toml"

    def write(times: str) -> None:
        text = f'schema = 1\nprovider = "openai"\n[[modifier]]\nmodels = ["*"]\ntimes = {times}\n'
        replace(path, text.encode())

    with running_proxy("llmitm", home, local_provider) as proxy:
        full = call(proxy)
        assert full
        home.prices.mkdir()
        write("100")
        until(lambda: float(call(proxy) or 0) > 99 * float(full), proxy.said)
        write('"a lot"')
        until(lambda: call(proxy) and "modifier > 1 > times" in proxy.said(), proxy.said)
        dear = call(proxy)
        assert float(dear or 0) > 99 * float(full)
        path.unlink()
        until(lambda: call(proxy) == full, proxy.said)
    assert proxy.said().count(f"{path}:5: modifier > 1 > times: ") == 1
