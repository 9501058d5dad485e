"""What budgets need to know of a call: whose it is, the most that it may cost, and what it has cost in the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType

from llmitm.calls import Answer, Endpoint, Exchange, Finished, Identity, Prompt, Usage
from llmitm.estimate import Estimator, RunningTokens, encoding_name
from llmitm.identity import identify
from llmitm.money import nano
from llmitm.policy.budgets import Who
from llmitm.policy.cutting import tells_prompt
from llmitm.pricing import basis
from llmitm.reserving import upper_usage, upper_usd
from llmitm_pricing import PriceTable

_SEEN_ANSWERS = 500
_ENOUGH_ANSWERS = 20
_QUANTILE = 0.99
_COUNTED_WRONG = 1.1
_OF_ANOTHER_TOKENIZER = 1.5
"""Other makers' tokenizers make up to so many more tokens of a text than OpenAI's."""
_CHARGED = frozenset({"chat", "completion", "embedding"})
_MILLION = 1_000_000
_FRAME = 64
"""Tokens that no text tells: templates of tools and of turns."""


class Outputs:
    """How long the answers of models are, learned from those that have come, for calls that set no limit."""

    def __init__(self, otherwise: int) -> None:
        """`otherwise` is what is taken for a model of which too few answers have been seen, in tokens."""
        self._otherwise = otherwise
        self._seen: dict[str, deque[int]] = {}

    def learn(self, call: Finished) -> None:
        """Take an answer."""
        tokens = call.answer.usage.output_tokens
        model = call.prompt.model or call.endpoint.model
        if tokens is not None and model is not None and call.outcome == "ok":
            self._seen.setdefault(model, deque(maxlen=_SEEN_ANSWERS)).append(tokens)

    def likely(self, model: str | None) -> int:
        """Return the tokens that of a hundred answers ninety-nine stay within; this is no bound."""
        seen = self._seen.get(model or "", ())
        if len(seen) < _ENOUGH_ANSWERS:
            return self._otherwise
        return sorted(seen)[ceil(len(seen) * _QUANTILE) - 1]


def who(
    exchange: Exchange,
    endpoint: Endpoint,
    prompt: Prompt,
    caller: Mapping[str, str] = MappingProxyType({}),
) -> Who:
    """Return what budgets look at of a call that is to be made."""
    told = identify(exchange, prompt, caller)
    provider = exchange.asked_provider or endpoint.provider
    return _who(told, provider, exchange.asked_model or prompt.model or endpoint.model)


def who_made(call: Finished) -> Who:
    """Return what budgets look at of a call that has ended."""
    provider = call.exchange.asked_provider or call.endpoint.provider
    model = call.exchange.asked_model or call.prompt.model or call.endpoint.model
    return _who(call.identity, provider, model)


def _who(told: Identity, provider: str, model: str | None) -> Who:
    return Who(
        provider,
        model,
        told.user,
        told.session_id,
        told.run_id,
        told.api_key_fingerprint,
        told.client,
        told.properties,
    )


def is_free(endpoint: Endpoint, exchange: Exchange, prompt: Prompt) -> bool:
    """Tell whether a call costs nothing whatever comes back, as asking for the models."""
    if endpoint.operation in _CHARGED and endpoint.counted and exchange.method == "POST":
        return False
    return basis(endpoint, exchange, prompt, Answer(), "ok", Identity()).free is not None


def most(
    exchange: Exchange,
    endpoint: Endpoint,
    prompt: Prompt,
    likely_output: int,
    table: PriceTable,
    estimator: Estimator | None = None,
) -> int | None:
    """Return the most that a call may cost, in nano-dollars; None where it has no price. May read price files.

    With an estimator its text is counted, which takes a while; without, it is taken by its bytes.
    """
    headers = exchange.request_headers
    given = None if estimator is None else _counted(estimator, endpoint, prompt)
    usage = upper_usage(
        endpoint, prompt, exchange.request_body, headers, likely_output, counted=given
    )
    return nano(upper_usd(exchange, endpoint, prompt, usage, table))


@dataclass(frozen=True, slots=True)
class Meter:
    """What a stream costs as it goes on, counted as the log will count it."""

    price: Callable[[Usage], int | None]
    """Returns what so much costs, nano-dollars."""
    text: Callable[[], RunningTokens]
    """Makes what counts the tokens of a text of its answer."""
    base: int
    """Nano-dollars before its first token."""
    token: float
    """Nano-dollars for each token of its output."""

    def cost(self, tokens: int) -> int:
        """Return what so many tokens cost, nano-dollars."""
        return self.base + ceil(self.token * tokens)

    def told(self, usage: Usage) -> Meter:
        """Return the meter of a stream whose provider has told what it has used."""
        rates = _rates(self.price, usage)
        if rates is None:
            return self
        base, token = rates
        if usage.output_tokens is not None:  # it may have dearer tokens than those of text
            used = self.price(usage)
            if used is None:
                return self
            base = used - ceil(token * usage.output_tokens)
        return replace(self, base=base, token=token)


def meter(
    exchange: Exchange, endpoint: Endpoint, prompt: Prompt, table: PriceTable, estimator: Estimator
) -> Meter | None:
    """Return what a stream costs; None where it has no price. May read price files and encodings."""
    model = prompt.model or endpoint.model

    def cost(usage: Usage) -> int | None:
        return nano(upper_usd(exchange, endpoint, prompt, usage, table))

    counted = None  # of what the provider will tell at once an upper bound is enough until then
    if not tells_prompt(endpoint.dialect):
        counted = estimator.estimate(model, prompt, Answer()).usage.input_tokens
    bare = replace(prompt, max_output_tokens=0)
    headers = exchange.request_headers
    found = _rates(
        cost, upper_usage(endpoint, bare, exchange.request_body, headers, counted=counted)
    )
    return None if found is None else Meter(cost, lambda: estimator.running(model), *found)


def _rates(price: Callable[[Usage], int | None], usage: Usage) -> tuple[int, float] | None:
    """Return what a stream costs before its first token, and each token of its output, nano-dollars."""
    base, with_output = (
        price(replace(usage, output_tokens=tokens, reasoning_tokens=None))
        for tokens in (0, _MILLION)
    )
    if base is None or with_output is None:
        return None
    return base, (with_output - base) / _MILLION


def _counted(estimator: Estimator, endpoint: Endpoint, prompt: Prompt) -> int | None:
    model = prompt.model or endpoint.model or ""
    estimate = estimator.estimate(model, prompt, Answer())
    tokens = estimate.usage.input_tokens
    if tokens is None or not estimate.method.startswith("tiktoken"):
        return None
    is_exact = endpoint.provider in ("openai", "azure") and encoding_name(model) != ""
    return ceil(tokens * (_COUNTED_WRONG if is_exact else _OF_ANOTHER_TOKENIZER)) + _FRAME


def cost(call: Finished) -> int | None:
    """Return what a call has cost, in nano-dollars; None where it is not known, or may be more than is known.

    A call that was sent and of which nothing came back may have been answered, and charged, in full.
    """
    exchange = call.exchange
    if call.outcome == "blocked" or (exchange.cache is not None and exchange.cache.state == "hit"):
        return 0
    if is_unanswered(call):
        return None
    is_broken = exchange.ending != "complete" and call.outcome != "ok"
    if is_broken and exchange.turn is None and not call.answer.text and not call.answer.tool_calls:
        return None
    return nano(call.charge.usd)


def is_unanswered(call: Finished) -> bool:
    """Tell whether nothing at all came back."""
    return call.exchange.status is None and call.exchange.turn is None
