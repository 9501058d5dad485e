"""A limit that the user states for a provider that tells nothing: so much in any minute, so many calls at once."""

from __future__ import annotations

from collections import deque
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmitm.policy.told_limits import Room

MINUTE = 60.0
_MARGIN = 0.3
"""Seconds that a minute is longer here: calls do not take equally long to where they are counted."""


class OwnLimit(BaseModel):
    """What holds for each key and model of the calls that its patterns match."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    provider: Annotated[str, Field(min_length=1)] = "*"
    model: Annotated[str, Field(min_length=1)] = "*"
    key: Annotated[str, Field(min_length=1)] = "*"
    """The fingerprint of the API key."""
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    at_once: Annotated[int, Field(ge=1)] | None = None
    """How many calls may run at the same time."""

    @model_validator(mode="after")
    def _limits_something(self) -> OwnLimit:
        if self.requests_per_minute is self.tokens_per_minute is self.at_once is None:
            raise ValueError("at least one of requests_per_minute, tokens_per_minute, at_once")
        return self

    def matches(self, provider: str, key: str, model: str) -> bool:
        """Tell whether it holds for calls of a provider, a key and a model."""
        pairs = ((self.provider, provider), (self.key, key), (self.model, model))
        return all(fnmatchcase(value.lower(), pattern.lower()) for pattern, value in pairs)


class Window:
    """What was used in the last minute, of a limit for any minute."""

    def __init__(self, limit: float, seconds: float = MINUTE + _MARGIN) -> None:
        self.limit = limit
        self._seconds = seconds
        self._uses: deque[list[float]] = deque()
        """When and how much, the oldest first."""
        self._used = 0.0

    def take(self, amount: float, now: float) -> list[float]:
        """Use an amount; return what `settle` needs."""
        use = [now, amount]
        self._uses.append(use)
        self._used += amount
        return use

    def settle(self, use: list[float], real: float) -> None:
        """Put right how much a use was."""
        if any(each is use for each in self._uses):
            self._used += real - use[1]
        use[1] = real

    def room(self, now: float, needed: float = 1.0) -> Room:
        """Return what is left, and when so much will be that is needed."""
        while self._uses and self._uses[0][0] <= now - self._seconds:
            self._used -= self._uses.popleft()[1]
        if not self._uses:
            self._used = 0.0  # what rounding has left
        left = self.limit - self._used
        if left >= needed:
            return Room(left)
        coming = left
        for at, amount in self._uses:
            coming += amount
            if coming >= needed:
                return Room(left, at + self._seconds)
        return Room(left)
