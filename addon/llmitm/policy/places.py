"""Places in a JSON document, as dotted paths: `metadata.user_id`, `system.*.text`, `**.turn_id`.

`*` stands for any key of an object or element of a list, `**` for any number of steps, a number for one element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llmitm.calls import Json

type Place = tuple[str, ...]

ANY, ANY_DEPTH = "*", "**"


def place(path: str) -> Place:
    """Return the steps of a path."""
    return tuple(path.split("."))


def leave_out(document: Json, places: Sequence[Place]) -> None:
    """Take places out of a document. An element of a list becomes null, so that the others keep their numbers."""
    for each in places:
        for holder, key in list(_found(document, each)):
            if isinstance(holder, list):
                holder[int(key)] = None
            else:
                holder.pop(key, None)


def change_texts(document: Json, places: Sequence[Place], change: Callable[[str], str]) -> None:
    """Put a changed text where a place holds text."""
    for each in places:
        for holder, key in list(_found(document, each)):
            index = int(key) if isinstance(holder, list) else key
            if isinstance(holder[index], str):
                holder[index] = change(holder[index])


def _found(holder: Json, steps: Place) -> Iterator[tuple[Json, str]]:
    """Yield what holds a place, and its key there."""
    first, rest = steps[0], steps[1:]
    if first == ANY_DEPTH:
        if rest:
            yield from _found(holder, rest)
            for _, inner in _inside(holder):
                yield from _found(inner, steps)
        return
    for key, inner in _inside(holder):
        if first in (ANY, key):
            if not rest:
                yield holder, key
            else:
                yield from _found(inner, rest)


def _inside(holder: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(holder, dict):
        yield from holder.items()
    elif isinstance(holder, list):
        yield from ((str(number), inner) for number, inner in enumerate(holder))
