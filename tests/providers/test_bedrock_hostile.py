"""No JSON, however odd, makes a dialect of Bedrock's raise; and what was put together stays as it is."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Endpoint, Json
from llmitm.providers.base import Dialect, Head
from llmitm.providers.dialects import dialects
from providers.checks import is_put_together, is_read
from providers.odd import INDEX, ODD, TEXT, shape, some

_USAGE = shape(
    inputTokens=INDEX,
    cacheReadInputTokens=INDEX,
    cacheDetails=some(shape(ttl=st.sampled_from(["5m", "1h"]), inputTokens=INDEX)),
)
_BLOCK = shape(
    text=TEXT,
    toolUse=shape(name=TEXT, input=TEXT, toolUseId=TEXT),
    reasoningContent=shape(text=TEXT, reasoningText=shape(text=TEXT)),
    citationsContent=shape(content=some(shape(text=TEXT))),
    citation=TEXT,
)
_CONVERSE = shape(
    output=shape(message=shape(content=some(_BLOCK))),
    stopReason=TEXT,
    usage=_USAGE,
    serviceTier=shape(type=TEXT),
    trace=shape(promptRouter=shape(invokedModelId=TEXT)),
)
_CONVERSE_EVENT = shape(
    contentBlockIndex=INDEX,
    start=_BLOCK,
    delta=_BLOCK,
    role=TEXT,
    usage=_USAGE,
    stopReason=TEXT,
)
_RESULT = shape(
    text=TEXT, outputText=TEXT, tokenCount=INDEX, data=shape(text=TEXT), stop_reason=TEXT
)
_CHOICE = shape(text=TEXT, message=shape(content=TEXT), delta=shape(content=TEXT), stop_reason=TEXT)
_FAMILIES = [
    _CONVERSE,
    shape(messageStart=_CONVERSE_EVENT, contentBlockDelta=_CONVERSE_EVENT, metadata=_CONVERSE),
    shape(
        type=st.sampled_from(["message", "message_start", "content_block_delta", "message_delta"]),
        content=some(shape(type=st.just("text"), text=TEXT)),
        message=shape(content=some(ODD)),
        delta=shape(type=st.just("text_delta"), text=TEXT),
        usage=shape(input_tokens=INDEX),
    ),
    shape(choices=some(_CHOICE), usage=shape(prompt_tokens=INDEX)),
    shape(
        generation=TEXT,
        outputText=TEXT,
        completion=TEXT,
        text=TEXT,
        results=some(_RESULT),
        outputs=some(_RESULT),
        completions=some(_RESULT),
        finish_reasons=some(TEXT),
        finishReason=TEXT | shape(reason=TEXT),
        tool_calls=some(shape(name=TEXT, parameters=shape(city=TEXT))),
        prompt_token_count=INDEX,
    ),
]
_BODY = st.one_of(_FAMILIES)
_METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1, "outputTokenCount": None}}
_HEADERS = [("x-amzn-bedrock-input-token-count", "x"), ("X-Amzn-ErrorType", ":"), ("x", "y")]
_NAMES = [None, "error", "chunk", "messageStart", "contentBlockStart", "contentBlockDelta"]
_LATER = ["contentBlockStop", "messageStop", "metadata"]
_ALL = [pytest.param(dialect, id=dialect.name) for dialect in dialects(("bedrock",))]


def _chunk(inner: Json) -> Json:
    return {"bytes": b64encode(json.dumps(inner).encode()).decode()}


def _head(dialect: Dialect, document: Json, status: int) -> Head:
    endpoint = Endpoint("bedrock", "chat", dialect.name, streams=True)
    return Head(status, _HEADERS, endpoint, dialect.prompt(document, endpoint))


@pytest.mark.parametrize("dialect", _ALL)
@settings(max_examples=100)
@given(document=_BODY | ODD, status=st.sampled_from([200, 500]))
def test_any_document_is_read(dialect: Dialect, document: Json, status: int) -> None:
    is_read(dialect, document, _head(dialect, document, status))


@pytest.mark.parametrize("dialect", _ALL)
@settings(max_examples=100)
@given(data=st.data(), family=st.sampled_from([*_FAMILIES, _CONVERSE_EVENT, ODD]))
def test_any_stream_is_put_together(
    dialect: Dialect, data: st.DataObject, family: st.SearchStrategy[Json]
) -> None:
    head = _head(dialect, None, 200)
    assembler = dialect.assembler(head.endpoint)
    assert assembler is not None
    payloads = family | family.map(_chunk) | st.just(_chunk(_METRICS)) | shape(bytes=TEXT)
    names = st.sampled_from([*_NAMES, *_LATER])
    events = data.draw(st.lists(st.tuples(payloads, names), max_size=6))
    is_put_together(dialect, assembler, events, head)
