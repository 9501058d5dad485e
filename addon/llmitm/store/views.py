"""The views: what people read. Part of the product, so they change with care."""

from __future__ import annotations

_TIME = "strftime('%Y-%m-%dT%H:%M:%fZ', {} / 1000.0, 'unixepoch')"
# A part that is an element of an array begins with the separator before it.
_ELEMENT = "ltrim({}, ', ' || char(9, 10, 13))"

_SPOKEN = "'text', 'content', 'output', 'input', 'refusal', 'transcript'"
"""Keys whose strings are what somebody said, in every dialect."""


def _spoken(text: str) -> str:
    """SQL for the plain text of a message, or of a text that was sent alone."""
    element = _ELEMENT.format(text)
    return f"""CASE WHEN json_valid({element}) THEN coalesce((
        SELECT group_concat(atom, char(10)) FROM json_tree({element})
        WHERE type = 'text' AND (key IS NULL OR key IN ({_SPOKEN}) OR typeof(key) = 'integer')
            AND atom NOT LIKE 'data:%'
    ), {element}) ELSE {text} END"""


_BODY = """(
    WITH RECURSIVE chain(position, node, depth) AS (
        SELECT key, value, 0 FROM json_each(calls.{0}_pieces)
        UNION ALL
        SELECT chain.position, nodes.parent_id, chain.depth + 1
        FROM chain JOIN nodes ON nodes.id = chain.node WHERE nodes.parent_id != 0
    )
    SELECT group_concat(text, '') FROM (
        SELECT parts.text AS text FROM chain JOIN nodes ON nodes.id = chain.node
        JOIN parts ON parts.id = nodes.part_id
        ORDER BY chain.position, chain.depth DESC
    )
)"""

VIEWS = {
    "part_text": f"SELECT id, {_spoken('text')} AS text FROM parts",
    "requests": f"""
        SELECT calls.id, {_TIME.format("calls.started_at")} AS timestamp, calls.provider, calls.model,
            (SELECT text FROM part_text WHERE part_text.id = calls.prompt_part_id) AS prompt,
            (SELECT text FROM part_text WHERE part_text.id = calls.response_part_id) AS response,
            calls.tool_calls, calls.input_tokens, calls.output_tokens, calls.cached_input_tokens,
            calls.reasoning_tokens,
            CASE WHEN calls.cost_nanousd IS NULL THEN NULL
                ELSE printf('%.9f', calls.cost_nanousd / 1e9) + 0 END AS cost_usd,
            calls.unpriced_reason, calls.latency_ms, calls.first_content_ms, calls.status, calls.outcome,
            calls.error_type, calls.error_message, calls.finish_reason, calls.streaming, calls.user,
            calls.session_id, calls.run_id, calls.client
        FROM calls ORDER BY calls.started_at DESC""",
    "exchanges": f"""
        SELECT calls.id, {_TIME.format("calls.started_at")} AS timestamp, calls.model,
            {_BODY.format("request")} AS request_body, {_BODY.format("response")} AS response_body
        FROM calls ORDER BY calls.started_at DESC""",
    "hourly": """
        SELECT strftime('%Y-%m-%dT%H:00Z', hour * 3600, 'unixepoch') AS hour, dimension, value, calls, errors,
            unpriced, input_tokens, output_tokens, cached_input_tokens, cost_nanousd / 1e9 AS cost_usd,
            latency_ms / calls AS mean_latency_ms
        FROM rollups ORDER BY rollups.hour DESC""",
    "threads": f"""
        SELECT (SELECT id FROM calls AS first WHERE first.key = calls.thread_key) AS thread,
            min({_TIME.format("started_at")}) AS started, max({_TIME.format("started_at")}) AS ended,
            count(*) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cost_nanousd) / 1e9 AS cost_usd
        FROM calls WHERE thread_key IS NOT NULL GROUP BY thread_key ORDER BY max(started_at) DESC""",
}
