"""What `llmitm run` prints at the end, on standard error: at most five lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmitm.home import Home

_REFUSALS_SHOWN = 1


def show(
    place: Home, run_id: str, tags: Mapping[str, str], seconds: float, refusals: Sequence[str]
) -> None:
    """Print what a run was, and the fix where a client did not trust us."""
    labels = "".join(f" · {name}={value}" for name, value in tags.items())
    lines = [f"llmitm: run {run_id}{labels} · {duration(seconds)}"]
    lines.extend(
        f"llmitm: {refusal}: refused our certificate, its calls failed. See: llmitm doctor"
        for refusal in refusals[:_REFUSALS_SHOWN]
    )
    print("\n".join(lines), file=sys.stderr)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `0.8 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
