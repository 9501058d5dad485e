"""`RateLimit` and `RateLimit-Policy`, as the drafts of the IETF have them and as they are sent.

`RateLimit: "api";r=489;t=123` with `RateLimit-Policy: "fixed window";"api";q=500;w=300` (Hugging Face), and the older
`RateLimit: limit=100, remaining=50, reset=30` with `RateLimit-Policy: 100;w=60`.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ https://huggingface.co/docs/hub/rate-limits
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from llmitm.calls import RateLimit
from llmitm.providers.limit_values import count, moment, period

HEADERS = frozenset({"ratelimit", "ratelimit-policy"})


class _Item(NamedTuple):
    label: str
    """The last of its names; "" where it has none."""
    told: dict[str, str]


def read(headers: Mapping[str, str], now: float) -> list[RateLimit]:
    """Return the limits of the two headers, by their names in lower case."""
    policies = {item.label: item.told for item in _items(headers.get("ratelimit-policy", ""))}
    only = next(iter(policies.values())) if len(policies) == 1 else {}
    limits = []
    for label, told in _merged(_items(headers.get("ratelimit", ""))):
        policy = policies.get(label) or only
        limit = count(told.get("limit") or policy.get("q"))
        remaining = count(told.get("r") or told.get("remaining"))
        resets_at = moment(told.get("t") or told.get("reset"), now)
        if limit is None and remaining is None and resets_at is None:
            continue
        name = label if label not in ("", "default") else "requests"
        limits.append(RateLimit(name, limit, remaining, resets_at, period(policy.get("w"))))
    return limits


def _merged(items: list[_Item]) -> list[_Item]:
    """Return the items; those without a name, which are the older form's, as one."""
    nameless: dict[str, str] = {}
    for item in items:
        if not item.label:
            nameless |= item.told
    named = [item for item in items if item.label]
    return [*named, _Item("", nameless)] if nameless else named


def _items(value: str) -> list[_Item]:
    items = []
    for text in value.split(","):
        label, told = "", {}
        for part in filter(None, (part.strip() for part in text.split(";"))):
            name, equals, amount = part.partition("=")
            if equals:
                told[name.strip().lower()] = amount.strip().strip('"')
            elif part.startswith('"'):
                label = part.strip('"').lower()
            else:
                told["q"] = part
        items.append(_Item(label, told))
    return items
