"""What of a finished call goes into which column of `calls`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from llmitm.calls import Finished

_NANO = Decimal(10**9)

type Value = str | int | float | None


def nano(usd: Decimal | None) -> int | None:
    """Return an amount in nano-dollars, rounded half to even: the one place where money is rounded."""
    return None if usd is None else int((usd * _NANO).quantize(Decimal(1), ROUND_HALF_EVEN))


def row(call: Finished) -> dict[str, Value]:
    """Return the columns that come from the call alone."""
    exchange, answer, usage, charge, who = (
        call.exchange,
        call.answer,
        call.answer.usage,
        call.charge,
        call.identity,
    )
    return {
        "id": exchange.id,
        "started_at": int(exchange.started_at * 1000),
        "provider": call.endpoint.provider,
        "host": exchange.host,
        "operation": call.endpoint.operation,
        "method": exchange.method,
        "path": exchange.path,
        "model_requested": call.prompt.model or call.endpoint.model,
        "model": call.model,
        "streaming": int(call.streaming),
        "status": exchange.status,
        "outcome": call.outcome,
        "error_type": call.error_type,
        "error_message": call.error_message,
        "finish_reason": answer.finish_reason,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
        "input_image_tokens": usage.input_image_tokens,
        "output_image_tokens": usage.output_image_tokens,
        "other_units": _json(usage.other),
        "usage_source": usage.source,
        "cost_nanousd": nano(charge.usd),
        "cost_parts": _json({unit: nano(amount) for unit, amount in charge.parts.items()}),
        # The cross-check is only worth its bytes where the provider named a figure of its own.
        "table_cost_nanousd": nano(charge.table_usd) if charge.provider_usd is not None else None,
        "price_id": charge.price_id,
        "unpriced_reason": charge.unpriced_reason,
        "latency_ms": _ms(exchange.latency_ms),
        "first_byte_ms": _ms(exchange.first_byte_ms),
        "first_content_ms": _ms(call.first_content_ms),
        "user": who.user,
        "session_id": who.session_id,
        "session_name": who.session_name,
        "session_path": who.session_path,
        "run_id": who.run_id,
        "prompt_id": who.prompt_id,
        "request_id": who.request_id,
        "response_id": answer.response_id,
        "client": who.client,
        "client_retry": call.client_retry,
        "api_key": who.api_key_fingerprint,
        "service_tier": answer.service_tier,
        "tool_calls": json.dumps([tool.name for tool in answer.tool_calls])
        if answer.tool_calls
        else None,
        "http_version": exchange.http_version,
        "request_bytes": call.request_bytes,
        "response_bytes": call.response_bytes,
        "notes": json.dumps([*call.notes, *charge.notes]) if call.notes or charge.notes else None,
    }


def _ms(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _json(value: Mapping[str, object]) -> str | None:
    return json.dumps(dict(value), separators=(",", ":")) if value else None
