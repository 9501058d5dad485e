"""A small log that has something of everything, and hostile text in it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from llmitm.calls import Finished, Identity, Usage
from llmitm.store.filters import Filter
from llmitm.store.reader import Record, reading
from llmitm.store.writer import Writer
from store.records import START, call, user

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`</pre></details></main>"
    "\x1b[31mred\x1b]8;;https://evil.example\x07\u202egnp.exe\u2066 =cmd|' /C calc'!A0 javascript:alert(3) &lt;b&gt;"
)


def calls() -> list[Finished]:
    """Two turns of a session, one of them hostile, one that failed and one without a price."""
    ada = Identity(
        user="ada",
        session_id="s-1",
        run_id="01RUN",
        client="test/1",
        properties={"Workflow": "support", "process.working_directory": "/home/ada"},
    )
    usage = Usage("reported", input_tokens=1_000, output_tokens=20, cached_input_tokens=800, reasoning_tokens=5)  # fmt: skip
    question = {"model": "gpt-5.4", "messages": [user("Why is the sky blue?")]}
    answered = {"role": "assistant", "content": "Rayleigh."}
    more = {**question, "messages": [*question["messages"], answered, user(HOSTILE)]}
    hostile = call(more, HOSTILE, at=START + 60, identity=replace(ada, user=f"=1+1{HOSTILE}"))
    failed = call(question, None, at=START + 120, outcome="error", status=429, usd=Decimal(0), response={"error": {}})  # fmt: skip
    failed.error_type, failed.error_message = "rate_limit_error", HOSTILE
    return [
        call(question, "Rayleigh.", usage=usage, usd=Decimal("0.25"), identity=ada),
        hostile,
        failed,
        call(question, "Hm.", at=START + 180, model="mystery-1", usd=None),
    ]


def write(database: Path) -> Path:
    with closing(Writer(database)) as writer:
        writer.write(calls())
        while writer.tidy():
            pass
    return database


def records(database: Path, *, bodies: bool = True) -> list[Record]:
    with reading(database) as log:
        return json.loads(json.dumps(list(log.logged(Filter(), bodies=bodies))))  # type: ignore[no-any-return]
