"""Budgets: how much money may be spent on which calls, and what is done with a call that would go beyond.

A budget is for the calls that all its patterns match; with `each` every value has the budget to itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from operator import attrgetter, methodcaller
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from llmitm.calls import Json
from llmitm.money import nano
from llmitm.policy.patterns import ByProperty, Patterns, matcher
from llmitm.policy.windows import Period, period

_MOST_USD = 1_000_000_000
_MOST_FOUND = 10_000
"""Different callers whose budgets are remembered."""
_FALLBACK = "fallback:"
_FIELDS = ("provider", "model", "user", "session", "run", "key", "client")
"""What a budget can be for, and for each of, beside a property of any name."""

type UnpricedRule = Literal["block", "warn"] | Decimal


def _usd(value: Json) -> Decimal:
    """Read an amount in USD: a number, or a text such as "$2.50"."""
    try:
        amount = Decimal(str(value).strip().removeprefix("$")) if _may_be_usd(value) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= _MOST_USD:
        raise ValueError("an amount in USD such as 20 or 0.50")
    return amount


def _may_be_usd(value: Json) -> bool:
    return isinstance(value, int | float | str | Decimal) and not isinstance(value, bool)


def _period(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("hour, day, week, month, total, or a sliding length such as 24h")
    return period(value).text


def _on_limit(value: str) -> str:
    if value in ("block", "warn") or (value.startswith(_FALLBACK) and value != _FALLBACK):
        return value
    raise ValueError("block, warn or fallback:MODEL")


def _unpriced(value: Json) -> UnpricedRule:
    if value == "block" or value == "warn":
        return "block" if value == "block" else "warn"
    try:
        return _usd(value)
    except ValueError:
        raise ValueError("block, warn, or the USD that such a call counts as") from None


def _percents(value: tuple[int, ...]) -> tuple[int, ...]:
    if any(not 1 <= percent <= 100 for percent in value):
        raise ValueError("a list of percentages from 1 to 100")
    return tuple(sorted(set(value)))


class Budget(BaseModel):
    """What may be spent, in which time, on which calls."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    limit: Annotated[Decimal, BeforeValidator(_usd)]
    """USD."""
    per: Annotated[str, BeforeValidator(_period)] = "month"
    """`hour`, `day`, `week`, `month`, `total`, or a sliding length such as `24h`."""
    provider: Patterns | None = None
    model: Patterns | None = None
    """As the call asks for it."""
    user: Patterns | None = None
    session: Patterns | None = None
    run: Patterns | None = None
    key: Patterns | None = None
    """The fingerprint of an API key, as the log has it."""
    client: Patterns | None = None
    property: ByProperty | None = None
    each: Annotated[str, Field(min_length=1)] | None = None
    """`user`, `session`, `run`, `provider`, `model`, `key`, `client` or a property's name: each value has it to itself."""
    on_limit: Annotated[str, AfterValidator(_on_limit)] = "block"
    unpriced: Annotated[UnpricedRule, BeforeValidator(_unpriced)] = "block"
    """What is done with a call whose price is not known beforehand."""
    warn_at: Annotated[tuple[int, ...], AfterValidator(_percents)] = (50, 80, 90, 100)
    """At which percentages of the limit is warned, once in each period."""
    cut_streams: bool = False
    """End a running stream that would go beyond the limit."""

    @cached_property
    def period(self) -> Period:
        """For how long it holds."""
        return period(self.per)

    @cached_property
    def limit_nanousd(self) -> int:
        """The limit in nano-dollars."""
        return nano(self.limit)

    @cached_property
    def fallback(self) -> str | None:
        """The model that calls go to at the limit."""
        return (
            self.on_limit.removeprefix(_FALLBACK) if self.on_limit.startswith(_FALLBACK) else None
        )

    @cached_property
    def identity(self) -> str:
        """What makes its accounts its own: another limit leaves them as they are, another period does not."""
        parts = self.model_dump(include={"per", "property", "each", *_FIELDS}, exclude_none=True)
        text = json.dumps(parts, sort_keys=True)
        return f"{self.name}#{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"

    def describe(self) -> str:
        """Return which calls it is for, in words; empty for all."""
        words = [
            f"{name}={'|'.join(patterns)}"
            for name in _FIELDS
            if (patterns := getattr(self, name)) is not None
        ]
        words += [f"{name}={'|'.join(values)}" for name, values in (self.property or {}).items()]
        return " ".join([*words, *([f"each {self.each}"] if self.each else [])])


class Who(NamedTuple):
    """What budgets look at of a call."""

    provider: str
    model: str | None = None
    user: str | None = None
    session: str | None = None
    run: str | None = None
    key: str | None = None
    client: str | None = None
    properties: Mapping[str, str] = {}

    def value(self, name: str) -> str | None:
        """Return one of the above, else a property by its name."""
        if name in _FIELDS:
            found: str | None = getattr(self, name)
            return found
        return self.property(name)

    def property(self, name: str) -> str | None:
        """Return a property by its name, whatever its case."""
        wanted = name.lower()
        return next((text for key, text in self.properties.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Held:
    """A budget that holds for a call, and for whose account."""

    budget: Budget
    value: str = ""
    """Of what the budget is for each of; empty for all together, and for calls that have none."""


class _Prepared(NamedTuple):
    budget: Budget
    matchers: Sequence[Callable[[Who], bool]]


class Budgets:
    """All budgets that are defined, ready to be looked up."""

    def __init__(self, defined: Sequence[Budget] = ()) -> None:
        self.defined = tuple(defined)
        self._for_all: list[Held] = []
        self._prepared: list[_Prepared] = []
        self._by_run: dict[str, list[_Prepared]] = {}
        self._properties = sorted(self.property_names())
        self._found: dict[tuple[str | None, ...], Sequence[Held]] = {}
        for budget in self.defined:
            prepared = _Prepared(budget, tuple(_matchers(budget)))
            if not prepared.matchers and budget.each is None:
                self._for_all.append(Held(budget))
            elif budget.run is not None and len(budget.run) == 1 and not _is_pattern(budget.run[0]):
                # Each `llmitm run --budget` adds one of these.
                self._by_run.setdefault(budget.run[0].lower(), []).append(prepared)
            else:
                self._prepared.append(prepared)

    def __bool__(self) -> bool:
        return bool(self.defined)

    def property_names(self) -> Collection[str]:
        """Return the properties that any of them looks at, in lower case."""
        names = {name.lower() for budget in self.defined for name in budget.property or {}}
        return names | {
            budget.each.lower() for budget in self.defined if budget.each not in (None, *_FIELDS)
        }

    def holding(self, who: Who) -> Sequence[Held]:
        """Return the budgets that hold for a call."""
        looked_at = [who.property(name) for name in self._properties]
        key = (*who[:-1], *looked_at)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            found = self._found[key] = self._holding(who)
        return found

    def _holding(self, who: Who) -> Sequence[Held]:
        found = list(self._for_all)
        several = self._prepared
        if who.run is not None and self._by_run:
            several = several + self._by_run.get(who.run.lower(), [])
        for budget, matchers in several:
            if all(matches(who) for matches in matchers):
                value = "" if budget.each is None else who.value(budget.each) or ""
                found.append(Held(budget, value))
        return found


def merged(settings: Sequence[Budget], made: Sequence[Budget]) -> tuple[Budget, ...]:
    """Return all budgets; one that was made by hand goes before one of the settings with its name."""
    return tuple({budget.name: budget for budget in (*settings, *made)}.values())


def _is_pattern(text: str) -> bool:
    return re.search(r"[*?\[]", text) is not None


def _matchers(budget: Budget) -> Iterator[Callable[[Who], bool]]:
    for name in _FIELDS:
        patterns = getattr(budget, name)
        if patterns is not None:
            yield matcher(patterns, attrgetter(name))
    for name, patterns in (budget.property or {}).items():
        yield matcher(patterns, methodcaller("property", name))
