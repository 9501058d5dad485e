"""Streams that are cut where their budget ends: what they cost as they go on, and whether there is more for them."""

from __future__ import annotations

import asyncio

from mitmproxy import http

from llmitm import budgeting
from llmitm.budgeting import Meter
from llmitm.calls import Prompt, Usage
from llmitm.estimate import Estimator
from llmitm.mitm.cutting import CutTee
from llmitm.mitm.flights import Flight
from llmitm.policy.cutting import StreamCut, can_be_cut
from llmitm.store.ledger import Ledger
from llmitm.store.ledger_file import Busy
from llmitm_pricing import PriceTable


class Reserve:
    """What is reserved for a stream, which may become more: an `Allowance`."""

    def __init__(self, ledger: Ledger, call_id: str, amount: int, meter: Meter) -> None:
        self._ledger = ledger
        self._call_id = call_id
        self._amount = amount
        self.meter = meter

    def told(self, usage: Usage) -> None:
        """Reckon with what the provider tells that the stream has used so far."""
        self.meter = self.meter.told(usage)

    def may_go_on(self, tokens: int) -> bool:
        """Tell whether a stream that has made so many tokens may go on."""
        cost = self.meter.cost(tokens)
        if cost <= self._amount:
            return True
        try:
            for amount in (cost + cost // 4, cost):
                if self._ledger.extend(self._call_id, amount):
                    self._amount = amount
                    return True
        except Busy:
            return True  # it is asked again with the next piece
        return False


async def meter(
    flow: http.HTTPFlow, flight: Flight, prompt: Prompt, table: PriceTable, estimator: Estimator
) -> Meter | None:
    """Return what a stream costs that can be cut; None for any other call."""
    endpoint = flight.endpoint
    if not (prompt.streaming or endpoint.streams) or not can_be_cut(endpoint.dialect):
        return None
    flow.request.headers["accept-encoding"] = "identity"  # what is compressed cannot be cut
    arguments = flight.exchange, endpoint, prompt, table, estimator
    return await asyncio.to_thread(budgeting.meter, *arguments)


def watch(flow: http.HTTPFlow, flight: Flight, reserve: Reserve) -> None:
    """Put what cuts it behind the tap on a stream."""
    response, dialect = flow.response, flight.endpoint.dialect
    assert response is not None
    kind: str = response.headers.get("content-type", "")
    if dialect is None or "event-stream" not in kind.lower():
        return
    if not callable(response.stream) or "content-encoding" in response.headers:
        return

    def on_cut(tokens: int) -> None:
        flight.exchange.notes.append(
            f"cut after {tokens} tokens, as counted here: its budget is used up"
        )

    cut = StreamCut(dialect, reserve.meter.text, reserve)
    response.stream = CutTee(flow, response.stream, cut, on_cut)
    if response.headers.pop("content-length", None) is not None and response.is_http11:
        response.headers["transfer-encoding"] = "chunked"
