"""Bedrock's InvokeModel: each model family's own body, with Bedrock's counts in headers or at the end of the stream.

A stream's events are `chunk`s that hold the family's own events in base64.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html (read 2026-11-26)
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers import (
    anthropic_message,
    bedrock_message,
    bedrock_texts,
    bedrock_usage,
    openai_choice,
    openai_usage,
)
from llmitm.providers.anthropic_stream import MessageAssembler
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.bedrock_base import BedrockDialect
from llmitm.providers.bedrock_message_stream import EVENTS, ConverseAssembler
from llmitm.providers.bedrock_texts import TextAssembler
from llmitm.providers.fields import filled, first, items, mapping, text
from llmitm.providers.openai_choices import ChoicesAssembler
from llmitm.wire import jsontext

_FAILED = 400
_EXTRA = "amazon-bedrock-"
"""What Bedrock adds to an event: metrics, what a guardrail did, its trace."""


class BedrockInvoke(BedrockDialect):
    """`POST /model/{model}/{invoke,invoke-with-response-stream}`; what the call is for, the model's name tells."""

    name = "bedrock_invoke"
    routes = (
        Route(re.compile("^/model/(?P<model>[^/]*embed.*)/invoke/?$"), "embedding"),
        Route(re.compile("^/model/(?P<model>[^/]*rerank.*)/invoke/?$"), "rerank"),
        Route(
            re.compile(
                r"^/model/(?P<model>[^/]*(?:stability\.|titan-image|nova-canvas).*)/invoke/?$"
            ),
            "image",
        ),
        Route(re.compile("^/model/(?P<model>.+)/invoke/?$"), "chat"),
        Route(
            re.compile("^/model/(?P<model>.+)/invoke-with-response-stream/?$"), "chat", streams=True
        ),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of chunks."""
        return ChunkAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        if head.status >= _FAILED:
            return answer
        answer.model = filled(body.get("model"))
        named = filled(body.get("id")) or filled(body.get("response_id"))
        answer.response_id = named or answer.response_id
        _read_body(answer, body, head)
        return answer


def _read_body(answer: Answer, body: dict[str, Json], head: Head) -> None:
    elsewhere = bedrock_usage.from_elsewhere(head.headers, body)
    if _is_message(body):
        tier, speed = answer.service_tier, answer.speed
        answer.finish_reason = text(body.get("stop_reason"))
        anthropic_message.read(answer, body, head)
        answer.service_tier, answer.speed = tier or answer.service_tier, speed or answer.speed
    elif isinstance(body.get("choices"), list):
        _read_choices(answer, body)
    else:
        if isinstance(body.get("output"), dict):
            bedrock_message.read(answer, body)
            counts = bedrock_usage.from_usage(mapping(body.get("usage")))
        else:
            bedrock_texts.read(answer, body)
            counts = bedrock_texts.counts(body)
        elsewhere = counts.filled_from(elsewhere)
    if answer.usage.source == "none":
        answer.usage, answer.reported = elsewhere.usage(), elsewhere.reported()


def _is_message(body: dict[str, Json]) -> bool:
    """Tell whether this is a message of Anthropic's; Cohere's text and the first Claudes have other fields."""
    return body.get("type") == "message" or isinstance(body.get("content"), list)


def _read_choices(answer: Answer, body: dict[str, Json]) -> None:
    """Read what has OpenAI's form: AI21's Jamba, Mistral's newer models, DeepSeek, gpt-oss, Qwen."""
    choice = first(body["choices"])
    openai_choice.read(answer, choice)
    if "message" not in choice:
        answer.text = text(choice.get("text"))
    answer.finish_reason = openai_choice.finish_reason(choice) or text(choice.get("stop_reason"))
    answer.usage, answer.reported = openai_usage.read(body.get("usage"))
    answer.service_tier = answer.service_tier or filled(body.get("service_tier"))


class ChunkAssembler(Assembler):
    """Take the family's events out of their chunks, and put them together as the first one shows."""

    def __init__(self) -> None:
        self._family: Assembler | None = None
        self._extra: dict[str, Json] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one chunk; return whether it carried content."""
        if event == "error":
            self._extra["error"] = payload
            return False
        inner = mapping(_inside(mapping(payload).get("bytes")))
        own = {key: value for key, value in inner.items() if not key.startswith(_EXTRA)}
        for key in inner.keys() - own.keys():
            self._extra[key] = inner[key]
        if not own:
            return False
        if self._family is None:
            self._family = _family(own)
        return self._family.add(_with_deltas(own), None)

    def document(self) -> Json:
        """Return the family's document, with what Bedrock has added to it."""
        document = mapping(self._family.document()) if self._family is not None else {}
        return {**document, **self._extra} or None


def _inside(encoded: Json) -> Json:
    try:
        return jsontext.parse_or_none(b64decode(encoded)) if isinstance(encoded, str) else None
    except (Error, ValueError):
        return None


def _family(event: dict[str, Json]) -> Assembler:
    if event.keys() & EVENTS:
        return ConverseAssembler()
    if "choices" in event:
        return ChoicesAssembler()
    # The first Claudes have a type too, and their text beside it.
    if "type" in event and "completion" not in event:
        return MessageAssembler()
    return TextAssembler()


def _with_deltas(event: dict[str, Json]) -> dict[str, Json]:
    """Return OpenAI's form of an event: Mistral's models call `message` what is a delta.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html (read 2026-11-26)
    """
    if "choices" not in event:
        return event
    choices = []
    for choice in map(mapping, items(event["choices"])):
        if "message" in choice and "delta" not in choice:
            choice = {**choice, "delta": choice["message"]}
            del choice["message"]
        choices.append(choice)
    return {**event, "choices": choices}


DIALECT = BedrockInvoke()
