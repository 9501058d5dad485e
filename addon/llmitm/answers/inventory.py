"""What is in the answers' file, for whoever looks at it from outside the proxy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from llmitm.answers import file
from llmitm.errors import StoreError

_COLUMNS = "call_id, provider, operation, model, saved_at, expires_at, hits, size"


class Totals(NamedTuple):
    """The file in numbers."""

    answers: int = 0
    expired: int = 0
    hits: int = 0
    """How often one of the answers that are there was given again."""
    size: int = 0
    """Bytes that the answers take, which is what is bounded."""
    file_size: int = 0


class Entry(NamedTuple):
    """One answer."""

    call_id: str
    provider: str
    operation: str
    model: str | None
    saved_at: float
    expires_at: float
    hits: int
    size: int


def totals(path: Path, now: float) -> Totals:
    """Return how much there is. Raises `StoreError`."""
    with _reading(path) as connection:
        if connection is None:
            return Totals()
        row = connection.execute(
            "SELECT count(*), coalesce(sum(expires_at <= ?), 0), coalesce(sum(hits), 0),"
            " coalesce(sum(size), 0) FROM answers",
            (now,),
        ).fetchone()
    return Totals(*row)._replace(file_size=path.stat().st_size)


def newest(path: Path, number: int) -> list[Entry]:
    """Return the answers that were saved last, the newest first. Raises `StoreError`."""
    with _reading(path) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM answers ORDER BY saved_at DESC, id DESC LIMIT ?",
            (number,),
        ).fetchall()
    return [Entry(*row) for row in rows]


def most_given(path: Path, number: int) -> list[Entry]:
    """Return the answers that were given again most often. Raises `StoreError`."""
    with _reading(path) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM answers WHERE hits > 0 ORDER BY hits DESC, id DESC LIMIT ?",
            (number,),
        ).fetchall()
    return [Entry(*row) for row in rows]


def ages(path: Path, now: float, most: Sequence[float]) -> list[int]:
    """Return how many answers are no older than each of some ages (seconds) but older than the one before.

    The last number is of those that are older than all. Raises `StoreError`.
    """
    with _reading(path) as connection:
        if connection is None:
            return [0] * (len(most) + 1)
        counts = [
            connection.execute(
                "SELECT count(*) FROM answers WHERE saved_at >= ?", (now - age,)
            ).fetchone()[0]
            for age in most
        ]
        (every,) = connection.execute("SELECT count(*) FROM answers").fetchone()
    sums = [0, *counts, every]
    return [after - before for before, after in pairwise(sums)]


def clear(path: Path, *, expired_at: float | None = None) -> int:
    """Take away all answers, or those that have expired by then; return how many. Raises `StoreError`."""
    if not path.exists():
        return 0
    try:
        with closing(file.open_writable(path)) as connection:
            where = "" if expired_at is None else " WHERE expires_at <= ?"
            given = () if expired_at is None else (expired_at,)
            gone = connection.execute(f"DELETE FROM answers{where}", given).rowcount
            connection.execute("VACUUM")
            return gone
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    try:
        connection = file.open_readable(path)
        if connection is None:
            yield None
            return
        with closing(connection):
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
