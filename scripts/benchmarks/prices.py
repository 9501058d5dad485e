"""Measure the price library: how long a price takes, and how long a table of 5,000 models takes to read.

Side by side with the libraries of the same kind that are installed beside it: `pip install litellm genai-prices` into
a throw-away environment and run it with that environment's python. Both are given the same calls in turn.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llmitm_pricing import Cost, PriceTable

_PRICE_BAR_US = 20.0
_READ_BAR_SECONDS = 0.5
_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SIZES = {"large": 1000, "cloud": 300, "other": 300, **{f"maker{n}": 200 for n in range(17)}}
"""Models by provider in the table that is made: 5,000 in all."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be priced, in our terms."""

    title: str
    provider: str
    model: str
    usage: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_plain: bool = False
    """Whether the others can be asked for it in a comparable way."""


CALLS = (
    Call("plain chat", "openai", "gpt-4o-mini", {"input": 1200, "output": 300}, is_plain=True),
    Call(
        "cached, written, tier, modifier",
        "anthropic",
        "claude-opus-4-6-20260205",
        {
            "input": 12_000,
            "cached_input": 9_000,
            "cache_write": 2_000,
            "cache_write_5m": 1_500,
            "cache_write_1h": 500,
            "output": 800,
            "reasoning": 300,
            "web_search": 2,
            "request": 1,
        },
        {"tier": "batch", "geo": "us"},
    ),
    Call("priced by item", "gemini", "imagen-4.0-generate-001", {"image": 2, "request": 1}),
    Call(
        "modifier by host, by way of `like`",
        "vertex",
        "publishers/anthropic/models/claude-opus-4-6",
        {"input": 1200, "output": 300},
        {"host": "us-east5-aiplatform.googleapis.com"},
    ),
    Call(
        "by way of `like`",
        "azure",
        "gpt-4o",
        {"input": 1200, "cached_input": 500, "output": 300},
        {"host": "example.openai.azure.com", "path": "/openai/deployments/ours/chat/completions"},
    ),
)


def main() -> int:
    """Return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench prices", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2000, help="for each round")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with console.status("measuring"):
        priced = _price(options.rounds, options.calls)
        read = _read(max(3, options.rounds // 3))
        # Last: what the others keep in memory slows the reading of files down.
        others = _others(options.rounds, options.calls // 10)
    console.print(_table(priced, others, read))
    return int(max(priced.values()) > _PRICE_BAR_US or read["all"] > _READ_BAR_SECONDS)


def _median_us(
    rounds: int, calls: int, works: Mapping[str, Callable[[], object]]
) -> dict[str, float]:
    """Return what each work takes; each round does them in turn, so that a busy machine slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(calls):
                work()
            taken[name].append((time.process_time() - start) / calls * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def _price(rounds: int, calls: int) -> dict[str, float]:
    prices = PriceTable.load()
    return _median_us(rounds, calls, {call.title: _work(prices, call) for call in CALLS})


def _work(prices: PriceTable, call: Call) -> Callable[[], object]:
    def work() -> object:
        return prices.price(
            call.usage, model=call.model, provider=call.provider, at=_AT, **call.facts
        )

    cost = work()
    if not isinstance(cost, Cost):
        raise SystemExit(f"{call.title}: {cost}")
    return work


def _others(rounds: int, calls: int) -> dict[str, float]:
    """Return what the plain call takes with us and with those that are installed."""
    plain = next(call for call in CALLS if call.is_plain)
    works = {"llmitm_pricing": _work(PriceTable.load(), plain)}
    for name, make in {"litellm": _litellm, "genai_prices": _genai_prices}.items():
        if importlib.util.find_spec(name):
            works[name] = make(plain)
    return _median_us(rounds, calls, works)


def _litellm(call: Call) -> Callable[[], object]:
    import litellm

    answer = litellm.ModelResponse(
        model=call.model,
        usage=litellm.Usage(
            prompt_tokens=call.usage["input"], completion_tokens=call.usage["output"]
        ),
    )
    return lambda: litellm.completion_cost(
        completion_response=answer, model=call.model, custom_llm_provider=call.provider
    )


def _genai_prices(call: Call) -> Callable[[], object]:
    import genai_prices

    usage = genai_prices.Usage(input_tokens=call.usage["input"], output_tokens=call.usage["output"])
    return lambda: genai_prices.calc_price(
        usage, call.model, provider_id=call.provider, genai_request_timestamp=_AT
    )


def _read(rounds: int) -> dict[str, float]:
    """Return the seconds that it takes to read a table of 5,000 models, and one of its providers."""
    with tempfile.TemporaryDirectory(prefix="llmitm-prices-") as name:
        folder = Path(name)
        for provider, models in _SIZES.items():
            text = "".join(_file(provider, models))
            (folder / f"{provider}.toml").write_text(text, encoding="utf-8")

        def one() -> None:
            prices = PriceTable.load(folder)
            assert prices.find("large-7-2026", "large")
            assert not prices.find("nobody", "large")

        works = {
            "all": lambda: PriceTable.load(folder).check(),
            "one": one,
            "shipped": lambda: PriceTable.load().check(),
        }
        return {name: us / 1e6 for name, us in _median_us(rounds, 1, works).items()}


def _file(provider: str, models: int) -> Iterator[str]:
    yield f'schema = 1\nprovider = "{provider}"\nstrip = ["models/"]\n'
    yield '[[modifier]]\nwhen = { inference_geo = "us" }\nmodels = ["*-1*"]\ntimes = 1.1\n'
    for number in range(models):
        name = f"{provider}-{number}"
        yield f'[[model]]\nid = "{name}"\nmatch = ["{name}-20*", "{name}-latest"]\n'
        if number % 4:  # most have one price, as in the table that comes along
            yield "[[model.price]]\n"
            yield f"mtok = {{ input = 4.{number}, cached_input = 0.4, output = 20 }}\n"
            continue
        yield "[[model.price]]\nuntil = 2026-03-01\nmtok = { input = 5, output = 25 }\n"
        yield "[[model.price]]\nfrom = 2026-03-01\n"
        yield f"mtok = {{ input = 4.{number}, cached_input = 0.4, output = 20 }}\n"
        yield "[[model.price.variant]]\nprompt_from = 200_001\nmtok = { input = 8, output = 30 }\n"
        yield '[[model.price.variant]]\nwhen = { tier = "batch" }\ntimes = 0.5\n'


def _table(
    priced: Mapping[str, float], others: Mapping[str, float], read: Mapping[str, float]
) -> Table:
    table = Table("what", "takes", "bar or ratio", title="The price library", title_justify="left")
    for title, us in priced.items():
        table.add_row(f"a price: {title}", f"{us:.1f} µs", _against(us, _PRICE_BAR_US, "µs"))
    ours = others["llmitm_pricing"]
    for name, us in others.items():
        if name != "llmitm_pricing":
            table.add_row(f"a price: plain chat, {name}", f"{us:.1f} µs", f"{us / ours:.1f} x ours")
    models = sum(_SIZES.values())
    bar = _against(read["all"], _READ_BAR_SECONDS, "s")
    table.add_row(f"reading {models:,} models", f"{read['all']:.3f} s", bar)
    first = f"reading the {_SIZES['large']:,} of one provider, at its first call"
    table.add_row(first, f"{read['one']:.3f} s", "")
    table.add_row("reading the table that comes along", f"{read['shipped']:.3f} s", "")
    return table


def _against(value: float, bar: float, unit: str) -> str:
    return f"{'within' if value <= bar else '[red]over[/]'} {bar:g} {unit}"


if __name__ == "__main__":
    sys.exit(main())
