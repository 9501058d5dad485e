"""No JSON, however odd, makes a dialect of Anthropic's or Gemini's raise; and what was put together stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Endpoint, Json
from llmitm.providers.base import Dialect, Head
from llmitm.providers.dialects import by_name, dialects
from providers.checks import is_put_together, is_read
from providers.odd import INDEX, ODD, TEXT, shape, some

_MESSAGE_USAGE = shape(
    input_tokens=INDEX,
    cache_creation=shape(ephemeral_5m_input_tokens=INDEX),
    server_tool_use=shape(web_search_requests=INDEX),
    output_tokens_details=shape(thinking_tokens=INDEX),
    iterations=some(shape(type=st.just("compaction"), input_tokens=INDEX)),
)
_BLOCK = shape(
    type=st.sampled_from(["text", "thinking", "tool_use", "compaction"]),
    text=TEXT,
    thinking=TEXT,
    name=TEXT,
    input=TEXT,
    citations=some(TEXT),
)
_MESSAGE = shape(id=TEXT, model=TEXT, content=some(_BLOCK), stop_reason=TEXT, usage=_MESSAGE_USAGE)
_DELTA = shape(
    type=st.sampled_from(
        ["text_delta", "input_json_delta", "thinking_delta", "citations_delta", "signature_delta"]
    ),
    text=TEXT,
    partial_json=TEXT,
    thinking=TEXT,
    citation=TEXT,
)
_MESSAGE_EVENT = shape(
    type=st.sampled_from(
        ["message_start", "content_block_start", "content_block_delta", "message_delta", "error"]
    ),
    index=INDEX,
    message=_MESSAGE,
    content_block=_BLOCK,
    delta=_DELTA,
    usage=_MESSAGE_USAGE,
    error=shape(type=TEXT, message=TEXT),
    completion=TEXT,
)
_DETAILS = some(shape(modality=st.sampled_from(["AUDIO", "image", 2]), tokenCount=INDEX))
_GEMINI_USAGE = shape(
    promptTokenCount=INDEX,
    candidatesTokenCount=INDEX,
    totalTokenCount=INDEX,
    promptTokensDetails=_DETAILS,
    candidatesTokensDetails=_DETAILS,
)
_PART = shape(
    text=TEXT,
    thought=st.booleans(),
    thoughtSignature=TEXT,
    functionCall=shape(name=TEXT, args=shape(city=TEXT), id=TEXT),
)
_RESPONSE = shape(
    candidates=some(
        shape(
            index=INDEX,
            content=shape(parts=some(_PART)),
            finishReason=TEXT | INDEX,
            groundingMetadata=shape(webSearchQueries=some(TEXT), groundingChunks=some(ODD)),
        )
    ),
    promptFeedback=shape(blockReason=TEXT),
    usageMetadata=_GEMINI_USAGE,
    predictions=some(shape(embeddings=shape(statistics=shape(token_count=INDEX)))),
    error=shape(code=INDEX, status=TEXT, message=TEXT),
)
_STEP = shape(
    type=st.sampled_from(["thought", "model_output", "function_call"]),
    content=some(shape(text=TEXT)),
    summary=some(shape(text=TEXT)),
    name=TEXT,
    arguments=TEXT,
)
_INTERACTION = shape(
    status=TEXT,
    steps=some(_STEP),
    usage=shape(
        total_input_tokens=INDEX,
        input_tokens_by_modality=some(shape(modality=TEXT, tokens=INDEX)),
        grounding_tool_count=some(shape(type=st.just("google_search"), count=INDEX)),
    ),
)
_INTERACTION_EVENT = shape(
    event_type=st.sampled_from(
        ["interaction.created", "interaction.completed", "step.start", "step.delta", "error"]
    ),
    index=INDEX,
    interaction=_INTERACTION,
    step=_STEP,
    delta=shape(
        type=st.sampled_from(["text", "thought_summary", "arguments_delta", "image", "x_call"]),
        text=TEXT,
        content=shape(text=TEXT),
        arguments=TEXT,
    ),
)
_EVENTS = {
    "anthropic_messages": _MESSAGE_EVENT,
    "anthropic_complete": _MESSAGE_EVENT,
    "gemini": _RESPONSE,
    "gemini_interactions": _INTERACTION_EVENT,
}
_DOCUMENTS = {
    "anthropic_messages": _MESSAGE,
    "anthropic_complete": _MESSAGE_EVENT,
    "gemini_interactions": _INTERACTION,
}


def _of(those: Iterable[Dialect], documents: Mapping[str, st.SearchStrategy[Json]]) -> list[Any]:
    return [pytest.param(d, documents.get(d.name, _RESPONSE) | ODD, id=d.name) for d in those]


_ALL = dialects(("anthropic", "gemini"))


def _head(dialect: Dialect, document: Json, status: int) -> Head:
    endpoint = Endpoint("vertex", "chat", dialect.name)
    return Head(status, [], endpoint, dialect.prompt(document, endpoint))


@pytest.mark.parametrize(("dialect", "documents"), _of(_ALL, _DOCUMENTS))
@settings(max_examples=60)
@given(data=st.data(), status=st.sampled_from([200, 500]))
def test_any_document_is_read(
    dialect: Dialect, documents: st.SearchStrategy[Json], data: st.DataObject, status: int
) -> None:
    document = data.draw(documents)
    is_read(dialect, document, _head(dialect, document, status))


@pytest.mark.parametrize(
    ("dialect", "documents"), _of([d for d in _ALL if d.name in _EVENTS], _EVENTS)
)
@settings(max_examples=100)
@given(data=st.data())
def test_any_stream_is_put_together(
    dialect: Dialect, documents: st.SearchStrategy[Json], data: st.DataObject
) -> None:
    head = _head(dialect, None, 200)
    assembler = dialect.assembler(head.endpoint)
    assert assembler is not None
    names = st.sampled_from([None, "error"])
    events = data.draw(st.lists(st.tuples(documents, names), max_size=6))
    is_put_together(dialect, assembler, events, head)


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "content_block_delta", "delta": {"type": []}}],
        [
            {"type": "content_block_start", "content_block": {"citations": 5}},
            {"type": "content_block_delta", "delta": {"type": "citations_delta", "citation": 1}},
        ],
        [
            {
                "type": "content_block_delta",
                "index": {},
                "delta": {"type": "text_delta", "text": "a"},
            }
        ],
        [
            {"type": "message_start", "message": 1},
            {"type": "message_delta", "delta": [], "usage": 2},
        ],
    ],
)
def test_events_of_the_wrong_shape_are_passed_over(events: list[Json]) -> None:
    dialect = by_name("anthropic_messages")
    assembler = dialect.assembler(Endpoint("anthropic", "chat", dialect.name))
    assert assembler is not None
    for payload in events:
        assembler.add(payload, None)
    answer = dialect.answer(assembler.document(), _head(dialect, None, 200))
    assert answer.error_type is None
