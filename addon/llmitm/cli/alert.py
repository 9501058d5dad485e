"""`llmitm alert`: what is watched, what has been said, and a message to see whether it arrives."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmitm.cli.output import Column, as_json, clock, table
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.alerts.standing import Standing
    from llmitm.home import Home
    from llmitm.settings import Settings
    from llmitm.store.alerts import Outgoing

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
    add.add_argument("condition", metavar="CONDITION", help="such as 'spend > 50 / day'")
    add.add_argument("--to", action="append", required=True, metavar="CHANNEL", help="more than once for several")  # fmt: skip
    add.add_argument("--name", help="else made from the condition")
    add.add_argument("--no-resolved", action="store_true", help="do not say when it is over")
    add.set_defaults(run=_add)

    remove = verbs.add_parser("rm", help="watch something no longer")
    remove.add_argument("name", help="the alert's")
    remove.set_defaults(run=_remove)

    test = verbs.add_parser("test", help="send a message and show what the receiver says")
    test.add_argument("name", help="an alert, or a channel")
    test.set_defaults(run=_test)

    mute = verbs.add_parser("mute", help="send nothing of an alert for a while")
    mute.add_argument("name", help="the alert's")
    end = mute.add_mutually_exclusive_group()
    end.add_argument("--for", type=span, dest="seconds", metavar="2h", help="else until --off")
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
    from llmitm.alerts.standing import standings
    from llmitm.cli.budget.common import budget_use
    from llmitm.errors import StoreError
    from llmitm.store.reader import Reader

    place, settings = _loaded()
    try:
        reader: Reader | None = Reader(place.database)
    except StoreError:
        reader = None
    found = standings(place, settings, reader, time.time(), budget_use)
    if reader is not None:
        reader.close()
    records = [_standing(each) for each in found]
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


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "condition": str(standing.condition),
        "to": list(standing.to),
        "state": "ok" if standing.since is None else "firing",
        "since": standing.since,
        "groups": [dict(group) for group in standing.groups],
        "now": standing.now,
        "muted": standing.is_muted,
        "muted_until": standing.muted_until,
    }


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


def _add(arguments: argparse.Namespace) -> int:
    from llmitm.alerts.editing import add

    place, _ = _loaded()
    name, condition = add(
        place,
        arguments.condition,
        arguments.to,
        arguments.name,
        resolved=not arguments.no_resolved,
    )
    print(f"added {name} to {place.settings}: {condition}")
    print(f"try it: llmitm alert test {name}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from llmitm.alerts.editing import remove

    place, _ = _loaded()
    remove(place, arguments.name)
    print(f"removed {arguments.name} from {place.settings}")
    return 0


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
    from llmitm.alerts.standing import mute, unmute

    place, settings = _loaded()
    name = arguments.name
    if arguments.off:
        unmute(place, settings, name)
        print(f"{name} is sent again, from its next crossing on")
        return 0
    until = None if arguments.seconds is None else time.time() + arguments.seconds
    mute(place, settings, name, until)
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


def span(text: str) -> int:
    """Return the seconds of a text such as `2h`. Raises `argparse.ArgumentTypeError`."""
    match = _SPAN.fullmatch(text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: allowed are 30m, 2h, 3d")
    return int(match[1]) * _SECONDS[match[2]]
