"""A proxy that is killed: what was written stays, and the log opens clean."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from llmitm.store.writer import Writer
from store.records import chat

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from llmitm.store.writer import Writer
from store.records import START, agent_session

writer = Writer(Path(sys.argv[1]))
seed = 0
while True:
    seed += 1
    for call in agent_session(40, seed):
        writer.write([call])
        print(call.exchange.id, flush=True)
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that writes calls and names each after its commit, until it is killed."""
    places = [str(ROOT / place) for place in ("addon", "pricing", "tests")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    for calls_before_the_kill in (1, 17, 60):
        with writing(path) as process:
            assert process.stdout is not None
            committed = [process.stdout.readline().strip() for _ in range(calls_before_the_kill)]
            process.send_signal(signal.SIGKILL)
            # What it could still say between our last look and its end was committed as well.
            committed += [line for line in process.stdout.read().splitlines() if len(line) == 26]
        assert process.returncode == -signal.SIGKILL
        Writer(path).close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            kept = {name for (name,) in connection.execute("SELECT id FROM calls")}
            assert kept.issuperset(committed)
            whole = connection.execute(
                "SELECT count(*) FROM exchanges WHERE request_body IS NULL OR response_body IS NULL"
            )
            assert whole.fetchone() == (0,)
            # Raises where the index and what it stands for have come apart.
            connection.execute("INSERT INTO search (search) VALUES ('integrity-check')")


def test_two_processes_write_the_same_log(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    writer = Writer(path)
    ours = []
    with writing(path) as process:
        assert process.stdout is not None
        theirs = []
        for number in range(20):
            theirs.append(process.stdout.readline().strip())
            call = chat(f"question {number}")
            writer.write([call])
            ours.append(call.exchange.id)
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        kept = {name for (name,) in connection.execute("SELECT id FROM calls")}
        assert kept.issuperset({*ours, *theirs})
        broken = connection.execute(
            "SELECT count(*) FROM exchanges WHERE json_valid(request_body) = 0"
        )
        assert broken.fetchone() == (0,)


def test_several_processes_begin_a_log_at_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "llmitm.db"
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writing(path)) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert len(process.stdout.readline().strip()) == 26
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) > 3 FROM calls").fetchone() == (1,)
