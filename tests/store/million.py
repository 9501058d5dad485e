"""How fast are reports on a large log, and how fast is it priced again?

`PYTHONPATH=addon:pricing:tests python tests/store/million.py FOLDER [CALLS]` makes one and asks it. A log that is in
the folder already is asked again, so a change to a query needs no new log.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched
from pathlib import Path
from time import perf_counter, process_time, time_ns

from llmitm.calls import Finished, Identity, RateLimit, Usage
from llmitm.cli import main
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader
from llmitm.store.writer import Writer
from store.records import START, chat, prose

CALLS = 1_000_000
DAYS = 60
MODELS = 12
PROVIDERS = 4
BATCH = 200
BAR_MS = 200
BY_PROGRAM = ["day", "provider", "model", "program"]


def make(path: Path, count: int) -> None:
    """Write calls spread over two months; the busier the model, the user and the project, the lower its number."""
    writer = Writer(path)
    chance = random.Random(count)
    calls = generate(chance, count)
    started = process_time()
    written = 0
    for batch in batched(calls, BATCH):
        writer.write(batch)
        written += len(batch)
        while writer.tidy():
            pass
        if written % 100_000 == 0:
            each = (process_time() - started) / written * 1e6
            print(f"{written:,} calls, {each:.0f} us CPU a call", flush=True)
    writer.close()


def generate(chance: random.Random, count: int) -> Iterator[Finished]:
    """Yield calls in the order of their time."""
    for number in range(count):
        failed = chance.random() < 0.03
        model = _one_of(chance, MODELS)
        properties = {
            "project": f"project-{_one_of(chance, 20)}",
            "env": f"env-{_one_of(chance, 3)}",
        }
        finished = chat(
            f"{number} {prose(chance, 12)}",
            prose(chance, 15),
            at=START + number * DAYS * 86_400 / count,
            model=f"model-{model}",
            provider=f"provider{model % PROVIDERS}",
            usage=Usage("reported", chance.randrange(5_000), chance.randrange(900)),
            usd=Decimal(chance.randrange(10**7)) / 10**9,
            outcome="error" if failed else "ok",
            status=429 if failed else 200,
            latency_ms=chance.randrange(200, 9_000),
            identity=Identity(
                user=f"user-{_one_of(chance, 50)}",
                run_id=f"run-{number // 500}",
                client=f"client-{_one_of(chance, 4)}",
                properties=properties,
            ),
        )
        at = finished.exchange.started_at
        limits = [
            RateLimit(name, 10_000, chance.randrange(10_000), at + 30, "minute")
            for name in ("requests", "input_tokens", "output_tokens")
        ]
        if chance.random() < 0.01:
            finished.exchange.queued_ms = chance.randrange(9_000)
        retry = 1 if chance.random() < 0.02 else 0
        yield replace(finished, rate_limits=limits, client_retry=retry)


def _one_of(chance: random.Random, kinds: int) -> int:
    return min(int(chance.paretovariate(0.7)) - 1, kinds - 1)


def timed(name: str, report: Callable[[], object]) -> None:
    """Print how long a report takes, the better of two."""
    times = []
    for _ in range(2):
        started = perf_counter()
        report()
        times.append((perf_counter() - started) * 1000)
    mark = "" if min(times) <= BAR_MS else f"   over {BAR_MS} ms"
    print(f"{min(times):8.1f} ms  {name}{mark}", flush=True)


def ask(path: Path) -> None:
    """Time what people ask most."""
    reader = Reader(path)
    (latest,) = reader.recent(Filter(), 1)
    last = datetime.fromtimestamp(latest["started_at"] / 1000).astimezone()
    today = last.replace(hour=0, minute=0, second=0, microsecond=0)
    week, day = Filter(since=today - timedelta(days=7)), Filter(since=today)
    reports: dict[str, Callable[[], object]] = {
        "today's sums": lambda: reader.sums(day),
        "today, by model": lambda: reader.sums(day, ["model"]),
        "today, by user": lambda: reader.sums(day, ["user"]),
        "today, p50 and p95": lambda: reader.quantiles(day, [0.5, 0.95]),
        "the week, by day and model": lambda: reader.sums(week, ["day", "model"]),
        "all, by model": lambda: reader.sums(Filter(), ["model"]),
        "all, by day": lambda: reader.sums(Filter(), ["day"]),
        "all, by user": lambda: reader.sums(Filter(), ["user"]),
        "all, by project": lambda: reader.sums(Filter(), ["property:project"]),
        "the week, by project": lambda: reader.sums(week, ["property:project"]),
        "all, by week and model": lambda: reader.sums(Filter(), ["week", "model"]),
        "all, by user and model": lambda: reader.sums(Filter(), ["user", "model"]),
        "the week, by project and env": lambda: reader.sums(
            week, ["property:project", "property:env"]
        ),
        "latest 20 sessions": lambda: reader.sessions(Filter(), 20),
        "latest 20 threads": lambda: reader.threads(Filter(), 20),
        "the day's spend by minute": lambda: reader.by_minute(day, 60),
        "latest 50": lambda: reader.recent(Filter(), 50),
        "latest 50 of a common model": lambda: reader.recent(Filter(model="model-0"), 50),
        "latest 50 of a rare model": lambda: reader.recent(Filter(model="model-10"), 50),
        "latest 50 of a user": lambda: reader.recent(Filter(user="user-30"), 50),
        "latest 50 of a project": lambda: reader.recent(
            Filter(properties={"project": "project-0"}), 50
        ),
        "latest 50 of a provider": lambda: reader.recent(Filter(provider="provider3"), 50),
        "latest 50 errors": lambda: reader.recent(Filter(errors=True), 50),
        "latest 50 above 9.9 mUSD": lambda: reader.recent(Filter(min_cost=Decimal("0.0099")), 50),
        "latest 50 of a run": lambda: reader.recent(Filter(run=latest["run_id"]), 50),
        "latest 50 with a rare word": lambda: reader.recent(Filter(text="4711"), 50),
        "latest 50 with a common word": lambda: reader.recent(Filter(text="garner"), 50),
        "a call by the end of its id": lambda: reader.call(latest["id"][-6:]),
        "a run's sums": lambda: reader.sums(Filter(run=latest["run_id"])),
        "SELECT * FROM requests LIMIT 50": lambda: reader.query("SELECT * FROM requests LIMIT 50"),
        "limits now": lambda: reader.limits(Filter(), last.timestamp()),
        "who ran into limits, the week": lambda: reader.throttling(week, BY_PROGRAM),
        "who ran into limits, ever": lambda: reader.throttling(Filter(), BY_PROGRAM),
        "retries, the week": lambda: reader.retries(week, ["client", "provider", "model"]),
        "retries, ever": lambda: reader.retries(Filter(), ["client", "provider", "model"]),
        "SELECT * FROM daily": lambda: reader.query("SELECT * FROM daily"),
    }
    for name, report in reports.items():
        timed(name, report)
    reader.close()


def price(folder: Path) -> None:
    """Time pricing it again: every call at another price, then at the same, then on another model."""
    os.environ["LLMITM_HOME"] = str(folder)
    own = folder / "prices"
    own.mkdir(exist_ok=True)
    cents = time_ns() // 10**9 % 10_000  # other prices each time
    for provider in range(PROVIDERS):
        models = "".join(
            f'[[model]]\nid = "model-{number}"\n'
            f"[[model.price]]\nmtok = {{ input = {number}.{cents:04}, output = {number + 7} }}\n"
            for number in range(provider, MODELS, PROVIDERS)
        )
        text = f'schema = 1\nprovider = "provider{provider}"\n{models}'
        (own / f"provider{provider}.toml").write_text(text)
    for words in (["recalc"], ["recalc"], ["whatif", "--model", "model-7"]):
        started = perf_counter()
        main(["price", *words])
        print(f"{perf_counter() - started:8.1f} s   price {' '.join(words)}", flush=True)


def run() -> None:
    folder = Path(sys.argv[1])
    path = folder / "llmitm.db"
    if not path.exists():
        make(path, int(sys.argv[2]) if len(sys.argv) > 2 else CALLS)
    ask(path)
    price(folder)


if __name__ == "__main__":
    run()
