"""Retries by every layer: each question once, each call once, each lost second once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm.calls import Attempt, Finished
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader
from llmitm.store.writer import Writer
from store.records import START, chat


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "llmitm.db")
    yield writer
    writer.close()


def report(writer: Writer, path: Path, *by: str, **wanted: Any) -> list[dict[str, Any]]:
    reader = Reader(path / "llmitm.db")
    try:
        return reader.retries(Filter(**wanted), by)
    finally:
        reader.close()


def asked(
    words: str, at: float, *, failed: bool = False, nth: int | None = None, **options: Any
) -> Finished:
    outcome, status = ("error", 500) if failed else ("ok", 200)
    options = {"latency_ms": 1_000, **options}
    call = chat(words, at=START + at, outcome=outcome, status=status, **options)
    return replace(call, client_retry=nth)


def with_attempts(call: Finished, waits: Sequence[float]) -> Finished:
    """Return a call after attempts that took a tenth of a second each."""
    at = call.exchange.started_at
    earlier = []
    for wait in waits:
        earlier.append(
            Attempt("openai", "h", "m", at, 500, "server_error", "no", 100.0, wait * 1000)
        )
        at += 0.1 + wait
    call.exchange.retried_ms = (at - call.exchange.started_at) * 1000
    call.exchange.latency_ms = call.exchange.retried_ms + 1_000
    return replace(call, attempts=earlier)


def figures(row: dict[str, Any]) -> tuple[int, ...]:
    names = ("questions", "calls", "by_sdk", "by_program", "by_proxy", "layered", "waited_ms", "lost_ms")  # fmt: skip
    return tuple(row[name] for name in names)


def test_retries_of_an_sdk(writer: Writer, tmp_path: Path) -> None:
    writer.write(
        [
            asked("a", 0, failed=True, nth=0),
            asked("a", 3, failed=True, nth=1),
            asked("a", 8, nth=2, usd=Decimal("0.5")),
            asked("b", 9, nth=0),
        ]
    )
    (row,) = report(writer, tmp_path)
    assert figures(row) == (1, 3, 2, 0, 0, 0, 2_000 + 4_000, 8_000)
    assert row["still_failed"] == 1
    assert row["cost_nanousd"] == 500_125_000
    assert row["wasted_nanousd"] == 2 * 125_000


def test_retries_of_a_program_that_numbers_nothing(writer: Writer, tmp_path: Path) -> None:
    writer.write([asked("a", 0, failed=True), asked("a", 31), asked("a", 40)])
    (row,) = report(writer, tmp_path)
    assert figures(row) == (1, 2, 0, 1, 0, 0, 30_000, 31_000)


def test_retries_of_the_proxy(writer: Writer, tmp_path: Path) -> None:
    writer.write([with_attempts(asked("a", 0), [2, 3])])
    (row,) = report(writer, tmp_path)
    assert figures(row) == (1, 3, 0, 0, 2, 0, 5_000, 5_200)


def test_layers_multiply_and_are_told_apart(writer: Writer, tmp_path: Path) -> None:
    first = with_attempts(asked("a", 0, failed=True, nth=0), [1, 1])  # ends at 3.2 s
    second = with_attempts(asked("a", 5, failed=True, nth=1), [1, 1])  # ends at 8.2 s
    third = with_attempts(asked("a", 20, nth=0), [1, 1])
    writer.write([first, second, third])
    (row,) = report(writer, tmp_path)
    assert figures(row)[:6] == (1, 9, 1, 1, 6, 2)
    assert row["waited_ms"] == 6_000 + 1_800 + 11_800
    assert row["lost_ms"] == 20_000 + 2_200


def test_a_retry_whose_first_try_is_not_known_counts_with_it(
    writer: Writer, tmp_path: Path
) -> None:
    """An SDK that lost patience has cancelled its first try, which is linked to nothing."""
    writer.write([asked("a", 0, nth=1)])
    (row,) = report(writer, tmp_path)
    assert figures(row) == (1, 2, 1, 0, 0, 0, 0, 0)


def test_by_who_did_it(writer: Writer, tmp_path: Path) -> None:
    other = with_attempts(asked("b", 10, model="m-2"), [1])
    writer.write([asked("a", 0, failed=True), asked("a", 31), other, asked("c", 50)])
    rows = report(writer, tmp_path, "provider", "model")
    assert [(row["by0"], row["by1"], row["calls"]) for row in rows] == [
        ("openai", "gpt-5.4", 2),
        ("openai", "m-2", 2),
    ]
    since = datetime.fromtimestamp(START + 5, UTC)
    assert [row["by0"] for row in report(writer, tmp_path, "model", since=since, model="m-2")] == ["m-2"]  # fmt: skip
    assert report(writer, tmp_path, user="nobody") == []
