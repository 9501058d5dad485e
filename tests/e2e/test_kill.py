"""kill -9 at any moment: the log opens clean, and what ended a quarter of a second before is in it."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from e2e.load import Load
from harness import running_proxy, until
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

_SETTLED_SECONDS = 0.25


@pytest.mark.parametrize("group", range(4))
def test_kill_twenty_times_under_load(
    group: int, local_provider: LocalProvider, tmp_path: Path
) -> None:
    moments = random.Random(group)
    folder = Home(tmp_path / "llmitm")
    for round_ in range(5):
        with running_proxy("llmitm", folder, local_provider) as proxy:
            load = Load(proxy, f"kill {round_}")
            with load:
                _wait_until_it_runs(load)
                time.sleep(moments.uniform(0.3, 0.8))  # the moment is what is random here
                killed = time.time()
                proxy.stop(signal.SIGKILL)
        settled = {prompt for prompt, at in load.ended.items() if at < killed - _SETTLED_SECONDS}
        with contextlib.closing(sqlite3.connect(folder.database)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = {prompt for (prompt,) in database.execute("SELECT prompt FROM requests")}
        assert settled
        assert settled <= found


def _wait_until_it_runs(load: Load) -> None:
    until(lambda: len(load.ended) > 20, load.proxy.said)
