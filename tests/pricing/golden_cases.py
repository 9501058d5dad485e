"""The golden set: `tests/pricing/golden/<provider>.toml`, its form told by the README there."""

from __future__ import annotations

import tomllib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmitm.calls import Charge, Exchange, Headers
from llmitm.jobs import Once
from llmitm.providers import hosts
from llmitm.providers.dialects import by_name
from llmitm.providers.sockets import SocketFrame
from llmitm.reading import Reader
from llmitm.sockets import SocketCalls
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
        "messages",
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
        records = [once.settle(reader.read(exchange)) for exchange in _exchanges(case)]
    if "result" in case:
        shown = {"method": "GET", "request": "", "request_headers": {}, **case["result"]}
        records = [once.settle(reader.read(_exchange({**case, **shown})))]
    assert not reader.faults, [record.notes for record in records]
    return _together([record.charge for record in records])


def parts(case: Case) -> dict[str, Decimal]:
    """Return the amounts that the lines of the working come to, by unit."""
    amounts: dict[str, Decimal] = {}
    for unit, quantity, usd, per in case["working"]:
        amount = Decimal(quantity) * Decimal(usd) / Decimal(per)
        amounts[unit] = amounts.get(unit, Decimal(0)) + amount
    return amounts


def _together(charges: Sequence[Charge]) -> Charge:
    """Return what the calls of a socket cost, all of them."""
    if len(charges) == 1:
        return charges[0]
    unpriced = next((each for each in charges if each.usd is None), None)
    if unpriced is not None:
        return unpriced
    amounts: dict[str, Decimal] = {}
    for unit, usd in (part for each in charges for part in each.parts.items()):
        amounts[unit] = amounts.get(unit, Decimal(0)) + usd
    usd = sum((each.usd or Decimal(0) for each in charges), Decimal(0))
    notes = [note for each in charges for note in each.notes]
    return Charge(usd, charges[0].price_id, amounts, table_usd=usd, notes=notes)


def _exchanges(case: Case) -> Iterable[Exchange]:
    """Return the calls of a case: one, or those of its socket."""
    whole = _exchange(case)
    if "messages" not in case:
        return [whole]
    whole.method, whole.status, whole.chunks = "GET", 101, []
    endpoint = Reader(hosts.load(), PriceTable.load()).read(whole).endpoint
    socket = by_name(endpoint.dialect or "").socket(endpoint, whole.path)
    assert socket is not None, f"{case['what']}: no socket is read there"
    calls, exchanges, at = SocketCalls(whole, socket), [], whole.started_at
    for line in case["messages"].split("\n"):
        direction, _, message = line.strip().partition(" ")
        if message:
            frame = SocketFrame(direction == ">", message.encode(), True, at)
            exchanges += calls.feed(frame)
            at += 1
    return [*exchanges, *calls.close(at)]


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
