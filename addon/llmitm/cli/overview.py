"""Bare `llmitm`: today at a glance, and what to look at next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from llmitm.cli.filtering import moment
from llmitm.cli.output import calls, count, money, share, spent

if TYPE_CHECKING:
    from llmitm.home import Home

_SHOWN = 5
_NEXT = """
  llmitm ls               the latest calls        llmitm run -- COMMAND   log a program
  llmitm show last        one call, whole         llmitm stats --by day   spend by day"""


def show(place: Home) -> int:
    """Print it."""
    from llmitm.store.filters import Filter
    from llmitm.store.reader import reading

    today = Filter(since=moment("today"))
    with reading(place.database) as log:
        sums = log.sums(today)
        models = log.sums(today, ["model"])
        losses = log.losses()
    if sums:
        (day,) = sums
        print(
            f"today   {spent(day)} · {calls(day.calls)} · {count(day.input_tokens)} in"
            f" ({share(day.cached_input_tokens, day.input_tokens)} cached) · {count(day.output_tokens)} out"
            + (f" · {count(day.errors)} errors" if day.errors else "")
            + (f" · {count(day.unpriced)} unpriced" if day.unpriced else "")
            + (
                f" · {count(day.cache_hits)} cached, {money(day.saved_nanousd)} saved"
                if day.cache_hits
                else ""
            )
        )
        for model in models[:_SHOWN]:
            print(f"  {spent(model):>12}  {count(model.calls):>7}  {model.by[0] or '–'}")
        if len(models) > _SHOWN:
            print(f"  and {len(models) - _SHOWN} more: llmitm stats --since today")
    else:
        print("today   no calls yet")
    for reason, number in losses.items():
        print(f"lost    {count(number)}: {reason}", file=sys.stderr)
    print(_NEXT)
    return 0
