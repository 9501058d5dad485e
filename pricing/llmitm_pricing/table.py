"""The price table: finds the block that holds for a call and works out what the call costs.

Files are read when their provider is first asked for; what a name means is looked up once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

from llmitm_pricing.bill import Bill
from llmitm_pricing.blocks import Block
from llmitm_pricing.cost import Cost, Unpriced
from llmitm_pricing.files import DATA, PriceFileError, read
from llmitm_pricing.names import Names, glob
from llmitm_pricing.schema import Model, Modifier, PriceFile
from llmitm_pricing.units import Leaves, Quantity

_ZERO = Decimal(0)
_PLAIN_TIERS = frozenset({"default", "standard", "auto", "on_demand", "standard_only"})
"""The names that providers give to having no tier; the block's own prices hold."""
_LIKENESS = 3
"""How far `like` is followed, so that two files that are like each other end."""
_TOO_MANY = 10**15
"""No call has so many of anything; up to here products are exact."""
_KNOWN_MODELS = 10_000
"""Names remembered. A client that makes names up must not fill the memory."""


class PricedModel:
    """A model of one file, with its blocks in the order of time."""

    def __init__(self, file: PriceFile, model: Model, modifiers: Sequence[Modifier] = ()) -> None:
        self.file = file
        self.entry = model
        self._modifiers = (*file.modifier, *modifiers)
        self._floor = datetime.min.replace(tzinfo=UTC)

    @cached_property
    def modifiers(self) -> Sequence[Modifier]:
        """The modifiers that name this model."""
        return [
            modifier
            for modifier in self._modifiers
            if any(glob(name).fullmatch(self.entry.id) for name in modifier.models)
        ]

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """The dated blocks, oldest first."""
        return [Block(self.file, self.entry, price, self.modifiers) for price in self.entry.price]

    @cached_property
    def _starts(self) -> Sequence[datetime]:
        return [block.starts or self._floor for block in self.blocks]

    def block(self, at: datetime) -> Block | None:
        """Return the block that holds at a moment, None where there is none."""
        number = bisect_right(self._starts, at) - 1
        if number < 0:
            return None
        block = self.blocks[number]
        return block if block.until is None or at < block.until else None


class _Provider(NamedTuple):
    """A price file, read."""

    file: PriceFile
    names: Names


class PriceTable:
    """Prices of LLM calls; safe to share between threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._paths: dict[str, list[Path]] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.toml")):
                self._paths.setdefault(path.stem, []).append(path)
        self._providers: dict[str, list[_Provider]] = {}
        self._found: dict[tuple[str, str], PricedModel | None] = {}

    @classmethod
    def load(cls, folder: Path | None = None, *, own: Path | None = None) -> PriceTable:
        """Return the table in a folder, by default the one that comes with this library.

        `own` is a folder of the user's files in the same form: a model found there goes before the table's.
        Nothing is read yet; a file that is wrong shows when its provider is first asked for, or in `check`.

        Raises:
            PriceFileError: The folder has no price files.

        """
        folder = folder or DATA
        table = cls([own, folder] if own else [folder])
        if not table._paths:
            raise PriceFileError(f"{folder}: there are no price files (*.toml) here")
        return table

    def check(self) -> None:
        """Read every file.

        Raises:
            PriceFileError: One of them is wrong.

        """
        for provider in self.providers():
            self.files(provider)

    def providers(self) -> Sequence[str]:
        """Return the names of the providers that have a file."""
        return sorted(self._paths)

    def files(self, provider: str) -> Sequence[PriceFile]:
        """Return the price files of a provider, the user's own first."""
        return [entry.file for entry in self._load(provider)]

    def find(self, model: str, provider: str) -> PricedModel | None:
        """Return what a provider's name for a model means, None where it is not known."""
        key = (provider, model)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _KNOWN_MODELS:
                self._found.clear()
            found = self._found[key] = self._search(model, provider)
            return found

    def price(
        self,
        usage: Mapping[str, Quantity],
        *,
        model: str,
        provider: str,
        at: datetime,
        tier: str | None = None,
        geo: str | None = None,
        host: str | None = None,
        path: str | None = None,
        speed: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Cost | Unpriced:
        """Work out what a call costs.

        Args:
            usage: Quantities by the names in `units`; totals contain their details.
            model: As on the wire.
            provider: The name of its price file.
            at: When, with its offset.
            tier: The service tier that was served.
            geo: Where it was inferred, as the provider says.
            host: The host that was called.
            path: The path that was called.
            speed: Anthropic's `speed`.
            attributes: What was asked for, where prices depend on it: quality, size, ...

        Raises:
            ValueError: `at` has no offset.
            PriceFileError: The provider's price file is wrong.

        """
        if at.tzinfo is not UTC:
            if at.tzinfo is None:
                raise ValueError("`at` needs an offset")
            at = at.astimezone(UTC)
        # Written so that a NaN, which JSON parsers let through, fails it as well.
        if odd := [unit for unit, quantity in usage.items() if not 0 <= quantity < _TOO_MANY]:
            return Unpriced(f"the usage cannot be: {odd[0]} is {usage[odd[0]]}")
        found = self.find(model, provider)
        if found is None:
            return Unpriced(f"no price for model {model!r} of provider {provider!r}")
        block = found.block(at)
        if block is None:
            return Unpriced(
                f"no price for model {model!r} of provider {provider!r} on {at:%Y-%m-%d}"
            )
        if block.free:
            return Cost(_ZERO, block.id, notes=(block.free,))
        attributes = attributes or {}
        context = {
            **attributes,
            "tier": tier,
            "inference_geo": geo,
            "host": host,
            "path": path,
            "speed": speed,
        }
        leaves = Leaves(usage)
        rates = block.rates(context, leaves.prompt, at)
        bill = Bill(leaves.notes)
        reason = (
            bill.tokens(leaves.counts, rates, usage)
            or bill.fees(usage, rates, block.left_out)
            or bill.items(usage, rates, attributes)
            or bill.nothing(rates)
        )
        if reason:
            return Unpriced(reason)
        if tier and tier not in _PLAIN_TIERS and tier not in block.tiers:
            bill.notes.append(f"the tier {tier!r} has no price of its own here: standard prices")
        return bill.cost(block.id)

    def _load(self, provider: str) -> Sequence[_Provider]:
        loaded = self._providers.get(provider)
        if loaded is None:
            files = [(path, read(path)) for path in self._paths.get(provider, ())]
            loaded = [_Provider(file, Names(file, path)) for path, file in files]
            self._providers[provider] = loaded
        return loaded

    def _search(
        self, name: str, provider: str, modifiers: tuple[Modifier, ...] = (), depth: int = 0
    ) -> PricedModel | None:
        """Look into a provider's files, then into those that it says it is like, whose modifiers add up."""
        loaded = self._load(provider)
        for file, names in loaded:
            if model := names.find(name):
                return PricedModel(file, model, modifiers)
        if depth < _LIKENESS:
            for file, names in loaded:
                for other, spelling in product(file.like, names.spellings(name)):
                    more = (*modifiers, *file.modifier)
                    if found := self._search(spelling, other, more, depth + 1):
                        return found
        return None
