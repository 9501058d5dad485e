"""The schema, as sqlite-utils migrations. What it means is told in docs/database.md."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from llmitm.store import views

migrations = Migrations("llmitm")


@migrations(transactional=False)
def m001_files(db: Database) -> None:
    """How the file is kept; neither can be set inside a transaction."""
    # Retention gives pages back a few at a time, where a VACUUM would copy the whole file.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.enable_wal()


@migrations()
def m002_tables(db: Database) -> None:
    """The tables. Money is in nano-dollars, times are milliseconds since the epoch, UTC."""
    for statement in _TABLES:
        db.execute(statement)


@migrations()
def m003_views(db: Database) -> None:
    """What people read."""
    for name, query in views.VIEWS.items():
        db.create_view(name, query)


@migrations()
def m004_search(db: Database) -> None:
    """Full-text search over what was asked and answered, without a second copy of the text."""
    db.execute(
        "CREATE VIRTUAL TABLE search USING fts5("
        "text, content='part_text', content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
    )


_TABLES = (
    # Each distinct piece of body text once. `refs` counts the nodes that stand on it.
    """CREATE TABLE parts (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        text TEXT NOT NULL,
        refs INTEGER NOT NULL DEFAULT 0,
        searched INTEGER NOT NULL DEFAULT 0
    )""",
    # A chain of parts: a body is a few chains, and bodies that begin alike share the beginning of theirs.
    # `refs` counts children and the calls that end here.
    """CREATE TABLE nodes (
        id INTEGER PRIMARY KEY,
        parent_id INTEGER NOT NULL DEFAULT 0,
        part_id INTEGER NOT NULL REFERENCES parts(id),
        refs INTEGER NOT NULL DEFAULT 0,
        UNIQUE (parent_id, part_id)
    )""",
    """CREATE TABLE calls (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        started_at INTEGER NOT NULL,
        provider TEXT NOT NULL,
        host TEXT NOT NULL,
        operation TEXT NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        model_requested TEXT,
        model TEXT,
        streaming INTEGER NOT NULL,
        status INTEGER,
        outcome TEXT NOT NULL,
        error_type TEXT,
        error_message TEXT,
        finish_reason TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cached_input_tokens INTEGER,
        cache_write_tokens INTEGER,
        cache_write_5m_tokens INTEGER,
        cache_write_1h_tokens INTEGER,
        reasoning_tokens INTEGER,
        input_audio_tokens INTEGER,
        output_audio_tokens INTEGER,
        input_image_tokens INTEGER,
        output_image_tokens INTEGER,
        other_units TEXT,
        usage_source TEXT NOT NULL,
        cost_nanousd INTEGER,
        cost_parts TEXT,
        table_cost_nanousd INTEGER,
        price_id TEXT,
        unpriced_reason TEXT,
        latency_ms INTEGER,
        first_byte_ms INTEGER,
        first_content_ms INTEGER,
        user TEXT,
        session_id TEXT,
        session_name TEXT,
        session_path TEXT,
        run_id TEXT,
        prompt_id TEXT,
        request_id TEXT,
        response_id TEXT,
        client TEXT,
        client_retry INTEGER,
        api_key TEXT,
        service_tier TEXT,
        tool_calls TEXT,
        attempts INTEGER NOT NULL DEFAULT 1,
        http_version TEXT,
        request_bytes INTEGER NOT NULL,
        response_bytes INTEGER NOT NULL,
        request_pieces TEXT,
        response_pieces TEXT,
        prompt_part_id INTEGER,
        response_part_id INTEGER,
        response_text_node_id INTEGER,
        turns_node_id INTEGER,
        parent_key INTEGER,
        thread_key INTEGER,
        notes TEXT
    )""",
    "CREATE INDEX calls_by_time ON calls (started_at)",
    "CREATE INDEX calls_by_turns ON calls (turns_node_id) WHERE turns_node_id IS NOT NULL",
    "CREATE INDEX calls_by_run ON calls (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX calls_by_session ON calls (session_id) WHERE session_id IS NOT NULL",
    "CREATE INDEX calls_by_prompt ON calls (prompt_part_id) WHERE prompt_part_id IS NOT NULL",
    "CREATE INDEX calls_by_response ON calls (response_part_id) WHERE response_part_id IS NOT NULL",
    """CREATE TABLE properties (
        call_key INTEGER NOT NULL REFERENCES calls(key),
        name TEXT NOT NULL COLLATE NOCASE,
        value TEXT NOT NULL,
        PRIMARY KEY (call_key, name)
    ) WITHOUT ROWID""",
    "CREATE INDEX properties_by_value ON properties (name, value)",
    # The latest word of each limit.
    """CREATE TABLE rate_limits (
        provider TEXT NOT NULL,
        api_key TEXT NOT NULL,
        model TEXT NOT NULL,
        name TEXT NOT NULL,
        "limit" INTEGER,
        remaining INTEGER,
        resets_at INTEGER,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (provider, api_key, model, name)
    ) WITHOUT ROWID""",
    # Sums by hour, kept in the transaction that writes the calls; they outlive the calls.
    """CREATE TABLE rollups (
        dimension TEXT NOT NULL,
        hour INTEGER NOT NULL,
        value TEXT NOT NULL,
        calls INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cached_input_tokens INTEGER NOT NULL,
        cost_nanousd INTEGER NOT NULL,
        latency_ms INTEGER NOT NULL,
        PRIMARY KEY (dimension, hour, value)
    ) WITHOUT ROWID""",
    # What could not be recorded, by reason: a log that lost something says so itself.
    "CREATE TABLE losses (reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at INTEGER NOT NULL)",
)
