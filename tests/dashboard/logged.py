"""What the log of these tests holds: two agents' conversations, calls of three users, errors, and text that would do harm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from llmitm.calls import Finished, Identity, Usage
from llmitm.store.writer import Writer
from store.records import call, chat, prose

HARM = '<script>document.title="harm"</script><img src=x onerror="alert(1)"> \x1b[31mred\x07 \u202eevil\u202c'
SEEN = '<script>document.title="harm"</script><img src=x onerror="alert(1)"> ⟨ESC⟩[31mred⟨BEL⟩ ⟨RLO⟩evil⟨PDF⟩'
TURNS = 8
SINGLE = 130
AGENT, SESSION, RUN = "claude-opus-4-6", "session-one", "run-one"


def write(path: Path, now: float) -> None:
    """Write it, as if the calls had been made in the hours before a time."""
    writer = Writer(path)
    for finished in (*singles(now), *conversation(now)):
        writer.write([finished])
    while writer.tidy():
        pass
    writer.close()


def singles(now: float) -> Iterator[Finished]:
    """Yield calls that have nothing to do with one another, oldest first."""
    chance = random.Random(1)
    models = (
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-haiku-4-5"),
        ("mistral", "mistral-large-2411"),
    )
    for number in range(SINGLE):
        provider, model = models[number % 3]
        failed = number % 10 == 9
        asked = HARM if number == SINGLE - 1 else f"Question {number}: {prose(chance, 6)}"
        finished = chat(
            asked,
            HARM if number == SINGLE - 1 else prose(chance, 8),
            at=now - 20 * 3600 + number * 500,
            provider=provider,
            model=model,
            usage=Usage("reported", 1_000 + number, 100, cached_input_tokens=500),
            usd=None if number % 13 == 5 else Decimal(number) / 1000,
            outcome="error" if failed else "ok",
            status=429 if failed else 200,
            latency_ms=1_000 + number,
            identity=Identity(
                user=("ada", "grace", "linus")[number % 3],
                client="OpenAI/Python 1.99",
                properties={"Workflow": ("triage", "report")[number % 2], "tag": "nightly"},
            ),
        )
        yield finished


def conversation(now: float) -> Iterator[Finished]:
    """Yield the turns of an agent: the context grows, and once the provider's cache is missed."""
    turns: list[dict[str, str]] = []
    for number in range(TURNS):
        turns.append({"role": "user", "content": f"Do step {number}"})
        request = {
            "model": AGENT,
            "max_tokens": 1_000,
            "system": "You are a careful agent." if number < 5 else "You are a very careful agent.",
            "tools": [{"name": "bash", "input_schema": {"type": "object"}}],
            "messages": list(turns),
        }
        said = f"Step {number} is done"
        answer = {
            "type": "message",
            "role": "assistant",
            "model": AGENT,
            "content": [
                {"type": "thinking", "thinking": f"I think of step {number}"},
                {"type": "text", "text": said},
                {
                    "type": "tool_use",
                    "id": "t1",
                    "name": "bash",
                    "input": {"command": f"make step{number}"},
                },
            ],
        }
        turns.append({"role": "assistant", "content": said})
        tokens = 2_000 + number * 1_000
        finished = call(
            request,
            said,
            response=answer,
            at=now - 1_800 + number * 60,
            provider="anthropic",
            model=AGENT,
            usage=Usage(
                "reported",
                tokens,
                200,
                cached_input_tokens=tokens - 1_000 if number not in (0, 5) else 0,
            ),
            usd=Decimal("0.01"),
            latency_ms=4_000,
            identity=Identity(user="ada", session_id=SESSION, run_id=RUN, client="claude-cli/2.1"),
        )
        yield replace(finished, exchange=replace(finished.exchange, first_byte_ms=900))


def one_more(now: float) -> Finished:
    """Return a call that was not there before."""
    return chat("A question that just came", "And its answer", at=now, usd=Decimal("0.5"))
