"""Mutations of the JSON in a body, whatever frames it: fields of other types, other sizes, doubled, gone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from llmitm.calls import Json
from llmitm.wire import jsontext
from mutations import frames
from mutations.draft import Draft
from mutations.plain import Mutation

_DEEP = "@deep@"
_DEPTHS = (150, 195, 205, 900, 10_000)
_HUGE = "@huge@"
_KEY = re.compile(r'"[a-z_A-Z]{1,30}": ?')

_VALUES: tuple[Json, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, -0.0, 10**18, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400),
    *(float("nan"), float("inf"), float("-inf"), 1e308, 5e-324),
    *("", " ", "0", "-5", "NaN", "Infinity", "1e999999999", "1e-999999999", "9" * 5_000, "x" * 20_000),
    *("\ud800", "\udfff\ud800", "\x00", "\u2028", "data: x\n\n", "[DONE]", "../..", "%s%n{}", "2026-99-99"),
    *([], {}, [[]], [None], [0] * 500, [{}] * 50, {"": {}}, {"text": None}, {"type": "text"}),
    *([["", "", ""]], {"a": [{"a": [{"a": "b"}]}]}, _DEEP, _HUGE),
)  # fmt: skip


def field(draft: Draft, random: Random) -> None:
    """Put something else in the place of a value."""

    def change(parent: Any, key: Any) -> None:
        parent[key] = random.choice(_VALUES)

    _change(draft, random, change)


def several(draft: Draft, random: Random) -> None:
    """Put other things in the place of many values."""
    for _ in range(random.randrange(2, 12)):
        field(draft, random)


def gone(draft: Draft, random: Random) -> None:
    """Take a value out."""

    def change(parent: Any, key: Any) -> None:
        del parent[key]

    _change(draft, random, change)


def many(draft: Draft, random: Random) -> None:
    """Repeat an element, or wrap a value in lists and objects."""

    def change(parent: Any, key: Any) -> None:
        value = parent[key]
        match random.randrange(4):
            case 0 if isinstance(parent, list):
                parent[key:key] = [value] * random.choice((1, 5, 300))
            case 1:
                parent[key] = [value, value]
            case 2:
                parent[key] = {"text": value, "content": value, "type": value}
            case _:
                parent[key] = [] if isinstance(value, list) else [value]

    _change(draft, random, change)


def exchanged(draft: Draft, random: Random) -> None:
    """Put one value of the document in the place of another."""
    kept: list[Json] = []

    def keep(parent: Any, key: Any) -> None:
        kept.append(jsontext.compact(parent[key]))

    def put(parent: Any, key: Any) -> None:
        parent[key] = json.loads(kept[-1])

    _change(draft, random, keep)
    if kept:
        _change(draft, random, put)


def doubled_key(draft: Draft, random: Random) -> None:
    """Give a key twice, which JSON allows and no two parsers read alike."""
    side = draft.side(random)
    text = side.body.decode("utf-8", "surrogateescape")
    keys = list(_KEY.finditer(text))
    if keys:
        key = random.choice(keys)
        other = random.choice(('"x"', "null", "0", "[]", "{}", "-1"))
        text = f"{text[: key.start()]}{key.group()}{other},{text[key.start() :]}"
        side.body = text.encode("utf-8", "surrogateescape")


def _change(draft: Draft, random: Random, change: Callable[[Any, Any], None]) -> None:
    """Change one value of one document of a body."""
    side = draft.side(random)
    texts = frames.split(side.body)
    places = [
        place for place, text in enumerate(texts.documents) if text.strip()[:1] in (b"{", b"[")
    ]
    if not places:
        return
    place = random.choice(places)
    document = jsontext.parse_or_none(texts.documents[place])
    found = list(_places(document))
    if found:
        change(*random.choice(found))
        texts.documents[place] = _written(document, random)
        side.body = texts.join()


def _places(document: Json) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document as the container and the key in it."""
    left = [document]
    while left:
        container = left.pop()
        if isinstance(container, dict | list):
            keys = list(container) if isinstance(container, dict) else range(len(container))
            yield from ((container, key) for key in keys)
            left += [container[key] for key in keys]


def _written(document: Json, random: Random) -> bytes:
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    if _HUGE in text:
        text = text.replace(
            f'"{_HUGE}"', random.choice(("9" * 5_000, "1e999", "-1e999", "01", "+1", ".5"))
        )
    if _DEEP in text:
        depth = random.choice(_DEPTHS)
        opened, closed = random.choice((("[", "]"), ('{"content":', "}"), ('[{"text":', "}]")))
        text = text.replace(f'"{_DEEP}"', opened * depth + "1" + closed * depth)
    return text.encode("utf-8", "surrogatepass")


MUTATIONS: tuple[Mutation, ...] = (
    field,
    field,
    field,
    field,
    several,
    several,
    gone,
    many,
    many,
    exchanged,
    exchanged,
    doubled_key,
)
