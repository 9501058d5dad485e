"""`llmitm explain`: what would be logged and charged for recorded exchanges. Reads them just as the proxy does."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from llmitm.calls import Exchange, Finished, RateLimit
    from llmitm.exchanges import Fault

_STANDARD_INPUT = "-"
_FAMILIES = ("anthropic", "gemini", "openai")
"""Dialects that are tried on a host outside the table, the ones with unmistakable paths first."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `explain` to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="what recorded exchanges would be logged and charged as",
        description=__doc__,
    )
    parser.add_argument(
        "files",
        nargs="*",
        default=[_STANDARD_INPUT],
        metavar="FILE",
        help="JSON lines, one exchange a line, or HAR; - is standard input, which is read where no file is given",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.exchanges import Fault

    explainer = _Explainer()
    rows: list[_Row] = []
    faults = 0
    for item in _items(arguments.files):
        if isinstance(item, Fault):
            faults += 1
            print(f"llmitm: {item.place}: {item.reason}", file=sys.stderr)
            continue
        call = explainer.read(item)
        if arguments.json:
            print(json.dumps(_document(call)))
        else:
            rows.append(_row(call))
    if not arguments.json:
        _print(rows)
    return 1 if faults else 0


def _items(files: Sequence[str]) -> Iterator[Exchange | Fault]:
    from llmitm.exchanges import Fault, read

    now = time.time()
    for name in files:
        if name == _STANDARD_INPUT:
            yield from read(sys.stdin.buffer, "standard input", now)
            continue
        try:
            with Path(name).open("rb") as file:
                yield from read(file, name, now)
        except OSError as error:
            yield Fault(name, f"cannot be read: {error.strerror}")


class _Explainer:
    """The proxy's reader, with the user's settings; hosts outside the table are read by their paths."""

    def __init__(self) -> None:
        from llmitm.home import home
        from llmitm.jobs import Once
        from llmitm.providers import hosts
        from llmitm.readers import reader
        from llmitm.settings import load

        place = home()
        settings = load(place)
        self._hosts = hosts.load(settings.provider)
        anywhere = hosts.ProviderEntry(name="unknown", hosts=("*",), dialects=_FAMILIES)
        self._known = reader(place, settings.log, self._hosts, keep_bodies=False)
        anything = hosts.HostTable([anywhere])
        self._jobs = Once()
        self._unknown = reader(place, settings.log, anything, keep_bodies=False)

    def read(self, exchange: Exchange) -> Finished:
        """Return the record of an exchange."""
        if self._hosts.find(exchange.host, exchange.port) is not None:
            return self._jobs.settle(self._known.read(exchange))
        call = self._jobs.settle(self._unknown.read(exchange))
        note = (
            f"{exchange.host} is not in the table of LLM hosts: the proxy would pass this on unread"
        )
        call.notes = [note, *call.notes]
        return call


def _document(call: Finished) -> dict[str, Any]:
    exchange, answer, charge = call.exchange, call.answer, call.charge
    usage = asdict(answer.usage)
    source = usage.pop("source")
    return {
        "id": exchange.id,
        "timestamp": _time(exchange.started_at),
        "provider": call.endpoint.provider,
        "operation": call.endpoint.operation,
        "model_requested": call.prompt.model or call.endpoint.model,
        "model": answer.model,
        "streaming": call.streaming,
        "status": exchange.status,
        "outcome": call.outcome,
        "finish_reason": answer.finish_reason,
        "text": answer.text,
        "tool_calls": [
            {"name": tool.name, "arguments": tool.arguments} for tool in answer.tool_calls
        ],
        "error_type": call.error_type,
        "error_message": call.error_message,
        "usage": usage,
        "as_reported": asdict(answer.reported),
        "usage_source": source,
        "cost_usd": _exact(charge.usd),
        "cost_parts": {unit: _exact(usd) for unit, usd in charge.parts.items()},
        "price_id": charge.price_id,
        "unpriced_reason": charge.unpriced_reason,
        "provider_cost_usd": _exact(charge.provider_usd),
        "table_cost_usd": _exact(charge.table_usd),
        "rate_limits": [_limit(limit) for limit in call.rate_limits],
        "retry_after_ms": call.retry_after_ms,
        "notes": [*call.notes, *charge.notes],
    }


def _limit(limit: RateLimit) -> dict[str, Any]:
    resets_at = None if limit.resets_at is None else _time(limit.resets_at)
    return {**asdict(limit), "resets_at": resets_at}


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exact(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd.normalize():f}"


class _Row(NamedTuple):
    """A call as it is shown."""

    cells: tuple[str, ...]
    why: str
    tokens: int
    usd: Decimal | None


def _row(call: Finished) -> _Row:
    usage, charge = call.answer.usage, call.charge
    asked, answered = call.prompt.model or call.endpoint.model, call.answer.model
    model = f"{asked} → {answered}" if asked and answered and asked != answered else call.model
    state = call.error_type or call.outcome
    if call.outcome == "ok":
        state = call.answer.finish_reason or "ok"
    estimated = "~" if usage.source == "estimated" else ""
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
    shown = ("–" if count is None else f"{estimated}{count:,}" for count in counts)
    cells = (
        call.exchange.id,
        call.endpoint.provider,
        call.endpoint.operation,
        model or "–",
        f"{call.exchange.status or '–'} {state}",
        *shown,
        f"${charge.usd:.6f}" if charge.usd is not None else "unpriced",
    )
    why = charge.unpriced_reason or charge.price_id or ""
    tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return _Row(tuple(map(_printable, cells)), _printable(why), tokens, charge.usd)


def _printable(text: str) -> str:
    """Return text that cannot steer the terminal: what a provider sends is not to be trusted."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def _print(rows: Sequence[_Row]) -> None:
    """Print a table on a terminal, and columns between tabs into a pipe."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join((*row.cells, row.why)))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("id", "provider", "operation", "model", "state"):
        table.add_column(heading, overflow="fold")
    for heading in ("in", "out", "cached", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("price, or why there is none", style="dim", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, (*row.cells, row.why)))
    console = Console(highlight=False)
    console.print(table)
    unpriced = sum(row.usd is None for row in rows)
    total = sum((row.usd for row in rows if row.usd is not None), Decimal(0))
    console.print(
        f"{len(rows):,} calls · {sum(row.tokens for row in rows):,} tokens · ${total:.6f} · {unpriced:,} unpriced"
    )
