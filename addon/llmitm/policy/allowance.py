"""Limits of the user's own as token buckets: a bucket holds the quota, every use takes from it, and it fills up evenly.

So the quota may be used at once, and after that as fast as it comes back: in any span of time at most the quota and what
has come back in it. What a use takes is reserved before it is known, and settled afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from llmitm.policy.directives import RateLimitDirective

_MOST = 10_000
"""Buckets that are kept before full ones, which are as good as none, are thrown away."""
_ROUNDING = 1e-9


class Level(NamedTuple):
    """What was in a bucket when it was last looked at."""

    amount: float
    """Below 0 where more was used than was there: it has to come back first."""
    at: float
    """Seconds since the epoch."""
    full_at: float
    """When it is full, if nobody uses it: from then on it is as if it had never been."""


class Allowed(NamedTuple):
    """A use that may go on."""

    remaining: float
    reset: float
    """Seconds until the whole quota is there again."""


class Denied(NamedTuple):
    """A use that may not."""

    remaining: float
    reset: float
    retry_after: float
    """Seconds until it may, if nobody else uses the bucket."""


def key(directive: RateLimitDirective, segment: str, credential: str | None) -> str:
    """Return the name of the bucket for a policy, a value of its segment and a credential's fingerprint."""
    quota = format(directive.quota.normalize(), "f")
    parts = (quota, directive.window, directive.unit, (directive.segment or "").lower(), segment)
    text = "\0".join(map(str, (*parts, credential)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Allowances:
    """All buckets. Each call of a method is one step, so nothing comes between a look and a use."""

    def __init__(
        self,
        levels: Mapping[str, Level] | None = None,
        changed: Callable[[str, Level | None], None] = lambda *_: None,
    ) -> None:
        """Begin with buckets as they were; `changed` is told each new level, None where one is gone."""
        self._levels = dict(levels or {})
        self._changed = changed

    def __len__(self) -> int:
        return len(self._levels)

    def take(
        self, name: str, directive: RateLimitDirective, amount: float, now: float
    ) -> Allowed | Denied:
        """Use an amount, if it is there. Of one that is larger than the quota no more than the quota has to be there."""
        quota = float(directive.quota)
        level = self._now(name, directive, now)
        needed = min(amount, quota)
        if level <= 0 or level + _ROUNDING < needed:
            # An amount that is not known yet needs a bucket that is not empty, so a little.
            missing = max(needed, quota * _ROUNDING) - level
            pace = directive.window / quota
            return Denied(max(0.0, level), (quota - level) * pace, missing * pace)
        left = self._set(name, directive, level - amount, now)
        return Allowed(max(0.0, left), (quota - left) * directive.window / quota)

    def settle(
        self, name: str, directive: RateLimitDirective, reserved: float, real: float, now: float
    ) -> None:
        """Put back what was reserved too much, or take what was reserved too little."""
        if reserved != real:
            self._set(name, directive, self._now(name, directive, now) + reserved - real, now)

    def _now(self, name: str, directive: RateLimitDirective, now: float) -> float:
        quota = float(directive.quota)
        level = self._levels.get(name)
        if level is None:
            return quota
        # A clock that was set back fills nothing.
        come_back = max(0.0, now - level.at) * quota / directive.window
        return min(quota, level.amount + come_back)

    def _set(self, name: str, directive: RateLimitDirective, amount: float, now: float) -> float:
        quota = float(directive.quota)
        amount = min(quota, amount)
        if name not in self._levels and len(self._levels) >= _MOST:
            self._sweep(now)
        known = self._levels.get(name)
        at = now if known is None else max(now, known.at)
        level = Level(amount, at, at + (quota - amount) * directive.window / quota)
        self._levels[name] = level
        self._changed(name, level)
        return amount

    def _sweep(self, now: float) -> None:
        for name in [name for name, level in self._levels.items() if level.full_at <= now]:
            del self._levels[name]
            self._changed(name, None)
