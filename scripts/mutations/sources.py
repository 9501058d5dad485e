"""What is mutated: the samples of tests/wire, and the recordings beside the checkout where they are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from llmitm.calls import Exchange
from llmitm.exchanges import Fault, read
from llmitm.providers import hosts
from llmitm.providers.hosts import HostTable, ProviderEntry
from mutations import frames, heads, plain, shapes
from mutations.draft import Draft
from providers import samples

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
_FAMILIES = ("anthropic", "gemini", "openai")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_FEW = 0.6
"""How many inputs have one mutation only; the others have up to four."""
_MUTATIONS = (
    plain.MUTATIONS,
    heads.MUTATIONS,
    shapes.MUTATIONS,
    shapes.MUTATIONS,
    frames.MUTATIONS,
)


@dataclass(frozen=True)
class Source:
    """An exchange, with the name that it has in reports."""

    name: str
    exchange: Exchange

    def mutated(self, seed: int, number: int) -> Exchange:
        """Return the mutation of that number; the same for the same seed."""
        name = f"{self.name}#{number}"
        random = Random(f"{seed} {name}")
        draft = Draft(self.exchange)
        for _ in range(1 if random.random() < _FEW else random.randrange(2, 5)):
            random.choice(random.choice(_MUTATIONS))(draft, random)
        return draft.exchange(name, random)


def of_samples() -> list[Source]:
    """Return the samples of tests/wire."""
    return [
        Source(f"samples/{case.parent.name}/{case.name}", samples.exchange(case))
        for case in samples.cases()
    ]


def of_recordings(folder: Path) -> list[Source]:
    """Return the recordings of a folder; none where it has none."""
    return [source for path in sorted(folder.glob("*.jsonl")) for source in _recorded(path)]


def _recorded(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        for number, exchange in enumerate(read(file, path.stem, 0.0), 1):
            if not isinstance(exchange, Fault):
                yield Source(f"{path.stem}/{number}", exchange)


def table(sources: Iterable[Source]) -> HostTable:
    """Return the table of hosts, with those of the sources that are not in it."""
    known = hosts.load()
    unknown = {
        f"{exchange.host}:{exchange.port}"
        for exchange in (source.exchange for source in sources)
        if known.find(exchange.host, exchange.port) is None and _HOST.fullmatch(exchange.host)
    }
    if not unknown:
        return known
    entry = ProviderEntry(name="unknown", hosts=tuple(sorted(unknown)), dialects=_FAMILIES)
    return hosts.load([entry])
