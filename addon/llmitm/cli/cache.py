"""`llmitm cache`: the answers that are kept to be given again: how many, which, and away with them."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from llmitm.cli.filtering import add_filters
from llmitm.cli.output import Column, add_forms, as_json, table

_SHOWN = 20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `cache` to the command line."""
    parser = subparsers.add_parser(
        "cache",
        help="answers that are kept to be given again: ls, clear; and advice on the providers'",
        description=__doc__,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_totals)
    verbs = parser.add_subparsers(metavar="WHAT")
    listing = verbs.add_parser("ls", help="the newest answers")
    listing.add_argument("-n", type=int, default=_SHOWN, metavar="N", help="how many; 20")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)
    clear = verbs.add_parser("clear", help="take all answers away")
    clear.add_argument("--expired", action="store_true", help="only those that nobody gets")
    clear.set_defaults(run=_clear)
    advise = verbs.add_parser(
        "advise",
        help="where the prompt caches of providers broke, and what that cost",
        description="Conversations whose beginning a provider had in its prompt cache, and did not find again:"
        " what changed first, what the miss cost, and what to do about it.",
    )
    add_filters(advise)
    advise.add_argument("-n", type=int, default=_SHOWN, metavar="N", help="how many misses; 20")
    add_forms(advise)
    advise.set_defaults(run=_advise)


def _advise(arguments: argparse.Namespace) -> int:
    from llmitm.cli import advise

    return advise.run(arguments)


def _totals(arguments: argparse.Namespace) -> int:
    from llmitm.answers.inventory import totals
    from llmitm.home import home
    from llmitm.settings import load

    place = home()
    most = load(place).cache.size_mb
    found = totals(place.cache, time.time())
    if arguments.json:
        document = {"file": str(place.cache), **found._asdict(), "most_bytes": most * 1_000_000}
        as_json([document], "jsonl")
        return 0
    print(place.cache)
    print(f"{found.answers:,} answers, of which {found.expired:,} have expired")
    print(f"given again {found.hits:,} times")
    if place.database.exists():
        print(_rate(place.database))
    print(
        f"{found.size / 1e6:,.1f} MB of at most {most:,}; the file has {found.file_size / 1e6:,.1f}"
    )
    return 0


def _rate(log: Path) -> str:
    """Return how the calls fared that asked the cache, as far as the log has them."""
    from llmitm.store.reader import reading

    with reading(log) as reader:
        rows = reader.query(
            "SELECT count(*) AS asked, coalesce(sum(cache = 'hit'), 0) AS hits,"
            " coalesce(sum(saved_nanousd), 0) / 1e9 AS saved FROM calls WHERE cache IS NOT NULL"
        )
    asked, hits, saved = rows[0]["asked"], rows[0]["hits"], rows[0]["saved"]
    share = f"{100 * hits / asked:.0f} %" if asked else "none"
    return f"in the log: {asked:,} calls asked it, {share} were hits, ${saved:,.4f} saved"


def _list(arguments: argparse.Namespace) -> int:
    from llmitm.answers.inventory import newest
    from llmitm.home import home

    found = newest(home().cache, arguments.n)
    if arguments.json:
        as_json([entry._asdict() for entry in found], "jsonl")
        return 0
    columns = [Column(name) for name in ("call", "saved", "expires", "what", "model")]
    columns += [Column("hits", right=True), Column("kB", right=True)]
    rows = [
        [
            entry.call_id,
            _time(entry.saved_at),
            _time(entry.expires_at),
            f"{entry.provider} {entry.operation}",
            entry.model or "",
            f"{entry.hits:,}",
            f"{entry.size / 1000:,.1f}",
        ]
        for entry in found
    ]
    if rows:
        table(columns, rows)
    return 0


def _clear(arguments: argparse.Namespace) -> int:
    from llmitm.answers.inventory import clear
    from llmitm.home import home

    gone = clear(home().cache, expired_at=time.time() if arguments.expired else None)
    print(f"{gone:,} answers taken away")
    return 0


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
