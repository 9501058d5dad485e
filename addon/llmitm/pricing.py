"""What a call cost: from what was read of it to units, from units to the price table, from there to a `Charge`.

The provider's own figure comes first and the table is then the cross-check. What is not charged is 0 with the
reason; what is not known is unpriced with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from llmitm import price_names
from llmitm.calls import (
    Answer,
    Charge,
    Endpoint,
    Exchange,
    Identity,
    Operation,
    Outcome,
    Prompt,
    Usage,
)
from llmitm.measures import Quantity, measure
from llmitm.providers.fields import mapping
from llmitm_pricing import Cost, PriceFileError, PriceTable, Unpriced

_FREE: Mapping[Operation, str] = {
    "models": "asking for models is not charged",
    "file": "files are not charged by the call",
    "count_tokens": "counting tokens is not charged",
    "moderation": "moderation without usage is not charged",
}
"""Operations that cost nothing where the answer reports no usage."""

_TOKENS = (
    ("input", "input_tokens"),
    ("cached_input", "cached_input_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("cache_write_5m", "cache_write_5m_tokens"),
    ("cache_write_1h", "cache_write_1h_tokens"),
    ("audio_input", "input_audio_tokens"),
    ("image_input", "input_image_tokens"),
    ("video_input", "input_video_tokens"),
    ("audio_cached_input", "cached_audio_tokens"),
    ("output", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
    ("audio_output", "output_audio_tokens"),
    ("image_output", "output_image_tokens"),
    ("video_output", "output_video_tokens"),
)
"""Units of the price table, and where `Usage` has them."""

_READS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def charge(
    endpoint: Endpoint,
    exchange: Exchange,
    prompt: Prompt,
    answer: Answer,
    outcome: Outcome,
    identity: Identity,
    table: PriceTable,
) -> Charge:
    """Return what a finished call cost."""
    if reason := _not_charged(endpoint, exchange, prompt, answer, outcome):
        return Charge(usd=Decimal(0), price_id=f"none: {reason}")
    try:
        priced = _from_table(endpoint, exchange, prompt, answer, identity, table)
    except PriceFileError as error:
        priced = Unpriced(str(error))
    if answer.provider_cost_usd is not None:
        return _as_reported(endpoint, answer.provider_cost_usd, priced)
    if isinstance(priced, Unpriced):
        return Charge(unpriced_reason=_explain(priced.reason, answer.usage, outcome))
    return Charge(
        priced.usd, priced.price_id, priced.parts, table_usd=priced.usd, notes=priced.notes
    )


def units(usage: Usage) -> dict[str, Quantity]:
    """Return what is charged by its names in the price table: what is billed, else the counts that are known."""
    if usage.billed:
        return dict(usage.billed)
    counts: dict[str, Quantity] = {}
    for unit, field in _TOKENS:
        count = getattr(usage, field)
        if count is not None:
            counts[unit] = count
    counts.update(usage.other)
    return counts


def _not_charged(
    endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer, outcome: Outcome
) -> str | None:
    """Return why a call costs nothing, None where it may cost something."""
    if outcome == "blocked":
        return "the call was never sent"
    if not endpoint.counted:
        return "counted with the call that made it"
    if answer.job == "running" and not _told_elsewhere(exchange, prompt):
        return "charged with the answer that shows its result"
    if answer.usage.source != "none" or answer.provider_cost_usd is not None:
        return None
    if exchange.ending == "no_answer" and outcome == "error":
        return "the call was not answered"
    if outcome == "error" and _is_refused(endpoint, exchange):
        return "error answers are not charged"
    if endpoint.operation in _FREE:
        return _FREE[endpoint.operation]
    if exchange.method in _READS and endpoint.operation != "realtime" and answer.job != "done":
        return "nothing was generated"
    return None


def _is_refused(endpoint: Endpoint, exchange: Exchange) -> bool:
    """Return whether an error came in place of an answer."""
    if exchange.status is None:
        return False
    # OpenRouter charges nothing where nothing was generated, and puts such errors into a 200.
    # https://openrouter.ai/docs/features/zero-completion-insurance
    return exchange.status >= 400 or endpoint.provider == "openrouter"


def _told_elsewhere(exchange: Exchange, prompt: Prompt) -> bool:
    """Return whether a job's result goes to an address of the client's, and so may never be seen here."""
    asked = mapping(prompt.document)
    in_query = "fal_webhook=" in exchange.path.partition("?")[2]
    return in_query or any(asked.get(name) for name in ("webhook", "webhook_url"))


def _from_table(
    endpoint: Endpoint,
    exchange: Exchange,
    prompt: Prompt,
    answer: Answer,
    identity: Identity,
    table: PriceTable,
) -> Cost | Unpriced:
    measured = measure(endpoint, exchange, prompt, answer)
    tier = "batch" if endpoint.operation == "batch" else answer.service_tier or prompt.service_tier
    at = datetime.fromtimestamp(exchange.started_at, UTC)

    def price(model: str, usage: Mapping[str, Quantity]) -> Cost | Unpriced:
        return table.price(
            usage,
            model=model,
            provider=endpoint.provider,
            at=at,
            tier=tier.lower() if tier else None,
            geo=answer.inference_geo,
            host=exchange.host,
            path=exchange.path.partition("?")[0],
            speed=answer.speed,
            attributes=measured.attributes,
        )

    if answer.by_model and not identity.model_override:
        return _together([price(part.model, units(part.usage)) for part in answer.by_model])
    names = price_names.names(endpoint, exchange, prompt, answer, identity)
    known = [name for name in names if table.find(name, endpoint.provider)]
    if not names:
        return Unpriced("the call names no model")
    return price((known or names)[0], {**measured.quantities, **units(answer.usage)})


def _together(priced: Iterable[Cost | Unpriced]) -> Cost | Unpriced:
    """Return the cost of a call that several models, each with a price block of its own, worked on."""
    costs: list[Cost] = []
    for each in priced:
        if isinstance(each, Unpriced):
            return each
        costs.append(each)
    parts: dict[str, Decimal] = {}
    for cost in costs:
        for unit, usd in cost.parts.items():
            parts[unit] = parts.get(unit, Decimal(0)) + usd
    return Cost(
        usd=sum((cost.usd for cost in costs), Decimal(0)),
        price_id=" + ".join(dict.fromkeys(cost.price_id for cost in costs)),
        parts=parts,
        working=tuple(line for cost in costs for line in cost.working),
        notes=tuple(dict.fromkeys(note for cost in costs for note in cost.notes)),
    )


def _as_reported(endpoint: Endpoint, usd: Decimal, priced: Cost | Unpriced) -> Charge:
    table_usd = priced.usd if isinstance(priced, Cost) else None
    agreed = isinstance(priced, Cost) and priced.usd == usd
    return Charge(
        usd,
        f"{endpoint.provider}/reported",
        priced.parts if agreed and isinstance(priced, Cost) else {"reported": usd},
        provider_usd=usd,
        table_usd=table_usd,
        notes=priced.notes if isinstance(priced, Cost) else (),
    )


def _explain(reason: str, usage: Usage, outcome: Outcome) -> str:
    if usage.source == "none" and outcome in ("cancelled", "error"):
        return f"the call ended before its usage was known ({reason})"
    return reason
