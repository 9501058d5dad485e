"""Calls as HAR 1.2, which browsers' tools and proxies read, and `llmitm explain` as well.

The log has no headers, so those that are written are what the bodies are. A stream's answer is the document that was put
together of it. http://www.softwareishard.com/blog/har-12-spec/ (read 2026-11-26)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from llmitm import __version__, harmless
from llmitm.store.reader import Record

_UNKNOWN = -1
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


def write(file: BinaryIO, calls: Iterable[Record]) -> None:
    """Write a document, an entry at a time."""
    creator = json.dumps({"name": "llmitm", "version": __version__})
    file.write(f'{{"log": {{"version": "1.2", "creator": {creator}, "entries": ['.encode())
    separator = "\n"
    for call in calls:
        text = separator + harmless.in_json(json.dumps(_entry(call), ensure_ascii=False))
        file.write(text.encode("utf-8", "backslashreplace"))
        separator = ",\n"
    file.write(b"\n]}}\n")


def _entry(call: Record) -> dict[str, Any]:
    latency, first = call["latency_ms"], call["first_byte_ms"]
    wait = first if first is not None else latency
    started = datetime.fromtimestamp(call["started_at"] / 1000, UTC)
    return {
        "_id": call["id"],
        "startedDateTime": started.isoformat(timespec="milliseconds"),
        "time": latency or 0,
        "request": _request(call),
        "response": _response(call),
        "cache": {},
        "timings": {
            "send": 0,
            "wait": wait or 0,
            "receive": (latency or 0) - (wait or 0),
        },
        "comment": _comment(call),
    }


def _request(call: Record) -> dict[str, Any]:
    url = f"https://{call['host']}{call['path']}"
    body = call.get("request_body")
    request: dict[str, Any] = {
        "method": call["method"],
        "url": url,
        "httpVersion": call["http_version"] or "HTTP/1.1",
        "cookies": [],
        "headers": _headers(body),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
        ],
        "headersSize": _UNKNOWN,
        "bodySize": call["request_bytes"],
    }
    if body is not None:
        request["postData"] = {"mimeType": _type(body), "text": body}
    return request


def _response(call: Record) -> dict[str, Any]:
    status, body = call["status"] or 0, call.get("response_body")
    return {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in set(HTTPStatus) else "",
        "httpVersion": call["http_version"] or "HTTP/1.1",
        "cookies": [],
        "headers": _headers(body),
        "content": {
            "size": call["response_bytes"],
            "mimeType": _type(body),
            **({} if body is None else {"text": body}),
        },
        "redirectURL": "",
        "headersSize": _UNKNOWN,
        "bodySize": call["response_bytes"],
    }


def _headers(body: str | None) -> list[dict[str, str]]:
    return [] if body is None else [{"name": "content-type", "value": _type(body)}]


def _type(body: str | None) -> str:
    return _JSON if body is not None and body.lstrip()[:1] in ("{", "[") else _TEXT


def _comment(call: Record) -> str:
    cost = call["cost_nanousd"]
    price = call["unpriced_reason"] if cost is None else f"{cost / 1e9:.9f} USD"
    return f"{call['provider']} {call['model'] or call['operation']}: {price}"
