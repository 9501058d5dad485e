"""What a page is asked: the filters in its address, under the names that the command line has for them too.

The same question can be written as a line (`model:claude* tag:nightly status:>=400 cost:>0.05 "retry"`), as an address
and as options of the command line.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from llmitm.cli.filtering import moment
from llmitm.errors import LlmitmError
from llmitm.store.filters import Filter, status_range

SINCE = "24h"
"""Where nothing is said."""
ALL = "all"
RANGES = ("15m", "1h", "6h", "24h", "7d", "30d", "90d", ALL)
_WORD = re.compile(r'(?:([\w.-]+):)?(?:"([^"]*)"|(\S+))')
_NANO_USD = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Question:
    """Filters as a person writes them."""

    since: str = SINCE
    until: str = ""
    model: str = ""
    provider: str = ""
    user: str = ""
    run: str = ""
    session: str = ""
    client: str = ""
    status: str = ""
    errors: str = ""
    """`1` for calls that did not end well only."""
    min_cost: str = ""
    """USD."""
    text: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, arguments: Mapping[str, Sequence[str]]) -> Question:
        """Return what an address asks. Raises `LlmitmError`."""
        plain = {name: arguments[name][-1].strip() for name in _PLAIN if arguments.get(name)}
        tags = dict(_tag(text) for text in arguments.get("tag", ()) if text.strip())
        question = cls(**plain, tags=tags)
        question.filter()
        return question

    def with_line(self, line: str) -> Question:
        """Return the question that a filter line asks, for the same time where it names none. Raises `LlmitmError`."""
        found: dict[str, str] = {"since": self.since, "until": self.until}
        tags: dict[str, str] = {}
        words: list[str] = []
        for name, value in _words(line):
            if name in _LINE:
                found[name] = value
            elif name == "is" and value in ("error", "errors"):
                found["errors"] = "1"
            elif name == "cost":
                found["min_cost"] = _least_cost(value)
            elif name == "tag":
                tags |= [_tag(value)]
            elif name == "text":
                words.append(_quoted(value))
            elif name:
                tags[name] = value
            else:
                words.append(value)
        question = Question(**found, text=" ".join(words), tags=tags)
        question.filter()
        return question

    def line(self) -> str:
        """Return the question as a filter line, without its time."""
        words = [f"{name}:{_quoted(getattr(self, name))}" for name in _LINE if getattr(self, name)]
        words = [word for word in words if not word.startswith(("since:", "until:"))]
        words += [f"{_tag_name(name)}:{_quoted(value)}" for name, value in self.tags.items()]
        if self.errors:
            words.append("is:error")
        if self.min_cost:
            words.append(f"cost:>={self.min_cost}")
        return " ".join([*words, *([self.text] if self.text else [])])

    def query(self, **changes: str) -> str:
        """Return the question as the query of an address, with other parameters of the page or other filters."""
        own: dict[str, Any] = {name: changes.pop(name) for name in list(changes) if name in _PLAIN}
        question = replace(self, **own) if own else self
        pairs = question.pairs()
        pairs += [(name, value) for name, value in changes.items() if value]
        return f"?{urlencode(pairs)}" if pairs else ""

    def pairs(self) -> list[tuple[str, str]]:
        """Return the question as parameters of an address, or hidden fields of a form."""
        pairs = [(name, getattr(self, name)) for name in _PLAIN if getattr(self, name)]
        pairs = [pair for pair in pairs if pair != ("since", SINCE)]
        return [*pairs, *(("tag", f"{name}={value}") for name, value in self.tags.items())]

    def narrowed(self, dimension: str, value: str) -> Question:
        """Return the question for those calls only that have a value of a dimension, such as `model` or `property:team`."""
        if dimension.startswith("property:"):
            return replace(self, tags={**self.tags, dimension.removeprefix("property:"): value})
        changes: dict[str, Any] = {dimension: value}
        return replace(self, **changes)

    def between(self, since: datetime, until: datetime) -> Question:
        """Return the same question for another time."""
        return replace(self, since=_time(since), until=_time(until))

    def options(self) -> str:
        """Return the question as options of the command line."""
        words: list[str] = []
        for name in _PLAIN:
            value = getattr(self, name)
            if value and name != "errors" and (name, value) != ("since", ALL):
                words += [f"--{name.replace('_', '-')}", value]
        words += ["--errors"] if self.errors else []
        for name, value in self.tags.items():
            words += ["--tag", f"{name}={value}"]
        return shlex.join(words)

    def filter(self) -> Filter:
        """Return what the reader is asked. Raises `LlmitmError`."""
        if self.status:
            status_range(self.status)
        return Filter(
            since=None if self.since == ALL else _moment("since", self.since or SINCE),
            until=_moment("until", self.until) if self.until else None,
            model=self.model or None,
            provider=self.provider or None,
            user=self.user or None,
            run=self.run or None,
            session=self.session or None,
            client=self.client or None,
            properties=self.tags,
            status=self.status or None,
            errors=bool(self.errors),
            min_cost=_usd(self.min_cost) if self.min_cost else None,
            text=self.text or None,
        )


_PLAIN = tuple(each.name for each in fields(Question) if each.name != "tags")
_LINE = ("since", "until", "model", "provider", "user", "run", "session", "client", "status")
"""Filters that a line has under their own names."""


def _words(line: str) -> Iterator[tuple[str, str]]:
    """Yield names and values; the name is empty for what is looked for in the texts."""
    for match in _WORD.finditer(line):
        name, quoted, plain = match[1] or "", match[2], match[3]
        value = quoted if quoted is not None else plain.strip('"')
        if not name and quoted is not None:
            yield "text", value
        elif value:
            yield (
                name.lower() if name.lower() in (*_LINE, "is", "cost", "tag", "text") else name,
                value,
            )


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"\s", text) or not text else text


def _tag(text: str) -> tuple[str, str]:
    """Return name and value of `project=nightly`; one word alone is the value of `tag`, as on the command line."""
    name, equals, value = text.strip().partition("=")
    return (name, value) if equals else ("tag", name)


def _tag_name(name: str) -> str:
    return name


def _least_cost(text: str) -> str:
    """Return the least cost that `>0.05` or `>=0.05` means."""
    if text.startswith(">="):
        return str(_usd(text[2:]))
    if text.startswith(">"):
        return f"{_usd(text[1:]) + _NANO_USD:f}"
    raise LlmitmError(f"cost:{text} is not known: allowed are cost:>0.05 and cost:>=0.05, in USD")


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite():
        raise LlmitmError(f"{text!r} is no amount in USD, such as 0.05")
    return amount


def _moment(name: str, text: str) -> datetime:
    try:
        return moment(text)
    except (argparse.ArgumentTypeError, OverflowError) as error:
        raise LlmitmError(f"{name}: {error}") from None


def _time(time: datetime) -> str:
    return time.isoformat(timespec="minutes" if not time.second else "seconds")
