"""The golden set: `tests/pricing/golden/<provider>.toml`, its form told by the README there."""

from __future__ import annotations

import tomllib
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmitm.calls import Charge, Exchange, Headers
from llmitm.jobs import Once
from llmitm.providers import hosts
from llmitm.reading import Reader
from llmitm_pricing import PriceTable

FOLDER = Path(__file__).parent / "golden"
KEYS = frozenset(
    [
        "what",
        "rule",
        "source",
        "at",
        "url",
        "method",
        "calls",
        "result",
        "status",
        "request",
        "request_headers",
        "response",
        "response_headers",
        "response_base64",
        "working",
        "usd",
        "reported_usd",
        "free",
        "unpriced",
        "note",
    ]
)

type Case = dict[str, Any]


def cases() -> list[Case]:
    """Return all cases, each with the name of its file under `file`."""
    found: list[Case] = []
    for path in sorted(FOLDER.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        found += [{**case, "file": path.stem} for case in document["case"]]
    return found


def name(case: Case) -> str:
    """Return what a case is called in a report."""
    return f"{case['file']}: {case['what']}"


def charged(case: Case, table: PriceTable) -> Charge:
    """Return what the call costs, read and priced as in the proxy."""
    reader, once = Reader(hosts.load(), table, keep_bodies=False), Once()
    for _ in range(case.get("calls", 1)):
        record = once.settle(reader.read(_exchange(case)))
    if "result" in case:
        shown = {"method": "GET", "request": "", "request_headers": {}, **case["result"]}
        record = once.settle(reader.read(_exchange({**case, **shown})))
    assert not reader.faults, record.notes
    return record.charge


def parts(case: Case) -> dict[str, Decimal]:
    """Return the amounts that the lines of the working come to, by unit."""
    amounts: dict[str, Decimal] = {}
    for unit, quantity, usd, per in case["working"]:
        amount = Decimal(quantity) * Decimal(usd) / Decimal(per)
        amounts[unit] = amounts.get(unit, Decimal(0)) + amount
    return amounts


def _exchange(case: Case) -> Exchange:
    url = urlsplit(case["url"])
    request: str = case.get("request", "")
    body = b64decode(case.get("response_base64", "")) or case.get("response", "").encode()
    return Exchange(
        id="01J",
        started_at=case["at"].timestamp(),
        method=case.get("method", "POST"),
        scheme=url.scheme,
        host=url.hostname or "",
        port=url.port or (443 if url.scheme == "https" else 80),
        path=f"{url.path}?{url.query}" if url.query else url.path,
        request_headers=_headers(case.get("request_headers", {}), request),
        request_body=request.encode(),
        status=case.get("status", 200),
        response_headers=_headers(case.get("response_headers", {}), case.get("response", "")),
        chunks=[body],
        chunk_times=[1.0],
    )


def _headers(given: Mapping[str, str], body: str) -> Headers:
    stream = body.startswith(("data:", "event:", ":"))
    kind = "text/event-stream" if stream else "application/json"
    return [*({"content-type": kind} | dict(given)).items()]
