"""The runner over a real log, a real file and a real receiver, with a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from harness import until
from llmitm.alerts.runner import AlertRunner, BudgetUse
from llmitm.calls import Identity
from llmitm.home import Home
from llmitm.settings import parse
from llmitm.store.alerts import AlertFile
from llmitm.store.runaways import Runaway, RunawayFile
from llmitm.store.writer import Writer
from receivers import Hook, free_port, hook
from store.records import chat

NOON = datetime(2026, 3, 4, 12, 0).astimezone().timestamp()
"""A Wednesday."""
_COUNTER = itertools.count()


@dataclass
class World:
    """A home with a log, and the receiver of its alerts."""

    home: Home
    receiver: Hook
    now: float = NOON
    budgets: BudgetUse | None = None
    runners: list[AlertRunner] = field(default_factory=list)

    def settings(self, *alerts: str, more: str = "") -> None:
        channel = f'[channel.hook]\nkind = "webhook"\nurl = "{self.receiver.url}"\n'
        entries = [
            f'[alert.a{number}]\nwhen = "{text}"\nto = "hook"\n{more}'
            for number, text in enumerate(alerts)
        ]
        self.home.settings.write_text("\n".join([channel, *entries]), "utf-8")

    def call(self, usd: float = 1, **options: Any) -> None:
        finished = chat(f"call {next(_COUNTER)}", at=self.now, usd=Decimal(str(usd)), **options)
        with closing(Writer(self.home.database)) as writer:
            writer.write([finished])

    def run(self) -> None:
        """Run it from start to stop, in which it looks at all alerts at least once and sends what is due."""
        settings = parse(self.home.settings, self.home.settings.read_text("utf-8"))
        runner = AlertRunner(self.home, settings, self.budgets, lambda: self.now)
        runner.start()
        runner.stop(20)

    def titles(self) -> list[str]:
        """Return what was received since the last time."""
        titles = [post.json["data"]["title"] for post in self.receiver.posts]
        self.receiver.posts.clear()
        return titles

    def after(self, **span: float) -> None:
        self.now += timedelta(**span).total_seconds()
        self.run()


@pytest.fixture
def world(home: Home) -> Iterator[World]:
    with hook() as receiver:
        yield World(home, receiver)


def user(name: str) -> Identity:
    return Identity(user=name)


def test_once_a_crossing_and_once_at_its_end(world: World) -> None:
    world.settings("spend > 5 / 1h")
    world.call(5)
    world.run()
    assert world.titles() == []
    world.call(0.5)
    world.run()
    assert world.titles() == ["spend in the last hour is $5.50, above $5"]
    world.call(3)
    world.run()
    world.after(minutes=30)
    assert world.titles() == []
    world.after(minutes=31)
    assert world.titles() == ["resolved: spend in the last hour is $0, no longer above $5"]
    world.after(minutes=31)
    assert world.titles() == []


def test_a_day_ends_at_midnight_of_the_user(world: World) -> None:
    world.settings("spend > 5 / day")
    world.call(6)
    world.after(hours=11, minutes=59)
    assert world.titles() == ["spend today is $6, above $5"]
    world.after(minutes=2)
    assert world.titles() == ["resolved: a new day, in which spend is $0"]
    world.call(7)
    world.run()
    assert world.titles() == ["spend today is $7, above $5"]


def test_without_word_of_the_end(world: World) -> None:
    world.settings("spend > 5 / 1h", more="resolved = false\n")
    world.call(6)
    world.run()
    world.after(hours=2)
    world.call(6)
    world.run()
    assert world.titles() == ["spend in the last hour is $6, above $5"] * 2


def test_groups_cross_on_their_own(world: World) -> None:
    world.settings("spend > 5 / day by user")
    world.call(6, identity=user("ann"))
    world.call(1, identity=user("bob"))
    world.run()
    assert world.titles() == ["spend today of user ann is $6, above $5"]
    world.call(6, identity=user("bob"))
    world.call(8, identity=user("cid"))
    world.run()
    assert world.titles() == ["spend today is above $5 for 2 of user"]


def test_few_calls_are_no_rate(world: World) -> None:
    world.settings("error rate > 50% / 15m if calls >= 4")
    for _ in range(3):
        world.call(outcome="error", status=500)
    world.run()
    assert world.titles() == []
    world.call(outcome="error", status=500)
    world.run()
    assert world.titles() == ["error rate in the last 15 minutes is 100%, above 50%"]


def test_silence_is_seen(world: World) -> None:
    world.settings("calls < 1 / 1h")
    world.call()
    world.run()
    assert world.titles() == []
    world.after(hours=2)
    assert world.titles() == ["calls in the last hour is 0, below 1"]
    world.call()
    world.call()
    world.run()
    assert world.titles() == ["resolved: calls in the last hour is 2, no longer below 1"]


def test_a_muted_alert_says_nothing_and_remembers(world: World) -> None:
    world.settings("spend > 5 / 1h")
    file = AlertFile(world.home.alerts)
    file.mute("a0", world.now + 60)
    world.call(6)
    world.run()
    assert world.titles() == []
    assert [each.state for each in file.history(9)] == ["muted"]
    world.after(minutes=2)  # no longer muted, but this crossing has been
    assert world.titles() == []
    world.after(hours=2)
    assert [title.split(":")[0] for title in world.titles()] == ["resolved"]


def test_another_condition_is_another_alert(world: World) -> None:
    world.settings("spend > 5 / day")
    world.call(6)
    world.run()
    world.settings("spend > 4 / day")
    world.run()
    world.run()
    assert world.titles() == ["spend today is $6, above $5", "spend today is $6, above $4"]


def test_the_use_of_budgets(world: World) -> None:
    used = {"nightly": (Decimal("8.5"), Decimal(10)), "all": (Decimal(1), Decimal(100))}
    world.budgets = lambda: used
    world.settings("budget use >= 80%", "budget use > 0% where budget=all")
    world.run()
    first, second = world.receiver.posts
    titles = [post.json["data"]["title"] for post in (first, second)]
    assert titles == [
        "budget use of budget nightly is 85%, at or above 80%",
        "budget use of budget all is 1%, above 0%",
    ]
    assert first.json["data"]["command"] == "llmitm budget ls"
    world.titles()
    used["nightly"] = (Decimal(0), Decimal(10))
    world.run()
    assert world.titles() == [
        "resolved: budget use of budget nightly is 0%, no longer at or above 80%"
    ]


def test_a_receiver_that_is_down_is_tried_again_ever_more_seldom(world: World) -> None:
    world.settings("spend > 5 / day")
    world.receiver.answers = [(503, {}, b"later")] * 3
    world.call(6)
    file = AlertFile(world.home.alerts)
    waits = []
    for _ in range(3):
        world.run()
        (waiting,) = file.waiting()
        waits.append(waiting.next_at - world.now)
        assert waiting.answer == "503 later"
        world.run()  # not due yet
        world.now = waiting.next_at
    assert waits == [5, 10, 20]
    assert world.receiver.refused == 3
    world.run()
    world.run()
    assert world.titles() == ["spend today is $6, above $5"]


def test_a_receiver_says_how_long_to_wait(world: World) -> None:
    world.settings("spend > 5 / day")
    world.receiver.answers = [(429, {"retry-after": "90"}, b"")]
    world.call(6)
    world.run()
    (waiting,) = AlertFile(world.home.alerts).waiting()
    assert waiting.next_at - world.now == 90


def test_a_message_that_is_refused_for_what_it_is_is_given_up(world: World) -> None:
    world.settings("spend > 5 / day")
    world.receiver.answers = [(400, {}, b"invalid_blocks")] * 9
    world.call(6)
    file = AlertFile(world.home.alerts)
    for _ in range(6):
        world.run()
        world.now += 600
    assert [(each.state, each.tries) for each in file.history(9)] == [("given up", 6)]
    assert world.receiver.refused == 6


def test_of_two_runners_one_watches(world: World) -> None:
    world.settings("calls > 0 / day")
    settings = parse(world.home.settings, world.home.settings.read_text("utf-8"))
    world.call()
    runners = [AlertRunner(world.home, settings, None, lambda: world.now) for _ in range(4)]
    for runner in runners:
        runner.start()
        runner.recorded([])
    until(lambda: world.receiver.posts)
    for runner in runners:
        runner.stop(20)
    assert len(world.titles()) == 1


@pytest.mark.parametrize("damage", ["log", "alerts", "settings"])
def test_a_fault_of_a_file_harms_nobody(
    world: World, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.settings("calls > 0 / day")
    settings = parse(world.home.settings, world.home.settings.read_text("utf-8"))
    world.call()
    broken = {
        "log": world.home.database,
        "alerts": world.home.alerts,
        "settings": world.home.settings,
    }[damage]
    runner = AlertRunner(world.home, settings, None, lambda: world.now)
    whole = broken.read_bytes() if broken.exists() else b""
    broken.write_bytes(b"nothing that can be read" * 1_000)
    runner.start()
    runner.recorded([])
    until(lambda: caplog.records, seconds=30)
    assert "Traceback" not in caplog.text
    assert len(caplog.records) <= 2
    if damage == "settings":
        until(lambda: world.receiver.posts)  # goes on with what it had
    else:
        if whole:
            broken.write_bytes(whole)
        else:
            broken.unlink()
        runner.recorded([])
        until(lambda: world.receiver.posts, seconds=30)
    runner.stop(20)


def test_who_watches_nothing_makes_no_file(world: World) -> None:
    world.settings()
    world.call()
    world.run()
    assert not world.home.alerts.exists()


def test_messages_wait_until_the_receiver_is_there(home: Home) -> None:
    port = free_port()
    world = World(home, Hook(port))
    world.settings("spend > 5 / 1h")
    world.call(6)
    world.run()
    world.after(hours=2)
    world.after(days=2)
    file = AlertFile(home.alerts)
    assert [each.state for each in file.history(9)] == ["waiting", "waiting"]
    with hook(port) as receiver:
        world.receiver = receiver
        world.after(minutes=30)
        assert [title.split(" ")[0] for title in world.titles()] == ["spend", "resolved:"]
        world.after(minutes=30)
        assert world.titles() == []


def test_runs_that_run_away_are_told_one_by_one(world: World) -> None:
    file = RunawayFile(world.home.runaways)

    def runs_away(run: str) -> None:
        file.add(Runaway(run, "tool_call", world.now, "went in circles", f"--run {run}", "warn"))

    world.settings("runaways > 0 / 1h by run", "runaways > 1 / day where run=a")
    world.run()
    assert world.titles() == []
    runs_away("a")
    world.run()
    (title,) = world.titles()
    assert "a" in title
    runs_away("b")
    world.run()
    assert len(world.titles()) == 1
    runs_away("a")
    world.run()
    (title,) = world.titles()
    assert title.startswith("runaways today is 2, above 1")
