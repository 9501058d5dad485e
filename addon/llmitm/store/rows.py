"""What of a finished call goes into which column of `calls`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from llmitm.calls import Finished
from llmitm.money import nano
from llmitm.store import facts

_LARGEST = 2**63 - 1

type Row = dict[str, Any]
"""Columns by name, each an int, a float, a text or None."""


def row(call: Finished) -> Row:
    """Return the columns that come from the call alone."""
    exchange, answer, charge, who = call.exchange, call.answer, call.charge, call.identity
    usage = answer.usage
    tools, notes = answer.tool_calls, (*call.notes, *charge.notes)
    columns = {
        "id": exchange.id,
        "started_at": int(exchange.started_at * 1000),
        "provider": call.endpoint.provider,
        "host": exchange.host,
        "operation": call.endpoint.operation,
        "dialect": call.endpoint.dialect,
        "method": exchange.method,
        "path": exchange.path,
        "http_version": exchange.http_version,
        "model_requested": exchange.asked_model or call.prompt.model or call.endpoint.model,
        "model": call.model,
        "streaming": int(call.streaming),
        "counted": int(call.endpoint.counted),
        "status": exchange.status,
        "outcome": call.outcome,
        "error_type": call.error_type,
        "error_message": call.error_message,
        "finish_reason": answer.finish_reason,
        "tool_calls": _json([tool.name for tool in tools]) if tools else None,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "input_image_tokens": usage.input_image_tokens,
        "input_video_tokens": usage.input_video_tokens,
        "cached_audio_tokens": usage.cached_audio_tokens,
        "output_audio_tokens": usage.output_audio_tokens,
        "output_image_tokens": usage.output_image_tokens,
        "output_video_tokens": usage.output_video_tokens,
        "other_units": _json(dict(usage.other)) if usage.other else None,
        "usage_source": usage.source,
        "cost_nanousd": nano(charge.usd),
        "cost_parts": amounts(charge.parts),
        # The cross-check is only worth its bytes where the provider named a figure of its own.
        "table_cost_nanousd": nano(charge.table_usd) if charge.provider_usd is not None else None,
        "provider_cost_nanousd": nano(charge.provider_usd),
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
        "retry_after_ms": _ms(call.retry_after_ms),
        "api_key": who.api_key_fingerprint,
        "service_tier": answer.service_tier,
        "inference_geo": answer.inference_geo,
        "speed": answer.speed,
        "request_bytes": call.request_bytes,
        "response_bytes": call.response_bytes,
        "notes": _json(notes) if notes else None,
        "model_override": who.model_override,
        "batch_requests": answer.batch.requests if answer.batch else None,
        "socket_id": exchange.turn.socket_id if exchange.turn else None,
        "attempts": len(call.attempts) + 1,
        "retried_ms": _ms(exchange.retried_ms),
        "queued_ms": _ms(exchange.queued_ms),
        "provider_requested": exchange.asked_provider,
        "fallback_index": exchange.fallback_index,
        "cache": exchange.cache.state if exchange.cache else None,
        "cache_source": exchange.cache.source_id if exchange.cache else None,
        "saved_nanousd": nano(call.saved_usd),
    }
    return columns | facts.columns(charge.basis, columns)


def attempts(call: Finished) -> list[tuple[Any, ...]]:
    """Return the attempts before the last, as rows of `earlier_attempts` without the key of their call."""
    return [
        (
            number,
            int(each.started_at * 1000),
            each.provider,
            each.host,
            storable(each.model),
            each.status,
            storable(each.error_type),
            storable(each.error_message),
            _ms(each.latency_ms),
            _ms(each.waited_ms),
        )
        for number, each in enumerate(call.attempts, 1)
    ]


def clean(row: Row) -> Row:
    """Return a row without what SQLite cannot hold: lone surrogates, and integers beyond 64 bits."""
    cleaned = {name: storable(value) for name, value in row.items()}
    if "basis" in row and any(
        value is not None and cleaned[name] is None for name, value in row.items()
    ):
        cleaned["basis"] = None  # a count that is lost would make the call cheaper
    return cleaned


def storable(value: Any) -> Any:
    """Return a value that SQLite can hold: a lone surrogate as its escape, an integer beyond 64 bits as None."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and abs(value) > _LARGEST:
        return None
    return value


def amounts(parts: Mapping[str, Decimal]) -> str | None:
    """Return USD by unit as they are stored: JSON, in nano-dollars."""
    if not parts:
        return None
    texts = (f"{encode_basestring(unit)}:{nano(usd)}" for unit, usd in parts.items())
    return f"{{{','.join(texts)}}}"


def _ms(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
