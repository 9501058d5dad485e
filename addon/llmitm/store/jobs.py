"""Jobs in the log: each is charged once, by whichever of the proxies that write it sees the result first.

The decision is taken in the transaction that writes the call. It outlives the call.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

from llmitm.calls import Endpoint, Finished, Operation, Prompt
from llmitm.errors import StoreError
from llmitm.jobs import Asked, JobId, charges, job_of, repeated
from llmitm.store.opening import open_readable

_ASKED = """SELECT calls.operation, model_requested, service_tier_requested, request_body
FROM jobs JOIN calls ON calls.key = asked_key LEFT JOIN exchanges ON exchanges.id = calls.id
WHERE jobs.provider = ?1 AND jobs.id = ?2
    AND calls.provider = ?1 AND calls.response_id = ?2 -- keys of calls that were removed are given again"""


def settle(connection: sqlite3.Connection, call: Finished, key: int) -> Finished:
    """Return a call as it counts, and take note of its job, within a transaction. Raises `sqlite3.Error`."""
    job = job_of(call)
    if job is None:
        return call
    if charges(call) is None:
        if call.answer.job == "running" and call.endpoint.counted:
            connection.execute(
                "INSERT OR IGNORE INTO jobs (provider, id, asked_key) VALUES (?, ?, ?)",
                (*_stored(job), key),
            )
        return call
    at = int(call.exchange.started_at * 1000)
    charged = connection.execute(
        "INSERT INTO jobs (provider, id, charged_key, charged_at) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET charged_key = ?3, charged_at = ?4 WHERE charged_at IS NULL",
        (*_stored(job), key, at),
    )
    return call if charged.rowcount == 1 else repeated(call)


def recall(path: Path, job: JobId) -> Asked | None:
    """Return what a job was asked for, as far as a log has it; None where it has nothing, or cannot be read."""
    try:
        with closing(open_readable(path)) as connection:
            row = connection.execute(_ASKED, _stored(job)).fetchone()
    except (StoreError, sqlite3.Error, OSError):
        return None
    if row is None or row[0] not in get_args(Operation):
        return None
    operation, model, tier, body = row
    try:
        document = json.loads(body) if body else None
    except ValueError:
        document = None
    prompt = Prompt(model=model, document=document, service_tier=tier)
    return Asked(Endpoint(job.provider, operation, None, model), prompt)


def _stored(job: JobId) -> JobId:
    """Return an id as SQLite can hold it: what a provider sends may have lone surrogates."""
    return JobId(*(text.encode("utf-8", "backslashreplace").decode() for text in job))
