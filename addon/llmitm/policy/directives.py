"""What is to be done with a call beside passing it on: cache, retries, fallbacks, a rate limit, another target.

Everything that a control header, a rule or a default of the settings can ask for ends up here, typed. See docs/headers.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from llmitm.calls import Json
from llmitm.policy.runaways import Action

DAY_SECONDS = 86_400
FALLBACK_CODES = ((429, 429), (500, 500), (502, 504), (529, 529))
"""Statuses, as ranges, at which a fallback is tried where the call names none; a failed connection always is."""


@dataclass(frozen=True, slots=True)
class CacheDirective:
    """Whether and how an answer comes from the cache and goes into it."""

    read: bool = True
    save: bool = True
    max_age: int = 7 * DAY_SECONDS
    """Seconds for which an answer that is saved may be served."""
    bucket_size: int = 1
    """How many different answers are kept; one is served once there are so many."""
    seed: str | None = None
    """A namespace."""
    ignore_keys: tuple[str, ...] = ()
    """Dotted paths of the body that are left out of the key."""
    share_between_keys: bool = False
    """Whether calls with different API keys share answers."""
    volatile: bool = True
    """Whether what a known client puts anew into every body is left out of the key."""
    pace: Literal["at_once", "recorded"] = "at_once"
    """How a stream is replayed."""


@dataclass(frozen=True, slots=True)
class RetryDirective:
    """How often a call that failed is tried again, and how long is waited before. Times in milliseconds."""

    retries: int = 3
    """After the first attempt."""
    factor: float = 2.0
    first_wait: float = 1_000
    longest_wait: float = 10_000
    limit: float = 60_000
    """A provider's hint beyond it, or a total beyond it, ends the retries."""


@dataclass(frozen=True, slots=True)
class FallbackTarget:
    """What is tried instead."""

    model: str | None = None
    provider: str | None = None
    """None: the provider that the call was for, if it may have the model, else whoever the model belongs to."""
    url: str | None = None
    """An origin, with or without a path."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)
    """Keys of the body that are set."""
    on_codes: Sequence[tuple[int, int]] = FALLBACK_CODES
    """Ranges of statuses, both ends included, at which the call goes from here to the next target."""


@dataclass(frozen=True, slots=True)
class FallbackDirective:
    """Where a call goes that has failed."""

    targets: tuple[FallbackTarget, ...]
    """In order, without the one that the call is for."""
    on_codes: Sequence[tuple[int, int]] = FALLBACK_CODES
    """At which the call goes from where it was for to the first target."""
    excluded: frozenset[str] = frozenset()
    """Providers that are never used."""
    primary: FallbackTarget | None = None
    """What is changed of the call itself, before anything is tried; None where nothing is."""


@dataclass(frozen=True, slots=True)
class RateLimitDirective:
    """A limit of the user's own: so many units in so many seconds."""

    quota: Decimal
    window: int
    """Seconds."""
    unit: Literal["request", "token", "cents"] = "request"
    segment: str | None = None
    """`user` or the name of a property, each value of which has the limit to itself; None is one for all."""
    text: str = ""
    """As it was written, for the response."""


@dataclass(frozen=True, slots=True)
class Directives:
    """All that holds for one call."""

    cache: CacheDirective | None = None
    retry: RetryDirective | None = None
    fallback: FallbackDirective | None = None
    rate_limit: RateLimitDirective | None = None
    target_url: str | None = None
    """Origin that the gateway sends the call to."""
    priority: int = 0
    """Of calls that wait for their turn the higher go first."""
    runaway: Action | None = None
    """What is done where its run runs away; None is what the settings say."""
    stream_usage: bool = False
    """Whether the usage that was asked for stays in the client's stream."""
    notes: tuple[str, ...] = ()
    """What was wrong or without effect, for the row."""


NOTHING = Directives()
"""What holds for a call of which nobody has asked anything."""
