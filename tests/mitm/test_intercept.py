from __future__ import annotations

import asyncio
import base64
from uuid import UUID

import pytest
from mitmproxy import flow as mitm_flow
from mitmproxy.connection import ConnectionState

from llmitm.calls import Exchange
from llmitm.mitm.guard import faults
from llmitm.mitm.intercept import Intercept
from llmitm.mitm.tunnel import Tunnel
from llmitm.providers.hosts import load
from mitm import flows


@pytest.fixture
def submitted() -> list[Exchange]:
    return []


@pytest.fixture
def intercept(submitted: list[Exchange]) -> Intercept:
    faults.clear()
    table = load()
    return Intercept(table, Tunnel(table), submitted.append)


@pytest.fixture(autouse=True)
def no_faults() -> object:
    yield
    assert not faults


def run(intercept: Intercept, flow: object) -> None:
    intercept.requestheaders(flow)
    asyncio.run(intercept.request(flow))  # type: ignore[arg-type]


def test_a_call_from_first_header_to_last_byte(
    intercept: Intercept, submitted: list[Exchange]
) -> None:
    flow = flows.request(
        "/v1/chat/completions?x=1", headers={"helicone-user-id": "u", "x-own": "1"}
    )
    run(intercept, flow)
    assert "helicone-user-id" not in flow.request.headers
    flows.answer(flow)
    intercept.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.stream(b"{}") == b"{}"
    assert intercept.in_flight == 1
    intercept.response(flow)
    (exchange,) = submitted
    assert (exchange.method, exchange.host, exchange.path) == (
        "POST",
        "api.openai.com",
        "/v1/chat/completions?x=1",
    )
    assert ("helicone-user-id", "u") in exchange.request_headers
    assert exchange.request_body == b'{"model":"m"}'
    assert (exchange.status, exchange.chunks, exchange.ending) == (200, [b"{}"], "complete")
    assert exchange.latency_ms is not None
    assert exchange.first_byte_ms is not None
    assert len(exchange.id) == 26
    assert intercept.in_flight == 0


@pytest.mark.parametrize("told", ["8c9b2b5e-6c1b-4b4c-9a94-1f6f3f6c1a11", "nonsense"])
def test_who_speaks_to_us_is_told_the_id(
    intercept: Intercept, submitted: list[Exchange], told: str
) -> None:
    flow = flows.request(headers={"Helicone-Request-Id": told})
    run(intercept, flow)
    flows.answer(flow)
    intercept.responseheaders(flow)
    intercept.response(flow)
    assert flow.response is not None
    given = flow.response.headers["helicone-id"]
    assert str(UUID(given)) == submitted[0].request_id == given
    assert (given == told) == (told != "nonsense")


def test_others_get_their_headers_as_they_came(intercept: Intercept) -> None:
    flow = flows.request()
    run(intercept, flow)
    flows.answer(flow)
    intercept.responseheaders(flow)
    assert flow.response is not None
    assert "helicone-id" not in flow.response.headers


@pytest.mark.parametrize(
    "flow",
    [
        flows.request("/", host="example.com", port=80, scheme="http"),
        flows.request("/v1/traces/ingest"),
        flows.request("/api/event_logging/v2/batch", host="api.anthropic.com"),
        flows.request("/v1/models", method="OPTIONS"),
    ],
)
def test_what_is_no_call_passes_as_a_stream(
    intercept: Intercept, submitted: list[Exchange], flow: object
) -> None:
    run(intercept, flow)
    flows.answer(flow)
    intercept.responseheaders(flow)
    intercept.response(flow)
    assert flow.request.stream is True
    assert flow.response.stream is True
    assert submitted == []


def test_usage_is_asked_for_and_the_original_is_kept(
    intercept: Intercept, submitted: list[Exchange]
) -> None:
    body = b'{"stream": true}'
    flow = flows.request(body=body, headers={"accept-encoding": "gzip"})
    run(intercept, flow)
    assert flow.request.raw_content == b'{"stream_options":{"include_usage":true},"stream": true}'
    assert flow.request.headers["accept-encoding"] == "identity"
    flows.answer(flow, headers={"content-type": "text/event-stream", "content-length": "5"})
    intercept.responseheaders(flow)
    assert flow.response is not None
    assert "content-length" not in flow.response.headers
    event = b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n'
    assert flow.response.stream(event) == ()  # an empty chunk would end a chunked body
    intercept.response(flow)
    assert submitted[0].request_body == body
    assert submitted[0].chunks == [event]
    assert submitted[0].usage_injected


@pytest.mark.parametrize(
    "flow",
    [
        flows.request(body=b'{"stream":true}', headers={"authorization": "AWS4-HMAC-SHA256 x"}),
        flows.request(body=b'{"stream":true}', headers={"content-encoding": "zstd"}),
        flows.request("/v1/responses", body=b'{"stream":true}'),
        flows.request("/v1/messages", host="api.anthropic.com", body=b'{"stream":true}'),
    ],
)
def test_bodies_that_are_left_alone(intercept: Intercept, flow: object) -> None:
    run(intercept, flow)
    assert flow.request.raw_content == b'{"stream":true}'


BEDROCK = "bedrock-runtime.us-east-1.amazonaws.com"
SIGNATURE = "AWS4-HMAC-SHA256 Credential=A, SignedHeaders=host;helicone-user-id, Signature=0f"


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/model/m/converse-stream", BEDROCK),
        ("/model/m/invoke-with-response-stream", BEDROCK),
        ("/openai/v1/chat/completions", BEDROCK),
        ("/v1/chat/completions", "bedrock-mantle.eu-west-1.api.aws"),
    ],
)
@pytest.mark.parametrize("authorization", [SIGNATURE, "Bearer a-bedrock-key"])
def test_nothing_that_aws_signs_is_changed(
    intercept: Intercept,
    submitted: list[Exchange],
    path: str,
    host: str,
    authorization: str,
) -> None:
    headers = {
        "authorization": authorization,
        "accept-encoding": "gzip",
        "Helicone-User-Id": "ann",
        "Helicone-Property-App": "x",
    }
    body = b'{"model":"m","stream":true}'
    flow = flows.request(path, host=host, body=body, headers=headers)
    run(intercept, flow)
    assert flow.request.raw_content == body
    assert flow.request.headers["accept-encoding"] == "gzip"
    assert flow.request.headers["authorization"] == authorization
    assert ("Helicone-User-Id" in flow.request.headers) is (authorization == SIGNATURE)
    assert "Helicone-Property-App" not in flow.request.headers
    flows.answer(flow)
    intercept.responseheaders(flow)
    intercept.response(flow)
    assert submitted[0].request_body == body
    assert ("Helicone-User-Id", "ann") in submitted[0].request_headers


def test_speech_both_ways_passes_as_a_stream(
    intercept: Intercept, submitted: list[Exchange]
) -> None:
    flow = flows.request("/model/m/invoke-with-bidirectional-stream", host=BEDROCK)
    run(intercept, flow)
    assert flow.request.stream is True
    assert submitted == []


def test_it_can_be_switched_off(submitted: list[Exchange]) -> None:
    table = load()
    flow = flows.request(body=b'{"stream":true}')
    run(Intercept(table, Tunnel(table), submitted.append, ask_usage=False), flow)
    assert flow.request.raw_content == b'{"stream":true}'


@pytest.mark.parametrize(
    ("message", "client_open", "answered", "ending"),
    [
        ("Client disconnected.", True, True, "client_gone"),
        ("server closed connection", True, True, "upstream_broke"),
        ("server closed connection", False, True, "client_gone"),
        ("connection refused", True, False, "no_answer"),
    ],
)
def test_how_an_exchange_broke(
    intercept: Intercept,
    submitted: list[Exchange],
    message: str,
    client_open: bool,
    answered: bool,
    ending: str,
) -> None:
    flow = flows.request()
    flow.client_conn.state = ConnectionState.OPEN if client_open else ConnectionState.CLOSED
    run(intercept, flow)
    if answered:
        flows.answer(flow)
        intercept.responseheaders(flow)
    flow.error = mitm_flow.Error(message)
    intercept.error(flow)
    assert submitted[0].ending == ending
    assert submitted[0].error_message == message


def test_a_call_ends_once(intercept: Intercept, submitted: list[Exchange]) -> None:
    flow = flows.request()
    run(intercept, flow)
    flows.answer(flow)
    intercept.response(flow)
    intercept.error(flow)
    assert len(submitted) == 1


def test_tags_of_the_proxy_url(submitted: list[Exchange]) -> None:
    table = load()
    tunnel = Tunnel(table)
    intercept = Intercept(table, tunnel, submitted.append)
    flow = flows.request()
    label = base64.b64encode(b"run-01ABC:project=nightly").decode()
    flow.request.headers["proxy-authorization"] = f"Basic {label}"
    run(intercept, flow)
    flows.answer(flow)
    intercept.response(flow)
    assert submitted[0].tags == {"project": "nightly", "run_id": "01ABC"}
    assert "proxy-authorization" not in dict(submitted[0].request_headers)


def test_uploads_of_files_pass_as_streams(intercept: Intercept, submitted: list[Exchange]) -> None:
    flow = flows.request("/v1/files", body=b"")
    intercept.requestheaders(flow)
    assert flow.request.stream(b"chunk") == b"chunk"
    asyncio.run(intercept.request(flow))  # type: ignore[arg-type]
    flows.answer(flow)
    intercept.response(flow)
    assert submitted[0].request_body == b"chunk"
