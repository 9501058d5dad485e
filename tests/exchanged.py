"""Exchanges of JSON, for tests that need no wire."""

from __future__ import annotations

import json

from llmitm.calls import Exchange, Headers, Json


def exchanged(
    url: str,
    answer: Json,
    request: Json = None,
    headers: Headers = (),
    status: int = 200,
    *,
    started_at: float = 1_795_176_000.0,
) -> Exchange:
    """Return a call of `url`, which has no scheme: a `POST` where there is a request, else a `GET`."""
    host, _, path = url.partition("/")
    return Exchange(
        id="01J",
        started_at=started_at,
        method="GET" if request is None else "POST",
        scheme="https",
        host=host,
        port=443,
        path="/" + path,
        request_headers=[("content-type", "application/json")],
        request_body=b"" if request is None else json.dumps(request).encode(),
        status=status,
        response_headers=[("content-type", "application/json"), *headers],
        chunks=[json.dumps(answer).encode()],
        chunk_times=[1.0],
    )
