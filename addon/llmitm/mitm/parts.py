"""What the proxy is made of: each part made once, with what it needs of the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from llmitm.alerts.runner import AlertRunner
from llmitm.answers.store import AnswerStore
from llmitm.calls import Finished
from llmitm.exports.otlp.live import LiveOtlp
from llmitm.home import Home
from llmitm.mitm.alerting import Alerting
from llmitm.mitm.allowances import Allowances
from llmitm.mitm.attempts import Attempts
from llmitm.mitm.budget_accounts import BudgetsClosing
from llmitm.mitm.budgets import BudgetKeeper
from llmitm.mitm.caching import Caching
from llmitm.mitm.callers import Callers
from llmitm.mitm.console import Console
from llmitm.mitm.gateway import Gateway
from llmitm.mitm.governor import Governing
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.modelled import Modelled
from llmitm.mitm.replaying import RecordCalls, ReplayCalls
from llmitm.mitm.retarget import Retarget
from llmitm.mitm.router import Router
from llmitm.mitm.runaways import RunawayWatch
from llmitm.mitm.sockets import Sockets
from llmitm.mitm.telemetry import Telemetry
from llmitm.mitm.tunnel import Tunnel
from llmitm.modes import Modes, modes
from llmitm.policy.rules import Rules
from llmitm.providers.hosts import HostTable
from llmitm.readers import FollowingReader, reader
from llmitm.recorder import Recorder
from llmitm.replays import Recording, Replay
from llmitm.served import ServedModels
from llmitm.settings import Settings
from llmitm.store import jobs
from llmitm.store.allowances import AllowanceFile
from llmitm.store.runaways import RunawayFile


@dataclass(frozen=True, slots=True)
class Parts:
    """The addons that depend on one another."""

    tunnel: Tunnel
    gateway: Gateway
    callers: Callers
    intercept: Intercept
    modelled: Modelled
    answering: Caching | RecordCalls | ReplayCalls
    runaways: RunawayWatch
    budgets: BudgetKeeper
    allowances: Allowances
    governing: Governing | None
    attempts: Attempts
    console: Console
    telemetry: Telemetry
    alerting: Alerting
    budgets_closing: BudgetsClosing


def made(home: Home, settings: Settings, hosts: HostTable, *, quiet: bool) -> Parts:
    """Make the parts, and start the recorder behind them."""
    console = Console(quiet)
    bodies, recall = settings.log.bodies, partial(jobs.recall, home.database)
    read = FollowingReader(reader(home, settings.log, hosts, keep_bodies=bodies, recall=recall))
    asked = modes()
    router = Router(hosts, settings.keys, settings.gateway, partial(ServedModels.read, home.prices))
    retarget = Retarget(router)
    budgets = BudgetKeeper(home, settings, lambda: read.prices, retarget)
    allowances = Allowances(AllowanceFile(home.allowances), lambda: read.prices)
    governing = Governing(settings.governor) if settings.governor.enabled else None
    runaways = RunawayWatch(RunawayFile(home.runaways), settings.runaway, settings.log.redact)
    alerts = AlertRunner(home, settings, budgets.accounts.use_in_usd)
    live = LiveOtlp(settings.otlp)

    def recorded(batch: Sequence[Finished]) -> None:
        """Tell all who wait for calls to be in the log. Runs on the recorder's thread."""
        budgets.accounts.recorded(batch)
        allowances.recorded(batch)
        runaways.recorded(batch)
        alerts.recorded(batch)
        live.recorded(batch)
        if governing is not None:
            governing.recorded(batch)
        console.recorded(batch)

    recorder = Recorder.open(home.database, read, settings.log, recorded)
    recorder.start()
    tunnel = Tunnel(hosts, os.environ.get("LLMITM_LABEL"))  # set by `llmitm run`
    callers = Callers.of(settings)
    intercept = Intercept(
        hosts,
        tunnel,
        recorder.submit,
        Rules(asked.over(settings.defaults), settings.rule, {each.name for each in hosts.entries}),
        settings.streams.ask_usage,
        callers.told,
        Sockets(hosts, recorder.follow, settings.sockets.refuse_responses),
    )
    attempts = Attempts(
        retarget,
        intercept.ask_usage,
        budgets.reserve_again,
        settings.streams.hold_seconds,
        governing.admit if governing else None,
        settings.retries.only_here,
    )
    queued = governing.queued if governing else lambda: 0
    console.watch(recorder, tunnel, intercept, queued, runaways.held)
    return Parts(
        tunnel,
        Gateway(router, console.health, settings.defaults.target_url),
        callers,
        intercept,
        Modelled(retarget, intercept.ask_usage),
        _answering(home, settings, asked),
        runaways,
        budgets,
        allowances,
        governing,
        attempts,
        console,
        Telemetry(live),
        Alerting(alerts),
        BudgetsClosing(budgets.accounts),
    )


def _answering(home: Home, settings: Settings, asked: Modes) -> Caching | RecordCalls | ReplayCalls:
    """Return what answers calls, and keeps answers: the cache, or a file that holds one program's calls."""
    if asked.replay is not None:
        return ReplayCalls(Replay.read(asked.replay))
    if asked.record is not None:
        return RecordCalls(Recording(asked.record))
    store = AnswerStore(home.cache, settings.cache.size_mb * 1_000_000)
    return Caching(store, offline=asked.offline)
