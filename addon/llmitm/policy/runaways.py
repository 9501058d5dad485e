"""When a run is running away: it spends far more than it used to, or does the same thing again and again.

A run's own past is its norm. What is spent and called in the last minute is held against the median of the minutes
before in which it did anything, so neither a long pause nor one expensive minute moves the norm. A repetition is told by
fingerprints; what a call says is not kept.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["spend", "calls", "tool_call", "prompt"]
Action = Literal["off", "warn", "hold"]

AGAIN_SECONDS = 600.0
"""For so long the same is not said of a run again."""
_MINUTE = 60.0
_MOST_MINUTES = 60
_MOST_RUNS = 1_000
_MOST_THREADS = 64
_MOST_PROMPTS = 256
_LONGEST_CYCLE = 4
"""Answers; a loop over more of them is not noticed as one."""


class RunawayLimits(BaseModel):
    """What is too much."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    factor: Annotated[float, Field(ge=2, le=1_000)] = 10.0
    """How many times the norm the last minute may be."""
    usd_per_minute: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0
    """So much may always be spent in a minute."""
    calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 120
    """So many calls may always be made in a minute."""
    minutes: Annotated[int, Field(ge=1, le=_MOST_MINUTES)] = 5
    """From so many minutes on in which it did anything a run has a norm."""
    tool_calls: Annotated[int, Field(ge=0, le=1_000)] = 8
    """How often the same tool call, or the same few in turn, may follow each other; 0 is as often as it likes."""
    prompts: Annotated[int, Field(ge=0, le=1_000)] = 10
    """How often the same may be asked within `prompt_seconds`; 0 is as often as it likes."""
    prompt_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0


class Seen(NamedTuple):
    """What of a call that has ended is looked at."""

    run: str
    at: float
    """When it ended, seconds since the epoch."""
    usd: float = 0.0
    thread: int = 0
    """Fingerprint of the conversation that it goes on with: a run may have several at a time."""
    tools: int | None = None
    """Fingerprint of the tool calls in its answer; None where it has none."""
    prompt: int | None = None
    """Fingerprint of what was asked last; None where that is a tool's result, or not known."""
    is_answered: bool = True
    """False for a call that failed: what follows is no repetition but a retry."""
    tool_name: str = ""


class Finding(NamedTuple):
    """Why a run is said to be running away."""

    run: str
    kind: Kind
    at: float
    words: str
    """What was seen, as a sentence goes on after the run's name."""


@dataclass(slots=True)
class _Thread:
    """The tool calls of one conversation."""

    last: deque[int] = field(default_factory=lambda: deque(maxlen=_LONGEST_CYCLE))
    streaks: list[int] = field(default_factory=lambda: [0] * _LONGEST_CYCLE)
    """How many answers in a row were as the one so many before, by how many."""

    def times(self, tools: int | None) -> tuple[int, int]:
        """Take an answer; return how often what it calls has come in a row, and over how many answers that goes."""
        if tools is None:
            self.last.clear()
            self.streaks = [0] * _LONGEST_CYCLE
            return 0, 1
        found = (1, 1)
        for period in range(1, _LONGEST_CYCLE + 1):
            is_same = len(self.last) >= period and self.last[-period] == tools
            self.streaks[period - 1] = self.streaks[period - 1] + 1 if is_same else 0
            times = self.streaks[period - 1] // period + 1
            if times > found[0]:
                found = times, period
        self.last.append(tools)
        return found


@dataclass(slots=True)
class _Past:
    """What a run has done."""

    recent: deque[tuple[float, int]] = field(default_factory=deque)
    """The calls of the last minute: when, nano-dollars."""
    recent_nanousd: int = 0
    """What they cost together, kept so that a call costs the same however many there are."""
    minutes: OrderedDict[int, tuple[float, int]] = field(default_factory=OrderedDict)
    """USD and calls of each minute in which there were any, by its number."""
    threads: OrderedDict[int, _Thread] = field(default_factory=OrderedDict)
    prompts: OrderedDict[tuple[int, int], deque[float]] = field(default_factory=OrderedDict)
    said: dict[Kind, float] = field(default_factory=dict)


class Runaways:
    """All runs. Not for several threads at a time."""

    def __init__(self, limits: RunawayLimits) -> None:
        self._limits = limits
        self._runs: OrderedDict[str, _Past] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def see(self, call: Seen) -> list[Finding]:
        """Take a call that has ended; return what is to be said of its run now."""
        past = self._runs.get(call.run)
        if past is None:
            past = self._runs[call.run] = _Past()
            if len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(call.run)
        found: list[Finding] = []
        for kind, words in self._look(past, call):
            said = past.said.get(kind)
            if said is None or not 0 <= call.at - said < AGAIN_SECONDS:
                past.said[kind] = call.at
                found.append(Finding(call.run, kind, call.at, words))
        return found

    def forgive(self, run: str) -> None:
        """Begin to count anew for a run that may go on. Its norm stays."""
        past = self._runs.get(run)
        if past is not None:
            self._runs[run] = _Past(minutes=past.minutes)

    def _look(self, past: _Past, call: Seen) -> Iterator[tuple[Kind, str]]:
        yield from self._pace(past, call)
        if call.is_answered:
            yield from self._tools(past, call)
            yield from self._prompts(past, call)

    def _pace(self, past: _Past, call: Seen) -> Iterator[tuple[Kind, str]]:
        recent, cost = past.recent, round(call.usd * 1e9)
        recent.append((call.at, cost))
        past.recent_nanousd += cost
        while recent and recent[0][0] <= call.at - _MINUTE:
            past.recent_nanousd -= recent.popleft()[1]
        usd, calls = past.recent_nanousd / 1e9, len(recent)
        begins = int((call.at - _MINUTE) // _MINUTE)
        before = [each for minute, each in past.minutes.items() if minute < begins]
        _add(past.minutes, int(call.at // _MINUTE), call.usd)
        if len(before) < self._limits.minutes:
            return
        usual = median(usd for usd, _ in before)
        if usd > max(self._limits.usd_per_minute, self._limits.factor * usual):
            yield "spend", f"spent ${usd:.2f} in the last minute, where it used to spend ${usual:.2f}"  # fmt: skip
        often = median(calls for _, calls in before)
        if calls > max(self._limits.calls_per_minute, self._limits.factor * often):
            yield "calls", f"made {calls:,} calls in the last minute, where it used to make {often:g}"  # fmt: skip

    def _tools(self, past: _Past, call: Seen) -> Iterator[tuple[Kind, str]]:
        thread = past.threads.setdefault(call.thread, _Thread())
        past.threads.move_to_end(call.thread)
        if len(past.threads) > _MOST_THREADS:
            past.threads.popitem(last=False)
        times, cycle = thread.times(call.tools)
        if 0 < self._limits.tool_calls <= times:
            name = f" {call.tool_name}" if call.tool_name else ""
            if cycle == 1:
                yield "tool_call", f"made the same tool call{name} {times} times in a row"
            else:
                yield "tool_call", f"made the same {cycle} tool calls, the last of them{name}, {times} times in turn"  # fmt: skip

    def _prompts(self, past: _Past, call: Seen) -> Iterator[tuple[Kind, str]]:
        if call.prompt is None or not self._limits.prompts:
            return
        key = call.thread, call.prompt
        times = past.prompts.setdefault(key, deque(maxlen=self._limits.prompts))
        past.prompts.move_to_end(key)
        if len(past.prompts) > _MOST_PROMPTS:
            past.prompts.popitem(last=False)
        times.append(call.at)
        span = max(times) - min(times)
        if len(times) == self._limits.prompts and span <= self._limits.prompt_seconds:
            yield "prompt", f"asked the same {len(times)} times in {span:.0f} s"


def _add(minutes: OrderedDict[int, tuple[float, int]], minute: int, usd: float) -> None:
    """Count a call in its minute; the oldest minutes are let go."""
    spent, calls = minutes.get(minute, (0.0, 0))
    minutes[minute] = spent + usd, calls + 1
    if len(minutes) > _MOST_MINUTES:
        minutes.popitem(last=False)
