"""The table of providers: hosts, ports, paths, dialects."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llmitm.providers import dialects, hosts
from llmitm.providers.hosts import ProviderEntry

TABLE = hosts.load()


@pytest.mark.parametrize(
    ("method", "url", "provider", "operation", "model"),
    [
        ("POST", "api.openai.com/v1/chat/completions", "openai", "chat", None),
        ("POST", "eu.api.openai.com/v1/responses", "openai", "chat", None),
        ("POST", "API.OpenAI.com./v1/responses/compact", "openai", "chat", None),
        (
            "GET",
            "api.openai.com/v1/realtime?model=gpt-realtime",
            "openai",
            "realtime",
            "gpt-realtime",
        ),
        ("GET", "api.openai.com/v1/models/gpt-5.4", "openai", "models", None),
        ("POST", "api.openai.com/v1/vector_stores/vs_1/files", "openai", "other", None),
        ("POST", "api.openai.com/v1/videos", "openai", "video", None),
        ("POST", "x.openai.azure.com/openai/v1/chat/completions", "azure", "chat", None),
        (
            "POST",
            "x.services.ai.azure.com/models/chat/completions?api-version=1",
            "azure",
            "chat",
            None,
        ),
        (
            "POST",
            "x.openai.azure.com//openai/deployments/my%2Dd/embeddings?a=1",
            "azure",
            "embedding",
            "my-d",
        ),
        ("POST", "api.mistral.ai/v1/agents/completions", "mistral", "chat", None),
        ("POST", "api.mistral.ai/v1/chat/moderations", "mistral", "moderation", None),
        ("POST", "api.fireworks.ai/inference/v1/completions", "fireworks", "completion", None),
        (
            "POST",
            "api.fireworks.ai/inference/v1/workflows/accounts/fireworks/models/flux-1-dev-fp8/text_to_image",
            "fireworks",
            "image",
            "accounts/fireworks/models/flux-1-dev-fp8",
        ),
        ("POST", "api.deepinfra.com/v1/openai/chat/completions", "deepinfra", "chat", None),
        (
            "POST",
            "dashscope-intl.aliyuncs.com/compatible-mode/v1/embeddings",
            "alibaba",
            "embedding",
            None,
        ),
        ("POST", "api.z.ai/api/coding/paas/v4/chat/completions", "zai", "chat", None),
        (
            "POST",
            "router.huggingface.co/novita/v3/openai/chat/completions",
            "huggingface",
            "chat",
            None,
        ),
        ("POST", "openrouter.ai/api/v1/embeddings", "openrouter", "embedding", None),
        ("POST", "api.venice.ai/api/v1/image/generate", "venice", "image", None),
        ("POST", "api.x.ai/v1/tts", "xai", "speech", None),
        ("POST", "api.githubcopilot.com/chat/completions", "github_copilot", "chat", None),
        ("POST", "api.business.githubcopilot.com/responses", "github_copilot", "chat", None),
        ("POST", "localhost:11434/v1/chat/completions", "ollama", "chat", None),
        ("POST", "127.0.0.1:8000/v1/rerank", "vllm", "rerank", None),
        (
            "POST",
            "api.deepgram.com/v1/listen?smart_format=true&model=nova-3",
            "deepgram",
            "transcription",
            "nova-3",
        ),
        ("GET", "api.deepgram.com/v1/listen?model=nova-3", "deepgram", "realtime", "nova-3"),
        (
            "POST",
            "api.elevenlabs.io/v1/text-to-dialogue/stream",
            "elevenlabs",
            "speech",
            None,
        ),
        ("POST", "api.elevenlabs.io/v1/music", "elevenlabs", "speech", None),
        ("POST", "api.assemblyai.com/v2/upload", "assemblyai", "file", None),
        (
            "POST",
            "llm-gateway.assemblyai.com/v1/chat/completions",
            "assemblyai",
            "chat",
            None,
        ),
        (
            "POST",
            "api.stability.ai/v2beta/image-to-video",
            "stability",
            "video",
            "image-to-video",
        ),
        (
            "POST",
            "api.replicate.com/v1/models/openai/whisper/predictions",
            "replicate",
            "transcription",
            "openai/whisper",
        ),
        ("POST", "api.replicate.com/v1/predictions", "replicate", "other", None),
        ("GET", "stream-b.replicate.com/v1/files/x", "replicate", "other", None),
        (
            "POST",
            "queue.fal.run/fal-ai/kling-video/v2/master/text-to-video",
            "fal",
            "video",
            "fal-ai/kling-video/v2/master/text-to-video",
        ),
        ("POST", "fal.run/fal-ai/flux/dev/stream", "fal", "image", "fal-ai/flux/dev"),
        ("POST", "localhost:1234/v1/embeddings", "lmstudio", "embedding", None),
    ],
)
def test_what_a_url_means(
    method: str, url: str, provider: str, operation: str, model: str | None
) -> None:
    place, _, path = url.partition("/")
    host, _, port = place.partition(":")
    entry = TABLE.find(host, int(port or 443))
    assert entry is not None
    endpoint = TABLE.endpoint(entry, method, "/" + path)
    assert endpoint is not None
    assert endpoint.dialect is not None
    assert (endpoint.provider, endpoint.operation, endpoint.model) == (provider, operation, model)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.com", 443),
        ("openai.com", 443),
        ("api.openai.com.example.com", 443),
        ("notapi.openai.com", 443),
        ("localhost", 3000),
        ("githubcopilot.com", 443),
    ],
)
def test_other_hosts_are_left_alone(host: str, port: int) -> None:
    assert TABLE.find(host, port) is None


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("chatgpt.com", "/backend-api/conversation"),
        ("chatgpt.com", "/backend-api/codex/analytics-events/events"),
        ("openrouter.ai", "/models"),
        ("api.cloudflare.com", "/client/v4/zones"),
        ("acme.cloud.databricks.com", "/api/2.0/clusters/list"),
        ("acme.snowflakecomputing.com", "/session/v1/login-request"),
        ("api.anthropic.com", "/api/event_logging/v2/batch"),
        ("api.openai.com", "/v1/traces/ingest?x=1"),
    ],
)
def test_what_is_no_call_is_not_stored(host: str, path: str) -> None:
    entry = TABLE.find(host, 443)
    assert entry is not None
    assert TABLE.endpoint(entry, "POST", path) is None


def test_an_unknown_path_of_a_provider_is_some_other_call() -> None:
    entry = TABLE.provider("openai")
    assert entry is not None
    endpoint = TABLE.endpoint(entry, "POST", "/v2/telepathy")
    assert endpoint is not None
    assert (endpoint.operation, endpoint.dialect) == ("other", None)


SEGMENTS = st.lists(st.from_regex(r"[A-Za-z0-9%:._~-]+", fullmatch=True), max_size=5)


@settings(max_examples=1_000)
@given(st.sampled_from(TABLE.entries), SEGMENTS, st.sampled_from(["GET", "POST"]), st.data())
def test_every_path_is_a_call_unless_the_table_says_otherwise(
    entry: ProviderEntry, segments: list[str], method: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from([*(entry.paths or ("/*",)), *entry.telemetry]))
    path = path.replace("*", "/".join(segments))
    endpoint = TABLE.endpoint(entry, method, path)
    if any(fnmatchcase(path, pattern) for pattern in entry.telemetry):
        assert endpoint is None
    else:
        assert endpoint is not None
        assert endpoint.provider == entry.name


def test_the_shipped_table_is_sound() -> None:
    entries = hosts.known_providers()
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    every_host = [host for entry in entries for host in entry.hosts]
    assert len(every_host) == len(set(every_host))
    for entry in entries:
        assert dialects.dialects(entry.dialects)
        assert not entry.base_path or entry.base_path.startswith("/")
        assert all(path[0] in "/*" for path in (*entry.paths, *entry.telemetry))
    assert not any(name in ("*", "*.com") for name in TABLE.names())


def test_own_entries_come_first_and_add_to_known_providers() -> None:
    own = ProviderEntry(name="openai", hosts=("llm.example.com", "api.groq.com"))
    table = hosts.load([own])
    found = table.find("llm.example.com", 443)
    assert found is not None
    assert found.stream_usage
    assert table.find("api.groq.com", 443) == found
    endpoint = table.endpoint(found, "POST", "/v1/traces/ingest")
    assert endpoint is None
    original = table.find("api.openai.com", 443)
    assert original is not None
    assert original.hosts != found.hosts


def test_where_the_gateway_sends_calls() -> None:
    for name, origin in {
        "groq": ("https", "api.groq.com", 443, "/openai"),
        "ollama": ("http", "localhost", 11434, ""),
    }.items():
        entry = TABLE.provider(name)
        assert entry is not None
        assert TABLE.origin(entry) == origin
    azure = TABLE.provider("azure")
    assert azure is not None
    assert TABLE.origin(azure) is None


def test_a_host_for_each_region() -> None:
    hosts_of = ("https://llm.{region}.example.com:8443", "llm.example.com")
    entry = ProviderEntry(name="x", hosts=hosts_of, regions=("eu", "us"))
    assert entry.hosts == (
        "https://llm.eu.example.com:8443",
        "https://llm.us.example.com:8443",
        "llm.example.com",
    )


@pytest.mark.parametrize(
    ("given", "regions"),
    [(["llm.{region}.example.com"], []), (["{region}.example.com"], ["a b"]), ("{region}", ["eu"])],
)
def test_a_bad_region_is_refused(given: object, regions: list[str]) -> None:
    with pytest.raises(ValidationError, match="hosts"):
        ProviderEntry.model_validate({"name": "x", "hosts": given, "regions": regions})


@pytest.mark.parametrize("host", ["", "https://", "a b", "host:port", "host:123456", "ftp://host"])
def test_a_bad_host_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="hosts"):
        ProviderEntry(name="x", hosts=(host,))
