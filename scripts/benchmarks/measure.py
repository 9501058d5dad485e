"""The measurements. Every round asks each target for the same work in turn, so that a busy machine slows all alike."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.client import Timings, load
from benchmarks.targets import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """How much work."""

    rounds: int
    connections: int
    calls: int
    """For each connection and round."""
    streams: int
    """For each of two connections and round, of 100 chunks each."""
    paced_streams: int
    """One at a time, a chunk each 10 ms."""
    held_streams: int
    held_seconds: int
    growth_calls: int


FULL = Plan(8, 8, 60, 12, 12, 50, 60, 20_000)
QUICK = Plan(4, 8, 60, 6, 3, 50, 5, 1_000)
# Apart enough for each chunk to be read, and passed on, by itself.
_CHUNKS = (100, 2)


@dataclass(slots=True)
class Result:
    """What was found for one target."""

    cpu_ms_per_call: list[float] = field(default_factory=list)
    calls_per_second: list[float] = field(default_factory=list)
    cpu_us_per_chunk: list[float] = field(default_factory=list)
    first_chunk_ms: list[float] = field(default_factory=list)
    chunk_ms: list[float] = field(default_factory=list)
    idle_mb: float = 0.0
    held_mb: float = 0.0
    """More than idle, while the streams are open."""
    grown_mb: float = 0.0
    """More after the many calls than after the first tenth of them."""


Say = Callable[[str], None]


def measure(targets: list[Target], plan: Plan, say: Say) -> dict[str, Result]:
    """Measure everything, for every target."""
    results = {target.name: Result() for target in targets}
    for target in targets:
        _run(target, plan.connections, plan.calls)  # the first hundreds are dearer everywhere
        _run(target, plan.connections, 2, _CHUNKS)
        results[target.name].idle_mb = target.memory() / 1e6
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}: {target.name}")
            _round(target, plan, results[target.name])
    for target in targets:
        say(f"memory: {target.name}")
        _memory(target, plan, results[target.name])
    return results


def _run(
    target: Target, connections: int, calls: int, stream: tuple[int, int] | None = None
) -> Timings:
    work = load(
        target.address,
        through_proxy=target.through_proxy,
        connections=connections,
        calls=calls,
        stream=stream,
    )
    return asyncio.run(work)


def _round(target: Target, plan: Plan, result: Result) -> None:
    before = target.settled_cpu()
    timings = _run(target, plan.connections, plan.calls)
    # One more call a connection is made before the clock starts.
    calls = timings.calls + plan.connections
    result.cpu_ms_per_call.append((target.settled_cpu() - before) / calls * 1e3)
    result.calls_per_second.append(timings.calls / timings.seconds)
    per_call = statistics.median(result.cpu_ms_per_call)
    before = target.settled_cpu()
    timings = _run(target, 2, plan.streams, _CHUNKS)
    spent = target.settled_cpu() - before - (timings.calls + 2) * per_call / 1e3
    result.cpu_us_per_chunk.append(spent / timings.chunks * 1e6)
    timings = _run(target, 1, plan.paced_streams, (50, 10))
    result.first_chunk_ms += timings.first_chunk_ms
    result.chunk_ms += timings.chunk_ms


def _memory(target: Target, plan: Plan, result: Result) -> None:
    before = target.memory()
    held = _highest_while(target, plan)
    result.held_mb = (held - before) / 1e6
    tenth = plan.growth_calls // 10 // plan.connections
    _run(target, plan.connections, tenth)
    target.settled_cpu()
    start = target.memory()
    _run(target, plan.connections, tenth * 9)
    target.settled_cpu()
    result.grown_mb = (target.memory() - start) / 1e6


def _highest_while(target: Target, plan: Plan) -> int:
    """Return the most memory in use while streams of 20 chunks a second are open."""

    async def run() -> int:
        streams = load(
            target.address,
            through_proxy=target.through_proxy,
            connections=plan.held_streams,
            calls=1,
            stream=(plan.held_seconds * 20, 50),
        )
        task = asyncio.ensure_future(streams)
        highest = target.memory()
        while not task.done():
            await asyncio.wait([task], timeout=0.2)
            highest = max(highest, target.memory())
        task.result()
        return highest

    return asyncio.run(run())
