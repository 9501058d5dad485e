"""Which calls may go now, so that none runs into a provider's rate limit, and which wait.

Calls of one provider, key and model are in one lane. A lane knows what answers told of its limits, how long a refused
call was told to wait, and the limits of the user's own; what it cannot let go waits in a fair queue. Everything here is
told the time, and decided in one step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from llmitm.calls import RateLimit
from llmitm.policy.fair_queue import FairQueue
from llmitm.policy.own_limits import OwnLimit, Window
from llmitm.policy.told_limits import ToldLimit
from llmitm.providers.limit_values import seconds_of

UNITS = ("requests", "tokens", "input_tokens", "output_tokens")
"""What limits are of that calls can be held against."""
FIRST_AT_ONCE = 4
"""How many calls go before the first answer of a lane, which tells its limits."""
PATIENCE_SECONDS = 2.0
"""After each such time without an answer twice as many go: a model may think for minutes."""
_MOST_DOUBLINGS = 20
_ENOUGH_AT_ONCE = 64
"""From so many calls at the same time on, a lane that was refused is no longer slowed down."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 8.0
"""Seconds after a refusal that tells no wait; each in a row doubles it."""
_MOST_LANES = 1_000


class LaneName(NamedTuple):
    """Calls for which the same limits hold."""

    provider: str
    key: str
    """The fingerprint of the API key."""
    model: str


@dataclass(slots=True, eq=False)
class Ticket:
    """A call that wants to go, waits, or is on its way."""

    lane: LaneName
    uses: Mapping[str, float] = field(default_factory=lambda: {"requests": 1.0})
    """By unit; what is not known is not there."""
    priority: int = 0
    client: str = ""
    """Who takes turns with others of the same priority."""
    sent_at: float | None = None
    _own_uses: list[tuple[Window, list[float]]] = field(default_factory=list)


class Verdict(NamedTuple):
    """Whether a call may go."""

    yes: bool
    reason: str = ""
    """What it waits for, in words that fit after "waited for"."""
    more_at: float | None = None
    """When to look again, in seconds; None where an answer has to come first."""


_YES = Verdict(True)


class _Lane:
    def __init__(self, name: LaneName, limits: Sequence[OwnLimit]) -> None:
        own = [limit for limit in limits if limit.matches(*name)]
        self.queue: FairQueue[Ticket] = FairQueue()
        self.sent: dict[Ticket, None] = {}
        """Without an answer yet, in the order in which they went."""
        self.running: set[Ticket] = set()
        """Until their last byte."""
        self.told: dict[tuple[str, str | None], ToldLimit] = {}
        self.windows = [
            (unit, Window(limit))
            for each in own
            for unit, limit in (
                ("requests", each.requests_per_minute),
                ("tokens", each.tokens_per_minute),
            )
            if limit is not None
        ]
        self.at_once = min((each.at_once for each in own if each.at_once), default=inf)
        self.is_known = False
        """True once an answer has come."""
        self.paused_until = 0.0
        self.refusals = 0
        """In a row."""
        self.most_sent = inf

    def verdict(self, ticket: Ticket, now: float) -> Verdict:
        """Tell whether a call may go, whatever waits."""
        if now < self.paused_until:
            return Verdict(False, "the provider's wait after a refusal", self.paused_until)
        if not self.is_known and self.sent:
            first = next(iter(self.sent)).sent_at or 0.0
            waits = int((now - first) / PATIENCE_SECONDS)
            if len(self.sent) >= FIRST_AT_ONCE * 2 ** max(0, min(waits, _MOST_DOUBLINGS)):
                more_at = first + (waits + 1) * PATIENCE_SECONDS
                return Verdict(False, "the first answer, which tells the limits", more_at)
        if len(self.sent) >= self.most_sent:
            return Verdict(False, "calls before it, since some were refused")
        if len(self.running) >= self.at_once:
            return Verdict(False, f"one of {self.at_once:.0f} calls at once to end")
        found = _YES
        for unit, window in self.windows:
            needed = min(ticket.uses.get(unit, 0.0), window.limit)
            room = window.room(now, needed)
            if room.amount < needed:
                found = _later(found, f"{window.limit:.0f} {unit} in a minute", room.more_at)
        for (unit, period), limit in self.told.items():
            whole = inf if limit.limit is None else limit.limit
            # A call that is larger than the limit goes when all of it is there.
            needed = min(ticket.uses.get(unit, 0.0), whole)
            room = limit.room(
                now, ((each.sent_at or 0.0, each.uses.get(unit, 0.0)) for each in self.sent)
            )
            if room.amount < needed:
                words = f"the provider's limit of {unit.replace('_', ' ')}"
                found = _later(found, f"{words} in a {period}" if period else words, room.more_at)
        return found

    def is_idle(self) -> bool:
        return not self.queue and not self.running


def _later(before: Verdict, reason: str, more_at: float | None) -> Verdict:
    """Return the verdict for which one has to wait longer."""
    if not before.yes and more_at is not None and (before.more_at or inf) >= more_at:
        return before
    return Verdict(False, reason, more_at)


class Governor:
    """All lanes."""

    def __init__(self, limits: Sequence[OwnLimit] = ()) -> None:
        self._limits = limits
        self._lanes: OrderedDict[LaneName, _Lane] = OrderedDict()

    def try_to_go(self, ticket: Ticket, now: float) -> bool:
        """Let a call go that has just come, if nothing waits before it and there is room."""
        lane = self._lane(ticket.lane)
        if lane.queue or not lane.verdict(ticket, now).yes:
            return False
        self._send(lane, ticket, now)
        return True

    def wait(self, ticket: Ticket) -> None:
        """Queue a call."""
        self._lane(ticket.lane).queue.put(ticket, ticket.priority, ticket.client)

    def leave(self, ticket: Ticket) -> None:
        """Take a call out of the queue: its client has gone."""
        self._lane(ticket.lane).queue.remove(ticket, ticket.priority, ticket.client)

    def go_anyway(self, ticket: Ticket, now: float) -> None:
        """Let a call go that has waited long enough, whatever its limits are."""
        self.leave(ticket)
        self._send(self._lane(ticket.lane), ticket, now)

    def release(self, name: LaneName, now: float) -> list[Ticket]:
        """Let go what may, in order; return it."""
        lane, released = self._lane(name), []
        while (ticket := lane.queue.first()) is not None and lane.verdict(ticket, now).yes:
            lane.queue.take()
            self._send(lane, ticket, now)
            released.append(ticket)
        return released

    def verdict(self, name: LaneName, now: float) -> Verdict:
        """Tell what the first in a queue waits for."""
        lane = self._lane(name)
        ticket = lane.queue.first()
        return _YES if ticket is None else lane.verdict(ticket, now)

    def answered(
        self,
        ticket: Ticket,
        now: float,
        limits: Sequence[RateLimit] = (),
        *,
        refused: bool = False,
        wait: float | None = None,
    ) -> None:
        """Take in what an answer tells: limits, and where the call was refused, for how long to wait (seconds)."""
        lane = self._lane(ticket.lane)
        if ticket.sent_at is None or ticket not in lane.sent:
            return
        for limit in limits:
            if limit.name in UNITS:
                key = limit.name, limit.period
                if key not in lane.told:
                    lane.told[key] = ToldLimit(seconds_of(limit.period))
                lane.told[key].tell(
                    ticket.sent_at, now, limit.limit, limit.remaining, limit.resets_at
                )
        if refused:
            lane.refusals += 1
            own = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(8, lane.refusals - 1))
            lane.paused_until = max(lane.paused_until, now + (wait or own))
            lane.most_sent = max(1, len(lane.sent) // 2)
        else:
            lane.refusals = 0
            lane.most_sent = inf if lane.most_sent >= _ENOUGH_AT_ONCE else lane.most_sent + 1
        del lane.sent[ticket]
        lane.is_known = True

    def ended(self, ticket: Ticket) -> None:
        """Take note that a call is over, with an answer or without."""
        lane = self._lane(ticket.lane)
        lane.sent.pop(ticket, None)
        lane.running.discard(ticket)

    def settle(self, ticket: Ticket, tokens: float) -> None:
        """Put right how many tokens a call has used."""
        for window, use in ticket._own_uses:
            window.settle(use, tokens)

    def waiting(self) -> int:
        """Return how many calls wait."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    def _send(self, lane: _Lane, ticket: Ticket, now: float) -> None:
        ticket.sent_at = now
        lane.sent[ticket] = None
        lane.running.add(ticket)
        ticket._own_uses.clear()
        for unit, window in lane.windows:
            use = window.take(min(ticket.uses.get(unit, 0.0), window.limit), now)
            if unit == "tokens":
                ticket._own_uses.append((window, use))

    def _lane(self, name: LaneName) -> _Lane:
        lane = self._lanes.get(name)
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                self._forget_one()
            lane = self._lanes[name] = _Lane(name, self._limits)
        self._lanes.move_to_end(name)
        return lane

    def _forget_one(self) -> None:
        idle = next((name for name, lane in self._lanes.items() if lane.is_idle()), None)
        if idle is not None:
            del self._lanes[idle]
