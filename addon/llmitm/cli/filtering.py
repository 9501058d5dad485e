"""The filters that all reports have in common, under the names that JSON and columns have too."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from llmitm.callers import PROPERTIES, SUMMED
from llmitm.cli.options import add_tags
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.store.filters import Filter

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_filters(
    parser: argparse.ArgumentParser, *, model: str = "--model", provider: str = "--provider"
) -> None:
    """Add the options; two may have to go by another name, where a verb needs theirs."""
    parser.add_argument(
        "--since",
        type=moment,
        metavar="WHEN",
        help="2h, 3d, today, yesterday, week, month, or a date or time",
    )
    parser.add_argument("--until", type=moment, metavar="WHEN", help="the same; not included")
    parser.add_argument(
        model,
        dest="model",
        metavar="MODEL",
        help="a name, with or without its date, or a pattern such as 'claude-*'",
    )
    parser.add_argument(
        provider, dest="provider", metavar="PROVIDER", help="who answered: openai, anthropic ..."
    )
    parser.add_argument("--user", help="for whom it was asked")
    parser.add_argument("--run", dest="run_id", metavar="ID", help="a run of llmitm run")
    parser.add_argument("--session", help="as a header, a tag or the client names it")
    parser.add_argument("--client", help="part of the user agent")
    parser.add_argument("--operation", metavar="WHAT", help="chat, embedding, image ...")
    parser.add_argument("--cache", metavar="WHAT", help="what our cache did: hit, miss or off")
    for fact in SUMMED:
        parser.add_argument(f"--{fact}", metavar="NAME", help=f"the {fact} that the call came from")
    parser.add_argument("--status", help="429, 4xx or '>=400'")
    parser.add_argument("--errors", action="store_true", help="only calls that did not end well")
    parser.add_argument(
        "--min-cost", type=_usd, metavar="USD", help="calls that cost this or more, such as 0.05"
    )
    parser.add_argument("-q", "--text", metavar="WORDS", help="in prompts and answers")
    add_tags(parser, "a property of the call, such as project=nightly")


def wanted(arguments: argparse.Namespace) -> Filter:
    """Return what was asked for."""
    from llmitm.store.filters import Filter

    tags = dict(arguments.tags)
    facts = {PROPERTIES[fact]: getattr(arguments, fact) for fact in SUMMED}
    tags |= {name: value for name, value in facts.items() if value is not None}
    return Filter(
        since=arguments.since,
        until=arguments.until,
        model=arguments.model,
        provider=arguments.provider,
        user=arguments.user or tags.pop("user", None),
        run=arguments.run_id,
        session=arguments.session or tags.pop("session", None),
        client=arguments.client,
        operation=arguments.operation,
        cache=arguments.cache,
        properties=tags,
        status=arguments.status,
        errors=arguments.errors,
        min_cost=arguments.min_cost,
        text=arguments.text,
    )


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time that a person means: `2h` ago, `today`, `yesterday`, a date, or a time, local by default.

    Raises `LlmitmError`.
    """
    now = now or datetime.now(UTC).astimezone()
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": 0, "yesterday": 1, "week": midnight.weekday(), "month": midnight.day - 1}
    if text in days:
        return midnight - timedelta(days=days[text])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: allowed are 30m, 2h, 3d, today, week, month, 2026-11-24, 2026-11-24T08:30"
        ) from None
    return found if found.tzinfo else found.astimezone()


def span(text: str) -> timedelta:
    """Return a length of time such as `30m`, `2h` or `7d`. Raises `ArgumentTypeError`."""
    match = _AGO.fullmatch(text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: allowed are 30m, 2h, 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount in USD, such as 0.05") from None
    if not amount.is_finite():
        raise LlmitmError(f"{text!r} is no amount in USD, such as 0.05")
    return amount
