"""When an alert fires: `METRIC [OP] VALUE [/ WINDOW] [by GROUP] [where KEY=VALUE] [if calls >= N]`, read out of one line.

`spend > 50 / day`, `error rate > 5% / 15m by provider if calls >= 20`, `p95 latency > 10s / 1h where model=gpt-*`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, cast, get_args

from llmitm.policy import alert_windows
from llmitm.policy.alert_windows import Window

Metric = Literal[
    "spend",
    "calls",
    "tokens",
    "input_tokens",
    "output_tokens",
    "unpriced",
    "error_rate",
    "429_rate",
    "cache_hit_rate",
    "latency",
    "first_content",
    "budget_use",
    "runaways",
]
Operator = Literal[">", ">=", "<", "<="]
Unit = Literal["usd", "share", "ms", "count"]

GROUPS = (
    "user",
    "model",
    "provider",
    "client",
    "run",
    "session",
    "operation",
    "program",
    "directory",
    "repository",
    "branch",
)
"""What values can be told apart by, beside `property:NAME`."""
KEYS = ("user", "model", "provider", "client", "run", "session")
"""What calls can be chosen by, beside `property:NAME`."""
FORM = "METRIC [OP] VALUE [/ WINDOW] [by GROUP] [where KEY=VALUE] [if calls >= N]"

_UNITS: Mapping[Metric, Unit] = {
    "spend": "usd",
    "error_rate": "share",
    "429_rate": "share",
    "cache_hit_rate": "share",
    "budget_use": "share",
    "latency": "ms",
    "first_content": "ms",
}
_AMOUNTS = ("spend", "calls", "tokens", "input_tokens", "output_tokens", "unpriced", "runaways")
"""They add up over a window, and are 0 where there are no calls."""
_WORDS = {
    "spend": "spend",
    "unpriced": "calls without a price",
    "429_rate": "429 rate",
    "latency": "latency",
    "first_content": "time to first content",
    "budget_use": "budget use",
}
_EXPRESSION = re.compile(
    r"""(?:p(?P<percentile>\d{1,2}(?:\.\d+)?)\s+)?
    (?P<metric>(?:429[\s_-]?)?[a-z][a-z\s_-]*?)\s*
    (?P<operator>>=|<=|>|<)?\s*
    (?P<value>\$?\d[\d,_]*(?:\.\d+)?\s*(?:%|ms|s|min|[kKM])?)
    (?:\s*(?:/|\bper\b)\s*(?P<window>[\w]+))?
    (?:\s+by\s+(?P<by>[^\s,]+(?:\s*,\s*[^\s,]+)*))?
    (?:\s+where\s+(?P<where>.+?))?
    (?:\s+if\s+calls\s*>=\s*(?P<least>\d+))?""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"(\$?)([\d,_.]+)\s*(\D*)")
_PAIR = re.compile(r"""\s*([\w:.-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s,]+)\s*(?:,|\s|$)""")
_SCALES: Mapping[str, tuple[Unit, Decimal]] = {
    "%": ("share", Decimal("0.01")),
    "ms": ("ms", Decimal(1)),
    "s": ("ms", Decimal(1_000)),
    "min": ("ms", Decimal(60_000)),
    "k": ("count", Decimal(1_000)),
    "K": ("count", Decimal(1_000)),
    "M": ("count", Decimal(1_000_000)),
}
_WRITTEN: Mapping[Unit, tuple[Decimal, str]] = {
    "share": (Decimal(100), "%"),
    "ms": (Decimal("0.001"), "s"),
    "count": (Decimal(1), ""),
}
_LEAST_CALLS = 10
"""Calls from which on a share or a percentile says something."""
_BACK = Decimal("0.1")
"""How far, as a share of the threshold, a value has to go back before the alert is over."""
_PROPERTY = "property:"
_BUDGET = ("budget",)
_RUN = ("run",)
"""What is told of runaways."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is watched, and from where on it is too much, or too little."""

    metric: Metric
    operator: Operator
    threshold: Decimal
    """USD, a share of 1, milliseconds, or a count."""
    window: Window | None
    """None for the use of budgets, which have their own."""
    by: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    least_calls: int = 0
    """With fewer calls in the window nothing fires."""
    percentile: Decimal | None = None

    @property
    def unit(self) -> Unit:
        """What values are measured in."""
        return _UNITS.get(self.metric, "count")

    @property
    def is_amount(self) -> bool:
        """Whether it adds up, and is 0 where there are no calls."""
        return self.metric in _AMOUNTS

    @property
    def words(self) -> str:
        """What is measured, as a sentence begins."""
        name = _WORDS.get(self.metric, self.metric.replace("_", " "))
        return name if self.percentile is None else f"p{self.percentile.normalize():f} {name}"

    def crossed(self, value: Decimal) -> bool:
        """Tell whether a value is beyond the threshold."""
        return _compare(value, self.operator, self.threshold)

    def is_back(self, value: Decimal) -> bool:
        """Tell whether a value is so far on the good side that the alert is over."""
        if self.crossed(value):
            return False
        margin = self.threshold * _BACK
        if self.operator in (">", ">="):
            return value <= self.threshold - margin
        if self.unit == "share":  # a rate cannot go back beyond 1
            margin = min(margin, (1 - self.threshold) * _BACK)
        return value >= self.threshold + margin

    def __str__(self) -> str:
        name = self.metric.replace("_", " ") if self.percentile is None else self._percentile()
        parts = [f"{name} {self.operator} {written(self.threshold, self.unit)}"]
        if self.window is not None:
            parts.append(f"/ {self.window}")
        if self.by and self.by != _BUDGET:
            parts.append(f"by {', '.join(self.by)}")
        if self.where:
            pairs = (f"{key}={_quoted(value)}" for key, value in self.where.items())
            parts.append(f"where {', '.join(pairs)}")
        if self.least_calls:
            parts.append(f"if calls >= {self.least_calls}")
        return " ".join(parts)

    def _percentile(self) -> str:
        return f"p{(self.percentile or Decimal(0)).normalize():f} {self.metric}"


def parse(text: str) -> Condition:
    """Read a condition. Raises `ValueError`, which says what is wrong and what is allowed."""
    match = _EXPRESSION.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text!r} is no condition: {FORM}, such as 'spend > 50 / day'")
    metric = _metric(match["metric"], match["percentile"])
    operator = cast(Operator, match["operator"] or ">")
    threshold = _threshold(match["value"], _UNITS.get(metric, "count"), metric)
    window = _window(match["window"], metric, operator)
    least = int(match["least"]) if match["least"] else 0
    if match["least"] is None and metric not in _AMOUNTS and metric != "budget_use":
        least = _LEAST_CALLS
    percentile = Decimal(match["percentile"]) if match["percentile"] else None
    by = _groups(match["by"] or "", metric)
    where = _pairs(match["where"], metric) if match["where"] else {}
    if by and operator in ("<", "<=") and metric in _AMOUNTS:
        raise ValueError(
            f"{metric} {operator} by {', '.join(by)}: groups without calls are not known, so too little of one cannot be seen"
        )
    if operator == "<" and not threshold:
        raise ValueError(f"{metric} < 0 is never so")
    return Condition(metric, operator, threshold, window, by, where, least, percentile)


def shown(value: Decimal, unit: Unit) -> str:
    """Return a value as people read it, with all its digits where it is money."""
    if unit == "usd":
        digits = max(2, -int(value.normalize().as_tuple().exponent)) if value % 1 else 0
        return f"${value:,.{digits}f}"
    if unit == "share":
        return f"{_short(value * 100)}%"
    if unit == "ms":
        return f"{_short(value / 1000)}s" if value >= 1_000 else f"{_short(value)}ms"
    return f"{value:,.0f}"


def written(value: Decimal, unit: Unit) -> str:
    """Return a threshold as it may stand in a condition, with all its digits."""
    if unit == "usd":
        return shown(value, unit)
    scale, sign = _WRITTEN[unit]
    return f"{(value * scale).normalize():,f}{sign}"


def _short(value: Decimal) -> str:
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def _compare(value: Decimal, operator: Operator, threshold: Decimal) -> bool:
    match operator:
        case ">":
            return value > threshold
        case ">=":
            return value >= threshold
        case "<":
            return value < threshold
        case "<=":
            return value <= threshold


def _metric(text: str, percentile: str | None) -> Metric:
    name = re.sub(r"[\s_-]+", "_", text.strip())
    allowed = [
        f"p95 {each}" if each in ("latency", "first_content") else each for each in get_args(Metric)
    ]
    if name not in get_args(Metric) or (percentile is None) == (
        name in ("latency", "first_content")
    ):
        given = text if percentile is None else f"p{percentile} {text}"
        raise ValueError(f"metric {given!r}: allowed is {', '.join(allowed)}")
    if percentile is not None and not Decimal(percentile):
        raise ValueError(f"p{percentile}: allowed is p1 to p99.9")
    return name  # type: ignore[return-value]


def _threshold(text: str, unit: Unit, metric: Metric) -> Decimal:
    match = _NUMBER.fullmatch(text)
    assert match is not None  # by the expression
    try:
        number = Decimal(match[2].replace(",", "").replace("_", ""))
    except ArithmeticError:
        raise ValueError(f"value {text!r}: a number") from None
    given, scale = _SCALES.get(match[3], (None, Decimal(1)))
    # Every unit has to be said where there is more than one, or a bare 5 might be 5 ms.
    wrong = {
        "usd": given not in (None, "count"),
        "count": bool(match[1]) or given not in (None, "count"),
        "share": bool(match[1]) or given != "share",
        "ms": bool(match[1]) or given != "ms",
    }[unit]
    if wrong:
        example = {"usd": "50 or $50", "count": "100, 10k or 1.5M", "share": "5%", "ms": "10s or 800ms"}  # fmt: skip
        raise ValueError(f"value {text!r}: {metric} is measured as {example[unit]}")
    if metric != "budget_use" and unit == "share" and number > 100:
        raise ValueError(f"value {text!r}: {metric} is 100% at most")
    return number * scale


def _window(text: str | None, metric: Metric, operator: Operator) -> Window | None:
    if metric == "budget_use":
        if text is not None:
            raise ValueError(f"budget_use / {text}: a budget has a window of its own")
        return None
    usual = "day" if metric in _AMOUNTS else "1h"
    window = alert_windows.parse(text or usual)
    if metric in _AMOUNTS and operator in ("<", "<=") and window.calendar is not None:
        raise ValueError(
            f"{metric} {operator} / {window}: a {window} always begins with nothing; name a span such as 24h"
        )
    return window


def _groups(text: str, metric: Metric) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if metric == "budget_use":
        if names not in ((), _BUDGET):
            raise ValueError(f"by {text!r}: allowed with budget_use is budget")
        return _BUDGET
    if metric == "runaways" and names not in ((), _RUN):
        raise ValueError(f"by {text!r}: allowed with runaways is run")
    for name in names:
        if name not in GROUPS and not _is_property(name):
            raise ValueError(f"by {name!r}: allowed is {', '.join(GROUPS)}, property:NAME")
    if len(set(names)) < len(names):
        raise ValueError(f"by {text!r}: each once")
    return names


def _is_property(name: str) -> bool:
    return name.startswith(_PROPERTY) and name != _PROPERTY


def _pairs(text: str, metric: Metric) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            raise ValueError(
                f'where {text!r}: KEY=VALUE, with commas between; spaces in quotes: "..."'
            )
        key, value = match[1], match[2].strip("\"'")
        known = {"budget_use": _BUDGET, "runaways": _RUN}.get(metric, KEYS)
        if key not in known and not (known is KEYS and _is_property(key)):
            more = ", property:NAME" if known is KEYS else ""
            raise ValueError(f"where {key!r}: allowed with {metric} is {', '.join(known)}{more}")
        if key in found:
            raise ValueError(f"where {key!r}: once")
        found[key] = value
        at = match.end()
    return found


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s,\"']+", value) else f'"{value}"'
