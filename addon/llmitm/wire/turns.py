"""What the turns of a conversation say, in every dialect: what a user asked, which tools were called and answered."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from llmitm.calls import Json
from llmitm.wire import jsontext
from llmitm.wire.bodies import TURNS

_LEAST_TASK = 24
"""Characters of an argument from which it is the task of an agent, and no coincidence."""
_RESULT_OF = ("tool_use_id", "tool_call_id", "call_id")
_ARGUMENTS = ("input", "arguments", "args")


def is_task(arguments: Json, told: Collection[str]) -> bool:
    """Tell whether one of a tool's arguments is what somebody was told."""
    for argument in map(_plain, strings(arguments)):
        if len(argument) >= _LEAST_TASK and any(argument in text for text in told):
            return True
    return False


def told(document: Json) -> Iterator[str]:
    """Yield what the first turns of a user say."""
    for turn in turns(document):
        if isinstance(turn, dict) and turn.get("role") == "user":
            for key in ("content", "parts"):
                yield from map(_plain, strings(turn.get(key)))
        elif isinstance(turn, dict) and turn.get("role") in ("assistant", "model"):
            return


def answered(document: Json) -> Iterator[str]:
    """Yield the ids of tool calls that a request brings results of."""
    for each in _objects(turns(document)):
        for key in _RESULT_OF:
            value = each.get(key)
            if isinstance(value, str) and value:
                yield value


def turns(document: Json) -> Sequence[Json]:
    """Return the turns of a request."""
    if not isinstance(document, dict):
        return ()
    for key in TURNS:
        found = document.get(key)
        if isinstance(found, list):
            return found
        if isinstance(found, str):
            return ({"role": "user", "content": found},)
    return ()


def tool_calls(document: Json) -> Iterator[tuple[str | None, Json]]:
    """Yield the tool calls of an answer: their ids and arguments."""
    for each in _objects(document):
        inner = each.get("function")
        called = inner if isinstance(inner, dict) else each
        if not isinstance(called.get("name"), str):
            continue
        for key in _ARGUMENTS:
            arguments = called.get(key)
            if arguments is None:
                continue
            if isinstance(arguments, str):
                arguments = jsontext.parse_or_none(arguments) or arguments
            name = each.get("call_id") or each.get("id")
            yield (name if isinstance(name, str) else None), arguments


def _objects(document: Json | Sequence[Json]) -> Iterator[dict[str, Json]]:
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from _objects(value)
    elif isinstance(document, (list, tuple)):
        for value in document:
            yield from _objects(value)


def said(turn: Json) -> tuple[str, str]:
    """Return who speaks in a turn, and what: texts as they are, tools with their arguments, results after an arrow."""
    if not isinstance(turn, dict):
        return "user", str(turn)
    kind = turn.get("type")
    who = turn.get("role") or (kind if isinstance(kind, str) else "") or "user"
    lines = list(_lines(turn.get("content", turn.get("parts")) or ()))
    lines += _lines([turn] if kind in _TOOLS else ())
    for call in turn.get("tool_calls") or ():
        lines += _lines([call])
    return str(who), "\n".join(lines)


_TOOLS = ("function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output")


def _lines(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for block in content if isinstance(content, (list, tuple)) else [content]:
        if isinstance(block, str):
            yield block
        elif isinstance(block, dict):
            yield from _of_block(block)


def _of_block(block: dict[str, Json]) -> Iterator[str]:
    called = [block.get(key) for key in ("function", "functionCall")]
    call = next((each for each in called if isinstance(each, dict)), block)
    result = next((block[key] for key in ("output", "functionResponse") if key in block), None)
    if isinstance(call.get("name"), str) and any(key in call for key in _ARGUMENTS):
        arguments = next(call[key] for key in _ARGUMENTS if key in call)
        shown = (
            arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        )
        yield f"→ {call['name']} {shown}"
    elif block.get("type") == "tool_result" or result is not None:
        inner = block.get("content") if result is None else result
        yield "← " + "\n".join(strings(inner))
    elif isinstance(block.get("text"), str):
        yield block["text"]
    elif isinstance(block.get("thinking"), str):
        yield f"({block['thinking']})"
    else:
        yield f"[{block.get('type') or ', '.join(block)}]"


def strings(document: Json) -> Iterator[str]:
    """Yield every string of a value, but not the keys."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for value in document.values():
            yield from strings(value)
    elif isinstance(document, list):
        for value in document:
            yield from strings(value)


def _plain(text: str) -> str:
    return " ".join(text.split())
