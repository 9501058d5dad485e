"""What the writers of requests have in common."""

from __future__ import annotations

from collections.abc import Mapping

from llmitm.calls import Json
from llmitm.translate.chat import Tool
from llmitm.translate.sides import Notes

_HARMLESS = frozenset({"prompt_cache_key", "store", "service_tier", "safety_identifier"})
"""What is left out without a word: it changes no answer."""


def left_out(sampling: Mapping[str, Json], extras: Mapping[str, Json], notes: Notes) -> None:
    """Note the options that only OpenAI's dialects have."""
    for name in (*sampling, *extras):
        if name not in _HARMLESS:
            notes.add(f"{name} has no counterpart")


def tool_schema(tool: Tool) -> dict[str, Json]:
    """Return the schema of a tool's arguments, which has to be that of an object."""
    schema = dict(tool.schema)
    schema.setdefault("type", "object")
    if schema["type"] == "object":
        schema.setdefault("properties", {})
    return schema


def call_id(answer: str | None, index: int) -> str:
    """Return an id for a call of a tool to which the provider gave none."""
    bare = "".join(c for c in answer or "" if c.isascii() and c.isalnum())[-24:]
    return f"call_{bare or 'unnamed'}_{index}"
