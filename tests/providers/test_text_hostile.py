"""No JSON, however odd, makes the dialects of the smaller text providers raise; and what was put together stays as it is."""

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
FAMILIES = ("cohere", "voyage", "jina", "nomic", "huggingface", "watsonx", "aleph_alpha")

_COHERE_USAGE = shape(
    tokens=shape(input_tokens=INDEX, output_tokens=INDEX, image_tokens=INDEX),
    billed_units=shape(input_tokens=INDEX, image_tokens=INDEX, search_units=INDEX, images=INDEX),
    cached_tokens=INDEX,
)
_CALL = shape(id=TEXT, function=shape(name=TEXT, arguments=TEXT), name=TEXT, parameters=shape())
_PART = shape(type=TEXT, text=TEXT, thinking=TEXT)
_MESSAGE = shape(content=_PART | some(_PART), tool_plan=TEXT, tool_calls=_CALL | some(_CALL))
_DOCUMENT = (
    shape(message=_MESSAGE, usage=_COHERE_USAGE, finish_reason=TEXT, error=TEXT)
    | shape(text=TEXT, generations=some(shape(text=TEXT)), meta=_COHERE_USAGE, token_count=shape())
    | shape(usage=shape(text_tokens=INDEX, image_pixels=INDEX, total_tokens=INDEX))
    | some(shape(generated_text=TEXT, details=shape(generated_tokens=INDEX)))
    | shape(model_id=TEXT, results=some(shape(generated_text=TEXT, input_token_count=INDEX)))
    | shape(completions=some(shape(completion=TEXT)), num_tokens_generated=INDEX)
    | shape(errors=some(shape(code=TEXT, message=TEXT)), error=some(TEXT))
    | ODD
)
_COHERE_EVENTS = [
    "message-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "citation-start",
    "message-end",
]
_EVENT = (
    shape(type=st.sampled_from(_COHERE_EVENTS), index=INDEX, delta=shape(message=_MESSAGE))
    | shape(
        event_type=st.sampled_from(["text-generation", "tool-calls-generation", "stream-end"]),
        text=TEXT,
        index=INDEX,
        tool_calls=some(_CALL),
        response=shape(text=TEXT),
    )
    | shape(token=shape(text=TEXT, special=st.booleans()), generated_text=TEXT, details=shape())
    | shape(
        type=st.sampled_from(["stream_chunk", "stream_summary", "completion_summary"]),
        index=INDEX,
        completion=TEXT,
    )
    | _DOCUMENT
)
_ENDPOINTS = [
    pytest.param(
        dialect, Endpoint("cohere", operation, dialect.name), id=f"{dialect.name}-{operation}"
    )
    for dialect in dialects(FAMILIES)
    for operation in dict.fromkeys(route.operation for route in dialect.routes)
]


@pytest.mark.parametrize(("dialect", "endpoint"), _ENDPOINTS)
@settings(max_examples=EXAMPLES)
@given(document=_DOCUMENT, status=st.sampled_from([200, 500]))
def test_any_document_is_read(
    dialect: Dialect, endpoint: Endpoint, document: Json, status: int
) -> None:
    head = Head(status, [], endpoint, dialect.prompt(document, endpoint))
    is_read(dialect, document, head)


@pytest.mark.parametrize(("dialect", "endpoint"), _ENDPOINTS)
@settings(max_examples=EXAMPLES)
@given(events=st.lists(st.tuples(_EVENT, st.sampled_from([None, "error"])), max_size=6))
def test_any_stream_is_put_together(
    dialect: Dialect, endpoint: Endpoint, events: list[tuple[Json, str | None]]
) -> None:
    assembler = dialect.assembler(endpoint)
    if assembler is None:
        return
    head = Head(200, [], endpoint, dialect.prompt(None, endpoint))
    is_put_together(dialect, assembler, events, head)


@pytest.mark.parametrize("dialect", dialects(FAMILIES), ids=lambda dialect: dialect.name)
def test_a_refusal_is_read_as_the_error_that_it_is(dialect: Dialect) -> None:
    endpoint = Endpoint("cohere", dialect.routes[0].operation, dialect.name)
    refusal = dialect.error(429, "limit_reached", "no more today")
    answer = dialect.answer(refusal, Head(429, [], endpoint, dialect.prompt(None, endpoint)))
    assert answer.error_message == "no more today"
    assert answer.error_type in ("limit_reached", None)
