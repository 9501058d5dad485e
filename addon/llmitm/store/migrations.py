"""The schema, as sqlite-utils migrations. What it means is told in docs/database.md."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from llmitm.store import mixes, search, views

migrations = Migrations("llmitm")


@migrations()
def m001_tables(db: Database) -> None:
    """The tables. Money is in nano-dollars, times are milliseconds since the epoch, UTC."""
    for statement in (*_TABLES, *_INDEXES):
        db.execute(statement)


@migrations()
def m002_views(db: Database) -> None:
    """What people read."""
    # Those that look at columns that came later are made with them: SQLite checks all views when a table is renamed.
    for name, query in views.VIEWS.items():
        if name not in _VIEWS_OF_ATTEMPTS:
            db.create_view(name, query)


@migrations()
def m003_search(db: Database) -> None:
    """Full-text search over what was asked and answered, without a second copy of the text."""
    # Without column sizes, which only a ranking needs: results are shown in the order of time.
    db.execute(
        "CREATE VIRTUAL TABLE search USING fts5(text, content='part_text', content_rowid='id',"
        " tokenize='unicode61 remove_diacritics 2', columnsize=0)"
    )
    search.configure(db.conn)


@migrations()
def m004_basis(db: Database) -> None:
    """What a price rests on, so that it can be worked out again, and what prices were before that."""
    for column in _BASIS:
        db.execute(f"ALTER TABLE calls ADD COLUMN {column}")
    db.execute(
        "UPDATE calls SET provider_cost_nanousd = cost_nanousd WHERE price_id GLOB '*/reported'"
    )
    db.execute(_PRICE_CHANGES)
    for statement in _PRICE_INDEXES:
        db.execute(statement)


@migrations()
def m005_jobs(db: Database) -> None:
    """Which jobs were charged already, and how many requests the results of a batch answer."""
    db.execute(_JOBS)
    db.execute("ALTER TABLE calls ADD COLUMN batch_requests INTEGER")


@migrations()
def m006_throttling(db: Database) -> None:
    """How long refused callers were told to wait, and limits by their period."""
    db.execute("ALTER TABLE calls ADD COLUMN retry_after_ms INTEGER")
    # A period is part of what makes a limit, and a primary key cannot be changed.
    db.execute("ALTER TABLE rate_limits RENAME TO rate_limits_without_period")
    db.execute(_RATE_LIMITS)
    db.execute(
        "INSERT INTO rate_limits SELECT provider, api_key, model, name, '', hour, \"limit\", remaining,"
        " lowest, resets_at, seen_at, NULL FROM rate_limits_without_period"
    )
    db.execute("DROP TABLE rate_limits_without_period")


@migrations()
def m007_sockets(db: Database) -> None:
    """Which calls came over the same WebSocket."""
    db.execute("ALTER TABLE calls ADD COLUMN socket_id TEXT")
    db.execute("CREATE INDEX calls_by_socket ON calls (socket_id) WHERE socket_id IS NOT NULL")


@migrations()
def m008_attempts(db: Database) -> None:
    """Attempts before the last one, what the cache did, and who was asked where another answered."""
    db.execute(_EARLIER_ATTEMPTS)
    for column in _ACTIONS:
        db.execute(f"ALTER TABLE calls ADD COLUMN {column}")
    for table in ("hours", "days"):
        for name in views.LATER_SUMS:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
    for name in _VIEWS_OF_ATTEMPTS:
        db.create_view(name, views.VIEWS[name], replace=True)


@migrations()
def m009_waits(db: Database) -> None:
    """How long calls waited here for their turn, and which calls were tried more than once."""
    db.execute("ALTER TABLE calls ADD COLUMN queued_ms INTEGER")
    db.execute("CREATE INDEX calls_queued ON calls (started_at) WHERE queued_ms IS NOT NULL")
    db.execute(f"CREATE INDEX calls_retried ON calls (started_at) WHERE {views.RETRIED}")


@migrations()
def m010_cached(db: Database) -> None:
    """Which calls the cache was asked for."""
    db.execute("CREATE INDEX calls_cached ON calls (started_at) WHERE cache IS NOT NULL")


@migrations()
def m011_mixes(db: Database) -> None:
    """Sums by all that calls are told apart by at once."""
    for statement in _MIXES:
        db.execute(statement)
    mixes.begin(db.conn)


@migrations()
def m012_whole_indexes(db: Database) -> None:
    """What reports ask of calls that failed, were tried again or have no price is in their indexes.

    On a disk that has to look for each row of a large log that is the difference between tens of seconds and one.
    """
    for name, columns, condition in (
        (
            "calls_failed",
            "status, outcome, error_type, provider, model, retried_ms, retry_after_ms",
            "outcome != 'ok'",
        ),
        (
            "calls_unpriced",
            "provider, model, unpriced_reason, counted, input_tokens, output_tokens",
            "cost_nanousd IS NULL",
        ),
        (
            "calls_retried",
            "provider, model, client, client_retry, retry_of_key, attempts, outcome, retried_ms, cost_nanousd,"
            " fallback_index, provider_requested, model_requested",
            views.RETRIED,
        ),
    ):
        db.execute(f"DROP INDEX {name}")
        db.execute(f"CREATE INDEX {name} ON calls (started_at, {columns}) WHERE {condition}")


_TABLES = (
    """CREATE TABLE calls (
    key INTEGER PRIMARY KEY, -- in the order in which calls ended
    id TEXT NOT NULL UNIQUE, -- a ULID: sorts by the time at which the call began
    started_at INTEGER NOT NULL, -- milliseconds since the epoch, UTC
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    operation TEXT NOT NULL,
    dialect TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    http_version TEXT,
    model_requested TEXT,
    model TEXT, -- that answered, else that was asked for
    streaming INTEGER NOT NULL,
    counted INTEGER NOT NULL, -- 0 where the answer repeats a call that was counted before
    status INTEGER,
    outcome TEXT NOT NULL, -- ok, error, cancelled, blocked
    error_type TEXT,
    error_message TEXT,
    finish_reason TEXT,
    tool_calls TEXT, -- JSON list of names
    -- Tokens: children are part of their parents, NULL is not known.
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    cache_write_5m_tokens INTEGER,
    cache_write_1h_tokens INTEGER,
    reasoning_tokens INTEGER,
    input_audio_tokens INTEGER,
    input_image_tokens INTEGER,
    input_video_tokens INTEGER,
    cached_audio_tokens INTEGER,
    output_audio_tokens INTEGER,
    output_image_tokens INTEGER,
    output_video_tokens INTEGER,
    other_units TEXT, -- JSON: units that are not tokens
    usage_source TEXT NOT NULL, -- reported, estimated, none
    -- Money in nano-dollars: 1 USD is 1,000,000,000.
    cost_nanousd INTEGER,
    cost_parts TEXT, -- JSON: nano-dollars by unit
    table_cost_nanousd INTEGER, -- by the price table, where cost_nanousd is what the provider said
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
    api_key TEXT, -- a fingerprint, never the key
    service_tier TEXT,
    inference_geo TEXT,
    speed TEXT,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    parent_key INTEGER, -- the call that this one goes on from
    thread_key INTEGER NOT NULL, -- the first call of the conversation
    notes TEXT -- JSON list
)""",
    """CREATE TABLE bodies (
    call_key INTEGER PRIMARY KEY REFERENCES calls(key),
    request TEXT, -- JSON list: the number of a chain's last node, or text as it is
    request_marks TEXT, -- JSON list of [position, text] to be put in
    response TEXT,
    prompt_part_id INTEGER REFERENCES parts(id), -- what was asked last
    answer_part_id INTEGER REFERENCES parts(id), -- what was answered, as a JSON string
    answer_node_id INTEGER REFERENCES nodes(id),
    turns_node_id INTEGER REFERENCES nodes(id) -- the last turn of the conversation
)""",
    """CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER NOT NULL, -- 0 for the first of a chain
    part_id INTEGER NOT NULL REFERENCES parts(id),
    refs INTEGER NOT NULL, -- bodies that end here, and children
    UNIQUE (part_id, parent_id)
)""",
    """CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- BLAKE2b, 16 bytes
    text TEXT NOT NULL,
    refs INTEGER NOT NULL, -- nodes
    searched INTEGER NOT NULL -- 1 for what was said, 2 where that is no Unicode, 0 for the rest
)""",
    """CREATE TABLE properties (
    call_key INTEGER NOT NULL REFERENCES calls(key),
    name TEXT NOT NULL COLLATE NOCASE,
    value TEXT NOT NULL,
    PRIMARY KEY (call_key, name)
) WITHOUT ROWID""",
    """CREATE TABLE rate_limits (
    provider TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    hour INTEGER NOT NULL, -- hours since the epoch
    "limit" INTEGER,
    remaining INTEGER, -- as last seen in the hour
    lowest INTEGER, -- the least that remained in the hour
    resets_at INTEGER,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (provider, api_key, model, name, hour)
) WITHOUT ROWID""",
    # Sums, kept in the transaction that writes the calls; they outlive the calls. Models by the hour; everything
    # that may have very many values by the day.
    f"""CREATE TABLE hours (
    hour INTEGER NOT NULL, -- hours since the epoch, UTC
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    {views.SUM_COLUMNS},
    PRIMARY KEY (hour, provider, model)
) WITHOUT ROWID""",
    f"""CREATE TABLE days (
    dimension TEXT NOT NULL, -- user, client, run, or property:NAME
    day INTEGER NOT NULL, -- days since the epoch, UTC
    value TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    {views.SUM_COLUMNS},
    PRIMARY KEY (dimension, day, value, provider, model)
) WITHOUT ROWID""",
    # What could not be recorded: a log that lost something says so itself.
    "CREATE TABLE losses (reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at INTEGER NOT NULL)",
    # Where upkeep stands.
    "CREATE TABLE upkeep (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)

_INDEXES = (
    "CREATE INDEX calls_by_time ON calls (started_at)",
    "CREATE INDEX calls_by_model ON calls (model, started_at)",
    "CREATE INDEX calls_by_provider ON calls (provider, started_at)",
    "CREATE INDEX calls_by_thread ON calls (thread_key)",
    "CREATE INDEX calls_by_user ON calls (user, started_at) WHERE user IS NOT NULL",
    "CREATE INDEX calls_by_run ON calls (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX calls_by_session ON calls (session_id) WHERE session_id IS NOT NULL",
    "CREATE INDEX calls_failed ON calls (started_at, status) WHERE outcome != 'ok'",
    "CREATE INDEX calls_dear ON calls (started_at, cost_nanousd) WHERE cost_nanousd >= 1000000",
    "CREATE INDEX calls_by_response_id ON calls (response_id) WHERE response_id GLOB 'resp_*'",
    "CREATE INDEX bodies_by_prompt ON bodies (prompt_part_id) WHERE prompt_part_id IS NOT NULL",
    "CREATE INDEX bodies_by_answer ON bodies (answer_part_id) WHERE answer_part_id IS NOT NULL",
    "CREATE INDEX bodies_by_turns ON bodies (turns_node_id) WHERE turns_node_id IS NOT NULL",
    "CREATE INDEX properties_by_value ON properties (name, value, call_key)",
)

_MIXES = (
    """CREATE TABLE mixes (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- BLAKE2b of all of it, 16 bytes
    user TEXT,
    client TEXT,
    operation TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER
)""",
    """CREATE TABLE mix_properties (
    mix_id INTEGER NOT NULL REFERENCES mixes(id),
    name TEXT NOT NULL COLLATE NOCASE,
    value TEXT NOT NULL,
    PRIMARY KEY (mix_id, name)
) WITHOUT ROWID""",
    f"""CREATE TABLE mix_days (
    day INTEGER NOT NULL, -- days since the epoch, UTC
    mix_id INTEGER NOT NULL REFERENCES mixes(id),
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    {views.ALL_SUM_COLUMNS},
    PRIMARY KEY (day, mix_id, provider, model)
) WITHOUT ROWID""",
    "CREATE INDEX mix_properties_by_value ON mix_properties (name, value)",
)

_RATE_LIMITS = """CREATE TABLE rate_limits (
    provider TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    period TEXT NOT NULL, -- minute, day, 5 hours ...; empty where that is not told
    hour INTEGER NOT NULL, -- hours since the epoch
    "limit" INTEGER,
    remaining INTEGER, -- as last seen in the hour
    lowest INTEGER, -- the least that remained in the hour
    resets_at INTEGER,
    seen_at INTEGER NOT NULL,
    status TEXT,
    PRIMARY KEY (provider, api_key, model, name, period, hour)
) WITHOUT ROWID"""

_BASIS = (
    "basis INTEGER",
    "provider_cost_nanousd INTEGER",
    "model_override TEXT",
    "model_names TEXT",
    "service_tier_requested TEXT",
    "attributes TEXT",
    "measured TEXT",
    "usage_by_model TEXT",
)
# What `llmitm price recalc` has changed.
_PRICE_CHANGES = """CREATE TABLE price_changes (
    call_key INTEGER NOT NULL REFERENCES calls(key),
    at INTEGER NOT NULL, -- milliseconds since the epoch, UTC
    old_nanousd INTEGER, -- NULL was unpriced
    new_nanousd INTEGER,
    old_price_id TEXT,
    new_price_id TEXT,
    PRIMARY KEY (call_key, at)
) WITHOUT ROWID"""
# They outlive their calls, so the keys are no references.
_JOBS = """CREATE TABLE jobs (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    asked_key INTEGER, -- the call that asked for it
    charged_key INTEGER, -- the call that showed its result first
    charged_at INTEGER, -- milliseconds since the epoch, UTC; NULL while it has not been charged
    PRIMARY KEY (provider, id)
) WITHOUT ROWID"""
_PRICE_INDEXES = (
    "CREATE INDEX calls_unpriced ON calls (started_at) WHERE cost_nanousd IS NULL",
    "CREATE INDEX calls_checked ON calls (started_at) WHERE provider_cost_nanousd IS NOT NULL",
)
_VIEWS_OF_ATTEMPTS = ("requests", "attempts", "hourly", "daily")
_ACTIONS = (
    "attempts INTEGER NOT NULL DEFAULT 1",
    "retried_ms INTEGER",
    "provider_requested TEXT",
    "fallback_index INTEGER",
    "cache TEXT",
    "cache_source TEXT",
    "saved_nanousd INTEGER",
    "retry_of_key INTEGER",
)
_EARLIER_ATTEMPTS = """CREATE TABLE earlier_attempts (
    call_key INTEGER NOT NULL REFERENCES calls(key),
    number INTEGER NOT NULL, -- from 1
    started_at INTEGER NOT NULL, -- milliseconds since the epoch, UTC
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    model TEXT,
    status INTEGER,
    error_type TEXT,
    error_message TEXT,
    latency_ms INTEGER,
    waited_ms INTEGER, -- after it, before the next
    PRIMARY KEY (call_key, number)
) WITHOUT ROWID"""
