"""Bedrock's Converse: one format for all models that chat. The model that answered is named only by a router's trace.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (read 2026-11-26)
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers import bedrock_message, bedrock_usage
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.bedrock_base import BedrockDialect
from llmitm.providers.bedrock_message_stream import ConverseAssembler
from llmitm.providers.fields import filled, mapping


class BedrockConverse(BedrockDialect):
    """`POST /model/{model}/{converse,converse-stream}`."""

    name = "bedrock_converse"
    routes = (
        Route(re.compile("^/model/(?P<model>.+)/converse/?$"), "chat"),
        Route(re.compile("^/model/(?P<model>.+)/converse-stream/?$"), "chat", streams=True),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return ConverseAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        body = mapping(document)
        bedrock_message.read(answer, body)
        usage = mapping(body.get("usage"))
        counts = bedrock_usage.from_usage(usage)
        answer.usage, answer.reported = counts.usage(usage.get("cacheDetails")), counts.reported()
        answer.service_tier = filled(mapping(body.get("serviceTier")).get("type"))
        answer.speed = filled(mapping(body.get("performanceConfig")).get("latency"))
        router = mapping(mapping(body.get("trace")).get("promptRouter"))
        answer.model = filled(router.get("invokedModelId"))
        return answer


DIALECT = BedrockConverse()
