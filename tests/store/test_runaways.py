"""What is kept of runaways, and how a run is let go on."""

from __future__ import annotations

from pathlib import Path

from llmitm.store.runaways import Runaway, RunawayFile

AT = 1_700_000_000.0


def seen(run: str, at: float = AT, action: str = "hold") -> Runaway:
    return Runaway(run, "spend", at, f"spent much at {at}", f"--run {run}", action)  # type: ignore[arg-type]


def test_what_is_held_is_listed_until_it_may_go_on(tmp_path: Path) -> None:
    file, other = RunawayFile(tmp_path / "r.db"), RunawayFile(tmp_path / "r.db")
    for found in (seen("a"), seen("b", AT + 1), seen("a", AT + 2), seen("c", AT, "warn")):
        file.add(found)
    assert other.holds(AT + 9) == [seen("a"), seen("b", AT + 1)]
    assert other.resume("c", AT + 9) == other.resume("nobody", AT + 9) == []
    assert other.resume("a", AT + 9) == ["a"]
    assert other.resume("a", AT + 9) == []
    assert file.holds(AT + 9) == [seen("b", AT + 1)]
    assert [each.resumed_at for each in file.newest(9)] == [None, AT + 9, None, AT + 9]
    assert file.resume(None, AT + 10) == ["b"]
    assert [each.run for each in file.since(AT + 1)] == ["b", "a"]


def test_a_hold_is_over_after_a_day_and_a_run_can_be_held_again(tmp_path: Path) -> None:
    file = RunawayFile(tmp_path / "r.db")
    file.add(seen("a"))
    assert file.holds(AT + 86_401) == []
    file.add(seen("a", AT + 90_000))
    assert [each.at for each in file.holds(AT + 90_001)] == [AT + 90_000]
    file.add(seen("b", AT + 91 * 86_400))
    assert [each.run for each in file.newest(9)] == ["b", "a"]


def test_where_there_is_no_file_nothing_is_held_and_none_is_made(tmp_path: Path) -> None:
    file = RunawayFile(tmp_path / "r.db")
    assert file.holds(AT) == file.newest(5) == file.since(0) == file.resume(None, AT) == []
    assert not [*tmp_path.iterdir()]
