"""With a collector in the settings, a call through a real proxy is a span there a moment later."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

from exports.collector import attributes, receiver
from harness import running_proxy, until
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home


def test_a_call_is_a_span(tmp_path: Path, upstream: LocalProvider) -> None:
    home = Home(tmp_path / "llmitm")
    home.create()
    with receiver() as collector:
        home.settings.write_text(f'[otlp]\nendpoint = "{collector.url}"\n', "utf-8")
        with running_proxy("llmitm", home, upstream) as proxy:
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
            headers = {
                "authorization": "Bearer none",
                "content-type": "application/json",
                "helicone-property-workflow": "support",
            }
            url = f"{proxy.url}/openai/v1/chat/completions"
            with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
                answer.read()
            until(lambda: collector.spans)
            told = attributes(collector.spans[0].attributes)
            assert told["gen_ai.request.model"] == "gpt-4o-mini"
            assert told["gen_ai.usage.input_tokens"] > 0
            assert told["llmitm.property.workflow"] == "support"
            until(lambda: "gen_ai.client.token.usage" in collector.metrics)
            with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
                answer.read()
        # What was recorded last is sent before the proxy is gone.
        assert len(collector.spans) == 2
