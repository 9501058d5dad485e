"""`llmitm show`: one call, whole: what was asked and answered, what it took, how its price was worked out."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from llmitm import harmless
from llmitm.callers import PROPERTIES
from llmitm.cli.ls import what
from llmitm.cli.output import as_json, clock, count, difference, money, seconds
from llmitm.cli.working import lines

if TYPE_CHECKING:
    from llmitm.store.reader import Reader, Record

_TOKENS = (
    ("input", "input_tokens"),
    ("  cached", "cached_input_tokens"),
    ("  cache write", "cache_write_tokens"),
    ("  audio", "input_audio_tokens"),
    ("  image", "input_image_tokens"),
    ("output", "output_tokens"),
    ("  reasoning", "reasoning_tokens"),
    ("  audio", "output_audio_tokens"),
    ("  image", "output_image_tokens"),
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `show` to the command line."""
    parser = subparsers.add_parser(
        "show", help="one call: conversation, usage, price, times", description=__doc__
    )
    parser.add_argument(
        "call", nargs="?", default="last", metavar="CALL", help="an id or its end, last, or @3"
    )
    parser.add_argument("--utc", action="store_true", help="times in UTC")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--conversation", action="store_true", help="every turn, not only what was asked last"
    )
    forms.add_argument(
        "--diff",
        nargs="?",
        const="",
        metavar="PREV",
        help="what the prompt has that PREV had not; without it the turn before",
    )
    forms.add_argument(
        "--events", action="store_true", help="what happened when, and to which attempt"
    )
    forms.add_argument("--raw", action="store_true", help="both bodies as they are stored")
    forms.add_argument("--json", action="store_true", help="everything, as JSON")
    forms.add_argument(
        "--curl", action="store_true", help="the request as a curl command, without its key"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        call = log.call(arguments.call)
        request, response = log.bodies(call["id"])
        if arguments.json:
            bodies = {"request_body": request, "response_body": response}
            as_json([{**call, "properties": log.properties(call["key"]), **bodies}], "json")
        elif arguments.raw:
            shown = (request or "", response or "")
            # Into a file or another program they go as they are.
            print(*(map(harmless.text, shown) if sys.stdout.isatty() else shown), sep="\n\n")
        elif arguments.curl:
            print(harmless.in_json(_curl(call, request)))
        elif arguments.diff is not None:
            from llmitm.cli import differences

            differences.show(log, call, request, arguments.diff)
        elif arguments.events:
            _events(log, call, utc=arguments.utc)
        elif arguments.conversation:
            _turns(request, call)
        else:
            _show(log, call, request, utc=arguments.utc)
    return 0


def _events(log: Reader, call: Record, *, utc: bool) -> None:
    """Print when what happened. Chunks are not kept: of a stream the log has what they add up to."""
    began = call["started_at"]
    events = [(0, f"asked {call['host']}, {call['request_bytes']:,} bytes")]
    for each in log.attempts(call["id"]):
        at = int(datetime.fromisoformat(each["timestamp"]).timestamp() * 1000) - began
        told = ": ".join(filter(None, (each["error_type"], each["error_message"])))
        if call["attempts"] > 1:
            events.append((at, f"attempt {each['number']} at {each['provider']}"))
            ended = f"{each['status'] or 'no answer'} {told}".rstrip()
            events.append((at + (each["latency_ms"] or 0), f"attempt {each['number']}: {ended}"))
    events += [
        (call[name], what)
        for name, what in (
            ("first_byte_ms", "first byte of the answer"),
            ("first_content_ms", "first content of the answer"),
            ("latency_ms", f"ended: {call['outcome']}, {call['response_bytes']:,} bytes"),
        )
        if call[name] is not None
    ]
    print(harmless.line(f"{call['id']} · {clock(began, utc=utc)}"))
    for at, what_ in sorted(events, key=lambda event: event[0]):
        print(f"{at / 1000:>9.3f} s  {harmless.line(what_)}")
    if call["streaming"]:
        print(
            "its chunks are not kept one by one; --raw shows what they add up to", file=sys.stderr
        )


def _turns(request: str | None, call: Record) -> None:
    """Print every turn with who speaks in it."""
    from rich.console import Console
    from rich.text import Text

    from llmitm.wire import changes, jsontext, turns

    console = Console(highlight=False)
    prompt = changes.read(request or "")
    document = jsontext.parse_or_none(request) if request else None
    if prompt is None:
        console.print("the body is not kept, or has no turns")
        return
    told = [("system", text) for text in map(_said_text, prompt.system)]
    told += [turns.said(turn) for turn in turns.turns(document)]
    told.append(("answered", call["response"] or call["error_message"] or "–"))
    for number, (who, said) in enumerate(told):
        console.print(
            Text(f"{'' if not number else chr(10)}{harmless.line(who)}", style="bold cyan")
        )
        console.print(Text(harmless.text(said)))


def _said_text(text: str) -> str:
    """Return what a block of a system prompt says."""
    from llmitm.wire import jsontext, turns

    block = jsontext.parse_or_none(text) if text.startswith("{") else None
    return (
        "\n".join(turns.strings(block.get("text", block.get("parts"))))
        if isinstance(block, dict)
        else text
    )


def _show(log: Reader, call: Record, request: str | None, *, utc: bool) -> None:
    from rich import markup
    from rich.console import Console

    def escape(text: str) -> str:
        return markup.escape(harmless.text(text))

    console = Console(highlight=False)
    asked = call["model_requested"]
    model = call["model"] or call["operation"]
    shown = f"{asked} → {model}" if asked and asked != model else model
    console.print(
        f"[bold]{escape(shown)}[/]  {call['provider']} · {call['operation']} · {escape(what(call).split(' ', 1)[0])} {call['outcome']}"
    )
    console.print(
        f"[dim]{call['id']} · {clock(call['started_at'], utc=utc)} · {escape(call['method'])} {escape(call['host'] + call['path'])}[/]"
    )
    for title, text in _conversation(call, request):
        console.print(f"\n[bold cyan]{title}[/]")
        console.print(escape(text))
    console.print("\n[bold cyan]usage and cost[/]")
    for line in (*_usage(call), *_cost(log, call)):
        console.print(escape(line), soft_wrap=True)
    console.print("\n[bold cyan]times[/]")
    console.print(
        f"first byte {seconds(call['first_byte_ms'])} · first content {seconds(call['first_content_ms'])} · total {seconds(call['latency_ms'])}"
    )
    if call["attempts"] > 1:
        console.print("\n[bold cyan]attempts[/]")
        for line in _attempts(log, call):
            console.print(escape(line), soft_wrap=True)
    about = list(_about(log, call))
    if about:
        console.print("\n[bold cyan]about[/]")
        for line in about:
            console.print(escape(line))


def _conversation(call: Record, request: str | None) -> Iterator[tuple[str, str]]:
    if request is None:
        yield "request", "the body is not kept"
    elif call["prompt"]:
        earlier = f"  (goes on from {call['parent_id']})" if call["parent_id"] else ""
        yield f"asked{earlier}", call["prompt"]
    if call["response"]:
        yield "answered", call["response"]
    if call["tool_calls"]:
        yield "tools to run", ", ".join(call["tool_calls"])
    if call["error_type"] or call["error_message"]:
        yield "error", ": ".join(filter(None, (call["error_type"], call["error_message"])))


def _usage(call: Record) -> Iterator[str]:
    for title, column in _TOKENS:
        if call[column]:
            yield f"{title:<14} {count(call[column]):>12} tokens"
    if call.get("batch_requests"):
        yield f"{'requests':<14} {count(call['batch_requests']):>12}"
    for unit, number in (call["other_units"] or {}).items():
        yield f"{unit:<14} {number:>12}"
    if call["usage_source"] != "reported":
        yield f"tokens: {call['usage_source']}"


def _cost(log: Reader, call: Record) -> Iterator[str]:
    """Yield the cost with its working; where a price file has changed since, that of today as well."""
    if call["cache"] == "hit":
        yield f"{'cost':<14} {money(0):>12}  out of the cache, as call {call['cache_source'] or '?'} was answered"
        yield f"{'saved':<14} {money(call['saved_nanousd']):>12}"
        return
    yield f"{'cost':<14} {money(call['cost_nanousd']):>12}  {call['price_id'] or call['unpriced_reason'] or ''}".rstrip()
    named = call.get("provider_cost_nanousd")
    listed = call["cost_nanousd"] if named is None else call["table_cost_nanousd"]
    if named is not None:
        yield f"{'by the table':<14} {money(listed):>12}{_apart(named, listed)}"
    basis = log.basis(call["key"])
    if basis is None:
        yield from _parts(call)
        return
    if basis.free is not None:
        return
    from llmitm import pricing
    from llmitm.home import home
    from llmitm.money import nano
    from llmitm_pricing import Cost, PriceTable

    priced = pricing.work_out(basis, PriceTable.load(own=home().prices))
    if (nano(priced.usd) if isinstance(priced, Cost) else None) != listed:
        yield from _parts(call)
        yield "the price files say otherwise by now; llmitm price recalc takes it over:"
    elif not isinstance(priced, Cost):
        return
    yield from lines(priced)


def _parts(call: Record) -> Iterator[str]:
    for unit, part in (call["cost_parts"] or {}).items():
        yield f"{unit:<14} {money(part):>12}"


def _apart(named: int, listed: int | None) -> str:
    if listed is None:
        return "  (the cost is what the provider said)"
    share = f" or {(named - listed) / named:+.1%}" if named and named != listed else ""
    return f"  (the cost is what the provider said: {difference(named - listed)}{share})"


def _attempts(log: Reader, call: Record) -> Iterator[str]:
    """Yield a line for each time that the call was tried."""
    for each in log.attempts(call["id"]):
        status = each["status"] or "no answer"
        told = ": ".join(filter(None, (each["error_type"], each["error_message"])))
        waited = f" · waited {seconds(each['waited_ms'])}" if each["waited_ms"] else ""
        why = f" · {told}" if told else ""
        yield (
            f"{each['number']}  {each['provider']} {each['model'] or ''} · {status}"
            f" · {seconds(each['latency_ms'])}{why}{waited}"
        )


def _about(log: Reader, call: Record) -> Iterator[str]:
    for title, column in (
        ("client", "client"),
        ("user", "user"),
        ("session", "session_id"),
        ("run", "run_id"),
        ("key", "api_key"),
        ("finish", "finish_reason"),
        ("tier", "service_tier"),
        ("asked first", "provider_requested"),
    ):
        if call[column]:
            yield f"{title:<14} {call[column]}"
    properties = log.properties(call["key"])
    for fact, name in PROPERTIES.items():
        if name in properties:
            yield f"{fact:<14} {properties.pop(name)}"
    for name, value in properties.items():
        yield f"{name:<14} {value}"
    for note in call["notes"] or ():
        yield f"note           {note}"


def _curl(call: Record, request: str | None) -> str:
    lines = [f"curl -X {call['method']} {shlex.quote('https://' + call['host'] + call['path'])}"]
    lines.append("-H 'content-type: application/json'")
    lines.append('-H "authorization: Bearer $API_KEY"')
    if request:
        lines.append(f"-d {shlex.quote(_without_space(request))}")
    return " \\\n  ".join(lines)


def _without_space(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text
