"""How a client program says what its calls gave."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable

Case = Callable[[], str | None] | Callable[[], Awaitable[str | None]]


def run(*cases: Case) -> None:
    """Make the calls in order and print their names and texts as JSON."""

    async def results() -> list[dict[str, str | None]]:
        done = []
        for case in cases:
            result = case()
            text = await result if inspect.isawaitable(result) else result
            done.append({"case": case.__name__, "text": text})
        return done

    print(json.dumps(asyncio.run(results())))
