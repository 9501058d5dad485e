"""No JSON, however odd, makes a dialect of the OpenAI family, Ollama's or Mistral's raise; what was put together stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Dialect, Head
from llmitm.providers.dialects import dialects

EXAMPLES = 30
"""Each builds a deep document, which is slow; the parameters multiply them."""

_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


def _shape(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Return objects of a known shape in which any field may be missing, or be anything."""
    return st.fixed_dictionaries({}, optional={key: value | _ODD for key, value in fields.items()})


def _list(of: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.lists(of | _ODD, max_size=3)


_TEXT = st.text(max_size=4)
_INDEX = st.integers(0, 2)
_PART = _shape(
    type=st.sampled_from(["text", "thinking"]), text=_TEXT, thinking=_list(_shape(text=_TEXT))
)
_CALL = _shape(index=_INDEX, id=_TEXT, function=_shape(name=_TEXT, arguments=_TEXT | st.none()))
_MESSAGE = _shape(
    role=_TEXT,
    content=_TEXT | _list(_PART),
    reasoning=_TEXT,
    refusal=_TEXT,
    tool_calls=_list(_CALL),
    function_call=_shape(name=_TEXT, arguments=_TEXT),
    audio=_shape(data=_TEXT, transcript=_TEXT),
    reasoning_details=_list(_shape(type=_TEXT, text=_TEXT, index=_INDEX)),
)
_USAGE = _shape(
    prompt_tokens=_INDEX,
    total_tokens=_INDEX,
    prompt_tokens_details=_shape(cached_tokens=_INDEX),
    cost=st.floats() | _shape(total_cost=st.floats()),
)
_FILTERED = _shape(hate=_shape(filtered=st.booleans()))
_CHOICE = _shape(
    content_filter_results=_FILTERED,
    index=_INDEX,
    delta=_MESSAGE,
    message=_MESSAGE,
    text=_TEXT,
    logprobs=_shape(content=_list(_ODD)),
)
_ITEM = _shape(
    type=st.sampled_from(["message", "reasoning", "function_call", "web_search_call"]),
    content=_list(_shape(type=st.just("output_text"), text=_TEXT)),
    summary=_list(_shape(text=_TEXT)),
    name=_TEXT,
    action=_shape(type=_TEXT),
)
_ENTRY = _shape(
    type=st.sampled_from(["message.output", "function.call"]),
    content=_TEXT | _list(_PART),
    model=_TEXT,
    name=_TEXT,
    arguments=_TEXT | st.dictionaries(_TEXT, _TEXT, max_size=2),
)
_RESPONSE = _shape(
    outputs=_list(_ENTRY),
    content_filters=_list(_shape(source_type=_TEXT, content_filter_results=_FILTERED)),
    output=_list(_ITEM),
    usage=_USAGE,
    status=_TEXT,
    tools=_list(_shape(type=_TEXT)),
)
_EVENT = (
    _shape(id=_TEXT, model=_TEXT, choices=_list(_CHOICE), usage=_USAGE, x_groq=_shape(usage=_USAGE))
    | _shape(
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
        output_index=_INDEX,
        content_index=_INDEX,
        item=_ITEM,
        delta=_TEXT,
        text=_TEXT,
        content=_TEXT | _PART,
        name=_TEXT,
        arguments=_TEXT,
        usage=_shape(
            prompt_tokens=_INDEX, connector_tokens=_INDEX, connectors=_shape(web_search=_INDEX)
        ),
    )
    | _shape(
        error=_shape(
            type=_TEXT,
            code=_INDEX,
            message=_TEXT,
            innererror=_shape(content_filter_result=_FILTERED),
        ),
        text=_TEXT,
        b64_json=_TEXT,
    )
    | _RESPONSE
    | _ODD
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
    answer = dialect.answer(document, _head(endpoint, dialect, document, status))
    assert answer.document is document
    assert all(call.name and isinstance(call.arguments, str) for call in answer.tool_calls)


@pytest.mark.parametrize(("dialect", "endpoint"), _ENDPOINTS)
@settings(max_examples=EXAMPLES)
@given(events=st.lists(st.tuples(_EVENT, st.sampled_from([None, "error", "x.delta"])), max_size=6))
def test_any_stream_is_put_together(
    dialect: Dialect, endpoint: Endpoint, events: list[tuple[Json, str | None]]
) -> None:
    assembler = dialect.assembler(endpoint)
    if assembler is None:
        return
    for payload, name in events:
        assert assembler.add(payload, name) in (True, False)
    head = _head(endpoint, dialect, None, 200)

    def read() -> Answer:
        return dialect.answer(assembler.document(), head)

    assert repr(read()) == repr(read())  # by text, for NaN does not equal itself
