"""Deepgram: speech to text and text to speech. What is asked for is in the query, the body is the recording or text.

The model is a parameter of the query too, which the table of hosts reads.
https://developers.deepgram.com/reference
"""

from __future__ import annotations

import re

from llmitm.calls import Answer, Endpoint, Json, Prompt, header
from llmitm.providers import error_bodies
from llmitm.providers.base import Assembler, Dialect, Head, LastMessage, Route
from llmitm.providers.deepgram_socket import ListenSocket, SpeakSocket
from llmitm.providers.fields import filled, first, items, mapping, text
from llmitm.providers.sockets import SocketReader


class Deepgram(Dialect):
    """`POST /v1/listen`, `/v1/speak`, `/v1/read`; by `GET` the first two are sockets."""

    name = "deepgram"
    routes = (
        Route(re.compile(r"^/v1/listen/?$"), "transcription"),
        Route(re.compile(r"^/v1/speak/?$"), "speech"),
        Route(re.compile(r"^/v1/read/?$"), "other"),
        Route(re.compile(r"^/v[12]/(?:listen|speak|agent/converse)/?$"), "realtime", ("GET",)),
        Route(re.compile(r"^/v1/(?:projects/[^/]+/)?models"), "models", ("GET",)),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of a socket's messages, the last of which is the answer."""
        return LastMessage()

    def socket(self, endpoint: Endpoint, path: str) -> SocketReader | None:
        """Return a reader of a socket's frames; agents, and the newer way to listen, have none."""
        if "/v1/listen" in path:
            return ListenSocket(endpoint)
        return SpeakSocket(endpoint) if "/v1/speak" in path else None

    def prompt(self, document: Json, endpoint: Endpoint) -> Prompt:
        """Read a request."""
        return Prompt(model=endpoint.model, document=document)

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response; speech has its facts in the headers."""
        body, error = mapping(document), error_bodies.read(document, head.status)
        metadata = mapping(body.get("metadata"))
        models = [mapping(each) for each in mapping(metadata.get("model_info")).values()]
        return Answer(
            model=filled(models[0].get("name")) if models else _named(head),
            response_id=filled(metadata.get("request_id")) or header(head.headers, "dg-request-id"),
            text=_transcript(body),
            error_type=filled(body.get("err_code")) or filled(body.get("category")) or error.type,
            error_message=filled(body.get("err_msg")) or error.message,
            document=document,
        )

    def error(self, status: int, error_type: str, message: str) -> Json:
        """Return Deepgram's error body."""
        return {"err_code": error_type, "err_msg": message}


def _named(head: Head) -> str | None:
    return header(head.headers, "dg-model-name")


def _transcript(body: dict[str, Json]) -> str | None:
    """Return what was said, channel by channel."""
    channels = [mapping(channel) for channel in items(mapping(body.get("results")).get("channels"))]
    said = [text(first(channel.get("alternatives")).get("transcript")) for channel in channels]
    return "\n".join(filter(None, said)) if channels else None


DIALECT = Deepgram()
