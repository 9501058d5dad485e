"""Say a thing once: a warning that every call would repeat is logged the first time only."""

from __future__ import annotations

import logging
from collections.abc import Iterable

log = logging.getLogger("llmitm")

_MOST = 1_000
"""Different notes; beyond it nothing is logged, for then it is the values that differ, not the faults."""


class Warned:
    """Log each different note once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def warn(self, notes: Iterable[str]) -> None:
        """Log those that are new."""
        for note in notes:
            if note not in self._said and len(self._said) < _MOST:
                self._said.add(note)
                log.warning("llmitm: %s", note)
