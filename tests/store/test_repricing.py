"""Logged calls are priced again: exactly, once, and with the sums that go with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm import pricing
from llmitm.calls import Charge, Finished, Usage
from llmitm.store import priced as priced_
from llmitm.store.filters import Filter
from llmitm.store.repricing import Repricing, repricing
from llmitm.store.retention import Retention
from llmitm.store.views import SUMS
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from store.records import START, chat, identified, priced

HOUR = 3_600.0
USAGE = Usage("reported", input_tokens=1000, output_tokens=100, cached_input_tokens=400)
CONTENT = "SELECT * FROM calls ORDER BY key"


def table(folder: Path, **models: str) -> PriceTable:
    """Return a table of the provider `openai`; each model has one price for all tokens."""
    folder.mkdir(exist_ok=True)
    entries = "".join(
        f'[[model]]\nid = "{model}"\n[[model.price]]\nmtok = {{ input = {usd}, output = {usd} }}\n'
        for model, usd in models.items()
    )
    (folder / "openai.toml").write_text(f'schema = 1\nprovider = "openai"\n{entries}')
    return PriceTable.load(folder)


def recalculated(path: Path, prices: PriceTable, wanted: Filter | None = None) -> Repricing:
    """Price a log again, and return what that did."""
    price = partial(pricing.price, table=prices)
    with repricing(path, wanted or Filter(), price, write=True) as work:
        assert sum(work.steps()) == len(work)
        return work


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def sums(path: Path) -> tuple[list[Any], ...]:
    """Return the sums that the log keeps."""
    mixes = f"""SELECT day, user, client, operation, outcome, status, {TOLD.format("mix_properties", "mix_id = mixes.id")} AS told, provider, model,
        {", ".join(SUMS)} FROM mix_days JOIN mixes ON mixes.id = mix_id ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""
    return (
        rows(path, "SELECT * FROM hours"),
        rows(path, "SELECT * FROM days"),
        rows(path, mixes),
    )


TOLD = "(SELECT group_concat(lower(name) || '=' || value) FROM (SELECT * FROM {} WHERE {} ORDER BY lower(name)))"
"""All properties as one text."""


def sums_from_scratch(path: Path) -> tuple[list[Any], ...]:
    """Return what the sums should be, added up here in another way than by the product."""
    amounts = {
        **{name: f"sum(counted * coalesce({name}, 0))" for name in SUMS if "tokens" in name},
        "calls": "count(*)",
        "errors": "sum(outcome = 'error')",
        "unpriced": "sum(cost_nanousd IS NULL)",
        "estimated": "sum(usage_source = 'estimated')",
        "cost_nanousd": "sum(coalesce(cost_nanousd, 0))",
        "latency_ms": "sum(coalesce(latency_ms, 0))",
        "retries": "sum(attempts) - count(*)",
        "blocked": "sum(outcome = 'blocked')",
        "cache_hits": "count(iif(cache = 'hit', 1, NULL))",
        "saved_nanousd": "sum(coalesce(saved_nanousd, 0))",
    }
    added = ", ".join(amounts[name] for name in SUMS)
    whose = "provider, coalesce(model, '')"
    hours = f"SELECT started_at / 3600000, {whose}, {added} FROM calls GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    dimensions = " UNION ALL ".join(
        f"SELECT key, '{name}' AS dimension, coalesce({column}, '') AS value FROM calls"
        for name, column in (("user", "user"), ("client", "client"), ("run", "run_id"))
    )
    days = f"""SELECT dimension, started_at / 86400000, value, {whose}, {added} FROM calls JOIN (
            {dimensions} UNION ALL SELECT call_key, 'property:' || lower(name), value FROM properties
        ) AS told ON told.key = calls.key GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
    mixes = f"""SELECT started_at / 86400000, user, client, operation, outcome, status,
        {TOLD.format("properties", "call_key = calls.key")}, {whose}, {added}
        FROM calls GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""
    return rows(path, hours), rows(path, days), rows(path, mixes)


MODELS = ("alpha", "beta", "unheard-of")


@st.composite
def logs(draw: st.DrawFn) -> list[Finished]:
    """Calls of a few models, users and projects over some days, two of three priced by the table."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        call = chat(
            f"{number}",
            at=START + number * draw(st.sampled_from([1.0, HOUR, 30 * HOUR])),
            model=draw(st.sampled_from(MODELS)),
            usage=draw(st.sampled_from([USAGE, Usage(), replace(USAGE, source="estimated")])),
            outcome=draw(st.sampled_from(["ok", "ok", "error", "cancelled"])),
        )
        call = identified(
            call,
            user=draw(st.sampled_from([None, "ada", "bob"])),
            run_id=draw(st.sampled_from([None, "run"])),
            properties=draw(st.sampled_from([{}, {"Project": "x", "Env": "y"}, {"Env": "y"}])),
        )
        made.append((call, draw(st.sampled_from([None, None, Decimal("0.001")]))))
    return [replace(call, answer=replace(call.answer, provider_cost_usd=usd)) for call, usd in made]


@given(calls=logs(), first=st.sampled_from(["1", "2.5"]), second=st.sampled_from(["1", "0.0004"]))
@settings(max_examples=30)
def test_the_sums_stay_those_of_the_calls(
    calls: Sequence[Finished], first: str, second: str
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "llmitm.db"
        before = table(Path(folder) / "before", alpha=first, beta="3")
        after = table(Path(folder) / "after", alpha=second, **{"unheard-of": "7"})
        with closing(Writer(path)) as writer:
            writer.write([priced(call, before) for call in calls])
        assert sums(path) == sums_from_scratch(path)
        recalculated(path, after)
        assert sums(path) == sums_from_scratch(path)

        # The log is as if the calls had been priced so from the beginning.
        anew = Path(folder) / "anew.db"
        with closing(Writer(anew)) as writer:
            writer.write([priced(call, after) for call in calls])
        assert rows(path, CONTENT) == rows(anew, CONTENT)
        assert sums(path) == sums(anew)

        changes = rows(path, "SELECT * FROM price_changes")
        work = recalculated(path, after)
        assert (dict(work.models), work.rechecked) == ({}, 0)
        assert rows(path, CONTENT) == rows(anew, CONTENT)
        assert rows(path, "SELECT * FROM price_changes") == changes


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A log of three calls: two of a known model, one of an unknown one."""
    path = tmp_path / "llmitm.db"
    prices = table(tmp_path / "old", alpha="2")
    models = ("alpha", "beta", "alpha")
    calls = [
        priced(chat(f"{number}", at=START + number, model=model, usage=USAGE), prices)
        for number, model in enumerate(models)
    ]
    with closing(Writer(path)) as writer:
        writer.write(calls)
    return path


def test_old_and_new_are_kept(path: Path, tmp_path: Path) -> None:
    recalculated(path, table(tmp_path / "new", alpha="3", beta="1"))
    query = """SELECT call_key, old_nanousd, new_nanousd, old_price_id, new_price_id
        FROM price_changes ORDER BY call_key"""
    assert rows(path, query) == [
        (1, 2_200_000, 3_300_000, "openai/alpha", "openai/alpha"),
        (2, None, 1_100_000, None, "openai/beta"),
        (3, 2_200_000, 3_300_000, "openai/alpha", "openai/alpha"),
    ]
    recalculated(path, table(tmp_path / "newer", beta="1"))
    newest = "SELECT call_key, new_nanousd FROM price_changes WHERE new_nanousd IS NULL"
    assert rows(path, newest) == [(1, None), (3, None)]
    assert rows(path, "SELECT unpriced_reason FROM calls WHERE key = 1") == [
        ("no price for model 'alpha' of provider 'openai'",)
    ]


def test_only_what_is_asked_for(path: Path, tmp_path: Path) -> None:
    work = recalculated(path, table(tmp_path / "new", alpha="3", beta="1"), Filter(model="beta"))
    assert list(work.models) == [("openai", "beta")]
    assert len(work) == 1


def test_what_the_provider_said_stays_and_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    old, new = table(tmp_path / "old", alpha="2"), table(tmp_path / "new", alpha="1")
    named = Decimal("0.0011")
    call = priced(chat("hello", model="alpha", usage=USAGE), old, provider_cost_usd=named)
    with closing(Writer(path)) as writer:
        writer.write([call])
    query = "SELECT cost_nanousd, provider_cost_nanousd, table_cost_nanousd, price_id FROM calls"
    assert rows(path, query) == [(1_100_000, 1_100_000, 2_200_000, "openai/reported")]
    work = recalculated(path, new)
    assert rows(path, query) == [(1_100_000, 1_100_000, 1_100_000, "openai/reported")]
    assert (dict(work.models), work.rechecked) == ({}, 1)
    assert rows(path, "SELECT count(*) FROM price_changes") == [(0,)]


def test_calls_that_do_not_tell_keep_their_price(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE calls SET basis = NULL WHERE key = 1")
        connection.commit()
    work = recalculated(path, table(tmp_path / "new", alpha="3"))
    assert work.without_basis == 1
    assert rows(path, "SELECT cost_nanousd FROM calls WHERE model = 'alpha'") == [
        (2_200_000,),
        (3_300_000,),
    ]


def test_sums_of_calls_that_were_removed_stay(path: Path, tmp_path: Path) -> None:
    recalculated(path, table(tmp_path / "new", alpha="3"))
    with closing(Writer(path, Retention(keep_days=1))) as writer:
        while writer.tidy():
            pass
        writer.write([priced(chat("young", model="alpha", usage=USAGE), table(tmp_path / "new"))])
    assert rows(path, "SELECT count(*) FROM price_changes") == [(0,)]
    before = "SELECT sum(cost_nanousd), sum(calls) FROM hours"
    assert rows(path, before) == [(6_600_000, 4)]
    recalculated(path, table(tmp_path / "newer", alpha="1"))
    assert rows(path, before) == [(6_600_000 + 1_100_000, 4)]


def test_the_proxy_writes_between_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(priced_, "CALLS_A_STEP", 2)
    path = tmp_path / "llmitm.db"
    old, new = table(tmp_path / "old", alpha="2"), table(tmp_path / "new", alpha="3")
    made = [priced(chat(f"{n}", at=START + n, model="alpha", usage=USAGE), old) for n in range(9)]
    with closing(Writer(path)) as writer:
        writer.write(made[:6])
        price = partial(pricing.price, table=new)
        with repricing(path, Filter(), price, write=True) as work:
            for number, _ in enumerate(work.steps()):
                writer.write([made[6 + number]])
    assert rows(path, "SELECT count(*) FROM price_changes") == [(6,)]
    assert sums(path) == sums_from_scratch(path)


def test_a_call_that_changed_meanwhile_is_left_alone(path: Path, tmp_path: Path) -> None:
    """Two passes at once, and a call that is removed while its price is worked out."""
    new = table(tmp_path / "new", alpha="3", beta="1")
    newer = table(tmp_path / "newer", alpha="5", beta="5")
    meanwhile = []

    def price(basis: Any) -> Charge:
        if not meanwhile:
            meanwhile.append(recalculated(path, newer, Filter(model="beta")))
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("DELETE FROM calls WHERE key = 3")
                connection.commit()
        return pricing.price(basis, new)

    before = rows(path, "SELECT cost_nanousd FROM hours WHERE model = 'alpha'")[0][0]
    with repricing(path, Filter(), price, write=True) as work:
        assert list(work.steps()) == [3]
    assert {model: changes.calls for (_, model), changes in work.models.items()} == {"alpha": 1}
    assert rows(path, "SELECT cost_nanousd FROM calls ORDER BY key") == [(3_300_000,), (5_500_000,)]
    after = rows(path, "SELECT cost_nanousd FROM hours WHERE model = 'alpha'")[0][0]
    assert after - before == 1_100_000
