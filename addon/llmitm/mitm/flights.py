"""A call on its way through the proxy: all that is known and has been decided of it, kept with its flow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mitmproxy import http

from llmitm.calls import Endpoint, Exchange, Prompt
from llmitm.policy.directives import NOTHING, Directives, FallbackTarget
from llmitm.providers.hosts import ProviderEntry

_FLIGHT = "llmitm_flight"

# What our layer looks for in the metadata of a flow.
COURSE = "llmitm_course"
"""The `Course` of a call that may be sent again."""
PACING = "llmitm_pacing"
"""The pieces of an answer that is given at its recorded pace: a list of `(bytes, seconds to wait before)`."""
PAUSE = "llmitm_pause"
"""The seconds that `llm_pause` is to wait."""

CUT = "llmitm_cut"
"""Set where an answer is over for the client, and what is still to come of it is not wanted."""


@dataclass(slots=True)
class Flight:
    """A call from its headers to its last byte. Changed on the event loop only."""

    exchange: Exchange
    entry: ProviderEntry
    endpoint: Endpoint
    """Who is asked, for what, in which dialect; after a fallback, who was asked last."""
    directives: Directives = NOTHING
    prompt: Prompt | None = None
    """What is asked for, where somebody had to know before the call went on."""


type Retarget = Callable[[http.HTTPFlow, Flight, FallbackTarget], Awaitable[str | None]]
"""Changes a flow's request into that for a target; returns why it cannot."""
type Prepare = Callable[[http.HTTPFlow], Awaitable[None]]
"""Makes ready a request that goes to somebody else, or waits until it may go again."""


def flight_of(flow: http.HTTPFlow) -> Flight | None:
    """Return the call that a flow is; None where it is none, or has ended."""
    flight: Flight | None = flow.metadata.get(_FLIGHT)
    return flight


def depart(flow: http.HTTPFlow, flight: Flight) -> None:
    """Begin a call."""
    flow.metadata[_FLIGHT] = flight


def arrive(flow: http.HTTPFlow) -> Flight | None:
    """End a call, once."""
    flight: Flight | None = flow.metadata.pop(_FLIGHT, None)
    return flight
