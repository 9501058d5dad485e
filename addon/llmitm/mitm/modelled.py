"""Calls of the gateway that go where their model is served: held until they are whole, then sent there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mitmproxy import http

from llmitm.calls import Endpoint, Json
from llmitm.keys import keys_sent
from llmitm.mitm.flights import Prepare, Retarget, flight_of
from llmitm.mitm.guard import guarded
from llmitm.mitm.readdress import (
    Original,
    drop_original,
    give_key,
    go_to,
    keep_original,
    lend_key,
    refuse_web_pages,
    send_by_route,
)
from llmitm.mitm.refusals import Refused
from llmitm.mitm.router import Router
from llmitm.policy.bodies import LONGEST_HELD
from llmitm.policy.directives import FallbackDirective, FallbackTarget
from llmitm.policy.fallback_chains import model_list
from llmitm.policy.routing import Route, Routing, Unknown
from llmitm.providers.hosts import ProviderEntry
from llmitm.translate import Untranslatable

TO_ROUTE = "llmitm_to_route"
"""Key of the flow's metadata: what is to be routed; None where the gateway has answered itself. No call yet."""
TOO_LONG = "llmitm_too_long"
"""Key of the flow's metadata: set where the body was longer than what is held, and is not kept."""
_DECISION = "llmitm_decision"


@dataclass(frozen=True, slots=True)
class ToRoute:
    """A call that waits for its body."""

    path: str
    """Beginning with `/v1`."""
    endpoint: Endpoint
    """What is asked for, in the client's dialect."""
    home: ProviderEntry | None = None
    """Whom the client named; the call goes there unless the model is somebody else's."""


@dataclass(slots=True)
class _Decision:
    """What is to be known of a call once it has begun."""

    fallback: FallbackDirective | None = None
    asked_provider: str | None = None
    asked_model: str | None = None
    notes: list[str] = field(default_factory=list)


class Modelled:
    """Tell a call that has begun what was decided of it before, and change what its fallbacks say of it itself.

    Comes after `Intercept` in the chain.
    """

    def __init__(self, retarget: Retarget, prepare: Prepare) -> None:
        self._retarget = retarget
        self._prepare = prepare

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Take over what was decided."""
        flight = flight_of(flow)
        if flight is None or flow.response is not None:
            return
        decision: _Decision | None = flow.metadata.pop(_DECISION, None)
        exchange = flight.exchange
        if decision is not None:
            exchange.asked_provider = exchange.asked_provider or decision.asked_provider
            exchange.asked_model = exchange.asked_model or decision.asked_model
            exchange.notes += decision.notes
            if decision.fallback is not None and flight.directives.fallback is None:
                flight.directives = replace(flight.directives, fallback=decision.fallback)
        fallback = flight.directives.fallback
        if fallback is not None and fallback.primary is not None and not flow.request.stream:
            refused = await self._retarget(flow, flight, fallback.primary)
            if refused is None:
                await self._prepare(flow)
            else:
                exchange.notes.append(f"the first of the fallbacks, the call itself: {refused}")


async def by_model(router: Router, flow: http.HTTPFlow, to_route: ToRoute) -> None:
    """Send a call to who serves its model, or answer why that cannot be."""
    dialect = to_route.endpoint.dialect
    try:
        if flow.metadata.get(TOO_LONG):
            longest = LONGEST_HELD // (1024 * 1024)
            raise Refused(
                "request_too_large", f"requests of more than {longest} MiB are not routed"
            )
        body = flow.request.raw_content or b""
        original = keep_original(flow, dialect, body, to_route.path)
        await _send(router, flow, to_route, original)
    except Refused as refused:
        flow.response = refused.response(dialect)
    except Untranslatable as reason:
        flow.response = Refused("invalid_request_error", str(reason)).response(dialect)


async def _send(router: Router, flow: http.HTTPFlow, to_route: ToRoute, original: Original) -> None:
    document = await original.document()
    asked = document.get("model") if isinstance(document, dict) else None
    home = to_route.home
    if home is not None and not (isinstance(asked, str) and await _leaves(router, home, asked)):
        origin = router.hosts.origin(home)
        if origin is not None:
            go_to(flow.request, origin, origin.base_path + to_route.path)
            lend_key(router, flow, home)
            drop_original(flow)
        return
    if not isinstance(asked, str) or not asked:
        raise Refused("invalid_request_error", "the request names no model: `model` is missing")
    routing = await router.routing()
    listed = model_list(asked, routing.names_of_providers())
    primary, fallback = listed or (FallbackTarget(model=asked), None)
    chain = [primary, *(fallback.targets if fallback else ())]
    excluded = fallback.excluded if fallback else frozenset[str]()
    number, route, key = await _first_possible(router, routing, chain, excluded, original)
    decision = _Decision()
    if fallback is not None and chain[number + 1 :]:
        decision.fallback = replace(fallback, targets=tuple(chain[number + 1 :]))
    if home is not None:
        decision.asked_provider = home.name
    if routing.instead_of(asked) != asked:
        decision.asked_model = asked
    decision.notes += send_by_route(flow, original, route, to_route.path, document)
    if key is not None:
        give_key(flow.request, route.entry, route.dialect, key)
    flow.metadata[_DECISION] = decision


async def _leaves(router: Router, home: ProviderEntry, model: str) -> bool:
    return not router.stays(home, model) and (await router.routing()).leaves(home, model)


async def _first_possible(
    router: Router,
    routing: Routing,
    chain: Sequence[FallbackTarget],
    excluded: frozenset[str],
    original: Original,
) -> tuple[int, Route, str | None]:
    """Return the first of the models asked for that can be had: its place, its route and its key. Raises `Refused`."""
    refusals: list[Refused] = []
    for number, target in enumerate(chain):
        try:
            model = target.model or ""
            route = await route_to(router, routing, model, target.provider, excluded, original)
            return number, route, key_for(router, route.entry, original)
        except Refused as refused:
            refusals.append(refused)
    raise refusals[0]


async def route_to(
    router: Router,
    routing: Routing,
    model: str,
    provider: str | None,
    excluded: frozenset[str],
    original: Original,
) -> Route:
    """Return where a model is served. Raises `Refused`."""
    sent = original.keys
    route = routing.resolve(
        model,
        provider,
        excluded,
        lambda entry: router.keys.available(entry, sent) or not router.keys.are_needed(entry),
        original.dialect or "openai_chat",
    )
    if isinstance(route, Unknown):
        raise Refused("model_not_found", await asyncio.to_thread(_unknown, route))
    return route


def key_for(router: Router, entry: ProviderEntry, original: Original) -> str | None:
    """Return the key for a provider; None where it needs none. Raises `Refused`."""
    key = router.keys.choose(entry, original.keys)
    if key is None and router.keys.are_needed(entry):
        raise Refused("authentication_error", router.keys.how_to_give(entry))
    if key is not None and key not in original.keys:
        refuse_web_pages(router, original.headers)
    return key


async def list_models(router: Router, flow: http.HTTPFlow) -> Json:
    """Return the models that can be reached, in OpenAI's shape. When a model was made is not known here: 0."""
    sent = keys_sent(list(flow.request.headers.items(multi=True)))
    routing = await router.routing()

    def listed() -> Json:
        models = routing.listed(lambda entry: router.keys.available(entry, sent))
        return [
            {"id": name, "object": "model", "created": 0, "owned_by": provider}
            for name, provider in models
        ]

    return {"object": "list", "data": await asyncio.to_thread(listed)}


def _unknown(unknown: Unknown) -> str:
    told = f"the model {unknown.model[:200]!r} cannot be reached"
    if unknown.reason:
        return f"{told}: {unknown.reason}"
    near = unknown.near()
    if near:
        return f"{told}; there is {', '.join(near)}"
    return f"{told}; GET /v1/models lists those that can"
