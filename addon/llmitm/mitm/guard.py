"""The boundary between our faults and the user's traffic: a hook that raises is logged once and counted.

mitmproxy runs all addons of a script as one link of its chain, so an exception in one hook would skip the others.
"""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import wraps

log = logging.getLogger("llmitm")

faults: Counter[str] = Counter()
"""Hooks that raised, by name; shown by `/llmitm/health` and `llmitm doctor`."""


def note_fault(where: str) -> None:
    """Count the exception being handled; the first of its kind is logged with its trace."""
    faults[where] += 1
    if faults[where] == 1:
        log.exception("llmitm: fault in %s; the call passes on untouched", where)  # noqa: LOG004  (called in handlers)


def guarded[**P](hook: Callable[P, object]) -> Callable[P, object]:
    """Make a hook, plain or async, that never raises."""
    if inspect.iscoroutinefunction(hook):

        @wraps(hook)
        async def guarded_async(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                await hook(*args, **kwargs)
            except Exception:
                note_fault(hook.__qualname__)

        return guarded_async

    @wraps(hook)
    def guarded_plain(*args: P.args, **kwargs: P.kwargs) -> Awaitable[object] | None:
        try:
            hook(*args, **kwargs)
        except Exception:
            note_fault(hook.__qualname__)
        return None

    return guarded_plain
