"""What providers' prompt caches keep, from what length on and for how long; and what a call should have found there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from llmitm.wire.changes import Change

_MINUTES_5, _HOUR = 300, 3_600
_BLOCK = 128
"""OpenAI caches in steps of so many tokens."""
_LEAST_SHARE = 0.5
"""A call that finds less than this of what was there has missed; what is missing otherwise is the last steps."""

# Least tokens by model: https://platform.claude.com/docs/en/build-with-claude/prompt-caching and
# https://developers.openai.com/api/docs/guides/prompt-caching (read 2026-11-26). Models that are newer than the page
# count as the last ones on it.
_LEAST = (
    (re.compile(r"claude-(?:3-haiku|3-5-haiku|haiku-3)"), 2_048),
    (
        re.compile(
            r"claude-(?:3|opus-4-[01]|opus-4(?!-[2-9])|sonnet-4-[0-5]|sonnet-4(?!-\d(?!\d)))"
        ),
        1_024,
    ),
    (re.compile(r"claude-sonnet-4-6"), 2_048),
    (re.compile(r"claude"), 4_096),
    (re.compile(r"gemini-.*flash"), 1_024),
    (re.compile(r"gemini"), 4_096),
)
_LEAST_ELSE = 1_024

type Reason = Literal["model", "changed", "expired", "no marks", "not found"]


class Rules(NamedTuple):
    """What a provider says of its cache."""

    least: int
    """Tokens of a prompt from which it is kept."""
    lifetime: int
    """Seconds for which it is surely kept after its last use."""
    marked: bool
    """Whether the client has to say what is to be kept."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call: its times in seconds, its tokens, and whether it asked for a cache."""

    at: float
    model: str
    input_tokens: int
    cached_tokens: int
    hour_tokens: int = 0
    """Written to be kept for an hour."""
    written_tokens: int = 0
    marks: bool = False


@dataclass(frozen=True, slots=True)
class Miss:
    """A prompt that was there and was not found."""

    reason: Reason
    tokens: int
    """That were read anew."""
    idle: float
    """Seconds since the call before."""
    lifetime: int
    change: Change | None = None


def rules(call: Call) -> Rules:
    """Return the rules of the cache that a call meets."""
    model = call.model.rpartition("/")[2]
    least = next((tokens for name, tokens in _LEAST if name.search(model)), _LEAST_ELSE)
    return Rules(least, _HOUR if call.hour_tokens else _MINUTES_5, "claude" in model)


def expected(before: Call, call: Call) -> int:
    """Return how many tokens of a prompt that goes on from another the cache could give."""
    told = rules(before)
    shared = min(before.input_tokens, call.input_tokens)
    if told.marked and before.written_tokens + before.cached_tokens:
        shared = min(shared, before.written_tokens + before.cached_tokens)
    if shared < told.least:
        return 0
    return shared if told.marked else shared // _BLOCK * _BLOCK


def missed(before: Call, call: Call, change: Change | None) -> Miss | None:
    """Return what a call did not find of the prompt before it, and why; None where it found it, or nothing was to be found."""
    there = expected(before, call)
    if not there or call.cached_tokens >= there * _LEAST_SHARE:
        return None
    told = rules(before)
    idle = call.at - before.at
    reason: Reason = "not found"
    if before.model != call.model:
        reason = "model"
    elif told.marked and not before.marks:
        reason = "no marks"
    elif change is not None:
        reason = "changed"
    elif idle > told.lifetime:
        reason = "expired"
    return Miss(reason, there - call.cached_tokens, idle, told.lifetime, change)


def advice(miss: Miss) -> str:
    """Return what to do about it."""
    if miss.reason == "model":
        return "another model has a cache of its own: keep a conversation on one"
    if miss.reason == "no marks":
        return "ask for it: cache_control on the last block of the system prompt and of the newest message"
    if miss.reason == "changed" and miss.change is not None:
        place = miss.change.place
        if place == "tools":
            return "send the same tools in the same order in every call"
        if place == "system":
            return "keep what changes (times, ids, states) out of the system prompt: into the newest message"
        if place == "options":
            return f"keep {miss.change.name} as it is within a conversation"
        return "add to the end and leave earlier messages as they are"
    if miss.reason == "expired":
        if miss.lifetime < _HOUR < miss.idle:
            return "nothing: no cache is surely kept for so long"
        return "a cache of an hour pays where pauses are that long"
    return "nothing to be seen in the prompt: it was evicted or asked of another machine; where there is prompt_cache_key, set it"
