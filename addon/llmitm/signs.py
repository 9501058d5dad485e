"""What of a call shows whether its run goes in circles, and to which run a call belongs.

Fingerprints hold in this process only. They leave out what clients move about (ids of tool calls, cache marks), and what
was said is not kept.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import NamedTuple

from llmitm import conversation
from llmitm.callers import PROPERTIES
from llmitm.calls import Finished, Identity, Prompt
from llmitm.policy.runaways import Seen

_TURNS = ("messages", "input", "contents", "prompt", "message")
_CHATS = frozenset({"chat", "completion"})
_FAILED = 400
_LONGEST_NAME = 200


class Run(NamedTuple):
    """What calls belong to."""

    name: str
    look: str
    """The options by which `llmitm ls` shows its calls."""


def run_of(identity: Identity) -> Run | None:
    """Return the run of a call: that of `llmitm run`, else its session, else who made it with which program."""
    if identity.run_id:
        return _run(identity.run_id, {"run": identity.run_id})
    if identity.session_id:
        return _run(identity.session_id, {"session": identity.session_id})
    program = identity.properties.get(PROPERTIES["program"])
    if not (program or identity.client):
        return None
    about = {"program": program} if program else {"client": identity.client}
    if identity.user:
        about["user"] = identity.user
    name = program or str(identity.client)
    return _run(f"{identity.user}@{name}" if identity.user else name, about)


def seen(call: Finished, run: str) -> Seen | None:
    """Return what of a call is looked at; None where it says nothing of its run: it cost nothing, or was not sent."""
    exchange = call.exchange
    is_hit = exchange.cache is not None and exchange.cache.state == "hit"
    if is_hit or exchange.refusal is not None or not call.endpoint.counted:
        return None
    at = exchange.started_at + (exchange.latency_ms or 0.0) / 1000
    usd = float(call.charge.usd or 0)
    status = exchange.status
    if call.outcome != "ok" or status is None or status >= _FAILED:
        return Seen(run, at, usd, is_answered=False)
    if call.endpoint.operation not in _CHATS:
        return Seen(run, at, usd)
    thread, prompt = _asked(call.prompt)
    called = [(each.name, each.arguments) for each in call.answer.tool_calls]
    return Seen(
        run,
        at,
        usd,
        hash((call.model, thread)),
        hash(tuple(called)) if called else None,
        prompt,
        tool_name=called[0][0][:_LONGEST_NAME] if called else "",
    )


def _asked(prompt: Prompt) -> tuple[int, int | None]:
    """Return the fingerprints of how a conversation begins and of what is asked last."""
    document = prompt.document
    if not isinstance(document, dict):
        return 0, None
    if isinstance(inner := document.get("request"), dict):  # Google's own coding tools
        document = inner
    key = next((name for name in _TURNS if document.get(name)), None)
    if key is None:
        return 0, None
    turns = document[key]
    first, last = (turns[:1], turns[-1:]) if isinstance(turns, list) else (turns, turns)
    system = {name: document[name] for name in ("system", "instructions") if name in document}
    # One that goes on from an answer sends only what is new, so all of its turns are one thread.
    begins = {} if prompt.previous_response_id else {key: first}
    thread = [conversation.text(each) for each in conversation.messages({**system, **begins})]
    newest = conversation.messages({key: last})
    is_tools = any(part.kind == "tool_result" for each in newest for part in each.parts)
    if is_tools or not newest or newest[-1].role != "user":
        return hash(tuple(thread)), None
    return hash(tuple(thread)), hash(tuple(map(conversation.text, newest)))


def _run(name: str, about: Mapping[str, str | None]) -> Run:
    options = [f"--{option} {shlex.quote(value)}" for option, value in about.items() if value]
    return Run(name[:_LONGEST_NAME], " ".join(options))
