"""What people are told: a title, some facts, and the command that shows the calls behind it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from llmitm.policy.alert_conditions import Condition, shown, written
from llmitm.policy.alerting import Event, Measured

Kind = Literal["firing", "resolved", "test"]

_MOST_GROUPS = 20
"""Groups that a message names; of the others it says how many there are."""
_RELATIONS = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}
_OPTIONS = ("user", "model", "provider", "client", "run", "session")
_FACTS = ("program", "directory", "repository", "branch")
_PROPERTY = "property:"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A group in a message."""

    group: dict[str, str]
    value: str | None
    """Exact: USD, a share of 1, milliseconds, or a count; None where there is nothing to measure."""
    shown: str
    calls: int
    since: float


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent by a channel."""

    id: str
    """The same each time it is tried, so that a receiver can tell."""
    kind: Kind
    alert: str
    condition: str
    title: str
    facts: tuple[tuple[str, str], ...]
    command: str
    at: float
    """Seconds since the epoch."""
    threshold: str = ""
    unit: str = ""
    window: tuple[float, float] | None = None
    crossings: tuple[Crossing, ...] = ()
    more: int = 0
    """Groups that are not named."""

    @property
    def mark(self) -> str:
        """A sign before the title."""
        return {"firing": "🔴", "resolved": "🟢", "test": "🔔"}[self.kind]

    @property
    def text(self) -> str:
        """The whole as plain text."""
        width = max((len(name) for name, _ in self.facts), default=0)
        lines = [self.title, "", *(f"{name:<{width}}  {value}" for name, value in self.facts)]
        return "\n".join([*lines, "", "See the calls:", f"  {self.command}", ""])

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def load(text: str) -> Message:
    """Read what `dump` returned."""
    found = json.loads(text)
    found["facts"] = tuple((name, value) for name, value in found["facts"])
    found["window"] = tuple(found["window"]) if found["window"] else None
    found["crossings"] = tuple(Crossing(**each) for each in found["crossings"])
    return Message(**found)


def compose(
    identity: str,
    alert: str,
    condition: Condition,
    events: Sequence[Event],
    window: tuple[datetime, datetime] | None,
    now: datetime,
) -> Message:
    """Return the message for events of one kind, the furthest beyond the threshold first. Times know their zone."""
    sign = -1 if condition.operator in (">", ">=") else 1
    events = sorted(events, key=lambda event: sign * (event.measured.value or 0))
    first = events[0]
    named = events[:_MOST_GROUPS]
    more = len(events) - len(named)
    facts = [("Alert", f"{alert}: {condition}"), *_values(condition, named)]
    if more:
        facts.append(("", f"and {more:,} more"))
    facts.append(("Threshold", _threshold(condition)))
    if window is not None:
        facts.append(("Window", _span(*window)))
    if not condition.by:
        facts.append(("Calls", f"{first.measured.calls:,}"))
    facts.append(("Fired" if first.kind == "resolved" else "Seen", _clock(now, first.since)))
    return Message(
        id=identity,
        kind=first.kind,
        alert=alert,
        condition=str(condition),
        title=_title(condition, events),
        facts=tuple(facts),
        command=command(condition, [event.measured for event in events], window),
        at=now.timestamp(),
        threshold=str(condition.threshold),
        unit=condition.unit,
        window=None if window is None else (window[0].timestamp(), window[1].timestamp()),
        crossings=tuple(_crossing(condition, event) for event in named),
        more=more,
    )


def trial(identity: str, alert: str, condition: str, now: datetime) -> Message:
    """Return a message that says only that it arrives."""
    return Message(
        id=identity,
        kind="test",
        alert=alert,
        condition=condition,
        title=f"test of the alert {alert}" if condition else f"test of the channel {alert}",
        facts=(
            ("Alert", f"{alert}: {condition}" if condition else "none"),
            ("Sent", now.isoformat(" ", "seconds")),
        ),
        command="llmitm alert ls",
        at=now.timestamp(),
    )


def command(
    condition: Condition, measured: Sequence[Measured], window: tuple[datetime, datetime] | None
) -> str:
    """Return the command that shows the calls behind what was measured."""
    if window is None:
        return "llmitm budget ls"
    words = ["llmitm", "ls"]
    if len(measured) > 1:
        words = ["llmitm", "stats", "--by", ",".join(condition.by)]
    since, until = window
    words += ["--since", since.isoformat(timespec="seconds")]
    words += ["--until", until.isoformat(timespec="seconds")]
    chosen = dict(condition.where)
    if len(measured) == 1:
        chosen |= dict(zip(condition.by, measured[0].group, strict=True))
    for name, value in chosen.items():
        if not value:
            continue
        if name in _OPTIONS or name in _FACTS:
            words += [f"--{name}", value]
        elif name.startswith(_PROPERTY):
            words += ["-t", f"{name.removeprefix(_PROPERTY)}={value}"]
    if condition.metric == "error_rate":
        words.append("--errors")
    elif condition.metric == "429_rate":
        words += ["--status", "429"]
    return shlex.join(words)


def _title(condition: Condition, events: Sequence[Event]) -> str:
    first = events[0]
    when = f" {condition.window.words}" if condition.window is not None else ""
    what = f"{condition.words}{when}"
    limit = f"{_RELATIONS[condition.operator]} {_threshold(condition)}"
    if len(events) > 1:
        who = f"{len(events):,} of {', '.join(condition.by)}"
        if first.kind == "firing":
            return f"{what} is {limit} for {who}"
        return f"resolved for {who}: {what} is no longer {limit}"
    of = f" of {_group(condition, first.measured)}" if condition.by else ""
    value = _shown(condition, first.measured)
    if first.kind == "firing":
        return f"{what}{of} is {value}, {limit}"
    if first.is_new_window and condition.window is not None:
        return f"resolved: a new {condition.window}, in which {condition.words}{of} is {value}"
    return f"resolved: {what}{of} is {value}, no longer {limit}"


def _values(condition: Condition, events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    for event in events:
        value = _shown(condition, event.measured)
        if event.measured.limit is not None:
            value += f" of {shown(event.measured.limit, 'usd')}"
        if condition.by:
            calls = f" ({event.measured.calls:,} calls)" if condition.window is not None else ""
            yield _group(condition, event.measured), f"{value}{calls}"
        else:
            yield condition.words.capitalize(), value


def _crossing(condition: Condition, event: Event) -> Crossing:
    measured = event.measured
    return Crossing(
        group=dict(zip(condition.by, measured.group, strict=True)),
        value=None if measured.value is None else f"{measured.value:f}",
        shown=_shown(condition, measured),
        calls=measured.calls,
        since=event.since,
    )


def _threshold(condition: Condition) -> str:
    return written(condition.threshold, condition.unit)


def _shown(condition: Condition, measured: Measured) -> str:
    return "not known" if measured.value is None else shown(measured.value, condition.unit)


def _group(condition: Condition, measured: Measured) -> str:
    pairs = zip(condition.by, measured.group, strict=True)
    return ", ".join(f"{name.removeprefix(_PROPERTY)} {value or '(none)'}" for name, value in pairs)


def _span(since: datetime, until: datetime) -> str:
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} ({until:%Z})"


def _clock(now: datetime, at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(now.tzinfo).isoformat(" ", "seconds")
