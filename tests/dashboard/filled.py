"""A log with something of everything that the pages show: users, workflows, failures, retries, fallbacks, the cache."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from answers.given import answer, key
from llmitm import pricing
from llmitm.answers.store import AnswerStore
from llmitm.calls import Attempt, CacheUse, Finished, Identity, RateLimit, Refusal, Usage
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from store import records

MODELS = (
    ("anthropic", "claude-opus-4-5"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("mistral", "mistral-large-latest"),
    ("openai", "gpt-unheard-of"),
)
USERS = ("ada", "grace", "linus", "margaret", "edsger")
STEPS = {
    "triage": ("classify", "route"),
    "report": ("gather", "outline", "write"),
    "review": ("read", "comment"),
}


def fill(path: Path, now: float, count: int = 400, days: float = 3) -> None:
    """Write calls that end just before `now` (seconds since the epoch)."""
    writer = Writer(path)
    writer.write(list(calls(now, count, days)))
    while writer.tidy():
        pass
    writer.close()


def calls(now: float, count: int, days: float) -> Iterator[Finished]:
    """Yield calls, the same for the same count, spread over some days."""
    chance = random.Random(count)
    table = PriceTable.load()
    step = days * 86_400 / count
    for number in range(count):
        at = now - (count - number) * step + step * chance.random() / 2
        yield _call(chance, number, at, table)


def _call(chance: random.Random, number: int, at: float, table: PriceTable) -> Finished:
    provider, model = MODELS[min(int(chance.paretovariate(0.9)) - 1, len(MODELS) - 1)]
    workflow = chance.choice([*STEPS, *STEPS, None])
    properties = {"team": chance.choice(("blue", "green"))}
    if workflow:
        properties |= {"Workflow": workflow, "Step": chance.choice(STEPS[workflow])}
    fate = chance.random()
    asked, answered = chance.randrange(500, 40_000), chance.randrange(20, 2_000)
    call = records.call(
        {"model": model, "messages": [{"role": "user", "content": records.prose(chance, 12)}]},
        records.prose(chance, 20),
        at=at,
        model=model,
        provider=provider,
        usage=Usage(
            "reported", asked, answered, cached_input_tokens=int(asked * chance.random() * 0.8)
        ),
        identity=Identity(
            user=chance.choice(USERS) if chance.random() < 0.9 else None,
            run_id=f"01KRUN{number // 40:04}",
            client=chance.choice(("OpenAI/Python 2.54.0", "Anthropic/JS 0.71.0")),
            properties=properties,
            api_key_fingerprint="00c0ffee0000",
        ),
        outcome="error" if fate < 0.08 else "ok",
        status=chance.choice((429, 429, 500, 529, 400)) if fate < 0.08 else 200,
        latency_ms=chance.lognormvariate(7.5, 0.6),
    )
    return _fated(call, chance, fate, table)


def _fated(call: Finished, chance: random.Random, fate: float, table: PriceTable) -> Finished:
    exchange = call.exchange
    if call.outcome == "error":
        words = {429: "rate_limit_error", 400: "invalid_request_error", 529: "overloaded_error"}
        kind = words.get(exchange.status or 0, "api_error")
        call = replace(
            call,
            error_type=kind,
            error_message=f"{kind} of {call.endpoint.provider}",
            charge=replace(call.charge, usd=Decimal(0)),
        )
        return replace(call, retry_after_ms=2_000.0 if exchange.status == 429 else None)
    charge = pricing.price(call.charge.basis, table) if call.charge.basis else call.charge
    call = replace(call, charge=charge, first_content_ms=(exchange.latency_ms or 0) * 0.3)
    if fate < 0.16:
        call = _tried_again(call, chance)
    elif fate < 0.20:
        exchange.fallback_index, exchange.asked_model = 1, "claude-opus-4-5"
        exchange.asked_provider = "anthropic"
        call = _tried_again(call, chance)
    elif fate < 0.30:
        exchange.cache = CacheUse("hit", source_id="01KSOURCE")
        call = replace(call, saved_usd=charge.usd, charge=replace(charge, usd=Decimal(0)))
        exchange.latency_ms = 4.0
    elif fate < 0.40:
        exchange.cache = CacheUse("miss")
    elif fate < 0.42:
        exchange.refusal = Refusal("budget_exceeded", "the budget daily of $5.00 is used up")
        call = replace(
            call,
            outcome="blocked",
            error_type="budget_exceeded",
            error_message=exchange.refusal.message,
        )
        exchange.status = 429
    if call.outcome == "ok":
        limit = RateLimit("requests", 500, chance.randrange(500), at_reset(call), "minute")
        call = replace(call, rate_limits=(limit,))
    return call


def at_reset(call: Finished) -> float:
    """Return when a limit that was told with a call is reset."""
    return call.exchange.started_at + 60


def _tried_again(call: Finished, chance: random.Random) -> Finished:
    exchange = call.exchange
    status = chance.choice((429, 503))
    attempt = Attempt(
        call.endpoint.provider,
        exchange.host,
        call.model,
        exchange.started_at,
        status,
        "rate_limit_error" if status == 429 else "server_error",
        "later",
        200.0,
        1_500.0,
    )
    exchange.retried_ms = 1_700.0
    exchange.latency_ms = (exchange.latency_ms or 0) + 1_700
    return replace(call, attempts=(attempt,))


def keep_answers(path: Path, now: float, names: Sequence[str]) -> None:
    """Keep an answer for each of some calls, each given again once less often than the one before."""
    store = AnswerStore(path, 10_000_000, clock=lambda: now)
    for number, name in enumerate(names):
        saved = answer(number, 900 + 300 * number, max_age=86_400, now=now - 5_000 * number)
        about = replace(saved.about, call_id=name, provider="anthropic", model="claude-opus-4-5")
        store.save(key(number), 1, replace(saved, about=about))
    store.flush()
    for number in range(len(names)):
        for _ in range(len(names) - number):
            store.reads.submit(store.look_up, key(number)).result()
    store.flush()
    store.close()
