"""Programs that were ever seen, out of the roll-up of days."""

from __future__ import annotations

from typing import NamedTuple

from llmitm.store.reader import Reader
from llmitm.store.rollups import DAY_MS


class Client(NamedTuple):
    """A program with its version, as it calls itself. Times are milliseconds since the epoch."""

    name: str
    calls: int
    errors: int
    providers: str
    first_day: int
    last_day: int


def clients(log: Reader, most: int) -> list[Client]:
    """Return the programs that were seen last."""
    rows = log.connection.execute(
        "SELECT value, sum(calls), sum(errors), group_concat(DISTINCT provider), min(day), max(day) FROM days"
        " WHERE dimension = 'client' AND value != '' GROUP BY value ORDER BY max(day) DESC, sum(calls) DESC LIMIT ?",
        (most,),
    )
    return [
        Client(
            name,
            calls,
            errors,
            ", ".join(sorted(providers.split(","))),
            first * DAY_MS,
            last * DAY_MS,
        )
        for name, calls, errors, providers, first, last in rows
    ]
