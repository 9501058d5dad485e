"""Limits of subscriptions, which tell shares instead of counts: Claude's, ChatGPT's and Copilot's.

A share is a limit of 100 named `percent`, with the length of its window as the period; so the five hours and the week
of each plan look the same. A window for one class of models has its name: `opus_percent`.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from llmitm.calls import RateLimit
from llmitm.providers.limit_values import count, left_of, moment, number, period, several

type Key = tuple[str, str | None]
"""What is limited, and its period as far as the header's name tells it."""

CLAUDE = re.compile(
    r"anthropic-ratelimit-unified(?:-(?P<amount>\d{1,4})(?P<unit>[hd])(?:_(?P<name>\w+))?|-(?P<own>overage))?"
    r"-(?P<part>status|reset|utilization)"
)
# https://github.com/openai/codex/blob/main/codex-rs/codex-api/src/rate_limits.rs (read 2026-11-26)
CHATGPT = re.compile(
    r"x-(?P<name>codex(?:-.+?)?)-(?P<window>primary|secondary)"
    r"-(?P<part>used-percent|window-minutes|reset-at|reset-after-seconds)"
)
COPILOT = re.compile(r"x-(?P<part>quota-snapshot|usage-ratelimit)-(?P<name>.+)")
_UNITS = {"h": "hour", "d": "day"}
_COPILOTS = {"session": "5 hours", "weekly": "7 days"}


def percent(name: str) -> str:
    """Return the name of a share; `name` is the class of models it is for, "" for all."""
    return f"{name.replace('-', '_')}_percent" if name else "percent"


def claude_key(match: re.Match[str]) -> Key:
    """Tell a window from the state of the plan as a whole, and from what is charged beyond it."""
    if match["amount"]:
        return percent(match["name"] or ""), several(int(match["amount"]), _UNITS[match["unit"]])
    return match["own"] or "unified", None


def claude(name: str, span: str | None, parts: dict[str, str], now: float) -> RateLimit | None:
    """Read a window's `utilization` from 0 to 1, its `reset` and its `status`."""
    share = number(parts.get("utilization"))
    limit, remaining = left_of(None if share is None else share * 100)
    resets_at, status = moment(parts.get("reset"), now), parts.get("status") or None
    if limit is None and resets_at is None and status is None:
        return None
    return RateLimit(name, limit, remaining, resets_at, span, status)


def chatgpt_key(match: re.Match[str]) -> Key:
    """Tell the windows apart; how long each is stands in a header of its own."""
    return percent(match["name"].removeprefix("codex").strip("-")), match["window"]


def chatgpt(name: str, span: str | None, parts: dict[str, str], now: float) -> RateLimit | None:
    """Read a window; `primary` and `secondary` where its length is not told."""
    limit, remaining = left_of(number(parts.get("used-percent")))
    if limit is None:
        return None
    minutes = count(parts.get("window-minutes"))
    resets_at = moment(parts.get("reset-at") or parts.get("reset-after-seconds"), now)
    return RateLimit(name, limit, remaining, resets_at, period((minutes or 0) * 60) or span)


def copilot_key(match: re.Match[str]) -> Key:
    """Tell what a month's plan contains from how fast it may be used."""
    name = match["name"]
    if match["part"] == "quota-snapshot":
        return name.replace("-", "_"), "month"
    return "percent", _COPILOTS.get(name, name)


def copilot(name: str, span: str | None, parts: dict[str, str], now: float) -> RateLimit | None:
    """Read `ent=300&ov=0.0&ovPerm=false&rem=99.6&rst=2026-06-01T00:00:00Z`.

    `rem` are percent of the entitlement, and an entitlement of -1 has no limit. microsoft/vscode:
    extensions/copilot/src/platform/chat/common/chatQuotaServiceImpl.ts
    """
    quota = parts.get("quota-snapshot")
    try:
        told = dict(parse_qsl(quota or parts.get("usage-ratelimit") or ""))
    except ValueError:
        return None
    limit, left = count(told.get("ent")) if quota else 100, number(told.get("rem"))
    if limit is None or left is None:
        return None
    remaining = round(limit * max(0.0, min(100.0, left)) / 100)
    return RateLimit(name, limit, remaining, moment(told.get("rst"), now), span)
