"""The results of a batch: many whole answers in one file or list, each priced by itself, at the price of batches.

A file may have 50,000 lines and 200 MB, so it is read line by line, and what is kept of it are sums of requests that
cost the same by any price table: of one model, at one place, with prompts so nearly as long that no long-context
price lies between them. Those begin at round numbers of tokens, so prompts are told apart at each multiple of 1,000
and of 1,024, from 8,000 on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from http import HTTPStatus

from llmitm.calls import AlikeRequests, Answer, Batch, Json, Usage
from llmitm.providers.base import Head, Results
from llmitm.wire import jsontext

type ReadResult = Callable[[dict[str, Json]], Answer | None]
"""Reads one result: its answer, with an error where the request failed; None for what is no result of a batch."""

_SHORT_PROMPT = 8_000
"""Tokens below which no prompt is long."""
_STEPS = (1_000, 1_024)
_COUNTS = tuple(one.name for one in fields(Usage) if one.name not in ("source", "other", "billed"))


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    prompt: int = 0
    reported: int = 0
    """Requests that told what they used."""
    counts: dict[str, int] = field(default_factory=dict)
    other: dict[str, int | float] = field(default_factory=dict)
    billed: dict[str, int | float] = field(default_factory=dict)

    def add(self, usage: Usage) -> None:
        self.requests += 1
        self.reported += usage.source == "reported"
        self.prompt = max(self.prompt, usage.input_tokens or 0)
        for name in _COUNTS:
            count = getattr(usage, name)
            if count is not None:
                self.counts[name] = self.counts.get(name, 0) + count
        for units, sums in ((usage.other, self.other), (usage.billed, self.billed)):
            for unit, quantity in units.items():
                sums[unit] = sums.get(unit, 0) + quantity

    def usage(self) -> Usage:
        if not self.reported:
            return Usage()
        return Usage("reported", **self.counts, other=self.other, billed=self.billed)


class BatchResults(Results):
    """Add results up as they come."""

    def __init__(self, read: ReadResult) -> None:
        self._read = read
        self._sums: dict[tuple[str, str | None, str, tuple[int, ...]], _Sum] = {}
        self._models: Counter[str] = Counter()
        self._all = _Sum()
        self._is_other = False
        self._unread = 0
        self._requests = 0
        self._failed = 0
        self._cost: Decimal | None = Decimal(0)
        """What the provider says of all of them; None as soon as it says nothing of one."""

    def line(self, data: bytes) -> None:
        """Take a line of a file; one that does not begin as results do is no file of results."""
        if not self._is_other:
            self.add(jsontext.parse_or_none(data))

    def unread(self) -> None:
        """Take note of something that could not be read."""
        self._unread += 1

    def add(self, document: Json) -> None:
        """Take one result."""
        answer = self._read(document) if isinstance(document, dict) else None
        if answer is None:
            self._is_other = not self._requests
            self._unread += 1
            return
        self._requests += 1
        if answer.error_type or answer.error_message:
            self._failed += 1
            return
        cost = answer.provider_cost_usd
        self._cost = None if self._cost is None or cost is None else self._cost + cost
        for model, usage in _shares(answer):
            self._models[model] += 1
            self._all.add(usage)
            key = model, answer.inference_geo, usage.source, _length(usage.input_tokens or 0)
            if key not in self._sums:
                self._sums[key] = _Sum()
            self._sums[key].add(usage)

    def answer(self, head: Head) -> Answer | None:
        """Return the results as one answer; None where there were none."""
        if not self._requests:
            return None
        is_part = self._unread or head.status == HTTPStatus.PARTIAL_CONTENT
        return Answer(
            model=self._models.most_common(1)[0][0] or None if self._models else None,
            response_id=head.endpoint.resource,
            usage=self._all.usage(),
            service_tier="batch",
            provider_cost_usd=self._cost if self._models else None,
            job="part" if is_part else "done",
            batch=Batch(
                self._requests,
                self._failed,
                [
                    AlikeRequests(model, geo, each.prompt, each.requests, each.usage())
                    for (model, geo, _, _), each in self._sums.items()
                ],
            ),
        )


def _shares(answer: Answer) -> list[tuple[str, Usage]]:
    if answer.by_model:
        return [(part.model, part.usage) for part in answer.by_model]
    return [(answer.model or "", answer.usage)]


def _length(prompt: int) -> tuple[int, ...]:
    """Return what prompts between the same two limits have in common, whether a limit belongs to what is above or below."""
    if prompt < _SHORT_PROMPT:
        return ()
    return tuple(place for step in _STEPS for place in (prompt // step, (prompt - 1) // step))
