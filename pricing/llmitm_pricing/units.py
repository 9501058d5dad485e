"""The units of usage: which counts are part of which, and what is left of each when they are taken apart.

A provider's totals contain their details: `input` contains the cached part, `output` the reasoning. Prices are
for the leaves. No leaf is ever negative, and the leaves of consistent counts add up to their totals.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

Quantity = int | float | Decimal

TOKEN_UNITS = (
    "input",
    "cached_input",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_12h",
    "audio_input",
    "image_input",
    "video_input",
    "audio_cached_input",
    "image_cached_input",
    "video_cached_input",
    "output",
    "reasoning",
    "audio_output",
    "image_output",
    "video_output",
    "citation",
    "training",
)
FEE_UNITS = (
    "web_search",
    "web_search_preview",
    "web_fetch",
    "file_search",
    "code_execution",
    "x_search",
    "maps_grounding",
    "image_generation",
)
"""What a provider's own tools did, priced per thousand."""
ITEM_UNITS = (
    "image",
    "input_image",
    "audio_second",
    "output_audio_second",
    "video",
    "video_second",
    "character",
    "page",
    "annotated_page",
    "search_unit",
    "pixel",
    "step",
    "compute_second",
    "credit",
    "billable_unit",
    "request",
)
"""Measures of a call. One that a model has no price for costs nothing beside those that it has one for."""
ATTRIBUTES = (
    "quality",
    "size",
    "resolution",
    "audio",
    "steps",
    "duration",
    "mode",
    "variant",
    "language",
    "search_context_size",
    "region",
)
"""What a price may depend on beside tier, geography, speed, host and path."""

FALLBACK: Mapping[str, tuple[str, ...]] = {
    "cached_input": ("input",),
    # A write whose lifetime is not named has the provider's default one, which is the short one.
    "cache_write": ("cache_write_5m", "input"),
    "cache_write_5m": ("cache_write", "input"),
    "cache_write_1h": ("cache_write", "cache_write_5m", "input"),
    "cache_write_12h": ("cache_write", "cache_write_5m", "input"),
    "audio_input": ("input",),
    "image_input": ("input",),
    "video_input": ("input",),
    "audio_cached_input": ("cached_input", "audio_input", "input"),
    "image_cached_input": ("cached_input", "image_input", "input"),
    "video_cached_input": ("cached_input", "video_input", "input"),
    "reasoning": ("output",),
    "audio_output": ("output",),
    "image_output": ("output",),
    "video_output": ("output",),
}
"""Whose price a unit takes, in this order, where the table gives it none of its own."""

_ZERO = Decimal(0)
_KINDS = (
    ("audio_input", "audio_cached_input"),
    ("image_input", "image_cached_input"),
    ("video_input", "video_cached_input"),
)
_KIND_UNITS = tuple(unit for pair in _KINDS for unit in pair)
_WRITES = ("cache_write_5m", "cache_write_1h", "cache_write_12h")
_OUTPUTS = ("reasoning", "audio_output", "image_output", "video_output")


def exact(quantity: Quantity) -> Decimal:
    """Return a quantity as a decimal, a float as it is written."""
    if isinstance(quantity, Decimal):
        return quantity
    return Decimal(quantity) if isinstance(quantity, int) else Decimal(repr(quantity))


class Leaves:
    """Token counts taken apart, each token in exactly one unit.

    Attributes:
        counts: tokens by unit, zeros left out.
        prompt: tokens of the whole prompt, which is what a long-context price goes by.
        notes: which counts contradicted each other, and so were cut at zero.

    """

    __slots__ = ("_usage", "counts", "notes", "prompt")

    def __init__(self, usage: Mapping[str, Quantity]) -> None:
        self._usage = usage
        self.counts: dict[str, Decimal] = {}
        self.notes: list[str] = []
        self.prompt = self._input()
        self._output()
        for unit in ("citation", "training"):
            self._keep(unit, self._given(unit))

    def _given(self, unit: str) -> Decimal:
        quantity = self._usage.get(unit)
        return exact(quantity) if quantity else _ZERO

    def _keep(self, unit: str, count: Decimal) -> None:
        if count:
            self.counts[unit] = count

    def _rest(self, whole: str, total: Decimal, named: Decimal) -> Decimal:
        """Return what the details of a total leave of it, at least zero."""
        rest = total - named
        if rest >= 0:
            return rest
        if whole in self._usage:
            self.notes.append(
                f"the parts of {whole} come to {named}, more than the {total} reported"
            )
        return _ZERO

    def _details(self, units: tuple[str, ...]) -> dict[str, Decimal]:
        usage = self._usage
        return {unit: exact(usage[unit]) for unit in units if unit in usage}

    def _input(self) -> Decimal:
        total, cached = self._given("input"), self._given("cached_input")
        writes = self._details(_WRITES)
        named_writes = sum(writes.values(), _ZERO)
        all_writes = max(self._given("cache_write"), named_writes)
        kinds = self._kinds(total, cached, all_writes)
        cached = self._rest("cached_input", cached, sum(kinds[1::2], _ZERO))
        named = cached + all_writes + sum(kinds, _ZERO)
        self._keep("input", self._rest("input", total, named))
        self._keep("cached_input", cached)
        self._keep("cache_write", all_writes - named_writes)
        for unit, count in writes.items():
            self._keep(unit, count)
        for unit, count in zip(_KIND_UNITS, kinds, strict=False):
            self._keep(unit, count)
        return max(total, named)

    def _kinds(self, total: Decimal, cached: Decimal, written: Decimal) -> list[Decimal]:
        """Return what is not text: of each kind the part that was read anew, then the cached part."""
        if not any(unit in self._usage for unit, _ in _KINDS):
            return []
        whole = [self._given(unit) for unit, _ in _KINDS]
        parts = [
            min(self._given(unit), count) for (_, unit), count in zip(_KINDS, whole, strict=True)
        ]
        cached_text = max(_ZERO, cached - sum(parts, _ZERO))
        excess = cached_text + written + sum(whole, _ZERO) - total
        for number, count in enumerate(whole):
            # Some providers say how much was cached but not of which kind. Where text alone cannot account for
            # it, the rest of the cached part was audio, images or video.
            moved = min(excess, count - parts[number], cached_text)
            if moved > 0:
                parts[number] += moved
                cached_text -= moved
                excess -= moved
        return [
            count
            for all_of_it, part in zip(whole, parts, strict=True)
            for count in (all_of_it - part, part)
        ]

    def _output(self) -> None:
        total = self._given("output")
        details = self._details(_OUTPUTS)
        self._keep("output", self._rest("output", total, sum(details.values(), _ZERO)))
        for unit, count in details.items():
            self._keep(unit, count)
