"""`llmitm budget set`: make a budget, or change one."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pydantic import ValidationError

from llmitm.cli.budget.common import Book, book
from llmitm.errors import LlmitmError
from llmitm.policy.budget_words import usd
from llmitm.policy.budgets import Budget

_MATCHED = ("provider", "model", "user", "session", "run", "key", "client")


def run(arguments: argparse.Namespace) -> int:
    """Keep it."""
    budget = read(arguments)
    with book() as found:
        was_there = keep(found, budget)
    what = budget.describe()
    told = f"{usd(budget.limit_nanousd)} per {budget.per}{f' for {what}' if what else ''}"
    print(f"{'changed' if was_there else 'made'} {budget.name}: {told}, then {budget.on_limit}")
    return 0


def keep(found: Book, budget: Budget) -> bool:
    """Keep a budget, and return whether there was one of its name."""
    definition = budget.model_dump_json(exclude_unset=True, exclude_none=True)
    return found.ledger.define(budget.name, definition)


def read(arguments: argparse.Namespace) -> Budget:
    """Return the budget that was asked for. Raises `LlmitmError`."""
    amount, slash, per = str(arguments.amount).partition("/")
    if not slash:
        raise LlmitmError(f"{amount!r} has no period: allowed is 20/day, 2/total, 3/24h and so on")
    fields = {"limit": amount, "per": per, **_calls(arguments)}
    for name in ("each", "on_limit", "unpriced"):
        if getattr(arguments, name) is not None:
            fields[name] = getattr(arguments, name)
    if arguments.warn_at is not None:
        fields["warn_at"] = _percents(arguments.warn_at)
    if arguments.cut_streams:
        fields["cut_streams"] = True
    fields["name"] = arguments.name or _name(fields)
    try:
        return Budget.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])).replace("_", "-")
        allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise LlmitmError(f"{key} = {first['input']!r}: allowed is {allowed}") from error


def _calls(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return which calls it is for."""
    fields: dict[str, Any] = {}
    tags = dict(arguments.tags)
    for name in _MATCHED:
        patterns = getattr(arguments, f"of_{name}") or []
        if name in ("user", "session") and name in tags:
            patterns = [*patterns, tags.pop(name)]
        if patterns:
            fields[name] = tuple(patterns)
    return fields | ({"property": tags} if tags else {})


def _percents(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise LlmitmError(f"--warn-at {text!r}: allowed is 50,80,100 and the like") from None


def _name(fields: dict[str, Any]) -> str:
    """Return a name that says what a budget is for."""
    words = [str(part) for name in _MATCHED for part in fields.get(name, ())]
    words += [str(value) for value in fields.get("property", {}).values()]
    words += [f"each-{fields['each']}"] if "each" in fields else []
    text = "-".join([*words, fields["per"]])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:64]
