"""Metadata for Datasette: what the tables are, in which units, and queries that are ready to run.

https://docs.datasette.io/en/stable/metadata.html (read 2026-11-26)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class _Query(NamedTuple):
    title: str
    description: str
    sql: str


_QUERIES: Mapping[str, _Query] = {
    "spend_by_day": _Query(
        "Spend by day",
        "Calls, tokens and cost of each day (UTC).",
        """SELECT day, sum(calls) AS calls, sum(errors) AS errors, sum(input_tokens) AS input_tokens,
    sum(output_tokens) AS output_tokens, round(sum(cost_usd), 6) AS cost_usd
FROM daily GROUP BY day ORDER BY day DESC""",
    ),
    "spend_by_model": _Query(
        "Spend by model",
        "The dearest models first.",
        """SELECT provider, model, sum(calls) AS calls, sum(input_tokens) AS input_tokens,
    sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
    round(sum(cost_usd), 6) AS cost_usd
FROM daily GROUP BY provider, model ORDER BY cost_usd DESC""",
    ),
    "spend_by_user": _Query(
        "Spend by user",
        "Calls, cost, mean latency and share of errors of each user.",
        """SELECT value AS user, sum(calls) AS calls, round(sum(cost_nanousd) / 1e9, 6) AS cost_usd,
    sum(latency_ms) / sum(calls) AS mean_latency_ms, round(1.0 * sum(errors) / sum(calls), 4) AS error_rate
FROM days WHERE dimension = 'user' GROUP BY value ORDER BY cost_usd DESC""",
    ),
    "spend_by_property": _Query(
        "Spend by a property",
        "Of the property that is named: Workflow, Step, Project.",
        """SELECT value, sum(calls) AS calls, round(sum(cost_nanousd) / 1e9, 6) AS cost_usd,
    sum(latency_ms) / sum(calls) AS mean_latency_ms
FROM days WHERE dimension = 'property:' || lower(:property) GROUP BY value ORDER BY cost_usd DESC""",
    ),
    "sessions": _Query(
        "Sessions",
        "The latest sessions with what they cost.",
        """SELECT session_id, max(session_name) AS name, count(*) AS calls,
    datetime(min(started_at) / 1000, 'unixepoch') AS started,
    round(sum(cost_nanousd) / 1e9, 6) AS cost_usd
FROM calls WHERE session_id IS NOT NULL GROUP BY session_id ORDER BY min(started_at) DESC LIMIT 200""",
    ),
    "conversation": _Query(
        "A conversation",
        "All calls of the conversation that a call belongs to; :id is the id of any of them.",
        """SELECT requests.* FROM calls AS known
JOIN calls AS other ON other.thread_key = known.thread_key
JOIN requests ON requests.id = other.id
WHERE known.id = :id ORDER BY requests.timestamp""",
    ),
    "search": _Query(
        "Search",
        'What was asked and answered: words, "a phrase", a begin*.',
        """WITH found AS (SELECT rowid AS part FROM search WHERE search MATCH :words LIMIT 1000)
SELECT id, timestamp, model, prompt, response FROM requests WHERE id IN (
    SELECT calls.id FROM bodies JOIN calls ON calls.key = bodies.call_key
    WHERE bodies.prompt_part_id IN (SELECT part FROM found) OR bodies.answer_part_id IN (SELECT part FROM found)
) ORDER BY timestamp DESC LIMIT 100""",
    ),
    "failed": _Query(
        "What failed",
        "The latest calls that did not end well.",
        """SELECT id, timestamp, provider, model, status, outcome, error, latency_ms
FROM requests WHERE id IN (
    SELECT id FROM calls INDEXED BY calls_failed WHERE outcome != 'ok' ORDER BY started_at DESC LIMIT 200
) ORDER BY timestamp DESC""",
    ),
    "unpriced": _Query(
        "Without a price",
        "Which models have calls that could not be priced, and why.",
        """SELECT provider, model, unpriced_reason, count(*) AS calls FROM calls
WHERE cost_nanousd IS NULL GROUP BY provider, model, unpriced_reason ORDER BY calls DESC""",
    ),
    "dearest": _Query(
        "The dearest calls",
        "The two hundred calls that cost most.",
        """SELECT id, timestamp, model, input_tokens, output_tokens, cost_usd, latency_ms, user, session
FROM requests WHERE id IN (
    SELECT id FROM calls WHERE cost_nanousd IS NOT NULL ORDER BY cost_nanousd DESC LIMIT 200
) ORDER BY cost_usd DESC""",
    ),
}
_TABLES: Mapping[str, str] = {
    "calls": "A row a call. Money is in nano-dollars, times are milliseconds since 1970, UTC.",
    "requests": "Calls as people read them: what was asked and answered, tokens, cost, latency.",
    "exchanges": "Requests and answers whole, put together again.",
    "attempts": "Each time that a call was tried.",
    "hourly": "Sums by hour, provider and model.",
    "daily": "Sums by day, provider and model.",
    "threads": "Conversations, with what they cost.",
    "properties": "Properties of calls: Workflow, Step, Project, and the program that made the call.",
}
_HIDDEN = ("nodes", "parts", "upkeep", "part_text", "_sqlite_migrations")


def metadata(database: Path) -> str:
    """Return the metadata of a log as YAML."""
    tables: dict[str, Any] = {name: {"description": words} for name, words in _TABLES.items()}
    tables["calls"] |= {"sort_desc": "key", "label_column": "id"}
    tables |= {name: {"hidden": True} for name in _HIDDEN}
    document = {
        "title": "llmitm",
        "description": "LLM calls as llmitm has logged and priced them",
        "databases": {
            database.stem: {
                "description": "The log. Its tables and views are told in docs/database.md of llmitm.",
                "tables": tables,
                "queries": {name: query._asdict() for name, query in _QUERIES.items()},
            }
        },
    }
    return "".join(_yaml(document, ""))


def queries() -> Mapping[str, str]:
    """Return the SQL of each query by its name."""
    return {name: query.sql for name, query in _QUERIES.items()}


def _yaml(document: Mapping[str, Any], indent: str) -> list[str]:
    """Return mappings and texts as YAML: JSON's strings are YAML too, longer texts are blocks."""
    lines: list[str] = []
    for name, value in document.items():
        head = f"{indent}{name}:"
        if isinstance(value, Mapping):
            lines += [f"{head}\n", *_yaml(value, f"{indent}  ")]
        elif isinstance(value, str) and "\n" in value:
            lines.append(f"{head} |-\n")
            lines += [f"{indent}  {line}\n" for line in value.split("\n")]
        else:
            lines.append(f"{head} {json.dumps(value, ensure_ascii=False)}\n")
    return lines
