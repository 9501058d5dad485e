"""A call for which there is no money is refused so that each SDK raises its own quota error, and tries no second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import ProxyProcess, running_proxy
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

CLAUDE, MESSAGES = "claude-haiku-4-5", [{"role": "user", "content": "Hi"}]
SAID = "llmitm: the budget nightly of $0.00 a day is used up: $0.00 spent; it begins anew at "


@pytest.fixture
def empty(upstream: LocalProvider, tmp_path: Path) -> Iterator[ProxyProcess]:
    home = Home(tmp_path / "llmitm")
    home.create()
    home.settings.write_text('[[budget]]\nname = "nightly"\nlimit = 0\nper = "day"\n')
    with running_proxy("llmitm", home, upstream) as proxy:
        yield proxy


def openai_chat(url: str, stream: bool) -> Exception:
    openai = pytest.importorskip("openai")
    with (
        openai.OpenAI(api_key="none", base_url=f"{url}/openai/v1") as client,
        pytest.raises(openai.RateLimitError) as raised,
    ):
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=stream)
    assert raised.value.code == "insufficient_quota"
    return raised.value


def openai_responses(url: str, stream: bool) -> Exception:
    openai = pytest.importorskip("openai")
    with (
        openai.OpenAI(api_key="none", base_url=f"{url}/openai/v1") as client,
        pytest.raises(openai.RateLimitError) as raised,
    ):
        client.responses.create(model="gpt-4o-mini", input="Hi", stream=stream)
    return raised.value


def anthropic(url: str, stream: bool) -> Exception:
    library = pytest.importorskip("anthropic")
    with (
        library.Anthropic(api_key="none", base_url=f"{url}/anthropic") as client,
        pytest.raises(library.RateLimitError) as raised,
    ):
        client.messages.create(model=CLAUDE, max_tokens=9, messages=MESSAGES, stream=stream)
    return raised.value


def google(url: str, stream: bool) -> Exception:
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="none", http_options={"base_url": f"{url}/gemini"})
    models = client.models
    call: Any = models.generate_content_stream if stream else models.generate_content
    with pytest.raises(genai.errors.ClientError) as raised:
        list(call(model="gemini-2.5-flash", contents="Hi"))
    client.close()
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
    return raised.value


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", [openai_chat, openai_responses, anthropic, google])
def test_an_sdk_raises_its_own_error_at_once(
    client: Callable[[str, bool], Exception],
    stream: bool,
    empty: ProxyProcess,
    upstream: LocalProvider,
) -> None:
    assert SAID in str(client(empty.url, stream))
    empty.wait_for_rows(1)
    empty.skip()
    (row,) = empty.all_rows()
    assert (row["outcome"], row["error_type"]) == ("blocked", "budget_exceeded")
    assert row["cost_nanousd"] == 0
    assert upstream.log == []
