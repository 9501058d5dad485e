"""Each filter and each sum, against the same question asked in Python."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmitm.calls import Finished, Identity, RateLimit, Usage
from llmitm.errors import LlmitmError, StoreError
from llmitm.store import mixes
from llmitm.store.filters import Filter
from llmitm.store.reader import Reader
from llmitm.store.writer import Writer
from store.records import START, chat

HOUR = 3_600.0
CALLS = 300
WORDS = ("apple", "grün", "new\nline", "don't", 'a "quoted" one', "user@example.com")


def made() -> list[Finished]:
    """Return calls over four days that differ in everything that can be asked for."""
    chance = random.Random(4)
    calls = []
    for number in range(CALLS):
        failed = chance.random() < 0.2
        price = Decimal(chance.choice((0, 125_000, 20_000_000))) / 10**9
        properties = {"project": chance.choice("xyz")} if chance.random() < 0.7 else {}
        if chance.random() < 0.3:
            properties["PROJECT" if properties else "env"] = "x"
        finished = chat(
            f"{number}: {chance.choice(WORDS)}",
            f"{chance.choice(WORDS)}.",
            at=round(START + number * 0.3 * HOUR + chance.random() * 60, 3),
            model=chance.choice(("gpt-5", "gpt-5-2025-08-07", "gpt-5-mini", "claude-opus-5")),
            provider=chance.choice(("openai", "azure")),
            usage=Usage("reported", chance.randrange(900), chance.randrange(90)),
            usd=None if chance.random() < 0.1 else price,
            outcome=chance.choice(("error", "cancelled")) if failed else "ok",
            status=chance.choice((400, 429, 503)) if failed else 200,
            latency_ms=chance.randrange(2_000),
            identity=Identity(
                user=chance.choice((None, "ann", "bob")),
                run_id=chance.choice((None, "R1", "R2")),
                session_id=chance.choice((None, "S1", "S2")),
                client=chance.choice((None, "curl/8", "OpenAI/Python 2.0")),
                properties=properties,
            ),
        )
        calls.append(finished)
    return calls


CALLS_MADE = made()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = filled(tmp_path_factory.mktemp("log") / "llmitm.db")
    with closing(Reader(path)) as opened:
        yield opened


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A log that was made before there were mixes, of whose calls the latest are in them by now."""
    path = filled(tmp_path_factory.mktemp("upgraded") / "llmitm.db")
    with closing(Writer(path)) as writer, pytest.MonkeyPatch.context() as patch:
        for table in ("mix_days", "mix_properties", "mixes"):
            writer.db.execute(f"DELETE FROM {table}")
        mixes.begin(writer.db.conn)
        patch.setattr(mixes, "_CALLS_A_STEP", CALLS // 3)
        while writer.tidy():
            if mixes.complete_from(writer.db.conn) < (START + 70 * HOUR) * 1000:
                break
        assert mixes.complete_from(writer.db.conn) > 0
    with closing(Reader(path)) as opened:
        yield opened


def filled(path: Path) -> Path:
    with closing(Writer(path)) as writer:
        for start in range(0, CALLS, 7):
            writer.write(CALLS_MADE[start : start + 7])
            if start == 140:
                # The first half is in the text index, the rest still waits for it.
                while writer.tidy():
                    pass
    return path


def tagged(call: Finished, name: str, value: str) -> bool:
    """Tell whether a call has a property. A name that comes twice in two cases has its last value."""
    found = {key.lower(): value for key, value in call.identity.properties.items()}
    return found.get(name.lower()) == value


def at(hours: float) -> datetime:
    return datetime.fromtimestamp(START + hours * HOUR, UTC)


def says(call: Finished, words: str) -> bool:
    return words in f"{call.request_text}{call.answer.text}"


QUESTIONS: dict[str, tuple[Filter, Callable[[Finished], bool]]] = {
    "everything": (Filter(), lambda call: True),
    "since": (Filter(since=at(20)), lambda call: call.exchange.started_at >= START + 20 * HOUR),
    "until": (Filter(until=at(20)), lambda call: call.exchange.started_at < START + 20 * HOUR),
    "model with any date": (
        Filter(model="GPT-5"),
        lambda call: call.model in ("gpt-5", "gpt-5-2025-08-07"),
    ),
    "pattern of models": (Filter(model="gpt-*"), lambda call: (call.model or "")[:3] == "gpt"),
    "no such model": (Filter(model="gpt"), lambda call: False),
    "provider": (Filter(provider="azure"), lambda call: call.endpoint.provider == "azure"),
    "user": (Filter(user="ann"), lambda call: call.identity.user == "ann"),
    "run": (Filter(run="R1"), lambda call: call.identity.run_id == "R1"),
    "session": (Filter(session="S2"), lambda call: call.identity.session_id == "S2"),
    "client": (Filter(client="curl"), lambda call: "curl" in (call.identity.client or "")),
    "property": (
        Filter(properties={"Project": "x"}),
        lambda call: tagged(call, "project", "x"),
    ),
    "429": (Filter(status="429"), lambda call: call.exchange.status == 429),
    "5xx": (Filter(status="5xx"), lambda call: (call.exchange.status or 0) // 100 == 5),
    "below 400": (Filter(status="<400"), lambda call: (call.exchange.status or 0) < 400),
    "errors": (Filter(errors=True), lambda call: call.outcome != "ok"),
    "cost": (
        Filter(min_cost=Decimal("0.000125")),
        lambda call: (call.charge.usd or 0) >= Decimal("0.000125"),
    ),
    "high cost": (
        Filter(min_cost=Decimal("0.02")),
        lambda call: (call.charge.usd or 0) >= Decimal("0.02"),
    ),
    "word": (Filter(text="apple"), lambda call: says(call, "apple")),
    "part of the words": (Filter(text="one quoted"), lambda call: says(call, "quoted")),
    "phrase": (Filter(text='"new line"'), lambda call: says(call, "new")),
    "beginning": (Filter(text="appl*"), lambda call: says(call, "apple")),
    "signs": (Filter(text="user@example.com"), lambda call: says(call, "user@")),
    "apostrophe": (Filter(text="don't"), lambda call: says(call, "don't")),
}
narrowings = st.lists(st.sampled_from(sorted(QUESTIONS)), min_size=1, max_size=3)


def both(names: list[str]) -> tuple[Filter, Callable[[Finished], bool]]:
    """Return some questions as one; of two for the same field the later one counts."""
    wanted, checks = Filter(), {}
    for name in names:
        question, check = QUESTIONS[name]
        for field in Filter.__slots__:
            if getattr(question, field) != getattr(Filter(), field):
                wanted = replace(wanted, **{field: getattr(question, field)})
                checks[field] = check
    return wanted, lambda call: all(check(call) for check in checks.values())


def expected(check: Callable[[Finished], bool]) -> list[str]:
    """Return the ids of the calls that fit, the latest first."""
    fit = sorted(filter(check, CALLS_MADE), key=lambda call: call.exchange.started_at)
    return [call.exchange.id for call in reversed(fit)]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_filter_finds_what_it_says(reader: Reader, name: str) -> None:
    wanted, check = QUESTIONS[name]
    assert [call["id"] for call in reader.recent(wanted, CALLS)] == expected(check)
    assert [call["id"] for call in reader.recent(wanted, 5)] == expected(check)[:5]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=narrowings)
def test_filters_together(reader: Reader, names: list[str]) -> None:
    wanted, check = both(names)
    assert [call["id"] for call in reader.recent(wanted, CALLS)] == expected(check)


def of(call: Finished, name: str) -> str | None:
    """Return what a call has of a property."""
    found = {key.lower(): value for key, value in call.identity.properties.items()}
    return found.get(name)


BY: dict[str, Callable[[Finished], str | None]] = {
    "day": lambda call: f"{datetime.fromtimestamp(call.exchange.started_at, UTC):%Y-%m-%d}",
    "hour": lambda call: f"{datetime.fromtimestamp(call.exchange.started_at, UTC):%Y-%m-%d %H:00}",
    "model": lambda call: call.model or "",
    "provider": lambda call: call.endpoint.provider,
    "user": lambda call: call.identity.user or "",
    "run": lambda call: call.identity.run_id or "",
    "client": lambda call: call.identity.client or "",
    "property:Project": lambda call: of(call, "project"),
    "property:env": lambda call: of(call, "env"),
    "outcome": lambda call: call.outcome,
    "status": lambda call: str(call.exchange.status),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    names=narrowings,
    by=st.lists(st.sampled_from(sorted(BY)), max_size=3, unique=True),
    is_new=st.booleans(),
)
def test_sums_are_those_of_the_calls(
    reader: Reader, upgraded: Reader, names: list[str], by: list[str], is_new: bool
) -> None:
    are_those_of_the_calls(reader if is_new else upgraded, names, by)


@pytest.mark.parametrize("by", BY)
def test_sums_of_every_filter_by_every_dimension(reader: Reader, upgraded: Reader, by: str) -> None:
    for name in QUESTIONS:
        are_those_of_the_calls(reader, [name], [by])
        are_those_of_the_calls(upgraded, [name], [by])


def are_those_of_the_calls(log: Reader, names: list[str], by: list[str]) -> None:
    """Check the sums of some questions."""
    wanted, check = both(names)
    groups: dict[tuple[str | None, ...], list[Finished]] = {}
    for call in filter(check, CALLS_MADE):
        told = tuple(BY[name](call) for name in by)
        if None not in told:
            groups.setdefault(told, []).append(call)
    found = log.sums(wanted, by, utc=True)
    assert {sums.by for sums in found} == set(groups)
    for sums in found:
        calls = groups[sums.by]
        assert sums.calls == len(calls)
        assert sums.errors == sum(call.outcome == "error" for call in calls)
        assert sums.unpriced == sum(call.charge.usd is None for call in calls)
        assert sums.input_tokens == sum(call.answer.usage.input_tokens or 0 for call in calls)
        assert sums.output_tokens == sum(call.answer.usage.output_tokens or 0 for call in calls)
        assert sums.cost_nanousd == sum((call.charge.usd or 0) for call in calls) * 10**9
    assert all(first.cost_nanousd >= second.cost_nanousd for first, second in pairwise(found))


def test_a_log_is_brought_up_to_date_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixes, "_CALLS_A_STEP", 7)
    query = "SELECT * FROM mix_days ORDER BY day, mix_id, provider, model"
    path = filled(tmp_path / "llmitm.db")
    with closing(Writer(path)) as writer:
        connection = writer.db.conn
        before = connection.execute(query).fetchall()
        connection.execute("DELETE FROM mix_days")
        mixes.begin(connection)
        assert mixes.complete_from(connection) > 0
        while writer.tidy():
            pass
        assert mixes.complete_from(connection) == 0
        assert connection.execute(query).fetchall() == before


def test_a_log_without_mixes_is_added_up_all_the_same(tmp_path: Path) -> None:
    path = filled(tmp_path / "llmitm.db")
    asked = Filter(user="ann"), ["property:project", "model"]
    with closing(Reader(path)) as log:
        before = log.sums(*asked)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE mix_days")
    with closing(Reader(path)) as log:
        assert log.sums(*asked) == before


def test_sums_by_a_property(reader: Reader) -> None:
    for wanted in (Filter(), Filter(user="ann")):
        found = {sums.by[0]: sums.calls for sums in reader.sums(wanted, ["property:Project"])}
        fit = [call for call in CALLS_MADE if wanted.user in (None, call.identity.user)]
        for value in "xyz":
            assert found[value] == sum(tagged(call, "project", value) for call in fit)


def test_a_call_by_its_name(reader: Reader) -> None:
    ids = expected(lambda call: True)
    assert reader.call(ids[7])["id"] == ids[7]
    assert reader.call(ids[7][-12:].lower())["id"] == ids[7]
    assert reader.call("last")["id"] == reader.call("@1")["id"] == ids[0]
    assert reader.call("@3")["id"] == ids[2]


@pytest.mark.parametrize("name", ["", "nothing", "@0", "@301", "@", "0' OR 1 --"])
def test_a_call_that_is_not_there(reader: Reader, name: str) -> None:
    with pytest.raises(LlmitmError, match="call"):
        reader.call(name)


@pytest.mark.parametrize("status", ["", "4x", "abc", "99", "=>400"])
def test_a_status_that_is_none(reader: Reader, status: str) -> None:
    with pytest.raises(LlmitmError, match="allowed"):
        reader.recent(Filter(status=status), 1)


def test_a_dimension_that_is_none(reader: Reader) -> None:
    with pytest.raises(LlmitmError, match="allowed are"):
        reader.sums(Filter(), ["colour"])


def test_bodies_and_properties(reader: Reader) -> None:
    call = CALLS_MADE[5]
    assert reader.bodies(call.exchange.id) == (call.request_text, call.response_text)
    assert reader.bodies("nothing") == (None, None)
    found = reader.properties(reader.call(call.exchange.id)["key"])
    assert all(tagged(call, name, value) for name, value in found.items())


def test_quantiles(reader: Reader) -> None:
    times = sorted(round(call.exchange.latency_ms or 0) for call in CALLS_MADE)
    assert reader.quantiles(Filter(), [0, 1]) == [times[0], times[-1]]
    assert reader.quantiles(Filter(user="nobody"), [0.5]) == [None]


def test_rate_limits_are_the_latest(tmp_path: Path) -> None:
    path = tmp_path / "llmitm.db"
    with closing(Writer(path)) as writer:
        for second, left in ((0, 7), (1, 3), (2, 9)):
            limits = [RateLimit("requests", 10, left, START + 60)]
            writer.write([replace(chat("hello", at=START + second), rate_limits=limits)])
    with closing(Reader(path)) as log:
        (limit,) = log.rate_limits()
    assert (limit["limit"], limit["remaining"], limit["lowest"]) == (10, 9, 3)
    assert limit["resets_at"] == int((START + 60) * 1000)


def test_a_reader_cannot_write(reader: Reader) -> None:
    with pytest.raises(Exception, match="readonly"):
        reader.query("DELETE FROM calls")


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"llmitm\.db"):
        Reader(tmp_path / "llmitm.db")
    assert not (tmp_path / "llmitm.db").exists()
