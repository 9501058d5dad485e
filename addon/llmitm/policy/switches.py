"""The switches of a call, each of which may be left open: as a default, a rule or a call's own headers have them.

Layers are laid over each other switch by switch, and what is then still open is off, or has the default of its directive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from llmitm.calls import Json
from llmitm.policy import fallback_chains, values
from llmitm.policy.directives import (
    CacheDirective,
    Directives,
    FallbackDirective,
    RateLimitDirective,
    RetryDirective,
)
from llmitm.policy.runaways import Action


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _not_empty(value: str) -> str:
    if not value.strip():
        raise ValueError("a text that is not empty")
    return value


def _age(value: Json) -> int:
    return int(values.seconds(value, values.LONGEST_AGE))


_Wait = Annotated[float, BeforeValidator(partial(values.seconds, longest=values.LONGEST_WAIT))]
_Name = Annotated[str, AfterValidator(_not_empty)]


class Switches(BaseModel):
    """What may be asked for. `None` and what is not set are open."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cache: bool | None = None
    """Answer identical calls from the cache, and keep answers in it."""
    cache_read: bool | None = None
    """Only answer."""
    cache_save: bool | None = None
    """Only keep."""
    cache_max_age: Annotated[int, BeforeValidator(_age)] | None = None
    """How long an answer may be served."""
    cache_bucket_size: Annotated[int, Field(ge=1, le=values.MOST_ANSWERS)] | None = None
    """How many different answers are kept before one of them is served."""
    cache_seed: str | None = None
    """A namespace."""
    cache_ignore_keys: tuple[_Name, ...] | None = None
    """Dotted paths of the body that make no difference."""
    cache_share_between_keys: bool | None = None
    """Let calls with different API keys share answers."""
    cache_ignore_volatile: bool | None = None
    """Leave out of the key what a known client puts anew into every body."""
    cache_pace: Literal["at_once", "recorded"] | None = None
    """How a stream is replayed."""
    retry: bool | None = None
    """Try a call again that failed for a reason that may pass."""
    retries: Annotated[int, Field(ge=0, le=values.MOST_RETRIES)] | None = None
    """How often, after the first attempt."""
    retry_factor: Annotated[float, Field(ge=1, le=values.LARGEST_FACTOR)] | None = None
    """By how much each wait is longer than the one before."""
    retry_first_wait: _Wait | None = None
    """The first wait at its longest, seconds."""
    retry_longest_wait: _Wait | None = None
    """The longest that is waited without a hint of the provider's, seconds."""
    retry_limit: _Wait | None = None
    """All attempts together, and a provider's hint, are to stay within it, seconds."""
    fallback_models: tuple[_Name, ...] | None = None
    """Models, `model/provider` and `!provider`, tried in turn."""
    fallback_codes: Annotated[values.Codes, BeforeValidator(values.code_sequence)] | None = None
    """Statuses at which the next is tried."""
    fallbacks: (
        Annotated[InstanceOf[FallbackDirective], BeforeValidator(fallback_chains.of_array)] | None
    ) = None
    """Targets with addresses, headers and keys of the body of their own; the first is the call itself."""
    rate_limit: (
        Annotated[
            InstanceOf[RateLimitDirective],
            BeforeValidator(lambda value: values.rate_limit(_text(value))),
        ]
        | None
    ) = None
    """`QUOTA;w=SECONDS[;u=request|token|cents][;s=user|PROPERTY]`."""
    target_url: (
        Annotated[str, BeforeValidator(lambda value: values.origin(_text(value)))] | None
    ) = None
    """Origin that the gateway sends calls to."""
    priority: Annotated[int, BeforeValidator(values.priority)] | None = None
    """Of calls that wait for their turn the higher go first."""
    runaway: Action | None = None
    """What is done where a run runs away."""
    stream_usage: bool | None = None
    """Leave the usage that was asked for in the client's stream."""


type Layer = Mapping[str, Json]
"""The switches that somebody has set, by their names, with values as `Switches` holds them."""

_HALVES = ("cache_read", "cache_save")
_REPLACES: Mapping[str, tuple[str, ...]] = {
    "cache": _HALVES,
    "fallback_models": ("fallbacks",),
    "fallbacks": ("fallback_models", "fallback_codes"),
}
"""What a layer's switch puts out of force in the layers below it."""


def layer(switches: Switches) -> Layer:
    """Return what is set."""
    return {
        name: value
        for name in Switches.model_fields
        if name in switches.model_fields_set and (value := getattr(switches, name)) is not None
    }


def merged(layers: Iterable[Layer]) -> Switches:
    """Return what holds where each layer goes before those that come earlier."""
    found: dict[str, Any] = {}
    for each in layers:
        for name in each:
            for below in _REPLACES.get(name, ()):
                found.pop(below, None)
        found.update(each)
    return Switches.model_construct(**found)


def directives(
    switches: Switches, providers: Collection[str], notes: Sequence[str] = ()
) -> Directives:
    """Return what is to be done; `providers` are the names that a fallback may be pinned to."""
    return Directives(
        cache=_cache(switches),
        retry=_retry(switches) if switches.retry else None,
        fallback=_fallback(switches, providers),
        rate_limit=switches.rate_limit,
        target_url=switches.target_url,
        priority=_or(switches.priority, 0),
        runaway=switches.runaway,
        stream_usage=bool(switches.stream_usage),
        notes=tuple(notes),
    )


def _cache(switches: Switches) -> CacheDirective | None:
    read = bool(switches.cache if switches.cache_read is None else switches.cache_read)
    save = bool(switches.cache if switches.cache_save is None else switches.cache_save)
    if not (read or save) or switches.cache_max_age == 0:
        return None
    base = CacheDirective()
    return CacheDirective(
        read=read,
        save=save,
        max_age=_or(switches.cache_max_age, base.max_age),
        bucket_size=_or(switches.cache_bucket_size, base.bucket_size),
        seed=switches.cache_seed,
        ignore_keys=_or(switches.cache_ignore_keys, base.ignore_keys),
        share_between_keys=_or(switches.cache_share_between_keys, base.share_between_keys),
        volatile=_or(switches.cache_ignore_volatile, base.volatile),
        pace=_or(switches.cache_pace, base.pace),
    )


def _retry(switches: Switches) -> RetryDirective:
    base = RetryDirective()
    return RetryDirective(
        retries=_or(switches.retries, base.retries),
        factor=_or(switches.retry_factor, base.factor),
        first_wait=_milliseconds(switches.retry_first_wait, base.first_wait),
        longest_wait=_milliseconds(switches.retry_longest_wait, base.longest_wait),
        limit=_milliseconds(switches.retry_limit, base.limit),
    )


def _fallback(switches: Switches, providers: Collection[str]) -> FallbackDirective | None:
    if switches.fallback_models:
        models, codes = switches.fallback_models, switches.fallback_codes
        return fallback_chains.of_models(models, codes, providers)
    return switches.fallbacks


def _or[T](value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value


def _milliseconds(seconds: float | None, otherwise: float) -> float:
    return otherwise if seconds is None else seconds * 1000
