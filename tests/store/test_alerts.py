"""The file of alerts: state and message are one, one process sends, nothing that waits is lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmitm.alerts.messages import trial
from llmitm.policy.alerting import Firing
from llmitm.store import alerts as module
from llmitm.store.alerts import HELD_SECONDS, AlertFile, Change, NotHeldError, Outgoing

BASE = trial("0", "dear", "spend > $50 / day", datetime(2026, 1, 1, tzinfo=UTC))


def outgoing(number: int, channel: str = "slack", alert: str = "dear") -> Outgoing:
    return Outgoing(replace(BASE, id=str(number), alert=alert), channel)


def change(*messages: Outgoing, firing: dict[tuple[str, ...], Firing] | None = None) -> Change:
    alert = messages[0].message.alert if messages else "dear"
    return Change(alert, "spend > $50 / day", firing or {}, messages)


@pytest.fixture
def file(tmp_path: Path) -> AlertFile:
    return AlertFile(tmp_path / "alerts.db")


def test_the_file_is_the_users_own(file: AlertFile) -> None:
    assert file.hold(0)
    assert file.path.stat().st_mode & 0o077 == 0


def test_one_process_holds_it_until_it_lets_go_or_is_silent(file: AlertFile) -> None:
    other = AlertFile(file.path)
    assert file.hold(0)
    assert not other.hold(HELD_SECONDS - 1)
    assert file.hold(HELD_SECONDS - 1)
    assert not other.hold(HELD_SECONDS + 1)
    file.let_go()
    assert other.hold(HELD_SECONDS + 1)
    assert file.hold(3 * HELD_SECONDS)
    with pytest.raises(NotHeldError):
        other.change(change(outgoing(1)), 3 * HELD_SECONDS)
    assert file.history(9) == []


def test_of_a_process_that_is_dead_it_is_taken_over_at_once(file: AlertFile) -> None:
    script = f"from pathlib import Path; from llmitm.store.alerts import AlertFile; print(AlertFile(Path({str(file.path)!r})).hold(0))"
    environ = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr
    assert file.hold(1)


def test_state_and_message_are_there_together_or_not_at_all(
    file: AlertFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.hold(0)
    firing = {("alice",): Firing(1.0, 0.0)}
    file.change(change(outgoing(1), firing=firing), 1)
    assert file.firing("dear", "spend > $50 / day") == firing
    assert file.firing("dear", "spend > $60 / day") == {}
    with pytest.raises(module.sqlite3.IntegrityError):
        file.change(change(outgoing(2), outgoing(1)), 2)  # an id that is there already
    assert file.firing("dear", "spend > $50 / day") == firing
    assert [each.message.id for each in file.history(9)] == ["1"]


def test_messages_of_an_alert_go_out_in_their_order_on_each_channel(file: AlertFile) -> None:
    file.hold(0)
    for number, channel, alert in ((1, "a", "x"), (2, "a", "x"), (3, "b", "x"), (4, "a", "y")):
        file.change(change(outgoing(number, channel, alert)), number)
    assert [each.message.id for each in file.waiting()] == ["1", "3", "4"]
    file.failed("1", "down", 100.0, 5)
    assert [each.message.id for each in file.waiting()] == ["3", "4", "1"]
    file.sent("4", "a", "ok", 6)  # the channel is there again
    assert [(each.message.id, each.next_at) for each in file.waiting()] == [("3", 3), ("1", 6)]
    file.sent("1", "a", "ok", 7)
    file.failed("3", "no such channel", None, 8)
    assert [each.message.id for each in file.waiting()] == ["2"]
    states = {each.message.id: (each.state, each.tries, each.answer) for each in file.history(9)}
    assert states == {
        "1": ("sent", 2, "ok"),
        "2": ("waiting", 0, None),
        "3": ("given up", 1, "no such channel"),
        "4": ("sent", 1, "ok"),
    }


def test_mutes_end(file: AlertFile) -> None:
    file.mute("a", 10)
    file.mute("b", None)
    assert file.mutes(9) == {"a": 10, "b": None}
    assert file.mutes(10) == {"b": None}
    assert file.unmute("b")
    assert not file.unmute("b")


def test_what_is_no_longer_there_is_forgotten_but_not_what_waits(file: AlertFile) -> None:
    file.hold(0)
    firing: dict[tuple[str, ...], Firing] = {(): Firing(1.0, 0.0)}
    file.change(change(outgoing(1, alert="a"), firing=firing), 1)
    file.change(change(outgoing(2, alert="b"), firing=firing), 1)
    file.change(change(outgoing(3, alert="c"), firing=firing), 1)
    file.keep_only({"a": "spend > $50 / day", "b": "spend > $60 / day"})
    assert file.firing("a", "spend > $50 / day") == firing
    assert file.firing("b", "spend > $50 / day") == file.firing("c", "spend > $50 / day") == {}
    assert len(file.waiting()) == 3
