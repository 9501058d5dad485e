"""A long session of a coding agent, which sends all that went before in each of its calls."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from llmitm.calls import Finished
from llmitm.store.writer import Writer
from store.records import agent_session

TURNS = 200
LARGEST_SHARE = 0.05


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "cache_control moves"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Finished]]:
    path = tmp_path_factory.mktemp("session") / "llmitm.db"
    calls = list(agent_session(TURNS, marked=request.param))
    writer = Writer(path)
    for start in range(0, TURNS, 3):
        writer.write(calls[start : start + 3])
    writer.close()
    return path, calls


def test_the_file_is_a_twentieth_of_the_bodies(session: tuple[Path, list[Finished]]) -> None:
    path, calls = session
    raw = sum(call.request_bytes + call.response_bytes for call in calls)
    assert path.stat().st_size <= LARGEST_SHARE * raw
    assert not path.with_name("llmitm.db-wal").exists()


def test_bodies_come_back_byte_for_byte(session: tuple[Path, list[Finished]]) -> None:
    path, calls = session
    with closing(sqlite3.connect(path)) as connection:
        for call in (calls[0], calls[1], calls[99], calls[-1]):
            kept = connection.execute(
                "SELECT request_body, response_body FROM exchanges WHERE id = ?",
                (call.exchange.id,),
            ).fetchone()
            assert kept == (call.request_text, call.response_text)


def test_all_turns_are_one_thread(session: tuple[Path, list[Finished]]) -> None:
    path, calls = session
    with closing(sqlite3.connect(path)) as connection:
        parents = connection.execute(
            "SELECT calls.id, parent.id FROM calls"
            " LEFT JOIN calls AS parent ON parent.key = calls.parent_key ORDER BY calls.key"
        ).fetchall()
    ids = [call.exchange.id for call in calls]
    assert parents == list(zip(ids, [None, *ids], strict=False))
