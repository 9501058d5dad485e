"""The recorder between the proxy and the log: what it gathers, what it drops, and what it never lets through."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from llmitm.calls import Exchange, Finished
from llmitm.errors import StoreError
from llmitm.recorder import Recorder
from llmitm.settings import LogSettings
from llmitm.store.writer import Writer
from store.records import chat

PATIENCE_SECONDS = 20


class Readings:
    """A reader that knows its calls beforehand, and fails where it is told to."""

    def __init__(self) -> None:
        self._calls: dict[str, Finished] = {}
        self.failing: set[str] = set()
        self.bare_fails = False

    def exchange(self, call: Finished) -> Exchange:
        self._calls[call.exchange.id] = call
        return call.exchange

    def read(self, exchange: Exchange) -> Finished:
        if exchange.id in self.failing:
            raise RuntimeError("hostile bytes")
        return self._calls[exchange.id]

    def bare(self, exchange: Exchange, error: BaseException) -> Finished:
        if self.bare_fails:
            raise error
        bare = chat("", at=exchange.started_at)
        bare.exchange.id = exchange.id
        bare.notes = [str(error)]
        return bare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llmitm.db"


@pytest.fixture
def readings() -> Readings:
    return Readings()


@contextmanager
def recorder_on(path: Path, readings: Readings, **options: Any) -> Iterator[Recorder]:
    """A recorder that is not started yet, and closed at the end."""
    recorder = Recorder(readings.read, readings.bare, lambda: Writer(path), **options)
    try:
        yield recorder
    finally:
        if recorder.is_running:
            recorder.close(PATIENCE_SECONDS)


def rows(path: Path, query: str = "SELECT id FROM calls ORDER BY key") -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(query).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def test_what_comes_together_is_written_together(path: Path, readings: Readings) -> None:
    batches: list[list[str]] = []

    def recorded(batch: Sequence[Finished]) -> None:
        # Told only when everybody can see it.
        assert set(rows(path)) >= {call.exchange.id for call in batch}
        batches.append([call.exchange.id for call in batch])

    with recorder_on(path, readings, on_recorded=recorded) as recorder:
        calls = [chat(f"question {number}") for number in range(20)]
        for call in calls:
            recorder.submit(readings.exchange(call))
        recorder.start()
        assert recorder.flush(PATIENCE_SECONDS)
        assert batches == [[call.exchange.id for call in calls]]
        recorder.submit(readings.exchange(chat("one more")))
        assert recorder.close(PATIENCE_SECONDS)
    assert len(batches) == 2
    assert recorder.counters.recorded == len(rows(path)) == 21


def test_without_a_flush_it_is_written_too(path: Path, readings: Readings) -> None:
    written: list[Finished] = []
    with recorder_on(path, readings, on_recorded=written.extend) as recorder:
        recorder.start()
        recorder.submit(readings.exchange(chat("hello")))
        assert eventually(lambda: written)


def eventually(condition: Callable[[], object]) -> bool:
    from harness import until

    return bool(until(condition, seconds=PATIENCE_SECONDS))


def test_bodies_are_dropped_before_calls(path: Path, readings: Readings) -> None:
    calls = [chat("x" * 2_000, said="y" * 100) for _ in range(6)]
    with recorder_on(path, readings, most_waiting=5, most_bytes_waiting=2_500 + 600) as recorder:
        for call in calls:
            recorder.submit(readings.exchange(call))
        counters = recorder.counters
        # The first fits whole; the next without its request; then not even the responses; the sixth is one too many.
        assert [bool(call.exchange.request_body) for call in calls] == [True] + [False] * 4 + [True]
        kept = [bool(call.exchange.chunks) for call in calls]
        assert kept == [*sorted(kept[:5], reverse=True), True]
        assert kept[1]
        assert not kept[4]
        assert (counters.dropped_bodies, counters.dropped_calls) == (4, 1)
        recorder.start()
        assert recorder.flush(PATIENCE_SECONDS)
    assert rows(path) == [call.exchange.id for call in calls[:5]]
    notes = rows(path, "SELECT notes FROM calls ORDER BY key")
    assert notes[0] is None
    assert notes[1].endswith(': the request"]')
    assert notes[4].endswith(': the request and the response"]')
    losses = dict(rows(path, "SELECT reason, count FROM losses"))
    assert losses == {"body dropped": 4, "call dropped": 1}


def test_room_is_given_back(path: Path, readings: Readings) -> None:
    with recorder_on(path, readings, most_waiting=3, most_bytes_waiting=10_000) as recorder:
        recorder.start()
        for number in range(30):
            recorder.submit(readings.exchange(chat(f"{number} " + "x" * 5_000)))
            assert recorder.flush(PATIENCE_SECONDS)
        assert recorder.counters.dropped_bodies == recorder.counters.dropped_calls == 0


def test_a_call_that_cannot_be_read_leaves_a_bare_row(path: Path, readings: Readings) -> None:
    calls = [chat(f"question {number}") for number in range(3)]
    readings.failing = {calls[1].exchange.id}
    with recorder_on(path, readings) as recorder:
        for call in calls:
            recorder.submit(readings.exchange(call))
        recorder.start()
        assert recorder.flush(PATIENCE_SECONDS)
        assert recorder.counters.read_faults == 1
        assert recorder.counters.lost_calls == 0
    assert rows(path) == [call.exchange.id for call in calls]
    assert "hostile bytes" in rows(path, "SELECT notes FROM calls ORDER BY key")[1]


def test_a_call_of_which_nothing_can_be_said_is_counted(path: Path, readings: Readings) -> None:
    bad, good = chat("bad"), chat("good")
    readings.failing, readings.bare_fails = {bad.exchange.id}, True
    with recorder_on(path, readings) as recorder:
        for call in (bad, good):
            recorder.submit(readings.exchange(call))
        recorder.start()
        assert recorder.flush(PATIENCE_SECONDS)
        assert (recorder.counters.recorded, recorder.counters.lost_calls) == (1, 1)
    assert rows(path) == [good.exchange.id]


def test_who_listens_cannot_stop_it(path: Path, readings: Readings) -> None:
    def broken(batch: Sequence[Finished]) -> None:
        raise BrokenPipeError("the console is gone")

    with recorder_on(path, readings, on_recorded=broken) as recorder:
        recorder.start()
        for number in range(2):
            recorder.submit(readings.exchange(chat(f"question {number}")))
            assert recorder.flush(PATIENCE_SECONDS)
    assert len(rows(path)) == 2


def test_a_log_that_was_moved_away_is_begun_anew(path: Path, readings: Readings) -> None:
    with recorder_on(path, readings) as recorder:
        recorder.start()
        before, after = chat("before"), chat("after")
        recorder.submit(readings.exchange(before))
        assert recorder.flush(PATIENCE_SECONDS)
        path.rename(path.with_name("kept.db"))
        recorder.submit(readings.exchange(after))
        assert recorder.flush(PATIENCE_SECONDS)
    assert rows(path) == [after.exchange.id]
    assert rows(path.with_name("kept.db")) == [before.exchange.id]


class NoLog:
    """A log that cannot be opened."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self) -> Writer:
        self.tries += 1
        raise PermissionError("no log for you")


def test_closing_gives_up_in_time(readings: Readings) -> None:
    store = NoLog()
    recorder = Recorder(readings.read, readings.bare, store)
    recorder.start()
    for number in range(3):
        recorder.submit(readings.exchange(chat(f"question {number}")))
    assert not recorder.flush(0.3)
    recorder.close(0.5)
    assert not recorder.is_running
    assert recorder.counters.lost_calls == 3
    assert recorder.counters.store_faults == store.tries > 1
    recorder.submit(readings.exchange(chat("too late")))
    assert recorder.counters.dropped_calls == 1


def test_trouble_with_the_log_is_told_once_and_its_end_too(
    path: Path, readings: Readings, caplog: pytest.LogCaptureFixture
) -> None:
    in_trouble = True

    def open_store() -> Writer:
        if in_trouble:
            raise PermissionError("no log for you")
        return Writer(path)

    recorder = Recorder(readings.read, readings.bare, open_store)
    recorder.start()
    recorder.submit(readings.exchange(chat("hello")))
    assert eventually(lambda: recorder.counters.store_faults > 2)
    in_trouble = False
    assert recorder.flush(PATIENCE_SECONDS)
    assert recorder.close(PATIENCE_SECONDS)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "no log for you" in caplog.messages[0]
    assert "written again" in caplog.messages[1]


def test_a_file_that_is_not_ours_is_told_at_the_start(path: Path, readings: Readings) -> None:
    path.write_text("somebody's notes\n" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Recorder.open(path, readings, LogSettings())


class Interrupted:
    """A log whose upkeep fails."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer(path)

    def write(self, batch: Sequence[Finished], losses: Mapping[str, int]) -> Sequence[Finished]:
        return self._writer.write(batch, losses)

    def tidy(self) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    def close(self) -> None:
        self._writer.close()


def test_upkeep_that_fails_does_not_stop_it(path: Path, readings: Readings) -> None:
    recorder = Recorder(readings.read, readings.bare, lambda: Interrupted(path))
    recorder.start()
    for number in range(2):
        recorder.submit(readings.exchange(chat(f"question {number}")))
        assert eventually(lambda number=number: recorder.counters.store_faults > number)
    assert recorder.close(PATIENCE_SECONDS)
    assert len(rows(path)) == 2
