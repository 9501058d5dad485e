"""The views: what people read. Part of the product, so they change with care."""

from __future__ import annotations

_FIRST_SUMS = (
    "calls",
    "errors",
    "unpriced",
    "estimated",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_nanousd",
    "latency_ms",
)
LATER_SUMS = ("retries", "blocked", "cache_hits", "saved_nanousd")
"""Added by a migration, so they stand last."""
SUMS = (*_FIRST_SUMS, *LATER_SUMS)
"""What is added up by hour and day, in the order of the columns."""
SUM_COLUMNS, ALL_SUM_COLUMNS = (
    ",\n    ".join(f"{name} INTEGER NOT NULL" for name in names) for names in (_FIRST_SUMS, SUMS)
)

# An element of an array begins with the comma before it.
_ELEMENT = "ltrim({}, ', ' || char(9, 10, 13))"

_SAID = "'text', 'content', 'output', 'input', 'refusal', 'transcript', 'thinking', 'arguments'"
"""Keys whose strings are what somebody said, in every dialect."""
_USD = "CASE WHEN {0} IS NOT NULL THEN {0} / 1e9 END"


def iso(milliseconds: str) -> str:
    """Return SQL for a time as ISO 8601 text, UTC."""
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {milliseconds} / 1000.0, 'unixepoch')"


def _said(text: str) -> str:
    """Return SQL for the plain text of a message, or of a text that was sent alone."""
    element = _ELEMENT.format(text)
    return f"""CASE WHEN searched = 2 OR NOT json_valid({element}) THEN {text} ELSE coalesce((
        SELECT group_concat(atom, char(10)) FROM json_tree({element})
        WHERE type = 'text' AND (key IN ({_SAID}) OR key IS NULL OR typeof(key) = 'integer')
            AND atom NOT GLOB 'data:*;base64,*'
    ), {text}) END"""


_TEXT = """CASE WHEN bodies.{0} IS NOT NULL THEN (
    WITH RECURSIVE chain(position, text, node, depth) AS (
        SELECT key, iif(type = 'text', atom, NULL), iif(type = 'integer', atom, 0), 0
        FROM json_each(bodies.{0})
        UNION ALL
        SELECT chain.position, parts.text, nodes.parent_id, chain.depth + 1
        FROM chain JOIN nodes ON nodes.id = chain.node JOIN parts ON parts.id = nodes.part_id
    )
    SELECT group_concat(text, '') OVER (
        ORDER BY position, depth DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) FROM chain WHERE text IS NOT NULL LIMIT 1
) END"""
"""SQL for a body: each chain from its last node back to its first, put together in the order of reading."""

_MARKED = f"""CASE WHEN bodies.request_marks IS NULL THEN {_TEXT.format("request")} ELSE (
    WITH RECURSIVE marked(number, text) AS (
        SELECT 0, {_TEXT.format("request")}
        UNION ALL
        SELECT number + 1, substr(text, 1, mark.value ->> 0) || (mark.value ->> 1)
            || substr(text, (mark.value ->> 0) + 1)
        FROM marked JOIN json_each(bodies.request_marks) AS mark ON mark.key = number
    )
    SELECT text FROM marked ORDER BY number DESC LIMIT 1
) END"""

RETRIED = "(client_retry > 0 OR retry_of_key IS NOT NULL OR attempts > 1)"
"""SQL for a call that was tried more than once, or that is itself another try; SQLite knows its index by these words."""
_NOT_AS_THEY_ARE = ("cost_nanousd", "latency_ms", "saved_nanousd")
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in SUMS if name not in _NOT_AS_THEY_ARE)

VIEWS = {
    "part_text": f"SELECT id, {_said('text')} AS text FROM parts",
    "requests": f"""SELECT
    calls.id,
    {iso("calls.started_at")} AS timestamp,
    calls.provider,
    calls.model,
    (SELECT text FROM part_text WHERE part_text.id = bodies.prompt_part_id) AS prompt,
    (SELECT text FROM part_text WHERE part_text.id = bodies.answer_part_id) AS response,
    calls.tool_calls,
    calls.input_tokens,
    calls.output_tokens,
    calls.cached_input_tokens,
    calls.reasoning_tokens,
    {_USD.format("calls.cost_nanousd")} AS cost_usd,
    calls.unpriced_reason,
    calls.cache,
    {_USD.format("calls.saved_nanousd")} AS saved_usd,
    calls.attempts,
    calls.latency_ms,
    calls.first_content_ms,
    calls.status,
    calls.outcome,
    coalesce(calls.error_type || ': ' || calls.error_message, calls.error_message, calls.error_type) AS error,
    calls.finish_reason,
    calls.streaming,
    calls.user,
    calls.session_id AS session,
    calls.run_id AS run,
    calls.client
FROM calls LEFT JOIN bodies ON bodies.call_key = calls.key
ORDER BY calls.started_at DESC""",
    "exchanges": f"""SELECT
    calls.id,
    {iso("calls.started_at")} AS timestamp,
    calls.model,
    {_MARKED} AS request_body,
    {_TEXT.format("response")} AS response_body
FROM calls LEFT JOIN bodies ON bodies.call_key = calls.key
ORDER BY calls.started_at DESC""",
    "attempts": f"""SELECT calls.id AS call_id, number, earlier.provider, earlier.model,
    {iso("earlier.started_at")} AS timestamp, earlier.status, 'error' AS outcome, earlier.error_type,
    earlier.error_message, earlier.latency_ms, earlier.waited_ms
FROM earlier_attempts AS earlier JOIN calls ON calls.key = earlier.call_key
UNION ALL
SELECT id, attempts, provider, model, {iso("(started_at + coalesce(retried_ms, 0))")}, status, outcome,
    error_type, error_message, latency_ms - coalesce(retried_ms, 0), NULL
FROM calls WHERE cache IS NOT 'hit'
ORDER BY timestamp DESC, number DESC""",
    "hourly": f"""SELECT strftime('%Y-%m-%dT%H:00Z', hour * 3600, 'unixepoch') AS hour, provider, model,
    {", ".join(name for name in SUMS if name not in _NOT_AS_THEY_ARE)},
    cost_nanousd / 1e9 AS cost_usd, saved_nanousd / 1e9 AS saved_usd, latency_ms / calls AS mean_latency_ms
FROM hours ORDER BY hours.hour DESC""",
    "daily": f"""SELECT date(hour / 24 * 86400, 'unixepoch') AS day, provider, model, {_SUMS},
    sum(cost_nanousd) / 1e9 AS cost_usd, sum(saved_nanousd) / 1e9 AS saved_usd,
    sum(latency_ms) / sum(calls) AS mean_latency_ms
FROM hours GROUP BY hour / 24, provider, model ORDER BY hour / 24 DESC""",
    "threads": f"""SELECT first.id AS thread, {iso("min(calls.started_at)")} AS started,
    {iso("max(calls.started_at)")} AS ended, count(*) AS calls, sum(calls.input_tokens) AS input_tokens,
    sum(calls.output_tokens) AS output_tokens, sum(calls.cost_nanousd) / 1e9 AS cost_usd
FROM calls JOIN calls AS first ON first.key = calls.thread_key
GROUP BY calls.thread_key ORDER BY calls.thread_key DESC""",
}
