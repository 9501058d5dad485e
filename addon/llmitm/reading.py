"""Make bytes into a record: identify, read, estimate, price. The same path for the proxy and for `llmitm explain`.

Each step fails alone: a fault in one leaves the others' results, a note on the row and a count.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llmitm import identity, pricing, texts
from llmitm.attempts import read_attempt
from llmitm.calls import (
    Answer,
    Attempt,
    Charge,
    Endpoint,
    Exchange,
    Finished,
    Identity,
    Outcome,
    Prompt,
    RateLimit,
    Usage,
    header,
)
from llmitm.estimate import Estimator
from llmitm.jobs import Asked, JobId, Jobs
from llmitm.providers import limit_bodies, ratelimits, waits
from llmitm.providers.base import Dialect, Head, StreamReader, request_document
from llmitm.providers.dialects import by_name
from llmitm.providers.fields import filled, mapping
from llmitm.providers.hosts import HostTable
from llmitm.redact import Redactor, spellings
from llmitm.wire import jsontext
from llmitm.wire.encodings import LARGEST_DECODED, decode
from llmitm_pricing import PriceTable

log = logging.getLogger("llmitm")

_FAILED = 400
_PIECE_BYTES = 65_536
_UNFINISHED = (None, "in_progress", "queued")
"""Reasons for its end of an answer that has not ended; the Responses API names its state there."""
_METERED = ("chat", "completion", "embedding")
"""Operations whose tokens are worth an estimate where the provider reports none."""

_CUT = "decodes to more than 64 MB: its end was not read"
_TOO_DEEP = "has too many lists and objects inside each other to be read"

type _Read = tuple[Answer, bool, float | None]
"""The answer, whether it was streamed, and when its first content came (ms)."""


class Reader:
    """Read exchanges."""

    def __init__(
        self,
        hosts: HostTable,
        prices: PriceTable,
        estimator: Estimator | None = None,
        *,
        keep_bodies: bool = True,
        redact: Sequence[str] = (),
        recall: Callable[[JobId], Asked | None] | None = None,
    ) -> None:
        self._hosts = hosts
        self.prices = prices
        """By which calls are priced; may be changed between two."""
        self._estimator = estimator
        self._keep_bodies = keep_bodies
        self._redactor = Redactor(redact)
        self._jobs = Jobs(recall)
        self.faults: Counter[str] = Counter()
        """Steps that failed, by name."""

    def read(self, exchange: Exchange) -> Finished:
        """Return the record of an exchange. Does not raise."""
        try:
            return self._read(exchange)
        finally:
            if exchange.rest is not None:
                exchange.rest.close()

    def _read(self, exchange: Exchange) -> Finished:
        notes: list[str] = []

        def step[T](name: str, work: Callable[[], T], otherwise: T) -> T:
            try:
                return work()
            except Exception as error:
                self.faults[name] += 1
                if self.faults[name] == 1:
                    log.exception("llmitm: fault in reading the %s of a call", name)
                notes.append(f"the {name} could not be read: {type(error).__name__}: {error}")
                return otherwise

        nothing = Endpoint("unknown", "other", None)
        endpoint = step("endpoint", lambda: self._endpoint(exchange), nothing)
        dialect = by_name(endpoint.dialect) if endpoint.dialect else None
        prompt = step("request", lambda: _prompt(dialect, exchange, endpoint), Prompt())
        notes += step("request", lambda: _unread(exchange, prompt), [])
        unread: _Read = (Answer(), False, None)
        answer, streaming, first_content = step(
            "response", lambda: _answer(dialect, exchange, endpoint, prompt, notes), unread
        )
        endpoint = _batch(endpoint, exchange, answer, notes)
        endpoint, asked = step(
            "job",
            lambda: self._jobs.settle(endpoint, prompt, answer, len(exchange.request_body)),
            Asked(endpoint, prompt),
        )
        if answer.blocked:
            notes.append(f"a filter of the provider's stopped the {answer.blocked}")
        told: Mapping[str, str] = step("caller", exchange.caller or dict, {})
        who = step("identity", lambda: identity.identify(exchange, prompt, told), Identity())
        outcome, error_type, error_message = _outcome(exchange, answer)
        attempts: Sequence[Attempt] = step("attempts", lambda: self._attempts(exchange), ())
        turn = exchange.turn
        limits: Sequence[RateLimit] = step(
            "rate limits", lambda: self._all_rate_limits(exchange, answer), ()
        )
        wait = step("wait", lambda: _wait(exchange, answer) if outcome == "error" else None, None)
        if self._is_estimated(exchange, endpoint, answer, outcome):
            answer.usage = step(
                "estimate", lambda: self._estimate(endpoint, prompt, answer, notes), answer.usage
            )
        charge = step(
            "price",
            lambda: pricing.charge(endpoint, exchange, asked, answer, outcome, who, self.prices),
            Charge(unpriced_reason="the price could not be computed"),
        )
        saved = None
        if exchange.cache is not None and exchange.cache.state == "hit":
            saved, endpoint = charge.usd, replace(endpoint, counted=False)
            charge = pricing.free(endpoint, exchange, "answered from the cache")
        record = Finished(
            exchange,
            endpoint,
            prompt,
            answer,
            who,
            charge,
            outcome,
            error_type,
            error_message,
            streaming,
            first_content,
            limits,
            wait,
            request_bytes=turn.request_bytes
            if turn
            else len(exchange.request_body) + texts.missing(exchange),
            response_bytes=turn.response_bytes if turn else texts.received(exchange),
            attempts=attempts,
            saved_usd=saved,
            client_retry=identity.client_retry(exchange),
        )
        secrets = step("secrets", lambda: self._strike_out(record), None)
        if secrets is None:
            _leave_out(record)
        elif self._keep_bodies:
            step("bodies", lambda: self._keep_texts(record, secrets), None)
        notes = [self._redactor.text(note, secrets or ()) for note in notes]
        notes += [self._redactor.text(note, secrets or ()) for note in exchange.notes]
        record.notes = [*record.identity.notes, *notes, *texts.truncated(exchange)]
        return record

    def bare(self, exchange: Exchange, error: BaseException) -> Finished:
        """Return what is known without reading, for an exchange that `read` failed on."""
        self.faults["call"] += 1
        exchange.path = exchange.path.partition("?")[0]
        outcome, error_type, error_message = _outcome(exchange, Answer())
        return Finished(
            exchange,
            Endpoint("unknown", "other", None),
            Prompt(),
            Answer(),
            Identity(),
            Charge(unpriced_reason="the call could not be read"),
            outcome,
            error_type,
            error_message,
            notes=[f"the call could not be read: {type(error).__name__}"],
        )

    def _attempts(self, exchange: Exchange) -> Sequence[Attempt]:
        return [read_attempt(each, self._endpoint(each)) for each in exchange.earlier]

    def _endpoint(self, exchange: Exchange) -> Endpoint:
        if exchange.turn is not None:
            return exchange.turn.endpoint
        entry = self._hosts.find(exchange.host, exchange.port)
        if entry is None:
            return Endpoint("unknown", "other", None)
        found = self._hosts.endpoint(entry, exchange.method, exchange.path)
        return found or Endpoint(entry.name, "other", None)

    def _all_rate_limits(self, exchange: Exchange, answer: Answer) -> Sequence[RateLimit]:
        """Return what the last attempt told, after what those before told that asked the same host."""
        before = (each for each in exchange.earlier if each.host == exchange.host)
        told = [limit for each in before for limit in self._rate_limits(each, Answer())]
        return [*told, *self._rate_limits(exchange, answer)]

    def _rate_limits(self, exchange: Exchange, answer: Answer) -> Sequence[RateLimit]:
        if exchange.turn is not None:
            return exchange.turn.rate_limits  # the headers are as old as the socket
        entry = self._hosts.find(exchange.host, exchange.port)
        if entry is None:
            return ()
        now = _received_at(exchange)
        limits = ratelimits.read(entry.rate_limits, exchange.response_headers, now)
        known = {(limit.name, limit.period) for limit in limits}
        told = limit_bodies.read(answer.document, now)
        return [*limits, *(limit for limit in told if (limit.name, limit.period) not in known)]

    def _is_estimated(
        self, exchange: Exchange, endpoint: Endpoint, answer: Answer, outcome: Outcome
    ) -> bool:
        return (
            self._estimator is not None
            and (answer.usage.source == "none" or _lacks_output(answer))
            and endpoint.counted
            and answer.job != "running"
            and endpoint.operation in _METERED
            and exchange.status is not None
            and exchange.status < _FAILED
            and (outcome != "error" or bool(answer.text))
        )

    def _estimate(
        self, endpoint: Endpoint, prompt: Prompt, answer: Answer, notes: list[str]
    ) -> Usage:
        assert self._estimator is not None
        estimate = self._estimator.estimate(
            answer.model or prompt.model or endpoint.model, prompt, answer
        )
        if answer.usage.source == "reported":
            notes.append(
                f"the output's tokens were not reported, and are estimated: {estimate.method}"
            )
            output_tokens = estimate.usage.output_tokens
            return replace(answer.usage, source="estimated", output_tokens=output_tokens)
        notes.append(f"tokens are estimated: {estimate.method}")
        return estimate.usage

    def _strike_out(self, record: Finished) -> Sequence[str]:
        """Take secrets out of what is stored beside the bodies; return those that the call carries."""
        exchange, answer = record.exchange, record.answer
        secrets = spellings(identity.credentials(exchange))
        exchange.path = self._redactor.path(exchange.path, secrets)
        if record.error_message:
            record.error_message = self._redactor.text(record.error_message, secrets)
            answer.error_message = record.error_message
        record.attempts = [
            replace(each, error_message=self._redactor.text(each.error_message, secrets))
            if each.error_message
            else each
            for each in record.attempts
        ]
        told = "\n".join(identity.texts(record.identity))
        if self._redactor.text(told, secrets) != told:
            record.identity = identity.changed(
                record.identity, lambda text: self._redactor.text(text, secrets)
            )
        basis = record.charge.basis
        told = "\n".join(basis.texts()) if basis else ""
        if self._redactor.text(told, secrets) != told:
            # Without its secret it would price something else.
            reason = record.charge.unpriced_reason
            reason = self._redactor.text(reason, secrets) if reason else None
            record.charge = replace(record.charge, basis=None, unpriced_reason=reason)
        return secrets

    def _keep_texts(self, record: Finished, secrets: Sequence[str]) -> None:
        """Put in the bodies as text, without secrets, large media and vectors."""
        if not record.identity.omit_request:
            text = texts.request_text(record.exchange, record.prompt)
            record.request_text = self._kept(text, secrets)
        if not record.identity.omit_response:
            record.response_text = self._kept(texts.response_text(record), secrets)
            # It is stored and searched as a part of its own.
            record.answer.text = self._kept(record.answer.text, secrets)

    def _kept(self, text: str | None, secrets: Sequence[str]) -> str | None:
        return None if text is None else self._redactor.text(texts.without_media(text), secrets)


def _batch(endpoint: Endpoint, exchange: Exchange, answer: Answer, notes: list[str]) -> Endpoint:
    """Return what an answer with the results of a batch is an answer to, which the path alone may not tell."""
    if answer.batch is None:
        return endpoint
    if answer.batch.failed:
        notes.append(
            f"{answer.batch.failed} of {answer.batch.requests} requests of the batch failed"
        )
    if exchange.ending != "complete" or exchange.response_truncated:
        answer.job = "part"
    return replace(endpoint, operation="batch", counted=True)


def _lacks_output(answer: Answer) -> bool:
    """Return whether usage was reported without its output: a stream that broke off has only the prompt's."""
    return answer.usage.output_tokens is None and answer.text is not None


def read_prompt(exchange: Exchange, endpoint: Endpoint) -> Prompt:
    """Return what a request asks for."""
    return _prompt(by_name(endpoint.dialect) if endpoint.dialect else None, exchange, endpoint)


def _prompt(dialect: Dialect | None, exchange: Exchange, endpoint: Endpoint) -> Prompt:
    request = exchange.request_body, exchange.request_headers
    if dialect is not None:
        return dialect.read_request(*request, endpoint, exchange.request_gaps)
    document = request_document(*request, exchange.request_gaps)
    model = filled(mapping(document).get("model")) or endpoint.model
    return Prompt(model=model, document=document)


def _unread(exchange: Exchange, prompt: Prompt) -> list[str]:
    """Return why a request could not be read, where it is too large or too deep and not just something else."""
    encoding = header(exchange.request_headers, "content-encoding")
    if prompt.document is not None or not exchange.request_body:
        return []
    body = decode(exchange.request_body, encoding)
    if encoding and len(body) > LARGEST_DECODED:
        return [f"the request {_CUT}"]
    return [f"the request {_TOO_DEEP}"] if jsontext.is_too_deep(body) else []


def _answer(
    dialect: Dialect | None,
    exchange: Exchange,
    endpoint: Endpoint,
    prompt: Prompt,
    notes: list[str],
) -> _Read:
    if exchange.status is None or dialect is None:
        return Answer(), False, None
    reader = StreamReader(
        dialect, Head(exchange.status, exchange.response_headers, endpoint, prompt)
    )
    first_content = None
    for number, chunk in enumerate(exchange.chunks):
        if reader.feed(chunk):
            first_content = exchange.chunk_times[number] if exchange.chunk_times else None
            reader.feed(b"".join(exchange.chunks[number + 1 :]))
            break
    if exchange.rest is not None:
        exchange.rest.seek(0)
        while piece := exchange.rest.read(_PIECE_BYTES):
            reader.feed(piece)
    answer = reader.close()
    if reader.is_cut:
        notes.append(f"the response {_CUT}")
    if reader.has_unread:
        notes.append(f"the response {_TOO_DEEP}")
    return answer, reader.streamed, first_content


def _received_at(exchange: Exchange) -> float:
    """Return when the answer began, in seconds since the epoch: what its headers say is counted from there."""
    return exchange.started_at + (exchange.first_byte_ms or 0) / 1000


def _wait(exchange: Exchange, answer: Answer) -> float | None:
    """Return for how many milliseconds a refused caller was told to wait."""
    told = answer.document, answer.error_message
    seconds = waits.read(exchange.response_headers, *told, _received_at(exchange))
    return None if seconds is None else seconds * 1000


def _outcome(exchange: Exchange, answer: Answer) -> tuple[Outcome, str | None, str | None]:
    """Return how a call ended, with the type and message of its error."""
    if exchange.refusal is not None:
        return "blocked", exchange.refusal.error_type, exchange.refusal.message
    if answer.error_type or answer.error_message:
        return "error", answer.error_type, answer.error_message
    if exchange.status is not None and exchange.status >= _FAILED:
        return "error", None, None
    if exchange.ending == "client_gone":
        # SDKs hang up as soon as they have read the last event that they need.
        if answer.finish_reason not in _UNFINISHED:
            return "ok", None, None
        return "cancelled", None, exchange.error_message
    if exchange.ending in ("no_answer", "upstream_broke"):
        return "error", exchange.ending, exchange.error_message
    return "ok", None, None


def _leave_out(record: Finished) -> None:
    """Leave out what may hold a secret, where it could not be looked for."""
    record.exchange.path = record.exchange.path.partition("?")[0]
    record.error_message = record.answer.error_message = None
    record.attempts = [replace(each, error_message=None) for each in record.attempts]
    record.identity = Identity(run_id=record.identity.run_id)
    record.charge = replace(record.charge, basis=None)
