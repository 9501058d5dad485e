"""The proxy's own address as a base URL, and Helicone's hosts: calls to them go straight to a provider, without any CA.

`/v1/...` goes to whoever serves the model that the body names; `/openai/v1/...` and the like to that provider. Requests
for the proxy itself end here, so nothing can be reached through it by way of a loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from mitmproxy import http

from llmitm import __version__
from llmitm.calls import Endpoint, Json
from llmitm.mitm.guard import guarded
from llmitm.mitm.modelled import TO_ROUTE, ToRoute, by_model, list_models
from llmitm.mitm.readdress import below, go_to, is_of_this_machine, lend_key, refuse_web_pages
from llmitm.mitm.refusals import Refused, answer
from llmitm.mitm.router import Router
from llmitm.mitm.sockets import is_upgrade, use_http
from llmitm.policy.routing import asked_for
from llmitm.providers.helicone import helicone_hosts
from llmitm.providers.hosts import HostTable, Origin, ProviderEntry
from llmitm.tags import decode_tags

TAGS = "llmitm_tags"
"""Key of the flow's metadata under which tags out of a gateway path are kept."""

_TARGETS = ("helicone-target-url", "helicone-openai-api-base")
_OWN_MODELS = "llmitm_own_models"
_PORTS = {"https": 443, "http": 80}


class Gateway:
    """Answer for the proxy's own address, and for Helicone's."""

    def __init__(
        self,
        router: Router,
        health: Callable[[], Mapping[str, Json]],
        target_url: str | None = None,
    ) -> None:
        """`target_url` is where calls under `/v1` go, whatever their model, if no header says otherwise."""
        self._router = router
        self._target_url = target_url
        self._hosts: HostTable = router.hosts
        self._health = health

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Re-target a gateway path, before anything else looks at the request."""
        try:
            if _is_for_us(flow):
                self._at_own_address(flow)
            elif flow.request.pretty_host.lower() in helicone_hosts():
                self._at_helicone(flow, flow.request.pretty_host.lower())
        except Refused as refused:
            endpoint = asked_for(_with_version(flow.request.path))
            flow.response = refused.response(endpoint.dialect if endpoint else None)
            flow.metadata[TO_ROUTE] = None

    def _at_own_address(self, flow: http.HTTPFlow) -> None:
        if not flow.request.path.startswith("/"):
            return
        segments = flow.request.path.split("/", 2)  # "", first, rest
        if segments[1] == "t" and len(segments) == 3:
            tags, _, path = segments[2].partition("/")
            flow.metadata[TAGS] = decode_tags(tags)
            segments = ["", *path.split("/", 1)]
        path = "/".join(segments)
        entry = self._hosts.provider(segments[1])
        if entry is not None and not _is_bare(path):
            rest = segments[2] if len(segments) > 2 else ""
            self._at_prefix(flow, entry, f"/{rest}")
        elif segments[1] == "v1" or asked_for(_with_version(path)) or _is_bare(path):
            self._at_common_address(flow, path)

    def _at_prefix(self, flow: http.HTTPFlow, entry: ProviderEntry, path: str) -> None:
        origin = self._hosts.origin(entry)
        if origin is None:
            return
        asked = asked_for(path) if flow.request.method == "POST" else None
        if asked is not None and _may_name_anybody(entry, asked):
            flow.metadata[TO_ROUTE] = ToRoute(path, asked, entry)  # it may name anybody's model
            return
        # Both /groq/v1 and /groq/openai/v1 are written; the second is what Groq's own pages say.
        base = "" if path.startswith(f"{origin.base_path}/") else origin.base_path
        go_to(flow.request, origin, f"{base}{path}")
        lend_key(self._router, flow, entry)

    def _at_common_address(self, flow: http.HTTPFlow, path: str) -> None:
        """Send what is asked under `/v1` to who serves the model, and what names none to OpenAI."""
        refuse_web_pages(self._router, flow.request.headers)
        target = _target(flow.request) or self._target_url
        if target is not None:
            self._to_target(flow, target, path)
            return
        path = _with_version(path)
        if flow.request.method == "GET" and path.partition("?")[0].rstrip("/") == "/v1/models":
            flow.metadata[_OWN_MODELS] = True
            flow.metadata[TO_ROUTE] = None
            return
        if flow.request.method == "POST" and (asked := asked_for(path)):
            flow.metadata[TO_ROUTE] = ToRoute(path, asked)
            return
        if is_upgrade(flow.request) and path.partition("?")[0].rstrip("/") == "/v1/responses":
            flow.response = use_http("llmitm routes by the model, which no WebSocket names at once")
            flow.metadata[TO_ROUTE] = None
            return
        openai = self._hosts.provider("openai")
        origin = self._hosts.origin(openai) if openai else None
        if openai is not None and origin is not None:
            go_to(flow.request, origin, path)
            lend_key(self._router, flow, openai)

    def _at_helicone(self, flow: http.HTTPFlow, host: str) -> None:
        hosts, path = helicone_hosts(), flow.request.path
        if (target := _target(flow.request)) is not None:
            self._to_target(flow, target, path)
        elif host in hosts.by_model:
            self._at_common_address(flow, path)
        elif host in hosts.by_header:
            raise Refused(
                "invalid_request_error",
                f"{host} needs the header Helicone-Target-URL with the origin of a provider, "
                "such as https://api.groq.com",
            )
        else:
            entry = self._hosts.provider(hosts.provider[host])
            origin = self._hosts.origin(entry) if entry else None
            if entry is None or origin is None:
                raise Refused("invalid_request_error", f"the provider of {host} is not known here")
            go_to(flow.request, origin, _at(entry, path))
            lend_key(self._router, flow, entry, is_needed=True)

    def _to_target(self, flow: http.HTTPFlow, target: str, path: str) -> None:
        """Send a call to the origin that a header names."""
        origin = _origin(target)
        entry = self._hosts.find(origin.host, origin.port) if origin else None
        if origin is None or entry is None or origin.host in helicone_hosts():
            raise Refused(
                "invalid_request_error",
                f"Helicone-Target-URL {target[:100]!r} is no LLM host that is known here; "
                "others can be allowed in llmitm's settings: [gateway] allow = [...]",
            )
        if _is_own(flow, origin.scheme, origin.host, origin.port):
            raise Refused("invalid_request_error", f"{target[:100]!r} is llmitm itself")
        go_to(flow.request, origin, below(origin.base_path, path))
        lend_key(self._router, flow, entry, is_needed=True)

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Route what is to be routed, and answer what is for the proxy itself."""
        if flow.response is not None:
            return
        if flow.metadata.get(_OWN_MODELS):
            flow.response = answer(200, await list_models(self._router, flow))
        elif (to_route := flow.metadata.get(TO_ROUTE)) is not None:
            await by_model(self._router, flow, to_route)
        elif _is_for_us(flow):
            self._answer(flow)

    def _answer(self, flow: http.HTTPFlow) -> None:
        if flow.request.path == "/llmitm/health":
            health = {"llmitm": __version__, "pid": os.getpid(), **self._health()}
            flow.response = answer(200, health)
        else:
            names = ", ".join(f"/{entry.name}" for entry in self._hosts.entries)
            message = f"llmitm has nothing at {flow.request.path}; base URLs are /v1 for any model, {names}"
            flow.response = answer(404, {"error": {"type": "not_found", "message": message}})


def _is_for_us(flow: http.HTTPFlow) -> bool:
    """Tell whether a request is for the address that the proxy listens on."""
    request = flow.request
    return _is_own(flow, request.scheme, request.host, request.port)


def _is_own(flow: http.HTTPFlow, scheme: str, host: str, port: int) -> bool:
    listening = flow.client_conn.sockname
    if port != listening[1] or scheme != "http":
        return False
    return host == listening[0] or is_of_this_machine(host)


def _target(request: http.Request) -> str | None:
    """Return the origin that the client names, where it names one."""
    return next((value for name in _TARGETS if (value := request.headers.get(name))), None)


def _origin(url: str) -> Origin | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    port = port or _PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def _with_version(path: str) -> str:
    """Return a path with the `/v1` that a base URL may lack."""
    return path if path.startswith("/v1/") else f"/v1{path}"


def _is_bare(path: str) -> bool:
    """Tell whether a path is one of OpenAI's without `/v1`, as a base URL without it gives."""
    return path.partition("?")[0].rstrip("/") == "/models"


def _at(entry: ProviderEntry, path: str) -> str:
    """Return a path of one of Helicone's hosts as the provider has it."""
    base = f"{entry.base_path}/v1" if entry.openai_base is None else entry.openai_base
    if path.startswith("/v1/") and not base.startswith("/v1"):
        asked = asked_for(path)
        if asked is None or not _is_anthropics(asked):
            return base + path.removeprefix("/v1")
    return path


def _may_name_anybody(entry: ProviderEntry, asked: Endpoint) -> bool:
    """Tell whether a call to a provider is one that agents make for models of others too."""
    if entry.name == "openai":
        return asked.operation == "chat" and (asked.dialect or "").startswith("openai")
    return entry.dialects[0] == "anthropic" and _is_anthropics(asked)


def _is_anthropics(endpoint: Endpoint) -> bool:
    return (endpoint.dialect or "").startswith("anthropic")
