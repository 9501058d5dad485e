"""Turn a call that has failed into one for a fallback: another model, another provider, another origin.

It begins with what the client sent each time, never with what the last fallback made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from mitmproxy import http

from llmitm.calls import Endpoint, Json
from llmitm.keys import keys_sent
from llmitm.mitm.flights import Flight
from llmitm.mitm.modelled import key_for, route_to
from llmitm.mitm.readdress import (
    Original,
    below,
    document_of,
    drop_headers_of_others,
    give_key,
    go_to,
    keep_original,
    restore,
    send_by_route,
    set_keys,
)
from llmitm.mitm.refusals import Refused
from llmitm.mitm.router import Router
from llmitm.mitm.translating import forget
from llmitm.policy.control import control_headers
from llmitm.policy.directives import FallbackTarget
from llmitm.policy.routing import Routing
from llmitm.providers.hosts import Origin, ProviderEntry
from llmitm.translate import Untranslatable

_COMMON_PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "openai_completions": "/v1/completions",
    "openai_embeddings": "/v1/embeddings",
    "anthropic_messages": "/v1/messages",
}
"""Where OpenAI and Anthropic have what is spoken elsewhere too."""
_PORTS = {"https": 443, "http": 80}


@dataclass(slots=True)
class _Attempt:
    """One fallback that is being prepared."""

    flow: http.HTTPFlow
    target: FallbackTarget
    excluded: frozenset[str]
    original: Original
    document: Json
    routing: Routing


class Retarget:
    """Change requests for fallbacks."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(
        self,
        flow: http.HTTPFlow,
        flight: Flight,
        target: FallbackTarget,
    ) -> str | None:
        """Make the request, `flight` and its exchange those for a target.

        Returns why that cannot be: the request is then signed, in a dialect that nobody else has, without a key.
        Nothing has changed in that case.
        """
        original = keep_original(flow, flight.endpoint.dialect, flight.exchange.request_body)
        if original.is_signed:
            return "the request is signed (AWS SigV4)"
        document = await original.document()
        routing = await self._router.routing()
        before, asked = flow.request.copy(), await _asked_model(flow, flight)
        fallback = flight.directives.fallback
        excluded = fallback.excluded if fallback else frozenset[str]()
        try:
            entry, notes = await self._send(
                _Attempt(flow, target, excluded, original, document, routing)
            )
        except (Refused, Untranslatable) as reason:
            flow.request = before
            return str(reason)
        self._begin_again(flow, flight, entry, asked)
        flight.exchange.notes += notes
        return None

    async def _send(self, attempt: _Attempt) -> tuple[ProviderEntry, list[str]]:
        target, request = attempt.target, attempt.flow.request
        notes: list[str] = []
        if target.url is not None:
            entry = self._to_origin(attempt, target.url)
        elif (same := self._same_provider(attempt)) is not None:
            entry = same
            restore(request, attempt.original)
            forget(attempt.flow)
            self._set_model(attempt, entry)
        else:
            entry, notes = await self._elsewhere(attempt)
        for name in control_headers(request.headers):
            del request.headers[name]
        for name, value in target.headers.items():
            request.headers[name] = value
        return entry, notes

    def _same_provider(self, attempt: _Attempt) -> ProviderEntry | None:
        """Return whom the client itself has called, if the target is with the same one."""
        original, target, routing = attempt.original, attempt.target, attempt.routing
        entry = self._router.hosts.find(original.host, original.port)
        if entry is None or original.is_for_gateway:
            return None
        if target.provider is not None:
            wanted = routing.provider(target.provider)
            return entry if wanted is not None and wanted.name == entry.name else None
        if target.model is None:
            return entry
        pinned, name = routing.pinned(target.model)
        if pinned is not None and pinned.name != entry.name and name != target.model:
            return None if routing.may_have(pinned, name) else entry
        return entry if routing.may_have(entry, target.model) else None

    def _set_model(self, attempt: _Attempt, entry: ProviderEntry) -> None:
        """Put model and other keys into a request that goes to where the client sent it, or to its like."""
        target, request, document = attempt.target, attempt.flow.request, attempt.document
        changes = dict(target.body)
        if target.model is not None:
            endpoint = self._router.hosts.endpoint(entry, request.method, request.path)
            if endpoint is not None and endpoint.model is not None:
                request.path = _with_model(request.path, endpoint.model, target.model)
            if endpoint is None or endpoint.model is None or "model" in (document or ()):
                changes.setdefault("model", target.model)
        if changes and not isinstance(document, dict):
            raise Refused("invalid_request_error", "the body is no JSON in which the model stands")
        if changes:
            set_keys(request, document, changes)

    def _to_origin(self, attempt: _Attempt, url: str) -> ProviderEntry:
        """Send a request to an origin, at the same path."""
        original, request = attempt.original, attempt.flow.request
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        origin = Origin(parts.scheme, parts.hostname or "", port, "")
        entry = self._router.hosts.find(origin.host, port)
        if entry is None or origin.scheme not in _PORTS:
            raise Refused(
                "invalid_request_error", f"{url[:100]!r} is no LLM host that is known here"
            )
        restore(request, original)
        forget(attempt.flow)
        path = below(parts.path.rstrip("/"), original.path)
        go_to(request, origin, path)
        self._set_model(attempt, entry)
        if origin.host != original.host:
            endpoint = self._router.hosts.endpoint(entry, request.method, path)
            dialect = endpoint.dialect if endpoint else None
            drop_headers_of_others(request, entry, dialect)
            if not _has_key(attempt.target.headers):
                self._give_key(attempt, entry, dialect)
        return entry

    async def _elsewhere(self, attempt: _Attempt) -> tuple[ProviderEntry, list[str]]:
        """Send a request to who serves the model."""
        original, target, document = attempt.original, attempt.target, attempt.document
        path = _COMMON_PATHS.get(original.dialect or "")
        if path is None or not isinstance(document, dict):
            raise Refused(
                "invalid_request_error", f"{original.dialect} has no counterpart elsewhere"
            )
        if target.model is None and not isinstance(document.get("model"), str):
            raise Refused("invalid_request_error", "no model is named")
        model = target.model or document["model"]
        route = await route_to(
            self._router, attempt.routing, model, target.provider, attempt.excluded, original
        )
        notes = send_by_route(attempt.flow, original, route, path, document, target.body)
        if not _has_key(target.headers):
            self._give_key(attempt, route.entry, route.dialect)
        return route.entry, [*notes]

    def _give_key(self, attempt: _Attempt, entry: ProviderEntry, dialect: str | None) -> None:
        key = key_for(self._router, entry, attempt.original)
        if key is not None:
            give_key(attempt.flow.request, entry, dialect, key)

    def _begin_again(
        self, flow: http.HTTPFlow, flight: Flight, entry: ProviderEntry, asked: str | None
    ) -> None:
        request, exchange = flow.request, flight.exchange
        if exchange.asked_provider is None:
            exchange.asked_provider = flight.endpoint.provider
        if exchange.asked_model is None:
            exchange.asked_model = asked
        endpoint = self._router.hosts.endpoint(entry, request.method, request.path)
        flight.entry = entry
        flight.endpoint = endpoint or Endpoint(entry.name, "other", None)
        exchange.scheme, exchange.port = request.scheme, request.port
        exchange.host, exchange.path = request.host, request.path
        told = [pair for pair in exchange.request_headers if control_headers([pair[0]])]
        exchange.request_headers = [*request.headers.items(multi=True), *told]
        exchange.request_body = request.raw_content or b""


async def _asked_model(flow: http.HTTPFlow, flight: Flight) -> str | None:
    """Return the model that was asked before, as its provider calls it."""
    if flight.endpoint.model is not None:
        return flight.endpoint.model
    document = await document_of(flight.exchange.request_body, flow.request.headers)
    model = document.get("model") if isinstance(document, dict) else None
    return model if isinstance(model, str) else None


def _with_model(path: str, model: str, wanted: str) -> str:
    """Return a path with another model in the place of the one that stands there, written in whatever way."""
    for written in (quote(model, safe=""), quote(model, safe=":"), quote(model, safe=":/"), model):
        if f"/{written}" in path:
            return path.replace(f"/{written}", f"/{quote(wanted, safe='')}", 1)
    raise Refused("invalid_request_error", "the model cannot be found in the path")


def _has_key(headers: Mapping[str, str]) -> bool:
    return bool(keys_sent([*headers.items()]))
