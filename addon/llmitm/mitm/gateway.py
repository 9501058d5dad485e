"""The proxy's own address as a base URL: `/openai/v1/...` and the like go to that provider, without any CA.

Requests for the proxy itself end here, so nothing can be reached through it by way of a loop.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from mitmproxy import http

from llmitm import __version__
from llmitm.calls import Json
from llmitm.mitm.guard import guarded
from llmitm.providers.hosts import HostTable
from llmitm.tags import decode_tags

TAGS = "llmitm_tags"
"""Key of the flow's metadata under which tags out of a gateway path are kept."""


class Gateway:
    """Answer for the proxy's own address."""

    def __init__(self, hosts: HostTable, health: Callable[[], Mapping[str, Json]]) -> None:
        self._hosts = hosts
        self._health = health

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Re-target a gateway path, before anything else looks at the request."""
        if not _is_for_us(flow):
            return
        segments = flow.request.path.split("/", 2)  # "", first, rest
        if segments[1] == "t" and len(segments) == 3:
            tags, _, path = segments[2].partition("/")
            flow.metadata[TAGS] = decode_tags(tags)
            segments = ["", *path.split("/", 1)]
        entry = self._hosts.provider(segments[1])
        origin = self._hosts.origin(entry) if entry else None
        if origin is None:
            return
        flow.request.scheme, flow.request.host, flow.request.port = (
            origin.scheme,
            origin.host,
            origin.port,
        )
        rest = segments[2] if len(segments) > 2 else ""
        # Both /groq/v1 and /groq/openai/v1 are written; the second is what Groq's own pages say.
        base = "" if f"/{rest}".startswith(f"{origin.base_path}/") else origin.base_path
        flow.request.path = f"{base}/{rest}"
        default = {"https": 443, "http": 80}[origin.scheme] == origin.port
        flow.request.host_header = origin.host if default else f"{origin.host}:{origin.port}"

    @guarded
    def request(self, flow: http.HTTPFlow) -> None:
        """Answer what is for the proxy itself."""
        if not _is_for_us(flow):
            return
        if flow.request.path == "/llmitm/health":
            health = {"llmitm": __version__, "pid": os.getpid(), **self._health()}
            flow.response = _json(200, health)
        else:
            names = ", ".join(f"/{entry.name}" for entry in self._hosts.entries)
            message = f"llmitm has nothing at {flow.request.path}; base URLs are {names}"
            flow.response = _json(404, {"error": {"type": "not_found", "message": message}})


def _is_for_us(flow: http.HTTPFlow) -> bool:
    """Tell whether a request is for the address that the proxy listens on."""
    listening = flow.client_conn.sockname
    if flow.request.port != listening[1] or flow.request.scheme != "http":
        return False
    host = flow.request.host
    if host == "localhost" or host == listening[0]:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _json(status: int, body: Json) -> http.Response:
    return http.Response.make(status, json.dumps(body), {"content-type": "application/json"})
