"""Which calls wait, for what, and what becomes of those that wait too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from mitmproxy import connection, http

from llmitm.calls import Answer, Charge, Exchange, Finished, Identity, Prompt, Usage
from llmitm.mitm import guard
from llmitm.mitm.flights import Flight, depart, flight_of
from llmitm.mitm.governor import Governing
from llmitm.policy.directives import Directives
from llmitm.policy.own_limits import OwnLimit
from llmitm.providers.hosts import load
from llmitm.settings import GovernorSettings
from mitm import flows

HOSTS = load()
BODY = b'{"model":"gpt-4o-mini","max_tokens":1000,"messages":[{"role":"user","content":"Hi"}]}'
ONE_A_MINUTE = (OwnLimit(requests_per_minute=1),)


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    before = guard.faults.total()
    yield
    assert guard.faults.total() == before


def call(
    path: str = "/v1/chat/completions", *, body: bytes = BODY, priority: int = 0, key: str = "k"
) -> http.HTTPFlow:
    headers = {"authorization": f"Bearer {key}"}
    flow = flows.request(path, headers=headers, body=body)
    entry = HOSTS.find("api.openai.com", 443)
    assert entry is not None
    endpoint = HOSTS.endpoint(entry, "POST", path)
    assert endpoint is not None
    exchange = Exchange(
        str(id(flow)), 0, "POST", "https", "api.openai.com", 443, path, [*headers.items()], body
    )
    depart(flow, Flight(exchange, entry, endpoint, Directives(priority=priority)))
    return flow


def exchange_of(flow: http.HTTPFlow) -> Exchange:
    flight = flight_of(flow)
    assert flight is not None
    return flight.exchange


async def comes(governing: Governing, flow: http.HTTPFlow) -> None:
    for hook in (governing.requestheaders, governing.request):
        found = hook(flow)
        assert asyncio.iscoroutine(found)
        await found


def answered(governing: Governing, flow: http.HTTPFlow, status: int = 200, **told: str) -> None:
    flows.answer(flow)
    assert flow.response is not None
    flow.response.status_code = status
    for name, value in told.items():
        flow.response.headers[name.replace("_", "-")] = value
    governing.responseheaders(flow)
    governing.response(flow)


async def is_queued(governing: Governing) -> None:
    """Let others go on until a call waits."""
    for _ in range(1_000):
        if governing.queued():
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing waits")


type Story = Callable[[], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    asyncio.run(story())


def test_a_call_waits_for_what_the_answer_before_it_told() -> None:
    governing = Governing(GovernorSettings(enabled=True))

    async def story() -> None:
        first, second = call(), call()
        await comes(governing, first)
        answered(
            governing,
            first,
            x_ratelimit_limit_requests="1",
            x_ratelimit_remaining_requests="0",
            x_ratelimit_reset_requests="200ms",
        )
        await comes(governing, second)
        exchange = exchange_of(second)
        assert exchange.queued_ms is not None
        assert 150 < exchange.queued_ms < 5_000
        assert exchange.notes == ["waited 0.2 s for the provider's limit of requests"]

    play(story)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/embeddings_of_tomorrow"])
def test_what_is_no_question_to_a_model_does_not_wait(path: str) -> None:
    governing = Governing(GovernorSettings(enabled=True, limit=ONE_A_MINUTE))

    async def story() -> None:
        for _ in range(3):
            flow = call(path)
            await comes(governing, flow)
            assert exchange_of(flow).queued_ms is None

    play(story)


def test_other_keys_have_other_limits() -> None:
    governing = Governing(GovernorSettings(enabled=True, limit=ONE_A_MINUTE, longest_wait=60))

    async def story() -> None:
        for key in ("k", "l"):
            flow = call(key=key)
            await comes(governing, flow)
            assert exchange_of(flow).queued_ms is None

    play(story)


@pytest.mark.parametrize("then", ["go", "refuse"])
def test_who_has_waited_long_enough(then: Any) -> None:
    settings = GovernorSettings(enabled=True, limit=ONE_A_MINUTE, longest_wait=0.1, then=then)
    governing = Governing(settings)

    async def story() -> None:
        first, second = call(), call()
        await comes(governing, first)
        await comes(governing, second)
        exchange = exchange_of(second)
        if then == "go":
            assert second.response is None
            assert "no turn within 0.1 s, sent all the same" in exchange.notes
        else:
            assert second.response is not None
            assert second.response.status_code == 429
            assert second.response.headers["x-should-retry"] == "false"
            assert json.loads(second.response.text or "")["error"]["code"] == "rate_limit_exceeded"
            assert exchange.refusal is not None
        assert governing.queued() == 0

    play(story)


def test_who_hangs_up_leaves_the_queue() -> None:
    governing = Governing(GovernorSettings(enabled=True, limit=ONE_A_MINUTE, longest_wait=60))

    async def story() -> None:
        first, second = call(), call()
        await comes(governing, first)
        waiting = asyncio.ensure_future(comes(governing, second))
        await is_queued(governing)
        second.client_conn.state = connection.ConnectionState.CLOSED
        await waiting
        assert governing.queued() == 0

    play(story)


def test_a_task_that_is_cancelled_leaves_the_queue() -> None:
    governing = Governing(GovernorSettings(enabled=True, limit=ONE_A_MINUTE, longest_wait=60))

    async def story() -> None:
        await comes(governing, call())
        waiting = asyncio.ensure_future(comes(governing, call()))
        await is_queued(governing)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert governing.queued() == 0

    play(story)


def test_a_wait_that_nobody_can_wait_for_is_left_to_the_provider() -> None:
    governing = Governing(GovernorSettings(enabled=True, longest_wait=1))

    async def story() -> None:
        first, second = call(), call()
        await comes(governing, first)
        answered(governing, first, 429, retry_after="3600")
        await comes(governing, second)
        assert (exchange_of(second).queued_ms or 0) < 900

    play(story)


def test_tokens_are_put_right_when_the_call_has_been_read() -> None:
    settings = GovernorSettings(
        enabled=True, limit=(OwnLimit(tokens_per_minute=1_500),), longest_wait=60
    )
    governing = Governing(settings)

    async def story() -> None:
        governing.running()
        first, second = call(), call()
        await comes(governing, first)
        waiting = asyncio.ensure_future(comes(governing, second))
        await is_queued(governing)
        flight = flight_of(first)
        assert flight is not None
        answered(governing, first)
        answer = Answer(usage=Usage("reported", input_tokens=10, output_tokens=2))
        finished = Finished(
            flight.exchange, flight.endpoint, Prompt(), answer, Identity(), Charge(), "ok"
        )
        await asyncio.to_thread(governing.recorded, [finished])
        await asyncio.wait_for(waiting, 10)
        assert not any("sent all the same" in note for note in exchange_of(second).notes)

    play(story)


def test_a_body_that_passes_as_it_comes_waits_before_it_does() -> None:
    settings = GovernorSettings(enabled=True, limit=ONE_A_MINUTE, longest_wait=0.1)
    governing = Governing(settings)

    async def story() -> None:
        for number in range(2):
            flow = call("/v1/audio/transcriptions", body=b"")
            flow.request.stream = lambda data: data
            await comes(governing, flow)
            said = ["no turn within 0.1 s, sent all the same"]
            assert exchange_of(flow).notes[:1] == (said if number else [])

    play(story)
