"""No JSON, however odd, makes a dialect of the OpenAI family, Ollama's or Mistral's raise; what was put together stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Endpoint, Json
from llmitm.providers.base import Dialect, Head
from llmitm.providers.dialects import dialects
from providers.checks import is_put_together, is_read
from providers.odd import INDEX, ODD, TEXT, shape, some

EXAMPLES = 30
"""Each builds a deep document, which is slow; the parameters multiply them."""

_PART = shape(
    type=st.sampled_from(["text", "thinking"]), text=TEXT, thinking=some(shape(text=TEXT))
)
_CALL = shape(index=INDEX, id=TEXT, function=shape(name=TEXT, arguments=TEXT | st.none()))
_MESSAGE = shape(
    role=TEXT,
    content=TEXT | some(_PART),
    reasoning=TEXT,
    refusal=TEXT,
    tool_calls=some(_CALL),
    function_call=shape(name=TEXT, arguments=TEXT),
    audio=shape(data=TEXT, transcript=TEXT),
    reasoning_details=some(shape(type=TEXT, text=TEXT, index=INDEX)),
)
_USAGE = shape(
    prompt_tokens=INDEX,
    total_tokens=INDEX,
    prompt_tokens_details=shape(cached_tokens=INDEX),
    cost=st.floats() | shape(total_cost=st.floats()),
)
_FILTERED = shape(hate=shape(filtered=st.booleans()))
_CHOICE = shape(
    content_filter_results=_FILTERED,
    index=INDEX,
    delta=_MESSAGE,
    message=_MESSAGE,
    text=TEXT,
    logprobs=shape(content=some(ODD)),
)
_ITEM = shape(
    type=st.sampled_from(["message", "reasoning", "function_call", "web_search_call"]),
    content=some(shape(type=st.just("output_text"), text=TEXT)),
    summary=some(shape(text=TEXT)),
    name=TEXT,
    action=shape(type=TEXT),
)
_ENTRY = shape(
    type=st.sampled_from(["message.output", "function.call"]),
    content=TEXT | some(_PART),
    model=TEXT,
    name=TEXT,
    arguments=TEXT | st.dictionaries(TEXT, TEXT, max_size=2),
)
_RESPONSE = shape(
    outputs=some(_ENTRY),
    content_filters=some(shape(source_type=TEXT, content_filter_results=_FILTERED)),
    output=some(_ITEM),
    usage=_USAGE,
    status=TEXT,
    tools=some(shape(type=TEXT)),
)
_EVENT = (
    shape(id=TEXT, model=TEXT, choices=some(_CHOICE), usage=_USAGE, x_groq=shape(usage=_USAGE))
    | shape(
        type=st.sampled_from(
            [
                "response.completed",
                "response.output_item.done",
                "response.output_text.delta",
                "response.function_call_arguments.delta",
                "codex.rate_limits",
                "message.output.delta",
                "function.call.delta",
                "conversation.response.done",
                "conversation.response.error",
                "transcription.text.delta",
                "transcription.segment",
                "error",
            ]
        ),
        response=_RESPONSE,
        output_index=INDEX,
        content_index=INDEX,
        item=_ITEM,
        delta=TEXT,
        text=TEXT,
        content=TEXT | _PART,
        name=TEXT,
        arguments=TEXT,
        usage=shape(
            prompt_tokens=INDEX, connector_tokens=INDEX, connectors=shape(web_search=INDEX)
        ),
    )
    | shape(
        error=shape(
            type=TEXT,
            code=INDEX,
            message=TEXT,
            innererror=shape(content_filter_result=_FILTERED),
        ),
        text=TEXT,
        b64_json=TEXT,
    )
    | _RESPONSE
    | ODD
)
_ENDPOINTS = [
    pytest.param(
        dialect, Endpoint("openrouter", operation, dialect.name), id=f"{dialect.name}-{operation}"
    )
    for dialect in dialects(("openai", "ollama", "mistral"))
    for operation in dict.fromkeys(route.operation for route in dialect.routes)
]


def _head(endpoint: Endpoint, dialect: Dialect, document: Json, status: int) -> Head:
    return Head(status, [], endpoint, dialect.prompt(document, endpoint))


@pytest.mark.parametrize(("dialect", "endpoint"), _ENDPOINTS)
@settings(max_examples=EXAMPLES)
@given(document=_EVENT, status=st.sampled_from([200, 500]))
def test_any_document_is_read(
    dialect: Dialect, endpoint: Endpoint, document: Json, status: int
) -> None:
    is_read(dialect, document, _head(endpoint, dialect, document, status))


@pytest.mark.parametrize(("dialect", "endpoint"), _ENDPOINTS)
@settings(max_examples=EXAMPLES)
@given(events=st.lists(st.tuples(_EVENT, st.sampled_from([None, "error", "x.delta"])), max_size=6))
def test_any_stream_is_put_together(
    dialect: Dialect, endpoint: Endpoint, events: list[tuple[Json, str | None]]
) -> None:
    assembler = dialect.assembler(endpoint)
    if assembler is None:
        return
    head = _head(endpoint, dialect, None, 200)
    is_put_together(dialect, assembler, events, head)
