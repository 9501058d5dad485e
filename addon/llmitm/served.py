"""Who serves which model, as far as the price table knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from llmitm_pricing import PriceFileError, PriceTable


class ServedModels:
    """The models of the price table, by provider. Made by `read`, which takes a moment; asked at once then."""

    def __init__(self, table: PriceTable, names: Mapping[str, Sequence[str]]) -> None:
        self._table = table
        self._names = names

    @classmethod
    def read(cls, own: Path | None = None) -> ServedModels:
        """Read all price files, the user's before ours; one that is wrong is left out."""
        table = PriceTable.load(own=own)
        names: dict[str, Sequence[str]] = {}
        for provider in table.providers():
            try:
                files = table.files(provider)
            except PriceFileError:
                continue
            ids = (model.id for file in files for model in file.model)
            names[provider] = [*dict.fromkeys(name for name in ids if "*" not in name)]
        return cls(table, names)

    def knows(self, provider: str, model: str) -> bool:
        """Tell whether a provider serves a model."""
        try:
            return provider in self._names and self._table.find(model, provider) is not None
        except PriceFileError:
            return False

    def names(self, provider: str) -> Sequence[str]:
        """Return the models that a provider serves."""
        return self._names.get(provider, ())
