"""A limit that a provider tells with its answers: how much may still be sent, as far as can be known.

What an answer says was true when its call was counted, and that was some time between its leaving and its answer. Calls
that were on their way at the same time may be in the figure or not; they are taken not to be. Of answers whose calls were
on their way together the one that leaves least holds, for it was counted last.

Some providers fill a limit up evenly, others all at once; both have all of it at the time that they name. So nothing is
expected before that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

SLACK_SECONDS = 1.0
"""A call is counted at most so long after it was let go."""
_USUAL_PERIOD = 60.0
_LEAST_MARGIN, _MOST_MARGIN = 0.02, 1.0
"""Seconds that are added to a reset, for clocks differ and times are rounded."""

type Sent = Iterable[tuple[float, float]]
"""Calls without an answer yet: when each was let go, and how much of the limit it uses."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What one answer told."""

    sent_at: float
    answered_at: float
    limit: float | None
    remaining: float
    resets_at: float


@dataclass(frozen=True, slots=True)
class Room:
    """How much may go now, and when there will be more."""

    amount: float
    more_at: float | None = None
    """Seconds; None where it takes an answer."""


class ToldLimit:
    """One limit of one lane."""

    def __init__(self, period: float | None) -> None:
        """Know how long the limit's period is, in seconds, where it is told."""
        self._period = period or _USUAL_PERIOD
        self._words: list[_Word] = []

    @property
    def limit(self) -> float | None:
        """The limit itself, as far as it is known."""
        return self._words[-1].limit if self._words else None

    def tell(
        self,
        sent_at: float,
        now: float,
        limit: float | None,
        remaining: float | None,
        resets_at: float | None,
    ) -> None:
        """Take in what an answer to a call that was sent at some time says."""
        if remaining is None or any(sent_at < word.sent_at - SLACK_SECONDS for word in self._words):
            return  # of a call that was counted long before others
        if resets_at is None:
            resets_at = now + self._period
        margin = min(_MOST_MARGIN, max(_LEAST_MARGIN, (resets_at - now) / 100))
        self._words = [
            word
            for word in self._words
            if word.answered_at > sent_at
            and word.sent_at >= sent_at - SLACK_SECONDS
            and word.resets_at > now
        ]
        self._words.append(_Word(sent_at, now, limit, remaining, resets_at + margin))

    def room(self, now: float, sent: Sent) -> Room:
        """Return what is left."""
        if not self._words:
            return Room(inf)
        words = [word for word in self._words if now < word.resets_at]
        if words:
            last = min(words, key=lambda word: word.remaining)
            since = last.sent_at - SLACK_SECONDS
            used = sum(amount for at, amount in sent if at >= since)
            return Room(last.remaining - used, last.resets_at)
        latest = max(self._words, key=lambda word: word.resets_at)
        if latest.limit is None:
            return Room(inf)
        # Where it fills up evenly it is not full if more was sent in the meantime.
        since = max(latest.sent_at - SLACK_SECONDS, now - self._period)
        counted = [(at, amount) for at, amount in sent if at >= since]
        more_at = min((at for at, _ in counted), default=now) + self._period
        return Room(latest.limit - sum(amount for _, amount in counted), more_at)
