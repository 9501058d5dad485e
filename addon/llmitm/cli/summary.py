"""What `llmitm run` prints at the end, on standard error: at most five lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llmitm import harmless

if TYPE_CHECKING:
    from llmitm.home import Home

_REFUSALS_SHOWN = 1
_MODELS_SHOWN = 3


def show(
    place: Home,
    run_id: str,
    tags: Mapping[str, str],
    seconds: float,
    refusals: Sequence[str],
    budgets: Sequence[str] = (),
) -> None:
    """Print what a run was, and the fix where a client did not trust us."""
    labels = "".join(f" · {name}={value}" for name, value in tags.items())
    lines = [f"llmitm: run {run_id}{labels} · {duration(seconds)}", *_calls(place, run_id)]
    lines.extend(f"llmitm: {told}" for told in budgets)
    lines.extend(
        f"llmitm: {refusal}: refused our certificate, its calls failed. See: llmitm doctor"
        for refusal in refusals[:_REFUSALS_SHOWN]
    )
    print("\n".join(map(harmless.line, lines)), file=sys.stderr)


def _calls(place: Home, run_id: str) -> list[str]:
    """Return what the run's calls add up to, and where to look next."""
    from llmitm.cli.output import calls, count, money, seconds, share, spent
    from llmitm.store.filters import Filter
    from llmitm.store.reader import reading

    run = Filter(run=run_id)
    try:
        with reading(place.database) as log:
            sums = log.sums(run)
            models = log.sums(run, ["model"])
            half, most, slowest = log.quantiles(run, (0.5, 0.95, 1))
    except Exception as error:  # whatever it is, the program has run and its exit code counts
        return [f"llmitm: its calls cannot be shown: {error}"]
    if not sums:
        return ["llmitm: no LLM calls were seen; if there should have been: llmitm doctor"]
    (whole,) = sums
    extras = [
        f"{number} {name}"
        for number, name in (
            (whole.errors, "failed"),
            (whole.unpriced, "unpriced"),
            (whole.estimated, "estimated"),
            (whole.blocked, "blocked"),
            (whole.retries, "retried"),
        )
        if number
    ]
    if whole.cache_hits:
        extras.append(f"{whole.cache_hits} cached, {money(whole.saved_nanousd)} saved")
    names = " · ".join(
        f"{each.by[0] or 'no model'} {each.calls}" for each in models[:_MODELS_SHOWN]
    )
    return [
        " · ".join(
            [
                f"llmitm: {calls(whole.calls)}",
                f"{count(whole.input_tokens)} in ({share(whole.cached_input_tokens, whole.input_tokens)} cached)",
                f"{count(whole.output_tokens)} out",
                spent(whole),
                *extras,
            ]
        ),
        f"llmitm: {names} · p50 {seconds(half)} · p95 {seconds(most)} · slowest {seconds(slowest)}",
        f"llmitm: look: llmitm ls --run {run_id} · llmitm show last · llmitm stats",
    ]


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `0.8 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
