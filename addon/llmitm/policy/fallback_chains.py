"""Where a call goes that has failed, in all spellings: models, a JSON array of targets, a list as the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from llmitm.calls import Json
from llmitm.policy import values
from llmitm.policy.directives import FALLBACK_CODES, FallbackDirective, FallbackTarget

_MOST_TARGETS = 20
_KEYS = ("target-url", "headers", "onCodes", "bodyKeyOverride")


def of_models(
    texts: Sequence[str], codes: values.Codes | None, providers: Collection[str]
) -> FallbackDirective | None:
    """Return the chain that a list of models makes; None where the list only excludes providers."""
    at = FALLBACK_CODES if codes is None else codes
    targets, excluded = _read(texts, at, providers)
    return FallbackDirective(targets, at, excluded) if targets else None


def model_list(
    text: str, providers: Collection[str]
) -> tuple[FallbackTarget, FallbackDirective] | None:
    """Read a body's `model` that is a list: `gpt-4o-mini,claude-sonnet-4-6/anthropic,!azure`.

    `providers` are the names that may be pinned and excluded. Returns None where it is one model, or no list.
    """
    if "," not in text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.strip("!") and not any(map(str.isspace, part)) for part in parts):
        return None
    targets, excluded = _read(parts, FALLBACK_CODES, providers)
    if not targets:
        return None
    return targets[0], FallbackDirective(targets[1:], FALLBACK_CODES, excluded)


def of_array(value: Json) -> FallbackDirective:
    """Read the array of `Helicone-Fallbacks`, whose first entry is the call itself.

    Raises `ValueError`, which never has a value of the array in it: there may be keys among them.
    """
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str)
        or not 0 < len(value) <= _MOST_TARGETS
    ):
        raise ValueError(f"a list of 1 to {_MOST_TARGETS} targets with {', '.join(_KEYS)}")
    first, *others = (_target(entry, number) for number, entry in enumerate(value, 1))
    primary = first if first.url or first.headers or first.body else None
    return FallbackDirective(tuple(others), first.on_codes, primary=primary)


def _target(entry: Json, number: int) -> FallbackTarget:
    if not isinstance(entry, Mapping) or not set(entry) <= set(_KEYS):
        raise ValueError(f"in entry {number} only {', '.join(_KEYS)}")
    url, headers, body = (
        entry.get("target-url"),
        entry.get("headers", {}),
        entry.get("bodyKeyOverride", {}),
    )
    if not isinstance(headers, Mapping) or not all(_is_header(*pair) for pair in headers.items()):
        raise ValueError(f"in entry {number} as headers names with texts of one line")
    if not isinstance(body, Mapping):
        raise ValueError(f"in entry {number} as bodyKeyOverride keys with values")
    if url is not None and not isinstance(url, str):
        raise ValueError(f"in entry {number} as target-url a text")
    try:
        return FallbackTarget(
            url=None if url is None else values.origin(url),
            headers=dict(headers),
            body=dict(body),
            on_codes=values.code_sequence(entry["onCodes"])
            if "onCodes" in entry
            else FALLBACK_CODES,
        )
    except ValueError as error:
        raise ValueError(f"in entry {number} {error}") from None


def _is_header(name: Json, value: Json) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or not name.isascii():
        return False
    return name.replace("-", "").replace("_", "").isalnum() and value.isprintable()


def _read(
    texts: Sequence[str], codes: Sequence[tuple[int, int]], providers: Collection[str]
) -> tuple[tuple[FallbackTarget, ...], frozenset[str]]:
    """Return the targets, without those of excluded providers, and the providers that are excluded."""
    excluded = frozenset(text[1:].strip().lower() for text in texts if text.startswith("!"))
    targets = [_pinned(text, codes, providers) for text in texts if not text.startswith("!")]
    return tuple(target for target in targets if target.provider not in excluded), excluded


def _pinned(
    text: str, codes: Sequence[tuple[int, int]], providers: Collection[str]
) -> FallbackTarget:
    """Read `model` or `model/provider`; what ends in no provider's name is a model with a `/` in it."""
    model, slash, provider = text.rpartition("/")
    if slash and model and provider.lower() in providers:
        return FallbackTarget(model=model, provider=provider.lower(), on_codes=codes)
    return FallbackTarget(model=text, on_codes=codes)
