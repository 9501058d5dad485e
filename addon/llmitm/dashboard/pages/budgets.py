"""Budgets and alerts: how they stand, made and taken away by the functions that the command line has for it."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from llmitm import budget_book
from llmitm.alerts import editing, standing
from llmitm.alerts.entries import DESKTOP
from llmitm.alerts.standing import Standing
from llmitm.cli.alert import span as seconds_of
from llmitm.cli.budget import setting
from llmitm.cli.budget.common import Book, book
from llmitm.cli.budget.removing import remove
from llmitm.dashboard.charts.bars import bar
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.question import Question
from llmitm.errors import LlmitmError, StoreError
from llmitm.policy.alert_conditions import FORM
from llmitm.policy.budget_words import State, period_words, resets, usd
from llmitm.policy.budgets import Budget
from llmitm.settings import Settings, load
from llmitm.store.alerts import AlertFile
from llmitm.store.reader import Reader
from llmitm.store.runaways import RunawayFile

_PERIODS = ("day", "hour", "week", "month", "total", "24h", "7d")
_EACH = ("", "user", "model", "provider", "run", "session", "key", "client")
_FIELDS = ("provider", "model", "user", "session", "run", "key", "client")
_MUTES = ("1h", "8h", "1d", "7d")
_FULL, _NEAR = 100, 80
"""Percent."""
_SENT = 12
_MOST_ACCOUNTS = 60
"""Accounts that the table has: those that are used up most."""
_MOST_FORETOLD = 12
"""Accounts of which is said when they will be used up, for which the log is asked."""
_EXAMPLES = (
    "spend > 50 / day",
    "error rate > 5% / 15m by provider",
    "p95 latency > 10s / 1h where model=gpt-*",
    "unpriced > 0 / day",
)


def show(view: View) -> Shown:
    """Return the page."""
    now = view.now.timestamp()
    settings = load(view.home)
    states, budgets, unused = _budgets(view, settings, now)
    log = _log(view)
    standings = standing.standings(view.home, settings, log, now, lambda: budget_book.use(states))
    sent = AlertFile(view.home.alerts).history(_SENT) if view.home.alerts.exists() else []
    runaways = RunawayFile(view.home.runaways)
    held = {each.run for each in runaways.holds(now)}
    content = {
        "runaways": [
            {
                "at": int(each.at * 1000),
                "run": each.run,
                "kind": each.kind.replace("_", " "),
                "words": each.words,
                "held": each.run in held and each.resumed_at is None,
                "command": f"llmitm ls {each.look}",
            }
            for each in runaways.newest(_SENT)
        ],
        "budgets": budgets,
        "unused": unused,
        "alerts": [_alert(each) for each in standings],
        "sent": [
            {
                "at": int(each.message.at * 1000),
                "alert": each.message.alert,
                "title": each.message.title,
                "channel": each.channel,
                "state": each.state,
                "answer": each.answer or "",
            }
            for each in sent
        ],
        "channels": list(dict.fromkeys((*settings.channel, DESKTOP))),
        "periods": _PERIODS,
        "each": _EACH,
        "mutes": _MUTES,
        "form": FORM,
        "examples": _EXAMPLES,
    }
    return Shown(content, "llmitm budget ls; llmitm alert ls")


def _budgets(
    view: View, settings: Settings, now: float
) -> tuple[list[State], list[Mapping[str, object]], list[Mapping[str, object]]]:
    """Return how budgets stand, the same as the page shows it, and those that no call was counted for."""
    if not settings.budget and not view.home.budgets.exists():  # looking makes no files
        return [], [], []
    with book(view.home) as found:
        states = budget_book.states(found.ledger, found.budgets, now, found.zone)
        fullest = sorted(states, key=lambda state: -state.percent)[:_MOST_ACCOUNTS]
        foretold = {id(state) for state in fullest[:_MOST_FORETOLD]}
        shown = [
            _budget(found, state, now, is_foretold=id(state) in foretold)
            for state in states
            if any(state is each for each in fullest)
        ]
        used = {state.held.budget.name for state in states}
        unused = [_definition(found, each) for each in found.budgets if each.name not in used]
    return states, shown, unused


def act(view: View) -> str:
    """Do what a form asks."""
    what = view.argument("do")
    if what not in _ACTS:
        raise LlmitmError(f"do={what} is not known: allowed are {', '.join(_ACTS)}")
    _ACTS[what](view)
    return "/budgets"


def _set_budget(view: View) -> None:
    amount, per = view.argument("amount"), view.argument("other") or view.argument("per")
    on_limit = view.argument("on_limit") or "block"
    if on_limit == "fallback":
        on_limit = f"fallback:{view.argument('fallback')}"
    patterns, tags = _calls(view.argument("for"))
    arguments = argparse.Namespace(
        amount=f"{amount}/{per}",
        name=view.argument("name") or None,
        tags=tags,
        each=view.argument("each") or None,
        on_limit=on_limit,
        unpriced=view.argument("unpriced") or None,
        warn_at=view.argument("warn_at") or None,
        cut_streams=bool(view.argument("cut_streams")),
        **{f"of_{name}": patterns.get(name, []) for name in _FIELDS},
    )
    budget = setting.read(arguments)
    with book(view.home) as found:
        setting.keep(found, budget)


def _calls(text: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return patterns and properties out of `model=gpt-* user=ada team=blue`. Raises `LlmitmError`."""
    patterns: dict[str, list[str]] = {}
    tags: dict[str, str] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise LlmitmError(f"for = {text}: {error}") from None
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise LlmitmError(f"for = {word}: allowed is NAME=PATTERN, such as model=gpt-*")
        if name in _FIELDS:
            patterns.setdefault(name, []).append(value)
        else:
            tags[name] = value
    return patterns, tags


def _remove_budget(view: View) -> None:
    with book(view.home) as found:
        remove(found, view.argument("name"))


def _release_budget(view: View) -> None:
    with book(view.home) as found:
        found.ledger.forgive(view.argument("name"))


def _add_alert(view: View) -> None:
    to = view.arguments.get("to") or [DESKTOP]
    name = view.argument("name") or None
    editing.add(view.home, view.argument("condition"), to, name)


def _remove_alert(view: View) -> None:
    editing.remove(view.home, view.argument("name"))


def _mute_alert(view: View) -> None:
    length = view.argument("for")
    try:
        until = view.now.timestamp() + seconds_of(length) if length else None
    except argparse.ArgumentTypeError as error:
        raise LlmitmError(str(error)) from None
    standing.mute(view.home, load(view.home), view.argument("name"), until)


def _unmute_alert(view: View) -> None:
    standing.unmute(view.home, load(view.home), view.argument("name"))


def _resume_run(view: View) -> None:
    RunawayFile(view.home.runaways).resume(view.argument("name"), view.now.timestamp())


_ACTS: Mapping[str, Callable[[View], None]] = {
    "set-budget": _set_budget,
    "remove-budget": _remove_budget,
    "release-budget": _release_budget,
    "add-alert": _add_alert,
    "remove-alert": _remove_alert,
    "mute-alert": _mute_alert,
    "unmute-alert": _unmute_alert,
    "resume-run": _resume_run,
}


def _log(view: View) -> Reader | None:
    try:
        return view.log
    except StoreError:
        return None


def _budget(found: Book, state: State, now: float, *, is_foretold: bool) -> Mapping[str, object]:
    budget = state.held.budget
    colour = "c-bad" if state.percent >= _FULL else "c-plain"
    if _NEAR <= state.percent < _FULL:
        colour = "c-written"
    return {
        **_definition(found, budget),
        "value": state.held.value,
        "percent": state.percent,
        "bar": bar(state.spent + state.reserved, state.limit, colour),
        "spent": usd(state.spent),
        "reserved": usd(state.reserved) if state.reserved else "–",
        "doubt": usd(state.doubt) if state.doubt else "",
        "words": period_words(state),
        "outlook": budget_book.outlook(found.ledger, state, now) if is_foretold else None,
        "resets": resets(state, now, found.zone),
        "link": _link(state),
    }


def _definition(found: Book, budget: Budget) -> Mapping[str, object]:
    return {
        "name": budget.name,
        "limit": usd(budget.limit_nanousd),
        "amount": f"{budget.limit.normalize():f}",
        "per": budget.per,
        "for": budget.describe() or "all calls",
        "on_limit": budget.on_limit,
        "unpriced": str(budget.unpriced),
        "by_hand": budget.name in found.made,
    }


def _link(state: State) -> str | None:
    """Return the calls that an account is of; None where a filter cannot say which those are."""
    budget = state.held.budget
    start = datetime.fromtimestamp(max(state.window.start, 0), UTC).astimezone()
    question = Question(
        since=start.isoformat(timespec="seconds") if state.window.start > 0 else "all"
    )
    for name, value in _parts(state):
        if value is None:
            return None
        question = question.narrowed(name, value)
    if budget.key is not None:
        return None
    return f"/calls{question.query()}"


def _parts(state: State) -> Iterator[tuple[str, str | None]]:
    budget = state.held.budget
    for name in ("provider", "model", "user", "session", "run", "client"):
        patterns = getattr(budget, name)
        if patterns is not None:
            plain = len(patterns) == 1 and (
                name == "model" or not re.search(r"[*?\[]", patterns[0])
            )
            yield name, patterns[0] if plain else None
    for name, values in (budget.property or {}).items():
        plain = len(values) == 1 and not re.search(r"[*?\[]", values[0])
        yield f"property:{name}", values[0] if plain else None
    if budget.each is not None:
        name = budget.each if budget.each in _FIELDS else f"property:{budget.each}"
        yield name, (state.held.value or None) if budget.each != "key" else None


def _alert(each: Standing) -> Mapping[str, object]:
    return {
        "name": each.name,
        "condition": str(each.condition),
        "now": each.now,
        "to": ", ".join(each.to),
        "since": None if each.since is None else int(each.since * 1000),
        "groups": [" ".join(group.values()) for group in each.groups if group],
        "muted": each.is_muted,
        "muted_until": None if each.muted_until is None else int(each.muted_until * 1000),
    }


PAGE = Page("budgets", "Budgets, alerts", "b", show, filtered=False, act=act, needs_log=False)
