"""Where a model is looked for: in the user's own file of a provider, in the table's, then in those that it is like.

What stands above goes before what is below and is never changed by it: an own file's factors and fees hold for the
table's models, the table's do not touch an own model. And a file of the table is like files of the table: what a
user pays to one provider says nothing of what another takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from llmitm_pricing.conditions import Condition, Context
from llmitm_pricing.files import Fault, Source
from llmitm_pricing.folder import Folder
from llmitm_pricing.names import Names, glob
from llmitm_pricing.schema import Model, Modifier, Plan, PriceFile


class Layers(NamedTuple):
    """What the files above a model's own say of all models below them."""

    modifiers: tuple[Modifier, ...] = ()
    fee: Mapping[str, Decimal] = {}
    """Fees of the files above, which go before those of the model."""
    left_out: Mapping[str, str] = {}

    def over(self, file: PriceFile) -> Layers:
        """Return what holds below a file."""
        return Layers(
            (*file.modifier, *self.modifiers),
            {**file.fee, **self.fee},
            {**file.left_out, **self.left_out},
        )


_NOTHING = Layers()
type _Kin = tuple[Catalogue, str]
"""A provider, and the files in which it is looked for."""


class Found(NamedTuple):
    """A model, and what the files above its own say."""

    source: Source
    model: Model
    above: Layers
    rival: Model | None = None
    """Another one that the name fits as well."""


class Provider:
    """What is known of one provider, the user's own file first."""

    def __init__(self, files: Sequence[Names]) -> None:
        self.files = files
        entries = [names.source.file for names in files]
        self._strip = [glob(prefix, star="[^/]*") for file in entries for prefix in file.strip]
        self._endings = [ending.casefold() for file in entries for ending in file.endings]
        self._plans = [(Condition(plan.when), plan) for file in entries for plan in file.plan]

    def plan(self, context: Context) -> Plan | None:
        """Return how a call is paid for, None where it is by what it used."""
        return next((plan for condition, plan in self._plans if condition.holds(context)), None)

    def spellings(self, name: str) -> Iterable[str]:
        """Return a name as it is, then without the prefixes and endings that the files take off."""
        yield name
        for prefix in self._strip:
            if (found := prefix.match(name)) and 0 < found.end() < len(name):
                yield from self.spellings(name[found.end() :])
        for ending in self._endings:
            if name.casefold().endswith(ending) and len(name) > len(ending):
                yield from self.spellings(name[: -len(ending)])


class Catalogue:
    """The files of a folder over those of another: an own file knows the table's, and not the other way round."""

    def __init__(self, folder: Folder, below: Catalogue | None = None) -> None:
        self._folder = folder
        self._below = below
        self._providers: dict[str, Provider] = {}

    @property
    def providers(self) -> Sequence[str]:
        """The providers that have a file."""
        below = self._below.providers if self._below else ()
        return sorted({*self._folder.providers, *below})

    def provider(self, name: str) -> Provider:
        """Return what is known of a provider.

        Raises:
            PriceFileError: One of its files is wrong.

        """
        provider = self._providers.get(name)
        if provider is None:
            own = self._folder.names(name)
            below = self._below.provider(name).files if self._below else ()
            provider = self._providers[name] = Provider([*([own] if own else ()), *below])
        return provider

    def find(self, name: str, provider: str) -> Found | None:
        """Return what a name means, None where it is not known.

        Raises:
            PriceFileError: A file is wrong, or the name is an alias that leads nowhere.

        """
        return self._find(name, provider, _NOTHING, ())

    def check(self) -> None:
        """Read every file and see whether what it speaks of is there.

        Raises:
            PriceFileError: One of them is wrong.

        """
        for provider in self._folder.providers:
            names = self._folder.names(provider)
            if names and (faults := list(self.faults(names))):
                raise names.source.error(faults)
        if self._below:
            self._below.check()

    def faults(self, names: Names) -> Iterator[Fault]:
        """Return where a file of the upper folder speaks of what is in no file."""
        file = names.source.file
        for number, other in enumerate(file.like):
            if not self.provider(other).files:
                yield ("like", number), f"there is no price file of {other!r}"
            elif (self, file.provider) in ((self, other), *self._kin(other)):
                yield ("like", number), f"{other!r} leads back to {file.provider!r}"
        for name, target in file.alias.items():
            behind = self._behind(target, file.provider, 0)
            if isinstance(behind, str):
                yield ("alias", name), behind
        known = {
            model.id.casefold()
            for catalogue, provider in ((self, file.provider), *self._kin(file.provider))
            for each in catalogue.provider(provider).files
            for model in each.source.file.model
        }
        for number, modifier in enumerate(file.modifier):
            for place, model_id in enumerate(modifier.models):
                if "*" not in model_id and model_id.casefold() not in known:
                    yield ("modifier", number, "models", place), f"no model has the id {model_id!r}"

    def _find(
        self, name: str, provider: str, above: Layers, way: tuple[_Kin, ...], aliases: int = 0
    ) -> Found | None:
        """Look into a provider's files, then into those that it is like.

        `way` is how the search came here. An alias leads to a model or to an alias further down, so the search for
        what is behind one has `aliases` begin below it.
        """
        entry = self.provider(provider)
        layers = above
        for level, names in enumerate(entry.files):
            for spelling in entry.spellings(name):
                if level >= aliases and (alias := names.aliases.get(spelling.casefold())):
                    written, target = alias
                    behind = self._behind(target, provider, level, above, way)
                    if isinstance(behind, str):
                        raise names.source.error([(("alias", written), behind)])
                    return behind
                if models := names.find(spelling):
                    return Found(names.source, models[0], layers, *models[1:2])
            layers = layers.over(names.source.file)
        way = (*way, (self, provider))
        for kin, spelling in product(self._like(provider), entry.spellings(name)):
            catalogue, other = kin
            if kin not in way and (found := catalogue._find(spelling, other, layers, way)):
                return found
        return None

    def _behind(
        self,
        target: str,
        provider: str,
        level: int,
        above: Layers = _NOTHING,
        way: tuple[_Kin, ...] = (),
    ) -> Found | str:
        """Return what an alias of the file at `level` leads to, or why it leads nowhere."""
        found = self._find(target, provider, above, way, level + 1)
        if found is None:
            return f"no model is called {target!r}"
        if found.rival:
            both = " and ".join(map(found.source.tell, (found.model, found.rival)))
            return f"{target!r} fits two models, {both}"
        return found

    def _like(self, provider: str) -> Sequence[_Kin]:
        """Return whom a provider is like, as each of its files sees them."""
        names = self._folder.names(provider)
        here: list[_Kin] = [(self, other) for other in names.source.file.like] if names else []
        return [*here, *(self._below._like(provider) if self._below else ())]

    def _kin(self, provider: str) -> Sequence[_Kin]:
        """Return whom a provider is like, and whom they are like."""
        kin = [*self._like(provider)]
        for catalogue, other in kin:  # which grows meanwhile
            kin += [each for each in catalogue._like(other) if each not in kin]
        return kin
