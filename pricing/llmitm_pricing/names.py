"""Which model a name means: exact names first, then the longest pattern, then regular expressions.

A dated snapshot that is not listed is found only where its model says so with a pattern: names that begin alike may
cost very different sums (`gpt-4o-2024-05-13` costs twice what `gpt-4o` does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from llmitm_pricing.files import PriceFileError
from llmitm_pricing.schema import Model, PriceFile


def glob(pattern: str, *, star: str = ".*") -> re.Pattern[str]:
    """Compile a pattern with `*`, matching whatever the case."""
    return re.compile(star.join(re.escape(piece) for piece in pattern.split("*")), re.I | re.S)


class Names:
    """The names of one price file.

    Raises:
        PriceFileError: Two models claim the same name, or an alias leads nowhere.

    """

    def __init__(self, file: PriceFile, path: Path) -> None:
        self._path = path
        self._exact: dict[str, Model] = {}
        self._globs: dict[str, Model] = {}
        self._regexes: dict[str, Model] = {}
        self._strip = [glob(prefix, star="[^/]*") for prefix in file.strip]
        for model in file.model:
            for name in dict.fromkeys(name.casefold() for name in (model.id, *model.match)):
                self._claim(self._globs if "*" in name else self._exact, name, model)
            for pattern in model.regex:
                self._claim(self._regexes, pattern, model)
        ranked = sorted(self._globs.items(), key=lambda entry: -len(entry[0].replace("*", "")))
        self._patterns = [
            *((glob(pattern), model) for pattern, model in ranked),
            *((re.compile(pattern, re.I), model) for pattern, model in self._regexes.items()),
        ]
        self._aliases = {
            name.casefold(): self._target(name, target) for name, target in file.alias.items()
        }

    def find(self, name: str) -> Model | None:
        """Return the model that a name means, None where there is none."""
        return next(
            (
                model
                for spelling in self.spellings(name.casefold())
                if (model := self._aliases.get(spelling) or self._listed(spelling))
            ),
            None,
        )

    def spellings(self, name: str) -> Iterable[str]:
        """Return a name as it is, then without the prefixes that this file strips."""
        yield name
        for prefix in self._strip:
            if (found := prefix.match(name)) and found.end() < len(name):
                yield from self.spellings(name[found.end() :])

    def _claim(self, names: dict[str, Model], name: str, model: Model) -> None:
        other = names.setdefault(name, model)
        if other is not model:
            raise PriceFileError(
                f"{self._path}: the name {name!r} is claimed by two models, {other.id!r} and {model.id!r}"
            )

    def _target(self, name: str, target: str) -> Model:
        model = self._listed(target.casefold())
        if model is None:
            raise PriceFileError(
                f"{self._path}: alias > {name}: no model here is called {target!r}"
            )
        return model

    def _listed(self, name: str) -> Model | None:
        if model := self._exact.get(name):
            return model
        return next((model for pattern, model in self._patterns if pattern.fullmatch(name)), None)
