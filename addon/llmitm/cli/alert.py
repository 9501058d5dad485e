"""`llmitm alert`: what is watched, what has been said, and a message to see whether it arrives."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmitm.cli.output import Column, as_json, clock, table
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.home import Home
    from llmitm.policy.alert_conditions import Condition
    from llmitm.settings import Settings
    from llmitm.store.alerts import Outgoing
    from llmitm.store.reader import Reader

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `alert` to the command line."""
    parser = subparsers.add_parser(
        "alert", help="messages when spend, errors or times cross a line", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="WHAT", required=True)

    listing = verbs.add_parser("ls", help="what is watched, and how it stands")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_ls)

    add = verbs.add_parser(
        "add",
        help="watch something: llmitm alert add 'spend > 50 / day' --to slack",
        description="CONDITION is METRIC [OP] VALUE [/ WINDOW] [by GROUP] [where KEY=VALUE] [if calls >= N]."
        " It is written into the settings; a proxy that runs takes it over within seconds.",
    )
    add.add_argument("condition", metavar="CONDITION")
    add.add_argument("--to", action="append", required=True, metavar="CHANNEL", help="more than once for several")  # fmt: skip
    add.add_argument("--name", help="else made from the condition")
    add.add_argument("--no-resolved", action="store_true", help="do not say when it is over")
    add.set_defaults(run=_add)

    test = verbs.add_parser("test", help="send a message and show what the receiver says")
    test.add_argument("name", help="an alert, or a channel")
    test.set_defaults(run=_test)

    mute = verbs.add_parser("mute", help="send nothing of an alert for a while")
    mute.add_argument("name")
    end = mute.add_mutually_exclusive_group()
    end.add_argument("--for", type=_span, dest="seconds", metavar="2h", help="else until --off")
    end.add_argument("--off", action="store_true", help="send again")
    mute.set_defaults(run=_mute)

    history = verbs.add_parser("history", help="what was sent, and what waits")
    history.add_argument("-n", type=int, default=20, metavar="N", help="so many messages; 20")
    history.add_argument("--json", action="store_true", help="print JSON")
    history.set_defaults(run=_history)


def _loaded() -> tuple[Home, Settings]:
    from llmitm.home import home
    from llmitm.settings import load

    place = home()
    return place, load(place)


def _ls(arguments: argparse.Namespace) -> int:
    from llmitm.errors import StoreError
    from llmitm.store.alerts import AlertFile
    from llmitm.store.reader import Reader

    place, settings = _loaded()
    now = time.time()
    file = AlertFile(place.alerts)
    mutes = file.mutes(now) if place.alerts.exists() else {}
    try:
        reader: Reader | None = Reader(place.database)
    except StoreError:
        reader = None
    records: list[dict[str, Any]] = []
    for name, alert in settings.alert.items():
        condition = alert.condition
        firing = file.firing(name, str(condition)) if place.alerts.exists() else {}
        since = min((each.since for each in firing.values()), default=None)
        records.append(
            {
                "name": name,
                "condition": str(condition),
                "to": list(alert.to),
                "state": "firing" if firing else "ok",
                "since": since,
                "groups": [dict(zip(condition.by, group, strict=True)) for group in firing],
                "now": _now(condition, reader, now),
                "muted": name in mutes,
                "muted_until": mutes.get(name),
            }
        )
    if reader is not None:
        reader.close()
    if arguments.json:
        as_json(records, "json")
        return 0
    if not records:
        print(
            "no alerts; such as: llmitm alert add 'spend > 50 / day' --to desktop", file=sys.stderr
        )
    columns = [Column("alert", style="cyan"), Column("when", wide=True), Column("now", right=True)]
    columns += [Column("state"), Column("to", style="dim")]
    table(columns, [_row(record) for record in records])
    return 0


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    state = record["state"]
    if record["since"] is not None:
        state = f"firing since {clock(int(record['since'] * 1000))}"
    if len(record["groups"]) > 1:
        state += f" for {len(record['groups'])}"
    if record["muted"]:
        until = record["muted_until"]
        state += ", muted" if until is None else f", muted until {clock(int(until * 1000))}"
    return record["name"], record["condition"], record["now"], state, ", ".join(record["to"])


def _now(condition: Condition, reader: Reader | None, now: float) -> str:
    """Return what the value is at this moment, that of the group furthest out."""
    from llmitm.alerts.runner import measure
    from llmitm.cli.budget.common import budget_use
    from llmitm.home import home
    from llmitm.policy.alert_conditions import shown
    from llmitm.store.runaways import RunawayFile

    at = datetime.fromtimestamp(now, UTC).astimezone()
    window = None if condition.window is None else condition.window.bounds(at)
    measured = measure(condition, reader, window, budget_use, RunawayFile(home().runaways)) or ()
    values = [each.value for each in measured if each.value is not None]
    if not values:
        return "–"
    return shown((max if condition.operator in (">", ">=") else min)(values), condition.unit)


def _add(arguments: argparse.Namespace) -> int:
    from llmitm import files
    from llmitm.policy.alert_conditions import parse as parse_condition
    from llmitm.settings import parse

    place, settings = _loaded()
    try:
        condition = parse_condition(arguments.condition)
    except ValueError as error:
        raise LlmitmError(str(error)) from error
    name = arguments.name or _free_name(condition, settings)
    if name in settings.alert:
        raise LlmitmError(f"there is an alert {name} already; --name gives this one another name")
    lines = [f"[alert.{name}]", f"when = {json.dumps(str(condition), ensure_ascii=False)}"]
    lines.append(f"to = {json.dumps(arguments.to)}")
    if arguments.no_resolved:
        lines.append("resolved = false")
    before = place.settings.read_text("utf-8") if place.settings.exists() else ""
    text = before + ("\n" if before else "") + "\n".join(lines) + "\n"
    parse(place.settings, text)
    place.create()
    files.replace(place.settings, text.encode())
    print(f"added {name} to {place.settings}: {condition}")
    print(f"try it: llmitm alert test {name}")
    return 0


def _free_name(condition: Condition, settings: Settings) -> str:
    """Return a name made of the metric, the window and the groups."""
    parts = [condition.words, str(condition.window or ""), *condition.by]
    stem = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")[:50]
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(settings.alert) + 3))]
    return next(name for name in names if name not in settings.alert)


def _test(arguments: argparse.Namespace) -> int:
    from llmitm.alerts import channels
    from llmitm.alerts.entries import DESKTOP
    from llmitm.alerts.messages import trial
    from llmitm.alerts.sending import NotSentError
    from llmitm.ids import new_id

    _, settings = _loaded()
    name, condition = arguments.name, ""
    if alert := settings.alert.get(name):
        to, condition = alert.to, str(alert.condition)
    elif name in settings.channel or name == DESKTOP:
        to = (name,)
    else:
        known = ", ".join([*settings.alert, *dict.fromkeys((*settings.channel, DESKTOP))])
        raise LlmitmError(f"there is no alert and no channel {name!r}; there are {known}")
    now = time.time()
    failed = False
    for channel in to:
        message = trial(new_id(now), name, condition, datetime.fromtimestamp(now, UTC).astimezone())
        try:
            answer = channels.send(message, channel, settings.channel, now)
        except NotSentError as error:
            failed = True
            print(f"llmitm: {channel}: not sent: {error}", file=sys.stderr)
        else:
            print(f"{channel}: {answer}")
    return int(failed)


def _mute(arguments: argparse.Namespace) -> int:
    from llmitm.store.alerts import AlertFile

    place, settings = _loaded()
    name = arguments.name
    if name not in settings.alert:
        known = ", ".join(settings.alert) or "none"
        raise LlmitmError(f"there is no alert {name!r}; there is {known}")
    place.create()
    file = AlertFile(place.alerts)
    if arguments.off:
        file.unmute(name)
        print(f"{name} is sent again, from its next crossing on")
        return 0
    until = None if arguments.seconds is None else time.time() + arguments.seconds
    file.mute(name, until)
    end = f"llmitm alert mute {name} --off" if until is None else clock(int(until * 1000))
    print(f"{name} is muted until {end}")
    return 0


def _history(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.alerts import AlertFile

    place = home()
    found = AlertFile(place.alerts).history(arguments.n) if place.alerts.exists() else []
    if arguments.json:
        as_json([_record(each) for each in found], "json")
        return 0
    columns = [
        Column("time", style="dim"),
        Column("alert", style="cyan"),
        Column("what", wide=True),
    ]
    columns += [Column("channel"), Column("state"), Column("answer", style="dim")]
    table(
        columns,
        [
            (
                clock(int(each.message.at * 1000)),
                each.message.alert,
                each.message.title,
                each.channel,
                _state(each),
                each.answer or "",
            )
            for each in found
        ],
    )
    return 0


def _state(outgoing: Outgoing) -> str:
    if outgoing.state == "waiting" and outgoing.tries:
        return f"tried {outgoing.tries}x, next {clock(int(outgoing.next_at * 1000))}"
    return outgoing.state


def _record(outgoing: Outgoing) -> dict[str, Any]:
    from llmitm.alerts.forms import webhook

    return {
        "id": outgoing.message.id,
        **webhook(outgoing.message),
        "channel": outgoing.channel,
        "state": outgoing.state,
        "tries": outgoing.tries,
        "answer": outgoing.answer,
    }


def _span(text: str) -> int:
    match = _SPAN.fullmatch(text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: allowed are 30m, 2h, 3d")
    return int(match[1]) * _SECONDS[match[2]]
