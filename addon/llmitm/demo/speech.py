"""What the local provider's only model says: an echo, the same for the same question, in every dialect.

A token is four characters (the last may be shorter), and a stream sends one token a chunk, so anyone
can check a count. Where tools are offered the first one is called, unless the question says which and how:
`call read_file {"path": "notes.txt"}`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmitm.calls import Json
from llmitm.demo.behaviour import Behaviour
from llmitm.demo.message import Tokens

TOKEN = 4
"""Characters."""
_CALL = re.compile(r"\bcall ([\w.-]+) (?=\{)", re.IGNORECASE)


def pieces(text: str) -> list[str]:
    """Cut a text into its tokens."""
    return [text[at : at + TOKEN] for at in range(0, len(text), TOKEN)]


def count(text: str) -> int:
    """Return the number of tokens of a text."""
    return -(-len(text) // TOKEN)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the request offers."""

    name: str
    schema: Json = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A function that the model wants called; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for text, in no dialect."""

    prompt: str
    """All text that the model reads."""
    question: str
    """The last message's text."""
    limit: int | None = None
    """Most tokens of text that may come back."""
    tools: Sequence[Tool] = ()
    """Empty where no tool may be called, as after a tool's result."""
    schema: Json = None
    """JSON schema that the answer must follow."""
    thinks: bool = False
    cache_write: int = 0
    """Tokens of the prompt that the request wants cached."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer in no dialect."""

    text: str
    reasoning: str
    refusal: str
    tool_uses: Sequence[ToolUse]
    shortened: bool
    """True where the limit cut the text."""
    tokens: Tokens


def say(ask: Ask, behaviour: Behaviour) -> Said:
    """Return the model's answer."""
    reasoning = ""
    if ask.thinks or behaviour.reasoning:
        reasoning = f"The user says {ask.question!r}. I shall say it back."
    tool_uses = _tool_uses(ask, behaviour.tools)
    refusal = "I am sorry, I cannot help with that." if behaviour.refusal else ""
    text = "" if tool_uses or refusal else _text(ask, behaviour.long)
    shortened = ask.limit is not None and count(text) > ask.limit
    if ask.limit is not None:
        text = text[: ask.limit * TOKEN]
    output = count(text) + count(reasoning) + count(refusal)
    output += sum(count(use.name) + count(use.arguments) for use in tool_uses)
    tokens = Tokens(input=count(ask.prompt), output=output, reasoning=count(reasoning))
    # What is read from the cache is its beginning, and is not written again.
    cached = min(behaviour.cached or 0, tokens.input)
    written = max(0, min(ask.cache_write, tokens.input) - cached)
    tokens = replace(tokens, cached=cached, cache_write=written)
    return Said(text, reasoning, refusal, tool_uses, shortened, tokens)


def _text(ask: Ask, long: int | None) -> str:
    if ask.schema is not None:
        return json.dumps(instance(ask.schema, ask.question), ensure_ascii=False)
    text = f"You said: “{ask.question}” This is the local demo provider; nothing left your machine."
    if long is not None:
        text = (f"{text} " * (long * TOKEN // len(text) + 1))[: long * TOKEN]
    return text


def _tool_uses(ask: Ask, wanted: int | None) -> list[ToolUse]:
    if not ask.tools:
        return []
    if wanted is None and (said := _asked_for(ask)):
        return [said]
    chosen = [ask.tools[at % len(ask.tools)] for at in range(wanted or 1)]
    return [
        ToolUse(tool.name, json.dumps(instance(tool.schema, ask.question), ensure_ascii=False))
        for tool in chosen
    ]


def _asked_for(ask: Ask) -> ToolUse | None:
    """Return the call that the question spells out, if it is of a tool on offer."""
    names = {tool.name for tool in ask.tools}
    for match in _CALL.finditer(ask.question):
        if match[1] not in names:
            continue
        # A question that is quoted inside another is no JSON.
        with contextlib.suppress(ValueError):
            arguments, _ = json.JSONDecoder().raw_decode(ask.question, match.end())
            return ToolUse(match[1], json.dumps(arguments, ensure_ascii=False))
    return None


def instance(schema: Json, text: str) -> Json:
    """Return a value that a plain JSON schema allows; strings become `text`."""
    if not isinstance(schema, dict):
        return {}
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return instance(schema[choice][0], text)
    kind = schema.get("type", "object")
    # Gemini spells the types in capitals, and a list of types allows any of them.
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    plain = {"string": text, "integer": 1, "number": 1, "boolean": True, "null": None}
    if kind in plain:
        return plain[kind]
    if kind == "array":
        return [instance(schema.get("items"), text)]
    properties = schema.get("properties") or {}
    return {name: instance(part, text) for name, part in properties.items()}
