"""What alerts watch, measured in a log and compared with what the same calls say counted by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from llmitm.calls import Attempt, CacheUse, Finished, Identity, Usage
from llmitm.policy.alert_conditions import parse
from llmitm.policy.alerting import Measured
from llmitm.store.reader import Reader
from llmitm.store.writer import Writer
from store.records import START, chat

SINCE = START + 3_600 * 5 + 1_234
"""In the middle of an hour, and of a day."""


def calls() -> list[Finished]:
    """Return calls of three days, of all outcomes."""
    chance = random.Random(7)
    return [_call(chance, number) for number in range(600)]


def _call(chance: random.Random, number: int) -> Finished:
    outcome = chance.choices(("ok", "error", "blocked", "cancelled"), (80, 12, 4, 4))[0]
    status = chance.choice((429, 500)) if outcome == "error" else 200
    at = START + number * 432
    finished = chat(
        str(number),
        at=at,
        model=chance.choice(("gpt-5.4", "gpt-5.4-mini")),
        provider=chance.choice(("openai", "azure")),
        usage=Usage("reported", chance.randrange(900), chance.randrange(90)),
        usd=None if chance.random() < 0.1 else Decimal(chance.randrange(10**6)) / 10**9,
        outcome=outcome,
        status=status,
        latency_ms=chance.randrange(100, 9_000),
        identity=Identity(
            user=chance.choice(("ann", "bob", None)),
            properties={"Project": chance.choice("xy")} if chance.random() < 0.8 else {},
        ),
    )
    state = chance.choice(("hit", "miss", None)) if outcome == "ok" else None
    finished.exchange.cache = CacheUse(state) if state else None  # type: ignore[arg-type]
    if state != "hit" and chance.random() < 0.1:
        failed = Attempt("openai", "h", None, at, chance.choice((429, 503)), None, None, 5, 1)
        finished = replace(finished, attempts=(failed,))
    return replace(finished, first_content_ms=chance.choice((None, 20.0, 50.0, 90.0)))


CALLS = calls()
WANTED = [call for call in CALLS if call.exchange.started_at >= SINCE]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("log") / "llmitm.db"
    with closing(Writer(path)) as writer:
        writer.write(CALLS)
    with closing(Reader(path)) as reader:
        yield reader


def measured(log: Reader, text: str) -> dict[tuple[str, ...], tuple[Decimal | None, int]]:
    found = log.measured(parse(text), datetime.fromtimestamp(SINCE, UTC))
    return {each.group: (each.value, each.calls) for each in found}


GROUPS: dict[str, Callable[[Finished], tuple[str, ...] | None]] = {
    "": lambda call: (),
    "by user": lambda call: (call.identity.user or "",),
    "by provider, model": lambda call: (call.endpoint.provider, call.model or ""),
    "by property:project": lambda call: tuple(call.identity.properties.values()) or None,
    "by operation": lambda call: (call.endpoint.operation,),
    "where user=ann": lambda call: () if call.identity.user == "ann" else None,
    "by model where provider=azure": lambda call: (
        (call.model or "",) if call.endpoint.provider == "azure" else None
    ),
    "where model=gpt-5.4": lambda call: () if call.model == "gpt-5.4" else None,
    "where property:Project=x": lambda call: (
        () if call.identity.properties.get("Project") == "x" else None
    ),
}


def grouped(groups: str) -> dict[tuple[str, ...], list[Finished]]:
    found: dict[tuple[str, ...], list[Finished]] = {}
    for call in WANTED:
        group = GROUPS[groups](call)
        if group is not None:
            found.setdefault(group, []).append(call)
    return found


def is_hit(call: Finished) -> bool:
    return call.exchange.cache is not None and call.exchange.cache.state == "hit"


def is_throttled(call: Finished) -> bool:
    return call.exchange.status == 429 or any(each.status == 429 for each in call.attempts)


AMOUNTS: dict[str, Callable[[Sequence[Finished]], Decimal]] = {
    "spend > 1": lambda calls: sum((call.charge.usd or Decimal(0) for call in calls), Decimal(0)),
    "calls > 1": lambda calls: Decimal(len(calls)),
    "unpriced > 1": lambda calls: Decimal(sum(call.charge.usd is None for call in calls)),
    "error rate > 1%": lambda calls: (
        Decimal(sum(call.outcome == "error" for call in calls))
        / sum(call.outcome != "blocked" for call in calls)
    ),
}


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("metric", AMOUNTS)
def test_amounts(log: Reader, metric: str, groups: str) -> None:
    wanted = {
        group: (AMOUNTS[metric](found), len(found)) for group, found in grouped(groups).items()
    }
    assert measured(log, f"{metric} {groups}") == wanted


RATES: dict[str, tuple[Callable[[Finished], bool], Callable[[Finished], bool]]] = {
    "429 rate > 1%": (is_throttled, lambda call: call.outcome != "blocked" and not is_hit(call)),
    "cache hit rate < 1%": (is_hit, lambda call: call.exchange.cache is not None),
}


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("metric", RATES)
def test_rates(log: Reader, metric: str, groups: str) -> None:
    part, whole = RATES[metric]
    wanted = {}
    for group, found in grouped(groups).items():
        among = [call for call in found if whole(call)]
        wanted[group] = (Decimal(sum(map(part, among))) / len(among), len(among))
    assert measured(log, f"{metric} {groups}") == wanted


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("percentile", ["1", "50", "95", "99.9"])
def test_percentiles(log: Reader, percentile: str, groups: str) -> None:
    wanted = {}
    for group, found in grouped(groups).items():
        times = sorted(
            round(call.exchange.latency_ms or 0)
            for call in found
            if call.outcome == "ok" and not is_hit(call)
        )
        place = math.ceil(Decimal(percentile) / 100 * len(times))
        wanted[group] = (Decimal(times[place - 1]), len(times))
    assert measured(log, f"p{percentile} latency > 1s {groups}") == wanted


def test_times_to_first_content(log: Reader) -> None:
    ((value, count),) = measured(log, "p50 first content > 1s").values()
    assert value in (20, 50, 90)
    assert count == sum(
        call.first_content_ms is not None and call.outcome == "ok" and not is_hit(call)
        for call in WANTED
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("spend > 1", Measured((), Decimal(0), 0)),
        ("error rate > 1%", Measured((), None, 0)),
        ("429 rate > 1%", Measured((), None, 0)),
        ("p50 latency > 1s", Measured((), None, 0)),
    ],
)
def test_of_no_calls(log: Reader, text: str, wanted: Measured) -> None:
    condition = parse(f"{text} where user=nobody")
    assert log.measured(condition, datetime.fromtimestamp(SINCE, UTC)) == [wanted]
