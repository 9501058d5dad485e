"""Values of control headers and settings: from text, or what TOML makes of it, to what is meant.

Each function raises `ValueError` with what is allowed, in words that fit after "allowed is".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal
from urllib.parse import urlsplit

from llmitm.calls import Json
from llmitm.policy.directives import DAY_SECONDS, RateLimitDirective
from llmitm.wire import jsontext

LONGEST_AGE = 365 * DAY_SECONDS
MOST_ANSWERS = 20
MOST_RETRIES = 20
LARGEST_FACTOR = 10.0
LONGEST_WAIT = 3_600.0
"""Seconds; of a single wait and of all of them."""
MOST_URGENT = 100
_PRIORITIES = {"high": 10, "normal": 0, "low": -10}
_WHOLE = re.compile(r"[+-]?[0-9]{1,3}")
_SHORTEST_WINDOW = 60
_LONGEST_WINDOW = 31_536_000
_LARGEST_QUOTA = Decimal(10**12)
_UNITS_OF_LIMITS: Mapping[str, Literal["request", "token", "cents"]] = {
    "request": "request",
    "token": "token",
    "cents": "cents",
}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|d|w)")
_CODES = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,]+)')
_FIRST_CODE, _LAST_CODE = 100, 599

type Codes = tuple[tuple[int, int], ...]


def boolean(text: str) -> bool:
    """Read a switch; Python's `str(True)` is one too."""
    value = text.strip().lower()
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def whole(text: str, low: int, high: int) -> int:
    """Read a whole number."""
    value = text.strip()
    if not (
        value.isascii() and value.isdecimal() and len(value) < 16 and low <= int(value) <= high
    ):
        raise ValueError(f"a whole number from {low} to {high}")
    return int(value)


def fraction(text: str, low: float, high: float) -> float:
    """Read a number."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not low <= value <= high:  # never so of a NaN
        raise ValueError(f"a number from {low:g} to {high:g}")
    return value


def seconds(value: Json, longest: float) -> float:
    """Read a length of time: a number of seconds, or a number and its unit."""
    found: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value)
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        found = float(match[1]) * _UNITS[match[2]]
    if found is None or not 0 <= found <= longest:
        unit = next(unit for unit in ("d", "h", "m", "s") if longest >= _UNITS[unit])
        raise ValueError(
            f'seconds, or a number with ms, s, m, h, d or w such as "90s", up to {longest / _UNITS[unit]:g}{unit}'
        )
    return found


def priority(value: Json) -> int:
    """Read how urgent a call is: a whole number, or `high`, `normal`, `low`."""
    text = str(value).strip().lower()
    if text in _PRIORITIES:
        return _PRIORITIES[text]
    if not isinstance(value, bool) and _WHOLE.fullmatch(text) and abs(int(text)) <= MOST_URGENT:
        return int(text)
    raise ValueError(f"high, normal, low, or a whole number from -{MOST_URGENT} to {MOST_URGENT}")


def names(text: str) -> tuple[str, ...]:
    """Read a comma list of names."""
    found = tuple(filter(None, (name.strip() for name in text.split(","))))
    if not found:
        raise ValueError("a comma list of names")
    return found


def keys(text: str) -> tuple[str, ...]:
    """Read body keys: `a,b`, `"a","b"` or a JSON array, each with dots for what is inside another."""
    value = text.strip()
    if value.startswith("["):
        found = jsontext.parse_or_none(value)
        if isinstance(found, list) and found and all(isinstance(key, str) and key for key in found):
            return tuple(found)
    elif found := [
        (match[1] if match[1] is not None else match[2]).strip()
        for match in _QUOTED.finditer(value)
        if (match[1] or match[2] or "").strip()
    ]:
        return tuple(found)
    raise ValueError('keys of the body: a,b or "a","b" or ["a","b"]')


def codes(values: Iterable[Json]) -> Codes:
    """Read statuses and ranges of them: `429`, `"500-504"`, `{"from": 500, "to": 504}`."""
    found: list[tuple[int, int]] = []
    for value in values:
        if isinstance(value, dict):
            low, high = value.get("from"), value.get("to")
        elif isinstance(value, str) and (match := _CODES.fullmatch(value.strip())):
            low, high = int(match[1]), int(match[2] or match[1])
        else:
            low = high = value
        if (
            type(low) is not int
            or type(high) is not int
            or not _FIRST_CODE <= low <= high <= _LAST_CODE
        ):
            raise ValueError("statuses from 100 to 599 and ranges of them, such as 429 and 500-504")
        found.append((low, high))
    if not found:
        raise ValueError("at least one status")
    return tuple(found)


def code_list(text: str) -> Codes:
    """Read a comma list of statuses."""
    return codes(part for part in text.split(",") if part.strip())


def code_sequence(value: Json) -> Codes:
    """Read an array of statuses out of JSON or TOML."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("a list of statuses and ranges")
    return codes(value)


def origin(text: str) -> str:
    """Read where a call goes: scheme, host, and at will port and path."""
    value = text.strip()
    try:
        parts = urlsplit(value)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("https://host[:port][/path], without user, query and fragment")
    return value.rstrip("/")


def rate_limit(text: str) -> RateLimitDirective:
    """Read a policy: `QUOTA;w=SECONDS[;u=request|token|cents][;s=user|PROPERTY]`, its fields in any order."""
    allowed = (
        "QUOTA;w=SECONDS[;u=request|token|cents][;s=user|PROPERTY] with a quota above 0"
        f" and a window from {_SHORTEST_WINDOW} to {_LONGEST_WINDOW} seconds"
    )
    fields: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = (each.strip() for each in part.partition("="))
        name, value = (name.lower(), value) if equals else ("", name)
        if name in fields or name not in ("", "w", "u", "s") or not value:
            raise ValueError(allowed)
        fields[name] = value
    try:
        quota = Decimal(fields.get("", ""))
        window = whole(fields.get("w", ""), _SHORTEST_WINDOW, _LONGEST_WINDOW)
    except (InvalidOperation, ValueError):
        raise ValueError(allowed) from None
    if not quota.is_finite() or not 0 < quota <= _LARGEST_QUOTA:
        raise ValueError(allowed)
    unit = _UNITS_OF_LIMITS.get(fields.get("u", "request").lower())
    if unit is None:
        raise ValueError(allowed)
    return RateLimitDirective(quota, window, unit, fields.get("s"), text.strip())
