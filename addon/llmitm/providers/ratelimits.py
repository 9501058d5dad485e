"""Rate limits, out of every family of headers that providers send, in one form.

What is limited and for how long stand apart: `x-ratelimit-limit-tokens-minute` is a limit of `tokens` with the
period `minute`. Where a name does not tell the period but the provider's documentation does, the family has it.
How values are written is in limit_values.py, subscriptions in limit_plans.py, bodies and events in limit_bodies.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from llmitm.calls import Headers, RateLimit
from llmitm.providers import limit_plans, limit_structured
from llmitm.providers.limit_plans import Key
from llmitm.providers.limit_values import count, moment, period, several

type _Builder = Callable[[str, str | None, dict[str, str], float], RateLimit | None]

_LONGEST_NAME = 100
"""Characters of a header's name that is remembered; no provider's is as long."""
_WORTH_A_LOOK = re.compile(r"limit|-call-|quota-snapshot|primary-|secondary-|concurrent-requests")
_WITH_PERIOD = re.compile(
    r"(?:(?P<name>.+?)-)??(?:(?P<amount>\d{1,4})-)?(?P<unit>second|minute|hour|day|week|month)"
)
_NAMES = {
    "": "requests",
    "req": "requests",
    # Cohere
    "trial-endpoint-call": "requests",
    # Fireworks
    "tokens-prompt": "input_tokens",
    "tokens-generated": "output_tokens",
}


def named(name: str) -> Key:
    """Return what a provider's name for a limit means: `tokens-minute` is tokens, by the minute."""
    if name == "endpoint-monthly-call":
        return "requests", "month"
    span = None
    if match := _WITH_PERIOD.fullmatch(name):
        name, span = match["name"] or "", several(int(match["amount"] or 1), match["unit"])
    return _NAMES.get(name) or name.replace("-", "_"), span


def _counts(name: str, span: str | None, parts: dict[str, str], now: float) -> RateLimit | None:
    limit, remaining = count(parts.get("limit")), count(parts.get("remaining"))
    resets_at = moment(parts.get("reset") or parts.get("timeremaining"), now)
    if limit is None and remaining is None and resets_at is None:
        return None
    if "type" in parts:  # UserByModelByDay
        span = parts["type"].lower().rpartition("by")[2] or None
    span = span or period(parts.get("renewalperiod"))
    return RateLimit(name, limit, remaining, resets_at, span)


def _concurrent(name: str, span: str | None, parts: dict[str, str], now: float) -> RateLimit | None:
    limit, used = count(parts.get("maximum")), count(parts.get("current"))
    if limit is None:
        return None
    return RateLimit(name, limit, None if used is None else max(0, limit - used), None, span)


def _key(match: re.Match[str]) -> Key:
    return named(match.groupdict().get("name") or "")


@dataclass(frozen=True)
class _Headers:
    """Headers that belong together."""

    pattern: re.Pattern[str]
    """Of a whole name in lower case; the group `part` says which part of a limit it holds."""
    build: _Builder = _counts
    key: Callable[[re.Match[str]], Key] = _key


@dataclass(frozen=True)
class _Family:
    headers: tuple[_Headers, ...]
    periods: Mapping[str, str] = field(default_factory=dict)
    """What the documentation says where the headers do not."""


_OPENAI = _Headers(
    re.compile(r"x-rate-?limit-(?P<part>limit|remaining|reset|renewalperiod)(?:-(?P<name>.+))?")
)
_ANTHROPIC = _Headers(
    re.compile(r"anthropic-ratelimit-(?P<name>.+)-(?P<part>limit|remaining|reset)")
)
_CLAUDE = _Headers(limit_plans.CLAUDE, limit_plans.claude, limit_plans.claude_key)
_CHATGPT = _Headers(limit_plans.CHATGPT, limit_plans.chatgpt, limit_plans.chatgpt_key)
_COPILOT = _Headers(limit_plans.COPILOT, limit_plans.copilot, limit_plans.copilot_key)
_IETF = _Headers(re.compile(r"ratelimit-(?P<part>limit|remaining|reset)"))
_MISTRAL_OLD = _Headers(
    re.compile(
        r"(?:x-)?ratelimitbysize-(?P<part>limit|remaining|reset)(?:-(?P<name>minute|month))?"
    ),
    # The one without a period repeats the minute's.
    key=lambda match: ("tokens", match["name"] or "minute"),
)
_COHERE = _Headers(
    re.compile(r"x-(?P<name>trial-endpoint-call|endpoint-monthly-call)-(?P<part>limit|remaining)")
)
_TOGETHER = _Headers(
    re.compile(r"x-tokenlimit-(?P<part>limit|remaining)(?:-(?P<name>dynamic))?"),
    key=lambda match: ("tokens_dynamic" if match["name"] else "tokens", None),
)
_GITHUB = _Headers(re.compile(r"x-ratelimit-(?P<part>timeremaining|type)"))
_ELEVENLABS = _Headers(
    re.compile(r"(?P<part>maximum|current)-(?P<name>concurrent-requests)"), _concurrent
)

_FAMILIES = {
    "openai": _Family((_OPENAI,)),
    "anthropic": _Family(
        (_CLAUDE, _ANTHROPIC),
        # https://docs.claude.com/en/api/rate-limits
        dict.fromkeys(("requests", "tokens", "input_tokens", "output_tokens"), "minute"),
    ),
    "cohere": _Family((_COHERE, _OPENAI)),
    "mistral": _Family((_MISTRAL_OLD, _OPENAI)),
    # https://console.groq.com/docs/rate-limits
    "groq": _Family((_OPENAI,), {"requests": "day", "tokens": "minute"}),
    # https://docs.sambanova.ai/cloud/docs/get-started/rate-limits
    "sambanova": _Family((_OPENAI,), {"requests": "minute"}),
    "together": _Family((_OPENAI, _TOGETHER)),
    "huggingface": _Family((_IETF, _OPENAI)),
    "replicate": _Family((_IETF,)),
    "github": _Family((_GITHUB, _OPENAI)),
    "copilot": _Family((_COPILOT, _GITHUB, _OPENAI)),
    "chatgpt": _Family((_CHATGPT, _OPENAI)),
    "elevenlabs": _Family((_ELEVENLABS,)),
    "gemini": _Family(()),  # Google says it in the bodies of errors
}
"""Families that are named in `providers.toml`. Cerebras, xAI, Fireworks, OpenRouter and Azure send OpenAI's."""
_ANY = _Family(
    (_OPENAI, _CLAUDE, _ANTHROPIC, _IETF, _MISTRAL_OLD, _COHERE, _TOGETHER, _CHATGPT, _COPILOT)
)


class _Place(NamedTuple):
    """What a header holds: a part of a limit."""

    build: _Builder
    key: Key
    part: str


@lru_cache(2_048)
def _place(family: str | None, name: str) -> _Place | None:
    """Return what a header holds, by its name in lower case; a provider sends the same few with every answer."""
    known = _ANY if family is None else _FAMILIES[family]
    for kind in known.headers:
        if match := kind.pattern.fullmatch(name):
            return _Place(kind.build, kind.key(match), match["part"])
    return None


def families() -> tuple[str, ...]:
    """Return the names of the families, for error messages."""
    return tuple(_FAMILIES)


def is_limit(name: str) -> bool:
    """Tell whether a response's header states a limit, in any family; such headers are true for a moment only."""
    lower = name.lower()
    if not _WORTH_A_LOOK.search(lower):
        return False
    kinds = {kind.pattern for family in (_ANY, *_FAMILIES.values()) for kind in family.headers}
    return lower in limit_structured.HEADERS or any(kind.fullmatch(lower) for kind in kinds)


def read(family: str | None, headers: Headers, now: float) -> list[RateLimit]:
    """Return the limits that a response's headers state, in the order in which they first appear.

    `now` is when they were received, in seconds since the epoch. A family that is None, or not known, reads any.
    """
    name_of_family = family if family in _FAMILIES else None
    known = _ANY if name_of_family is None else _FAMILIES[name_of_family]
    found: dict[tuple[_Builder, Key], dict[str, str]] = {}
    structured: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if not _WORTH_A_LOOK.search(lower):
            continue  # nearly all of them: not worth nine patterns each
        if lower in limit_structured.HEADERS:
            structured.setdefault(lower, value)
            continue
        place = (_place if len(lower) <= _LONGEST_NAME else _place.__wrapped__)(
            name_of_family, lower
        )
        if place is not None:
            found.setdefault((place.build, place.key), {})[place.part] = value.strip()
    limits = [
        limit
        for (build, (what, span)), parts in found.items()
        if (limit := build(what, span, parts, now)) is not None
    ]
    if known.headers and structured:
        limits += limit_structured.read(structured, now)
    return [
        replace(limit, period=known.periods.get(limit.name)) if limit.period is None else limit
        for limit in limits
    ]
