"""The price table: finds the block that holds for a call and works out what the call costs.

Files are read when their provider is first asked for; what a name means is looked up once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from llmitm_pricing.bill import Bill
from llmitm_pricing.blocks import Block
from llmitm_pricing.catalogue import Catalogue, Found
from llmitm_pricing.conditions import Context
from llmitm_pricing.cost import Cost, Unpriced
from llmitm_pricing.files import DATA, PriceFileError
from llmitm_pricing.folder import Broken, Folder
from llmitm_pricing.names import glob
from llmitm_pricing.schema import Modifier, PriceFile
from llmitm_pricing.units import Leaves, Quantity

_ZERO = Decimal(0)
_PLAIN_TIERS = frozenset({"default", "standard", "auto", "on_demand", "standard_only"})
"""The names that providers give to having no tier; the block's own prices hold."""
_TOO_MANY = 10**15
"""No call has so many of anything; up to here products are exact."""
_KNOWN_MODELS = 10_000
"""Names remembered. A client that makes names up must not fill the memory."""


class PricedModel:
    """A model of one file, with its blocks in the order of time."""

    def __init__(self, found: Found) -> None:
        self.file = found.source.file
        self.entry = found.model
        self._found = found
        self._floor = datetime.min.replace(tzinfo=UTC)

    @cached_property
    def notes(self) -> Sequence[str]:
        """What is odd about the name by which it was found."""
        if self._found.rival is None:
            return ()
        return [f"the name fits {self._found.rival.id!r} as well as {self.entry.id!r}"]

    @cached_property
    def modifiers(self) -> Sequence[Modifier]:
        """The modifiers that name this model: those of its file and of the files above."""
        return [
            modifier
            for modifier in (*self.file.modifier, *self._found.above.modifiers)
            if any(glob(name).fullmatch(self.entry.id) for name in modifier.models)
        ]

    @property
    def fees_above(self) -> Mapping[str, Decimal]:
        """Fees of the files above the model's own, which go before those of its file and its prices."""
        return self._found.above.fee

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """The dated blocks, oldest first."""
        return [Block(self._found, price, self.modifiers) for price in self.entry.price]

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


class PriceTable:
    """Prices of LLM calls; safe to share between threads, and the same for as long as it is held."""

    def __init__(self, shipped: Folder, own: Folder | None = None) -> None:
        self._shipped = shipped
        self._own = own
        below = Catalogue(shipped)
        self._catalogue = Catalogue(own, below) if own else below
        self._found: dict[tuple[str, str], PricedModel | None] = {}

    @classmethod
    def load(cls, folder: Path | None = None, *, own: Path | None = None) -> PriceTable:
        """Return the table in a folder, by default the one that comes with this library.

        `own` is a folder of the user's files in the same form, which go before the table's.
        Nothing is read yet; a file that is wrong shows when its provider is first asked for, or in `check`.

        Raises:
            PriceFileError: The folder has no price files.

        """
        table = cls(Folder(folder or DATA), Folder(own) if own else None)
        if not table.providers():
            raise PriceFileError(f"{folder or DATA}: there are no price files (*.toml) here")
        return table

    def check(self) -> None:
        """Read every file and see whether what it speaks of is there.

        Raises:
            PriceFileError: One of them is wrong.

        """
        self._catalogue.check()

    def changed(self) -> bool:
        """Return whether the user's files are other ones than when this table was made."""
        return self._own is not None and self._own.changed()

    def reloaded(self) -> PriceTable:
        """Return the table with the user's files as they are now, all of them read.

        One that is wrong is in `broken`; what it said before, if it was right then, stays in force.
        """
        if self._own is None:
            return self
        own = self._own.read_again()
        table = PriceTable(self._shipped, own)
        # A file that is taken out of force may be what another one speaks of.
        while table._refuse_what_leads_nowhere(own):
            table = PriceTable(self._shipped, own)
        return table

    @property
    def broken(self) -> Mapping[Path, Broken]:
        """The user's files that were wrong when this table was made by `reloaded`."""
        return self._own.broken if self._own else {}

    def providers(self) -> Sequence[str]:
        """Return the names of the providers that have a file."""
        return self._catalogue.providers

    def files(self, provider: str) -> Sequence[PriceFile]:
        """Return the price files of a provider, the user's own first."""
        return [names.source.file for names in self._catalogue.provider(provider).files]

    def find(self, model: str, provider: str) -> PricedModel | None:
        """Return what a provider's name for a model means, None where it is not known."""
        key = (provider, model)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _KNOWN_MODELS:
                self._found.clear()
            found = self._catalogue.find(model, provider)
            priced = self._found[key] = PricedModel(found) if found else None
            return priced

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
        prompt: int | None = None,
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
            prompt: Tokens of the prompt that a long-context price goes by, where `usage` is the sum of many
                requests; by default all of the input.

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
        attributes = attributes or {}
        context = {
            **attributes,
            "tier": tier,
            "inference_geo": geo,
            "host": host,
            "path": path,
            "speed": speed,
        }
        if paid_otherwise := self._by_plan(provider, context):
            return paid_otherwise
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
        leaves = Leaves(usage)
        rates = block.rates(context, leaves.prompt if prompt is None else Decimal(prompt), at)
        bill = Bill([*found.notes, *leaves.notes])
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

    def _by_plan(self, provider: str, context: Context) -> Cost | Unpriced | None:
        """Return what is known of a call that is not paid for by its use, None where it is."""
        plan = self._catalogue.provider(provider).plan(context)
        if plan is None:
            return None
        if plan.free:
            return Cost(_ZERO, f"{provider}/plan", notes=(plan.free,))
        return Unpriced(str(plan.unpriced))

    def _refuse_what_leads_nowhere(self, own: Folder) -> bool:
        """Take the user's files that speak of what is not there out of force; return whether there were any."""
        found = False
        for provider in own.providers:
            names = None if own.is_broken(provider) else own.names(provider)
            if names is None:
                continue
            try:
                faults = list(self._catalogue.faults(names))
            except PriceFileError:
                continue  # another file is wrong, and is told of
            if faults:
                own.refuse(provider, str(names.source.error(faults)))
                found = True
        return found
