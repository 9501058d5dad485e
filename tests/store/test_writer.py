"""What a finished call becomes in the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from llmitm.calls import Charge, Finished, Prompt, RateLimit, ToolCall, Usage
from llmitm.money import nano
from llmitm.store.migrations import migrations
from llmitm.store.retention import Retention
from llmitm.store.rows import row
from llmitm.store.writer import Writer
from store.records import START, call, chat, identified, user


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with closing(Writer(tmp_path / "llmitm.db")) as opened:
        yield opened


def rows(writer: Writer, query: str, *values: Any) -> list[Any]:
    return writer.db.conn.execute(query, values).fetchall()


def bodies(writer: Writer) -> list[Any]:
    query = "SELECT request_body, response_body FROM exchanges JOIN calls USING (id) ORDER BY key"
    return rows(writer, query)


def turns(*words: str) -> Finished:
    return call({"messages": [user(each) for each in words]})


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
json_bodies = st.dictionaries(
    st.sampled_from(["messages", "system", "tools", "input", "x"]),
    st.lists(
        st.dictionaries(st.sampled_from(["role", "content", "cache_control"]), texts | st.just({}))
    )
    | texts,
).map(json.dumps)


@settings(deadline=None)
@given(st.lists(st.tuples(json_bodies | texts.filter(bool), texts | st.none(), texts), max_size=5))
def test_bodies_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[str, str | None, str]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "llmitm.db"
    calls = [
        call(request, said, at=START + number, response=f"{before}{json.dumps(said)}")
        for number, (request, said, before) in enumerate(given_)
    ]
    with closing(Writer(path)) as writer:
        for each in calls:
            writer.write([each])
        assert bodies(writer) == [(each.request_text, each.response_text) for each in calls]
        assert rows(writer, "PRAGMA integrity_check") == [("ok",)]


def test_every_column_has_its_value(writer: Writer) -> None:
    made = chat("hello", usage=Usage("estimated", 9, 8, 7, 6, 5, 4, 3, other={"web_search": 2}))
    made = identified(made, user="ann", session_id="s", session_path="/a", run_id="r")
    made.answer.tool_calls = [ToolCall("search", "{}"), ToolCall("read", "{}")]
    made.notes = ["noted"]
    writer.write([made])
    writer.db.conn.row_factory = sqlite3.Row
    (stored,) = rows(writer, "SELECT * FROM calls")
    expected = row(made)
    assert {name: stored[name] for name in expected} == expected
    assert json.loads(stored["tool_calls"]) == ["search", "read"]
    assert json.loads(stored["other_units"]) == {"web_search": 2}
    assert stored["id"] == made.exchange.id
    assert stored["started_at"] == START * 1000


@pytest.mark.parametrize(
    ("usd", "stored"),
    [
        (None, None),
        ("0", 0),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.00000000250000001", 3),
        ("123456.123456789", 123_456_123_456_789),
    ],
)
def test_money_is_rounded_once_half_to_even(usd: str | None, stored: int | None) -> None:
    assert nano(None if usd is None else Decimal(usd)) == stored


def test_what_the_provider_said_and_the_table_are_both_kept(writer: Writer) -> None:
    said, listed = Decimal("0.002"), Decimal("0.001")
    charge = Charge(said, "openrouter/reported", {"reported": said}, None, said, listed)
    writer.write([replace(chat("hello"), charge=charge), chat("hello", at=START + 1)])
    query = "SELECT cost_nanousd, table_cost_nanousd, cost_parts FROM calls ORDER BY key"
    assert rows(writer, query) == [
        (2_000_000, 1_000_000, '{"reported":2000000}'),
        (125_000, None, '{"input":125000}'),
    ]


def test_what_is_the_same_is_stored_once(writer: Writer) -> None:
    for number in range(3):
        writer.write(
            [call({"tools": [{"a": "x" * 50}], "messages": [user("hello")]}, at=START + number)]
        )
    assert rows(writer, "SELECT count(*) FROM bodies") == [(3,)]
    found = rows(writer, "SELECT text FROM parts ORDER BY id")
    assert [text for (text,) in found] == [
        json.dumps({"a": "x" * 50}, separators=(",", ":")),
        json.dumps(user("hello"), separators=(",", ":")),
        '"Hello."',
    ]


def test_what_was_answered_is_not_stored_again_with_the_next_question(writer: Writer) -> None:
    said = 'A long answer, with "quotes" and\nlines. ' * 9
    history = [user("first"), {"role": "assistant", "content": said}, user("second")]
    calls = [call({"messages": history[:1]}, said), call({"messages": history}, at=START + 1)]
    history += [{"role": "assistant", "content": "Hello."}, user("third")]
    calls.append(call({"messages": history}, at=START + 2))
    for made in calls:
        writer.write([made])
    assert bodies(writer) == [(made.request_text, made.response_text) for made in calls]
    assert links(writer) == [(None, 1), (1, 1), (2, 1)]
    assert rows(writer, "SELECT count(*) FROM parts WHERE instr(text, 'A long answer')") == [(1,)]


def links(writer: Writer) -> list[tuple[int | None, int]]:
    """Return for each call the one it goes on from, and the first of its conversation."""
    return rows(writer, "SELECT parent_key, thread_key FROM calls ORDER BY key")


@pytest.mark.parametrize("remembered", [True, False])
def test_conversations_are_threads(tmp_path: Path, remembered: bool) -> None:
    path = tmp_path / "llmitm.db"
    writer = Writer(path)
    for made in (
        turns("a"),
        turns("a", "b", "c"),
        turns("x"),
        turns("a", "b", "c", "d", "e"),
        turns("a", "b", "other"),
        turns("a", "b", "c", "d", "e"),
        turns("a"),
        call("no JSON"),
    ):
        if not remembered:
            writer.close()
            writer = Writer(path)
        writer.write([made])
    assert links(writer) == [
        (None, 1),
        (1, 1),
        (None, 3),
        (2, 1),
        (1, 1),
        (2, 1),  # the same again goes on from where it went on before
        (None, 7),  # the same first question is not an answer to itself
        (None, 8),
    ]
    writer.close()


def test_a_response_that_is_named_is_gone_on_from(writer: Writer) -> None:
    first = call({"input": "a"})
    first.answer.response_id = "resp_1"
    second = replace(call({"input": "b"}), prompt=Prompt(previous_response_id="resp_1"))
    unknown = replace(call({"input": "c"}), prompt=Prompt(previous_response_id="resp_9"))
    for made in (first, second, unknown):
        writer.write([made])
    assert links(writer) == [(None, 1), (1, 1), (None, 3)]


def test_properties_keep_the_spelling_that_came_first(writer: Writer) -> None:
    for number, name in enumerate(("Project", "project", "PROJECT")):
        made = identified(chat("hello", at=START + number), properties={name: f"p{number}"})
        writer.write([made])
    query = "SELECT name, value FROM properties ORDER BY call_key"
    assert rows(writer, query) == [("Project", f"p{number}") for number in range(3)]
    assert rows(writer, "SELECT count(*) FROM properties WHERE name = 'pRoJeCt'") == [(3,)]


def test_a_batch_is_written_whole_or_not_at_all(writer: Writer) -> None:
    twice = chat("twice")
    with pytest.raises(sqlite3.IntegrityError):
        writer.write([turns("a"), twice, twice], {"body dropped": 1})
    for table in ("calls", "bodies", "nodes", "parts", "hours", "days", "losses"):
        assert rows(writer, f"SELECT count(*) FROM {table}") == [(0,)], table
    # What was remembered of it is forgotten.
    writer.write([turns("a", "b")])
    assert links(writer) == [(None, 1)]
    assert bodies(writer)[0][0] is not None


def test_another_process_may_prune(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    with closing(Writer(path)) as writer, closing(Writer(path, Retention(keep_days=1))) as pruning:
        writer.write([turns("a", "b")])
        while pruning.tidy():
            pass
        assert rows(writer, "SELECT count(*) FROM calls") == [(0,)]
        again = turns("a", "b", "c")
        writer.write([again])
        assert bodies(writer) == [(again.request_text, again.response_text)]
        assert links(writer) == [(None, 1)]


def test_limits_are_kept_by_the_hour(writer: Writer) -> None:
    for hour, left in ((0, 50), (0, 20), (0, 30), (1, 99)):
        made = chat("hello", at=START + hour * 3_600)
        made.rate_limits = [RateLimit("requests", 100, left, START + 60.5)]
        writer.write([made, replace(made, exchange=replace(made.exchange, id=f"{hour}{left}"))])
    query = 'SELECT name, "limit", remaining, lowest, resets_at FROM rate_limits ORDER BY hour'
    resets = int((START + 60.5) * 1000)
    assert rows(writer, query) == [
        ("requests", 100, 30, 20, resets),
        ("requests", 100, 99, 99, resets),
    ]


def test_limits_are_told_apart_by_their_period(writer: Writer) -> None:
    made = chat("hello", at=START)
    made.rate_limits = [
        RateLimit("requests", 60, 59, period="minute"),
        RateLimit("requests", 1_000, 900, period="day"),
        RateLimit("percent", 100, 9, START, "5 hours", "allowed_warning"),
        RateLimit("requests", 5, 4),
    ]
    writer.write([made])
    query = 'SELECT name, period, "limit", remaining, status FROM rate_limits ORDER BY name, period'
    assert rows(writer, query) == [
        ("percent", "5 hours", 100, 9, "allowed_warning"),
        ("requests", "", 5, 4, None),
        ("requests", "day", 1_000, 900, None),
        ("requests", "minute", 60, 59, None),
    ]


def test_limits_with_what_sqlite_cannot_hold(writer: Writer) -> None:
    made = chat("hello")
    made.answer.model = made.prompt.model = "g\ud800"
    made.rate_limits = [RateLimit("own\udcff", 2**70, 1, status="\udcff")]
    writer.write([made])
    query = 'SELECT model, name, "limit", remaining, status FROM rate_limits'
    assert rows(writer, query) == [("g\\ud800", "own\\udcff", None, 1, "\\udcff")]


def test_limits_of_older_logs_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {0x6C6C6D69}")
        migrations.apply(Database(connection), stop_before="m006_throttling")
        row = ("groq", "key", "model", "tokens_minute", 7, 100, 50, 20, 8, 9)
        connection.execute(f"INSERT INTO rate_limits VALUES ({', '.join('?' * len(row))})", row)
        connection.commit()
    with closing(Writer(path)) as writer:
        assert rows(writer, "SELECT * FROM rate_limits") == [
            ("groq", "key", "model", "tokens_minute", "", 7, 100, 50, 20, 8, 9, None)
        ]


def test_the_wait_of_a_refused_caller_is_kept(writer: Writer) -> None:
    writer.write([replace(chat("hello", outcome="error", status=429), retry_after_ms=1500.4)])
    assert rows(writer, "SELECT retry_after_ms FROM calls") == [(1500,)]


def test_calls_that_repeat_others_are_counted_without_their_tokens(writer: Writer) -> None:
    made = chat("hello")
    repeated = chat("hello", at=START + 1, usd=Decimal(0))
    repeated.endpoint = replace(repeated.endpoint, counted=False)
    writer.write([made, repeated])
    query = "SELECT calls, input_tokens, cost_nanousd FROM hours"
    assert rows(writer, query) == [(2, 120, 125_000)]
    query = "SELECT dimension, calls, input_tokens FROM days ORDER BY 1"
    assert rows(writer, query) == [(name, 2, 120) for name in ("client", "run", "user")]


def test_losses_add_up(writer: Writer) -> None:
    writer.write([], {"call dropped": 2})
    writer.write([], {"call dropped": 1, "body dropped": 5})
    query = "SELECT reason, count FROM losses ORDER BY reason"
    assert rows(writer, query) == [("body dropped", 5), ("call dropped", 3)]
