"""What a price rests on comes back from the log as it was, whatever the call."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from llmitm import pricing
from llmitm.calls import (
    Answer,
    Endpoint,
    Exchange,
    Finished,
    ModelUsage,
    Outcome,
    Prompt,
    Usage,
)
from llmitm.store import facts
from llmitm.store.database import open_writable
from llmitm.store.migrations import migrations
from llmitm.store.reader import Reader
from llmitm.store.rows import row
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from providers.samples import cases, load
from store.records import START, call, chat, identified, priced

TABLE = PriceTable.load()
USAGE = Usage("reported", input_tokens=1000, output_tokens=100)
CASES = cases()


def finished(
    endpoint: Endpoint | None = None,
    prompt: Prompt | None = None,
    answer: Answer | None = None,
    outcome: Outcome = "ok",
    **identity: Any,
) -> Finished:
    """Return a priced call that is made of these."""
    made = identified(chat("hello", outcome=outcome), **identity)
    made = replace(
        made,
        endpoint=endpoint or made.endpoint,
        prompt=prompt or Prompt(model="gpt-4o"),
        answer=answer or Answer(usage=USAGE),
    )
    return priced(made, TABLE)


def stored(tmp_path: Path, calls: list[Finished]) -> list[sqlite3.Row]:
    """Write calls and return their rows."""
    with closing(Writer(tmp_path / "llmitm.db")) as writer:
        writer.write(calls)
    connection = sqlite3.connect(tmp_path / "llmitm.db")
    connection.row_factory = sqlite3.Row
    with closing(connection):
        return connection.execute("SELECT * FROM calls ORDER BY key").fetchall()


ODD = {
    "a plain chat": finished(),
    "an override": finished(model_override="gpt-4o-mini"),
    "a tier that was asked for": finished(prompt=Prompt(model="gpt-4o", service_tier="Priority")),
    "a tier that was served": finished(answer=Answer(usage=USAGE, service_tier="FLEX")),
    "a batch": finished(Endpoint("openai", "batch", "openai_chat")),
    "three names": finished(
        Endpoint("azure", "chat", "openai_chat", model="my-deployment"),
        Prompt(model="gpt-4o"),
        Answer(model="gpt-4o-2024-11-20", usage=USAGE),
    ),
    "no name": finished(prompt=Prompt()),
    "an image": finished(
        Endpoint("openai", "image", None),
        Prompt(model="dall-e-3", document={"quality": "hd", "size": "1024x1792"}),
        Answer(document={"data": [{}, {}]}),
    ),
    "speech": finished(
        Endpoint("openai", "speech", None), Prompt(model="tts-1", document={"input": "Grüße"})
    ),
    "a video": finished(
        Endpoint("openai", "video", None), Prompt(model="sora-2", document={"seconds": "7.5"})
    ),
    "searches": finished(
        answer=Answer(usage=replace(USAGE, cached_input_tokens=0, other={"web_search": 3}))
    ),
    "several models": finished(
        answer=Answer(
            model="gpt-4o",
            usage=replace(USAGE, input_tokens=2000),
            by_model=(ModelUsage("gpt-4o", USAGE), ModelUsage("gpt-4o-mini", USAGE)),
        )
    ),
    "one of several models": finished(
        answer=Answer(usage=USAGE, by_model=(ModelUsage("gpt-4o-mini", USAGE),))
    ),
    "geography and speed": finished(
        Endpoint("anthropic", "chat", "anthropic"),
        Prompt(model="claude-opus-5"),
        Answer(usage=USAGE, inference_geo="us", speed="fast"),
    ),
    "a provider's figure": finished(
        answer=Answer(usage=USAGE, provider_cost_usd=Decimal("0.004000001"))
    ),
    "a stream that broke off": finished(answer=Answer(), outcome="cancelled"),
    "free": finished(Endpoint("openai", "models", None), answer=Answer()),
}


@pytest.mark.parametrize("name", ODD)
def test_a_basis_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    made = ODD[name]
    (found,) = stored(tmp_path, [made])
    basis = facts.read(found)
    assert made.charge.basis is not None
    assert basis == made.charge.basis
    again = pricing.price(basis, TABLE)
    assert (again.usd, again.price_id, again.unpriced_reason) == (
        made.charge.usd,
        made.charge.price_id,
        made.charge.unpriced_reason,
    )
    assert dict(again.parts) == dict(made.charge.parts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_sample_comes_back_as_it_was(case: Path) -> None:
    sample = load(case)
    reader = sample.reader()
    reader.feed(sample.body)
    made = replace(
        chat("hello"), endpoint=sample.endpoint, prompt=sample.prompt, answer=reader.close()
    )
    made = priced(made, TABLE)
    assert facts.read(row(made)) == made.charge.basis


def test_an_ordinary_call_has_no_more_to_tell(tmp_path: Path) -> None:
    (found,) = stored(tmp_path, [finished()])
    told = {name: found[name] for name in facts.COLUMNS[facts.COLUMNS.index("speed") + 1 :]}
    assert told.pop("basis") == 1
    assert set(told.values()) == {None}
    assert len(told) == 7


def test_the_row_of_an_ordinary_call_hardly_grows(tmp_path: Path) -> None:
    """A column without a value takes one byte."""
    calls = [priced(chat(f"{number}", at=START + number), TABLE) for number in range(2_000)]
    stored(tmp_path, calls)
    path = tmp_path / "llmitm.db"
    with closing(sqlite3.connect(path)) as connection:
        size = "SELECT sum(payload) FROM dbstat WHERE name = 'calls'"
        now = connection.execute(size).fetchone()[0]
        for name in facts.COLUMNS[facts.COLUMNS.index("speed") + 1 :]:
            connection.execute("DROP INDEX IF EXISTS calls_checked")
            connection.execute(f"ALTER TABLE calls DROP COLUMN {name}")
        before = connection.execute(size).fetchone()[0]
    assert 0 < now - before <= 10 * len(calls)


def test_a_count_that_is_lost_is_not_priced_without_it(tmp_path: Path) -> None:
    beyond = replace(USAGE, input_tokens=10**30)
    (found,) = stored(tmp_path, [finished(answer=Answer(usage=beyond))])
    assert (found["input_tokens"], found["output_tokens"]) == (None, 100)
    assert facts.read(found) is None


def test_half_a_surrogate_in_a_name_is_no_loss(tmp_path: Path) -> None:
    (found,) = stored(tmp_path, [finished(prompt=Prompt(model="gpt\ud800"))])
    basis = facts.read(found)
    assert basis is not None
    assert pricing.price(basis, TABLE).usd is None


def test_a_log_of_before_is_brought_up_to_date_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    _log_of_before(path)
    with closing(Reader(path)) as reader:
        assert reader.basis(1) is None
        assert reader.call("last")["price_id"] == "openrouter/reported"
    with closing(open_writable(path).conn) as connection:
        query = "SELECT provider_cost_nanousd, cost_nanousd, basis FROM calls ORDER BY key"
        found = connection.execute(query).fetchall()
    assert found == [(None, 125_000, None), (250_000, 250_000, None)]
    with closing(Reader(path)) as reader:
        assert reader.basis(1) is None
    with closing(Writer(path)) as writer:
        writer.write([priced(call("{}", at=START + 9), TABLE)])
    with closing(Reader(path)) as reader:
        assert reader.basis(3) is not None


def _log_of_before(path: Path) -> None:
    """Make a log as it was before bases were kept: one call priced by the table, one by its provider."""
    calls = [chat("first"), chat("second", at=START + 1, usd=Decimal("0.00025"))]
    rows = [row(each) for each in calls]
    rows[1]["price_id"] = "openrouter/reported"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {0x6C6C6D69}")
        migrations.apply(Database(connection), stop_before="m004_basis")
        known = {column[1] for column in connection.execute("PRAGMA table_info(calls)")}
        for key, columns in enumerate(rows, 1):
            kept = {name: value for name, value in columns.items() if name in known}
            kept |= {"key": key, "thread_key": key}
            marks = ", ".join("?" * len(kept))
            connection.execute(
                f"INSERT INTO calls ({', '.join(kept)}) VALUES ({marks})", tuple(kept.values())
            )
        connection.commit()


def test_a_time_is_kept_to_the_millisecond() -> None:
    made = chat("hello", at=START + 0.123999)
    basis = made.charge.basis
    assert basis is not None
    assert basis.at == datetime.fromtimestamp(START, UTC).replace(microsecond=123_000)


def test_a_name_with_a_secret_is_not_kept() -> None:
    from llmitm.providers import hosts
    from llmitm.reading import Reader as CallReader

    secret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"
    body = json.dumps({"model": "gpt-4o", "service_tier": secret, "messages": []}).encode()
    exchange = Exchange(
        id="01J",
        started_at=START,
        method="POST",
        scheme="https",
        host="api.openai.com",
        port=443,
        path="/v1/chat/completions",
        request_headers=[
            ("content-type", "application/json"),
            ("authorization", f"Bearer {secret}"),
            ("helicone-model-override", secret),
        ],
        request_body=body,
        status=200,
        response_headers=[("content-type", "application/json")],
        chunks=[b'{"model":"gpt-4o","usage":{"prompt_tokens":5,"completion_tokens":5}}'],
        chunk_times=[1.0],
    )
    read = CallReader(hosts.load(), TABLE).read(exchange)
    assert read.charge.basis is None
    columns = row(read)
    assert columns["model_override"] not in (None, secret)
    kept = [str(columns[name]) for name in (*facts.COLUMNS, "unpriced_reason")]
    assert not any(secret in text for text in kept)
