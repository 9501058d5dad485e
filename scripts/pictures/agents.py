"""Agents at work: conversations whose context grows, and whose cache goes cold once. Invented."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from llmitm.calls import Endpoint, Finished, Identity, ToolCall, Usage
from llmitm_pricing import PriceTable
from store.records import call, priced

SESSION = "fix-checkout-test"
_SEED = 7
_MESSAGES = Endpoint("anthropic", "chat", "anthropic_messages")


class Step(NamedTuple):
    """A turn of an agent: what it says, the tool that it asks for, and what that gives."""

    said: str
    tool: str
    given: Mapping[str, str]
    result: str


class Job(NamedTuple):
    """What an agent is asked to do, and how its context grows."""

    asked: str
    model: str
    user: str
    session: str
    path: str
    ago: float
    """Seconds before the log ends."""
    turns: int
    tokens: int
    """Of the first prompt."""
    growth: int
    """Tokens that a usual turn adds."""
    pause_after: int | None = None
    """The turn after which the provider's cache goes cold."""


_STEPS = (
    Step(
        "I run the test to see it fail.",
        "bash",
        {"command": "pytest tests/test_checkout.py -x"},
        "1 failed, 23 passed in 4.1s",
    ),
    Step(
        "It depends on the order of a set.",
        "read",
        {"path": "shop/checkout.py"},
        "def open_carts(self) -> set[Cart]: ...",
    ),
    Step(
        "I look for who else relies on it.",
        "grep",
        {"pattern": "open_carts"},
        "shop/reminders.py:41: for cart in self.open_carts():",
    ),
    Step(
        "I sort the carts by their id.",
        "edit",
        {"path": "shop/checkout.py"},
        "shop/checkout.py: 3 lines changed",
    ),
)
_JOBS = (
    Job(
        "Fix the test of the checkout, which fails every tenth time", "claude-opus-4-6", "ada",
        SESSION, "/main", 960, 26, 14_000, 2_600, pause_after=14,
    ),
    Job(
        "Find every place that iterates over open carts", "claude-haiku-4-5", "ada",
        SESSION, "/main/explore", 700, 9, 5_000, 1_300,
    ),
    Job(
        "Run the tests fifty times and count the failures", "claude-haiku-4-5", "ada",
        SESSION, "/main/verify", 240, 9, 5_000, 1_300,
    ),
    Job(
        "Move the mails to the new template engine", "claude-opus-4-6", "grace",
        "mail-templates", "/main", 3.4 * 3600, 17, 12_000, 1_500,
    ),
    Job(
        "Explain why the import of large files is slow", "claude-opus-4-6", "linus",
        "slow-import", "/main", 6.2 * 3600, 12, 15_000, 1_900,
    ),
    Job(
        "Write tests for the currency converter", "claude-opus-4-6", "ada",
        "currency-tests", "/main", 21.5 * 3600, 14, 9_000, 1_700,
    ),
    Job(
        "Upgrade the payment library and fix what breaks", "claude-opus-4-6", "grace",
        "payment-upgrade", "/main", 29.1 * 3600, 24, 13_000, 2_000,
    ),
)  # fmt: skip
_TOOLS = [{"name": step.tool, "input_schema": {"type": "object"}} for step in _STEPS]
_UNCACHED = 40
"""Tokens at the end of a prompt that no cache has."""
_PAUSE_SECONDS = 330
"""Longer than the provider keeps a prompt."""


def jobs(now: float, table: PriceTable) -> Iterator[Finished]:
    """Yield the turns of agents, as if the last had just ended."""
    chance = random.Random(_SEED)
    for job in _JOBS:
        yield from _job(job, now - job.ago, chance, table)


def _job(job: Job, at: float, chance: random.Random, table: PriceTable) -> Iterator[Finished]:
    """Yield the turns of an agent: each sends all that went before."""
    messages: list[dict[str, object]] = [{"role": "user", "content": job.asked}]
    tokens, cached = job.tokens, 0
    for turn in range(job.turns):
        step = _STEPS[turn % len(_STEPS)]
        answered = round(chance.uniform(150, 900))
        took = 1_500 + answered * 18
        written = tokens - cached - _UNCACHED
        usage = Usage(
            "reported",
            tokens,
            answered,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            cache_write_5m_tokens=written,
        )
        finished = _turn(job, step, f"toolu_{turn}", messages, at, took)
        finished = replace(finished, first_content_ms=chance.uniform(700, 1_600))
        yield priced(
            finished,
            table,
            usage=usage,
            tool_calls=(ToolCall(step.tool, json.dumps(step.given), f"toolu_{turn}"),),
        )
        at += took / 1000 + chance.uniform(2, 25)
        cached = tokens - _UNCACHED
        if turn == job.pause_after:
            at, cached = at + _PAUSE_SECONDS, 0
        tokens += answered + round(job.growth * chance.lognormvariate(0, 0.6))


def _turn(
    job: Job, step: Step, name: str, messages: list[dict[str, object]], at: float, took: float
) -> Finished:
    """Return a turn, and let the conversation go on by it."""
    content: list[dict[str, object]] = [
        {"type": "text", "text": step.said},
        {"type": "tool_use", "id": name, "name": step.tool, "input": dict(step.given)},
    ]
    request = {
        "model": job.model,
        "max_tokens": 32_000,
        "system": "You are a careful engineer.",
        "tools": _TOOLS,
        "messages": list(messages),
        "stream": True,
    }
    response = {
        "type": "message",
        "role": "assistant",
        "model": job.model,
        "content": content,
        "stop_reason": "tool_use",
    }
    finished = call(
        request,
        step.said,
        response=response,
        at=at,
        provider="anthropic",
        model=job.model,
        latency_ms=took,
        identity=Identity(
            user=job.user,
            session_id=job.session,
            session_path=job.path,
            client="claude-cli/2.1.0",
            properties={"Workflow": "coding", "Step": job.path.rpartition("/")[2]},
            api_key_fingerprint="00c0ffee0000",
        ),
    )
    finished.exchange.path = "/v1/messages"
    result = {"type": "tool_result", "tool_use_id": name, "content": step.result}
    messages += [
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    return replace(finished, endpoint=_MESSAGES, streaming=True)
