"""A burst of spending holds a run; what cannot be kept on disk is never held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from mitmproxy import http

from llmitm.calls import Exchange, Finished, Identity
from llmitm.mitm import guard
from llmitm.mitm.flights import Flight, depart, flight_of
from llmitm.mitm.runaways import RunawayWatch
from llmitm.policy.directives import Directives
from llmitm.policy.runaways import Action
from llmitm.providers.hosts import load
from llmitm.redact import Redactor
from llmitm.settings import RunawaySettings
from llmitm.store.runaways import RunawayFile
from mitm import flows
from store.records import chat

HOSTS = load()
AT = 1_700_000_000.0
USER = "ann@example.com"


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    before = guard.faults.total()
    yield
    assert guard.faults.total() == before


def spent(*usd: str, user: str = USER) -> list[Finished]:
    """Return a call a minute, each of which costs so much."""
    who = Identity(user=user, client="curl/8")
    return [
        chat(f"{number}", at=AT + 60 * number, usd=Decimal(each), identity=who)
        for number, each in enumerate(usd)
    ]


BURST = spent(*["0.10"] * 8, "5")


def call(user: str = USER, action: Action | None = None) -> http.HTTPFlow:
    headers = {"helicone-user-id": user, "user-agent": "curl/8"}
    flow = flows.request(headers=headers)
    entry = HOSTS.find("api.openai.com", 443)
    assert entry is not None
    endpoint = HOSTS.endpoint(entry, "POST", flow.request.path)
    assert endpoint is not None
    exchange = Exchange(
        str(id(flow)), AT, "POST", "https", "api.openai.com", 443, flow.request.path,
        [*headers.items()], b"{}", request_id="8c9b2b5e-6c1b-4b4c-9a94-1f6f3f6c1a11",
    )  # fmt: skip
    depart(flow, Flight(exchange, entry, endpoint, Directives(runaway=action)))
    return flow


async def look(watch: RunawayWatch, batch: list[Finished]) -> None:
    await watch.running()  # type: ignore[misc]
    await asyncio.to_thread(watch.recorded, batch)
    await asyncio.sleep(0)  # what was handed to the loop comes first


@pytest.mark.parametrize("redact", [(), (r"\w+@example\.com",)])
def test_a_burst_holds_the_run_and_no_other_until_it_may_go_on(
    tmp_path: Path, redact: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "llmitm")
    file = RunawayFile(tmp_path / "r.db")
    watch = RunawayWatch(file, RunawaySettings(action="hold"), redact, lambda: AT + 500)

    async def course() -> None:
        user = Redactor(redact).text(USER)  # as the reader has it
        batch = [replace(each, identity=replace(each.identity, user=user)) for each in BURST]
        await look(watch, batch)
        (held,) = file.holds(AT + 500)
        assert held.words == "spent $5.00 in the last minute, where it used to spend $0.10"
        others = [call("bob"), call(action="warn"), call(action="off")]
        for flow in others:
            await watch.request(flow)  # type: ignore[misc]
        waits = call()
        waiting = asyncio.ensure_future(watch.request(waits))  # type: ignore[arg-type]
        await asyncio.sleep(0.3)
        assert watch.held() == 1
        assert not waiting.done()
        file.resume(held.run, AT + 501)
        await asyncio.wait_for(waiting, 5)
        assert [flow.response for flow in [*others, waits]] == [None] * 4
        assert watch.held() == 0
        again = call()
        await watch.request(again)  # type: ignore[misc]
        assert again.response is None
        watch.done()

    asyncio.run(course())
    assert "its calls wait until: llmitm resume" in caplog.text
    assert (USER in caplog.text) == (not redact)


def test_what_cannot_be_kept_is_not_held(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = RunawayWatch(
        RunawayFile(tmp_path / "gone" / "r.db"),
        RunawaySettings(action="hold"),
        (),
        lambda: AT + 500,
    )

    async def course() -> None:
        await look(watch, BURST)
        flow = call()
        await watch.request(flow)  # type: ignore[misc]
        assert flow.response is None
        flows.answer(flow)
        watch.responseheaders(flow)
        assert flow.response is not None
        told = flow.response.headers["X-llmitm-Runaway"]
        assert told.startswith("the run spent $5.00 in the last minute")

    asyncio.run(course())
    assert "runaways cannot be kept, none is held" in caplog.text


def test_nothing_is_looked_at_where_it_is_off(tmp_path: Path) -> None:
    watch = RunawayWatch(RunawayFile(tmp_path / "r.db"), RunawaySettings(action="off"))
    asyncio.run(look(watch, BURST))
    assert not (tmp_path / "r.db").exists()


def test_who_does_not_speak_to_us_gets_its_answer_as_it_came(tmp_path: Path) -> None:
    watch = RunawayWatch(RunawayFile(tmp_path / "r.db"), RunawaySettings(), (), lambda: AT + 500)

    async def course() -> None:
        await look(watch, BURST)
        flow = call()
        flight = flight_of(flow)
        assert flight is not None
        flight.exchange.request_id = None
        await watch.request(flow)  # type: ignore[misc]
        flows.answer(flow)
        watch.responseheaders(flow)
        assert flow.response is not None
        assert "X-llmitm-Runaway" not in flow.response.headers
        assert "runaway?" in flight.exchange.notes[0]

    asyncio.run(course())
