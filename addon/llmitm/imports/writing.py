"""Write imported calls into the log: read, priced and redacted as those that the proxy logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal

from llmitm.calls import Exchange, Finished
from llmitm.exchanges import Fault
from llmitm.home import Home
from llmitm.imports.known import unknown
from llmitm.providers import hosts
from llmitm.readers import reader
from llmitm.settings import Settings
from llmitm.store.writer import Writer

_CALLS_A_STEP = 500


@dataclass(slots=True)
class Result:
    """What became of what was read."""

    added: int = 0
    known: int = 0
    """In the log already."""
    unpriced: int = 0
    usd: Decimal = Decimal(0)
    faults: list[Fault] = field(default_factory=list)


def write(
    home: Home,
    settings: Settings,
    items: Iterable[Exchange | Fault],
    done: Callable[[int], None] | None = None,
) -> Result:
    """Write the calls that the log does not have yet. Raises `StoreError`, `sqlite3.Error`, `OSError`."""
    home.create()
    table = hosts.load(settings.provider)
    read = reader(home, settings.log, table, keep_bodies=settings.log.bodies).read
    result = Result()
    with closing(Writer(home.database)) as writer:
        batch: list[Finished] = []

        def flush() -> None:
            new = unknown(writer.db.conn, batch)
            if new:
                writer.write(new)
            result.added += len(new)
            result.known += len(batch) - len(new)
            for call in new:
                result.unpriced += call.charge.usd is None
                result.usd += call.charge.usd or 0
            batch.clear()

        for item in items:
            if isinstance(item, Fault):
                result.faults.append(item)
            else:
                batch.append(read(item))
            if done is not None:
                done(1)
            if len(batch) >= _CALLS_A_STEP:
                flush()
        flush()
        while writer.tidy():  # so that what was said can be searched
            pass
    return result
