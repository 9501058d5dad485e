"""Measure what llmitm does beside passing calls on: cache, single flight, retries, held streams, the gateway.

Everything is asked for in turn in one run, so that a busy machine slows all alike, and is shown beside a plain call.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.client import Connection, Timings, connect, request
from benchmarks.targets import Target, started
from llmitm.answers.answer import About, StoredAnswer
from llmitm.answers.store import AnswerStore

_PROXY = "llmitm proxy"
_CACHE = {"Helicone-Cache-Enabled": "true"}
_RETRY = {"Helicone-Retry-Enabled": "true"}
_AT_ONCE = 500
_STREAM = (20, 2)
_numbers = itertools.count()


@dataclass(slots=True)
class Way:
    """One kind of call."""

    title: str
    make: Callable[[], bytes]
    is_stream: bool = False
    as_gateway: bool = False
    bar: str = ""
    samples: list[float] = field(default_factory=list)
    """Milliseconds: to the last byte, of a stream from the first chunk's being written to its arrival."""

    async def once(self, connection: Connection) -> None:
        """Make the call and keep its time."""
        timings, start = Timings(), time.perf_counter()
        await connection.call(timings, self.make())
        taken = (time.perf_counter() - start) * 1e3
        self.samples += timings.first_chunk_ms if self.is_stream else [taken]


def _fresh(headers: Mapping[str, str]) -> bytes:
    return request(headers=headers, question=f"Question {next(_numbers)}")


def _failing() -> bytes:
    return request(headers={**_RETRY, "x-fail": str(next(_numbers))})


def _ways(address: str) -> list[Way]:
    return [
        Way("plain call", request),
        Way("call that may be retried", lambda: request(headers=_RETRY)),
        Way("call that is retried once", _failing),
        Way("stream's first chunk", lambda: request(_STREAM), is_stream=True),
        Way(
            "stream's first chunk, held until content",
            lambda: request(_STREAM, headers=_RETRY),
            is_stream=True,
            bar="1 ms more",
        ),
        Way("cache: miss, and saved", lambda: _fresh(_CACHE)),
        Way("cache: hit", lambda: request(headers=_CACHE), bar="5 ms"),
        Way(
            "gateway, by provider",
            lambda: request(path="/openai/v1/chat/completions", host=address),
            as_gateway=True,
        ),
        Way(
            "gateway, by model",
            lambda: request(path="/v1/chat/completions", host=address),
            as_gateway=True,
        ),
    ]


async def _measure(target: Target, rounds: int) -> tuple[list[Way], list[float]]:
    ways = _ways(target.address)
    tunnel = await connect(target.address)
    gateway = await connect(target.address, as_gateway=True)
    for way in ways:  # connections, indexes and the cached answer are there before the clock counts
        for _ in range(3):
            await way.once(gateway if way.as_gateway else tunnel)
        way.samples.clear()
    for _ in range(rounds):
        for way in ways:
            await way.once(gateway if way.as_gateway else tunnel)
    shared = [await _shared(target) for _ in range(3)]
    tunnel.close()
    gateway.close()
    return ways, shared


async def _shared(target: Target) -> float:
    """Return the seconds in which many identical calls at once were answered."""
    opened = await asyncio.gather(*(connect(target.address) for _ in range(_AT_ONCE)))
    sent, timings = _fresh(_CACHE), Timings()
    start = time.perf_counter()
    await asyncio.gather(*(one.call(timings, sent) for one in opened))
    taken = time.perf_counter() - start
    for one in opened:
        one.close()
    return taken


def _fill(path: Path, entries: int) -> None:
    """Put so many other answers into the cache."""
    store = AnswerStore(path, 4_000_000_000)
    body = b'{"choices":[{"message":{"content":"' + b"The sky scatters blue light. " * 16 + b'"}}]}'
    now = time.time()
    for number in range(entries):
        about = About(
            str(number), now, now + 1e6, "api.openai.com", "openai", "chat", "gpt-4o-mini", 200,
            [("content-type", "application/json")], [len(body)], [400.0], 400.0, False,
        )  # fmt: skip
        store.save(hashlib.sha256(str(number).encode()).digest(), 1, StoredAnswer(about, [body]))
        if number % 2_000 == 1_999:
            store.flush()
    store.flush()
    store.close()


def _show(ways: list[Way], shared: list[float], console: Console) -> None:
    table = Table(
        "", "p50", "p99", "against a plain one", "bar", title="What llmitm does, and what it takes"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    plain: Way | None = None
    for way in ways:
        half, most = (statistics.quantiles(way.samples, n=100)[percent - 1] for percent in (50, 99))
        if way.title in ("plain call", "stream's first chunk"):
            plain, against = way, ""
        else:
            yard = ways[0] if not way.is_stream or plain is None else plain
            before = statistics.median(yard.samples)
            against = f"{half - before:+.2f} ms (x{half / before:.2f})"
        table.add_row(way.title, f"{half:.2f} ms", f"{most:.2f} ms", against, way.bar)
    best = min(shared)
    table.add_row(
        f"{_AT_ONCE} identical calls at once",
        f"{best * 1e3:.0f} ms",
        "",
        f"{best / _AT_ONCE * 1e3:.2f} ms each",
        "",
    )
    console.print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench actions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--entries", type=int, default=100_000, help="answers in the cache")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="llmitm-bench-") as folder, console.status("filling"):
        _fill(Path(folder) / "cache.db", options.entries)
        with started([_PROXY], Path(folder), cache=Path(folder) / "cache.db") as targets:
            ways, shared = asyncio.run(_measure(targets[1], options.rounds))
    _show(ways, shared, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
