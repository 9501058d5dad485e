from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen

import pytest

from answers.given import NOW, answer, key
from harness import until
from llmitm.answers.store import AnswerStore

MEGABYTE = 1_000_000


@contextmanager
def opened(
    path: Path, most: int = 100 * MEGABYTE, clock: Callable[[], float] = lambda: NOW
) -> Iterator[AnswerStore]:
    store = AnswerStore(path, most, clock=clock, random=Random(1))
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


def sql(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_an_answer_comes_back_as_it_was(path: Path) -> None:
    with opened(path) as store:
        assert store.look_up(key(1)) is None
        assert store.save(key(1), 1, answer(1))
        at_once = store.look_up(key(1))
        assert at_once is not None
        assert at_once.answer == answer(1)
        assert store.flush()
        assert store.look_up(key(1)) == (answer(1), 0)
        assert store.look_up(key(2)) is None
    with opened(path) as store:
        assert store.look_up(key(1)) == (answer(1), 0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_time_to_live(path: Path) -> None:
    now = NOW
    with opened(path, clock=lambda: now) as store:
        store.save(key(1), 1, answer(1, max_age=60))
        store.flush()
        now = NOW + 59.9
        assert store.look_up(key(1)) is not None
        now = NOW + 60
        assert store.look_up(key(1)) is None
        store.save(key(1), 1, answer(1, now=now, version=2))
        store.flush()
        assert store.look_up(key(1)) == (answer(1, now=now, version=2), 0)
    assert sql(path, "SELECT count(*) FROM answers") == [(1,)]


def test_a_bucket_is_served_once_it_is_full(path: Path) -> None:
    with opened(path) as store:
        for version in range(3):
            assert store.look_up(key(1), 3) is None
            store.save(key(1), 3, answer(1, version=version))
            store.flush()
        found = [store.look_up(key(1), 3) for _ in range(50)]
        ids = {each.answer.about.call_id: each.bucket for each in found if each}
        assert ids == {f"call 1 {version}": version for version in range(3)}
        assert store.look_up(key(1), 4) is None
        assert store.look_up(key(1), 1) == (answer(1, version=0), 0)
        store.save(key(1), 3, answer(1, version=9, now=NOW + 1))
        store.flush()
    assert sql(path, "SELECT count(*) FROM answers") == [(3,)]


def test_what_was_not_used_for_longest_goes(path: Path) -> None:
    now = NOW
    with opened(path, most=MEGABYTE, clock=lambda: now) as store:
        for number in range(9):
            now += 1
            store.save(key(number), 1, answer(number, 100_000, max_age=1000))
            store.flush()
        now += 1
        assert store.look_up(key(0)) is not None  # used again
        assert store.flush()
        for number in range(9, 14):
            now += 1
            store.save(key(number), 1, answer(number, 100_000, max_age=1000))
            store.flush()
        found = [number for number in range(14) if store.look_up(key(number)) is not None]
        assert 0 in found
        assert {1, 2, 3} & set(found) == set()
        assert {10, 11, 12, 13} <= set(found)
        assert store.counters["evicted"] >= 4
    assert sql(path, "SELECT sum(size) <= 1000000 FROM answers") == [(1,)]


def test_what_is_too_large_is_not_kept(path: Path) -> None:
    with opened(path, most=MEGABYTE) as store:
        assert not store.save(key(1), 1, answer(1, MEGABYTE // 2))
        assert store.look_up(key(1)) is None
        assert store.counters["dropped"] == 1


@pytest.mark.parametrize("column", ["about", "body", "checksum", "key"])
def test_a_row_that_was_changed_is_a_miss_and_goes(path: Path, column: str) -> None:
    with opened(path) as store:
        store.save(key(1), 1, answer(1))
        store.save(key(2), 1, answer(2))
    other = "SELECT about, body, checksum FROM answers WHERE key = ?"
    about, body, told = sql(path, other, key(2))[0]
    if column == "key":  # the answer to another call, whole and sound in itself
        sql(path, "DELETE FROM answers WHERE key = ?", key(2))
        sql(path, "UPDATE answers SET key = ?", key(2))
    else:
        value = {"about": about, "body": body, "checksum": told}[column]
        sql(path, f"UPDATE answers SET {column} = ? WHERE key = ?", value, key(1))
    asked = key(2 if column == "key" else 1)
    with opened(path) as store:
        assert store.look_up(asked) is None
        assert store.counters["bad"] == 1
        store.flush()
    assert sql(path, "SELECT count(*) FROM answers WHERE key = ?", asked) == [(0,)]


@pytest.mark.parametrize("damage", ["no database", "a page", "another program's"])
def test_a_damaged_file_is_moved_aside(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    if damage == "no database":
        path.write_bytes(b"nothing that SQLite knows" * 1000)
    elif damage == "another program's":
        sql(path, "CREATE TABLE other (x)")
    else:
        with opened(path) as store:
            for number in range(200):
                store.save(key(number), 1, answer(number, 3000))
        content = bytearray(path.read_bytes())
        content[4096 : len(content) - 4096] = b"\xff" * (len(content) - 8192)
        path.write_bytes(content)
    with opened(path) as store:
        store.look_up(key(1))
        store.flush()

        def is_kept() -> bool:
            store.save(key(1), 1, answer(1, version=7))
            store.flush()
            return store.look_up(key(1)) == (answer(1, version=7), 0)

        until(is_kept)
    assert len(list(path.parent.glob("cache.db.damaged-*[0-9]"))) == 1
    warnings = [record for record in caplog.records if "begun anew" in record.getMessage()]
    assert len(warnings) == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with opened(tmp_path / "file" / "cache.db") as store:
        store.save(key(1), 1, answer(1))
        store.flush()
        store.save(key(1), 1, answer(1))
        store.flush()
        assert store.look_up(key(1)) is None
        assert store.counters["dropped"] == 2
    assert len(caplog.records) == 1


def test_two_processes_share_a_file(path: Path) -> None:
    with opened(path) as one, opened(path) as other:
        one.save(key(1), 1, answer(1))
        one.flush()
        assert other.look_up(key(1)) == (answer(1), 0)
        other.save(key(2), 1, answer(2))
        other.flush()
        assert one.look_up(key(2)) == (answer(2), 0)


def test_a_file_that_is_taken_away_is_made_again(path: Path) -> None:
    with opened(path) as store:
        store.save(key(1), 1, answer(1))
        store.flush()
        for file in path.parent.iterdir():
            file.unlink()
        store.save(key(2), 1, answer(2))
        store.flush()
        assert path.exists()
    assert sql(path, "SELECT count(*) FROM answers") == [(1,)]


def test_many_threads(path: Path) -> None:
    wrong: list[int] = []
    with opened(path) as store:

        def work(start: int) -> None:
            for number in range(start, start + 50):
                store.save(key(number), 1, answer(number))
                found = store.reads.submit(store.look_up, key(number)).result()
                if found is None or found.answer != answer(number):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(start * 50,)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.flush()
    assert wrong == []
    assert sql(path, "SELECT count(*) FROM answers") == [(400,)]


WRITER = """
import sys
from pathlib import Path
from answers.given import NOW, answer, key
from llmitm.answers.store import AnswerStore
store = AnswerStore(Path(sys.argv[1]), 3_000_000, clock=lambda: NOW)
print("ready", flush=True)
number = 0
while True:
    store.save(key(number % 500), 1, answer(number % 500, 20_000, version=number // 500))
    number += 1
    if number % 20 == 0:
        store.flush()
        print(number, flush=True)
"""


def test_killed_twenty_times_while_it_writes(path: Path) -> None:
    moments = Random(20)
    paths = [str(Path(__file__).parents[1]), *sys.path]
    script = f"import sys; sys.path[:0] = {paths!r}\n{WRITER}"
    found = 0
    for _ in range(20):
        with Popen([sys.executable, "-c", script, str(path)], stdout=PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randint(2, 8)):
                assert writer.stdout.readline()
            # The moment is what is random: somewhere in the next batch.
            threading.Event().wait(moments.uniform(0, 0.02))
            writer.kill()
        assert sql(path, "PRAGMA integrity_check") == [("ok",)]
        with opened(path) as store:
            for number in range(500):
                each = store.look_up(key(number))
                if each is not None:
                    found += 1
                    version = int(each.answer.about.call_id.rpartition(" ")[2])
                    assert each.answer == answer(number, 20_000, version=version)
            assert store.counters["bad"] == 0
    assert found > 100
