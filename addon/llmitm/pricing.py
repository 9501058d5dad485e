"""What a call cost: from what was read of it to what the price rests on, from there and the table to a `Charge`.

The provider's own figure comes first and the table is then the cross-check. What is not charged is 0 with the
reason; what is not known is unpriced with the reason. The two steps are apart because the first is kept in the log:
the second can be taken again, with another table or another model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from llmitm import price_names
from llmitm.basis import NOT_CHARGED, TOKENS, Basis, Quantity, Share
from llmitm.calls import (
    Answer,
    Batch,
    Charge,
    Endpoint,
    Exchange,
    Identity,
    Operation,
    Outcome,
    Prompt,
    Usage,
)
from llmitm.measures import measure
from llmitm.money import nano
from llmitm.providers.fields import mapping
from llmitm_pricing import Cost, Line, PriceFileError, PriceTable, Unpriced

_FREE: Mapping[Operation, str] = {
    "models": "asking for models is not charged",
    "file": "files are not charged by the call",
    "count_tokens": "counting tokens is not charged",
    "moderation": "moderation without usage is not charged",
}
"""Operations that cost nothing where the answer reports no usage."""

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
    if answer.job == "part":
        return Charge(unpriced_reason="only a part of the batch's results was seen")
    return price(basis(endpoint, exchange, prompt, answer, outcome, identity), table)


def basis(
    endpoint: Endpoint,
    exchange: Exchange,
    prompt: Prompt,
    answer: Answer,
    outcome: Outcome,
    identity: Identity,
) -> Basis:
    """Return what the price of a finished call rests on."""
    at = _moment(exchange)
    if reason := _not_charged(endpoint, exchange, prompt, answer, outcome):
        return Basis(endpoint.provider, at, free=reason)
    measured = measure(endpoint, exchange, prompt, answer)
    shares: tuple[Share, ...]
    if answer.batch is not None:
        shares = tuple(_of_batch(answer.batch, endpoint, exchange, prompt, identity))
    elif answer.by_model and not identity.model_override:
        shares = tuple(Share((part.model,), units(part.usage)) for part in answer.by_model)
    else:
        names = price_names.names(endpoint, exchange, prompt, answer, identity)
        shares = (Share(tuple(names), {**measured.quantities, **units(answer.usage)}),)
    tier = "batch" if endpoint.operation == "batch" else answer.service_tier or prompt.service_tier
    return Basis(
        endpoint.provider,
        at,
        shares=shares,
        tier=tier.lower() if tier else None,
        geo=answer.inference_geo,
        speed=answer.speed,
        host=exchange.host,
        path=exchange.path.partition("?")[0],
        attributes=measured.attributes,
        provider_usd=answer.provider_cost_usd,
        cut_off=answer.usage.source == "none" and outcome in ("cancelled", "error"),
    )


def free(endpoint: Endpoint, exchange: Exchange, reason: str) -> Charge:
    """Return the charge of a call that costs nothing."""
    rests = Basis(endpoint.provider, _moment(exchange), free=reason)
    return Charge(usd=Decimal(0), price_id=f"{NOT_CHARGED}{reason}", basis=rests)


def price(rests: Basis, table: PriceTable) -> Charge:
    """Return what a call costs by a price table, or by what its provider said."""
    if rests.free is not None:
        return Charge(usd=Decimal(0), price_id=f"{NOT_CHARGED}{rests.free}", basis=rests)
    priced = work_out(rests, table)
    if rests.provider_usd is not None:
        return _as_reported(rests, rests.provider_usd, priced)
    if isinstance(priced, Unpriced):
        return Charge(unpriced_reason=_explain(priced.reason, rests), basis=rests)
    return Charge(
        priced.usd,
        priced.price_id,
        priced.parts,
        table_usd=priced.usd,
        notes=priced.notes,
        basis=rests,
    )


def work_out(rests: Basis, table: PriceTable) -> Cost | Unpriced:
    """Return what the price table says of a call, with the working."""
    try:
        priced = [_price_share(share, rests, table) for share in rests.shares]
    except PriceFileError as error:
        return Unpriced(str(error))
    return priced[0] if len(priced) == 1 else _together(priced)


def on_another(rests: Basis, provider: str, model: str) -> Basis:
    """Return what the price of the same work by another model rests on.

    Where that is another provider's, nothing holds of how and where the call was served but that it was a batch.
    """
    usage: dict[str, Quantity] = {}
    for share in rests.shares:
        for unit, quantity in share.usage.items():
            usage[unit] = usage.get(unit, 0) + quantity
    shares: tuple[Share, ...] = (Share((model,), usage),)
    if any(share.prompt is not None for share in rests.shares):
        shares = tuple(replace(share, models=(model,), geo=None) for share in rests.shares)
    if provider == rests.provider:
        return replace(rests, shares=shares, provider_usd=None)
    return Basis(
        provider,
        rests.at,
        rests.free,
        shares,
        tier="batch" if rests.tier == "batch" else None,
        attributes=rests.attributes,
        cut_off=rests.cut_off,
    )


def in_tier(rests: Basis, tier: str) -> Basis:
    """Return what the price of the same work in another tier rests on."""
    return replace(rests, tier=tier, provider_usd=None)


def with_cached(rests: Basis, tokens: int) -> Basis | None:
    """Return what a price rests on where so many tokens more were found in the provider's prompt cache, and not written to it.

    None where several models worked on the call, or many requests are in it.
    """
    if len(rests.shares) != 1 or rests.shares[0].prompt is not None:
        return None
    usage = dict(rests.shares[0].usage)
    usage["cached_input"] = usage.get("cached_input", 0) + tokens
    if "cache_write" in usage:
        usage["cache_write"] = max(0, usage["cache_write"] - tokens)
    left = tokens
    for unit in ("cache_write_5m", "cache_write_1h"):
        taken = min(left, int(usage.get(unit, 0)))
        if taken:
            usage[unit] -= taken
            left -= taken
    return replace(rests, shares=(replace(rests.shares[0], usage=usage),), provider_usd=None)


def units(usage: Usage) -> dict[str, Quantity]:
    """Return what is charged by its names in the price table: what is billed, else the counts that are known."""
    if usage.billed:
        return dict(usage.billed)
    counts: dict[str, Quantity] = {}
    for unit, field in TOKENS:
        count = getattr(usage, field)
        if count is not None:
            counts[unit] = count
    counts.update(usage.other)
    return counts


def _moment(exchange: Exchange) -> datetime:
    """Return when a call began as the log has it, so that what is worked out again falls into the same block."""
    return datetime.fromtimestamp(int(exchange.started_at * 1000) / 1000, UTC)


def _not_charged(
    endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer, outcome: Outcome
) -> str | None:
    """Return why a call costs nothing, None where it may cost something."""
    if outcome == "blocked":
        return "the call was never sent"
    if answer.batch is not None and answer.batch.requests == answer.batch.failed:
        return "none of the batch's requests succeeded"
    if not endpoint.counted:
        return "counted with the call that made it"
    if answer.job == "running" and not _told_elsewhere(exchange, prompt):
        return "charged with the answer that shows its result"
    if answer.usage.source != "none" or answer.provider_cost_usd is not None:
        return None
    if exchange.ending == "no_answer" and outcome == "error":
        return "the call was not answered"
    if outcome == "error" and _is_refused(endpoint, exchange, answer):
        return "error answers are not charged"
    if endpoint.operation in _FREE:
        return _FREE[endpoint.operation]
    if exchange.method in _READS and not _is_generated(endpoint, exchange) and answer.job != "done":
        return "nothing was generated"
    return None


def _of_batch(
    batch: Batch, endpoint: Endpoint, exchange: Exchange, prompt: Prompt, identity: Identity
) -> Iterator[Share]:
    for part in batch.parts:
        names = price_names.names(endpoint, exchange, prompt, Answer(model=part.model), identity)
        yield Share(
            tuple(names),
            {"request": part.requests, **units(part.usage)},
            part.prompt,
            part.geo,
        )


def _is_generated(endpoint: Endpoint, exchange: Exchange) -> bool:
    """Return whether something is generated though the method only reads: a socket begins with a `GET`."""
    return endpoint.operation == "realtime" or (
        exchange.turn is not None and endpoint.operation != "other"
    )


def _is_refused(endpoint: Endpoint, exchange: Exchange, answer: Answer) -> bool:
    """Return whether an error came in place of an answer."""
    if exchange.status is None:
        return False
    if exchange.turn is not None and exchange.ending == "complete" and not answer.response_id:
        return True  # errors on a socket need not name a status
    # OpenRouter charges nothing where nothing was generated, and puts such errors into a 200.
    # https://openrouter.ai/docs/features/zero-completion-insurance
    return exchange.status >= 400 or endpoint.provider == "openrouter"


def _told_elsewhere(exchange: Exchange, prompt: Prompt) -> bool:
    """Return whether a job's result goes to an address of the client's, and so may never be seen here."""
    asked = mapping(prompt.document)
    in_query = "fal_webhook=" in exchange.path.partition("?")[2]
    return in_query or any(asked.get(name) for name in ("webhook", "webhook_url"))


def _price_share(share: Share, rests: Basis, table: PriceTable) -> Cost | Unpriced:
    if not share.models:
        return Unpriced("the call names no model")
    known = (name for name in share.models if table.find(name, rests.provider))
    return table.price(
        share.usage,
        model=next(known, share.models[0]),
        provider=rests.provider,
        at=rests.at,
        tier=rests.tier,
        geo=share.geo or rests.geo,
        host=rests.host,
        path=rests.path,
        speed=rests.speed,
        attributes=rests.attributes,
        prompt=share.prompt,
    )


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
    lines: dict[tuple[str, Decimal, Decimal], Line] = {}
    for line in (line for cost in costs for line in cost.working):
        price = line.unit, line.price, line.per
        before = lines.get(price)
        lines[price] = line if before is None else before.with_more(line)
    return Cost(
        usd=sum((cost.usd for cost in costs), Decimal(0)),
        price_id=" + ".join(dict.fromkeys(cost.price_id for cost in costs)),
        parts=parts,
        working=tuple(lines.values()),
        notes=tuple(dict.fromkeys(note for cost in costs for note in cost.notes)),
    )


def _as_reported(rests: Basis, usd: Decimal, priced: Cost | Unpriced) -> Charge:
    table_usd = priced.usd if isinstance(priced, Cost) else None
    agreed = isinstance(priced, Cost) and nano(priced.usd) == nano(usd)
    return Charge(
        usd,
        f"{rests.provider}/reported",
        priced.parts if agreed and isinstance(priced, Cost) else {"reported": usd},
        provider_usd=usd,
        table_usd=table_usd,
        notes=priced.notes if isinstance(priced, Cost) else (),
        basis=rests,
    )


def _explain(reason: str, rests: Basis) -> str:
    if rests.cut_off:
        return f"the call ended before its usage was known ({reason})"
    return reason
