"""Calls within a limit pass and say what is left; those beyond are refused in their provider's own form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from mitmproxy import http

from llmitm.calls import (
    Answer,
    CacheUse,
    Charge,
    Exchange,
    Finished,
    Identity,
    Prompt,
    SocketTurn,
    Usage,
)
from llmitm.mitm import guard
from llmitm.mitm.allowances import Allowances
from llmitm.mitm.flights import Flight, depart, flight_of
from llmitm.policy.directives import Directives
from llmitm.policy.values import rate_limit
from llmitm.providers.hosts import load
from llmitm.store.allowances import AllowanceFile
from llmitm_pricing import PriceTable
from mitm import flows

HOSTS = load()
BODY = b'{"model":"gpt-4o-mini","max_tokens":1000,"messages":[{"role":"user","content":"Hi"}]}'
PRICES = PriceTable.load()


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowances(tmp_path: Path, clock: Clock) -> Iterator[Allowances]:
    before = guard.faults.total()
    file = AllowanceFile(tmp_path / "allowances.db")
    yield Allowances(file, lambda: PRICES, clock)
    file.close()
    assert guard.faults.total() == before


def call(
    policy: str | None,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = BODY,
    host: str = "api.openai.com",
    path: str = "/v1/chat/completions",
) -> http.HTTPFlow:
    flow = flows.request(path, host=host, headers=headers, body=body)
    entry = HOSTS.find(host, 443)
    assert entry is not None
    endpoint = HOSTS.endpoint(entry, "POST", path)
    assert endpoint is not None
    exchange = Exchange(
        str(id(flow)), 0, "POST", "https", host, 443, path, [*(headers or {}).items()], body
    )
    directives = Directives(rate_limit=rate_limit(policy) if policy else None)
    depart(flow, Flight(exchange, entry, endpoint, directives))
    return flow


def exchange_of(flow: http.HTTPFlow) -> Exchange:
    flight = flight_of(flow)
    assert flight is not None
    return flight.exchange


def passes(allowances: Allowances, flow: http.HTTPFlow) -> bool:
    allowances.requestheaders(flow)
    asyncio.run(allowances.request(flow))  # type: ignore[arg-type]
    return flow.response is None


def finished(flow: http.HTTPFlow, usage: Usage, usd: str | None = None) -> Finished:
    flight = flight_of(flow)
    assert flight is not None
    charge = Charge(usd=None if usd is None else Decimal(usd))
    answer = Answer(usage=usage)
    return Finished(flight.exchange, flight.endpoint, Prompt(), answer, Identity(), charge, "ok")


def settle(allowances: Allowances, *batch: Finished) -> None:
    async def on_the_loop() -> None:
        allowances.running()
        await asyncio.to_thread(allowances.recorded, batch)

    asyncio.run(on_the_loop())


def test_of_a_hundred_calls_at_once_as_many_pass_as_the_quota(allowances: Allowances) -> None:
    made = [call("50;w=60", body=BODY + b" " * (number % 2 * 100_000)) for number in range(100)]

    async def all_at_once() -> None:
        await asyncio.gather(*(allowances.request(flow) for flow in made))  # type: ignore[misc]

    asyncio.run(all_at_once())
    assert sum(flow.response is None for flow in made) == 50


def test_what_passes_is_told_what_is_left(allowances: Allowances) -> None:
    flow = call("10; w=60")
    assert passes(allowances, flow)
    flows.answer(flow)
    allowances.responseheaders(flow)
    assert flow.response is not None
    told = {key: value for key, value in flow.response.headers.items() if "RateLimit" in key}
    assert told == {
        "Helicone-RateLimit-Limit": "10",
        "Helicone-RateLimit-Remaining": "9",
        "Helicone-RateLimit-Reset": "6",
        "Helicone-RateLimit-Policy": "10; w=60",
    }


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        ("api.openai.com", "/v1/chat/completions", ("error", "code")),
        ("api.anthropic.com", "/v1/messages", ("error", "type")),
        ("api.openai.com", "/v1/of_tomorrow", ("error", "code")),
    ],
)
def test_what_is_refused_is_refused_in_its_own_form(
    allowances: Allowances, host: str, path: str, place: tuple[str, str]
) -> None:
    assert passes(allowances, call("1;w=3600", host=host, path=path))
    flow = call("1;w=3600", host=host, path=path)
    assert not passes(allowances, flow)
    response, exchange = flow.response, exchange_of(flow)
    assert response is not None
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3600"
    assert response.headers["helicone-ratelimit-remaining"] == "0"
    body = json.loads(response.content or b"")
    assert body[place[0]][place[1]] in ("rate_limit_exceeded", "rate_limit_error")
    assert "1 requests in 3600 s" in body["error"]["message"]
    assert exchange.chunks == [response.content]
    assert exchange.refusal is not None
    assert exchange.refusal.error_type == "rate_limit_exceeded"


def test_whose_limit_it_is(allowances: Allowances, clock: Clock) -> None:
    policy = "1;w=60;s=user"
    assert passes(allowances, call(policy, headers={"Helicone-User-Id": "ann"}))
    assert not passes(allowances, call(policy, headers={"Helicone-User-Id": "ann"}))
    assert passes(allowances, call(policy, headers={"Helicone-User-Id": "bob"}))
    assert not passes(allowances, call(policy, body=b'{"user":"bob"}')), "the body says so too"
    assert passes(allowances, call(policy)), "nobody's"
    assert not passes(allowances, call(policy))
    key = {"Helicone-User-Id": "ann", "authorization": "Bearer sk-other"}
    assert passes(allowances, call(policy, headers=key)), "another key"
    by_team = "1;w=60;s=Team"
    assert passes(allowances, call(by_team, headers={"Helicone-Property-team": "x"}))
    assert not passes(allowances, call(by_team, headers={"helicone-property-TEAM": "x"}))
    clock.now += 60
    assert passes(allowances, call(policy, headers={"Helicone-User-Id": "ann"}))


def test_an_answer_from_the_cache_uses_nothing(allowances: Allowances) -> None:
    for _ in range(3):
        flow = call("1;w=60")
        flows.answer(flow)
        asyncio.run(allowances.request(flow))  # type: ignore[arg-type]
        assert flow.response is not None
        allowances.responseheaders(flow)
        assert "Helicone-RateLimit-Limit" not in flow.response.headers
    assert passes(allowances, call("1;w=60"))


def test_without_a_limit_nothing_is_done(allowances: Allowances) -> None:
    assert passes(allowances, call(None))
    assert passes(allowances, flows.request())


def test_tokens_are_reserved_and_settled(allowances: Allowances) -> None:
    first = call("1500;w=3600;u=token")
    assert passes(allowances, first), "about 1,040 are reserved"
    assert not passes(allowances, call("1500;w=3600;u=token"))
    settle(allowances, finished(first, Usage("reported", 10, 20)))
    second = call("1500;w=3600;u=token")
    assert passes(allowances, second)
    settle(allowances, finished(second, Usage("reported", 10, 1460)))
    assert not passes(allowances, call("1500;w=3600;u=token", body=b"{}")), "30 + 1,470 are used"


def test_cents_are_reserved_by_the_price_and_settled(allowances: Allowances) -> None:
    policy = "0.1;w=3600;u=cents"
    first = call(policy)
    assert passes(allowances, first), "1,000 tokens at 0.60 a million are 0.06 cents"
    assert not passes(allowances, call(policy))
    settle(allowances, finished(first, Usage("reported", 1, 1), "0.0001"))
    second = call(policy)
    assert passes(allowances, second)
    settle(allowances, finished(second, Usage("reported", 1, 1), "0.0015"))
    assert not passes(allowances, call(policy)), "0.16 of 0.1 cents are used"


def test_a_model_without_a_price_reserves_nothing_and_says_so(allowances: Allowances) -> None:
    flow = call("1;w=60;u=cents", body=b'{"model":"of-tomorrow"}')
    assert passes(allowances, flow)
    assert exchange_of(flow).notes == [
        "it has no price beforehand: nothing of its limit was reserved"
    ]


def test_what_is_not_known_afterwards_stays_as_reserved(allowances: Allowances) -> None:
    first = call("1500;w=3600;u=token")
    assert passes(allowances, first)
    settle(allowances, finished(first, Usage()))
    assert not passes(allowances, call("1500;w=3600;u=token"))


def test_a_call_that_failed_or_came_from_the_cache_gives_all_back(allowances: Allowances) -> None:
    for made in ("error", "hit"):
        flow = call("1100;w=3600;u=token")
        assert passes(allowances, flow), made
        if made == "hit":
            exchange_of(flow).cache = CacheUse("hit")
            settle(allowances, finished(flow, Usage("reported", 500, 500)))
        else:
            settle(allowances, replace(finished(flow, Usage()), outcome="error"))
    assert passes(allowances, call("1100;w=3600;u=token"))


def test_turns_of_a_socket_are_taken_as_they_end(allowances: Allowances) -> None:
    policy = "100;w=3600;u=token"
    socket = call(policy, path="/v1/realtime", body=b"")
    assert passes(allowances, socket)
    for number in range(2):
        turn = finished(socket, Usage("reported", 30, 30))
        own = replace(turn.exchange, id=f"turn{number}")
        own.turn = SocketTurn(turn.exchange.id, turn.endpoint)
        settle(allowances, replace(turn, exchange=own))
    assert not passes(allowances, call(policy, path="/v1/realtime", body=b""))


def test_a_body_that_passes_as_it_comes_is_decided_by_its_headers(allowances: Allowances) -> None:
    for is_first in (True, False):
        flow = call("1;w=3600", path="/v1/audio/transcriptions", body=b"")
        flow.request.stream = True
        allowances.requestheaders(flow)
        assert (flow.response is None) == is_first
        assert flow.request.stream is is_first
        asyncio.run(allowances.request(flow))  # type: ignore[arg-type]
        assert (flow.response is None) == is_first


def test_a_restart_forgives_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "allowances.db"
    first = Allowances(AllowanceFile(path), lambda: PRICES, clock)
    assert passes(first, call("1;w=3600"))
    asyncio.run(first.done())  # type: ignore[arg-type]
    second = Allowances(AllowanceFile(path), lambda: PRICES, clock)
    assert not passes(second, call("1;w=3600"))
    asyncio.run(second.done())  # type: ignore[arg-type]
