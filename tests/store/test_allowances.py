"""Limits survive a restart, and a broken file costs nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness import until
from llmitm.policy.allowance import Level
from llmitm.store.allowances import AllowanceFile


def test_levels_come_back_unless_they_are_full_by_then(tmp_path: Path) -> None:
    path = tmp_path / "allowances.db"
    file = AllowanceFile(path)
    assert file.load(0) == {}
    file.changed("a", Level(1, 10, 100))
    file.changed("a", Level(2, 11, 101))
    file.changed("b", Level(3, 10, 20))
    file.changed("gone", Level(3, 10, 500))
    file.changed("gone", None)
    file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AllowanceFile(path).load(50) == {"a": Level(2, 11, 101)}
    assert AllowanceFile(path).load(0) == {"a": Level(2, 11, 101)}, "b was forgotten"


def test_levels_are_written_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "allowances.db"
    file = AllowanceFile(path)
    file.changed("a", Level(1, 10, 100))
    until(lambda: AllowanceFile(path).load(0))
    file.changed("a", Level(0, 10, 100))
    until(lambda: AllowanceFile(path).load(0)["a"].amount == 0)
    file.close()


def test_a_file_that_is_none_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "allowances.db"
    path.write_bytes(b"no database, and too long to be an empty one" * 100)
    file = AllowanceFile(path)
    assert file.load(0) == {}
    file.changed("a", Level(1, 10, 100))
    file.close()
    unread, unwritten = caplog.messages
    assert unread.startswith(f"llmitm: {path}: limits begin anew")
    assert "cannot be written" in unwritten
    path.unlink()
    file = AllowanceFile(path)
    file.changed("a", Level(1, 10, 100))
    file.close()
    assert file.load(0) == {"a": Level(1, 10, 100)}
