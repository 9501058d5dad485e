"""mitmproxy flows for the hooks under test."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.test import tflow, tutils


def request(
    path: str = "/v1/chat/completions",
    *,
    host: str = "api.openai.com",
    port: int = 443,
    scheme: str = "https",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    body: bytes = b'{"model":"m"}',
) -> http.HTTPFlow:
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    flow = tflow.tflow(
        req=tutils.treq(
            method=method.encode(),
            scheme=scheme.encode(),
            authority=b"",
            host=host,
            port=port,
            path=path.encode(),
            headers=http.Headers([(b"host", host.encode()), *fields]),
            content=body,
        )
    )
    flow.client_conn.sockname = ("127.0.0.1", 8080)
    return flow


def answer(flow: http.HTTPFlow, body: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
    flow.response = http.Response.make(200, body, headers or {"content-type": "application/json"})
