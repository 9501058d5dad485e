"""What the writers of requests have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from llmitm.calls import Json
from llmitm.translate.chat import Tool
from llmitm.translate.sides import Notes

_HARMLESS = frozenset({"prompt_cache_key", "store", "service_tier", "safety_identifier"})
"""What is left out without a word: it changes no answer."""
_LONGEST_OPENAI_USER = 64
_LONGEST_ANTHROPIC_USER = 256
_PERSONAL = re.compile(r"@|^[+\d ()-]+$")
"""An e-mail address or a telephone number: https://github.com/BerriAI/litellm/issues/10106 (read 2026-11-26)"""


def left_out(sampling: Mapping[str, Json], extras: Mapping[str, Json], notes: Notes) -> None:
    """Note the options that only OpenAI's dialects have."""
    for name in (*sampling, *extras):
        if name not in _HARMLESS:
            notes.add(f"{name} has no counterpart")


def tool_schema(tool: Tool) -> dict[str, Json]:
    """Return the schema of a tool's arguments, which has to be that of an object."""
    schema = {name: value for name, value in tool.schema.items() if name != "$schema"}
    schema.setdefault("type", "object")
    if schema["type"] == "object":
        schema.setdefault("properties", {})
    return schema


def openai_user(user: str | None) -> str | None:
    """Return the user's name; its hash where it is longer than OpenAI takes, as Claude Code's is."""
    return _hashed(user) if user is not None and len(user) > _LONGEST_OPENAI_USER else user


def anthropic_user(user: str | None) -> str | None:
    """Return the user's name; its hash where Anthropic would refuse it, as it does with addresses and numbers."""
    if user is None or not (len(user) > _LONGEST_ANTHROPIC_USER or _PERSONAL.search(user)):
        return user
    return _hashed(user)


def _hashed(user: str) -> str:
    return sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def call_id(answer: str | None, index: int) -> str:
    """Return an id for a call of a tool to which the provider gave none."""
    bare = "".join(c for c in answer or "" if c.isascii() and c.isalnum())[-24:]
    return f"call_{bare or 'unnamed'}_{index}"
