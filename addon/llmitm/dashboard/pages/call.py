"""One call: what was said, what it cost, how it went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from llmitm.cli.output import count, seconds
from llmitm.cli.working import exact
from llmitm.conversation import answered, asked, common
from llmitm.dashboard.charts.waterfall import Span, waterfall
from llmitm.dashboard.differences import differences
from llmitm.dashboard.page import NotFoundError, Shown, View
from llmitm.dashboard.rows import shown
from llmitm.errors import LlmitmError
from llmitm.money import nano
from llmitm.store import threads
from llmitm.store.reader import Record

_MOST_RAW = 200_000
"""Characters of a body that are shown."""
_TOKENS = (
    ("input", "input_tokens"),
    ("of it read from the provider's cache", "cached_input_tokens"),
    ("of it written to the provider's cache", "cache_write_tokens"),
    ("of it audio", "input_audio_tokens"),
    ("of it images", "input_image_tokens"),
    ("output", "output_tokens"),
    ("of it reasoning", "reasoning_tokens"),
    ("of it audio", "output_audio_tokens"),
    ("of it images", "output_image_tokens"),
)
_FACTS = (
    ("user", "user"),
    ("session", "session_id"),
    ("run", "run_id"),
    ("client", "client"),
    ("key", "api_key"),
    ("finish", "finish_reason"),
    ("tier", "service_tier"),
    ("asked first", "provider_requested"),
)


@dataclass(frozen=True, slots=True)
class _Bodies:
    request: str | None
    response: str | None


def show(view: View) -> Shown:
    """Return the tab of the call that the address names."""
    try:
        call = view.log.call(view.rest[0])
    except LlmitmError as error:
        raise NotFoundError(str(error)) from error
    tab = view.rest[1] if len(view.rest) > 1 else "conversation"
    if tab not in _TABS or len(view.rest) > 2:
        raise NotFoundError(f"there is no {tab!r} of a call: there are {', '.join(_TABS)}")
    bodies = _Bodies(*view.log.bodies(call["id"]))
    neighbours = threads.neighbours(view.log, call)
    identity = call["id"]
    content = {
        "call": shown([call])[0],
        "tab": tab,
        "tabs": [(name, f"/calls/{identity}/{name}") for name in _TABS],
        "facts": list(_facts(view, call)),
        "earlier": neighbours.earlier,
        "later": neighbours.later,
        "thread": neighbours.thread,
        "parent": neighbours.parent,
        "branches": neighbours.children,
        **_TABS[tab](view, call, bodies),
    }
    option = {"raw": " --raw", "changes": " --diff"}.get(tab, "")
    return Shown(
        content,
        f"llmitm show {identity}{option}",
        f"{call['model'] or call['operation']} {identity[-6:]}",
        "call.html",
        ranged=False,
    )


def _facts(view: View, call: Record) -> Iterator[tuple[str, str, str | None]]:
    """Yield names and values, with the address of the calls that have them."""
    linked = {"user": "user", "session_id": "session", "run_id": "run"}
    for title, column in _FACTS:
        if call[column]:
            name = linked.get(column)
            yield (
                title,
                str(call[column]),
                view.address("calls", since="all", **{name: str(call[column])}) if name else None,
            )
    for name, value in view.log.properties(call["key"]).items():
        question = view.question.narrowed(f"property:{name}", value)
        yield name, value, f"/calls{question.query(since='all')}"


def _conversation(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    conversation = asked(bodies.request)
    messages = list(conversation.messages)
    known = 0
    if call["parent_id"]:
        request, response = view.log.bodies(call["parent_id"])
        earlier = [*asked(request).messages, *answered(response)]
        known = common(earlier, messages)
        # What was answered may come back in another form; the rest of the prompt is new all the same.
        known = max(known, common(asked(request).messages, messages))
        if known < len(messages) and messages[known].role == "assistant":
            known += 1
    return {
        "known": messages[:known],
        "fresh": messages[known:],
        "answer": answered(bodies.response) if bodies.response else [],
        "tools": conversation.tools,
        "settings": conversation.settings,
        "bodies_kept": bodies.request is not None,
    }


def _changes(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    other = view.argument("with") or call["parent_id"]
    if not other:
        return {"other": None, "changes": []}
    before = view.log.call(other)
    request, _ = view.log.bodies(before["id"])
    return {
        "other": before,
        "changes": list(differences(asked(request), asked(bodies.request))),
        "shared": common(asked(request).messages, asked(bodies.request).messages),
    }


def _cost(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    from llmitm import pricing
    from llmitm.dashboard.prices import price_table
    from llmitm_pricing import Cost

    basis = view.log.basis(call["key"])
    working = None
    if basis is not None and basis.free is None:
        working = pricing.work_out(basis, price_table(view.home))
    cost = working if isinstance(working, Cost) else None
    named = call["provider_cost_nanousd"]
    return {
        "tokens": [
            (name, call[column], "of it" in name)
            for name, column in _TOKENS
            if call[column] is not None
        ],
        "other_units": call["other_units"] or {},
        "lines": [
            {
                "unit": line.unit.replace("_", " "),
                "quantity": f"{line.quantity:,f}",
                "price": exact(line.price) + (f" / {line.per:,f}" if line.per != 1 else ""),
                "amount": f"${exact(line.amount)}",
            }
            for line in (cost.working if cost else ())
        ],
        "sum": f"${exact(cost.usd)}" if cost else None,
        "price_notes": cost.notes if cost else (),
        "changed": cost is not None and named is None and nano(cost.usd) != call["cost_nanousd"],
        "named": named,
    }


def _attempts(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    return {"attempts": view.log.attempts(call["id"])}


def _timing(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    return {"waterfall": _waterfall(view.log.attempts(call["id"]), call)}


def _waterfall(attempts: Sequence[Record], call: Record) -> Markup:
    spans: list[Span] = []
    at = 0.0
    for each in attempts[:-1]:
        took = each["latency_ms"] or 0
        spans.append(
            Span(
                f"attempt {each['number']}",
                f"{each['provider']} {each['status'] or 'no answer'}",
                at,
                at + took,
                "c-bad",
            )
        )
        at += took
        if each["waited_ms"]:
            spans.append(Span("waited", "", at, at + each["waited_ms"], "c-wait"))
            at += each["waited_ms"]
    at = max(at, call["retried_ms"] or 0)
    end = call["latency_ms"] or at
    first = call["first_byte_ms"] if call["first_byte_ms"] is not None else end
    content = call["first_content_ms"] if call["first_content_ms"] is not None else first
    spans.append(
        Span(
            "until the first byte",
            "connection, and the provider's work",
            at,
            max(first, at),
            "c-new",
        )
    )
    if content > first:
        spans.append(
            Span(
                "until the first content",
                "thinking, or the beginning of a stream",
                first,
                content,
                "c-out",
            )
        )
    if end > content:
        spans.append(Span("the answer comes", _speed(call, end - content), content, end, "c-plain"))
    return waterfall(spans, max(end, at), lambda value: seconds(value))


def _speed(call: Record, length: float) -> str:
    if not call["output_tokens"] or length < 50:
        return ""
    return f"{count(call['output_tokens'])} tokens, {call['output_tokens'] / length * 1000:.0f} a second"


def _raw(view: View, call: Record, bodies: _Bodies) -> Mapping[str, object]:
    return {"bodies": [_body("request", bodies.request), _body("response", bodies.response)]}


def _body(name: str, text: str | None) -> Mapping[str, object]:
    indented = _indented(text) if text is not None else ""
    return {
        "name": name,
        "kept": text is not None,
        "characters": len(text or ""),
        "text": indented[:_MOST_RAW],
        "cut": len(indented) > _MOST_RAW,
    }


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


type _Tab = Callable[[View, Record, _Bodies], Mapping[str, Any]]
_TABS: Mapping[str, _Tab] = {
    "conversation": _conversation,
    "changes": _changes,
    "cost": _cost,
    "timing": _timing,
    "attempts": _attempts,
    "raw": _raw,
}
