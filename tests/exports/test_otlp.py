"""What a collector decodes of it has the names of the conventions, the log's numbers, and comes live as well."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from exports.logs import HOSTILE, calls, records, write
from harness import until
from llmitm.cli import main
from llmitm.exports.otlp import protobuf
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.exports.otlp.live import LiveOtlp
from llmitm.exports.otlp.sending import Collector, NotTakenError, send
from llmitm.home import Home
from llmitm.store.writer import Writer


@dataclass
class Receiver:
    """A collector's receiver, with the messages as its own library decodes them."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    schemas: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.services.add(attributes(resource.resource.attributes)["service.name"])
                self.schemas.add(resource.schema_url)
                for scope in resource.scope_spans:
                    assert scope.scope.name == "llmitm"
                    self.spans += scope.spans
        elif path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in resource.scope_metrics[0].metrics:
                    self.metrics[metric.name] = metric


@contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    """Listen as a collector does; the first requests get these statuses."""
    found = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.answers.pop(0) if found.answers else 200
            if status == 200:
                assert self.headers["content-type"] == "application/x-protobuf"
                found.headers = {name.lower(): value for name, value in self.headers.items()}
                found.take(self.path, gzip.decompress(body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def value(any_: AnyValue) -> Any:
    kind = any_.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in any_.array_value.values]
    return getattr(any_, str(kind))


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in pairs}


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
