"""What else lies under Bedrock's paths: token counts, reranks, guardrails, jobs, agents and knowledge bases.

Read for their error, and for what a rerank needs to be priced: an agent's answer names neither its models nor their
tokens, and what a job makes goes to a bucket.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Agents_for_Amazon_Bedrock_Runtime.html (read 2026-11-26)
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error

from llmitm.calls import Endpoint, Json, Prompt
from llmitm.providers.base import Assembler, Route
from llmitm.providers.bedrock_base import BedrockDialect
from llmitm.providers.fields import filled, mapping

_NOT_POST = ("GET", "PUT", "PATCH", "DELETE")
_STREAMS = (
    "^/agents/[^/]+(?:/agentAliases/[^/]+/sessions/[^/]+/text)?/?$",
    "^/flows/[^/]+/aliases/[^/]+/?$",
    "^/(?:retrieveAndGenerateStream|agenticRetrieveStream|optimize-prompt)/?$",
)
_OTHERS = (
    "^/(?:guardrail|guardrail-checks|async-invoke|agents|flows|knowledgebases|sessions|tags)(?:/.*)?$",
    "^/(?:retrieveAndGenerate|generateQuery)/?$",
)


class BedrockResources(BedrockDialect):
    """Everything that is not generation by itself."""

    name = "bedrock_resources"
    routes = (
        Route(re.compile("^/model/(?P<model>.+)/count-tokens/?$"), "count_tokens"),
        Route(re.compile("^/rerank/?$"), "rerank"),
        *(Route(re.compile(path), "other", streams=True) for path in _STREAMS),
        *(
            Route(re.compile(path), "other", methods, counted="POST" in methods)
            for path in _OTHERS
            for methods in (("POST",), _NOT_POST)
        ),
    )

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request; the model is in the body where the path has none."""
        prompt = super().prompt(document, endpoint)
        body = mapping(document)
        ranking = mapping(body.get("rerankingConfiguration")).get("bedrockRerankingConfiguration")
        ranker = mapping(mapping(ranking).get("modelConfiguration"))
        named = filled(body.get("modelId")) or filled(ranker.get("modelArn"))
        prompt.model = prompt.model or named
        return prompt

    def assembler(self, endpoint: Endpoint) -> Assembler | None:
        """Return an assembler of an agent's events."""
        return EventsAssembler() if endpoint.streams else None


class EventsAssembler(Assembler):
    """Keep the events as they came, the pieces of the answer as text."""

    def __init__(self) -> None:
        self._events: list[Json] = []
        self._error: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        if event == "error":
            self._error = payload
            return False
        if event == "chunk" and isinstance(payload, dict):
            payload = {**payload, "bytes": _decoded(payload.get("bytes"))}
        self._events.append({event or "": payload})
        return event in ("chunk", "output", "flowOutputEvent")

    def document(self) -> Json:
        """Return the events in a list, with `error` where they ended in one."""
        document: dict[str, Json] = {"events": list(self._events)} if self._events else {}
        if self._error is not None:
            document["error"] = self._error
        return document or None


def _decoded(encoded: Json) -> Json:
    """Return the text inside a chunk; what is not text stays as it is."""
    try:
        return b64decode(encoded).decode() if isinstance(encoded, str) else encoded
    except (Error, ValueError):
        return encoded


DIALECT = BedrockResources()
