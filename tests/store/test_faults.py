"""A disk that is full, a file that is locked, broken or not ours: nothing is lost that can still be written."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from llmitm.calls import Exchange, Finished, Usage
from llmitm.errors import StoreError
from llmitm.recorder import Recorder
from llmitm.settings import LogSettings
from llmitm.store.writer import Writer
from store.records import START, chat, prose_of

PATIENCE_SECONDS = 20


class Readings:
    """A reader that knows its calls beforehand."""

    def __init__(self) -> None:
        self._calls: dict[str, Finished] = {}

    def exchange(self, call: Finished) -> Exchange:
        self._calls[call.exchange.id] = call
        return call.exchange

    def read(self, exchange: Exchange) -> Finished:
        return self._calls[exchange.id]

    def bare(self, exchange: Exchange, error: BaseException) -> Finished:
        raise AssertionError(f"not to be needed: {error}")


@contextmanager
def recording(
    path: Path, open_store: Callable[[], Writer] | None = None
) -> Iterator[tuple[Recorder, Callable[[str], str]]]:
    """Run a recorder; what is given submits a question and returns the id of its call."""
    readings = Readings()
    if open_store is None:
        recorder = Recorder.open(path, readings, LogSettings())
    else:
        recorder = Recorder(readings.read, readings.bare, open_store)
    recorder.start()

    def ask(words: str) -> str:
        call = chat(words)
        recorder.submit(readings.exchange(call))
        return call.exchange.id

    try:
        yield recorder, ask
    finally:
        recorder.close(PATIENCE_SECONDS)


def kept(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name for (name,) in connection.execute("SELECT id FROM calls")}


def test_a_locked_log_is_written_when_the_lock_goes(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    Writer(path).close()

    def impatient() -> Writer:
        writer = Writer(path)
        writer.db.conn.execute("PRAGMA busy_timeout = 20")
        return writer

    with recording(path, impatient) as (recorder, ask):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ids = {ask("is it locked?"), ask("still?")}
            assert not recorder.flush(0.5)
            assert recorder.counters.store_faults > 0
            other.execute("ROLLBACK")
        assert recorder.flush(PATIENCE_SECONDS)
        assert recorder.counters.lost_calls == recorder.counters.dropped_calls == 0
    assert kept(path) == ids


def test_a_full_disk_loses_nothing_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    Writer(path).close()
    most_pages = 1_000_000

    def small() -> Writer:
        writer = Writer(path)
        writer.db.conn.execute(f"PRAGMA max_page_count = {most_pages}")
        return writer

    with recording(path, small) as (recorder, ask):
        ids = {ask("is there room?")}
        assert recorder.flush(PATIENCE_SECONDS)
        with closing(sqlite3.connect(path)) as connection:
            most_pages = connection.execute("PRAGMA page_count").fetchone()[0] + 2
        recorder.close(PATIENCE_SECONDS)
    with recording(path, small) as (recorder, ask):
        ids |= {ask(prose_of(2_000, number)) for number in range(5)}
        assert not recorder.flush(0.5)
        assert recorder.counters.store_faults > 0
        most_pages = 1_000_000
        assert recorder.flush(PATIENCE_SECONDS)
        assert recorder.counters.lost_calls == 0
    assert kept(path) == ids


def test_a_record_at_fault_does_not_take_others_with_it(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    twice = chat("sent twice")
    readings = Readings()
    recorder = Recorder.open(path, readings, LogSettings())
    for call in (chat("before"), twice, twice, chat("after")):
        recorder.submit(readings.exchange(call))
    recorder.start()
    assert recorder.close(PATIENCE_SECONDS)
    assert recorder.counters.recorded == 3
    assert recorder.counters.lost_calls == 1
    assert len(kept(path)) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("notes, not a database\n" * 100),
        lambda path: sqlite3.connect(path).execute("CREATE TABLE theirs (x)").connection.close(),
    ],
    ids=["no database", "another program's"],
)
def test_what_is_not_ours_is_left_alone(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "llmitm.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"llmitm\.db"):
        Writer(path)
    assert path.read_bytes() == before


def test_only_the_owner_can_read_the_log(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "llmitm.db"
    writer = Writer(path)
    writer.write([chat("hello")])
    files = [path, path.with_name("llmitm.db-wal"), path.with_name("llmitm.db-shm")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    writer.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    path.touch(mode=0o644)
    Writer(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "hostile",
    [
        chat("a \ud800 lone surrogate"),
        chat("hello", said="a \udfff lone surrogate"),
        chat("hello", at=START + 0.001, model="gpt\ud800"),
    ],
    ids=["in the request", "in the answer", "in a name"],
)
def test_text_that_is_no_unicode(tmp_path: Path, hostile: Finished) -> None:
    path = tmp_path / "llmitm.db"
    with closing(Writer(path)) as writer:
        writer.write([hostile])
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM requests").fetchone()
        assert count == 1
        prompt, response = connection.execute("SELECT prompt, response FROM requests").fetchone()
        assert prompt
        assert response


def test_counts_beyond_what_sqlite_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    with closing(Writer(path)) as writer:
        writer.write([chat("hello", usage=Usage("reported", 2**70, -(2**70)))])
    assert len(kept(path)) == 1
