"""Read one input as the proxy does, and say what is wrong with what came of it."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import process_time
from types import FrameType
from typing import Any

from llmitm.calls import Exchange, Finished, Usage, header
from llmitm.home import Home
from llmitm.providers.hosts import HostTable
from llmitm.readers import reader
from llmitm.settings import LogSettings
from llmitm.store import rows
from llmitm.store.writer import Writer
from llmitm.wire.encodings import decode

_MB = 1024 * 1024
_LARGEST_READ_BACK = 8 * _MB
"""SQLite takes twenty times a body's size to put it together, which is not the proxy's memory."""
_SECONDS = 1.0
"""What any input may take, and as much again for every megabyte."""
_GIVE_UP_SECONDS = 300
_TOKENS = ("input", "output", "cached_input", "cache_write", "reasoning")


@dataclass(frozen=True)
class Result:
    """What an input took, and what was wrong."""

    name: str
    size: int
    seconds: float
    grown: int
    """Bytes by which the process's peak memory went up."""
    faults: Sequence[str]


class TooSlow(BaseException):
    """Raised in the middle of an input that takes for ever; nothing catches it on its way."""


class Checker:
    """Read inputs, one after the other, with one reader and one log."""

    def __init__(self, hosts: HostTable, folder: Path) -> None:
        home = Home(folder)
        home.create()
        self._reader = reader(home, LogSettings(), hosts, keep_bodies=True)
        self._writer = Writer(home.database)

    def close(self) -> None:
        """Close the log."""
        self._writer.close()

    def check(self, exchange: Exchange, *, store: bool) -> Result:
        """Read an exchange, and store it too; never raises."""
        body, chunks = exchange.request_body, list(exchange.chunks)
        size = _read_bytes(exchange)
        before, start = peak(), process_time()
        faults: list[str] = []
        try:
            with _limited():
                record = self._reader.read(exchange)
                faults += self._wrong(record)
                if store:
                    faults += self._stored(record)
        except TooSlow:
            faults.append(f"given up after {_GIVE_UP_SECONDS} s")
        except Exception as error:
            faults.append(f"raised {type(error).__name__}: {error}")
        seconds = process_time() - start
        if seconds > _SECONDS * (1 + size / _MB):
            faults.append(f"{seconds:.1f} s for {size / _MB:.1f} MB")
        if exchange.request_body != body or exchange.chunks != chunks:
            faults.append("the bytes were changed")
        return Result(exchange.id, size, seconds, peak() - before, faults)

    def _wrong(self, record: Finished) -> Iterator[str]:
        """Yield what a record says that cannot be."""
        if self._reader.faults:
            yield from (note for note in record.notes if "could not be read: " in note)
            yield f"a fault was caught in: {', '.join(self._reader.faults)}"
            self._reader.faults.clear()
        yield from _wrong_usage(record.answer.usage)
        reported = asdict(record.answer.reported)
        yield from (
            f"reported {name} is {reported[name]!r}"
            for name in _TOKENS
            if not _is_count(reported[name])
        )
        charge = record.charge
        amounts = {
            "usd": charge.usd,
            "table": charge.table_usd,
            "provider": charge.provider_usd,
            **charge.parts,
        }
        for name, amount in amounts.items():
            if amount is not None and not (amount.is_finite() and amount >= 0):
                yield f"the cost {name} is {amount}"
        if charge.usd is None and not charge.unpriced_reason:
            yield "no cost, and no reason"

    def _stored(self, record: Finished) -> Iterator[str]:
        columns = rows.clean(rows.row(record))
        yield from (
            f"{name} is {value!r}"
            for name, value in columns.items()
            if name.endswith(("_tokens", "_nanousd")) and not _is_count(value)
        )
        try:
            self._writer.write([record])
        except sqlite3.IntegrityError as error:
            yield f"cannot be stored: {error}"
            return
        if (
            max(map(len, (record.request_text or "", record.response_text or "")))
            > _LARGEST_READ_BACK
        ):
            return
        for name in ("request", "response"):
            (text,) = self._writer.db.execute(
                f"SELECT {name}_body FROM exchanges WHERE id = ?", [record.exchange.id]
            ).fetchone()
            kept = getattr(record, f"{name}_text")
            if text != kept and not _has_surrogates(kept):
                yield f"the {name} is stored otherwise than it was"


def _read_bytes(exchange: Exchange) -> int:
    """Return how much there is to read of an exchange, its content encodings undone."""
    request = decode(exchange.request_body, header(exchange.request_headers, "content-encoding"))
    body = b"".join(exchange.chunks)
    response = decode(body, header(exchange.response_headers, "content-encoding"))
    return max(len(exchange.request_body), len(request)) + max(len(body), len(response))


def _wrong_usage(usage: Usage) -> Iterator[str]:
    for name, value in asdict(usage).items():
        if name.endswith("_tokens") and not _is_count(value):
            yield f"{name} is {value!r}"
    for name, value in (*usage.other.items(), *usage.billed.items()):
        if not isinstance(value, int | float) or not value >= 0:
            yield f"{name} is {value!r}"


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _has_surrogates(text: str | None) -> bool:
    return text is not None and text != text.encode("utf-8", "replace").decode()


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    import sys

    most = getrusage(RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _GIVE_UP_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
