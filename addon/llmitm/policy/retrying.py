"""How long is waited before a call is made again, and when it no longer is."""

from __future__ import annotations

from collections.abc import Callable

from llmitm.policy.directives import RetryDirective


def next_wait(
    directive: RetryDirective,
    attempt: int,
    hint: float | None,
    elapsed: float,
    random: Callable[[], float],
) -> float | None:
    """Return the seconds to wait after an attempt that failed; None where there is to be no other.

    Args:
        directive: What was asked for; its times are milliseconds.
        attempt: Which one failed, from 1.
        hint: Seconds that the provider asks to wait. It goes before a wait of our own; 0 is none, as SDKs read it.
        elapsed: Seconds since the first attempt began.
        random: Returns a number from 0 up to 1. Each wait is any up to the longest that it may be ("full jitter"), so
            that calls that failed together do not come back together.

    """
    if attempt > directive.retries:
        return None
    wait = hint or random() * _longest(directive, attempt) / 1000
    return wait if elapsed + wait <= directive.limit / 1000 else None


def _longest(directive: RetryDirective, attempt: int) -> float:
    """Return the milliseconds that a wait is at most."""
    try:
        grown = directive.first_wait * directive.factor ** (attempt - 1)
    except OverflowError:
        return directive.longest_wait
    return min(grown, directive.longest_wait)
