"""A log for the pictures: two days of a small team's calls, and agents at work. Invented; the prices are real."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from llmitm.calls import Attempt, CacheUse, Charge, Finished, Identity, Usage
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from pictures import agents
from store.records import call, priced

_COUNT = 1_500
_DAYS = 2
_DAY = 86_400
_SEED = 7


class Task(NamedTuple):
    """What a program asks again and again."""

    workflow: str
    step: str
    provider: str
    model: str
    tokens: tuple[int, int]
    """Of a usual prompt and answer."""
    asked: Sequence[str]
    answered: str


_TASKS = (
    Task(
        "support",
        "classify",
        "openai",
        "gpt-5.4-mini",
        (1_900, 40),
        (
            "My invoice for March shows the wrong address",
            "The app logs me out every few minutes",
            "How do I add a second user to our plan?",
            "I was charged twice this month",
        ),
        "billing",
    ),
    Task(
        "support",
        "reply",
        "anthropic",
        "claude-sonnet-4-6",
        (6_500, 420),
        (
            "Write a reply: charged twice this month",
            "Write a reply: cannot reset the password",
            "Write a reply: wants an invoice with VAT",
        ),
        "Thank you for writing. I have looked at your account ...",
    ),
    Task(
        "nightly-report",
        "gather",
        "gemini",
        "gemini-2.5-flash",
        (21_000, 900),
        (
            "Summarize yesterday's incidents from these 40 pages",
            "List what changed in the release notes below",
        ),
        "Three incidents, all of them resolved ...",
    ),
    Task(
        "nightly-report",
        "write",
        "openai",
        "gpt-5.4",
        (9_000, 1_600),
        (
            "Write the report for the team lead, one page",
            "Shorten the report to five sentences",
        ),
        "Yesterday in short ...",
    ),
    Task(
        "search",
        "answer",
        "mistral",
        "mistral-large-latest",
        (4_200, 260),
        (
            "Which of these passages says how long refunds take?",
            "Answer from the handbook: who approves travel?",
        ),
        "Refunds take up to five working days.",
    ),
)
_WEIGHTS = (9, 6, 2, 2, 4)
_USERS = ("ada", "grace", "linus", "margaret")
_CLIENTS = {
    "openai": "OpenAI/Python 2.54.0",
    "anthropic": "Anthropic/Python 0.71.0",
    "gemini": "google-genai-sdk/1.50.0",
    "mistral": "mistral-client-python/1.9.11",
}


def write(path: Path, now: float) -> None:
    """Write it, as if the calls had been made in the days before a time."""
    table = PriceTable.load()
    calls = sorted(
        (*_tasks(now, table), *agents.jobs(now, table)),
        key=lambda finished: finished.exchange.started_at,
    )
    writer = Writer(path)
    for finished in calls:  # one by one, as turns of a conversation are found among those before
        writer.write([finished])
    while writer.tidy():
        pass
    writer.close()


def _tasks(now: float, table: PriceTable) -> Iterator[Finished]:
    chance = random.Random(_SEED)
    made = 0
    while made < _COUNT:
        before = chance.random() * _DAYS
        # As many as by day and as few as by night, and more today than the day before.
        busy = 0.55 + 0.45 * math.cos(2 * math.pi * (before - 0.1))
        if chance.random() < busy * (1 if before < 1 else 0.8):
            made += 1
            (task,) = chance.choices(_TASKS, _WEIGHTS)
            yield _of_task(task, chance, now - 20 - before * _DAY, table)


def _of_task(task: Task, chance: random.Random, at: float, table: PriceTable) -> Finished:
    asked, answered = (round(usual * chance.lognormvariate(0, 0.35)) for usual in task.tokens)
    cached = round(asked * chance.choice((0, 0.4, 0.7))) if asked > 1_500 else 0
    finished = call(
        {"model": task.model, "messages": [{"role": "user", "content": chance.choice(task.asked)}]},
        task.answered,
        at=at,
        provider=task.provider,
        model=task.model,
        latency_ms=(600 + 11 * answered) * chance.lognormvariate(0, 0.25),
        identity=Identity(
            user=chance.choices(_USERS, (5, 4, 2, 2))[0],
            client=_CLIENTS[task.provider],
            properties={"Workflow": task.workflow, "Step": task.step},
            api_key_fingerprint="00c0ffee0000",
        ),
    )
    usage = Usage("reported", asked, answered, cached_input_tokens=cached)
    finished = priced(finished, table, usage=usage)
    took = finished.exchange.latency_ms or 0
    finished = replace(
        finished, streaming=task.step != "classify", first_content_ms=400 + took * 0.08
    )
    return _fated(finished, chance.random())


def _fated(finished: Finished, fate: float) -> Finished:
    """Return what became of it: most end well, some come from the cache, are tried again, or fail."""
    exchange = finished.exchange
    if fate < 0.09:
        exchange.cache = CacheUse("hit", source_id="01KB1A2Y5V8M3N6P9R0S4T7W2X")
        exchange.latency_ms = 3.0
        nothing = replace(finished.charge, usd=Decimal(0))
        return replace(
            finished, saved_usd=finished.charge.usd, charge=nothing, first_content_ms=2.0
        )
    if fate < 0.12:
        exchange.retried_ms = 1_200.0
        exchange.latency_ms = (exchange.latency_ms or 0) + 1_200
        attempt = Attempt(
            finished.endpoint.provider,
            exchange.host,
            finished.model,
            exchange.started_at,
            429,
            "rate_limit_error",
            "too many requests",
            200.0,
            1_000.0,
        )
        return replace(finished, attempts=(attempt,))
    if fate < 0.135:
        exchange.status, exchange.latency_ms = 529, 640.0
        return replace(
            finished,
            outcome="error",
            error_type="overloaded_error",
            error_message="Overloaded",
            charge=Charge(Decimal(0)),
            first_content_ms=None,
            answer=replace(finished.answer, usage=Usage(), text=None),
        )
    return finished
