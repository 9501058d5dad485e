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
    "video_second",
    "character",
    "page",
    "annotated_page",
    "search_unit",
    "pixel",
    "request",
)
"""Measures of a call. One that a model has no price for costs nothing beside those that it has one for."""
ATTRIBUTES = (
    "quality",
    "size",
    "resolution",
    "audio",
    "steps",
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
_KINDS = ("audio", "image", "video")
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
        self._keep("citation", self._given("citation"))

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

    def _input(self) -> Decimal:
        total, cached = self._given("input"), self._given("cached_input")
        written = self._writes()
        kinds = {
            kind: self._given(f"{kind}_input") for kind in _KINDS if f"{kind}_input" in self._usage
        }
        if not kinds:
            self._keep("cached_input", cached)
            self._keep("input", self._rest("input", total, cached + written))
            return max(total, cached + written)
        cached_kinds = {
            kind: min(self._given(f"{kind}_cached_input"), count) for kind, count in kinds.items()
        }
        plain = {kind: count - cached_kinds[kind] for kind, count in kinds.items()}
        cached_text = self._rest("cached_input", cached, sum(cached_kinds.values(), _ZERO))
        whole_kinds = sum(kinds.values(), _ZERO)
        excess = cached_text + written + whole_kinds - total
        for kind in kinds:
            # Some providers say how much was cached but not of which kind. Where text alone cannot account for
            # it, the rest of the cached part was audio, images or video.
            moved = min(excess, plain[kind], cached_text)
            if moved > 0:
                plain[kind] -= moved
                cached_kinds[kind] += moved
                cached_text -= moved
                excess -= moved
        for kind in kinds:
            self._keep(f"{kind}_input", plain[kind])
            self._keep(f"{kind}_cached_input", cached_kinds[kind])
        self._keep("cached_input", cached_text)
        named = cached_text + written + whole_kinds
        self._keep("input", self._rest("input", total, named))
        return max(total, named)

    def _writes(self) -> Decimal:
        total = self._given("cache_write")
        named = _ZERO
        for unit in _WRITES:
            if unit in self._usage:
                count = self._given(unit)
                self._keep(unit, count)
                named += count
        self._keep("cache_write", self._rest("cache_write", total, named) if named else total)
        return max(total, named)

    def _output(self) -> None:
        named = _ZERO
        for unit in _OUTPUTS:
            if unit in self._usage:
                count = self._given(unit)
                self._keep(unit, count)
                named += count
        total = self._given("output")
        self._keep("output", self._rest("output", total, named) if named else total)
