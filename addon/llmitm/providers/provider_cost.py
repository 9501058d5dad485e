"""What a provider itself says a call cost, in USD: exact, out of the number as it was written.

Only figures whose currency is documented count; an unknown host's `cost` may be in credits or yen.
"""

from __future__ import annotations

from decimal import Decimal

from llmitm.calls import Json
from llmitm.providers.fields import mapping, money

_TICK = Decimal("1e-10")
"""xAI counts in ticks of 10^-10 USD."""
_COST_IN_USD = frozenset({"openrouter", "vercel", "perplexity", "avian", "deepinfra"})
_OWN_KEY_IS_EXTRA = frozenset({"openrouter", "vercel"})


def read(usage: Json, provider: str) -> Decimal | None:
    """Return the cost that a usage object names; None where it names none."""
    body = mapping(usage)
    if provider == "xai":
        # Grok on Azure repeats the field as 0, which is not what Azure charges.
        ticks = money(body.get("cost_in_usd_ticks"))
        return ticks * _TICK if ticks is not None else None
    if provider not in _COST_IN_USD:
        return None
    cost = body.get("cost", body.get("estimated_cost"))
    if isinstance(cost, dict):
        return money(cost.get("total_cost")) if cost.get("currency", "USD") == "USD" else None
    amount = money(cost)
    if amount is not None and body.get("is_byok") is True and provider in _OWN_KEY_IS_EXTRA:
        # With the user's own key `cost` is the router's fee; the upstream bills its part by itself.
        # https://www.openrouter.ai/docs/use-cases/usage-accounting (read 2026-11-24)
        upstream = money(mapping(body.get("cost_details")).get("upstream_inference_cost"))
        amount += upstream or 0
    return amount
