"""Trees in a table: what is below is set in, with lines on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Branch:
    """A row, and the rows below it."""

    name: str
    cells: Sequence[str] = ()
    below: list[Branch] = field(default_factory=list)


def rows(
    branches: Sequence[Branch], before: str = "", *, top: bool = True
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a tree, each with its name set in."""
    drawn = sys.stdout.isatty()
    for number, branch in enumerate(branches, 1):
        last = number == len(branches)
        mark, more = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if not drawn:
            mark = more = "  "
        yield f"{before}{'' if top else mark}{branch.name}", *branch.cells
        yield from rows(branch.below, before + ("" if top else more), top=False)
