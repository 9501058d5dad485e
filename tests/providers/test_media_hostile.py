"""No JSON, however odd, makes a dialect of sounds, pictures and predictions raise; nor do odd headers and streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Dialect, Head, StreamReader
from llmitm.providers.dialects import dialects
from llmitm.providers.predictions import operation
from providers.odd import INDEX, ODD, TEXT, shape, some

FAMILIES = ("assemblyai", "deepgram", "elevenlabs", "fal", "replicate", "stability")
_STATUS = st.sampled_from(["queued", "completed", "processing", "succeeded", "IN_QUEUE", "error"])
_REQUEST = shape(
    model=TEXT,
    model_id=TEXT,
    version=TEXT,
    input=shape(prompt=TEXT),
    speech_models=some(TEXT),
    stream=st.booleans(),
)
_RESPONSE = shape(
    id=TEXT,
    request_id=TEXT,
    status=_STATUS,
    text=TEXT,
    output=TEXT | some(TEXT),
    error=TEXT | shape(message=TEXT),
    errors=some(TEXT),
    detail=TEXT | shape(status=TEXT, message=TEXT) | some(shape(msg=TEXT)),
    metrics=shape(predict_time=INDEX, token_input_count=INDEX),
    metadata=shape(model_info=st.dictionaries(TEXT, shape(name=TEXT), max_size=2)),
    results=shape(channels=some(shape(alternatives=some(shape(transcript=TEXT))))),
    transcripts=some(shape(text=TEXT)),
    artifacts=some(shape(finishReason=TEXT)),
    response_url=TEXT,
)


@pytest.mark.parametrize("dialect", dialects(FAMILIES), ids=lambda dialect: dialect.name)
@settings(max_examples=100)
@given(_REQUEST | ODD, _RESPONSE | ODD, st.sampled_from([200, 404]), st.booleans(), TEXT)
def test_odd_documents(
    dialect: Dialect, asked: Json, answered: Json, status: int, counted: bool, word: str
) -> None:
    route = dialect.routes[0]
    endpoint = Endpoint("acme", route.operation, dialect.name, counted=counted)
    prompt = dialect.prompt(asked, endpoint)
    headers = [("request-id", word), ("dg-model-name", word), ("x-fal-request-id", word)]
    answer = dialect.answer(answered, Head(status, headers, endpoint, prompt))
    assert isinstance(answer, Answer)
    assert answer.job in (None, "running", "done")
    assert answer.text is None or isinstance(answer.text, str)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_odd_streams(pieces: list[bytes]) -> None:
    (dialect,) = dialects(("replicate",))
    endpoint = Endpoint("replicate", "other", "replicate", counted=False)
    head = Head(
        200, [("content-type", "text/event-stream")], endpoint, dialect.prompt(None, endpoint)
    )
    reader = StreamReader(dialect, head)
    for piece in pieces:
        reader.feed(b"event: output\ndata: " + piece + b"\n\n")
    assert isinstance(reader.close(), Answer)


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("fal-ai/flux-pro/v1.1-ultra", "image"),
        ("fal-ai/nano-banana/edit", "image"),
        ("fal-ai/veo3/fast", "video"),
        ("fal-ai/wan/v2.2-a14b/image-to-video", "video"),
        ("fal-ai/kokoro/american-english", "speech"),
        ("fal-ai/stable-audio", "speech"),
        ("fal-ai/wizper", "transcription"),
        ("openai/gpt-4o-mini", "chat"),
        ("openai/gpt-4o-transcribe", "transcription"),
        ("google/veo-3", "video"),
        ("minimax/hailuo-02", "video"),
        ("qwen/qwen-image", "image"),
        ("nvidia/parakeet-rnnt-1.1b", "transcription"),
        ("meta/meta-llama-3-70b-instruct", "chat"),
        ("acme/secret-sauce", "other"),
    ],
)
def test_what_a_name_says_a_model_does(model: str, meant: str) -> None:
    assert operation(model) == meant
