"""Watch the alerts of the settings and send what they say: two threads of the proxy, which never waits for either.

Of all proxies that share a home one does so at a time. What it has to say is on disk before it is said, so a restart
loses nothing: a message is tried again until its receiver has taken it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

from llmitm.alerts import channels
from llmitm.alerts.entries import AlertEntry, ChannelEntry
from llmitm.alerts.messages import compose
from llmitm.alerts.sending import NotSentError
from llmitm.errors import SettingsError, StoreError
from llmitm.home import Home
from llmitm.ids import new_id
from llmitm.policy.alert_conditions import Condition
from llmitm.policy.alerting import Event, Measured, step
from llmitm.settings import Settings
from llmitm.settings import load as load_settings
from llmitm.store.alerts import HELD_SECONDS, AlertFile, Change, NotHeldError, Outgoing
from llmitm.store.reader import Reader
from llmitm.store.runaways import RunawayFile

log = logging.getLogger("llmitm")

type BudgetUse = Callable[[], Mapping[str, tuple[Decimal, Decimal]]]
"""Gives of each budget what is spent and its limit, in USD."""

_GATHER_SECONDS = 1.0
_LEAST_WAIT = 0.2
_ROUND_SECONDS = 5.0
_IDLE_SECONDS = 30.0
"""How long values that change by time alone, because calls leave a window, are left alone."""
_SHARE = 20
"""Looking at the log takes at most one part in so many of the time."""
_HOLD_AGAIN_SECONDS = HELD_SECONDS / 4
_FIRST_WAIT = 5.0
_LONGEST_WAIT = 600.0
_GIVE_UP_SECONDS = 7 * 86_400
_MOST_REFUSALS = 6
"""A receiver that refuses a message for what it is (400, 413, 422) is asked no more often."""
_FINAL = ("400 ", "413 ", "422 ")
_STOP_SECONDS = 5.0


class AlertRunner:
    """Watches and sends, from `start` to `stop`."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        budget_use: BudgetUse | None = None,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], Settings] | None = None,
    ) -> None:
        self._home = home
        self._alerts: Mapping[str, AlertEntry] = settings.alert
        self._channels: Mapping[str, ChannelEntry] = settings.channel
        self._reload = changed or (lambda: load_settings(home))
        self._budget_use = budget_use
        self._clock = clock
        self._file = AlertFile(home.alerts)
        self._runaways = RunawayFile(home.runaways)
        self._settings_seen = _stamp(home.settings)
        self._reader: Reader | None = None
        self._reader_file = 0
        self._version = -1
        self._measured_at = 0.0
        self._took = 0.0
        self._is_firing = True
        self._is_changed = True
        self._held_until = 0.0
        self._told: set[str] = set()
        """Faults that were logged, so that each is logged once."""
        self._down: set[str] = set()
        self._wake = threading.Event()
        self._post = threading.Event()
        self._over = threading.Event()
        self._done_watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="llmitm alerts", daemon=True)
        self._sender = threading.Thread(target=self._send, name="llmitm alert mail", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        self._watcher.start()
        self._sender.start()

    def recorded(self, batch: Sequence[object]) -> None:
        """Take note that calls are in the log. Does not wait and does not raise."""
        self._wake.set()

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Look once more, send what can be sent within `timeout` seconds, and end; the rest stays on disk."""
        until = time.monotonic() + timeout
        self._over.set()
        self._wake.set()
        for thread in (self._watcher, self._sender):
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def _watch(self) -> None:
        is_last = False
        while not is_last:
            if self._wake.wait(_ROUND_SECONDS) and not self._over.is_set():
                self._over.wait(max(_GATHER_SECONDS, self._took * _SHARE))
            is_last = self._over.is_set()
            self._wake.clear()
            self._guarded("watching", self._round)
        self._done_watching.set()
        self._post.set()
        self._close_reader()

    def _guarded(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
        except NotHeldError:
            self._held_until = 0.0
        except (sqlite3.Error, OSError, StoreError) as error:
            self._close_reader()
            self._tell(what, f"llmitm: alerts: {what} goes on later: {error}")
        except Exception:
            if what not in self._told:
                self._told.add(what)
                log.exception("llmitm: fault in %s of alerts", what)
        else:
            self._told.discard(what)

    def _tell(self, about: str, words: str) -> None:
        if about not in self._told:
            self._told.add(about)
            log.warning(words)

    def _round(self) -> None:
        """Look at the settings, at who is in charge, and at every alert."""
        self._follow_settings()
        if not self._alerts and not self._home.alerts.exists():
            return
        if not self._hold():
            return
        if self._is_changed:
            conditions = {name: str(alert.condition) for name, alert in self._alerts.items()}
            self._file.keep_only(conditions)
            self._is_changed = False
        if self._alerts:
            self._measure()
        self._post.set()

    def _follow_settings(self) -> None:
        """Take over alerts and channels that were changed since."""
        stamp = _stamp(self._home.settings)
        if stamp == self._settings_seen:
            return
        self._settings_seen = stamp
        try:
            settings = self._reload()
        except SettingsError as error:
            log.warning("llmitm: alerts stay as they were: %s", error)
            return
        self._alerts, self._channels = settings.alert, settings.channel
        self._version, self._is_changed = -1, True

    def _hold(self) -> bool:
        now = self._clock()
        if now + HELD_SECONDS - _HOLD_AGAIN_SECONDS < self._held_until <= now + HELD_SECONDS:
            return True
        self._held_until = now + HELD_SECONDS if self._file.hold(now) else 0.0
        return self._held_until > 0

    def _holds(self) -> bool:
        """Whether nobody else can take over before a message is sent."""
        return self._held_until - self._clock() > HELD_SECONDS / 2

    def _measure(self) -> None:
        reader = self._opened()
        now = self._clock()
        version = reader.version if reader is not None else 0
        waits = _ROUND_SECONDS if self._is_firing else _IDLE_SECONDS
        is_due = version != self._version or not 0 <= now - self._measured_at < waits - 0.1
        if not is_due and not self._over.is_set():
            return
        started = time.perf_counter()
        mutes = self._file.mutes(now)
        self._is_firing = False
        for name, alert in self._alerts.items():
            look = partial(self._look, name, alert, reader, mutes, now)
            self._guarded(f"the alert {name}", look)
        self._took = time.perf_counter() - started
        self._version, self._measured_at = version, now

    def _look(
        self,
        name: str,
        alert: AlertEntry,
        reader: Reader | None,
        mutes: Mapping[str, float | None],
        now: float,
    ) -> None:
        """Measure one alert, and take down what has changed."""
        condition = alert.condition
        at = datetime.fromtimestamp(now, UTC).astimezone()
        window = None if condition.window is None else condition.window.bounds(at)
        measured = measure(condition, reader, window, self._budget_use, self._runaways)
        if measured is None:
            return
        before = self._file.firing(name, str(condition))
        window_from = 0.0 if window is None else window[0].timestamp()
        after, events = step(condition, before, measured, window_from, now)
        self._is_firing = self._is_firing or bool(after) or condition.operator in ("<", "<=")
        if not events:
            return
        messages: list[Outgoing] = []
        for kind in ("resolved", "firing"):
            said = [event for event in events if event.kind == kind]
            if said:
                messages += self._messages(name, alert, said, window, at, name in mutes)
        self._file.change(Change(name, str(condition), after, messages), now)

    def _messages(
        self,
        name: str,
        alert: AlertEntry,
        events: Sequence[Event],
        window: tuple[datetime, datetime] | None,
        at: datetime,
        is_muted: bool,
    ) -> list[Outgoing]:
        message = compose(new_id(at.timestamp()), name, alert.condition, events, window, at)
        log.warning("llmitm: alert %s: %s%s", name, message.title, " (muted)" if is_muted else "")
        if message.kind == "resolved" and not alert.resolved:
            return []
        return [
            Outgoing(
                replace(message, id=new_id(at.timestamp())),
                channel,
                "muted" if is_muted else "waiting",
            )
            for channel in alert.to
        ]

    def _opened(self) -> Reader | None:
        """Return the log, opened anew where it is another file by now; None where there is none yet."""
        try:
            file = self._home.database.stat().st_ino
        except FileNotFoundError:
            self._close_reader()
            return None
        if self._reader is None or file != self._reader_file:
            self._close_reader()
            self._reader, self._reader_file, self._version = Reader(self._home.database), file, -1
        return self._reader

    def _close_reader(self) -> None:
        # Only the thread that watches has it.
        if self._reader is not None and threading.current_thread() is self._watcher:
            with suppress(sqlite3.Error):
                self._reader.close()
            self._reader = None

    def _send(self) -> None:
        wait = _ROUND_SECONDS
        while True:
            self._post.wait(wait)
            is_last = self._done_watching.is_set()
            self._post.clear()
            self._guarded("sending", self._send_due)
            if is_last:
                break
            wait = self._next_wait()
        self._guarded("the end", self._file.let_go)

    def _next_wait(self) -> float:
        """Return how long nothing is due."""
        if not self._holds() or not self._home.alerts.exists():
            return _ROUND_SECONDS
        try:
            waiting = self._file.waiting()
        except (sqlite3.Error, OSError):
            return _ROUND_SECONDS
        if not waiting:
            return _ROUND_SECONDS
        return min(max(waiting[0].next_at - self._clock(), _LEAST_WAIT), _ROUND_SECONDS)

    def _send_due(self) -> None:
        """Send what is due, channel by channel in the order in which it came up."""
        while self._holds():
            now = self._clock()
            due = [each for each in self._file.waiting() if each.next_at <= now]
            if not due:
                return
            for outgoing in due:
                if not self._holds():
                    return
                self._send_one(outgoing)

    def _send_one(self, outgoing: Outgoing) -> None:
        message, channel = outgoing.message, outgoing.channel
        try:
            answer = channels.send(message, channel, self._channels, self._clock())
        except NotSentError as error:
            self._not_sent(outgoing, error)
        except Exception as error:
            # Ours, and no reason to keep what comes after it waiting.
            if channel not in self._down:
                log.exception("llmitm: fault in sending an alert by %s", channel)
            self._not_sent(outgoing, NotSentError(f"a fault of llmitm: {type(error).__name__}"))
        else:
            self._file.sent(message.id, channel, answer, self._clock())
            if channel in self._down:
                self._down.discard(channel)
                log.warning("llmitm: alerts go out by %s again", channel)

    def _not_sent(self, outgoing: Outgoing, error: NotSentError) -> None:
        message, channel, now = outgoing.message, outgoing.channel, self._clock()
        wait = min(_FIRST_WAIT * 2 ** min(outgoing.tries, 20), _LONGEST_WAIT)
        if error.retry_after is not None:
            wait = max(wait, min(error.retry_after, _LONGEST_WAIT))
        is_refused = str(error).startswith(_FINAL) and outgoing.tries + 1 >= _MOST_REFUSALS
        is_given_up = is_refused or now - message.at > _GIVE_UP_SECONDS
        self._file.failed(message.id, str(error), None if is_given_up else now + wait, now)
        if is_given_up:
            log.warning(
                "llmitm: a message of the alert %s is given up, %s: %s",
                message.alert,
                channel,
                error,
            )
        elif channel not in self._down:
            self._down.add(channel)
            log.warning("llmitm: alerts do not go out by %s, tried again: %s", channel, error)


def measure(
    condition: Condition,
    reader: Reader | None,
    window: tuple[datetime, datetime] | None,
    budget_use: BudgetUse | None,
    runaways: RunawayFile,
) -> Sequence[Measured] | None:
    """Return what a condition watches, group by group; None where it cannot be known. Raises `sqlite3.Error`."""
    if window is None:
        if budget_use is None:
            return None
        only = condition.where.get("budget")
        return [
            Measured((name,), spent / limit if limit else Decimal(bool(spent)), 0, limit)
            for name, (spent, limit) in budget_use().items()
            if only in (None, name)
        ]
    if condition.metric == "runaways":
        return _runaways(condition, runaways, window[0].timestamp())
    return None if reader is None else reader.measured(condition, window[0])


def _runaways(condition: Condition, file: RunawayFile, since: float) -> Sequence[Measured]:
    """Count what was said of runs, of each by itself where the condition tells them apart."""
    only = condition.where.get("run")
    runs = Counter(each.run for each in file.since(since) if only in (None, each.run))
    if condition.by:
        return [Measured((run,), Decimal(count), count) for run, count in runs.items()]
    return [Measured((), Decimal(runs.total()), runs.total())]


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
