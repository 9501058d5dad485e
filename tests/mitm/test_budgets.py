"""What the proxy does with a call that a budget holds for, short of the network."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http

from llmitm.calls import Answer, CacheUse, Charge, Exchange, Finished, Identity, Prompt, Usage
from llmitm.home import Home
from llmitm.mitm import guard
from llmitm.mitm.budgets import HEADER, BudgetKeeper
from llmitm.mitm.flights import Flight, depart, flight_of
from llmitm.policy.budgets import Budget
from llmitm.policy.directives import FallbackTarget
from llmitm.providers.hosts import load
from llmitm.settings import BudgetSettings, Settings
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from mitm import flows

HOSTS, PRICES = load(), PriceTable.load()
MOST = 606_300
"""What a call of `BODY` may cost, nano-dollars: 42 tokens of input at most, 1,000 of output."""
BODY = b'{"model":"gpt-4o-mini","max_tokens":1000,"messages":[{"role":"user","content":"Hi"}]}'


@dataclass
class Keeping:
    """A keeper and the log behind it."""

    home: Home
    keeper: BudgetKeeper
    writer: Writer
    targets: list[FallbackTarget]

    def settle(self, flow: http.HTTPFlow, usd: str | None, **changes: Any) -> None:
        """Let a call end, as the recorder does."""
        flight = flight_of(flow)
        assert flight is not None
        exchange = replace(flight.exchange, status=changes.pop("status", 200))
        answer = Answer(text="Hello", usage=Usage("reported", 10, 10))
        charge = Charge(usd=None if usd is None else Decimal(usd))
        call = Finished(
            exchange, flight.endpoint, Prompt("gpt-4o-mini"), answer, Identity(), charge, "ok"
        )
        for name, value in changes.items():
            setattr(call.exchange if hasattr(call.exchange, name) else call, name, value)
        self.keeper.accounts.recorded(self.writer.write([call]))

    def state(self, name: str = "b") -> Any:
        return next(
            each for each in self.keeper.accounts.budget_use() if each.held.budget.name == name
        )


type Make = Callable[..., Keeping]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    before, made = guard.faults.total(), []

    def keeping(*budgets: dict[str, Any], refused: str | None = None, wait: float = 0) -> Keeping:
        home = Home(tmp_path)
        targets: list[FallbackTarget] = []

        async def retarget(
            flow: http.HTTPFlow, flight: Flight, target: FallbackTarget
        ) -> str | None:
            targets.append(target)
            if refused is None:
                body = json.loads(flight.exchange.request_body) | {"model": target.model}
                flight.exchange.asked_model = "gpt-4o-mini"
                flight.exchange.request_body = json.dumps(body).encode()
            return refused

        defined = [{"name": "b", "limit": 1, "per": "total", **each} for each in budgets]
        settings = Settings(
            budget=tuple(map(Budget.model_validate, defined)),
            budgets=BudgetSettings(wait_seconds=wait),
        )
        found = Keeping(
            home,
            BudgetKeeper(home, settings, lambda: PRICES, retarget),
            Writer(home.database),
            targets,
        )
        made.append(found)
        return found

    yield keeping
    for each in made:
        each.keeper.accounts.close()
        each.writer.close()
    assert guard.faults.total() == before


def call(
    body: bytes = BODY,
    *,
    method: str = "POST",
    host: str = "api.openai.com",
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
) -> http.HTTPFlow:
    flow = flows.request(path, host=host, headers=headers, body=body)
    flow.request.method = method
    entry = HOSTS.find(host, 443)
    assert entry is not None
    endpoint = HOSTS.endpoint(entry, method, path)
    assert endpoint is not None
    exchange = Exchange(
        str(id(flow)),
        time.time(),
        method,
        "https",
        host,
        443,
        path,
        [*(headers or {}).items()],
        body,
    )
    depart(flow, Flight(exchange, entry, endpoint))
    return flow


def passes(keeping: Keeping, flow: http.HTTPFlow) -> bool:
    asyncio.run(keeping.keeper.request(flow))  # type: ignore[arg-type]
    return flow.response is None


def notes(flow: http.HTTPFlow) -> str:
    flight = flight_of(flow)
    assert flight is not None
    return " ".join(flight.exchange.notes)


def test_it_is_reserved_and_settled(make: Make) -> None:
    keeping = make({})
    flow = call()
    assert passes(keeping, flow)
    assert (keeping.state().spent, keeping.state().reserved) == (0, MOST)
    keeping.settle(flow, "0.0001")
    assert (keeping.state().spent, keeping.state().reserved) == (100_000, 0)
    assert keeping.keeper.accounts.use_in_usd() == {"b": (Decimal("0.0001"), Decimal(1))}


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({"n": 3}, 42 + 3),
        ({"messages": [{"role": "user", "content": "x" * 10_000}]}, 5_000),
    ],
)
def test_what_it_may_cost_grows_with_what_is_asked(
    make: Make, more: dict[str, Any], most: int
) -> None:
    keeping = make({})
    assert passes(keeping, call(json.dumps(json.loads(BODY) | more).encode()))
    choices = more.get("n", 1)
    reserved = keeping.state().reserved
    assert (
        choices * 600_000 + (most - 10) * 150 <= reserved <= choices * 600_000 + (most + 60) * 150
    )


def test_a_refusal_says_why(make: Make) -> None:
    keeping = make({"limit": "0.0006", "per": "day", "name": "daily"})
    flow = call()
    assert not passes(keeping, flow)
    assert flow.response is not None
    assert flow.response.status_code == 429
    assert flow.response.headers["x-should-retry"] == "false"
    error = json.loads(flow.response.content or b"")["error"]
    assert error["code"] == "insufficient_quota"
    assert "the budget daily of $0.0006 a day has not enough left: $0.00 spent" in error["message"]
    assert "this call may cost $0.000606; it begins anew at " in error["message"]
    flight = flight_of(flow)
    assert flight is not None
    assert flight.exchange.refusal is not None
    assert flight.exchange.refusal.error_type == "budget_exceeded"


@pytest.mark.parametrize(
    ("host", "path", "agent", "status"),
    [
        ("api.anthropic.com", "/v1/messages", "Anthropic/Python 1", 429),
        (
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "google-genai-sdk/1",
            429,
        ),
        (
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "GeminiCLI-tui/0.61.0/x",
            403,
        ),
        ("api.openai.com", "/v1/responses", "codex_exec/0.171.0", 400),
        ("api.openai.com", "/v1/responses", "opencode/1.18.33", 402),
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            "Boto3/1",
            400,
        ),
        ("api.cohere.com", "/v2/chat", "cohere", 402),
    ],
)
def test_each_client_is_told_in_its_way(
    make: Make, host: str, path: str, agent: str, status: int
) -> None:
    keeping = make({"limit": 0, "unpriced": "0.01"})
    body = b'{"model":"claude-3-haiku-20240307","max_tokens":10,"messages":[]}'
    flow = call(body, host=host, path=path, headers={"user-agent": agent})
    assert not passes(keeping, flow)
    assert flow.response is not None
    assert flow.response.status_code == status
    assert b"llmitm: the budget b of $0.00 in all is used up" in (flow.response.content or b"")


def test_what_costs_nothing_passes(make: Make) -> None:
    keeping = make({"limit": 0})
    assert passes(keeping, call(b"", method="GET", path="/v1/models"))
    count = "/v1/messages/count_tokens"
    assert passes(keeping, call(b"{}", host="api.anthropic.com", path=count))
    assert passes(make({"limit": 0, "user": "bob"}), call())


@pytest.mark.parametrize(
    ("unpriced", "may_pass", "counts"),
    [("block", False, 0), ("warn", True, 0), ("0.25", True, 250_000_000)],
)
def test_calls_without_a_price(make: Make, unpriced: str, may_pass: bool, counts: int) -> None:
    keeping = make({"unpriced": unpriced})
    flow = call(BODY.replace(b"gpt-4o-mini", b"of-tomorrow"))
    assert passes(keeping, flow) == may_pass
    if may_pass:
        keeping.settle(flow, None)
        assert keeping.state().spent == counts
    else:
        assert flow.response is not None
        assert b"has no known price" in (flow.response.content or b"")


def test_a_budget_that_only_warns_stops_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    keeping = make({"limit": "0.0001", "on_limit": "warn", "name": "soft"})
    for _ in range(2):
        flow = call()
        assert passes(keeping, flow)
        with caplog.at_level(logging.WARNING):
            keeping.settle(flow, "0.00009")
        flows.answer(flow)
        keeping.keeper.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.headers[HEADER] == "soft 180%"
    said = [text for text in caplog.messages if "budget soft" in text]
    assert ["90 %" in said[0], "100 %" in said[1], len(said)] == [True, True, 2]


def test_at_its_limit_a_call_goes_to_another_model(make: Make) -> None:
    keeping = make({"limit": "0.0001", "on_limit": "fallback:gpt-4.1-nano"}, {"name": "other"})
    flow = call()
    assert passes(keeping, flow)
    assert [target.model for target in keeping.targets] == ["gpt-4.1-nano"]
    assert "sent to gpt-4.1-nano: the budget b is used up" in notes(flow)
    assert 400_000 < keeping.state().reserved < MOST
    assert keeping.state("other").reserved == keeping.state().reserved


def test_where_the_other_cannot_be_had_it_is_refused(make: Make) -> None:
    keeping = make({"limit": 0, "on_limit": "fallback:nowhere"}, refused="nobody has it")
    flow = call()
    assert not passes(keeping, flow)
    assert "not sent to nowhere: nobody has it" in notes(flow)


def test_one_that_others_keep_out_waits_for_them(make: Make) -> None:
    keeping = make({"limit": "0.0007"}, wait=20)
    first, second = call(), call()

    async def both() -> None:
        keeping.keeper.running()
        await keeping.keeper.request(first)  # type: ignore[misc]
        waiting = asyncio.ensure_future(keeping.keeper.request(second))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await asyncio.to_thread(keeping.settle, first, "0.00001")
        await waiting

    asyncio.run(both())
    assert second.response is None
    assert (keeping.state().spent, keeping.state().reserved) == (10_000, MOST)


def test_what_was_never_sent_is_given_back(make: Make) -> None:
    keeping = make({})
    flow = call()
    assert passes(keeping, flow)
    flow.server_conn.timestamp_tcp_setup = None
    asyncio.run(keeping.keeper.error(flow))  # type: ignore[arg-type]
    assert keeping.state().reserved == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None, "ending": "no_answer", "outcome": "error"},
        {"ending": "upstream_broke", "outcome": "error", "answer": Answer()},
    ],
)
def test_what_was_sent_and_not_answered_counts(make: Make, changes: dict[str, Any]) -> None:
    keeping = make({})
    flow = call()
    assert passes(keeping, flow)
    keeping.settle(flow, "0", **changes)
    assert (keeping.state().spent, keeping.state().doubt) == (MOST, MOST)


@pytest.mark.parametrize(
    "changes",
    [
        {"cache": CacheUse("hit")},
        {"status": 500, "outcome": "error"},
        {"outcome": "blocked"},
    ],
)
def test_what_was_not_charged_does_not(make: Make, changes: dict[str, Any]) -> None:
    keeping = make({})
    flow = call()
    assert passes(keeping, flow)
    keeping.settle(flow, "0", **changes)
    assert (keeping.state().spent, keeping.state().reserved) == (0, 0)


@pytest.mark.parametrize(("status", "doubt"), [(429, 0), (None, MOST)])
def test_each_attempt_is_paid_for(make: Make, status: int | None, doubt: int) -> None:
    keeping = make({})
    flow = call()
    assert passes(keeping, flow)
    flight = flight_of(flow)
    assert flight is not None
    failed = replace(flight.exchange, status=status)
    assert asyncio.run(keeping.keeper.reserve_again(flow, failed))
    state = keeping.state()
    assert (state.spent, state.doubt, state.reserved) == (doubt, doubt, MOST)


def test_an_attempt_for_which_there_is_no_money_is_not_made(make: Make) -> None:
    keeping = make({"limit": "0.0007"})
    flow = call()
    assert passes(keeping, flow)
    flight = flight_of(flow)
    assert flight is not None
    failed = replace(flight.exchange, status=None)
    assert not asyncio.run(keeping.keeper.reserve_again(flow, failed))
    assert flow.response is None
    assert "not tried again: the budget b" in notes(flow)


def test_uploads_and_sockets_are_let_in_unless_it_is_used_up(make: Make) -> None:
    socket = {"upgrade": "websocket", "connection": "upgrade"}
    path = "/v1/realtime?model=gpt-realtime"
    keeping = make({"limit": "0.00005"})
    assert passes(keeping, call(b"", method="GET", path=path, headers=socket))
    assert keeping.state().reserved == 0
    keeping.settle(call(), "0.0001")
    assert not passes(keeping, call(b"", method="GET", path=path, headers=socket))
    upload = call(b"", path="/v1/audio/transcriptions")
    upload.request.stream = True
    asyncio.run(keeping.keeper.requestheaders(upload))  # type: ignore[arg-type]
    assert upload.response is not None


def test_without_budgets_there_is_no_file(make: Make) -> None:
    keeping = make()
    flow = call()
    assert passes(keeping, flow)
    keeping.settle(flow, "1")
    assert not keeping.home.budgets.exists()


def test_a_definition_that_cannot_be_read_is_told(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    keeping = make({})
    assert passes(keeping, call())
    ledger = keeping.keeper.accounts.ledger
    ledger.define("odd", '{"name": "odd", "limit": "much"}')
    with caplog.at_level(logging.WARNING):
        assert passes(keeping, call())
    assert "the budget odd does not hold" in caplog.text


def test_the_log_counts_for_those_made_later(make: Make) -> None:
    keeping = make({"name": "before"})
    flow = call()
    assert passes(keeping, flow)
    keeping.settle(flow, "0.25")
    ledger = keeping.keeper.accounts.ledger
    ledger.define(
        "later", '{"name": "later", "limit": "0.25", "per": "total", "provider": "openai"}'
    )
    assert not passes(keeping, call())
    assert keeping.state("later").spent == 250_000_000
