"""A job is charged once, whoever writes the log, and however often the proxy was started."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exchanged import exchanged
from llmitm import pricing
from llmitm.calls import Exchange, Finished, Json
from llmitm.jobs import JobId
from llmitm.providers import hosts
from llmitm.reading import Reader
from llmitm.store import jobs
from llmitm.store.filters import Filter
from llmitm.store.repricing import repricing
from llmitm.store.retention import Retention
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from store.records import chat

PRICES = """
schema = 1
provider = "{provider}"

[[model]]
id = "{model}"
  [[model.price]]
  {price}
"""
REPEATED = "none: charged with the first answer that showed its result"
COST = 1_000_000


@pytest.fixture
def table(tmp_path: Path) -> PriceTable:
    folder = tmp_path / "prices"
    folder.mkdir()
    by_size = 'item = [{ unit = "video_second", by = ["resolution"], usd = { "1080p" = 0.2 } }]'
    for provider, model, price in (
        ("openai", "m", "mtok = { input = 1, output = 1 }"),
        ("fal", "acme/text-to-video", by_size),
    ):
        text = PRICES.format(provider=provider, model=model, price=price)
        (folder / f"{provider}.toml").write_text(text, encoding="utf-8")
    return PriceTable.load(folder)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llmitm.db"


USAGE = {"prompt_tokens": 1_000, "completion_tokens": 0}
BODY = {"object": "chat.completion", "model": "m", "choices": [], "usage": USAGE}
RESULT = {"custom_id": "r", "response": {"status_code": 200, "body": BODY}, "error": None}


def results(file: str = "file-1") -> Exchange:
    return exchanged(f"api.openai.com/v1/files/{file}/content", RESULT)


def response(status: str, request: Json = None) -> Exchange:
    usage = {"input_tokens": 1_000, "output_tokens": 0} if status == "completed" else None
    document = {
        "id": "resp_1",
        "object": "response",
        "model": "m",
        "output": [],
        "background": True,
        "status": status,
        "usage": usage,
    }
    name = "" if request else "/resp_1"
    return exchanged(f"api.openai.com/v1/responses{name}", document, request)


class Proxy:
    """A reader and a writer, as one process has them."""

    def __init__(self, path: Path, table: PriceTable) -> None:
        self._reader = Reader(hosts.load(), table, recall=partial(jobs.recall, path))
        self.writer = Writer(path)
        self._number = 0

    def see(self, *seen: Exchange) -> list[Finished]:
        """Record calls in one transaction, and return them as they count."""
        records = []
        for each in seen:
            self._number += 1
            records.append(self._reader.read(replace(each, id=f"{id(self)}-{self._number}")))
        return list(self.writer.write(records))


@pytest.fixture
def proxy(path: Path, table: PriceTable) -> Iterator[Proxy]:
    made = Proxy(path, table)
    with closing(made.writer):
        yield made


def rows(path: Path, columns: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM calls ORDER BY key").fetchall()


def test_results_that_are_fetched_again_are_charged_once(path: Path, proxy: Proxy) -> None:
    proxy.see(results(), results())
    shown = proxy.see(results(), results("file-2"))
    assert [call.endpoint.counted for call in shown] == [False, True]
    assert rows(path, "cost_nanousd, counted, operation") == [
        (COST, 1, "batch"),
        (0, 0, "batch"),
        (0, 0, "batch"),
        (COST, 1, "batch"),
    ]
    with closing(sqlite3.connect(path)) as connection:
        sums = connection.execute("SELECT sum(cost_nanousd), sum(input_tokens) FROM hours")
        assert sums.fetchone() == (2 * COST, 2_000)


def test_two_proxies_charge_one_job_once(path: Path, table: PriceTable, proxy: Proxy) -> None:
    other = Proxy(path, table)
    with closing(other.writer):
        other.see(results())
        proxy.see(results())
        other.see(results())
    assert [cost for (cost,) in rows(path, "cost_nanousd")] == [COST, 0, 0]


def test_an_answer_in_the_background_is_charged_when_it_is_there(
    path: Path, table: PriceTable
) -> None:
    for seen in (
        [response("queued", {"model": "m", "input": "x", "background": True})],
        [response("in_progress"), response("completed")],
        [response("completed"), response("in_progress")],
    ):
        started = Proxy(path, table)
        with closing(started.writer):
            started.see(*seen)
    assert [cost for (cost,) in rows(path, "cost_nanousd")] == [0, 0, COST, 0, 0]
    assert [each for (each,) in rows(path, "counted")] == [1, 0, 1, 0, 0]


def test_what_was_asked_is_found_in_the_log_after_a_restart(path: Path, table: PriceTable) -> None:
    asked = {"prompt": "a cat", "resolution": "1080p", "duration": "5"}
    queued = {"status": "IN_QUEUE", "request_id": "f1", "response_url": "https://x"}
    film = {"request_id": "f1", "video": {"url": "https://x"}, "duration": 5}
    for seen in (
        exchanged("queue.fal.run/acme/text-to-video", queued, asked),
        exchanged("queue.fal.run/acme/text-to-video/requests/f1", film),
        exchanged("queue.fal.run/acme/text-to-video/requests/f1", film),
    ):
        started = Proxy(path, table)
        with closing(started.writer):
            started.see(seen)
    assert rows(path, "operation, cost_nanousd") == [
        ("video", 0),
        ("video", 1_000_000_000),
        ("video", 0),
    ]


def test_a_log_that_is_not_there_recalls_nothing(path: Path) -> None:
    assert jobs.recall(path, JobId("fal", "f1")) is None
    path.write_bytes(b"no database")
    assert jobs.recall(path, JobId("fal", "f1")) is None


def test_an_id_that_is_no_unicode_is_an_id(path: Path, proxy: Proxy) -> None:
    proxy.see(results("%ED%A0%80"), results("%ED%A0%80"))
    odd = response("completed")
    odd.chunks = [odd.chunks[0].replace(b"resp_1", rb"\ud800")]
    proxy.see(odd, odd)
    assert [cost for (cost,) in rows(path, "cost_nanousd")] == [COST, 0, COST, 0]
    assert jobs.recall(path, JobId("openai", "\ud800")) is None


def test_nothing_is_charged_by_a_transaction_that_failed(path: Path, proxy: Proxy) -> None:
    (taken,) = proxy.see(replace(results("file-0")))
    record = Reader(hosts.load(), PriceTable.load()).read(results())
    twice = replace(record, exchange=taken.exchange)  # an id that is there already
    with pytest.raises(sqlite3.IntegrityError):
        proxy.writer.write([record, twice])
    (again,) = proxy.see(results())
    assert again.endpoint.counted
    assert again.charge.usd


def test_it_is_remembered_when_the_call_is_gone(path: Path, proxy: Proxy) -> None:
    proxy.see(results())
    with closing(sqlite3.connect(path)) as connection:
        while Retention(keep_days=1).step(connection, 2_000_000_000.0):
            connection.commit()
    assert rows(path, "key") == []
    (again,) = proxy.see(results())
    assert again.charge.price_id == REPEATED


def test_prices_that_are_worked_out_again_leave_it_at_one(
    path: Path, table: PriceTable, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.see(results(), results())
    prices = tmp_path / "prices" / "openai.toml"
    prices.write_text(prices.read_text("utf-8").replace("input = 1", "input = 3"), encoding="utf-8")
    table = PriceTable.load(tmp_path / "prices")
    with repricing(path, Filter(), lambda basis: pricing.price(basis, table), write=True) as passed:
        assert sum(passed.steps()) == 2
    assert [cost for (cost,) in rows(path, "cost_nanousd")] == [3 * COST, 0]


def test_a_call_that_is_no_job_is_not_looked_up(path: Path, proxy: Proxy) -> None:
    statements: list[str] = []
    connection = proxy.writer.db.conn
    connection.set_trace_callback(statements.append)
    proxy.writer.write([chat("hello")])
    connection.set_trace_callback(None)
    assert statements
    assert not any("jobs" in statement for statement in statements)
