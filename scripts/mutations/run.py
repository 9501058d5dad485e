"""Run inputs on all processors, and add up what came of them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIMIT_AS, setrlimit

from mutations import heavy
from mutations.check import Checker, Result, peak
from mutations.sources import Source, table

_STORED = 20
"""One input of so many is written to a log and read back."""
_MOST_MEMORY = 6 * 1024**3
_MOST_SHOWN_SLOW = 5
_A_TASK = 50


@dataclass
class Report:
    """What a run came to."""

    inputs: int = 0
    faults: list[Result] = field(default_factory=list)
    slowest: list[Result] = field(default_factory=list)
    base: int = 0
    """Memory of a worker before its first input."""
    peak: int = 0
    largest: Result | None = None
    """The input that made the memory of a worker grow most."""

    def add(self, results: Iterable[Result], base: int, most: int) -> None:
        """Add what a worker did."""
        for result in results:
            self.inputs += 1
            if result.faults:
                self.faults.append(result)
            if self.largest is None or result.grown > self.largest.grown:
                self.largest = result
            self.slowest.append(result)
        self.slowest = sorted(self.slowest, key=lambda each: each.seconds)[-_MOST_SHOWN_SLOW:]
        self.base, self.peak = max(self.base, base), max(self.peak, most)


@dataclass(frozen=True)
class Task:
    """Some inputs: mutations of a source by their numbers, or a heavy one."""

    source: int | str
    numbers: range = range(1)


def tasks(sources: Sequence[Source], count: int, heavies: Sequence[str]) -> list[Task]:
    """Return the tasks of a run: as many mutations of each source, and the heavy inputs."""
    each = -(-count // len(sources)) if sources else 0
    some = [
        Task(source, range(start, min(start + _A_TASK, each)))
        for start in range(0, each, _A_TASK)
        for source in range(len(sources))
    ]
    return [*some, *map(Task, heavies)]


def run(
    sources: Sequence[Source],
    work: Sequence[Task],
    seed: int,
    processes: int | None = None,
    told: Callable[[Report, Sequence[Result]], object] = lambda report, new: None,
) -> Report:
    """Run tasks; the same seed makes the same inputs, however many processes there are."""
    report = Report()
    if processes == 0:
        with _Worker(sources, seed) as worker:
            for task in work:
                report.add(*worker.done(task))
        return report
    with multiprocessing.Pool(processes or os.cpu_count(), _begin, (sources, seed)) as pool:
        for outcome in pool.imap_unordered(_do, work):
            before = len(report.faults)
            report.add(*outcome)
            told(report, report.faults[before:])
        pool.close()
        pool.join()
    return report


class _Worker:
    """One process's part."""

    def __init__(self, sources: Sequence[Source], seed: int) -> None:
        self._sources, self._seed = sources, seed
        self._folder = tempfile.TemporaryDirectory(prefix="llmitm-mutate-")
        self._checker = Checker(table(sources), Path(self._folder.name) / "llmitm")
        self._base = peak()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._checker.close()
        self._folder.cleanup()

    def done(self, task: Task) -> tuple[list[Result], int, int]:
        """Return the results of a task, the memory before all and the most memory so far."""
        return list(self._results(task)), self._base, peak()

    def _results(self, task: Task) -> Iterator[Result]:
        if isinstance(task.source, str):
            yield self._checker.check(heavy.made(task.source), store=True)
            return
        source = self._sources[task.source]
        for number in task.numbers:
            exchange = source.mutated(self._seed, number)
            yield self._checker.check(exchange, store=number % _STORED == 0)


_worker: _Worker


def _begin(sources: Sequence[Source], seed: int) -> None:
    global _worker
    logging.getLogger("llmitm").setLevel(logging.CRITICAL)
    with suppress(ValueError, OSError):  # macOS has no such limit
        setrlimit(RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    _worker = _Worker(sources, seed)


def _do(task: Task) -> tuple[list[Result], int, int]:
    return _worker.done(task)
