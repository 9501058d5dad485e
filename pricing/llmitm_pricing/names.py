"""Which model of a file a name means: exact names first, then the longest pattern, then regular expressions.

A dated snapshot that is not listed is found only where its model says so with a pattern: names that begin alike may
cost very different sums (`gpt-4o-2024-05-13` costs twice what `gpt-4o` does).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

from llmitm_pricing.files import Source
from llmitm_pricing.positions import Keys
from llmitm_pricing.schema import Model

type _Rank = tuple[bool, int, int]


def glob(pattern: str, *, star: str = ".*") -> re.Pattern[str]:
    """Compile a pattern with `*`, matching whatever the case."""
    return re.compile(star.join(re.escape(piece) for piece in pattern.split("*")), re.I | re.S)


class Names:
    """A price file with its names, all of them whatever the case.

    Raises:
        PriceFileError: Two models claim the same name or the same pattern.

    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.aliases = {
            name.casefold(): (name, target) for name, target in source.file.alias.items()
        }
        self._exact: dict[str, Model] = {}
        self._globs: dict[str, Model] = {}
        self._regexes: dict[str, Model] = {}
        for number, model in enumerate(source.file.model):
            for place, name in enumerate((model.id, *model.match)):
                keys = ("match", place - 1) if place else ("id",)
                names = self._globs if "*" in name else self._exact
                self._claim(names, name.casefold(), model, ("model", number, *keys))
            for place, pattern in enumerate(model.regex):
                self._claim(self._regexes, pattern, model, ("model", number, "regex", place))

    def find(self, name: str) -> Sequence[Model]:
        """Return the model that a name means; several where patterns of the same length match it."""
        if model := self._exact.get(name.casefold()):
            return (model,)
        for _, equals in self._patterns:
            if models := {model.id: model for pattern, model in equals if pattern.fullmatch(name)}:
                return tuple(models.values())
        return ()

    @cached_property
    def _patterns(self) -> Sequence[tuple[_Rank, Sequence[tuple[re.Pattern[str], Model]]]]:
        """The patterns by rank, the best first; made when a name is not listed."""
        ranked = [
            *((_rank(text), glob(text), model) for text, model in self._globs.items()),
            *(
                ((True, 0, 0), re.compile(text, re.I), model)
                for text, model in self._regexes.items()
            ),
        ]
        ranked.sort(key=lambda entry: entry[0])
        return [
            (rank, [entry[1:] for entry in entries])
            for rank, entries in groupby(ranked, key=lambda entry: entry[0])
        ]

    def _claim(self, names: dict[str, Model], name: str, model: Model, keys: Keys) -> None:
        other = names.setdefault(name, model)
        if other is not model:
            both = " and ".join(map(self.source.tell, (other, model)))
            told = f"the name {name!r} is claimed by two models, {both}"
            raise self.source.error([(keys, told)])


def _rank(pattern: str) -> _Rank:
    """The longest pattern goes first; of equally long ones, that with more before its first `*`."""
    return (False, -len(pattern.replace("*", "")), -pattern.index("*"))
