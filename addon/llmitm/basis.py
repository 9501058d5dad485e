"""What the price of a call rests on: no more than the log keeps of it, so that it can be worked out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

type Quantity = int | float

NOT_CHARGED = "none: "
"""What a price id begins with where nothing is charged; the reason follows."""

TOKENS = (
    ("input", "input_tokens"),
    ("cached_input", "cached_input_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("cache_write_5m", "cache_write_5m_tokens"),
    ("cache_write_1h", "cache_write_1h_tokens"),
    ("audio_input", "input_audio_tokens"),
    ("image_input", "input_image_tokens"),
    ("video_input", "input_video_tokens"),
    ("audio_cached_input", "cached_audio_tokens"),
    ("output", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
    ("audio_output", "output_audio_tokens"),
    ("image_output", "output_image_tokens"),
    ("video_output", "output_video_tokens"),
)
"""Units of the price table, and where `Usage` and the log have them."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one model did of a call."""

    models: tuple[str, ...]
    """Names that it may be known by; the first that has a price counts."""
    usage: Mapping[str, Quantity]
    """Quantities by their unit in the price table; totals contain their details."""
    prompt: int | None = None
    """Tokens of the prompt that a long-context price goes by, where the share is many requests and not one."""
    geo: str | None = None
    """Where it was served, if that is not the same for the whole call."""


@dataclass(frozen=True, slots=True)
class Basis:
    """All that the price of a call rests on, beside the price table."""

    provider: str
    at: datetime
    """When the call began: UTC, to the millisecond."""
    free: str | None = None
    """Why nothing is charged, whatever the table says; nothing else is then told."""
    shares: tuple[Share, ...] = ()
    """One, or one for each of several models that have prices of their own."""
    tier: str | None = None
    geo: str | None = None
    speed: str | None = None
    host: str | None = None
    path: str | None = None
    """Without its query."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What was asked for, where prices depend on it: quality, size, resolution."""
    provider_usd: Decimal | None = None
    """What the provider itself says it charged."""
    cut_off: bool = False
    """True where the call ended before its usage was told."""

    def texts(self) -> Iterator[str]:
        """Return what a person or program may have written anything into."""
        for share in self.shares:
            yield from share.models
        yield from self.attributes.values()
        if self.tier:
            yield self.tier
