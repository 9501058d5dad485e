"""One call from its first header to its last byte: identify, tap, and hand what passed to the recorder.

Nothing is parsed here that a worker can parse: the client's end of stream waits for these hooks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState

from llmitm.callers.connections import Told
from llmitm.calls import Exchange, Prompt, header
from llmitm.facts import CallFacts
from llmitm.ids import new_id
from llmitm.mitm import heads
from llmitm.mitm.flights import Flight, arrive, depart, flight_of
from llmitm.mitm.gateway import TAGS
from llmitm.mitm.guard import guarded
from llmitm.mitm.modelled import TO_ROUTE
from llmitm.mitm.sockets import Sockets
from llmitm.mitm.tee import KEEP_WHOLE, LONGEST_KEPT, OVERFLOW, RequestTee, ResponseTee
from llmitm.mitm.tunnel import Tunnel
from llmitm.mitm.warned import Warned
from llmitm.policy import bodies, usage_chunk
from llmitm.policy.control import request_id
from llmitm.policy.directives import Directives
from llmitm.policy.rules import NO_RULES, Rules
from llmitm.providers.dialects import by_name
from llmitm.providers.hosts import HostTable
from llmitm.reading import read_prompt
from llmitm.tags import decode as decode_userinfo
from llmitm.wire.uploads import Kept

_BY_LINES = "llmitm_by_lines"
_REQUEST_ID = "helicone-request-id"
_PARSED_HERE = 256 * 1024
_USAGE_DIALECTS = ("openai_chat", "openai_completions")


class Intercept:
    """See every LLM call."""

    def __init__(
        self,
        hosts: HostTable,
        tunnel: Tunnel,
        submit: Callable[[Exchange], None],
        rules: Rules = NO_RULES,
        ask_usage: bool = True,
        caller: Callable[[Client], Told | None] = lambda _: None,
        sockets: Sockets | None = None,
    ) -> None:
        self._hosts = hosts
        self._tunnel = tunnel
        self._submit = submit
        self._rules = rules
        self._warned = Warned()
        self._ask_usage = ask_usage
        self._caller = caller
        self._sockets = sockets
        self.in_flight = 0

    @guarded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Identify the call, and take off what is meant for us."""
        if TO_ROUTE not in flow.metadata:
            self._begin(flow)

    def _begin(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        self._tunnel.remember(flow)
        host = (request.pretty_host or request.host).lower()
        entry = self._hosts.find(host, request.port)
        if entry is None:
            request.stream = True  # plain HTTP to somebody else
            return
        endpoint = self._hosts.endpoint(entry, request.method, request.path)
        if endpoint is None or request.method in ("HEAD", "OPTIONS"):
            request.stream = True
            heads.take_off_control_headers(request)
            return
        exchange = Exchange(
            id=new_id(request.timestamp_start),
            started_at=request.timestamp_start,
            method=request.method,
            scheme=request.scheme,
            host=host,
            port=request.port,
            path=request.path,
            request_headers=heads.pairs(request.headers),
            request_body=b"",
            tags=self._tags(flow),
            caller=self._caller(flow.client_conn),
            http_version=request.http_version,
        )
        if heads.take_off_control_headers(request):
            told = header(exchange.request_headers, _REQUEST_ID)
            exchange.request_id = request_id(told) or str(uuid4())
        flight = Flight(exchange, entry, endpoint)
        depart(flow, flight)
        self.in_flight += 1
        if self._sockets is not None and (refusal := self._sockets.refusal(endpoint, request)):
            flow.response, exchange.chunks = refusal, [refusal.content or b""]
            return
        if endpoint.dialect and by_name(endpoint.dialect).results(endpoint) is not None:
            flow.metadata[_BY_LINES] = True
        kind: str = request.headers.get("content-type", "")

        def tap() -> RequestTee:
            return RequestTee(exchange, Kept(bodies.kept_of_request(endpoint), kind))

        acts = self._rules.wants(exchange.request_headers)
        if bodies.passes_at_once(endpoint, kind, heads.length(request), may_be_acted_on=acts):
            request.stream = tap()
            if acts:
                self._direct_unread(flight)
            return
        flow.metadata[OVERFLOW] = tap

    def _tags(self, flow: http.HTTPFlow) -> Mapping[str, str]:
        tags = dict(flow.metadata.get(TAGS) or {})
        if userinfo := self._tunnel.userinfo(flow.client_conn):
            run_id, labels = decode_userinfo(userinfo)
            tags = {**labels, **tags}
            if run_id:
                tags.setdefault("run_id", run_id)
        return tags

    @guarded
    async def request(self, flow: http.HTTPFlow) -> None:
        """Keep the body; find out what is to be done with the call; ask for usage that would not come."""
        if TO_ROUTE in flow.metadata and flow.response is None:
            self._begin(flow)  # now that the gateway knows where it goes
            flow.request.stream = False  # it is whole
        flight = flight_of(flow)
        if flight is None or flow.request.stream:
            return
        exchange = flight.exchange
        exchange.request_body = flow.request.raw_content or b""
        if self._rules.wants(exchange.request_headers):
            await self._direct(flow, flight)
        await self.ask_usage(flow)

    async def _direct(self, flow: http.HTTPFlow, flight: Flight) -> None:
        """Find out what is to be done with a call."""
        exchange = flight.exchange
        facts = CallFacts(exchange, flight.endpoint, lambda: read_prompt(exchange, flight.endpoint))
        if len(exchange.request_body) > _PARSED_HERE:
            await asyncio.to_thread(lambda: facts.prompt)
        directives = flight.directives = self._rules.directives(exchange.request_headers, facts)
        exchange.notes += directives.notes
        self._warned.warn(directives.notes)
        if directives.retry or directives.fallback or directives.rate_limit:
            flight.prompt = facts.prompt

    def _direct_unread(self, flight: Flight) -> None:
        """Find out what limits a call whose body passes as it comes: nothing else can be done with it."""
        exchange = flight.exchange
        facts = CallFacts(exchange, flight.endpoint, Prompt)
        directives = self._rules.directives(exchange.request_headers, facts)
        flight.directives = Directives(rate_limit=directives.rate_limit, runaway=directives.runaway)
        exchange.notes += directives.notes
        self._warned.warn(directives.notes)

    async def ask_usage(self, flow: http.HTTPFlow) -> None:
        """Ask for the usage of a stream that would come without, of who is asked now."""
        flight = flight_of(flow)
        if flight is None:
            return
        exchange, body = flight.exchange, flow.request.raw_content or b""
        exchange.usage_injected = False
        if (
            not self._ask_usage
            or not flight.entry.stream_usage
            or flight.endpoint.dialect not in _USAGE_DIALECTS
            or heads.is_signed(flow.request.headers)
        ):
            return
        encoding: str | None = flow.request.headers.get("content-encoding")
        if encoding is None and not usage_chunk.may_stream(body):
            return
        if encoding is None and len(body) <= _PARSED_HERE:
            asked = usage_chunk.ask_encoded(body, None)
        else:
            asked = await asyncio.to_thread(usage_chunk.ask_encoded, body, encoding)
        if asked is not None:
            exchange.usage_injected = not flight.directives.stream_usage
            flow.request.raw_content = asked
            if "transfer-encoding" not in flow.request.headers:
                flow.request.headers["content-length"] = str(len(asked))
            # The chunk has to be taken out of the stream as it passes, which a compressed one does not allow.
            flow.request.headers["accept-encoding"] = "identity"

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Put the tap on the response; every response passes as a stream."""
        response = flow.response
        if response is None:
            return
        flight = flight_of(flow)
        if flight is None:
            if flow.request.stream is True:
                response.stream = True
            return
        exchange = flight.exchange
        exchange.status = response.status_code
        exchange.response_headers = heads.pairs(response.headers)
        if exchange.first_byte_ms is None:
            exchange.first_byte_ms = _since(exchange)
        remover = None
        if exchange.usage_injected and heads.is_plain_event_stream(response):
            remover = usage_chunk.UsageRemover()
            heads.drop_length(response)
        kind: str = response.headers.get("content-type", "")
        response.stream = ResponseTee(
            exchange,
            remover,
            LONGEST_KEPT
            if flow.metadata.get(KEEP_WHOLE)
            else bodies.kept_of_response(kind, LONGEST_KEPT),
            to_file=_BY_LINES in flow.metadata and not bodies.is_media(kind),
        )
        if exchange.request_id:
            response.headers["Helicone-Id"] = exchange.request_id

    @guarded
    def response(self, flow: http.HTTPFlow) -> None:
        """The response has passed whole."""
        if flow.websocket is None:
            self._finish(flow)

    @guarded
    def error(self, flow: http.HTTPFlow) -> None:
        """The exchange broke: the client hung up, or the provider did."""
        message = flow.error.msg if flow.error else "unknown"
        flight = flight_of(flow)
        if flight is not None:
            exchange = flight.exchange
            exchange.error_message = message
            if _client_is_gone(flow, message):
                exchange.ending = "client_gone"
            else:
                exchange.ending = "no_answer" if exchange.status is None else "upstream_broke"
        self._finish(flow)

    @guarded
    def websocket_start(self, flow: http.HTTPFlow) -> None:
        """The handshake is over."""
        flight = flight_of(flow)
        if flight is not None and self._sockets is not None:
            self._sockets.start(flow, flight.exchange)

    @guarded
    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """Keep mitmproxy's list short, which otherwise grows for the life of the socket."""
        if flow.websocket is not None:
            del flow.websocket.messages[:-1]
            if self._sockets is not None:
                self._sockets.message(flow, flow.websocket.messages[-1])

    @guarded
    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A socket has closed."""
        self._finish(flow)

    def _finish(self, flow: http.HTTPFlow) -> None:
        flight = arrive(flow)
        if flight is None:
            return
        exchange = flight.exchange
        self.in_flight -= 1
        if isinstance(flow.request.stream, RequestTee):
            flow.request.stream.settle()
        exchange.latency_ms = _since(exchange)
        if self._sockets is not None and self._sockets.end(flow):
            return  # its calls have been handed in as they ended
        self._submit(exchange)


def _client_is_gone(flow: http.HTTPFlow, message: str) -> bool:
    """Tell whether the client ended the exchange; mitmproxy's words are the same for both sides of HTTP/2."""
    client, server = flow.client_conn, flow.server_conn
    if not client.state & ConnectionState.CAN_READ or message.startswith("Client disconnected"):
        return True
    if client.alpn != b"h2" or not message.startswith("stream reset"):
        return False
    return server.alpn != b"h2" or "CANCEL" in message


def _since(exchange: Exchange) -> float:
    return max(0.0, (time.time() - exchange.started_at) * 1000)
