"""What a collector decodes of it has the names of the conventions, the log's numbers, and comes live as well."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from exports.collector import attributes, receiver, value
from exports.logs import HOSTILE, calls, records, write
from harness import until
from llmitm.cli import main
from llmitm.exports.otlp import protobuf
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.exports.otlp.live import LiveOtlp
from llmitm.exports.otlp.sending import Collector, NotTakenError, send
from llmitm.home import Home
from llmitm.store.writer import Writer


def test_spans_and_metrics_of_the_log(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home.database)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b")
    with receiver() as collector:
        assert main(["export", "otlp", "--endpoint", collector.url]) == 0
    first, hostile, failed, unpriced = collector.spans
    told = attributes(first.attributes)
    assert first.name == "chat gpt-5.4"
    assert first.kind == Span.SPAN_KIND_CLIENT
    assert (first.end_time_unix_nano - first.start_time_unix_nano) / 1e6 == 812
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4",
        "gen_ai.response.model": "gpt-5.4",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 800,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "server.address": "api.openai.com",
        "server.port": 443,
        "llmitm.cost.usd": 0.25,
        "llmitm.property.workflow": "support",
        "process.working_directory": "/home/ada",
        "user.id": "ada",
    }
    assert {name: told.get(name) for name in expected} == expected
    assert not any(
        "messages" in name for span in collector.spans for name in attributes(span.attributes)
    )
    assert first.trace_id == hostile.trace_id != failed.trace_id
    assert len(first.trace_id) == 16
    assert len({span.span_id for span in collector.spans}) == 4
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert failed.status.message == HOSTILE
    assert attributes(failed.attributes)["error.type"] == "rate_limit_error"
    assert "llmitm.cost.usd" not in attributes(unpriced.attributes)
    assert collector.headers["x-tenant"] == "a b"
    assert collector.services == {"llmitm"}

    usage = collector.metrics["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    sums = {
        (attributes(point.attributes)["gen_ai.response.model"], attributes(point.attributes)["gen_ai.token.type"]): point
        for point in usage.histogram.data_points
    }  # fmt: skip
    tokens = sums["gpt-5.4", "input"]
    assert (tokens.count, tokens.sum, tokens.min, tokens.max) == (3, 1_240, 120, 1_000)
    assert list(tokens.explicit_bounds) == [float(4**power) for power in range(14)]
    assert sum(tokens.bucket_counts) == 3
    assert tokens.bucket_counts[5] == 1  # 1,000 is in (256, 1024]
    times = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert sum(point.count for point in times) == 4
    assert [attributes(point.attributes).get("error.type") for point in times].count(
        "rate_limit_error"
    ) == 1
    (cost,) = collector.metrics["llmitm.cost"].sum.data_points
    assert cost.as_double == pytest.approx(0.250125)


def test_prompts_only_where_they_are_asked_for(home: Home) -> None:
    write(home.database)
    with receiver() as collector:
        assert main(["export", "otlp", "--endpoint", collector.url, "--content", "-n", "4"]) == 0
    told = attributes(collector.spans[0].attributes)
    assert "Why is the sky blue?" in told["gen_ai.input.messages"]
    assert '"finish_reason": "stop"' in told["gen_ai.output.messages"]


def test_a_collector_that_is_busy_is_asked_again(home: Home) -> None:
    write(home.database)
    waits: list[float] = []
    with receiver(503, 429) as collector:
        to = Collector(collector.url, sleep=waits.append)
        assert send(to, records(home.database, bodies=False), content=False) == 4
    assert len(collector.spans) == 4
    assert waits == [0.5, 1.0]


def test_a_collector_that_refuses(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    write(home.database)
    with receiver(401) as collector:
        assert main(["export", "otlp", "--endpoint", collector.url]) == 1
    assert "/v1/traces: 401 Unauthorized" in capsys.readouterr().err
    away = Collector(collector.url, sleep=lambda seconds: None)
    with pytest.raises(NotTakenError, match="Connection refused"):
        send(away, records(home.database), content=False)


def test_live() -> None:
    with receiver(500) as collector:
        live = LiveOtlp(OtlpSettings(endpoint=collector.url, content=True, service="shop"), 0.01)
        live.start()
        first, *rest = calls()
        live.recorded([first])
        until(lambda: live.dropped == 1)  # a collector's fault costs that batch and nothing else
        live.recorded(rest)
        until(lambda: len(collector.spans) == 3)
        live.stop()
    assert collector.services == {"shop"}
    told = attributes(collector.spans[0].attributes)
    assert told["gen_ai.usage.input_tokens"] == 120
    assert "Why is the sky blue?" not in told["gen_ai.input.messages"]
    assert "evil.example" in told["gen_ai.input.messages"]


def test_live_and_afterwards_are_the_same_span(home: Home) -> None:
    batch = calls()
    with closing(Writer(home.database)) as writer:
        writer.write(batch)
    with receiver() as collector:
        live = LiveOtlp(OtlpSettings(endpoint=collector.url), 0.01)
        live.start()
        live.recorded(batch)
        live.stop(10)
        spans = {span.span_id: span for span in collector.spans}
        collector.spans.clear()
        assert main(["export", "otlp", "--endpoint", collector.url]) == 0
    assert len(spans) == 4
    for span in collector.spans:
        assert spans[span.span_id] == span


def test_without_a_collector_nothing_happens() -> None:
    live = LiveOtlp(OtlpSettings())
    live.start()
    live.recorded(calls())
    live.stop()
    assert live.dropped == 0


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"]))
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    )
)
def test_any_attributes_are_decoded(given_: dict[str, Any]) -> None:
    for name, given_value in given_.items():
        message = ExportTraceServiceRequest.FromString(
            protobuf.blob(1, protobuf.blob(1, protobuf.attributes(1, {name: given_value})))
        )
        (found,) = message.resource_spans[0].resource.attributes
        assert isinstance(found, KeyValue)
        assert (found.key, value(found.value)) == (name, given_value)
