"""`llmitm run --budget`: a budget for one run, by the run's id, so that it holds with a proxy that others use too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from llmitm import budget_book
from llmitm.cli.budget.common import book
from llmitm.errors import LlmitmError
from llmitm.policy.budget_words import usd
from llmitm.policy.budgets import Budget

_PREFIX = "run-"
_TOLD_FROM = 50
"""Percent of a budget from which on it is worth a line at the end of a run."""


@contextmanager
def budget_of_run(run_id: str, limit: str) -> Iterator[None]:
    """Let a run spend so much in all. Raises `LlmitmError`."""
    fields = {"name": f"{_PREFIX}{run_id}", "limit": limit, "per": "total", "run": run_id}
    try:
        budget = Budget.model_validate(fields)
    except ValidationError as error:
        allowed = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise LlmitmError(f"--budget {limit!r}: allowed is {allowed}") from error
    with book() as found:
        found.ledger.define(budget.name, budget.model_dump_json(exclude_unset=True))
    try:
        yield
    finally:
        with book() as found:
            found.ledger.define(budget.name, None)


def lines(run_id: str) -> list[str]:
    """Return how the run's own budget stands, and those that are half used up."""
    found_lines = []
    with book() as found:
        now = time.time()
        mine = f"{_PREFIX}{run_id}"
        known = [
            budget
            for budget in found.budgets
            if budget.name == mine or not budget.name.startswith(_PREFIX)
        ]
        for state in budget_book.states(found.ledger, known, now, found.zone):
            is_mine = state.held.budget.name == mine
            if not is_mine and state.percent < _TOLD_FROM:
                continue
            name = "of this run" if is_mine else state.name
            spent = f"{usd(state.spent)} of {usd(state.limit)} spent, {state.percent} %"
            told = None if is_mine else budget_book.outlook(found.ledger, state, now)
            found_lines.append(f"budget {name}: {spent}{f' · {told}' if told else ''}")
    return found_lines
