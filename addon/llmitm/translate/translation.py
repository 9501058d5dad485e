"""One call's translation: from what its client speaks to what its provider speaks, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from llmitm.calls import Headers, Json, header
from llmitm.translate.clients.anthropic_messages import AnthropicMessagesClient
from llmitm.translate.clients.openai_chat import OpenAIChatClient
from llmitm.translate.clients.openai_responses import OpenAIResponsesClient
from llmitm.translate.providers.anthropic_messages import AnthropicMessagesProvider
from llmitm.translate.providers.bedrock_converse import BedrockConverseProvider
from llmitm.translate.providers.openai_chat import OpenAIChatProvider
from llmitm.translate.providers.openai_responses import OpenAIResponsesProvider
from llmitm.translate.response import ResponseTranslator
from llmitm.translate.sides import Answering, Client, Notes, Provider
from llmitm.wire import jsontext

_CLIENTS: Mapping[str, Callable[[], Client]] = MappingProxyType(
    {
        client.dialect: client
        for client in (AnthropicMessagesClient, OpenAIChatClient, OpenAIResponsesClient)
    }
)
_PROVIDERS: Mapping[str, Callable[[], Provider]] = MappingProxyType(
    {
        provider.dialect: provider
        for provider in (
            AnthropicMessagesProvider,
            BedrockConverseProvider,
            OpenAIChatProvider,
            OpenAIResponsesProvider,
        )
    }
)
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid")


@dataclass(frozen=True, slots=True)
class Translated:
    """A request as the provider wants it."""

    path: str
    """What comes after the provider's base."""
    body: bytes
    headers: Headers
    """Those that are to be set; keys are not among them."""
    streaming: bool
    notes: tuple[str, ...]
    """What was left out or changed on the way."""


class Translation:
    """The translation of one call; its request first, then any number of responses to it."""

    def __init__(self, client: Client, provider: Provider) -> None:
        self._client = client
        self._provider = provider

    def request(self, document: Json, *, model: str) -> Translated:
        """Translate a request for a model of the provider's. Raises `Untranslatable` with the part that cannot be."""
        notes = Notes()
        request = self._client.read(document, notes)
        written = self._provider.write(request, model, notes)
        headers = [("content-type", "application/json"), *written.headers]
        if header(headers, "accept") is None:
            accepted = "text/event-stream" if request.streaming else "application/json"
            headers.append(("accept", accepted))
        body = jsontext.dump(written.document)
        return Translated(written.path, body, headers, request.streaming, tuple(notes))

    def response(
        self, status: int, headers: Headers, *, streaming: bool, model: str
    ) -> ResponseTranslator:
        """Return a translator of one response. `model` is what the client asked for, `streaming` whether for a stream."""
        request_id = next(filter(None, (header(headers, name) for name in _REQUEST_IDS)), None)
        answering = Answering(model, request_id, _created(headers), streaming)
        return ResponseTranslator(self._client, self._provider, status, headers, answering)


def between(client: str, provider: str) -> Translation | None:
    """Return a translation for one call between two dialects; None where there is none, or none is needed."""
    if client == provider or client not in _CLIENTS or provider not in _PROVIDERS:
        return None
    return Translation(_CLIENTS[client](), _PROVIDERS[provider]())


def _created(headers: Headers) -> int:
    """Return when the response was made, in seconds since the epoch; 0 where its headers do not tell."""
    try:
        return int(parsedate_to_datetime(header(headers, "date") or "").timestamp())
    except (ValueError, OverflowError):
        return 0
