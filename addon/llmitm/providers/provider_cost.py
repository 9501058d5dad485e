"""What a provider itself says a call cost, in USD: exact, out of the number as it was written.

Only figures whose currency is documented count; an unknown host's `cost` may be in credits or yen.
"""

from __future__ import annotations

from decimal import Decimal

from llmitm.calls import Json
from llmitm.providers.fields import mapping, money

_TICK = Decimal("1e-10")
"""xAI counts in ticks of 10^-10 USD."""
_NANO_CREDIT = Decimal("1e-11")
"""Copilot counts in billionths of an AI credit, which is 0.01 USD.
https://docs.github.com/en/copilot/concepts/billing-and-usage (read 2026-11-26)
"""
_COST_IN_USD = frozenset(
    {"openrouter", "vercel", "perplexity", "avian", "deepinfra", "huggingface"}
)
_MOST_USD = 1_000_000
"""Of one call. Some such figures together would be more than the log's sums hold."""
_OWN_KEY_IS_EXTRA = frozenset({"openrouter", "vercel"})


def read(document: Json, usage: Json, provider: str) -> Decimal | None:
    """Return the cost that a response and the usage object in it name; None where they name none, or nonsense."""
    cost = _told(document, usage, provider)
    return cost if cost is None or cost <= _MOST_USD else None


def _told(document: Json, usage: Json, provider: str) -> Decimal | None:
    whole, body = mapping(document), mapping(usage)
    match provider:
        case "xai":
            # Grok on Azure repeats the field as 0, which is not what Azure charges.
            return _scaled(body.get("cost_in_usd_ticks"), _TICK)
        case "github_copilot":
            told = mapping(whole.get("copilot_usage"))
            return _scaled(told.get("total_nano_aiu"), _NANO_CREDIT)
        case "venice":
            return money(mapping(whole.get("cost")).get("usd"))
        case "pydantic":
            return money(mapping(body.get("pydantic_ai_gateway")).get("cost_estimate"))
        case _ if provider in _COST_IN_USD:
            return _named(body, provider)
        case _:
            return None


def _scaled(number: Json, unit: Decimal) -> Decimal | None:
    amount = money(number)
    return None if amount is None else amount * unit


def _named(usage: dict[str, Json], provider: str) -> Decimal | None:
    cost = usage.get("cost", usage.get("estimated_cost"))
    if isinstance(cost, dict):
        return money(cost.get("total_cost")) if cost.get("currency", "USD") == "USD" else None
    amount = money(cost)
    if amount is not None and usage.get("is_byok") is True and provider in _OWN_KEY_IS_EXTRA:
        # With the user's own key `cost` is the router's fee; the upstream bills its part by itself.
        # https://www.openrouter.ai/docs/use-cases/usage-accounting (read 2026-11-24)
        upstream = money(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
        amount += upstream or 0
    return amount
