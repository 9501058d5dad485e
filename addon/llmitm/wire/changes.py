"""What one prompt has that another had not, in the order in which a provider reads it: tools, system prompt, turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from llmitm.calls import Json
from llmitm.wire import jsontext, turns
from llmitm.wire.bodies import TURNS

type Place = Literal["tools", "system", "messages", "options"]

_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_NOT_OPTIONS = frozenset({*TURNS, *_SYSTEM, "tools"})
_AROUND = 14
"""Characters that are shown before and after what changed."""
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two prompts."""

    place: Place
    name: str
    """Which one: the number of a message from 0, the name of a tool or of an option."""
    before: str | None
    """As text; None where it was not there."""
    after: str | None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request, cut at what a provider's cache goes by; marks of the cache are no part of it."""

    tools: Sequence[str] = ()
    system: Sequence[str] = ()
    messages: Sequence[str] = ()
    options: Mapping[str, str] | None = None


def read(text: str) -> Prompt | None:
    """Cut a request; None where it is no JSON object."""
    document = jsontext.parse_or_none(text)
    if not isinstance(document, dict):
        return None
    document = _without_marks(document)
    tools = document.get("tools")
    system: list[str] = []
    for key in _SYSTEM:
        system += [_said(each) for each in _listed(document.get(key))]
    return Prompt(
        [_shown(tool) for tool in tools] if isinstance(tools, list) else (),
        system,
        [_shown(turn) for turn in turns.turns(document)],
        {name: _shown(value) for name, value in document.items() if name not in _NOT_OPTIONS},
    )


def changes(before: Prompt, after: Prompt) -> Iterator[Change]:
    """Yield what is different, the first thing that a provider reads first; new turns at the end too."""
    for place in ("tools", "system", "messages"):
        pairs = zip_longest(getattr(before, place), getattr(after, place))
        for number, (old, new) in enumerate(pairs):
            if old != new:
                yield Change(place, _name(place, number, new or old), old, new)
    old_options, new_options = before.options or {}, after.options or {}
    for name in dict.fromkeys((*old_options, *new_options)):
        if old_options.get(name) != new_options.get(name):
            yield Change("options", name, old_options.get(name), new_options.get(name))


def broken_at(before: Prompt, after: Prompt) -> Change | None:
    """Return the first thing that is not as it was; None where one prompt is the beginning of the other."""
    for change in changes(before, after):
        if change.place == "options":
            if change.name in ("tool_choice", "thinking", "reasoning"):
                return change
        elif not (change.place == "messages" and change.before is None):
            return change
    return None


def told(change: Change) -> tuple[str, str]:
    """Return where two texts part, with a little of what is around it."""
    before, after = change.before or "", change.after or ""
    start = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        start += 1
    end = 0
    most = min(len(before), len(after)) - start
    while end < most and before[-1 - end] == after[-1 - end]:
        end += 1
    return _cut(before, start, end), _cut(after, start, end)


def _cut(text: str, start: int, end: int) -> str:
    first = max(0, start - _AROUND)
    last = len(text) - end
    middle = text[start:last]
    if len(middle) > _SHOWN:
        middle = middle[:_SHOWN] + "…"
        rest = ""
    else:
        rest = text[last : last + _AROUND]
    return f"{'…' if first else ''}{text[first:start]}{middle}{rest}{'…' if last + len(rest) < len(text) else ''}"


def _name(place: str, number: int, element: str | None) -> str:
    if place == "tools" and element:
        tool = jsontext.parse_or_none(element)
        inner = tool.get("function") if isinstance(tool, dict) else None
        for each in (tool, inner):
            if isinstance(each, dict) and isinstance(each.get("name"), str):
                return str(each["name"])
    return str(number)


def _listed(value: Json) -> Sequence[Json]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _said(block: Json) -> str:
    """Return the text of a block that has nothing else."""
    if isinstance(block, dict) and block.keys() <= {"type", "text"}:
        return _shown(block.get("text"))
    return _shown(block)


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _without_marks(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_marks(each) for key, each in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_without_marks(each) for each in value]
    return value
