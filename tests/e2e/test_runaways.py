"""An agent that calls the same tool again and again is warned of, or held until the command line lets it go on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e.peers import Upstream, Wire
from harness import ProxyProcess, running_proxy, until
from llmitm.home import Home

SESSION = "nightly fix"
TOLD = "the run made the same tool call read_file 4 times in a row"


@dataclass
class Model:
    """Has the agent read a file: the same one again and again, or each time another one."""

    is_stuck: bool = True
    tokens: int = 10
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, wire: Wire) -> None:
        """Answer the calls of a connection."""
        while True:
            _, headers = wire.head()
            wire.body(headers)
            with self.lock:
                self.calls += 1
                number = self.calls
            path = "a.py" if self.is_stuck else f"{number}.py"
            function = {"name": "read_file", "arguments": json.dumps({"path": path})}
            called = {"id": f"call_{number}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [called]}
            usage = {"prompt_tokens": 10, "completion_tokens": self.tokens}
            answer = {
                "id": f"c{number}",
                "object": "chat.completion",
                "model": "gpt-4o-mini",
                "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                "usage": {**usage, "total_tokens": 10 + self.tokens},
            }
            body = json.dumps(answer).encode()
            told = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            wire.send(f"HTTP/1.1 200 OK\r\n{told}\r\n".encode() + body)


class Agent:
    """Makes calls of a growing conversation, one after the other."""

    def __init__(self, proxy: ProxyProcess, session: str | None = SESSION) -> None:
        self._url = f"{proxy.url}/openai/v1/chat/completions"
        self._headers = {"authorization": "Bearer k", "content-type": "application/json"}
        if session:
            self._headers["Helicone-Session-Id"] = session
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": "Fix the bug"}]

    def turn(self, timeout: float = 60) -> str | None:
        """Make a call and take its answer; return what it says of the run."""
        body = json.dumps({"model": "gpt-4o-mini", "messages": self.messages}).encode()
        request = urllib.request.Request(self._url, body, self._headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            message = json.load(answer)["choices"][0]["message"]
            told: str | None = answer.headers["X-llmitm-Runaway"]
        tool = message["tool_calls"][0]["id"]
        result = {"role": "tool", "tool_call_id": tool, "content": "def f(): ..."}
        self.messages += [message, result]
        return told


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
    """Start a proxy with settings of its own, in the same home each time; it ends with the test."""
    home = Home(tmp_path_factory.mktemp("proxy") / "llmitm")
    home.create()

    def started(settings: str) -> ProxyProcess:
        home.settings.write_text(f"[runaway]\n{settings}")
        running = running_proxy("llmitm", home, upstream_of)
        proxy = running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        return proxy

    return started


def llmitm(proxy: ProxyProcess, *arguments: str) -> str:
    command = [sys.executable, "-m", "llmitm.cli", *arguments]
    environment = {**proxy.base, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def turns(agent: Agent, proxy: ProxyProcess, number: int) -> list[str | None]:
    """Make calls, each when the one before is in the log."""
    told = []
    for _ in range(number):
        told.append(agent.turn())
        until(lambda: proxy.health()["waiting"] == 0)
    return told


@pytest.fixture
def loop() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_an_agent_in_a_loop_is_warned_of(start: Started, upstream_of: Upstream) -> None:
    proxy = start("tool_calls = 4\n")
    with upstream_of.serving(Model().serve):
        assert turns(Agent(proxy), proxy, 4) == [None] * 4
        until(lambda: "runaway?" in proxy.said(), proxy.said)
        agent = Agent(proxy)
        assert turns(agent, proxy, 2) == [TOLD, None], "said once"
        assert turns(Agent(proxy, "another"), proxy, 1) == [None]
    (line,) = [each for each in proxy.said().splitlines() if "runaway?" in each]
    assert "made the same tool call read_file 4 times in a row" in line
    assert "to look: llmitm ls --session 'nightly fix'" in line
    rows = proxy.wait_for_rows(7)
    notes = [each["notes"] or "" for each in rows]
    assert [number for number, text in enumerate(notes) if "runaway?" in text] == [4]
    (seen,) = json.loads(llmitm(proxy, "runaways", "--json"))
    assert (seen["run"], seen["kind"], seen["is_held"]) == (SESSION, "tool_call", False)


def held(proxy: ProxyProcess) -> list[str]:
    return [each["run"] for each in json.loads(llmitm(proxy, "holds", "--held", "--json"))]


def is_waiting(call: Future[Any], model: Model, calls: int) -> bool:
    """Tell whether a call is held: nothing of it has come to the provider after a good while."""
    time.sleep(1)  # there is nothing to be seen of what does not happen
    return not call.done() and model.calls == calls


def test_an_agent_that_is_held_goes_on_when_it_is_let(
    start: Started, upstream_of: Upstream, loop: ThreadPoolExecutor
) -> None:
    proxy, model = start('action = "hold"\ntool_calls = 4\n'), Model()
    with upstream_of.serving(model.serve):
        agent = Agent(proxy)
        turns(agent, proxy, 4)
        until(lambda: held(proxy) == [SESSION])
        waiting = loop.submit(agent.turn)
        assert is_waiting(waiting, model, 4)
        assert turns(Agent(proxy, "another"), proxy, 1) == [None]
        assert proxy.health()["held"] == 1
        model.is_stuck = False
        began = time.monotonic()
        assert llmitm(proxy, "resume", SESSION) == f"{SESSION} goes on\n"
        assert waiting.result(20) is None
        assert time.monotonic() - began < 5
        until(lambda: proxy.health()["waiting"] == 0)
        assert turns(agent, proxy, 6) == [None] * 6
        assert held(proxy) == []
    noted = [each["notes"] for each in proxy.wait_for_rows(12) if "held" in (each["notes"] or "")]
    assert len(noted) == 1


def test_one_that_loops_on_is_held_again(
    start: Started, upstream_of: Upstream, loop: ThreadPoolExecutor
) -> None:
    proxy, model = start('action = "hold"\ntool_calls = 4\n'), Model()
    with upstream_of.serving(model.serve):
        agent = Agent(proxy)
        for rounds in range(1, 3):
            turns(agent, proxy, 4 if rounds == 1 else 3)
            until(lambda: held(proxy) == [SESSION])
            waiting = loop.submit(agent.turn)
            assert is_waiting(waiting, model, 4 * rounds)
            llmitm(proxy, "resume", "--all")
            waiting.result(20)


def test_a_call_that_has_waited_long_enough_is_refused_once(
    start: Started, upstream_of: Upstream
) -> None:
    openai = pytest.importorskip("openai")
    proxy, model = start('action = "hold"\ntool_calls = 4\nhold_seconds = 0.5\n'), Model()
    with upstream_of.serving(model.serve):
        turns(Agent(proxy), proxy, 4)
        until(lambda: held(proxy) == [SESSION])
        headers = {"Helicone-Session-Id": SESSION}
        with (
            openai.OpenAI(api_key="k", base_url=f"{proxy.url}/openai/v1") as client,
            pytest.raises(openai.RateLimitError, match="llmitm resume 'nightly fix' lets it go on"),
        ):
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "Hi"}],
                extra_headers=headers,
            )
        row = proxy.wait_for_rows(5)[4]
    assert (row["outcome"], row["error_type"]) == ("blocked", "run_held")
    assert model.calls == 4
    assert len(proxy.all_rows()) == 5


def test_or_it_is_let_go(start: Started, upstream_of: Upstream) -> None:
    proxy = start('action = "hold"\ntool_calls = 4\nhold_seconds = 0.5\nthen = "go"\n')
    with upstream_of.serving(Model().serve):
        agent = Agent(proxy)
        turns(agent, proxy, 4)
        until(lambda: held(proxy) == [SESSION])
        assert agent.turn() == TOLD


def test_a_client_that_hangs_up_waits_no_more_and_a_restart_lets_nobody_go(
    start: Started, upstream_of: Upstream, loop: ThreadPoolExecutor
) -> None:
    settings, model = 'action = "hold"\ntool_calls = 4\n', Model()
    proxy = start(settings)
    with upstream_of.serving(model.serve):
        agent = Agent(proxy)
        turns(agent, proxy, 4)
        until(lambda: held(proxy) == [SESSION])
        with pytest.raises(TimeoutError):
            agent.turn(timeout=0.5)
        until(lambda: proxy.health()["held"] == proxy.health()["in_flight"] == 0, proxy.health)
        proxy.stop()
        proxy = start(settings)
        agent = Agent(proxy)
        waiting = loop.submit(agent.turn)
        assert is_waiting(waiting, model, 4)
        llmitm(proxy, "resume", SESSION)
        waiting.result(20)
    assert model.calls == 5


def test_rules_exempt_runs(start: Started, upstream_of: Upstream) -> None:
    rule = '[[rule]]\nproperty.Kind = "poll"\nrunaway = "off"\n'
    proxy = start(f'action = "hold"\ntool_calls = 4\n{rule}')
    with upstream_of.serving(Model().serve):
        agent = Agent(proxy)
        agent._headers["Helicone-Property-Kind"] = "poll"
        assert turns(agent, proxy, 8) == [None] * 8
    assert "runaway?" not in proxy.said()


def test_rules_hold_some_where_all_are_left_alone(
    start: Started, upstream_of: Upstream, loop: ThreadPoolExecutor
) -> None:
    rule = '[[rule]]\nuser = "ann"\nrunaway = "hold"\n'
    proxy, model = start(f'action = "off"\ntool_calls = 4\n{rule}'), Model()
    with upstream_of.serving(model.serve):
        assert turns(Agent(proxy), proxy, 6) == [None] * 6
        agent = Agent(proxy, None)
        agent._headers["Helicone-User-Id"] = "ann"
        turns(agent, proxy, 4)
        (name,) = until(lambda: held(proxy))  # whoever calls: the program that runs the tests
        assert name.startswith("ann@")
        waiting = loop.submit(agent.turn)
        assert is_waiting(waiting, model, 10)
        llmitm(proxy, "resume", name)
        waiting.result(20)


def test_an_agent_that_works_is_left_alone(start: Started, upstream_of: Upstream) -> None:
    proxy = start('action = "hold"\n')
    with upstream_of.serving(Model(is_stuck=False).serve):
        assert [Agent.turn(agent) for agent in [Agent(proxy)] * 200] == [None] * 200
    proxy.wait_for_rows(200)
    assert "runaway?" not in proxy.said()
    assert held(proxy) == []
