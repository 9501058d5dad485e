"""The list of addons, in order. mitmproxy runs them in this order in both directions."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import partial

from llmitm.alerts.runner import AlertRunner
from llmitm.answers.store import AnswerStore
from llmitm.calls import Finished
from llmitm.exports.otlp.live import LiveOtlp
from llmitm.home import Home
from llmitm.mitm.alerting import Alerting
from llmitm.mitm.allowances import Allowances
from llmitm.mitm.attempts import Attempts
from llmitm.mitm.caching import Caching
from llmitm.mitm.callers import Callers
from llmitm.mitm.console import Console
from llmitm.mitm.dispatch import Dispatch
from llmitm.mitm.gateway import Gateway
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.modelled import Modelled
from llmitm.mitm.replaying import RecordCalls, ReplayCalls
from llmitm.mitm.retarget import Retarget
from llmitm.mitm.router import Router
from llmitm.mitm.sockets import Sockets
from llmitm.mitm.telemetry import Telemetry
from llmitm.mitm.translating import Translating
from llmitm.mitm.tunnel import Tunnel
from llmitm.mitm.upstream import Upstream
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

log = logging.getLogger("llmitm")


def chain(home: Home, settings: Settings, hosts: HostTable, *, quiet: bool = False) -> list[object]:
    """Return the addons that make mitmproxy llmitm, and start the recorder behind them."""
    _mend()
    console = Console(quiet)
    read = FollowingReader(
        reader(
            home,
            settings.log,
            hosts,
            keep_bodies=settings.log.bodies,
            recall=partial(jobs.recall, home.database),
        )
    )
    allowances = Allowances(AllowanceFile(home.allowances), lambda: read.prices)

    alerts = AlertRunner(home, settings)
    live = LiveOtlp(settings.otlp)

    def recorded(batch: Sequence[Finished]) -> None:
        allowances.recorded(batch)
        alerts.recorded(batch)
        live.recorded(batch)
        console.recorded(batch)

    recorder = Recorder.open(home.database, read, settings.log, recorded)
    recorder.start()
    tunnel = Tunnel(hosts, os.environ.get("LLMITM_LABEL"))  # set by `llmitm run`
    sockets = Sockets(hosts, recorder.follow, settings.sockets.refuse_responses)
    callers = Callers.of(settings)
    asked = modes()
    rules = Rules(
        asked.over(settings.defaults), settings.rule, {entry.name for entry in hosts.entries}
    )
    intercept = Intercept(
        hosts, tunnel, recorder.submit, rules, settings.streams.ask_usage, callers.told, sockets
    )
    router = Router(hosts, settings.keys, settings.gateway, partial(ServedModels.read, home.prices))
    retarget = Retarget(router)
    attempts = Attempts(retarget, intercept.ask_usage, settings.streams.hold_seconds)
    console.watch(recorder, tunnel, intercept)
    return [
        Upstream(hosts),  # first: options that everything after relies on
        tunnel,  # what is decrypted at all
        Gateway(router, console.health, settings.defaults.target_url),  # before it is identified
        callers,  # who makes it
        intercept,  # the call itself
        Modelled(retarget, intercept.ask_usage),  # what the gateway decided of it
        *_answering(home, settings, asked),  # what need not go upstream
        allowances,  # what may not: beyond a limit of the user's own
        attempts,  # tries it again, or elsewhere
        Translating(),  # behind the tap: the log has what the provider sent
        Dispatch(),  # finds handlers faster than stock mitmdump does
        console,  # closes the log when all is over
        Telemetry(live),  # sends what the log got last
        Alerting(alerts),  # last: looks at what the log has then
    ]


def _answering(home: Home, settings: Settings, asked: Modes) -> list[object]:
    """Return what answers calls, and keeps answers: the cache, or a file that holds one program's calls."""
    if asked.replay is not None:
        return [ReplayCalls(Replay.read(asked.replay))]
    if asked.record is not None:
        return [RecordCalls(Recording(asked.record))]
    store = AnswerStore(home.cache, settings.cache.size_mb * 1_000_000)
    return [Caching(store, offline=asked.offline)]


def _mend() -> None:
    """Change what mitmproxy's layers lack, if they are those that we know."""
    try:
        from llmitm.mitm import layers, resending
    except (ImportError, AttributeError) as error:
        log.warning(
            "llmitm: this mitmproxy is not one that we know, and is left as it is: %s", error
        )
    else:
        layers.mend()
        resending.install()
