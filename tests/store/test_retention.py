"""What is taken away is gone, and nothing else: checked against a log that never had it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Finished
from llmitm.store.retention import Retention
from llmitm.store.writer import Writer
from store.records import START, agent_session, call, chat, identified, prose_of, user

DAY = 86_400.0
MB = 1024 * 1024
BODY = "SELECT request_body FROM exchanges WHERE id = ?"


@pytest.fixture(scope="module")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty log, which is faster copied than made."""
    path = tmp_path_factory.mktemp("empty") / "llmitm.db"
    Writer(path).close()
    return path.read_bytes()


def tidied(writer: Writer) -> int:
    """Take all steps that there are, return how many."""
    steps = 1
    while writer.tidy():
        steps += 1
    return steps


def content(connection: sqlite3.Connection) -> dict[str, list[Any]]:
    """Return what is in a log, without the numbers that depend on its history."""
    rows = connection.execute("SELECT id, request_body, response_body FROM exchanges ORDER BY id")
    parts = connection.execute("SELECT text, refs, searched FROM parts ORDER BY text")
    nodes = connection.execute(
        "SELECT above.text, parts.text, nodes.refs FROM nodes JOIN parts ON parts.id = nodes.part_id"
        " LEFT JOIN nodes AS parent ON parent.id = nodes.parent_id"
        " LEFT JOIN parts AS above ON above.id = parent.part_id ORDER BY 1, 2, 3"
    )
    found = connection.execute("SELECT count(*) FROM search WHERE search MATCH 'turn'")
    tables = {"exchanges": rows, "parts": parts, "nodes": nodes, "found": found}
    return {name: query.fetchall() for name, query in tables.items()}


def written(path: Path, calls: Iterable[Finished], retention: Retention | None = None) -> Writer:
    writer = Writer(path, retention)
    for each in calls:
        writer.write([each])
    return writer


def days_ago(days: float) -> float:
    return time.time() - days * DAY


# Few words, so that conversations often begin alike, end alike, and are the same.
conversations = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["turn a", "turn b", "turn c"]), min_size=1, max_size=4),
        st.sampled_from(["answer", "turn a", ""]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(asked=conversations, removed=st.integers(0, 8), only_bodies=st.booleans())
def test_what_stays_is_as_if_the_rest_had_never_been(
    asked: Sequence[tuple[Sequence[str], str]], removed: int, only_bodies: bool, empty_log: bytes
) -> None:
    calls = [
        call(
            {"model": "m", "messages": [user(words) for words in turns], "stream": False},
            said,
            at=days_ago(removed - number + 0.5),
        )
        for number, (turns, said) in enumerate(asked)
    ]
    limit = Retention(keep_bodies_days=1) if only_bodies else Retention(keep_days=1)
    with TemporaryDirectory() as folder:
        all_, rest_ = Path(folder) / "all.db", Path(folder) / "rest.db"
        all_.write_bytes(empty_log)
        rest_.write_bytes(empty_log)
        with (
            closing(written(all_, calls, limit)) as log,
            closing(written(rest_, calls[removed:])) as rest,
        ):
            tidied(log)
            tidied(rest)
            kept, expected = content(log.db.conn), content(rest.db.conn)
            if only_bodies:
                exchanges = kept["exchanges"]
                gone = [(each.exchange.id, None, None) for each in calls[:removed]]
                assert exchanges[: len(gone)] == gone
                kept["exchanges"] = exchanges[len(gone) :]
            assert kept == expected
            # What is written afterwards does not hang on anything that is gone.
            again = replace(calls[0].exchange, id="again")
            log.write([replace(calls[0], exchange=again)])
            assert log.db.conn.execute(BODY, ("again",)).fetchone() == (calls[0].request_text,)


def test_another_process_takes_away(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    first, second = (chat("turn a", at=days_ago(days)) for days in (9, 0))
    with (
        closing(written(path, [first])) as log,
        closing(Writer(path, Retention(keep_days=1))) as other,
    ):
        tidied(other)
        log.write([second])
        assert log.db.conn.execute(BODY, (first.exchange.id,)).fetchone() is None
        assert log.db.conn.execute(BODY, (second.exchange.id,)).fetchone() == (second.request_text,)


def test_sums_outlive_calls(tmp_path: Path) -> None:
    with closing(written(tmp_path / "llmitm.db", agent_session(5), Retention(keep_days=1))) as log:
        sums = "SELECT * FROM daily"
        before = log.db.conn.execute(sums).fetchall()
        tidied(log)
        assert log.db.conn.execute("SELECT count(*) FROM calls").fetchone() == (0,)
        assert log.db.conn.execute("SELECT count(*) FROM parts").fetchone() == (0,)
        assert log.db.conn.execute(sums).fetchall() == before != []


def test_properties_go_with_their_call(tmp_path: Path) -> None:
    tagged = identified(chat("hello", at=days_ago(2)), properties={"project": "x"})
    with closing(written(tmp_path / "llmitm.db", [tagged], Retention(keep_days=1))) as log:
        tidied(log)
        assert log.db.conn.execute("SELECT count(*) FROM properties").fetchone() == (0,)


def test_a_file_that_is_too_large_loses_its_oldest_bodies(tmp_path: Path) -> None:
    calls = [chat(prose_of(4_000, number), at=START + number) for number in range(500)]
    path = tmp_path / "llmitm.db"
    with closing(Writer(path, Retention(max_size_mb=10))) as log:
        log.write(calls)
        log.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size > 13 * MB
        tidied(log)
        log.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size <= 10 * MB
        kept = log.db.conn.execute(
            "SELECT request_body FROM exchanges WHERE request_body IS NOT NULL ORDER BY id DESC"
        ).fetchall()
        assert len(kept) > 50
        newest_first = [each.request_text for each in reversed(calls)]
        assert [body for (body,) in kept] == newest_first[: len(kept)]
        assert log.db.conn.execute("SELECT count(*) FROM calls").fetchone() == (500,)


def test_a_step_is_bounded(tmp_path: Path) -> None:
    old = [chat(f"turn {number}", at=days_ago(9)) for number in range(1_000)]
    with closing(written(tmp_path / "llmitm.db", [], Retention(keep_days=1))) as log:
        log.write(old)
        changes = []
        more = True
        while more:
            before = log.db.conn.total_changes
            more = log.tidy()
            changes.append(log.db.conn.total_changes - before)
        assert len(changes) > 4
        assert max(changes) < 10_000


def test_all_space_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    with closing(Writer(path)) as writer:
        empty = path.stat().st_size
        # Few rows, many pages: more than one step's worth of them.
        writer.write([chat(f"{number} " + "x" * 6_000_000) for number in range(3)])
    assert path.stat().st_size > empty + 15 * MB
    with closing(Writer(path, Retention(keep_bodies_days=1))) as writer:
        while writer.tidy():
            pass
    assert path.stat().st_size < empty + MB
