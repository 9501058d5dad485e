"""Calls as one HTML file that can be mailed: no script, nothing fetched, dark and light by the reader's system.

What programs and models wrote is shown, never run: it is escaped, and a policy in the page forbids all but its own style.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import BinaryIO

from llmitm import __version__
from llmitm.cli.output import count, money, seconds, share
from llmitm.cli.summary import duration
from llmitm.exports import turns
from llmitm.exports.harmless import text as harmless
from llmitm.exports.turns import Turn
from llmitm.store.reader import Record

_LONG = 1_200
"""Characters from which a text is folded."""


def write(file: BinaryIO, calls: Iterable[Record], title: str) -> None:
    """Write a page; calls stand in the order of their time."""
    kept = sorted(calls, key=lambda call: (call["started_at"], call["key"]))
    for piece in _page(kept, title):
        file.write(piece.encode("utf-8", "replace"))


def _page(calls: Sequence[Record], title: str) -> Iterator[str]:
    style = resources.files("llmitm.exports").joinpath("page.css").read_text("utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        f" style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{harmless(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
    )
    yield from _head(calls, title)
    yield from _table(calls)
    yield "<h2>Calls</h2>\n"
    shown: set[bytes] = set()
    for call in calls:
        yield from _call(call, shown)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"<footer>Written by llmitm {__version__}, {now}. Times are UTC.</footer>\n"
    yield "</main>\n</body>\n</html>\n"


def _head(calls: Sequence[Record], title: str) -> Iterator[str]:
    yield f"<h1><bdi>{harmless(title)}</bdi></h1>\n"
    if not calls:
        yield '<p class="soft">No calls.</p>\n'
        return
    first, last = calls[0]["started_at"], max(_ended(call) for call in calls)
    models = ", ".join(dict.fromkeys(call["model"] or call["operation"] for call in calls))
    yield f'<div class="soft"><bdi>{harmless(models)}</bdi> · {_at(first)} UTC</div>\n<ul class="figures">\n'
    known = [call["cost_nanousd"] for call in calls if call["cost_nanousd"] is not None]
    given, cached, out = (
        sum(call[name] or 0 for call in calls if call["counted"])
        for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    )
    figures = [
        ("calls", f"{len(calls):,}"),
        ("cost", money(sum(known)) if known else "unpriced"),
        ("input tokens", count(given)),
        ("of them cached", share(cached, given)),
        ("output tokens", count(out)),
        ("from first to last", duration((last - first) / 1000)),
    ]
    failed = sum(call["outcome"] == "error" for call in calls)
    if failed:
        figures.append(("failed", f"{failed:,}"))
    if known and len(known) < len(calls):
        figures.append(("without a price", f"{len(calls) - len(known):,}"))
    for name, value in figures:
        yield f"<li><b>{value}</b><span>{name}</span></li>\n"
    yield "</ul>\n"


def _at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _ended(call: Record) -> int:
    return int(call["started_at"] + (call["latency_ms"] or 0))


def _table(calls: Sequence[Record]) -> Iterator[str]:
    heads = (
        ("when", ""), ("model", ""), ("in", "n"), ("cached", "n"), ("out", "n"), ("cost", "n"),
        ("time", "n"), ("ended", ""),
    )  # fmt: skip
    cells = "".join(f'<th class="{kind}">{name}</th>' for name, kind in heads)
    yield f'<div class="scroll"><table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n'
    for call in calls:
        yield (
            f'<tr><td><a href="#{harmless(call["id"])}">{_at(call["started_at"])}</a></td>'
            f"<td><bdi>{harmless(call['model'] or call['operation'])}</bdi></td>"
            f'<td class="n">{count(call["input_tokens"])}</td>'
            f'<td class="n">{share(call["cached_input_tokens"], call["input_tokens"])}</td>'
            f'<td class="n">{count(call["output_tokens"])}</td>'
            f'<td class="n">{money(call["cost_nanousd"])}</td>'
            f'<td class="n">{seconds(call["latency_ms"])}</td><td>{_ending(call)}</td></tr>\n'
        )
    yield "</tbody>\n</table></div>\n"


def _ending(call: Record) -> str:
    if call["outcome"] == "ok":
        tools = ", ".join(call["tool_calls"] or ())
        return f"<bdi>{harmless(f'→ {tools}' if tools else call['finish_reason'] or 'ok')}</bdi>"
    why = call["error_type"] or call["outcome"]
    return f'<bdi class="bad">{harmless(f"{call['status'] or ''} {why}".strip())}</bdi>'


def _call(call: Record, shown: set[bytes]) -> Iterator[str]:
    facts = [call["provider"], seconds(call["latency_ms"])]
    facts += [f"{count(call['input_tokens'])} in", f"{count(call['output_tokens'])} out"]
    yield (
        f'<details class="call" id="{harmless(call["id"])}" open><summary>'
        f"<b><bdi>{harmless(call['model'] or call['operation'])}</bdi></b>"
        f'<span class="soft">{_at(call["started_at"])}</span>'
        f'<span class="soft"><bdi>{harmless(" · ".join(facts))}</bdi></span><span>{_ending(call)}</span>'
        f'<span class="cost">{money(call["cost_nanousd"])}</span></summary>\n<div class="body">\n'
    )
    asked = turns.asked(call.get("request_body"))
    answered = turns.answered(call.get("response_body"))
    if call["response"]:
        answered = [Turn("assistant", "text", call["response"]), *answered]
    before, new = _new(asked, answered, shown)
    if before:
        yield f'<div class="soft">after {before:,} turns that are shown above</div>\n'
    for turn in (*new, *answered):
        yield _turn(turn)
    if call["error_type"] or call["error_message"]:
        words = ": ".join(filter(None, (call["error_type"], call["error_message"])))
        yield _turn(Turn("error", "text", words))
    yield from _about(call)
    yield "</div></details>\n"


def _new(
    asked: Sequence[Turn], answered: Sequence[Turn], shown: set[bytes]
) -> tuple[int, Sequence[Turn]]:
    """Return how many turns were shown with an earlier call that began alike, and the turns after them."""
    digest = hashlib.blake2b(digest_size=16)
    before = 0
    for number, turn in enumerate((*asked, *answered), 1):
        digest.update(repr(turn).encode("utf-8", "backslashreplace"))
        if digest.digest() in shown and number == before + 1 <= len(asked):
            before = number
        shown.add(digest.digest())
    if before == len(asked):  # the same question again
        before = max(before - 1, 0)
    return before, asked[before:]


def _turn(turn: Turn) -> str:
    role = turn.role if turn.role in ("user", "assistant", "tool", "error") else "system"
    code = ' class="code"' if turn.kind in ("call", "result") else ""
    label = {"call": "calls a tool", "result": "tool's result", "media": "media"}.get(
        turn.kind, turn.role
    )
    body = f'<pre{code} dir="auto">{harmless(turn.text)}</pre>'
    if len(turn.text) > _LONG or role == "system":
        start = harmless(" ".join(turn.text[:120].split()))
        body = (
            f'<details class="long"><summary>{len(turn.text):,} characters: <bdi>{start}…</bdi></summary>'
            f"{body}</details>"
        )
    return f'<div class="turn {role}"><div class="role"><bdi>{harmless(label)}</bdi></div>{body}</div>\n'


def _about(call: Record) -> Iterator[str]:
    facts = [("id", call["id"]), ("price", call["price_id"] or call["unpriced_reason"])]
    facts += [("client", call["client"]), ("user", call["user"]), ("session", call["session_id"])]
    facts += [*call["properties"].items()]
    facts += [("note", note) for note in call["notes"] or ()]
    words = "\n".join(f"{name}: {value}" for name, value in facts if value)
    yield (
        f'<details class="long"><summary>about this call</summary><pre class="code" dir="auto">'
        f"{harmless(words)}</pre></details>\n"
    )
